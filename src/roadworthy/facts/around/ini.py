"""Ini-like texts, line by line: no interpolation, repeated keys kept, nothing refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PARTS = 2_000

_SECTION = re.compile(r"\s*\[([^\]]+)\]\s*(?:[#;].*)?$")
_COMMENT = re.compile(r"\s[;#]\s.*$|\s;.*$")


@dataclass(frozen=True, slots=True)
class Entry:
    """One key with its value; further lines of the value are joined by line ends."""

    line: int
    end_line: int
    section: str
    key: str
    value: str


def entries(lines: list[str], *, continued: str = "indent") -> Iterator[Entry]:
    """The entries in order. `continued`: values go on on indented lines ("indent") or behind a backslash ("backslash")."""
    section = ""
    entry: _Open | None = None
    for number, line in enumerate(lines, start=1):
        stripped = line.strip()
        if entry is not None and entry.goes_on(line, continued):
            entry.add(number, stripped, continued)
            continue
        if entry is not None:
            yield entry.closed(continued)
            entry = None
        if not stripped or stripped[0] in "#;":
            continue
        match = _SECTION.match(line)
        if match:
            section = match[1].strip()
        else:
            entry = _opened(number, section, stripped)
    if entry is not None:
        yield entry.closed(continued)


@dataclass
class _Open:
    """An entry that may still grow."""

    line: int
    end_line: int
    section: str
    key: str
    parts: list[str]

    def goes_on(self, line: str, continued: str) -> bool:
        if continued == "backslash":
            return self.parts[-1].endswith("\\")
        return bool(line.strip()) and line[0] in " \t"

    def add(self, number: int, text: str, continued: str) -> None:
        self.end_line = number
        if text.startswith(("#", ";")) and continued == "indent":
            return
        if len(self.parts) < MAX_PARTS or continued == "backslash":
            self.parts.append(text)

    def closed(self, continued: str) -> Entry:
        if continued == "backslash":
            value = " ".join(part.removesuffix("\\").rstrip() for part in self.parts)
        else:
            value = "\n".join(self.parts)
        return Entry(self.line, self.end_line, self.section, self.key, value)


def _opened(number: int, section: str, text: str) -> _Open | None:
    at = min((i for i in (text.find("="), text.find(":")) if i > 0), default=-1)
    if at < 0:
        return None
    return _Open(number, number, section, text[:at].strip(), [text[at + 1 :].strip()])


def without_comment(value: str) -> str:
    """The value without a comment at the end of a line."""
    return "\n".join(_COMMENT.sub("", line).rstrip() for line in value.split("\n"))
