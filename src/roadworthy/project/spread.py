"""What runs after a function was called: in its process at all, and before it returns."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import GuardKind
from roadworthy.project import flow
from roadworthy.project.calls import DELIVERED
from roadworthy.project.handles import fate_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from roadworthy.project.calls import Edge
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

MOST = 4000
"""No walk goes further than this many functions."""
_JOINS = frozenset({"join", "wait", "result", "as_completed", "joinall"})


class Spread:
    """Walks along the edges of the call graph, nearest first."""

    def __init__(self, model: Model) -> None:
        """Answers are kept."""
        self._model = model
        self._closures: dict[Function, Mapping[Function, None]] = {}
        self._mains: dict[Function, Mapping[Function, int]] = {}

    def closure(self, root: Function) -> Mapping[Function, None]:
        """Everything that runs in the process after `root` was called, in whatever thread or task."""
        known = self._closures.get(root)
        if known is None:
            known = self._closures[root] = self.along([root], DELIVERED)
        return known

    def main(self, root: Function) -> Mapping[Function, int]:
        """What runs before `root` returns: its calls, and the tasks and threads for which it waits, with their distance. Nearest first."""
        queue = deque([root])
        seen = {root: 0}
        threads: list[tuple[Edge, str]] = []
        while queue and len(seen) < MOST:
            here = queue.popleft()
            for edge in self._model.graph.outgoing.get(here, ()):
                if edge.callee in seen or edge.kind == "callback":
                    continue
                if edge.kind == "thread" and not edge.runs_here:
                    fate, name = fate_of(self._model, edge.spawner or edge.site)
                    if fate == "waited":
                        threads.append((edge, name.rpartition(".")[2]))
                elif self._holds_up(edge):
                    seen[edge.callee] = seen[here] + 1
                    queue.append(edge.callee)
            if not queue:  # a thread that is joined in `stop()` holds up only who comes by there
                joined = [(edge, name) for edge, name in threads if any(_joins(function, name) for function in seen)]
                for edge, _ in joined:
                    if edge.callee not in seen:
                        seen[edge.callee] = seen[edge.caller] + 1
                        queue.append(edge.callee)
                threads = [pair for pair in threads if pair[0].callee not in seen]
        return seen

    def _holds_up(self, edge: Edge) -> bool:
        """Does the caller not end before the callee does?"""
        if edge.runs_here:
            return True
        if edge.kind != "task":
            return False
        site = edge.spawner or edge.site
        grouped = any(guard.kind is GuardKind.AWAITED for guard in self._model.guards.on_site(site))
        return grouped or fate_of(self._model, site)[0] == "waited"

    def along(
        self, roots: Iterable[Function], across: frozenset[str], *, sure: bool = False
    ) -> Mapping[Function, None]:
        """What is reached along all edges but those of these kinds, nearest first; `sure`: not by what other callers give a helper to run."""
        queue = deque(roots)
        seen = dict.fromkeys(queue)
        while queue and len(seen) < MOST:
            for edge in self._model.graph.outgoing.get(queue.popleft(), ()):
                if edge.kind in across or (sure and self._model.entries.is_of_callers(edge)):
                    continue
                if edge.callee not in seen:
                    seen[edge.callee] = None
                    queue.append(edge.callee)
        return seen

    def way_to(self, root: Function, goals: set[Function]) -> CallSite | None:
        """The call in `root` that leads to one of these functions by the shortest way."""
        if root in goals:
            return None
        best: tuple[int, int] | None = None
        found: CallSite | None = None
        for edge in self._model.edges_from(root):
            near = min((far for fn, far in self.main(edge.callee).items() if fn in goals), default=None)
            if (
                edge.kind not in DELIVERED
                and near is not None
                and (best is None or (near, edge.site.fact.order) < best)
            ):
                best, found = (near, edge.site.fact.order), edge.site
        return found

    def tops(self, function: Function) -> list[Function]:
        """The outermost known callers of a function, or itself."""
        seen = {function}
        queue = deque([function])
        tops: list[Function] = []
        while queue and len(seen) < 200:
            here = queue.popleft()
            callers = [edge.caller for edge in self._model.graph.incoming.get(here, ()) if edge.kind not in DELIVERED]
            if not callers:
                tops.append(here)
            for caller in callers:
                if caller not in seen:
                    seen.add(caller)
                    queue.append(caller)
        return tops or [function]


def _joins(function: Function, name: str) -> bool:
    """Does a function wait for what is kept under a name? No name: the block or the helper that starts it waits."""
    if not name:
        return True
    waits = any(flow.last_name(call.func) in _JOINS for call in function.scope.calls)
    return waits and any(path.rpartition(".")[2] == name for path in function.scope.last_read)
