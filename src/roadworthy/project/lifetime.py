"""Processes of the project that live until they are stopped: where they start, which loop they end in, and who hears SIGTERM."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, EntryKind
from roadworthy.project import flow
from roadworthy.project.calls import DELIVERED
from roadworthy.project.deployment import Reach, StartedProcess, reach
from roadworthy.project.signals import Registration, Signals, interrupt_regions
from roadworthy.project.values import LibraryObject

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_SERVING = frozenset({EntryKind.STARTUP, EntryKind.SHUTDOWN})
_ASKS = frozenset({"input", "prompt", "confirm", "getpass"})
_CLOSURE = 4000
_LONG = frozenset({"server", "worker", "scheduler", "manager"})
_LONG_WORDS = frozenset({"serve", "server", "worker", "run-worker", "runserver", "web", "api", "scheduler", "consumer"})


@dataclass(frozen=True, slots=True)
class Loop:
    """Something that goes on for as long as the process lives."""

    function: Function
    line: int
    kind: Literal["while", "for", "library"]
    site: CallSite | None = None  # the library's call that returns only when it is told to stop


@dataclass(frozen=True, slots=True)
class Run:
    """A command or script that ends in such a loop."""

    root: Function
    entry: Entry | None
    loops: tuple[Loop, ...]
    reached: frozenset[Function]
    at: CallSite | None  # the call in the root that leads to the loop; None: the loop stands in the root itself


class Lifetime:
    """Answers about long-running processes."""

    def __init__(self, model: Model) -> None:
        """Nothing is computed before it is asked for."""
        self._model = model
        self.signals = Signals(model)
        self._closures: dict[Function, frozenset[Function]] = {}
        self._loops: dict[Function, tuple[Loop, ...]] = {}

    # --- what lives long ----------------------------------------------------------------------------------------------

    def runs(self) -> Iterator[Run]:
        """Commands and scripts that do not end by themselves, in source order."""
        for entry in self._model.entries.all:
            if entry.kind is not EntryKind.COMMAND or not self._model.is_reviewed(entry.function.path):
                continue
            found = self.run(entry.function, entry)
            if found is not None:
                yield found

    def run(self, root: Function, entry: Entry | None = None) -> Run | None:
        """The loop in which a function ends, or None."""
        reached = self.closure(root)
        loops = tuple(loop for function in _in_order(reached) for loop in self.loops_of(function))
        if not loops:
            return None
        return Run(root, entry, loops, reached, self.way_to(root, {loop.function for loop in loops}))

    def lonely_runs(self) -> Iterator[Run]:
        """Functions that no entry reaches (dispatched by name), that were written to be stopped, and that end in a loop."""
        reached = {function for run in self.runs() for function in run.reached}
        marked = {found.site.function for found in self.signals.all if found.names("INT")}
        marked |= {
            function for function in self._model.functions if any(True for _ in interrupt_regions(function.scope))
        }
        for function in _in_order(marked - reached):
            if self._model.exposure(function).entries or not self._model.is_reviewed(function.path):
                continue
            tops = self._tops(function)
            inside = self.closure(function).union(*(self.closure(top) for top in tops))
            run = self.run(function)
            if run is not None and not self._model.exposure(function).serves:
                yield Run(function, None, run.loops, inside, run.at)

    def _tops(self, function: Function) -> list[Function]:
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

    def interrupt_handler(self, run: Run) -> tuple[Function, int] | None:
        """An `except KeyboardInterrupt` with clean-up around the way to the loop."""
        goals = {loop.function for loop in run.loops}
        for function in _in_order(run.reached):
            for region in interrupt_regions(function.scope):
                body = next(
                    (r for r in flow.siblings(function.scope, region) if function.scope.regions[r].kind == "try"), None
                )
                if body is None or not self._cleans_up(function, region):
                    continue
                if self._leads_to(function, body, goals):
                    return function, region
        return None

    def _leads_to(self, function: Function, region: int, goals: set[Function]) -> bool:
        """Does a block hold a loop, or a call that comes to one?"""
        inside = function.scope.regions[region]
        if any(inside.line <= loop.line <= inside.end_line for loop in self.loops_of(function)):
            return True
        for edge in self._model.edges_from(function):
            if edge.kind in DELIVERED or not flow.within(function.scope, edge.site.fact.region, region):
                continue
            if edge.callee in goals or self.closure(edge.callee) & goals:
                return True
        return False

    def _cleans_up(self, function: Function, region: int) -> bool:
        """Do the handler or the `finally` of its statement do more than log and leave?"""
        for other in flow.siblings(function.scope, region):
            if other == region or function.scope.regions[other].kind == "finally":
                for call in flow.calls_in(function.scope, other):
                    if not self.signals.is_talk(function.site(call)):
                        return True
        return False

    def unstoppable(self) -> list[tuple[StartedProcess, Reach]]:
        """Long-running processes of the deployment that a stop signal does not reach, the project's own programs included."""
        found = []
        for process in self._model.deployment.processes:
            answer = reach(process)
            if not answer.reached and (
                process.kind in _LONG or (process.kind == "unknown" and self._runs_long(process))
            ):
                found.append((process, answer))
        return found

    def _runs_long(self, process: StartedProcess) -> bool:
        """A program of the project that serves or loops, by its code or by the words of its command line."""
        for function in self.started(process):
            closure = self.closure(function)
            if any(self.loops_of(inside) or self._shields(inside) for inside in closure):
                return True
        return any(word in _LONG_WORDS for word in process.argv[1:4])

    def closure(self, root: Function) -> frozenset[Function]:
        """Everything that runs in the process after `root` was called, in whatever thread or task."""
        known = self._closures.get(root)
        if known is None:
            seen = {root}
            queue = deque([root])
            while queue and len(seen) < _CLOSURE:
                for edge in self._model.graph.outgoing.get(queue.popleft(), ()):
                    if edge.kind not in DELIVERED and edge.callee not in seen:
                        seen.add(edge.callee)
                        queue.append(edge.callee)
            known = self._closures[root] = frozenset(seen)
        return known

    def way_to(self, root: Function, goals: set[Function]) -> CallSite | None:
        """The first call in `root` that leads to one of these functions."""
        if root in goals:
            return None
        edges = sorted(self._model.edges_from(root), key=lambda edge: edge.site.fact.order)
        return next(
            (edge.site for edge in edges if edge.kind not in DELIVERED and self.closure(edge.callee) & goals), None
        )

    def loops_of(self, function: Function) -> tuple[Loop, ...]:
        """Loops of a function that go on until the process is stopped."""
        known = self._loops.get(function)
        if known is None:
            known = self._loops[function] = tuple(self._find_loops(function))
        return known

    def _find_loops(self, function: Function) -> Iterator[Loop]:
        scope = function.scope
        for index, region in enumerate(scope.regions):
            if region.kind == "while" and not scope.is_generator:
                works = any(True for _ in flow.calls_in(scope, index))
                if works and self._model.guards.loop(function, index).kind == "worker":
                    yield Loop(function, region.line, "while")
            elif region.kind == "for" and self._consumes(function, region):
                yield Loop(function, region.line, "for")
        for site in function.calls:
            if self._runs_until_stopped(site):
                yield Loop(function, site.line, "library", site)

    def _consumes(self, function: Function, region: f.Region) -> bool:
        """`for message in consumer`: the iterable takes messages for ever."""
        expr = region.test.value if isinstance(region.test, f.Await) else region.test
        if expr is None:
            return False
        if isinstance(expr, f.CallRef):
            site = function.calls[expr.index]
            if any(e.effect is Effect.CONSUME and e.row.lazy for e in self._model.effects_at(site)):
                return True
        for value in self._model.values(expr, function, region.start):
            if isinstance(value, LibraryObject):
                for name in ("__iter__", "__aiter__"):
                    rows = self._model.knowledge.calls(self._model.knowledge.member(value.type, name))
                    if any(Effect.CONSUME.value in row.effects for row in rows):
                        return True
        return False

    def _runs_until_stopped(self, site: CallSite) -> bool:
        return any(row.runs_until_stopped for _, row, _ in self._model.effects.rows(site))

    # --- who hears SIGTERM --------------------------------------------------------------------------------------------

    def handled(self, reached: Iterable[Function]) -> bool:
        """Does anything on these paths, or at import, take care of SIGTERM?"""
        inside = set(reached)
        if any(self._shields(function) for function in inside):
            return True
        return any(
            found.covers("TERM") and (found.site.function in inside or found.site.function.kind == "module")
            for found in self.signals.all
        )

    def _shields(self, function: Function) -> bool:
        """A library's own main loop, or a framework, that stops in an orderly way."""
        for site in function.calls:
            for name in self._model.library_names(site):
                if any(
                    guard.kind == "shutdown-hook" and "wrapper" in guard.form
                    for guard in self._model.knowledge.guards(name)
                ):
                    return True
        return any(
            entry.installs_shutdown and entry.kind is not EntryKind.COMMAND for entry in self._entries_made(function)
        )

    def _entries_made(self, function: Function) -> Iterator[Entry]:
        """Entries that are registered by a call of this function: whoever registers a consumer also runs its framework."""
        for entry in self._by_site.get(function, ()):
            yield entry

    @cached_property
    def _by_site(self) -> dict[Function, list[Entry]]:
        found: dict[Function, list[Entry]] = {}
        for entry in self._model.entries.all:
            if entry.site is not None and entry.row is not None and entry.row.form == "registers":
                found.setdefault(entry.site.function, []).append(entry)
        return found

    def registrations(self, reached: Iterable[Function], name: str) -> list[Registration]:
        """Registrations for one signal in these functions."""
        inside = set(reached)
        return [found for found in self.signals.all if found.names(name) and found.site.function in inside]

    def is_interactive(self, reached: Iterable[Function]) -> bool:
        """A program that asks a person."""
        return any(
            name.rpartition(".")[2] in _ASKS
            for function in reached
            for site in function.calls
            for name in self._model.library_names(site)
        )

    # --- what is at stake ---------------------------------------------------------------------------------------------

    def at_stake(self, run: Run) -> list[EffectAt]:
        """Effects of the loops that matter when they are cut off: what persists or leaves the process, no telemetry."""
        found: dict[int, EffectAt] = {}
        for loop in run.loops:
            for function in _in_order(self.closure(loop.function)):
                for site in function.calls:
                    for effect in self._model.effects_at(site):
                        word = effect.effect.word
                        if (word.persists or word.external) and not word.telemetry and not word.secondary:
                            found.setdefault(id(effect), effect)
        return list(found.values())

    def deployed(self, root: Function) -> StartedProcess | None:
        """The process of a manifest that starts this function."""
        for process in self._model.deployment.processes:
            if process.role == "prod" and root in self.started(process):
                return process
        return None

    def started(self, process: StartedProcess) -> tuple[Function, ...]:
        """The functions of the project that a process of a manifest starts."""
        target = process.target or process.name
        module, _, name = target.partition(":")
        symbols = self._model.symbols
        if name:
            found = symbols.by_id.get(f"{module}.{name}")
            return (found,) if found is not None else ()
        if module.endswith(".py"):
            end = module.lstrip("./")
            while end:
                paths = [path for path in symbols.by_path if path == end or path.endswith("/" + end)]
                if len(paths) == 1:
                    return (symbols.by_path[paths[0]].body,)
                end = end.partition("/")[2]
            return ()
        body = symbols.by_id.get(module) or symbols.by_id.get(f"{module}.__main__")
        return (body,) if body is not None and body.kind == "module" else ()


def _in_order(functions: Iterable[Function]) -> list[Function]:
    return sorted(functions, key=lambda function: (function.path, function.line, function.scope.index))
