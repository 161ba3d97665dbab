"""Ways through the call graph from a function down, past what a condition keeps from running on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roadworthy.project.calls import Edge
    from roadworthy.project.switches import Truths
    from roadworthy.project.symbols import Function

Chain = tuple["Edge", "Chain | None"]
"""The last edge of a way, and what leads to it."""


class Seen:
    """Where a walk along edges has been, and with what knowledge: more knowledge leads to fewer places."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._states: dict[Function, list[tuple[bool, Truths]]] = {}

    def is_new(self, function: Function, known: Truths, *, inline: bool = True) -> bool:
        """Notes it; False where an earlier visit led to all places that this one can."""
        states = self._states.get(function)
        if states is None:
            self._states[function] = [(inline, known)]
            return True
        for was, truths in states:
            if (was or not inline) and truths <= known:
                return False
        states.append((inline, known))
        return True


def unrolled(chain: Chain | None) -> list[Edge]:
    """The edges of a way from the top down."""
    edges: list[Edge] = []
    while chain is not None:
        edges.append(chain[0])
        chain = chain[1]
    return edges[::-1]
