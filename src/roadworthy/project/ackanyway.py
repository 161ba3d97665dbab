"""Messages that are confirmed although their work has failed: in a `finally`, or behind a handler that only logs the failure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.acks import confirms, lost_at, message_of
from roadworthy.project.phrases import LOG_METHODS
from roadworthy.project.silence import catches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.handler import Handler
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_ONLY_TELLS = frozenset({
    Effect.LOG, Effect.METRIC, Effect.REPORT_ERROR, Effect.ROLLBACK, Effect.CLOSE, Effect.SLEEP, Effect.COMPUTE, Effect.CLOCK_VALUE,
})  # fmt: skip
_PLAIN = LOG_METHODS | {
    "print", "str", "repr", "type", "len", "format", "join", "get", "format_exc", "print_exc", "exc_info", "decode", "rollback", "sleep",
}  # fmt: skip
_TRANSPARENT = frozenset({"with", "try"})
"""Blocks whose statements always run when the block around them does."""


@dataclass(frozen=True, slots=True)
class AckAnyway:
    """One confirmation that comes whether the work has succeeded or not."""

    site: CallSite  # confirms
    work: CallSite
    lost: tuple[EffectAt, ...]  # of the work that failed; the gravest first
    handler: Handler | None  # swallows the failure; None: the confirmation stands in a `finally` and nothing stops the failure
    final: bool  # it stands in a `finally`


def acked_anyway(model: Model) -> Iterator[AckAnyway]:
    """At most one for a function: the first, by source order."""
    for function in model.functions:
        if function.kind == "function":
            found = next(_in_function(model, function), None)
            if found is not None:
                yield found


def _in_function(model: Model, function: Function) -> Iterator[AckAnyway]:
    for site in function.calls:
        tries = list(_tries_before(function.scope, site.fact)) if confirms(model, site) else []
        for tried, final in tries:
            found = _lost_in(model, function, site, tried, final=final)
            if found is not None:
                yield found


def _tries_before(scope: f.Scope, ack: f.Call) -> Iterator[tuple[int, bool]]:
    """(try, is it of its `finally`) whose end always leads to the call: nothing asks in between how it ended."""
    region = ack.region
    while scope.regions[region].kind in _TRANSPARENT:
        yield from _ended_in(scope, region, ack)
        region = scope.regions[region].parent
    if scope.regions[region].kind == "finally":
        tried = flow.sibling_of_kind(scope, region, "try")
        if tried is not None:
            yield tried, True
    yield from _ended_in(scope, region, ack)


def _ended_in(scope: f.Scope, region: int, ack: f.Call) -> Iterator[tuple[int, bool]]:
    """The tries with handlers directly in this block that are over before the call."""
    if any(scope.regions[r].kind == "except" for r in flow.ancestors(scope, region)):
        return  # a handler gives the message up: that is said there
    for index, one in enumerate(scope.regions):
        if one.kind == "try" and one.parent == region:
            ends = max(scope.regions[r].end for r in flow.siblings(scope, index))
            if ends <= ack.order and flow.handlers_of(scope, index):
                yield index, False


def _lost_in(model: Model, function: Function, ack: CallSite, tried: int, *, final: bool) -> AckAnyway | None:
    """The first work of the message in this `try` whose failure does not keep the confirmation back."""
    scope = function.scope
    carried = message_of(function, ack)
    if carried is None:
        return None
    for site, effect in model.untold.within(function, tried):
        if flow.loop_of(scope, site.fact.region) != flow.loop_of(scope, ack.fact.region) or not carried.takes(site):
            continue
        lost = lost_at(model, site)
        if effect not in lost:
            continue
        handler = _first_handler(model, function, tried, effect)
        if handler is None and not final:
            continue
        if handler is not None and not (
            _only_tells(model, handler) and (final or (handler.exits == "" and handler.stops))
        ):
            continue
        return AckAnyway(ack, site, lost, handler, final)
    return None


def _first_handler(model: Model, function: Function, tried: int, effect: EffectAt) -> Handler | None:
    handlers = (model.exceptions.handler(function, region) for region in flow.handlers_of(function.scope, tried))
    return next((handler for handler in handlers if catches(model, handler.types, effect)), None)


def _only_tells(model: Model, handler: Handler) -> bool:
    """It writes the failure down, and neither keeps the message nor notes anything that the code after it could ask."""
    if handler.records or handler.answers or handler.alternative:
        return False
    function, scope = handler.function, handler.function.scope
    if any(flow.assigns_in(scope, handler.region)) or any(
        leave.kind in {"return", "continue", "break"} for leave in flow.leaves_in(scope, handler.region)
    ):
        return False
    return all(_is_telling(model, function.site(call)) for call in flow.calls_in(scope, handler.region))


def _is_telling(model: Model, site: CallSite) -> bool:
    effects = {effect.effect for effect in model.effects_through(site)}
    return effects <= _ONLY_TELLS and (bool(effects) or flow.last_name(site.fact.func) in _PLAIN)
