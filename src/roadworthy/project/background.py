"""Work that a function starts and does not wait for: who runs it, what becomes of its handle, whether it lives as long as the process."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, EntryKind
from roadworthy.project import flow
from roadworthy.project.calls import DETACHED
from roadworthy.project.decorators import wrappers_of
from roadworthy.project.effects import EffectAt
from roadworthy.project.handles import Fate, fate_of, waits_in
from roadworthy.project.once import listed_once
from roadworthy.project.settled import settled_by_helper
from roadworthy.project.values import Instance, Library

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from roadworthy.project.calls import Edge
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_LIVES = frozenset({Effect.CONSUME, Effect.WAIT})
_STOPS = re.compile(
    r"stop|shut|clos|exit|cancel|terminat|running|quit|kill|connected|is_set|alive|active|enabled|finished",
    re.IGNORECASE,
)
_LATER = "NOT_DONE_YET"  # Twisted's word for a request that stays open
_CONFIGURED = re.compile(r"settings?\b|config\b|environ\b|getenv\b")


@dataclass(frozen=True, slots=True)
class Spawned:
    """One piece of work started at one call."""

    site: CallSite  # the call that starts it (`asyncio.create_task(…)`)
    kind: str  # "task" "thread" "process" "background" "timer"
    callees: tuple[Function, ...]  # what may run; several where the callee is overridden; none: not resolved
    fate: Fate
    handle: str = ""  # the name or attribute that holds the handle
    direct: tuple[EffectAt, ...] = ()  # what a library function that is started as it is does

    @property
    def callee(self) -> Function | None:
        """The first of the callees, in source order of resolution."""
        return self.callees[0] if self.callees else None

    @property
    def name(self) -> str:
        """What runs, as a reader would call it: `Class.method`, or the bare method when several classes have it."""
        if not self.callees:
            return self.direct[0].short_name if self.direct else "the work"
        names = {callee.qualname.removesuffix(".__call__") for callee in self.callees}
        first = self.callees[0]
        return min(names) if len(names) == 1 or first.name == "__call__" else first.name


@listed_once
def spawned_work(model: Model) -> Iterator[Spawned]:
    """All detached work of reviewed code, one value for each starting call, by source order."""
    for function in model.functions:
        groups: dict[tuple[CallSite, str], dict[Function, None]] = {}
        for edge in model.edges_from(function):
            if edge.kind in DETACHED and not edge.waited and not _is_waited_inside(model, edge):
                groups.setdefault((edge.spawner or edge.site, edge.kind), {})[edge.callee] = None
        for site in function.calls:
            for kind, direct in _library_work(model, site):
                if (site, kind) not in groups:
                    yield Spawned(site, kind, (), *_fate(model, site), direct)
        for (site, kind), callees in groups.items():
            if not _is_passed_in(model, site):  # whoever passes it has work of its own, under its own name
                yield Spawned(site, kind, _who_works(model, callees), *_fate(model, site))


def _fate(model: Model, site: CallSite) -> tuple[Fate, str]:
    """What becomes of the handle; a handler that says "not done yet" leaves its answer, and the end of it, to the work that it started."""
    leaves = site.function.scope.leaves
    if any(leave.value is not None and flow.last_name(leave.value) == _LATER for leave in leaves):
        return "returned", ""
    fate, handle = fate_of(model, site)
    if fate != "kept":
        return fate, handle
    if _is_awaited_by_owner(model, site, handle):
        return "waited", handle
    return settled_by_helper(model, site.function, handle) or fate, handle


def _is_awaited_by_owner(model: Model, site: CallSite, handle: str) -> bool:
    """`self.app.closing.append(task)`: the object in whose list it stands waits for what is in it, perhaps when it closes."""
    function = site.function
    for call in function.scope.calls:
        owner = call.func.value if isinstance(call.func, f.Attr) else None
        if not isinstance(owner, f.Attr) or flow.text_of(owner, function.scope) != handle:
            continue
        for value in model.values(owner.value, function, call.order):
            modules = {cls.module for cls in value.cls.mro} if isinstance(value, Instance) else set()
            if any(waits_in(other, {f".{owner.name}"}) for module in modules for other in module.functions):
                return True
    return False


def _is_waited_inside(model: Model, edge: Edge) -> bool:
    """`create_task(store(item, put))`, where the coroutine `store` waits for the thread that runs `put`: what counts is what becomes of the task."""
    resolution = model.graph.resolutions.get(edge.site)
    return resolution is not None and any(
        callee.is_async
        and callee is not edge.callee
        and (edge.kind, True) in model.graph.parameter_runs(callee).values()
        for callee in resolution.functions
    )


def _is_passed_in(model: Model, site: CallSite) -> bool:
    """A launcher of the project starts what it was given: `def schedule(func, *args): tasks.add_task(func, *args)`."""
    function = site.function
    runs = model.graph.parameter_runs(function)
    return any(
        isinstance(arg, f.Name) and runs.get(arg.id, ("", False))[0] in DETACHED and arg.id not in function.bindings
        for arg in (*site.fact.args, *(value for _, value in site.fact.kwargs))
    )


def durable_branch(model: Model, site: CallSite) -> CallSite | None:
    """The call in the other branch of a configuration (`if REDIS: queue.enqueue(…) else: …`) that gives the same work to a queue."""
    scope = site.function.scope
    for index in flow.ancestors(scope, site.fact.region):
        for other in flow.siblings(scope, index):
            test = scope.regions[other].test or scope.regions[index].test
            if other == index or not _is_configuration(test, scope):
                continue
            for call in flow.calls_in(scope, other):
                if model.effects_through(site.function.site(call), Effect.ENQUEUE, Effect.START_DURABLE):
                    return site.function.site(call)
    return None


def _is_configuration(test: f.Expr | None, scope: f.Scope) -> bool:
    """A constant of the program, a setting or an environment variable: the same for every run of a deployment."""
    text = flow.text_of(test, scope)
    return bool(_CONFIGURED.search(text)) or any(
        isinstance(part, f.Name | f.Attr) and flow.last_name(part).isupper() for part in flow.walk(test)
    )


def _who_works(model: Model, callees: Iterable[Function]) -> tuple[Function, ...]:
    """Without the wrappers of decorators and without what is only there to be overridden."""
    wrappers = {wrapper for callee in callees for wrapper in wrappers_of(callee, model.evaluator)}
    inner = [callee for callee in callees if callee not in wrappers] or list(callees)
    return tuple([callee for callee in inner if not flow.is_stub(callee.scope)] or inner)


def _library_work(model: Model, site: CallSite) -> Iterator[tuple[str, tuple[EffectAt, ...]]]:
    """(kind, effects) of library calls that run as they are: `create_task(client.post(url))`, `add_task(send_mail, to)`."""
    for kind, expr, waits in model.graph.started_by(site):
        if kind not in DETACHED or (waits and model.graph.ends_with(site)):
            continue
        found: list[EffectAt] = []
        if isinstance(expr, f.CallRef) and kind == "task":
            found.extend(model.effects_at(site.function.calls[expr.index]))
        elif isinstance(expr, f.Attr | f.Name):
            for value in model.values(expr, site.function, site.fact.order):
                if isinstance(value, Library):
                    rows = model.knowledge.calls(value.name)
                    found.extend(
                        EffectAt(Effect(word), site, value.name, row)
                        for row in rows[:1]
                        for word in row.effects
                        if word != "sql"
                    )
        if found:
            yield kind, tuple(found)


def unresolved_tasks(model: Model) -> Iterator[Spawned]:
    """Tasks whose coroutine could not be followed into the project."""
    for function in model.functions:
        started = {e.spawner or e.site for e in model.edges_from(function) if e.kind in DETACHED}
        started |= {site for site in function.calls if any(_library_work(model, site))}
        for site in function.calls:
            if site in started:
                continue
            kinds = {
                row.kind for name in model.library_names(site) for row in model.knowledge.spawners(name) if row.handle
            }
            if "task" in kinds:
                fate, handle = fate_of(model, site)
                yield Spawned(site, "task", (), fate, handle)


def is_listened_to(model: Model, site: CallSite) -> bool:
    """Does the project's own launcher look at the outcome, in a callback of the task?"""
    resolution = model.graph.resolutions.get(site)
    return any(
        flow.last_name(call.func) == "add_done_callback"
        for launcher in (resolution.functions if resolution is not None else ())
        for call in launcher.scope.calls
    )


def is_on_thread(model: Model, site: CallSite) -> bool:
    """`create_task(to_thread(read))`: the thread runs to its end, whatever becomes of the task."""
    inner = (site.function.calls[arg.index] for arg in site.fact.args if isinstance(arg, f.CallRef))
    return any(
        row.kind == "thread"
        for call in inner
        for name in model.library_names(call)
        for row in model.knowledge.spawners(name)
    )


def keeps_its_tasks(model: Model, site: CallSite) -> bool:
    """`loop.spawn_callback(work)`, `group.start_soon(work)`: the library gives no handle and refers to what runs by itself."""
    rows = [row for name in model.library_names(site) for row in model.knowledge.spawners(name) if row.kind == "task"]
    return bool(rows) and not any(row.handle for row in rows)


def is_run_at_start(model: Model, function: Function) -> bool:
    """Is the function only run when the process starts or stops, so that the next start runs it again?"""
    kinds = {reached.entry.kind for reached in model.exposure(function).entries}
    return bool(kinds) and kinds <= {EntryKind.STARTUP, EntryKind.IMPORT_TIME, EntryKind.SHUTDOWN}


def lives_on(model: Model, function: Function, depth: int = 2) -> bool:
    """Does the function, or what it calls at its own level, run for as long as the process or connection lives?"""
    scope = function.scope
    for index, region in enumerate(scope.regions):
        if region.kind == "while" and _has_no_end(model, function, index):
            return True
        if region.kind == "for" and region.is_async and _consumes(model, function, index):
            return True
    if depth == 0:
        return False
    return any(
        edge.runs_here and edge.kind != "callback" and lives_on(model, edge.callee, depth - 1)
        for edge in model.edges_from(function)[:40]
    )


def _has_no_end(model: Model, function: Function, region: int) -> bool:
    """`while True`, `while not stopping`, `while self.running`: ended from outside, not by its own work."""
    test = function.scope.regions[region].test
    if model.guards.loop(function, region).kind != "worker":
        return False
    return isinstance(test, f.Const) or bool(
        _STOPS.search(flow.text_of(test, function.scope)) or _STOPS.search(_named(test, function))
    )


def _named(test: f.Expr | None, function: Function) -> str:
    """The names in a condition, its calls' receivers included."""
    parts = [flow.text_of(part, function.scope) for part in flow.walk(test)]
    return " ".join(parts)


def _consumes(model: Model, function: Function, region: int) -> bool:
    """`async for message in subscription`."""
    start = function.scope.regions[region]
    if any(site.line == start.line and model.reach.site_reaches(site, _LIVES) for site in function.calls):
        return True
    text = flow.text_of(start.test, function.scope).lower()
    return any(word in text for word in ("listen", "subscri", "stream", "messages", "socket"))
