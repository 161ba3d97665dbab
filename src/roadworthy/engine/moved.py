"""Findings of an older text, placed in a newer one: what can be shown at once while the review of the newer text runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from roadworthy.findings.finding import Finding, Location


@dataclass(frozen=True, slots=True)
class Edit:
    """Lines `first` to before `old` (1-based) of the older text became lines `first` to before `new` of the newer one."""

    first: int
    old: int
    new: int

    def line(self, line: int) -> int:
        """Where the line is now; 0 when it is gone."""
        if line < self.first:
            return line
        if line >= self.old:
            return line + self.new - self.old
        return min(line, self.new - 1) if self.new > self.first else 0


def edit_between(old: Sequence[str], new: Sequence[str]) -> Edit:
    """The one range of lines outside of which both texts are the same."""
    head = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))
    most = min(len(old), len(new)) - head
    pairs = zip(reversed(old), reversed(new), strict=False)
    tail = min(most, sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs)))
    return Edit(head + 1, len(old) - tail + 1, len(new) - tail + 1)


def moved(findings: Iterable[Finding], path: str, edit: Edit) -> tuple[Finding, ...]:
    """Move every place in `path`; a finding whose line is gone goes with it."""
    return tuple(now for finding in findings if (now := _moved(finding, path, edit)) is not None)


def _moved(finding: Finding, path: str, edit: Edit) -> Finding | None:
    at = _location(finding.at, path, edit)
    if at is None:
        return None
    related = [_location(place, path, edit) for place in finding.related]
    steps = [
        replace(step, line=edit.line(step.line)) if step.path == path else step
        for step in finding.steps
        if step.path != path or edit.line(step.line)
    ]
    return replace(finding, at=at, related=tuple(r for r in related if r is not None), steps=tuple(steps))


def _location(place: Location, path: str, edit: Edit) -> Location | None:
    if place.path != path:
        return place
    line = edit.line(place.line)
    return replace(place, line=line, end_line=max(line, edit.line(place.end_line))) if line else None
