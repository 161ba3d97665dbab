"""Summaries: which effects a function has through all its calls, to a fixpoint over cycles, and by which path.

Effects are numbered, a set of them is the bits of one integer: the union of thousands costs next to nothing.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from roadworthy.knowledge.vocabulary import Effect
    from roadworthy.project.calls import CallGraph, Edge
    from roadworthy.project.effects import EffectAt, Effects
    from roadworthy.project.symbols import CallSite, Function, Symbols


class Reach:
    """Transitive effects along edges whose callee ends before the caller goes on."""

    def __init__(self, symbols: Symbols, graph: CallGraph, effects: Effects) -> None:
        """All closures are computed once; filtered ones on demand."""
        self._symbols = symbols
        self._graph = graph
        self._effects = effects
        self.all: list[EffectAt] = [effect for site in effects.at for effect in effects.at[site]]
        self._numbers = {id(effect): number for number, effect in enumerate(self.all)}
        self._own: dict[Function, int] = {}
        self._masks: dict[Effect, int] = {}
        for number, effect in enumerate(self.all):
            bit = 1 << number
            self._own[effect.function] = self._own.get(effect.function, 0) | bit
            self._masks[effect.effect] = self._masks.get(effect.effect, 0) | bit
        self._order = components(symbols.functions, graph.outgoing)
        self._inline = self.closure(lambda edge: edge.runs_here)
        self._firm = self.closure(
            lambda edge: edge.runs_here and edge.kind != "callback" and not graph.is_passed_in(edge)
        )

    def closure(
        self, follow: Callable[[Edge], bool], own: Callable[[EffectAt], bool] | None = None
    ) -> dict[Function, int]:
        """For each function the effects that it has itself or through the edges that `follow` accepts."""
        total: dict[Function, int] = {}
        start = self._own if own is None else self._filtered(own)
        for component in self._components(follow):
            bits = 0
            members = set(component)
            for function in component:
                bits |= start.get(function, 0)
                for edge in self._graph.outgoing.get(function, ()):
                    below = total.get(edge.callee, 0)
                    if below and edge.callee not in members and follow(edge):
                        bits |= below
            if bits:
                for function in component:
                    total[function] = bits
        return total

    def _components(self, follow: Callable[[Edge], bool]) -> Iterator[list[Function]]:
        """Cycles of the accepted edges alone: a cycle that a task or a callback closes is none for those who do not follow it."""
        for component in self._order:
            if len(component) == 1:
                yield component
                continue
            inside = set(component)
            accepted = {
                function: [e for e in self._graph.outgoing.get(function, ()) if e.callee in inside and follow(e)]
                for function in component
            }
            yield from components(component, accepted)

    def _filtered(self, own: Callable[[EffectAt], bool]) -> dict[Function, int]:
        found: dict[Function, int] = {}
        for number, effect in enumerate(self.all):
            if own(effect):
                found[effect.function] = found.get(effect.function, 0) | (1 << number)
        return found

    def mask(self, words: Iterable[Effect]) -> int:
        """The bits of all effects of these kinds."""
        bits = 0
        for word in words:
            bits |= self._masks.get(word, 0)
        return bits

    def effects(self, bits: int) -> Iterator[EffectAt]:
        """The effects that a set of bits stands for, in source order of discovery."""
        while bits:
            low = bits & -bits
            yield self.all[low.bit_length() - 1]
            bits ^= low

    def under(self, function: Function, words: Iterable[Effect] | None = None) -> list[EffectAt]:
        """Effects of a function and of all it calls (and waits for)."""
        bits = self._firm.get(function, 0)
        return list(self.effects(bits if words is None else bits & self.mask(words)))

    def has(self, function: Function, words: Iterable[Effect]) -> bool:
        """Does the function have such an effect, itself or through calls?"""
        return bool(self._firm.get(function, 0) & self.mask(words))

    def functions_with(self, words: Iterable[Effect]) -> frozenset[Function]:
        """All functions that have such an effect, themselves or through calls."""
        wanted = self.mask(words)
        return frozenset(function for function, bits in self._firm.items() if bits & wanted)

    def site_bits(self, site: CallSite, words: Iterable[Effect] | None = None) -> int:
        """Effects of one call: its own and those of what it calls."""
        bits = 0
        for edge in self._graph.at(site):
            if edge.runs_here and edge.kind != "callback":
                bits |= self._firm.get(edge.callee, 0)
        own = self._effects.at.get(site, ())
        if words is not None:
            wanted = set(words)
            bits &= self.mask(wanted)
            own = tuple(effect for effect in own if effect.effect in wanted)
        for effect in own:
            bits |= 1 << self._number(effect)
        return bits

    def _number(self, effect: EffectAt) -> int:
        return self._numbers[id(effect)]

    def site_reaches(self, site: CallSite, words: Iterable[Effect]) -> bool:
        """Does this call have such an effect, directly or through what it calls?"""
        wanted = set(words)
        return any(e.effect in wanted for e in self._effects.at.get(site, ())) or bool(self.site_bits(site, wanted))

    def at_site(self, site: CallSite, words: Iterable[Effect] | None = None) -> list[EffectAt]:
        """Effects of one call, directly or through what it calls."""
        return list(self.effects(self.site_bits(site, words)))

    def path_down(self, start: Function, effect: EffectAt) -> list[Edge]:
        """The shortest chain of calls from a function to the one that has the effect; empty when it is its own."""
        return self.path_between(start, effect.function) or []

    def path_between(
        self, start: Function, goal: Function, follow: Callable[[Edge], bool] | None = None
    ) -> list[Edge] | None:
        """The shortest chain of edges, or None."""
        if start is goal:
            return []
        accept = follow or (lambda edge: edge.runs_here)
        came: dict[Function, Edge | None] = {start: None}
        queue = deque([start])
        while queue:
            here = queue.popleft()
            for edge in self._graph.outgoing.get(here, ()):
                if edge.callee in came or not accept(edge):
                    continue
                came[edge.callee] = edge
                if edge.callee is goal:
                    return unwind(came, goal)
                queue.append(edge.callee)
        return None

    def tree_from(self, start: Function) -> dict[Function, Edge | None]:
        """Every function that a function calls and waits for, nearest first, with the edge by which it is reached first."""
        came: dict[Function, Edge | None] = {start: None}
        queue = deque([start])
        while queue:
            here = queue.popleft()
            for edge in self._graph.outgoing.get(here, ()):
                if (
                    edge.callee in came
                    or not edge.runs_here
                    or edge.kind == "callback"
                    or self._graph.is_passed_in(edge)
                ):
                    continue
                came[edge.callee] = edge
                queue.append(edge.callee)
        return came


def unwind(came: dict[Function, Edge | None], goal: Function) -> list[Edge] | None:
    """The chain of edges that leads to `goal` in a tree of `tree_from`; None when it is not in it."""
    if goal not in came:
        return None
    path: list[Edge] = []
    edge = came[goal]
    while edge is not None:
        path.append(edge)
        edge = came[edge.caller]
    path.reverse()
    return path


def components(functions: Iterable[Function], outgoing: Mapping[Function, Sequence[Edge]]) -> list[list[Function]]:
    """Strongly connected components of the call graph, callees before callers (Tarjan, without recursion)."""
    index: dict[Function, int] = {}
    low: dict[Function, int] = {}
    on_stack: set[Function] = set()
    stack: list[Function] = []
    found: list[list[Function]] = []
    for root in functions:
        if root in index:
            continue
        work: list[tuple[Function, Iterator[Edge]]] = [(root, iter(outgoing.get(root, ())))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            here, edges = work[-1]
            for edge in edges:
                callee = edge.callee
                if callee not in index:
                    index[callee] = low[callee] = len(index)
                    stack.append(callee)
                    on_stack.add(callee)
                    work.append((callee, iter(outgoing.get(callee, ()))))
                    break
                if callee in on_stack:
                    low[here] = min(low[here], index[callee])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[here])
                if low[here] == index[here]:
                    component: list[Function] = []
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        component.append(member)
                        if member is here:
                            break
                    found.append(component)
    return found
