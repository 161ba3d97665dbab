"""Ini-like texts, line by line: no interpolation, repeated keys kept, nothing refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    open_entry: Entry | None = None
    for number, line in enumerate(lines, start=1):
        stripped = line.strip()
        if open_entry is not None and _goes_on(line, open_entry, continued):
            if not stripped.startswith(("#", ";")):
                open_entry = _longer(open_entry, number, stripped, continued)
            continue
        if open_entry is not None:
            yield open_entry
            open_entry = None
        if not stripped or stripped[0] in "#;":
            continue
        match = _SECTION.match(line)
        if match:
            section = match[1].strip()
            continue
        open_entry = _entry(number, section, stripped)
    if open_entry is not None:
        yield open_entry


def _entry(number: int, section: str, text: str) -> Entry | None:
    at = min((i for i in (text.find("="), text.find(":")) if i > 0), default=-1)
    if at < 0:
        return None
    return Entry(number, number, section, text[:at].strip(), text[at + 1 :].strip())


def _goes_on(line: str, entry: Entry, continued: str) -> bool:
    if continued == "backslash":
        return entry.value.endswith("\\")
    return bool(line.strip()) and line[0] in " \t"


def _longer(entry: Entry, number: int, text: str, continued: str) -> Entry:
    if continued == "backslash":
        return Entry(entry.line, number, entry.section, entry.key, f"{entry.value[:-1].rstrip()} {text}")
    return Entry(entry.line, number, entry.section, entry.key, f"{entry.value}\n{text}")


def without_comment(value: str) -> str:
    """The value without a comment at the end of a line."""
    return "\n".join(_COMMENT.sub("", line).rstrip() for line in value.split("\n"))
