"""From all findings to those that are reported, with a count for each reason to hold one back."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from roadworthy.findings.finding import Audience, Confidence, Finding, Pillar, RuleInfo
from roadworthy.findings.fingerprint import with_fingerprints
from roadworthy.findings.suppress import Commented, Header, suppress
from roadworthy.text.source import Role

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from roadworthy.config import Settings
    from roadworthy.facts.area import Area
    from roadworthy.facts.schema import FileFacts, Scope

_PILLARS = tuple(Pillar)


@dataclass(frozen=True, slots=True)
class Sifted:
    """What is reported, what is not, and remarks on suppressions."""

    findings: tuple[Finding, ...]
    held_back: dict[str, int]
    notes: tuple[str, ...]


def sift(
    found: Iterable[Finding],
    *,
    files: Sequence[FileFacts],
    roles: dict[str, Role],
    areas: Sequence[Area],
    settings: Settings,
    rules: Sequence[RuleInfo],
    ran: Collection[str],
) -> Sifted:
    """Apply roles, suppressions, configuration, area and audience, in this order; sort what is left."""
    held: Counter[str] = Counter()
    findings = [_by_role(finding, roles) for finding in with_fingerprints(dict.fromkeys(found))]
    commented = {file.path: _commented(file) for file in files if _speaks_of_us(file)}
    suppressed = suppress(findings, commented, known={rule.id for rule in rules}, ran=ran)
    held["suppressed inline"] += len(suppressed.held)
    names = {rule.id: (rule.id, rule.anti_pattern, rule.pillar.value) for rule in rules}
    kept = []
    for finding in suppressed.kept:
        reason, finding = _judge(finding, names.get(finding.rule, (finding.rule,)), settings, areas)
        if reason:
            held[reason] += 1
        else:
            kept.append(finding)
    notes = tuple(
        f"{path}:{line}: {text}" for path, line, text in suppressed.notes if _in_areas(path, line, line, areas)
    )
    return Sifted(
        tuple(sorted(kept, key=_order)), {reason: held[reason] for reason in sorted(held) if held[reason]}, notes
    )


def wanted(rule: RuleInfo, settings: Settings) -> bool:
    """Tell whether the configuration lets the rule run."""
    names = {rule.id, rule.anti_pattern, rule.pillar.value}
    return (not settings.select or bool(names & set(settings.select))) and not names & set(settings.ignore)


def _by_role(finding: Finding, roles: dict[str, Role]) -> Finding:
    """Scripts are watched by the person who runs them, migrations run once: both weigh less."""
    role = roles.get(finding.at.path)
    if role is Role.SCRIPT:
        return replace(finding, severity=finding.severity.lowered())
    if role is Role.MIGRATION:
        return replace(finding, audience=Audience.PEDANTIC)
    return finding


def _judge(finding: Finding, names: Sequence[str], settings: Settings, areas: Sequence[Area]) -> tuple[str, Finding]:
    """Say why the finding is held back ("" when it is not), and give it its configured severity."""
    for name in reversed(names):  # the most precise name last: it wins
        if name in settings.severity:
            finding = replace(finding, severity=settings.severity[name])
    for rule in settings.paths:
        if not rule.paths.match(finding.at.path):
            continue
        if not set(names).isdisjoint(rule.ignore):
            return "ignored by configuration", finding
        for name in reversed(names):
            if name in rule.severity:
                finding = replace(finding, severity=rule.severity[name])
    if not all(_touches(finding, area) for area in areas):
        return "outside the area", finding
    if not settings.pedantic and finding.confidence is Confidence.LOW:
        return "low confidence", finding
    if not settings.pedantic and finding.audience is Audience.PEDANTIC:
        return "pedantic", finding
    return "", finding


def _touches(finding: Finding, area: Area) -> bool:
    """Tell whether the finding lies in the area or passes through it."""
    places = (finding.at, *finding.related)
    return any(area.holds(place.path, place.line, place.end_line) for place in places) or any(
        area.holds(step.path, step.line) for step in finding.steps
    )


def _in_areas(path: str, line: int, end_line: int, areas: Sequence[Area]) -> bool:
    return all(area.holds(path, line, end_line) for area in areas)


def _order(finding: Finding) -> tuple[object, ...]:
    """Pillar, severity, place; the rest only makes the order total."""
    at = finding.at
    pillar = _PILLARS.index(finding.pillar)
    return (
        pillar,
        finding.severity.rank,
        at.path,
        at.line,
        at.column,
        finding.rule,
        finding.title,
        finding.fingerprint,
    )


def _speaks_of_us(file: FileFacts) -> bool:
    return any("roadworthy" in comment.text.lower() for comment in file.comments)


def _commented(file: FileFacts) -> Commented:
    """Tell the suppressions of a file where its functions and its code are."""
    headers = tuple(
        Header(min((scope.line, *scope.decorator_lines)), scope.line, scope.end_line)
        for scope in file.scopes
        if scope.kind in ("function", "class")
    )
    code = frozenset(line for scope in file.scopes for line in _code_lines(scope))
    return Commented(file.path, tuple((comment.line, comment.text) for comment in file.comments), headers, code)


def _code_lines(scope: Scope) -> Iterable[int]:
    """Yield lines on which something stands, as far as facts tell."""
    if scope.kind != "module":
        yield from (scope.line, *scope.decorator_lines)
    yield from (region.line for region in scope.regions[1:])
    for call in scope.calls:
        yield from (call.line, call.end_line)
    for assign in scope.assigns:
        yield from (assign.line, assign.end_line)
    yield from (leave.line for leave in scope.leaves)
    yield from (test.line for test in scope.tests)
    yield from (one.line for one in scope.imports)
