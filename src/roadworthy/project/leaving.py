"""What leaves the process through a call before its caller ends: by the calls below it, and by the threads and tasks that they start.

A thread or task that is started inside a transaction runs beside it: what it sends knows as little of the commit as what is sent at once.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from roadworthy.project.background import lives_on

if TYPE_CHECKING:
    from collections.abc import Collection

    from roadworthy.knowledge.vocabulary import Effect
    from roadworthy.project.calls import Edge
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_BESIDE = frozenset({"task", "thread"})


class Leaving:
    """Answers for some kinds of effects; one closure for each model."""

    def __init__(self, model: Model, words: Collection[Effect]) -> None:
        """The closure is computed once."""
        self._model = model
        self._words = frozenset(words)
        self._below = model.reach.closure(self.follows, lambda effect: effect.effect in self._words)

    def follows(self, edge: Edge) -> bool:
        """Calls that run here, and work that is started beside; loops that live as long as the process are nobody's message."""
        if edge.kind == "callback":
            return False
        return edge.runs_here or (edge.kind in _BESIDE and not lives_on(self._model, edge.callee))

    def has(self, function: Function) -> bool:
        """Does anything leave through this function?"""
        return bool(self._below.get(function, 0))

    def reaches(self, site: CallSite) -> bool:
        """Does anything leave through this call?"""
        return any(effect.effect in self._words for effect in self._model.effects_at(site)) or any(
            self.has(edge.callee) and self.follows(edge) for edge in self._model.edges_at(site)
        )

    def under(self, function: Function) -> list[EffectAt]:
        """All that leaves through this function."""
        return list(self._model.reach.effects(self._below.get(function, 0)))

    def tree_from(self, start: Function) -> dict[Function, Edge | None]:
        """Every function on the way, nearest first, with the edge by which it is reached first."""
        came: dict[Function, Edge | None] = {start: None}
        queue = deque([start])
        while queue:
            for edge in self._model.edges_from(queue.popleft()):
                if edge.callee in came or not self.follows(edge) or self._model.graph.is_passed_in(edge):
                    continue
                came[edge.callee] = edge
                queue.append(edge.callee)
        return came
