"""Ways through the call graph from a function down: breadth first, past what a condition keeps from running on the way."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from roadworthy.project.calls import DELIVERED
from roadworthy.project.switches import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roadworthy.project.calls import CallGraph, Edge
    from roadworthy.project.switches import Switches, Truths
    from roadworthy.project.symbols import Function

_Chain = tuple["Edge", "_Chain | None"]
"""The last edge of a way, and what leads to it."""

_LATER = frozenset({"hook:signal", "hook:startup", "hook:shutdown", "hook:atexit"})


class _Seen:
    """Where a walk along edges has been, and with what knowledge: more knowledge leads to fewer places."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._states: dict[Function, list[tuple[bool, Truths]]] = {}

    def is_new(self, function: Function, known: Truths, *, inline: bool = True) -> bool:
        """Notes it; False where an earlier visit led to all places that this one can."""
        states = self._states.setdefault(function, [])
        if any((was or not inline) and truths <= known for was, truths in states):
            return False
        states.append((inline, known))
        return True


def spread(roots: Sequence[Function], graph: CallGraph, switches: Switches) -> Iterator[tuple[Function, bool]]:
    """Every function to which control may come from these, and whether they wait for it; a function may come more than once."""
    queue: deque[tuple[Function, bool, Truths]] = deque((root, True, NOTHING) for root in roots)
    seen = _Seen()
    for root in roots:
        seen.is_new(root, NOTHING)
        yield root, True
    while queue:
        here, inline, known = queue.popleft()
        for edge in graph.outgoing.get(here, ()):
            if edge.kind in DELIVERED or edge.kind in _LATER or switches.excludes(edge.site, known):
                continue
            still, below = inline and edge.runs_here, switches.into(edge, known)
            if seen.is_new(edge.callee, below, inline=still):
                yield edge.callee, still
                queue.append((edge.callee, still, below))


def shortest(start: Function, goal: Function, graph: CallGraph, switches: Switches) -> list[Edge]:
    """The shortest chain of edges from one function to another; none where they are the same."""
    if start is goal:
        return []
    queue: deque[tuple[Function, Truths, _Chain | None]] = deque([(start, NOTHING, None)])
    seen = _Seen()
    seen.is_new(start, NOTHING)
    while queue:
        here, known, chain = queue.popleft()
        for edge in graph.outgoing.get(here, ()):
            if edge.kind in DELIVERED or switches.excludes(edge.site, known):
                continue
            below = switches.into(edge, known)
            if edge.callee is goal:
                return _unrolled((edge, chain))
            if seen.is_new(edge.callee, below):
                queue.append((edge.callee, below, (edge, chain)))
    return []


def _unrolled(chain: _Chain | None) -> list[Edge]:
    edges: list[Edge] = []
    while chain is not None:
        edges.append(chain[0])
        chain = chain[1]
    return edges[::-1]
