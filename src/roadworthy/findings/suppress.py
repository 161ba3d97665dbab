"""`# roadworthy: ignore[rule] reason`: a finding that somebody has looked at and answers for.

The comment stands at the end of the line, alone on the line above, or on the line of an enclosing `def` or `class`.
Without a reason it does nothing. One that holds nothing back is reported, so that none outlives its cause.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from roadworthy.findings.finding import Finding

AGENT_PREFIX = "agent-"
"""Begins the rule of every finding that only the agent made; there is no list of them."""

_COMMENT = re.compile(r"roadworthy:\s*ignore\b\s*(?:\[([^\]]*)\])?[\s:—-]*(.*)", re.IGNORECASE)
_MENTION = re.compile(r"roadworthy:\s*(\w[\w-]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Header:
    """A function or class: its first decorator or `def`, the `def` itself, its last line."""

    first: int
    line: int
    end: int


@dataclass(frozen=True, slots=True)
class Commented:
    """What suppression needs to know of one file."""

    path: str
    comments: tuple[tuple[int, str], ...]  # line, text without `#`
    headers: tuple[Header, ...]
    code: frozenset[int]  # lines on which some code stands


@dataclass(slots=True)
class _Ignore:
    """One rule in one comment."""

    path: str
    line: int
    rule: str
    used: bool = False


@dataclass(frozen=True, slots=True)
class Suppressed:
    """What is left, what was held back, and what is wrong with the comments."""

    kept: tuple[Finding, ...]
    held: tuple[Finding, ...]
    notes: tuple[tuple[str, int, str], ...]  # path, line, text


def suppress(
    findings: Iterable[Finding], files: Mapping[str, Commented], *, known: Collection[str], ran: Collection[str]
) -> Suppressed:
    """Hold back what a comment with a reason answers for.

    `known` are all rule names, `ran` those that ran to their end: only for these can a comment be stale.
    """
    notes: list[tuple[str, int, str]] = []
    ignores: dict[tuple[str, int], list[_Ignore]] = defaultdict(list)
    for file in files.values():
        for ignore in _ignores(file, known, notes):
            ignores[file.path, ignore.line].append(ignore)
    kept: list[Finding] = []
    held: list[Finding] = []
    for finding in findings:
        answers = [
            ignore
            for line in _lines(finding, files)
            for ignore in ignores.get((finding.at.path, line), ())
            if ignore.rule == finding.rule
        ]
        for ignore in answers:
            ignore.used = True
        (held if answers else kept).append(finding)
    for group in ignores.values():
        notes.extend(
            (ignore.path, ignore.line, f"the suppression of {ignore.rule} holds nothing back and can go")
            for ignore in group
            if not ignore.used and ignore.rule in ran
        )
    return Suppressed(tuple(kept), tuple(held), tuple(sorted(notes)))


def _ignores(file: Commented, known: Collection[str], notes: list[tuple[str, int, str]]) -> Iterator[_Ignore]:
    """Yield what the comments of a file suppress; say in `notes` what they fail to."""
    for line, text in file.comments:
        found = _COMMENT.match(text)
        if found is None:
            if mention := _MENTION.match(text):
                notes.append(
                    (
                        file.path,
                        line,
                        f"`roadworthy: {mention[1]}` means nothing; `roadworthy: ignore[rule] reason` does",
                    )
                )
            continue
        rules = [rule.strip() for rule in (found[1] or "").split(",") if rule.strip()]
        if not rules:
            notes.append((file.path, line, "the suppression names no rule: write `roadworthy: ignore[rule] reason`"))
        elif not found[2].strip():
            notes.append((file.path, line, f"the suppression of {', '.join(rules)} gives no reason and does nothing"))
        else:
            for rule in rules:
                if rule in known or rule.startswith(AGENT_PREFIX):
                    yield _Ignore(file.path, line, rule)
                else:
                    notes.append(
                        (file.path, line, f"the suppression names {rule}, which is no rule{_nearest(rule, known)}")
                    )


def _nearest(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _lines(finding: Finding, files: Mapping[str, Commented]) -> list[int]:
    """List the lines on which a comment answers for this finding."""
    at, file = finding.at, files.get(finding.at.path)
    if file is None:
        return []
    lines = [at.line, at.end_line]
    starts = [at.line]
    for header in file.headers:
        if header.first <= at.line <= header.end:
            lines.extend(range(header.first, header.line + 1))
            starts.append(header.first)
    lines.extend(start - 1 for start in starts if start - 1 not in file.code)
    return lines
