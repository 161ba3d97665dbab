"""The findings that a project had when it adopted the tool: a text file that people can review.

An entry is a rule at a place by content (path, function, subject), never by line, with a count of places: one more instance of an old kind
is new, also where it joins an old finding of the same cause.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from roadworthy.findings.finding import Finding

HEADER = "# roadworthy baseline 1: places, key, rule, path, function. `roadworthy baseline write` makes it anew."


class BaselineError(Exception):
    """A line of a baseline file makes no sense; the message names the line."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """Counts by key, and the rest of each line for people."""

    counts: Mapping[str, int]
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Compared:
    """Findings of today against a baseline."""

    new: tuple[Finding, ...]
    old: tuple[Finding, ...]
    gone: tuple[str, ...]  # texts of entries of which fewer are left, with how many


def key_of(finding: Finding) -> str:
    """The identity of a kind of finding: rule, path, function and subject; 16 hexadecimal digits."""
    text = "\0".join((finding.rule, finding.at.path, finding.at.function, finding.subject))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def places_of(finding: Finding) -> int:
    """At how many places the cause shows: its own, and the related ones."""
    own = (finding.at.path, finding.at.line)
    return 1 + len({(at.path, at.line) for at in finding.related} - {own})


def text_of(finding: Finding) -> str:
    """What a person sees of an entry."""
    return f"{finding.rule} {_one_word(finding.at.path)} {_one_word(finding.at.function)}"


def write(findings: Iterable[Finding]) -> str:
    """The baseline file for these findings, sorted, one line an entry."""
    counts: Counter[str] = Counter()
    texts: dict[str, str] = {}
    for finding in findings:
        counts[key_of(finding)] += places_of(finding)
        texts[key_of(finding)] = text_of(finding)
    return _render(counts, texts)


def prune(baseline: Baseline, findings: Iterable[Finding]) -> str:
    """The baseline without what is gone; nothing new comes in."""
    today: Counter[str] = Counter()
    for finding in findings:
        today[key_of(finding)] += places_of(finding)
    counts = {key: min(count, today[key]) for key, count in baseline.counts.items() if today[key]}
    return _render(counts, baseline.texts)


def _render(counts: Mapping[str, int], texts: Mapping[str, str]) -> str:
    lines = [f"{counts[key]} {key} {texts[key]}" for key in sorted(counts, key=lambda key: (texts[key], key))]
    return "\n".join([HEADER, *lines]) + "\n"


def parse(text: str) -> Baseline:
    """Read a baseline file. Raises BaselineError."""
    counts: dict[str, int] = {}
    texts: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        count, _, rest = line.partition(" ")
        key, _, words = rest.partition(" ")
        if not (count.isascii() and count.isdigit() and len(key) == 16 and words):
            raise BaselineError(f"line {number}: not an entry (count, key, rule, path, function)")
        counts[key] = counts.get(key, 0) + int(count)
        texts[key] = words
    return Baseline(counts, texts)


def compare(findings: Iterable[Finding], baseline: Baseline) -> Compared:
    """Which findings are new, which are known, and which entries are gone."""
    left = Counter(dict(baseline.counts))
    new: list[Finding] = []
    old: list[Finding] = []
    for finding in findings:
        key, places = key_of(finding), places_of(finding)
        (old if left[key] >= places else new).append(finding)
        left[key] = max(left[key] - places, 0)
    gone = tuple(f"{baseline.texts[key]} ({count} gone)" for key, count in sorted(left.items()) if count > 0)
    return Compared(tuple(new), tuple(old), gone)


def _one_word(text: str) -> str:
    return "_".join(text.split()) or "-"
