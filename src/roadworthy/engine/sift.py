"""From all findings to those that are reported, with a count for each reason to hold one back."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from roadworthy.config import UsageError
from roadworthy.findings.baseline import Baseline, BaselineError, compare, parse
from roadworthy.findings.finding import Audience, Confidence, Finding, Pillar, RuleInfo
from roadworthy.findings.fingerprint import with_fingerprints
from roadworthy.findings.suppress import Commented, suppress
from roadworthy.text.source import Role

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from roadworthy.config import Settings
    from roadworthy.facts.area import Area

_PILLARS = tuple(Pillar)


@dataclass(frozen=True, slots=True)
class Sifted:
    """What is reported, what is not, and remarks on suppressions."""

    findings: tuple[Finding, ...]
    held_back: dict[str, int]
    notes: tuple[str, ...]
    suppressed: tuple[
        tuple[Finding, str], ...
    ] = ()  # held back on purpose: by a comment "inSource", by the baseline "external"


def sift(
    found: Iterable[Finding],
    *,
    files: Mapping[str, Commented],
    roles: dict[str, Role],
    areas: Sequence[Area],
    settings: Settings,
    rules: Sequence[RuleInfo],
    ran: Collection[str],
) -> Sifted:
    """Apply roles, suppressions, configuration, area and audience, in this order; sort what is left."""
    held: Counter[str] = Counter()
    findings = [_by_role(finding, roles) for finding in with_fingerprints(dict.fromkeys(found))]
    suppressed = suppress(findings, files, known={rule.id for rule in rules}, ran=ran)
    held["suppressed inline"] += len(suppressed.held)
    names = {rule.id: (rule.id, rule.anti_pattern, rule.pillar.value) for rule in rules}
    kept = []
    for finding in suppressed.kept:
        reason, finding = _judge(finding, names.get(finding.rule, (finding.rule,)), settings, areas)
        if reason:
            held[reason] += 1
        else:
            kept.append(finding)
    judged = [(_judge(f, names.get(f.rule, (f.rule,)), settings, areas), "inSource") for f in suppressed.held]
    answered = [(finding, kind) for (reason, finding), kind in judged if not reason]
    gone: tuple[str, ...] = ()
    if settings.baseline is not None:
        compared = compare(sorted(kept, key=_order), read_baseline(settings.baseline))
        kept = list(compared.new)
        held["in the baseline"] += len(compared.old)
        answered += [(finding, "external") for finding in compared.old]
        if not areas:
            gone = tuple(
                f"{settings.baseline.name}: {text}; `roadworthy baseline prune` drops it" for text in compared.gone
            )
    notes = gone + tuple(
        f"{path}:{line}: {text}" for path, line, text in suppressed.notes if _in_areas(path, line, line, areas)
    )
    return Sifted(
        tuple(sorted(kept, key=_order)),
        {reason: held[reason] for reason in sorted(held) if held[reason]},
        notes,
        tuple(sorted(answered, key=lambda one: _order(one[0]))),
    )


def read_baseline(path: Path) -> Baseline:
    """Read a baseline file; what is wrong with it is a usage error that names file and line."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
    except BaselineError as error:
        raise UsageError(f"{path}: {error}") from error


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
    if settings.since:
        finding = _at_the_change(finding, areas[-1])
    if not settings.pedantic and finding.confidence is Confidence.LOW:
        return "low confidence", finding
    if not settings.pedantic and finding.audience is Audience.PEDANTIC:
        return "pedantic", finding
    return "", finding


def _at_the_change(finding: Finding, changes: Area) -> Finding:
    """Stand where the branch changed something: that is what its author reads, and all that a review tool can comment on.

    A cause in old code becomes a related location. `changes` is the area of the branch's own lines.
    """
    if changes.holds(finding.at.path, finding.at.line, finding.at.end_line):
        return finding
    new = next((at for at in finding.related if changes.holds(at.path, at.line, at.end_line)), None)
    if new is None:
        return finding
    others = tuple(at for at in finding.related if at is not new)
    return replace(finding, at=new, related=(replace(finding.at, note="the same cause, in older code"), *others))


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
