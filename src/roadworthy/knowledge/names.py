"""Dotted names as library files write them: braces, stars, checks, and the literal conditions of `when`."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, TypeVar

import msgspec

from roadworthy.knowledge.schema import ExceptionRow, TypeRow

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

T = TypeVar("T", TypeRow, ExceptionRow)

MOST_NAMES = 2000
"""A single entry that expands to more is refused: a file of a reviewed project must not exhaust the memory."""

LONGEST_PATTERN = 4000

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(\.\*)?")
_BRACE = re.compile(r"[{},]")
_ORIGIN = re.compile(r"(?:(?P<how>with|iter) )?(?P<name>[\w.*]+)(?P<call>\((?P<literal>'[^'\"]*')?\))?")


def expand(pattern: str) -> tuple[str, ...]:
    """All names that a pattern with braces stands for, in order; ValueError when it is malformed or too many."""
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"a name of {len(pattern)} characters")
    done: list[str] = []
    pending = [pattern]
    while pending:
        text = pending.pop()
        if "{" in text or "}" in text:
            head, parts, tail = _first_braces(text, pattern)
            pending.extend(f"{head}{part.strip()}{tail}" for part in reversed(parts))
        else:
            done.append(text)
        if len(done) + len(pending) > MOST_NAMES:
            raise ValueError(f"{pattern!r} stands for more than {MOST_NAMES} names")
    return tuple(dict.fromkeys(done))


def _first_braces(text: str, pattern: str) -> tuple[str, list[str], str]:
    """What stands before the first braces, the alternatives inside, and what stands behind."""
    parts: list[str] = []
    depth = start = 0
    for match in _BRACE.finditer(text):
        sign, at = match[0], match.start()
        if depth == 0 and sign == ",":
            continue
        if sign == "{":
            depth += 1
            if depth == 1:
                head, start = text[:at], at + 1
        elif depth == 1:
            parts.append(text[start:at])
            start = at + 1
        depth -= sign == "}"
        if depth < 0:
            break
        if depth == 0 and sign == "}":
            return head, parts, text[start:]
    raise ValueError(f"unbalanced braces in {pattern!r}")


def singles(row: T) -> tuple[T, ...]:
    """One row for each name that the row's name stands for; aliases are matched one to one when there are several."""
    names = expand(row.name)
    bases = tuple(base for pattern in row.bases for base in expand(pattern))
    aliases = [expand(pattern) for pattern in row.same_as]
    if len(names) == 1:
        flat = tuple(alias for group in aliases for alias in group)
        return (msgspec.structs.replace(row, name=names[0], bases=bases, same_as=flat),)
    if any(len(group) != len(names) for group in aliases):
        raise ValueError(f"same_as does not match {row.name!r} one to one")
    return tuple(
        msgspec.structs.replace(row, name=name, bases=bases, same_as=tuple(group[number] for group in aliases))
        for number, name in enumerate(names)
    )


def is_name(name: str) -> bool:
    """Is this a dotted name, perhaps with a star as last part?"""
    return _DOTTED.fullmatch(name) is not None


def parse_origin(text: str) -> tuple[str, str, str] | None:
    """`with x.y()` -> ("with", "x.y", ""), `x.y('s3')` -> ("call", "x.y", "'s3'"), `x.y` -> ("attribute", "x.y", ""), else None."""
    match = _ORIGIN.fullmatch(text)
    if match is None or not is_name(match["name"]):
        return None
    literal = match["literal"] or ""
    if match["how"]:
        return None if literal else (match["how"], match["name"], "")
    return ("call" if match["call"] else "attribute", match["name"], literal)


def starred(name: str) -> str:
    """The name with a star as last part."""
    return f"{name.rpartition('.')[0]}.*"


def when_matches(when: Mapping[str, str], literals: Mapping[str, str]) -> bool:
    """Does a call that passes these literals satisfy `when`?

    `literals` maps keywords and positions (in digits) to the text of the literal passed there: strings without quotes,
    `True`, `None`, `0`. Arguments that are no literals are left out, and then do not match.
    """
    return all(
        any(
            fnmatchcase(literals[place], pattern)
            for place in places.split("|")
            if place in literals
            for pattern in wanted.split("|")
        )
        for places, wanted in when.items()
    )


def needs_met(needs: Iterable[str], passed: Container[str]) -> bool:
    """Does a call that passes these keywords and positions (in digits) pass what `needs` asks for?"""
    return all(any(place in passed for place in places.split("|")) for places in needs)
