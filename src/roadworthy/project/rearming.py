"""Functions that are called again by a timer which they start themselves, after their work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_HARMLESS = frozenset({Effect.CLOSE, Effect.FILE_READ, Effect.SLEEP, Effect.WAIT, Effect.LOCK})


@dataclass(frozen=True, slots=True)
class Rearmed:
    """One function that starts its own timer at the end, and what may fail before."""

    function: Function
    timer: CallSite  # the call that makes the timer
    failures: tuple[tuple[CallSite, EffectAt], ...]  # in source order


def rearmed_late(model: Model) -> Iterator[Rearmed]:
    """Such functions of reviewed code out of which a failure comes before the timer is started again."""
    for function in model.functions:
        timers = [
            edge.spawner or edge.site
            for edge in model.edges_from(function)
            if edge.kind == "timer" and edge.callee is function
        ]
        if not timers or any(_runs_anyway(function, timer) for timer in timers):
            continue
        first = min(timers, key=lambda site: site.fact.order)
        failures = tuple(
            (site, effect)
            for site, effect in model.escapes.within(function, 0)
            if site.fact.order < first.fact.order
            and _matters(effect)
            and flow.may_precede(function.scope, site.fact, first.fact)
        )
        if failures and not model.escapes.stopped(model.guards.on_function(function)):
            yield Rearmed(function, first, failures)


def _runs_anyway(function: Function, timer: CallSite) -> bool:
    """In a `finally`: whatever happens, it is started again."""
    return any(function.scope.regions[r].kind == "finally" for r in flow.ancestors(function.scope, timer.fact.region))


def _matters(effect: EffectAt) -> bool:
    word = effect.effect.word
    return word.external and not word.telemetry and effect.effect not in _HARMLESS
