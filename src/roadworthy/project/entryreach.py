"""Which functions each entry reaches, and by which calls."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import replace
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import EntryKind
from roadworthy.project import flow
from roadworthy.project.calls import DELIVERED
from roadworthy.project.decorators import wrappers_of
from roadworthy.project.developing import only_developed
from roadworthy.project.entry import Reached
from roadworthy.project.runs import names_in
from roadworthy.project.switches import NOTHING
from roadworthy.project.ways import Seen, unrolled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from roadworthy.project.calls import CallGraph, Edge
    from roadworthy.project.entry import Entry
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.switches import Switches, Truths
    from roadworthy.project.symbols import CallSite, Function
    from roadworthy.project.ways import Chain

ENDLESS = "endless loop"
BEFORE = "before the loop"
Found = dict["Function", dict["Entry", tuple[bool, int]]]
"""Function -> entry -> (all the way inside its own run?, calls on the shortest way)."""
_HOOKS = frozenset({"hook:signal", "hook:startup", "hook:shutdown", "hook:atexit"})


class EntryReach:
    """Breadth first along everything that stays in the process, and that no condition keeps from running."""

    def __init__(self, graph: CallGraph, evaluator: Evaluator, switches: Switches, entries: tuple[Entry, ...]) -> None:
        """First by calls that are sure; what no entry reaches by these, by any call of a function that callers give."""
        self._graph = graph
        self._evaluator = evaluator
        self._switches = switches
        self._staying: dict[Function, tuple[Edge, ...]] = {}
        self._anybodys = frozenset(id(edge) for edges in graph.outgoing.values() for edge in self._of_anybody(edges))
        self._starts = {entry: _its_start(entry) for entry in entries if entry.source == ENDLESS}
        self._asked = switches.asked
        self._unsure: dict[Entry, None] = {}  # entries that come to a call of something that callers give
        self._reached = self._by_all(entries, sure=True)
        if self._unsure:
            for function, found in self._by_all(tuple(self._unsure), sure=False).items():
                self._reached.setdefault(function, found)

    def reaching(self, function: Function) -> tuple[Reached, ...]:
        """Entries from which control may come to a function."""
        return tuple(
            Reached(entry, inline, depth) for entry, (inline, depth) in self._reached.get(function, {}).items()
        )

    def is_of_callers(self, edge: Edge) -> bool:
        """Does it lead to one of several functions that callers have given? Whoever gave it has an edge to it of its own."""
        return id(edge) in self._anybodys

    def path(self, entry: Entry, function: Function) -> list[Edge]:
        """The shortest chain of edges from an entry to a function; by sure ones where there is one."""
        if entry.function is function:
            return []
        loop, above = self._split(entry)
        first = above if entry.source == BEFORE else loop
        return (
            self._path(entry, first, function, sure=True)
            or self._path(entry, first, function, sure=False)
            or self._path(entry, [*loop, *above], function, sure=False)
        )

    def _path(self, entry: Entry, first: list[Edge], function: Function, *, sure: bool) -> list[Edge]:
        queue: deque[tuple[Function, Truths, Chain | None]] = deque([(entry.function, NOTHING, None)])
        seen = Seen()
        seen.is_new(entry.function, NOTHING)
        while queue:
            here, known, chain = queue.popleft()
            for edge in first if here is entry.function else self._leaving(here):
                if (sure and id(edge) in self._anybodys) or self._switches.excludes(edge.site, known):
                    continue
                below = self._switches.into(edge, known)
                if edge.callee is function:
                    return unrolled((edge, chain))
                if seen.is_new(edge.callee, below):
                    queue.append((edge.callee, below, (edge, chain)))
        return []

    # --- spreading ----------------------------------------------------------------------------------------------------

    def _by_all(self, entries: tuple[Entry, ...], *, sure: bool) -> Found:
        reached: Found = {}
        for entry in entries:
            loop, above = self._split(entry)
            skipped = False
            for root in (entry.function, *wrappers_of(entry.function, self._evaluator)):
                reached.setdefault(root, {})[entry] = (True, 0)
                first = loop if root is entry.function else self._leaving(root)
                skipped |= self._spread(entry, first, reached, sure=sure)
            if above:  # what runs above the loop belongs to the start, what is started there to the loop
                start = self._starts[entry]
                mine: Found = {}
                skipped |= self._spread(start, above, mine, sure=sure)
                for function, found in mine.items():
                    known = reached.setdefault(function, {})
                    inline, depth = found[start]
                    if inline:
                        known[start] = (True, depth)
                    else:
                        known.setdefault(entry, (False, depth))
            if skipped:
                self._unsure[entry] = None
        return reached

    def _split(self, entry: Entry) -> tuple[list[Edge], list[Edge]]:
        """Calls that leave an entry; those that stand above its endless loop run once, when the process starts."""
        edges = list(self._leaving(entry.function))
        if entry.source not in {ENDLESS, BEFORE}:
            return edges, []
        above = [edge for edge in edges if edge.runs_here and _is_above_loops(edge)]
        return [edge for edge in edges if edge not in above], above

    def _spread(self, entry: Entry, first: Iterable[Edge], reached: Found, *, sure: bool) -> bool:
        """Note what an entry reaches. True where it came to a call that is not sure, and left it out."""
        switches, unsure, asked = self._switches, self._anybodys if sure else frozenset(), self._asked
        queue: deque[tuple[Iterable[Edge], bool, int, Truths]] = deque([(first, True, 1, NOTHING)])
        seen = Seen()
        everywhere: set[Function] = set()  # inline, with nothing known: whatever comes later leads nowhere else
        skipped = False
        while queue:
            leaving, inline, depth, known = queue.popleft()
            for edge in leaving:
                callee = edge.callee
                if unsure and id(edge) in unsure:
                    skipped = True
                    continue
                if callee in everywhere or (known and switches.excludes(edge.site, known)):
                    continue
                still = inline and edge.runs_here
                below = switches.into(edge, known) if callee in asked else NOTHING
                if not seen.is_new(callee, below, inline=still):
                    continue
                if still and not below:
                    everywhere.add(callee)
                found = reached.setdefault(callee, {})
                if entry not in found or (still and not found[entry][0]):
                    found[entry] = (still, depth)
                queue.append((self._leaving(callee), still, depth + 1, below))
        return skipped

    def _leaving(self, function: Function) -> tuple[Edge, ...]:
        """Edges that stay in the process. Most functions are come to from many entries, and asked each time."""
        known = self._staying.get(function)
        if known is None:
            edges = self._graph.outgoing.get(function, ())
            known = tuple(
                [
                    edge
                    for edge in edges
                    if edge.kind not in DELIVERED and edge.kind not in _HOOKS and not only_developed(edge.site)
                ]
            )
            self._staying[function] = known
        return known

    # --- what callers give --------------------------------------------------------------------------------------------

    def _of_anybody(self, edges: list[Edge]) -> Iterator[Edge]:
        """Edges to one of several functions that callers have given: to run (`run(op)`), to start (`executor.submit(op)`), or to wrap
        (`def wrapper(): op()`). Which of them it is depends on the caller, who has an edge to its own.
        """
        by_site: dict[CallSite, list[Edge]] = defaultdict(list)
        for edge in edges:
            by_site[edge.site].append(edge)
        for site, found in by_site.items():
            if len({edge.callee for edge in found}) > 1:
                given = self._given(site, passed_on=any(edge.kind == "callback" for edge in found))
                yield from (edge for edge in found if edge.callee in given)

    def _given(self, site: CallSite, *, passed_on: bool) -> set[Function]:
        """Functions that a call runs or passes on, and that came in by a parameter of its function or of one around it."""
        graph = self._graph
        exprs = [site.fact.func, *(expr for _, expr, _ in graph.started_by(site))]
        names = {name for expr in exprs for name in names_in(expr, site.function, lambda call: call.fact.args[:2])}
        found: set[Function] = set()
        scope: Function | None = site.function
        while scope is not None and scope.kind in {"function", "lambda"}:
            taken = set(scope.parameters if passed_on else graph.parameter_runs(scope))
            for name in names & taken - set(scope.bindings):
                for value in self._evaluator.evaluate(f.Name(name), scope):
                    found.update(graph.functions_in(value, called=True))
            names -= set(scope.parameters)
            scope = scope.parent
        return found


def _is_above_loops(edge: Edge) -> bool:
    """Does a call stand above the first endless loop of its function, and in none?"""
    scope = edge.caller.scope
    if edge.site.function is not edge.caller:
        return False
    around = {scope.regions[index].kind for index in flow.ancestors(scope, edge.site.fact.region)}
    loops = [region.line for region in scope.regions if region.kind == "while"]
    return not around & {"while", "for"} and bool(loops) and edge.site.line < min(loops)


def _its_start(entry: Entry) -> Entry:
    """What a function with an endless loop does once, before the loop."""
    return replace(
        entry,
        kind=EntryKind.STARTUP,
        label=f"start of {entry.function.qualname}",
        source=BEFORE,
        delivery=EntryKind.STARTUP.word.delivery,
    )
