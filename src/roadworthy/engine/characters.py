"""Columns as people and editors count them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from roadworthy.facts.extract import to_utf8
from roadworthy.text.source import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from roadworthy.findings.finding import Finding, Location


def in_characters(findings: Iterable[Finding], read: Callable[[str], bytes]) -> tuple[Finding, ...]:
    """The parser counts columns in bytes; from here on they are characters (Unicode code points).

    `read` gives the bytes of a file of the project. A file that has gone meanwhile keeps its bytes' columns.
    """
    lines: dict[str, list[bytes]] = {}

    def at(place: Location) -> Location:
        if place.path not in lines:
            lines[place.path] = _beyond_ascii(place.path, read)
        number = place.line - 1
        if not 0 <= number < len(lines[place.path]):
            return place
        before = lines[place.path][number][: place.column]
        return place if before.isascii() else replace(place, column=len(before.decode("utf-8", "ignore")))

    return tuple(replace(one, at=at(one.at), related=tuple(at(place) for place in one.related)) for one in findings)


def _beyond_ascii(path: str, read: Callable[[str], bytes]) -> list[bytes]:
    """The lines of a file; none where all its columns are right as they are."""
    try:
        text = read(path)
    except (UnreadableError, KeyError):
        return []
    return [] if text.isascii() else to_utf8(text)[0].split(b"\n")
