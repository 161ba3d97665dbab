"""Markdown as far as cases and rule pages need it: headings, prose, fenced blocks with a file name. Knows no marker and no rule."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

DEFAULT_NAMES = {
    "python": "app.py",
    "dockerfile": "Dockerfile",
    "sh": "entrypoint.sh",
    "sql": "schema.sql",
    "yaml": "compose.yaml",
    "toml": "pyproject.toml",
}
"""The file that a block without a name is, by its language."""

PROSE = ("", "text", "console")
"""Languages of blocks that are never files unless they have a name."""

_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*\s*$")
_FENCE = re.compile(r"( {0,3})(`{3,}|~{3,})\s*([\w+-]*)[^`]*$")
_LABEL = re.compile(r"`([^`]+)`:\s*$")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block."""

    language: str
    text: str  # with a final newline, unless empty
    line: int  # of the first line of `text`
    label: str = ""  # `app/client.py`: on the line before

    @property
    def file_name(self) -> str:
        """The file that the block is; empty for prose, an error for a language that has no usual file."""
        if self.label or self.language in PROSE:
            return self.label
        if self.language in DEFAULT_NAMES:
            return DEFAULT_NAMES[self.language]
        raise ValueError(f"line {self.line}: this `{self.language}` block needs a file name on the line before it")


@dataclass(slots=True)
class Section:
    """What stands under one heading. The text before the first heading has level 0 and no title."""

    level: int
    title: str
    line: int
    prose: list[str] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The prose without the labels of blocks."""
        return "\n".join(self.prose).strip()


def sections(text: str, first_line: int = 1) -> list[Section]:
    """Cut a text at its headings; a heading inside a fence is no heading."""
    result = [Section(0, "", first_line)]
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        section = result[-1]
        if heading := _HEADING.match(lines[at]):
            result.append(Section(len(heading[1]), heading[2], first_line + at))
        elif fence := _FENCE.match(lines[at]):
            end = _end_of_fence(lines, at, fence[2])
            body = "".join(f"{line}\n" for line in lines[at + 1 : end])
            section.blocks.append(Block(fence[3].lower(), body, first_line + at + 1, _take_label(section.prose)))
            at = end
        else:
            section.prose.append(lines[at])
        at += 1
    return result


def _end_of_fence(lines: list[str], start: int, mark: str) -> int:
    for at in range(start + 1, len(lines)):
        stripped = lines[at].strip()
        if len(stripped) >= len(mark) and not stripped.strip(mark[0]):
            return at
    raise ValueError(f"line {start + 1}: the fence is never closed")


def _take_label(prose: list[str]) -> str:
    """Remove the label that ends the prose, with the empty lines after it, and return it."""
    at = len(prose)
    while at and not prose[at - 1].strip():
        at -= 1
    if not at or not (label := _LABEL.match(prose[at - 1])):
        return ""
    del prose[at - 1 :]
    return label[1]
