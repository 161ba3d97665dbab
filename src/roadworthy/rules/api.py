"""Everything that a rule may use, and nothing more.

A rule module holds a docstring (its documentation), `RULE = Rule(...)` and one function decorated with `@RULE.check`
that takes the model and yields findings. It imports nothing of roadworthy but this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from roadworthy.advice import recipes as advise
from roadworthy.facts import schema as expr
from roadworthy.findings.finding import (
    Audience,
    Confidence,
    Finding,
    Location,
    Pillar,
    RuleInfo,
    Severity,
    Step,
)
from roadworthy.knowledge.vocabulary import Delivery, Effect, EntryKind, GuardKind, Repeat
from roadworthy.project import flow
from roadworthy.project.arguments import argument, arguments, has_spread
from roadworthy.project.attempts import Attempts, Loss, is_remote, lone_connections
from roadworthy.project.background import Spawned, must_complete, spawned_work, unresolved_tasks
from roadworthy.project.calls import DELIVERED, DETACHED, INLINE, Edge
from roadworthy.project.clients import RetryVerdict, TimeoutVerdict
from roadworthy.project.effects import EffectAt
from roadworthy.project.entry import Entry
from roadworthy.project.exceptions import Handler
from roadworthy.project.failures import Outcome
from roadworthy.project.giveups import GiveUp, given_up
from roadworthy.project.guard import Guard
from roadworthy.project.growth import Growth
from roadworthy.project.loops import Loop
from roadworthy.project.model import Coverage, Exposure, Model
from roadworthy.project.origins import Origin
from roadworthy.project.retries import Retried
from roadworthy.project.spins import Spin, spins
from roadworthy.project.symbols import CallSite, ClassInfo, Function
from roadworthy.project.transients import Transients
from roadworthy.project.values import (
    ClassValue,
    Container,
    FunctionValue,
    Instance,
    Library,
    LibraryObject,
    Literal,
)
from roadworthy.rules import wording as say

__all__ = [
    "DELIVERED",
    "DETACHED",
    "INLINE",
    "Attempts",
    "Audience",
    "CallSite",
    "Callable",
    "ClassInfo",
    "ClassValue",
    "Confidence",
    "Container",
    "Coverage",
    "Delivery",
    "Edge",
    "Effect",
    "EffectAt",
    "Entry",
    "EntryKind",
    "Exposure",
    "Finding",
    "Function",
    "FunctionValue",
    "GiveUp",
    "Growth",
    "Guard",
    "GuardKind",
    "Handler",
    "Instance",
    "Iterable",
    "Iterator",
    "Library",
    "LibraryObject",
    "Literal",
    "Location",
    "Loop",
    "Loss",
    "Model",
    "Origin",
    "Outcome",
    "Pillar",
    "Repeat",
    "Retried",
    "RetryVerdict",
    "Rule",
    "Severity",
    "Spawned",
    "Spin",
    "Step",
    "TimeoutVerdict",
    "Transients",
    "advise",
    "argument",
    "arguments",
    "expr",
    "finding",
    "flow",
    "given_up",
    "has_spread",
    "impact_weight",
    "is_remote",
    "lone_connections",
    "must_complete",
    "say",
    "spawned_work",
    "spins",
    "unresolved_tasks",
]  # fmt: skip

Check = Callable[[Model], Iterable[Finding]]


@dataclass(eq=False)
class Rule:
    """One rule. `id` is the file's stem with hyphens; the pillar comes from the folder, the summary from the documentation."""

    id: str
    anti_pattern: str
    doc: str | None
    since: str = "0.1"
    pillar: Pillar = Pillar.RESILIENCE  # set by the registry
    _check: Check | None = field(default=None, repr=False)

    def check(self, function: Check) -> Check:
        """Register the function that finds the violations."""
        self._check = function
        return function

    def run(self, model: Model) -> Iterator[Finding]:
        """All findings of this rule."""
        if self._check is not None:
            yield from self._check(model)

    @property
    def info(self) -> RuleInfo:
        """What reports may say about the rule."""
        doc = self.doc or ""
        return RuleInfo(self.id, self.anti_pattern, self.pillar, doc.strip().partition("\n")[0], doc, self.since)


def finding(
    rule: Rule,
    at: Location,
    severity: Severity,
    *,
    title: str,
    issue: str,
    impact: str,
    fix: str,
    related: Iterable[Location] = (),
    steps: Iterable[Step] = (),
    confidence: Confidence = Confidence.HIGH,
    subject: str = "",
    audience: Audience = Audience.REGULAR,
    weight: int = 0,
) -> Finding:
    """Build a finding. `subject` is a stable text (callee, table, key) that tells equal findings of one function apart."""
    return Finding(
        rule.id, rule.anti_pattern, rule.pillar, severity, confidence, at, title, issue, impact, fix, tuple(related), tuple(steps),
        audience, subject or title, weight=weight,
    )  # fmt: skip


_WEIGHTS = {
    Effect.CHARGE: 50,
    Effect.EMAIL: 30,
    Effect.SMS: 30,
    Effect.NOTIFY: 15,
    Effect.SQL_INSERT: 20,
    Effect.SQL_INCREMENT: 25,
}


def impact_weight(exposure: Exposure, effects: Iterable[EffectAt] = ()) -> int:
    """Blast radius: entries reached, money and people first, then data, then availability."""
    serving = sum(1 for reached in exposure.entries if reached.entry.serves_others)
    return min(serving, 40) + max(
        (_WEIGHTS.get(e.effect, 10 if e.effect.word.persists else 0) for e in effects), default=0
    )
