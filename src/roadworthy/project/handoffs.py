"""Work that its entry has handed to a task, a thread or the background before it comes to a place: who is held up when it hangs there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import EntryKind, GuardKind
from roadworthy.project.blocking import has_loop_for_itself
from roadworthy.project.calls import DETACHED

if TYPE_CHECKING:
    from roadworthy.project.calls import Edge
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_TAKES_FROM_POOL = (".submit", ".run_in_executor", ".apply_async", ".map")


@dataclass(frozen=True, slots=True)
class Handoff:
    """The last call on the way at which the entry went on without waiting."""

    edge: Edge
    pooled: bool  # it holds a thread of a pool that others need
    on_loop: bool  # it runs on the event loop that everything else runs on

    @property
    def runs(self) -> str:
        """What was handed over, as a reader would call it."""
        return self.edge.callee.qualname

    def holds_others(self, effect: EffectAt) -> bool:
        """Does other work wait while this effect does: on the loop, or for a thread of the pool?"""
        return self.pooled or (self.on_loop and not effect.row.awaitable)


def handoff_to(model: Model, function: Function) -> Handoff | None:
    """How a function is reached that no entry reaches in its own run; None when an entry that serves others waits for it."""
    serving = [reached for reached in model.exposure(function).entries if reached.entry.serves_others]
    if not serving or any(reached.inline for reached in serving):
        return None
    path = model.entries.path(serving[0].entry, function)
    for index in range(len(path) - 1, -1, -1):
        edge = path[index]
        if edge.kind in DETACHED and not edge.runs_here:
            on_loop = edge.callee.is_async and not any(_leaves_loop(later) for later in path[index:])
            return Handoff(edge, _is_pooled(model, edge), on_loop)
    return None


def is_on_loop(model: Model, entry: Entry, function: Function) -> bool:
    """Does an entry come to a function on an event loop that others need, without leaving it for a thread?"""
    if entry.kind is EntryKind.WORKER_LOOP and has_loop_for_itself(model, entry.function):
        return False
    return entry.on_loop and not any(_leaves_loop(edge) for edge in model.entries.path(entry, function))


def _leaves_loop(edge: Edge) -> bool:
    return edge.kind in {"thread", "process"}


def uncovered_way(model: Model, site: CallSite, kind: GuardKind) -> tuple[Edge, ...]:
    """Where a guard covers a call on some paths only: a path that it does not cover, from its top down."""
    coverage = model.coverage(site, lambda guard: guard.kind is kind)
    return coverage.witness if coverage.somewhere and not coverage.everywhere else ()


def waiting_top(model: Model, effect: EffectAt) -> Function:
    """The function whose callers wait for a call without a limit: where some paths have one, the top of a path that has none."""
    way = uncovered_way(model, effect.site, GuardKind.TIMEOUT)
    return way[0].caller if way else effect.function


def _is_pooled(model: Model, edge: Edge) -> bool:
    """A thread of an executor, or of the server's own, which runs ordinary functions after the response."""
    if edge.kind == "background":
        return not edge.callee.is_async
    names = model.library_names(edge.spawner or edge.site)
    return edge.kind == "thread" and any(name.endswith(_TAKES_FROM_POOL) for name in names)
