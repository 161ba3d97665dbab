"""Findings of several repositories that have one cause: code that was copied, or a library of the fleet that all of them call."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.findings.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from roadworthy.fleet.messages import StoredFinding

COPIED = "copied"
CALLED = "called"


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing to mend for several repositories."""

    kind: str
    rule: str
    severity: str  # of the worst
    said: str
    source: str  # the repository to mend, where the fleet has it
    places: tuple[tuple[str, str, int, str], ...]  # repository, path, line, fingerprint

    @property
    def repositories(self) -> int:
        """In how many repositories."""
        return len({place[0] for place in self.places})


def shared_causes(
    findings: Iterable[tuple[str, StoredFinding]], packages: Mapping[str, tuple[str, ...]]
) -> tuple[Cause, ...]:
    """What two repositories or more have in common: those with most repositories first."""
    homes = _homes(packages)
    groups: dict[tuple[str, str, str, str], list[tuple[str, StoredFinding]]] = defaultdict(list)
    for repository, finding in findings:
        home = homes.get(finding.subject.split(".")[0], "")
        if home and home != repository:
            groups[CALLED, finding.rule, finding.subject, home].append((repository, finding))
        elif finding.code and finding.function != "<module>":
            groups[COPIED, finding.rule, f"{finding.function}\0{finding.code}", ""].append((repository, finding))
    causes = [_cause(key, members) for key, members in groups.items()]
    return tuple(
        sorted(
            (cause for cause in causes if cause.repositories > 1),
            key=lambda c: (-c.repositories, Severity(c.severity).rank, c.rule, c.said, c.places),
        )
    )


def _homes(packages: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Which repository a package comes from; none where several have one of that name."""
    owners: dict[str, set[str]] = defaultdict(set)
    for repository, names in packages.items():
        for name in names:
            owners[name].add(repository)
    return {name: next(iter(found)) for name, found in owners.items() if len(found) == 1}


def _cause(key: tuple[str, str, str, str], members: list[tuple[str, StoredFinding]]) -> Cause:
    kind, rule, what, home = key
    places = tuple(sorted((repository, f.path, f.line, f.fingerprint) for repository, f in members))
    first = min(members, key=lambda member: (member[0], member[1]))[1]
    said = f"`{what}` of {home}" if kind == CALLED else f"the same code in `{first.function}`: {first.title}"
    worst = min((f.severity for _, f in members), key=lambda severity: Severity(severity).rank)
    return Cause(kind, rule, worst, said, home, places)
