"""Literate cases: a Markdown file -> cases, each with files and expectations. Knows no rule and runs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mdblocks import Block, Section, sections
from support.markers import Marker, MarkerError, take_markers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path


class CaseError(ValueError):
    """The case file is wrong; the message names the place."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case: the files of a small project, and what is expected of it."""

    source: str  # path of the Markdown or rule file
    line: int
    title: str
    files: Mapping[str, str]  # without markers
    markers: tuple[Marker, ...]
    origins: Mapping[str, int]  # file -> line of `source` on which its first line stands

    @property
    def slug(self) -> str:
        """The title as a test id."""
        return "-".join("".join(c if c.isalnum() else " " for c in self.title.lower()).split()[:9])

    def of_kind(self, *kinds: str) -> tuple[Marker, ...]:
        """The markers of these kinds."""
        return tuple(marker for marker in self.markers if marker.kind in kinds)

    def place(self, path: str, line: int) -> str:
        """Where a line of one of the files stands in the Markdown."""
        return f"{self.source}:{self.origins[path] + line - 1}" if path in self.origins else self.source

    def code(self, path: str, line: int) -> str:
        """That line, stripped."""
        lines = self.files.get(path, "").split("\n")
        return lines[line - 1].strip() if 0 < line <= len(lines) else ""


def load_cases(file: Path, shown_as: str = "") -> list[Case]:
    """All cases of a file; each `##` heading is one, deeper headings are prose."""
    source = shown_as or str(file)
    try:
        parts = sections(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CaseError(f"{source}: {error}") from None
    cases: list[Case] = []
    for heading, blocks in _by_heading(parts, source):
        files = list(_named(blocks, source))
        if not files:
            raise CaseError(f"{source}:{heading.line}: the case `{heading.title}` has no file")
        cases.append(build_case(source, heading.line, heading.title, files))
    if len({case.slug for case in cases}) < len(cases):
        raise CaseError(f"{source}: two cases have the same heading")
    return cases


def build_case(source: str, line: int, title: str, files: Iterable[tuple[str, str, int]]) -> Case:
    """Make a case of (path, text, line in `source`)."""
    texts: dict[str, str] = {}
    origins: dict[str, int] = {}
    markers: list[Marker] = []
    for path, text, first_line in files:
        if path in texts:
            raise CaseError(f"{source}:{first_line}: `{path}` is there twice")
        try:
            texts[path], found = take_markers(path, text)
        except MarkerError as error:
            raise CaseError(f"{source}:{first_line + error.line - 1}: {error}") from None
        origins[path] = first_line
        markers += found
    return Case(source, line, title, texts, tuple(sorted(markers, key=lambda m: (m.path, m.line))), origins)


def _by_heading(parts: list[Section], source: str) -> Iterator[tuple[Section, list[Block]]]:
    heading: Section | None = None
    blocks: list[Block] = []
    for part in parts:
        if part.level > 2 and heading is not None:
            blocks += part.blocks
            continue
        if heading is not None:
            yield heading, blocks
        heading, blocks = (part, list(part.blocks)) if part.level == 2 else (None, [])
        if heading is None and part.blocks:
            raise CaseError(f"{source}:{part.blocks[0].line}: this block belongs to no `##` heading")
    if heading is not None:
        yield heading, blocks


def _named(blocks: Iterable[Block], source: str) -> Iterator[tuple[str, str, int]]:
    for block in blocks:
        try:
            name = block.file_name
        except ValueError as error:
            raise CaseError(f"{source}: {error}") from None
        if name:
            yield name, block.text, block.line
