"""Work that a function starts and does not wait for: what it does, and what becomes of its handle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.calls import DETACHED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

Fate = Literal["dropped", "unread", "kept", "waited", "returned"]
"""dropped: the handle is discarded at once. unread: bound to a name that is never read again. kept: stored in an attribute or
container, or only given a callback. waited: awaited, gathered, joined or asked for its result. returned: the caller decides."""

_WAITS = frozenset({
    "gather", "wait", "wait_for", "as_completed", "result", "join", "shield", "exception", "run_until_complete", "timeout", "wait_closed",
})  # fmt: skip
_ACTS = frozenset({
    Effect.PUBLISH, Effect.ENQUEUE, Effect.START_DURABLE, Effect.EMAIL, Effect.SMS, Effect.NOTIFY, Effect.CHARGE, Effect.SPAWN_PROCESS,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spawned:
    """One piece of work started at one call."""

    site: CallSite  # the call that starts it (`asyncio.create_task(…)`)
    kind: str  # "task" "thread" "process" "background" "timer"
    callee: Function | None  # None: not resolved
    fate: Fate
    handle: str = ""  # the name or attribute that holds the handle


def spawned_work(model: Model) -> Iterator[Spawned]:
    """All detached work of reviewed code, by source order."""
    seen: set[tuple[CallSite, Function | None]] = set()
    for function in model.functions:
        for edge in model.edges_from(function):
            if edge.kind not in DETACHED:
                continue
            site = edge.spawner or edge.site
            if edge.waited or (site, edge.callee) in seen:
                continue
            seen.add((site, edge.callee))
            fate, handle = fate_of(model, site)
            yield Spawned(site, edge.kind, edge.callee, fate, handle)


def unresolved_tasks(model: Model) -> Iterator[Spawned]:
    """Tasks whose coroutine could not be followed into the project."""
    for function in model.functions:
        started = {e.spawner or e.site for e in model.edges_from(function) if e.kind in DETACHED}
        for site in function.calls:
            if site in started:
                continue
            kinds = {
                row.kind for name in model.library_names(site) for row in model.knowledge.spawners(name) if row.handle
            }
            if "task" in kinds:
                fate, handle = fate_of(model, site)
                yield Spawned(site, "task", None, fate, handle)


def fate_of(model: Model, site: CallSite) -> tuple[Fate, str]:
    """What becomes of the handle that a starting call returns."""
    fact = site.fact
    if fact.awaited:
        return "waited", ""
    if fact.use == "discarded":
        return "dropped", ""
    if fact.use in {"returned", "yielded"}:
        return "returned", ""
    if fact.use in {"argument", "receiver", "stored"} and fact.outer >= 0:
        return _given_to(model, site)
    for assign in site.function.scope.assigns:
        if assign.value is not None and _holds(assign.value, site.index):
            return _bound(model, site, assign)
    return "kept", ""


def _holds(expr: f.Expr, index: int) -> bool:
    return any(isinstance(part, f.CallRef) and part.index == index for part in flow.walk(expr))


def _given_to(model: Model, site: CallSite) -> tuple[Fate, str]:
    outer = site.function.calls[site.fact.outer]
    name = _last(outer.fact.func)
    if site.fact.use == "receiver":
        if name in _WAITS:
            return "waited", ""
        return (
            ("dropped", "")
            if name in {"add_done_callback", "start", "set_name"} and outer.fact.use == "discarded"
            else ("kept", "")
        )
    if name in _WAITS:
        return "waited", ""
    if name in {"append", "add", "extend"}:
        owner = outer.fact.func.value if isinstance(outer.fact.func, f.Attr) else None
        return _container(model, site, owner)
    return "kept", model.callee_text(outer)


def _container(model: Model, site: CallSite, owner: f.Expr | None) -> tuple[Fate, str]:
    """`tasks.append(create_task(…))`: waited for when the container is."""
    if owner is None:
        return "kept", ""
    text = flow.text_of(owner, site.function.scope)
    return ("waited", text) if _is_waited(model, site, text) else ("kept", text)


def _bound(model: Model, site: CallSite, assign: f.Assign) -> tuple[Fate, str]:
    text = flow.text_of(assign.target, site.function.scope)
    if not isinstance(assign.target, f.Name):
        return ("waited", text) if _is_waited(model, site, text) else ("kept", text)
    name = assign.target.id
    if name in site.function.scope.globals:
        return "kept", name
    if _read_by_inner(site.function, name):
        return "kept", name
    if site.function.scope.last_read.get(name, -1) < assign.order:
        return "unread", name
    if _is_waited(model, site, name):
        return "waited", name
    for leave in site.function.scope.leaves:
        if leave.value is not None and any(isinstance(p, f.Name) and p.id == name for p in flow.walk(leave.value)):
            return "returned", name
    return _stored(model, site, name)


def _read_by_inner(function: Function, name: str) -> bool:
    return any(name in child.scope.last_read for children in function.children.values() for child in children)


def _stored(model: Model, site: CallSite, name: str) -> tuple[Fate, str]:
    """A local handle put into a container, or only given a callback."""
    for call in site.function.scope.calls:
        mentions = any(isinstance(p, f.Name) and p.id == name for a in call.args for p in flow.walk(a))
        if mentions and _last(call.func) in {"add", "append"} and isinstance(call.func, f.Attr):
            return _container(model, site, call.func.value)
    return "kept", name


def _is_waited(model: Model, site: CallSite, text: str) -> bool:
    """Is `text` (a name, `self.tasks`) awaited, gathered, joined or cancelled-and-awaited here or in a method of the class?"""
    scopes = [site.function]
    if text.startswith(("self.", "cls.")) and site.function.cls is not None:
        scopes = [fn for cls in site.function.cls.mro for fn in cls.methods.values()]
        scopes += [child for fn in list(scopes) for children in fn.children.values() for child in children]
    elif text.isidentifier() and text not in site.function.bindings:
        scopes = list(site.function.module.functions)
    return any(_waits_in(scope, text) for scope in scopes)


def _waits_in(function: Function, text: str) -> bool:
    scope = function.scope
    for call in scope.calls:
        name = _last(call.func)
        if name in _WAITS:
            inner = [
                *call.args,
                *(v for _, v in call.kwargs),
                *([call.func.value] if isinstance(call.func, f.Attr) else []),
            ]
            if any(_mentions(expr, text, scope) for expr in inner):
                return True
    exprs = [t.value for t in scope.tests] + [a.value for a in scope.assigns if a.value is not None]
    exprs += [leave.value for leave in scope.leaves if leave.value is not None]
    for expr in exprs:
        for part in flow.walk(expr):
            if isinstance(part, f.Await) and _mentions(part.value, text, scope):
                return True
    return _loops_and_waits(function, text)


def _loops_and_waits(function: Function, text: str) -> bool:
    """`for task in tasks: await task` or `thread.join()`."""
    scope = function.scope
    for region in scope.regions:
        if region.kind not in {"for", "comprehension"} or region.test is None or not isinstance(region.target, f.Name):
            continue
        if _mentions(region.test, text, scope) and text != region.target.id and _waits_in(function, region.target.id):
            return True
    return False


def _mentions(expr: f.Expr, text: str, scope: f.Scope) -> bool:
    for part in flow.walk(expr):
        if isinstance(part, f.Name | f.Attr) and flow.text_of(part, scope) == text:
            return True
        if isinstance(part, f.CallRef):
            call = scope.calls[part.index]
            owner = [call.func.value] if isinstance(call.func, f.Attr) else []
            if any(_mentions(e, text, scope) for e in (*call.args, *owner)):
                return True
    return False


def _last(expr: f.Expr) -> str:
    if isinstance(expr, f.Name):
        return expr.id
    return expr.name if isinstance(expr, f.Attr) else ""


def must_complete(model: Model, function: Function) -> list[EffectAt]:
    """Effects of a function, through its calls, that are lost when it is cut off: what persists or acts on the world.

    Telemetry, caches and reads do not count.
    """
    found = []
    for effect in model.effects_under(function):
        word = effect.effect.word
        if word.telemetry or effect.effect in {Effect.CACHE_WRITE, Effect.CACHE_READ} or effect.row.secondary:
            continue
        acts = effect.effect in _ACTS or word.persists
        if effect.effect in {Effect.HTTP_REQUEST, Effect.RPC}:
            acts = effect.repeat.value != "yes"
        if acts:
            found.append(effect)
    return found
