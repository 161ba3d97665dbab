"""Work that a function starts and does not wait for: who runs it, what becomes of its handle, whether it lives as long as the process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.calls import DETACHED
from roadworthy.project.handles import Fate, fate_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_LIVES = frozenset({Effect.CONSUME, Effect.WAIT})


@dataclass(frozen=True, slots=True)
class Spawned:
    """One piece of work started at one call."""

    site: CallSite  # the call that starts it (`asyncio.create_task(…)`)
    kind: str  # "task" "thread" "process" "background" "timer"
    callees: tuple[Function, ...]  # what may run; several where the callee is overridden; none: not resolved
    fate: Fate
    handle: str = ""  # the name or attribute that holds the handle

    @property
    def callee(self) -> Function | None:
        """The first of the callees, in source order of resolution."""
        return self.callees[0] if self.callees else None

    @property
    def name(self) -> str:
        """What runs, as a reader would call it: `Class.method`, or the bare method when several classes have it."""
        if not self.callees:
            return "the work"
        names = {callee.qualname for callee in self.callees}
        return self.callees[0].qualname if len(names) == 1 else self.callees[0].name


def spawned_work(model: Model) -> Iterator[Spawned]:
    """All detached work of reviewed code, one value for each starting call, by source order."""
    for function in model.functions:
        groups: dict[tuple[CallSite, str], dict[Function, None]] = {}
        for edge in model.edges_from(function):
            if edge.kind in DETACHED and not edge.waited:
                groups.setdefault((edge.spawner or edge.site, edge.kind), {})[edge.callee] = None
        for (site, kind), callees in groups.items():
            real = [c for c in callees if not flow.is_stub(c.scope)] or list(callees)
            fate, handle = fate_of(model, site)
            yield Spawned(site, kind, tuple(real), fate, handle)


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
                yield Spawned(site, "task", (), fate, handle)


def lives_on(model: Model, function: Function, depth: int = 3) -> bool:
    """Does the function, or what it calls at its own level, run for as long as the process or connection lives?"""
    scope = function.scope
    for index, region in enumerate(scope.regions):
        if region.kind == "while" and model.guards.loop(function, index).kind in {"worker", "poll"}:
            return True
        if region.kind == "for" and region.is_async and _consumes(model, function, index):
            return True
    if depth == 0:
        return False
    return any(edge.runs_here and edge.kind != "callback" and lives_on(model, edge.callee, depth - 1)
               for edge in model.edges_from(function)[:40])  # fmt: skip


def _consumes(model: Model, function: Function, region: int) -> bool:
    """`async for message in subscription`."""
    start = function.scope.regions[region]
    if any(site.line == start.line and model.reach.site_reaches(site, _LIVES) for site in function.calls):
        return True
    return any(
        word in flow.text_of(start.test, function.scope).lower()
        for word in ("listen", "subscri", "stream", "messages", "socket")
    )
