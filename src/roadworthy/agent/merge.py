"""From the model's answers to findings: only what its quotes prove, and every drop is counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from roadworthy.findings.finding import Confidence, Finding, Location, Pillar, Severity
from roadworthy.findings.suppress import AGENT_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from roadworthy.agent.answers import Candidate, Refutation, Verdict
    from roadworthy.agent.evidence import EvidenceCheck

DISMISSED = "dismissed by the agent, with evidence"
UNPROVEN = "the agent's, with a quote that does not stand in the file"
KNOWN = "the agent's, known already"
REFUTED = "the agent's, refuted by its second pass"
UNVERIFIED = "the agent's, without a second pass that holds"

_SAME_PLACE = 3


@dataclass(slots=True)
class Tally:
    """What became of the answers."""

    held: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    judged: int = 0
    confirmed: int = 0
    changed: int = 0
    unproven: int = 0  # verdicts on static findings that count for nothing


def judged(finding: Finding, verdict: Verdict, evidence: EvidenceCheck, tally: Tally) -> Finding | None:
    """The finding after its verdict; None when it was dismissed. Without proof it stays as it was."""
    places = evidence.places(verdict.evidence)
    tally.judged += 1
    if not places:
        tally.unproven += 1
        return finding
    where = f"{finding.at.path}:{finding.at.line} {finding.rule}"
    reason = f"{_sentence(verdict.reason)} (see {_named(places)})"
    if verdict.verdict == "dismissed":
        tally.held[DISMISSED] += 1
        tally.notes.append(f"dismissed by the agent: {where}: {finding.title}: {reason}")
        return None
    if verdict.verdict == "severity-changed" and verdict.severity and verdict.severity != finding.severity.value:
        tally.changed += 1
        tally.notes.append(
            f"severity {finding.severity.value} became {verdict.severity} by the agent: {where}: {reason}"
        )
        proof = replace(places[0], note=f"the agent on the severity: {_sentence(verdict.reason)}")
        changed = replace(finding, severity=Severity(verdict.severity), related=(*finding.related, proof))
        return replace(changed, origin="both")
    tally.confirmed += 1
    return replace(finding, origin="both")


def proven(candidate: Candidate, evidence: EvidenceCheck, known: Iterable[Finding], tally: Tally) -> Finding | None:
    """A new finding when its quotes stand and nobody has said it already."""
    places = evidence.places(candidate.evidence)
    if not places:
        tally.held[UNPROVEN] += 1
        return None
    finding = _finding(candidate, places)
    if any(_same(finding, other) for other in known):
        tally.held[KNOWN] += 1
        return None
    return finding


def survives(finding: Finding, refutation: Refutation, evidence: EvidenceCheck, tally: Tally) -> Finding | None:
    """The new finding when the second pass stands by it, with evidence of its own."""
    if refutation.verdict == "refuted":
        tally.held[REFUTED] += 1
        tally.notes.append(
            f"refuted by the agent itself: {finding.at.path}:{finding.at.line}: {finding.title}: {_sentence(refutation.reason)}"
        )
        return None
    if not evidence.places(refutation.evidence):
        tally.held[UNVERIFIED] += 1
        return None
    return finding


def _finding(candidate: Candidate, places: tuple[Location, ...]) -> Finding:
    title = candidate.title.strip().rstrip(".")
    return Finding(
        rule=f"{AGENT_PREFIX}{candidate.anti_pattern}",
        anti_pattern=candidate.anti_pattern,
        pillar=Pillar(candidate.pillar),
        severity=Severity(candidate.severity),
        confidence=Confidence.MEDIUM,
        at=places[0],
        title=title,
        issue=candidate.issue.strip(),
        impact=candidate.impact.strip(),
        fix=candidate.fix.strip(),
        related=tuple(replace(place, note="evidence of the agent") for place in dict.fromkeys(places[1:])),
        origin="agent",
    )


def _same(one: Finding, other: Finding) -> bool:
    a, b = one.at, other.at
    near = a.path == b.path and a.line <= b.end_line + _SAME_PLACE and b.line <= a.end_line + _SAME_PLACE
    return near and one.pillar is other.pillar


def _sentence(text: str) -> str:
    return " ".join(text.split()).rstrip(".")


def _named(places: tuple[Location, ...]) -> str:
    return ", ".join(dict.fromkeys(f"{place.path}:{place.line}" for place in places))
