"""The map of a service: every entry point, what it does to the world, and what covers that on the way. Says what is so and judges nothing.

Two walks over the calls below each entry: the shortest way to each function, and the protections that lie on every way to it.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import replace
from typing import TYPE_CHECKING

from roadworthy.findings.finding import Step
from roadworthy.findings.servicemap import Deed, MapEntry, ServiceMap, Survives
from roadworthy.knowledge.vocabulary import Delivery, Effect, EntryKind, GuardKind
from roadworthy.project.calls import DELIVERED
from roadworthy.project.covering import Covering
from roadworthy.project.decorators import wrappers_of
from roadworthy.project.deeds import shown_effects
from roadworthy.project.model import RANK
from roadworthy.project.values import FunctionValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from roadworthy.findings.servicemap import Protection
    from roadworthy.project.calls import Edge
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.guard import Guard
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function

_DURABLE = frozenset({EntryKind.DURABLE_WORKFLOW, EntryKind.DURABLE_ACTIVITY})
_SERVED = frozenset({EntryKind.HTTP_HANDLER, EntryKind.WEBHOOK_HANDLER})
_TOLD = frozenset({EntryKind.QUEUE_CONSUMER, EntryKind.JOB})
_ORDER = {effect.value: number for number, effect in enumerate(Effect)}


def map_of(model: Model) -> ServiceMap:
    """The map of all reviewed code, entries by kind, file and line."""
    reader = _Reader(model)
    entries = [reader.entry(entry) for entry in _distinct(model)]
    return ServiceMap(tuple(sorted(entries, key=_place)))


def _distinct(model: Model) -> Iterator[Entry]:
    """One entry for each function and kind: a view that a decorator and a route both declare is one view, and the route names it."""
    groups: dict[tuple[Function, EntryKind], list[Entry]] = {}
    for entry in model.entries.all:
        if model.is_reviewed(entry.function.path):
            kind = EntryKind.HTTP_HANDLER if entry.kind is EntryKind.WEBHOOK_HANDLER else entry.kind
            groups.setdefault((entry.function, kind), []).append(entry)
    for found in groups.values():
        yield min(
            found,
            key=lambda entry: (
                entry.kind is not EntryKind.WEBHOOK_HANDLER,
                not _has_route(entry),
                entry.label,
                entry.source,
            ),
        )


def _has_route(entry: Entry) -> bool:
    return "/" in entry.label and entry.kind in _SERVED


def _place(entry: MapEntry) -> tuple[int, str, int, str, str]:
    return RANK[EntryKind(entry.kind)], entry.path, entry.line, entry.name, entry.source


class _Ways:
    """How the functions below one entry are reached: the shortest way, how it is detached, and the kinds of guards on every way."""

    def __init__(self, roots: Iterable[Function], covering: Covering, always: frozenset[GuardKind]) -> None:
        self._covering = covering
        self.came: dict[Function, Edge | None] = {}
        self.runs: dict[Function, str] = {}
        self.covered: dict[Function, frozenset[GuardKind]] = {}
        for root in roots:
            self.came[root] = None
            self.runs[root] = "inline"
            self.covered[root] = always | covering.of_function(root)
        self._walk()
        self._settle()

    def _walk(self) -> None:
        """Breadth first along what is waited for; then what it starts and leaves alone, which may be the same functions again."""
        inline = deque(self.came)
        apart: deque[tuple[Edge, str]] = deque()
        while inline:
            here = inline.popleft()
            for edge in self._covering.edges(here):
                if not edge.runs_here:
                    apart.append((edge, edge.kind))
                elif edge.callee not in self.came:
                    self.came[edge.callee], self.runs[edge.callee] = edge, "inline"
                    inline.append(edge.callee)
        left_alone: set[Function] = set()
        while apart:
            edge, kind = apart.popleft()
            callee = edge.callee
            if callee in left_alone:
                continue
            left_alone.add(callee)
            if callee in self.came:
                self.runs[callee] = f"inline or {kind}"
            else:
                self.came[callee], self.runs[callee] = edge, kind
            apart.extend((edge, kind if edge.runs_here else edge.kind) for edge in self._covering.edges(callee))

    def _settle(self) -> None:
        """Narrow down to what covers every way, until nothing changes."""
        queue = deque(self.covered)
        waiting = set(queue)
        while queue:
            here = queue.popleft()
            waiting.discard(here)
            for edge in self._covering.edges(here):
                callee = edge.callee
                new = self._covering.of_edge(edge) | (self.covered[here] if edge.runs_here else frozenset())
                known = self.covered.get(callee)
                narrowed = new if known is None else known & new
                if narrowed != known:
                    self.covered[callee] = narrowed
                    if callee not in waiting:
                        waiting.add(callee)
                        queue.append(callee)

    def chain(self, function: Function) -> list[Edge]:
        """The shortest way from the entry."""
        chain: list[Edge] = []
        edge = self.came[function]
        while edge is not None:
            chain.append(edge)
            edge = self.came[edge.caller]
        return chain[::-1]


class _Reader:
    """Turns entries of the model into those of the map."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._covering = Covering(model)
        self._own: dict[Function, list[EffectAt]] = defaultdict(list)
        for effect in shown_effects(model):
            self._own[effect.function].append(effect)

    def entry(self, entry: Entry) -> MapEntry:
        survives, why = _survives(entry)
        function = entry.function
        repeats = entry.repeats or self._model.retries.entry_repeats(entry)
        return MapEntry(
            entry.kind.value, _name(entry), function.path, function.line, function.qualname, entry.source, entry.delivery.value, repeats,
            self._model.retries.entry_attempts(entry), survives, why, tuple(self._deeds(entry)),
        )  # fmt: skip

    def _deeds(self, entry: Entry) -> Iterator[Deed]:
        """Deeds in the order of the vocabulary; places that are alike in everything but where they stand are one."""
        request = self._model.request_transaction(entry)
        always = frozenset({GuardKind.TRANSACTION}) if request is not None else frozenset()
        roots = (entry.function, *wrappers_of(entry.function, self._model.evaluator))
        ways = _Ways(dict.fromkeys(roots), self._covering, always)
        found: dict[tuple[object, ...], list[Deed]] = {}
        for function in ways.came:
            if not self._own.get(function):
                continue
            chain = ways.chain(function)
            for effect in self._own[function]:
                deed = self._deed(entry, effect, chain, ways, request)
                alike = (deed.effect, deed.target, deed.runs, deed.ends, deed.repeat, _signature(deed.protections))
                found.setdefault(alike, []).append(deed)
        for group in sorted(found.values(), key=lambda group: _deed_order(group[0])):
            yield replace(group[0], places=tuple(dict.fromkeys(place for deed in group for place in deed.places)))

    def _deed(self, entry: Entry, effect: EffectAt, chain: list[Edge], ways: _Ways, request: Guard | None) -> Deed:
        site = effect.site
        here = Step(site.path, site.line, site.function.qualname, self._model.callee_text(site))
        start = Step(entry.function.path, entry.function.line, entry.function.qualname, _name(entry))
        between = (Step(e.site.path, e.site.line, e.caller.qualname, f"calls {e.callee.qualname}") for e in chain)
        runs = ways.runs[effect.function]
        everywhere = ways.covered[effect.function] | self._covering.of_site(site)
        target = self._handed(effect, ways) or self._covering.target(effect)
        protections = self._covering.of_effect(
            effect, chain, everywhere, request if runs.startswith("inline") else None
        )
        return Deed(
            effect.effect.value, target, (start, *between, here), ((site.path, site.line),), runs,
            self._covering.ends(effect), effect.effect.word.persists, effect.repeat.value, protections,
        )  # fmt: skip

    def _handed(self, effect: EffectAt, ways: _Ways) -> str:
        """What a hand-over starts: of all that a shared launcher may be given, what the functions below this entry give it."""
        named = self._covering.handed(effect)
        if len(named) > 1:
            named = named & frozenset(self._given(effect.function, ways)) or named
        return " | ".join(sorted(named)[:4])

    def _given(self, launcher: Function, ways: _Ways) -> Iterator[str]:
        """What functions below the entry hand over themselves, or give to the launcher."""
        for function in ways.came:
            for edge in self._model.edges_from(function) if function is not launcher else ():
                if edge.kind in DELIVERED:
                    yield edge.callee.qualname
                elif edge.callee is launcher:
                    call = edge.site.fact
                    for expr in (*call.args, *(value for _, value in call.kwargs)):
                        values = self._model.values(expr, function, call.order)
                        yield from (value.function.qualname for value in values if isinstance(value, FunctionValue))


def _signature(protections: tuple[Protection, ...]) -> tuple[tuple[str, str, bool], ...]:
    return tuple((found.kind, found.text, found.everywhere) for found in protections)


def _deed_order(deed: Deed) -> tuple[int, str, str, int]:
    return _ORDER[deed.effect], deed.target, deed.path, deed.line


def _survives(entry: Entry) -> tuple[Survives, str]:
    """What becomes of a run when the process dies half-way, and why."""
    if entry.kind in _DURABLE:
        return Survives.YES, "the engine runs it again"
    if entry.kind in _TOLD:
        return {
            "after": (Survives.YES, "acknowledged after the work"),
            "before": (Survives.NO, "acknowledged before the work"),
        }.get(entry.acks, (Survives.UNKNOWN, "when it is acknowledged is not known"))
    if entry.kind is EntryKind.WEBHOOK_HANDLER:
        return Survives.YES, "the sender repeats it until it sees success"
    if entry.kind is EntryKind.LAMBDA_HANDLER:
        return Survives.YES, "the platform repeats an asynchronous event"
    if entry.delivery is Delivery.RERUN:
        return Survives.RERUN, "the next run goes over the same data"
    return Survives.NO, "nothing runs it again"


def _name(entry: Entry) -> str:
    """What people call an entry: its route, the file of a command class, else its function."""
    function = entry.function
    if _has_route(entry):
        return entry.label
    if function.kind == "module":
        return function.path
    if entry.kind is EntryKind.COMMAND and function.cls is not None and function.cls.name == "Command":
        return function.path.rpartition("/")[2].removesuffix(".py")
    return function.qualname
