"""Calls that block the thread while a coroutine runs on it, directly or through ordinary functions of the project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, GuardKind
from roadworthy.project import flow
from roadworthy.project.generators import only_made
from roadworthy.project.phrases import words_of
from roadworthy.project.purpose import asks_for_token
from roadworthy.project.symbols import bound_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.calls import Edge
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_NEVER = frozenset({
    Effect.ROLLBACK, Effect.FILE_SYNC, Effect.LOG, Effect.METRIC, Effect.REPORT_ERROR, Effect.RANDOM_VALUE, Effect.CLOCK_VALUE, Effect.HASH_VALUE, Effect.PROCESS_HASH,
    Effect.CLOSE, Effect.LOCK, Effect.FILE_FLUSH, Effect.FILE_REPLACE,
})  # fmt: skip
_UNNOTICED = 0.02  # seconds
_LOOKED_AT = 12  # effects under one call, the worst first
_SYNC_EDGES = frozenset({"call", "construct", "context"})


@dataclass(frozen=True, slots=True)
class Blocked:
    """A coroutine whose call at `site` blocks in `effect`."""

    function: Function  # the coroutine
    site: CallSite  # the call in the coroutine
    effect: EffectAt
    path: tuple[Edge, ...]  # from the call to the effect; empty when the call itself blocks


def blocks(effect: EffectAt) -> bool:
    """Does the call of this effect hold the thread until the outside has answered, or for long?"""
    if effect.effect in _NEVER or effect.row.lazy or effect.row.awaitable or is_awaited(effect.site):
        return False
    if effect.effect is Effect.SLEEP and _is_zero(effect.site):
        return False
    if effect.row.blocking is not None:
        return effect.row.blocking
    return effect.effect.word.external or effect.effect in {Effect.SLEEP, Effect.BLOCK, Effect.COMPUTE}


def is_awaited(site: CallSite) -> bool:
    """Is the result awaited, at once or below (`request = client.async_get(…)`, `await request`), or does the name say that it must be?"""
    if site.fact.awaited or "async" in words_of(_last(site.fact.func)):
        return True
    scope = site.function.scope
    names = {
        name
        for assign in scope.assigns
        if isinstance(assign.value, f.CallRef) and assign.value.index == site.index
        for name in bound_names(assign.target)
    }
    return bool(names) and any(
        isinstance(part, f.Await) and isinstance(part.value, f.Name) and part.value.id in names
        for expr in _expressions(scope)
        for part in flow.walk(expr)
    )


def _expressions(scope: f.Scope) -> Iterator[f.Expr | None]:
    yield from (test.value for test in scope.tests)
    yield from (assign.value for assign in scope.assigns)
    yield from (leave.value for leave in scope.leaves)
    for call in scope.calls:
        yield call.func
        yield from call.args


def _is_zero(site: CallSite) -> bool:
    given = (*site.fact.args, *(value for _, value in site.fact.kwargs))
    return bool(given) and isinstance(given[0], f.Const) and (given[0].value == 0 or given[0].kind == "none")


def _last(expr: f.Expr) -> str:
    if isinstance(expr, f.Name):
        return expr.id
    return expr.name if isinstance(expr, f.Attr) else ""


def blocked_coroutines(model: Model) -> Iterator[Blocked]:
    """For every coroutine the calls in it that block, with the worst effect of each."""
    bits = model.reach.closure(lambda edge: _goes_down(model, edge), lambda effect: _blocks_here(model, effect))
    for function in model.functions:
        if not function.is_async or function.kind not in {"function", "lambda"}:
            continue
        for site in function.calls:
            found = _at(model, site, bits)
            if found is not None and not _off_loop(model, site):
                yield found


def _at(model: Model, site: CallSite, bits: dict[Function, int]) -> Blocked | None:
    for effect in model.effects_at(site):
        if _blocks_here(model, effect):
            return Blocked(site.function, site, effect, ())
    for edge in model.edges_at(site):
        if not _goes_down(model, edge) or site.fact.awaited or only_made(model, edge):
            continue
        under = list(model.reach.effects(bits.get(edge.callee, 0)))
        if under:
            under.sort(key=lambda e: (_rank(e), asks_for_token(e), e.site.path, e.site.line))
            for worst in under[:_LOOKED_AT]:
                rest = model.reach.path_between(edge.callee, worst.function, lambda e: _goes_down(model, e))
                path = (edge, *(rest or ()))
                if model.switches.lets(path, worst.site):
                    return Blocked(site.function, site, worst, path)
    return None


def _blocks_here(model: Model, effect: EffectAt) -> bool:
    """As `blocks`; running another event loop (`asyncio.run`) is an error of another kind."""
    return (
        blocks(effect)
        and not is_kept(effect.site)
        and not (effect.effect is Effect.WAIT and (model.knowledge.spawners(effect.name) or _is_a_look(model, effect)))
        and not _has_room(model, effect)
    )


def _has_room(model: Model, effect: EffectAt) -> bool:
    """`put()` into a queue that was made without a bound: it is never full, and of how long it waits the row says nothing."""
    limit = effect.row.timeout
    puts = effect.effect is Effect.WAIT and effect.name.endswith(".put")
    if not puts or limit is None or limit.absent is not None:
        return False
    made = model.clients.construction(effect)
    return made is not None and not made.fact.args and not made.fact.kwargs


def _is_a_look(model: Model, effect: EffectAt) -> bool:
    """`pipe.poll(0.001)`: a wait whose limit nobody notices."""
    seconds = model.timeout(effect).seconds
    return seconds is not None and seconds <= _UNNOTICED


def has_loop_for_itself(model: Model, function: Function) -> bool:
    """A coroutine that an ordinary function runs (`asyncio.run(work())`) and that starts no task or server: nobody else waits for its event loop."""
    callers = model.edges_to(function)
    around = {function, *(edge.caller for edge in callers)}
    return (
        bool(callers)
        and not any(edge.caller.is_async or edge.kind in {"task", "background"} for edge in callers)
        and not any(_starts_task(model, site) for scope in around for site in scope.calls)
    )


def is_run_by_itself(model: Model, function: Function) -> bool:
    """A coroutine that, over other coroutines, only ordinary functions run, each on an event loop of its own (`async_to_sync(work)()`)."""
    seen, queue = {function}, [function]
    while queue:
        here = queue.pop()
        callers = model.edges_to(here)
        above = {edge.caller for edge in callers if edge.caller.is_async}
        if not callers or any(edge.kind in {"task", "background"} for edge in callers):
            return False
        if any(entry.on_loop for entry in model.entries.at(here)):  # a framework runs it as well
            return False
        if len(above) < len({edge.caller for edge in callers}) and any(
            _starts_task(model, site) for scope in (here, *(e.caller for e in callers)) for site in scope.calls
        ):
            return False
        queue.extend(above - seen)
        seen |= above
    return True


_STARTS = frozenset({"task", "background"})
_ELSEWHERE = frozenset({"thread", "process"})


def loop_mates(model: Model, function: Function) -> set[Function]:
    """The coroutine and all above it on the same event loop: whoever runs a coroutine to its end from an ordinary function
    (`asyncio.run(work())`) makes a loop of its own, and what a thread runs is on none."""
    seen, queue = {function}, [function]
    while queue:
        here = queue.pop()
        for edge in model.edges_to(here):
            ran = edge.kind == "inline" or edge.spawner is not None
            own_loop = here.is_async and not edge.caller.is_async and ran and edge.kind not in _STARTS
            if own_loop or edge.kind in _ELSEWHERE or _never_runs(edge):
                continue
            if edge.caller not in seen:
                seen.add(edge.caller)
                queue.append(edge.caller)
    return seen


def _never_runs(edge: Edge) -> bool:
    """`return work()` in a coroutine: whoever awaits it is given the other coroutine, and nobody awaits that."""
    callee, site = edge.callee, edge.site
    made = edge.kind == "call" and edge.spawner is None and callee.is_async and not callee.scope.is_generator
    return made and edge.caller.is_async and site.fact.use == "returned" and not site.fact.awaited


def _starts_task(model: Model, site: CallSite) -> bool:
    rows = (row for name in model.library_names(site) for row in model.knowledge.spawners(name))
    return any(row.kind == "task" for row in rows) or "serve" in model.callee_text(site).lower()


def is_kept(site: CallSite) -> bool:
    """`if current is None: current = load()` on a name of the module: only the first call of a process waits for it."""
    scope = site.function.scope
    for index in flow.ancestors(scope, site.fact.region):
        name = _tested_empty(scope.regions[index])
        if name in scope.globals and any(
            isinstance(assign.target, f.Name) and assign.target.id == name for assign in flow.assigns_in(scope, index)
        ):
            return True
    return False


def _tested_empty(region: f.Region) -> str:
    """The name of `if name is None` and `if not name`."""
    match region.test if region.kind == "if" else None:
        case (
            f.Compare(left=f.Name(id=name), ops=("is",), rights=(f.Const(kind="none"),))
            | f.Unary(op="not", value=f.Name(id=name))
        ):
            return name
    return ""


def is_name_lookup(effect: EffectAt) -> bool:
    """Asks the resolver for an address: quick on most days."""
    return effect.row.raises == ("socket.gaierror",)


def never_waits(function: Function) -> bool:
    """A coroutine without any await: as an ordinary function it would do the same."""
    scope = function.scope
    if any(region.is_async for region in scope.regions) or any(call.awaited for call in scope.calls):
        return False
    return not any(isinstance(part, f.Await) for expr in _expressions(scope) for part in flow.walk(expr))


def _goes_down(model: Model, edge: Edge) -> bool:
    """An ordinary call of an ordinary function, whose callee does not depend on who called and that no decorator puts into a thread."""
    if edge.kind not in _SYNC_EDGES or edge.callee.is_async or model.graph.is_ambiguous(edge):
        return False
    return not any(guard.kind is GuardKind.OFF_LOOP for guard in model.guards.on_function(edge.callee))


def _rank(effect: EffectAt) -> int:
    """What a reader should hear of first: the network, then sleeping and computing, then the database, then caches."""
    word = effect.effect
    if word in {Effect.HTTP_REQUEST, Effect.RPC, Effect.LLM, Effect.EMAIL, Effect.CHARGE, Effect.NOTIFY}:
        return 0
    if word in {Effect.SLEEP, Effect.COMPUTE, Effect.SPAWN_PROCESS, Effect.BLOCK}:
        return 1
    return 3 if word in {Effect.CACHE_READ, Effect.CACHE_WRITE, Effect.FILE_READ, Effect.FILE_WRITE} else 2


def _off_loop(model: Model, site: CallSite) -> bool:
    return any(guard.kind is GuardKind.OFF_LOOP for guard in model.guards_on(site))
