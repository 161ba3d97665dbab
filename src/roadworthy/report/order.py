"""What every report agrees on: the order of the findings, the counts and what to read first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.findings.finding import Finding, Pillar, Review, Severity
from roadworthy.report.clean import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

Key = tuple[int, str, int, int, str, str, str]


def place_key(finding: Finding) -> Key:
    """Order by severity, path, line; the rest only makes the order total."""
    at = finding.at
    return (finding.severity.rank, at.path, at.line, at.column, finding.rule, finding.title, finding.fingerprint)


def by_pillar(review: Review) -> tuple[tuple[Pillar, tuple[Finding, ...]], ...]:
    """Return the three pillars in the order of the report, each with its findings by severity, path and line."""
    findings = sorted(review.findings, key=place_key)
    return tuple((pillar, tuple(f for f in findings if f.pillar is pillar)) for pillar in Pillar)


def ordered(review: Review) -> tuple[Finding, ...]:
    """Return all findings in the order of the report."""
    return tuple(finding for _, findings in by_pillar(review) for finding in findings)


def foremost(findings: Iterable[Finding], count: int = 5) -> tuple[Finding, ...]:
    """Choose what to read first: by severity, then the larger blast radius, then the surer."""
    return tuple(sorted(findings, key=lambda f: (f.severity.rank, -f.weight, f.confidence.rank, place_key(f)))[:count])


def counted(findings: Iterable[Finding]) -> dict[Severity, int]:
    """Count how many of each severity; every severity is there."""
    counts = dict.fromkeys(Severity, 0)
    for finding in findings:
        counts[finding.severity] += 1
    return counts


def held_back(review: Review) -> tuple[tuple[str, int], ...]:
    """Say why findings are not shown and how many, in a stable order, without empty reasons."""
    return tuple(sorted((reason, count) for reason, count in review.held_back.items() if count))


def problems(review: Review) -> tuple[tuple[str, int, str], ...]:
    """List what could not be read or run, each once, by place."""
    return tuple(sorted({(p.path, p.line, p.message) for p in review.problems}))


def number(count: int, one: str, many: str = "") -> str:
    """Say `1 finding`, `2 findings`, with thousands marked."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def counts_line(review: Review) -> str:
    """Say how many findings of which severity in how much code."""
    counts = counted(review.findings)
    said = ", ".join(f"{count:,} {severity.value}" for severity, count in counts.items() if count)
    sizes = f"{number(review.files, 'file')} ({number(review.lines, 'line')})"
    return f"{number(len(review.findings), 'finding')}{f': {said}' if said else ''} in {sizes}."


def held_back_line(review: Review) -> str:
    """Say how many findings are not shown and why; nothing where none is held back."""
    held = held_back(review)
    said = ", ".join(f"{count:,} {one_line(reason)}" for reason, count in held)
    return f"Held back: {number(sum(count for _, count in held), 'finding')} ({said})." if held else ""
