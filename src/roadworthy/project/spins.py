"""Loops that go round at once after a failure: a path from a handler back to the work with nothing on it that waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts.schema import Name
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.facts import schema as f
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.exceptions import Handler
    from roadworthy.project.loops import Loop
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_PAUSES = frozenset({Effect.SLEEP, Effect.WAIT})


@dataclass(frozen=True, slots=True, eq=False)
class Spin:
    """A loop, the work that fails in it, and the handler from which it goes round without a pause."""

    function: Function
    loop: Loop
    handler: Handler
    effects: tuple[EffectAt, ...]  # what is done again at once


def spins(model: Model) -> Iterator[Spin]:
    """Retry and worker loops of reviewed code that do not wait after some failure."""
    for function in model.functions:
        for index, region in enumerate(function.scope.regions):
            if region.kind not in {"while", "for"}:
                continue
            loop = model.guards.loop(function, index)
            if loop.kind in {"retry", "worker"}:
                yield from _spins_of(model, function, loop)


def _spins_of(model: Model, function: Function, loop: Loop) -> Iterator[Spin]:
    for tried in loop.tries:
        effects = tuple(_outside(model, function, tried))
        if not effects or _paced_before(model, function, loop, tried):
            continue
        for region in flow.handlers_of(function.scope, tried):
            handler = model.exceptions.handler(function, region)
            if _hears_of(model, handler, effects) and _goes_round_at_once(model, function, loop, tried, handler):
                yield Spin(function, loop, handler, effects)


def _hears_of(model: Model, handler: Handler, effects: tuple[EffectAt, ...]) -> bool:
    """May the handler catch what the outside raises? One for bad data runs after an answer, which has taken its time."""
    raised = {name for effect in effects for name in effect.row.raises}
    if handler.broad or not raised:
        return True
    return any(
        model.exceptions.catches(handler, name) is not False
        or any(model.exceptions.is_subclass(caught, name) for caught in handler.types)
        for name in raised
    )


def _outside(model: Model, function: Function, tried: int) -> Iterator[EffectAt]:
    """External effects of the body; what it waits for inside the process paces it even when it fails."""
    for call in flow.calls_in(function.scope, tried):
        for effect in model.effects_through(function.site(call)):
            if effect.effect.word.external and not effect.effect.word.telemetry and not effect.row.lazy:
                yield effect


def _paced_before(model: Model, function: Function, loop: Loop, tried: int) -> bool:
    """A pause or an in-process wait that every round passes: before the `try`, or first thing in it."""
    start = function.scope.regions[loop.region].start
    first_outside = next(
        (e.site.fact.order for e in _outside(model, function, tried) if e.site.function is function), 1 << 60
    )
    for call in flow.calls_in(function.scope, loop.region):
        if start <= call.order <= first_outside and _pauses(model, function.site(call)):
            handlers = [
                r for r in flow.ancestors(function.scope, call.region) if function.scope.regions[r].kind == "except"
            ]
            if not handlers:
                return True
    return False


def _pauses(model: Model, site: CallSite) -> bool:
    return (
        model.reach.site_reaches(site, _PAUSES)
        or "wait" in flow.text_of(site.fact.func, site.function.scope).rpartition(".")[2].lower()
    )


def _goes_round_at_once(model: Model, function: Function, loop: Loop, tried: int, handler: Handler) -> bool:
    """The handler lets the loop go on, and neither it nor what follows it in the round waits."""
    scope = function.scope
    region = scope.regions[handler.region]
    if region.exits in {"return", "raise", "break"} or _is_expected(model, handler):
        return False
    if any(_pauses(model, function.site(call)) for call in flow.calls_in(scope, handler.region)):
        return False
    if (
        any(leave.kind in {"raise", "return", "break"} for leave in flow.leaves_in(scope, handler.region))
        and loop.bounded
    ):
        return False
    if region.exits == "continue":
        return True
    after = scope.regions[tried].end
    return not any(
        call.order >= after
        and _pauses(model, function.site(call))
        and not flow.within(scope, call.region, handler.region)
        for call in flow.calls_in(scope, loop.region)
    )


def _is_expected(model: Model, handler: Handler) -> bool:
    """A conflict (the row now exists), an empty queue, a time limit that has itself waited: no reason to pause."""
    names = [name.rpartition(".")[2] for name in handler.types]
    if not names:
        return False
    quiet = (
        "Empty",
        "Timeout",
        "TimeoutError",
        "Cancelled",
        "CancelledError",
        "StopIteration",
        "Conflict",
        "KeyError",
        "ValueError",
    )
    return all(
        model.exceptions.nature(t) == "conflict" or n.endswith(quiet) or "Integrity" in n
        for t, n in zip(handler.types, names, strict=True)
    )


def uncapped_pause(model: Model, function: Function, region: int) -> CallSite | None:
    """The call that waits in a loop for a time that doubles each round with nothing that bounds it."""
    for call in flow.calls_in(function.scope, region):
        site = function.site(call)
        if call.args and any(e.effect is Effect.SLEEP for e in model.effects_at(site)):
            texts = [flow.deep_text(expr, function.scope) for expr in _written(call.args[0], function, region)]
            if any("**" in text for text in texts) and not any("min(" in text for text in texts):
                return site
    return None


def _written(expr: f.Expr, function: Function, region: int) -> Iterator[f.Expr]:
    """An expression, and for a name what the loop assigns to it."""
    yield expr
    for part in flow.walk(expr):
        if isinstance(part, Name):
            for assign in function.bindings.get(part.id, ()):
                if assign.value is not None and flow.within(function.scope, assign.region, region):
                    yield assign.value
