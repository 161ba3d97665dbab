"""Endless loops that go round at once when what they do fails: nothing on the failing path takes time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.handling import mentions
from roadworthy.project.loops import ends_by_count, keeps_running
from roadworthy.project.symbols import bound_names
from roadworthy.project.values import Library

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.exceptions import Handler
    from roadworthy.project.model import Model
    from roadworthy.project.retries import Retried
    from roadworthy.project.symbols import CallSite, Function

_FAILS_AT_ONCE = frozenset({
    Effect.CONSUME, Effect.HTTP_REQUEST, Effect.RPC, Effect.CONNECT, Effect.PUBLISH, Effect.CACHE_READ, Effect.CACHE_WRITE, Effect.SQL,
    Effect.SQL_READ, Effect.SQL_INSERT, Effect.SQL_UPDATE, Effect.SQL_UPSERT, Effect.SQL_DELETE, Effect.OBJECT_READ, Effect.OBJECT_WRITE,
    Effect.EMAIL, Effect.LLM,
})  # fmt: skip
_TAKES_TIME = frozenset({Effect.SLEEP, Effect.WAIT, Effect.BLOCK, Effect.LOCK})
_TAKES = frozenset({"get_nowait", "popleft"})
_PAUSES = re.compile(
    r"sleep|backoff|back_off|\bwait|pause|throttle|delay|jitter|cool_?down|heartbeat_interval|(?:^|_)idle$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Spin:
    """One loop that spins when one of its calls fails."""

    function: Function
    loop: int  # region
    handler: Handler  # lets the loop go on without a pause
    site: CallSite  # the call that fails
    effect: EffectAt


def spins(model: Model) -> Iterator[Spin]:
    """All endless loops of reviewed code that have no pause on a failing path."""
    for function in model.functions:
        if function.scope.is_generator:
            continue
        for index, region in enumerate(function.scope.regions):
            if region.kind == "while":
                loop = model.guards.loop(function, index)
                if loop.kind in {"worker", "retry"} and not loop.bounded and not ends_by_count(function.scope, index):
                    found = _of_loop(model, function, index, loop.tries)
                    if found is not None:
                        yield found


def _of_loop(model: Model, function: Function, loop: int, tries: tuple[int, ...]) -> Spin | None:
    if _test_waits(model, function, loop):
        return None
    for tried in tries:
        found = None if _empties(function.scope, tried) else _first_failure(model, function, tried)
        if found is None or _paced_before(model, function, loop, found[0]) or _uses_up(model, function, found[1]):
            continue
        handler = _unpaced_handler(model, function, loop, tried, found[1])
        if handler is not None:
            return Spin(function, loop, handler, *found)
    return None


def _empties(scope: f.Scope, tried: int) -> bool:
    """`except QueueEmpty: break`: each round takes another of the items that are there, and the last one ends the loop."""
    return any(
        scope.regions[handler].exits in {"break", "return"}
        and any(flow.last_name(kind).endswith(("Empty", "StopIteration")) for kind in scope.regions[handler].types)
        for handler in flow.handlers_of(scope, tried)
    )


def _test_waits(model: Model, function: Function, loop: int) -> bool:
    """`while not stop.wait(5)`."""
    return any(
        isinstance(part, f.CallRef) and takes_time(model, function.calls[part.index])
        for part in flow.walk(function.scope.regions[loop].test)
    )


def takes_time(model: Model, site: CallSite) -> bool:
    """Does a call pause, by what we know of it or by its name?"""
    name = (
        site.fact.func.name
        if isinstance(site.fact.func, f.Attr)
        else site.fact.func.id
        if isinstance(site.fact.func, f.Name)
        else ""
    )
    return _PAUSES.search(name) is not None or model.reach.site_reaches(site, _TAKES_TIME)


def _first_failure(model: Model, function: Function, tried: int) -> tuple[CallSite, EffectAt] | None:
    """The first call of a `try` body that leaves the process, unless its client waits before it tries again."""
    for call in sorted(flow.calls_in(function.scope, tried), key=lambda c: c.order):
        site = function.site(call)
        if takes_time(model, site) and not any(e.effect in _FAILS_AT_ONCE for e in model.effects_at(site)):
            return None
        effects = [e for e in model.effects_through(site, *_FAILS_AT_ONCE) if not e.row.lazy]
        if effects:
            effect = effects[0]
            verdict = model.client_retry(effect)
            return None if verdict.repeats and verdict.backoff != "none" else (site, effect)
    return None


def _paced_before(model: Model, function: Function, loop: int, site: CallSite) -> bool:
    """Something in the same round takes time before the call is reached, or takes the message that the round is about."""
    scope = function.scope
    return any(
        call.order < site.fact.order
        and (takes_time(model, function.site(call)) or _takes_message(model, function, call))
        for call in flow.calls_in(scope, loop)
        if not any(
            scope.regions[r].kind == "except" for r in flow.ancestors(scope, call.region) if flow.within(scope, r, loop)
        )
    )


def _uses_up(model: Model, function: Function, effect: EffectAt) -> bool:
    """`job = queue.get_nowait()` in front of the call in a helper: each failure takes one of the items, and then there are none."""
    way = model.reach.path_down(function, effect)
    steps = [*(edge.site for edge in way[1:]), effect.site] if way else []
    return any(
        flow.last_name(call.func) in _TAKES and call.order < step.fact.order
        for step in steps
        for call in step.function.scope.calls
    )


def _takes_message(model: Model, function: Function, call: f.Call) -> bool:
    """`message = consumer.poll(1)`, `await to_thread(consumer.poll, 1)`: the next round is about another one, or waits for it."""
    if model.effects_through(function.site(call), Effect.CONSUME):
        return True
    handed = [
        value for arg in call.args if isinstance(arg, f.Attr) for value in model.values(arg, function, call.order)
    ]
    rows = [row for value in handed if isinstance(value, Library) for row in model.knowledge.calls(value.name)]
    return any(Effect.CONSUME.value in row.effects for row in rows)


def _tries_another(scope: f.Scope, handler: int, tried: int) -> bool:
    """`except NumberTaken: number += 10`: the next round asks for something else, so it is no second attempt."""
    changed = {
        a.target.id for a in flow.assigns_in(scope, handler) if isinstance(a.target, f.Name) and a.op != "except"
    }
    asked = {
        part.id
        for call in flow.calls_in(scope, tried)
        for expr in (*call.args, *(value for _, value in call.kwargs))
        for part in flow.walk(expr)
        if isinstance(part, f.Name)
    }
    return bool(changed & asked)


def _unpaced_handler(model: Model, function: Function, loop: int, tried: int, effect: EffectAt) -> Handler | None:
    scope = function.scope
    after = max(scope.regions[r].end for r in flow.siblings(scope, tried))
    for region in flow.handlers_of(scope, tried):
        handler = model.exceptions.handler(function, region)
        if handler.types and all(model.exceptions.nature(name) in {"conflict", "permanent"} for name in handler.types):
            continue  # `except DuplicateKeyError:` no server that is away
        if _tries_another(scope, region, tried):
            continue
        if (
            not any(model.exceptions.catches(handler, name) for name in effect.row.raises or ("Exception",))
            and not handler.broad
        ):
            continue
        if handler.raises or handler.exits in {"return", "break", "raise"} or _only_timeouts(handler):
            return None
        goes_on_below = handler.exits != "continue"
        if goes_on_below and scope.regions[loop].exits in {"break", "return", "raise"}:
            return None  # what is below the `try` leaves the loop
        for call in scope.calls:
            inside = flow.within(scope, call.region, region)
            below = goes_on_below and call.order >= after and flow.within(scope, call.region, loop)
            last = any(scope.regions[r].kind == "finally" and scope.regions[r].group == scope.regions[tried].group for r in flow.ancestors(scope, call.region))  # fmt: skip
            if (inside or below or last) and takes_time(model, function.site(call)):
                return None
        return None if _outer_pause(model, function, loop) else handler
    return None


def _only_timeouts(handler: Handler) -> bool:
    """Each round took the time of the timeout."""
    return bool(handler.types) and all(
        "timeout" in name.lower() or name.endswith(("Empty", "Full")) for name in handler.types
    )


def _outer_pause(model: Model, function: Function, loop: int) -> bool:
    """An inner loop whose outer one pauses is another matter."""
    outer = flow.loop_of(function.scope, function.scope.regions[loop].parent)
    return outer is not None and any(
        takes_time(model, function.site(call)) for call in flow.calls_in(function.scope, outer)
    )


@dataclass(frozen=True, slots=True)
class Skipped:
    """An endless loop whose pause is passed by when one of its steps says that it has failed."""

    function: Function
    loop: int  # region
    skip: int  # region of the `if` that goes round
    site: CallSite  # the step
    handler: Handler  # turns its failure into a false answer
    pause: CallSite


def skipped_pauses(model: Model) -> Iterator[Skipped]:
    """`if not ask(): continue` in front of the loop's `sleep(…)`, where `ask()` answers False when it fails."""
    for function in model.functions:
        for index, region in enumerate(function.scope.regions):
            if region.kind == "while" and model.guards.loop(function, index).kind == "worker":
                found = _skipped(model, function, index)
                if found is not None:
                    yield found


def _skipped(model: Model, function: Function, loop: int) -> Skipped | None:
    scope = function.scope
    calls = [function.site(call) for call in flow.calls_in(scope, loop)]
    pause = next((site for site in calls if site.fact.region == loop and _sleeps(model, site)), None)
    if pause is None or _test_waits(model, function, loop):
        return None
    for index, region in enumerate(scope.regions):
        if region.kind != "if" or region.parent != loop or region.exits != "continue" or region.end > pause.fact.order:
            continue
        site = _negated_call(region.test, function)
        if site is None or any(takes_time(model, s) for s in calls if s.fact.order < region.end):
            continue
        handler = _answers_false(model, site)
        if handler is not None:
            return Skipped(function, loop, index, site, handler, pause)
    return None


def _sleeps(model: Model, site: CallSite) -> bool:
    return any(effect.effect is Effect.SLEEP for effect in model.effects_at(site))


def _negated_call(test: f.Expr | None, function: Function) -> CallSite | None:
    if isinstance(test, f.Unary) and test.op == "not" and isinstance(test.value, f.CallRef):
        return function.calls[test.value.index]
    return None


def _answers_false(model: Model, site: CallSite) -> Handler | None:
    """The handler in the called function that gives False or None back for a failure, which no success does there."""
    for edge in model.edges_at(site):
        scope = edge.callee.scope
        if not edge.runs_here or not any(leave.kind == "return" and leave.value is not None for leave in scope.leaves):
            continue
        for index, region in enumerate(scope.regions):
            if region.kind == "except":
                handler = model.exceptions.handler(edge.callee, index)
                if handler.broad and handler.exits == "return" and _is_false(handler.default):
                    return handler
    return None


def _is_false(value: f.Expr | None) -> bool:
    return value is None or (isinstance(value, f.Const) and not value.value)


def asks_another(retried: Retried) -> bool:
    """`for number in range(5): fetch(f"{base}/run-{number}")`: each round asks for something else, and a pause would help none of them."""
    function, index = retried.function, retried.guard.region
    if index is None or retried.guard.form != "loop":
        return False  # the region of another form stands in the helper that repeats
    region = function.scope.regions[index]
    names = set(bound_names(region.target)) if region.kind == "for" and region.target is not None else set()
    if region.kind == "while":
        names = _moved_on(retried, index)
    for assign in flow.assigns_in(function.scope, index):
        if assign.value is not None and any(mentions(assign.value, name, function.scope) for name in names):
            names.update(bound_names(assign.target))
    return bool(retried.sites) and all(
        any(mentions(expr, name, function.scope) for expr in _parts(site.fact) for name in names)
        for site in retried.sites
    )


def _moved_on(retried: Retried, loop: int) -> set[str]:
    """Names that each round sets anew from what they were, behind the attempt: `name = name.parent()`."""
    scope = retried.function.scope
    last = max((site.fact.order for site in retried.sites), default=0)
    return {
        assign.target.id
        for assign in flow.assigns_in(scope, loop)
        if isinstance(assign.target, f.Name)
        and assign.op == "="
        and assign.order > last
        and mentions(assign.value, assign.target.id, scope)
        and not any(
            scope.regions[r].kind in {"except", "if"}
            for r in flow.ancestors(scope, assign.region)
            if flow.within(scope, r, loop)
        )
    }


def _parts(call: f.Call) -> tuple[f.Expr, ...]:
    return (call.func, *call.args, *(value for _, value in call.kwargs))


def can_be_stopped(retried: Retried) -> bool:
    """`while self.running: …`: a flag that others set ends the loop, whatever becomes of the attempts."""
    region = retried.guard.region if retried.guard.form == "loop" else None
    test = retried.function.scope.regions[region].test if region is not None else None
    return not isinstance(test, f.Const | None) and keeps_running(test, retried.function.scope)
