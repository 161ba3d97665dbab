"""Processes of the project that live until they are stopped: where they start, which loop they end in, and who hears SIGTERM."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, EntryKind, GuardKind
from roadworthy.project import flow
from roadworthy.project.background import fate_of
from roadworthy.project.calls import DELIVERED
from roadworthy.project.deployment import Reach, StartedProcess, reach
from roadworthy.project.signals import Registration, Signals, interrupt_regions
from roadworthy.project.symbols import bound_names
from roadworthy.project.values import ClassValue, Instance, Library, LibraryObject

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from roadworthy.project.calls import Edge
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function, Module

_ASKS = frozenset({"input", "prompt", "confirm", "getpass"})
_RUNS = frozenset({"run", "start", "serve", "serve_forever", "run_forever", "loop_forever", "main_loop", "consume", "start_consuming"})
_EXHAUSTED = frozenset({"StopIteration", "StopAsyncIteration", "Empty", "QueueEmpty", "EOFError", "IndexError"})
_CLOSURE = 4000
_NEAR = 5  # calls between a command and its main loop; what lies deeper mostly waits for something
_ELSEWHERE = DELIVERED | {"thread", "process"}  # where no signal handler can be installed, or for another process
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
    reached: Mapping[Function, None]  # nearest first
    tops: tuple[Function, ...]  # the root, or the outermost callers where no entry is known
    at: CallSite | None  # the call in the root that leads to the loop; None: the loop stands in the root itself


class Lifetime:
    """Answers about long-running processes."""

    def __init__(self, model: Model) -> None:
        """Nothing is computed before it is asked for."""
        self._model = model
        self.signals = Signals(model)
        self._closures: dict[Function, Mapping[Function, None]] = {}
        self._loops: dict[Function, tuple[Loop, ...]] = {}

    # --- what lives long ----------------------------------------------------------------------------------------------

    def runs(self) -> Iterator[Run]:
        """Commands and scripts that do not end by themselves, in source order."""
        for entry in self._model.entries.all:
            if entry.kind is not EntryKind.COMMAND or not self._model.is_reviewed(entry.function.path):
                continue
            if entry.function.kind == "module" and self._is_trial(entry.function):
                continue
            found = self.run(entry.function, entry) or self._unresolved_run(entry.function)
            if found is not None:
                yield replace(found, entry=entry)

    def run(self, root: Function, entry: Entry | None = None) -> Run | None:
        """The loop in which a function ends, or None."""
        main = self._main(root)
        if not any(self.loops_of(function) for function, distance in main.items() if distance <= _NEAR):
            return None
        reached = self.closure(root)
        loops = tuple(loop for group in (main, reached.keys() - main.keys()) for f in _ordered(group) for loop in self.loops_of(f))
        return Run(root, entry, loops, reached, (root,), self.way_to(root, {loops[0].function}))

    def _is_trial(self, body: Function) -> bool:
        """`if __name__ == "__main__"` of a module that others import, and that nothing starts: there to try it out."""
        return body.module in self._imported and not any(
            body in self.started(process) for process in self._model.deployment.processes
        )

    @cached_property
    def _imported(self) -> frozenset[Module]:
        """Modules that other reviewed modules import."""
        symbols = self._model.symbols
        found: set[Module] = set()
        for function in self._model.functions:
            for item in function.scope.imports:
                if item.level:
                    folder = symbols.relative(function.module, item.level, item.module)
                    module = symbols.module_at(folder)
                    inner = symbols.module_at(f"{folder}/{item.name}")
                else:
                    module = symbols.find_module(item.module, function.module)
                    inner = symbols.find_module(f"{item.module}.{item.name}", function.module)
                found.update(m for m in (module, inner) if m is not None and m is not function.module)
        return frozenset(found)

    def lonely_runs(self) -> Iterator[Run]:
        """Functions that no entry reaches (dispatched by name), that were written to be stopped, and that end in a loop."""
        reached = {function for run in self.runs() for function in run.reached}
        marked = {found.site.function for found in self.signals.all if found.names("INT")}
        marked |= {function for function in self._model.functions if any(True for _ in interrupt_regions(function.scope))}
        for function in _in_order(marked - reached):
            if self._model.exposure(function).entries or not self._model.is_reviewed(function.path):
                continue
            run = self.run(function) or self._unresolved_run(function)
            if run is not None:
                yield replace(run, tops=tuple(self._tops(function)))

    def _unresolved_run(self, function: Function) -> Run | None:
        """`signal.signal(SIGINT, …)` and then `something.run()`, which cannot be followed."""
        first = min((r.site.fact.order for r in self.signals.all if r.site.function is function and r.names("INT")), default=None)
        for site in function.calls:
            func = site.fact.func
            if first is None or site.fact.order < first or not isinstance(func, f.Attr) or func.name not in _RUNS:
                continue
            known = self._model.graph.resolutions[site].functions or self._model.effects.rows(site)
            if site.fact.use == "discarded" and not known:
                loop = Loop(function, site.line, "library", site)
                return Run(function, None, (loop,), self.closure(function), (function,), site)
        return None

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
        for function in run.reached:
            for region in interrupt_regions(function.scope):
                body = next((r for r in flow.siblings(function.scope, region) if function.scope.regions[r].kind == "try"), None)
                if body is None or not self._cleans_up(function, region):
                    continue
                if self._leads_to(function, body, goals):
                    return function, region
        return None

    def _leads_to(self, function: Function, region: int, goals: set[Function]) -> bool:
        """Does a block hold a loop, lie in one, or hold a call that comes to one?"""
        inside = function.scope.regions[region]
        if any(inside.line <= loop.line <= inside.end_line for loop in self.loops_of(function)):
            return True
        lines = {loop.line for loop in self.loops_of(function) if loop.site is None}
        if any(function.scope.regions[outer].line in lines for outer in flow.loops_of(function.scope, region)):
            return True
        for edge in self._model.edges_from(function):
            if edge.kind in DELIVERED or not flow.within(function.scope, edge.site.fact.region, region):
                continue
            if edge.callee in goals or self.closure(edge.callee).keys() & goals:
                return True
        return False

    def _cleans_up(self, function: Function, region: int) -> bool:
        """Do the handler or the `finally` of its statement do more than log and leave?"""
        for other in flow.siblings(function.scope, region):
            if other == region or function.scope.regions[other].kind == "finally":
                for call in flow.calls_in(function.scope, other):
                    if not self.signals.is_talk(function.site(call)) and not self.signals.leaves(function.site(call)):
                        return True
        return False

    def unstoppable(self) -> list[tuple[StartedProcess, Reach]]:
        """Long-running processes of the deployment that a stop signal does not reach, the project's own programs included."""
        found = []
        for process in self._model.deployment.processes:
            answer = reach(process)
            if not answer.reached and (process.kind in _LONG or (process.kind == "unknown" and self._runs_long(process))):
                found.append((process, answer))
        return found

    def _runs_long(self, process: StartedProcess) -> bool:
        """A program of the project that serves or loops, by its code or by the words of its command line."""
        for function in self.started(process):
            closure = self.closure(function)
            if any(self.loops_of(inside) or self._shields(inside) for inside in closure):
                return True
        return any(word in _LONG_WORDS for word in process.argv[1:4])

    def closure(self, root: Function) -> Mapping[Function, None]:
        """Everything that runs in the process after `root` was called, in whatever thread or task."""
        known = self._closures.get(root)
        if known is None:
            known = self._closures[root] = self._spread([root], DELIVERED)
        return known

    def _main(self, root: Function) -> Mapping[Function, int]:
        """What runs before `root` returns: its calls, and the tasks for which it waits, with their distance. Nearest first."""
        queue = deque([root])
        seen = {root: 0}
        while queue and len(seen) < _CLOSURE:
            here = queue.popleft()
            for edge in self._model.graph.outgoing.get(here, ()):
                if edge.callee not in seen and self._holds_up(edge):
                    seen[edge.callee] = seen[here] + 1
                    queue.append(edge.callee)
        return seen

    def _holds_up(self, edge: Edge) -> bool:
        """Does the caller not end before the callee does?"""
        if edge.kind == "callback":
            return False
        if edge.runs_here:
            return True
        site = edge.spawner or edge.site
        if edge.kind != "task":
            return edge.kind == "thread" and fate_of(self._model, site)[0] == "waited"
        grouped = any(guard.kind is GuardKind.AWAITED for guard in self._model.guards.on_site(site))
        return grouped or fate_of(self._model, site)[0] == "waited"

    def _spread(self, roots: Iterable[Function], across: frozenset[str]) -> Mapping[Function, None]:
        """What is reached along all edges but those of these kinds, nearest first."""
        queue = deque(roots)
        seen = dict.fromkeys(queue)
        while queue and len(seen) < _CLOSURE:
            for edge in self._model.graph.outgoing.get(queue.popleft(), ()):
                if edge.kind not in across and edge.callee not in seen:
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
            near = min((far for fn, far in self._main(edge.callee).items() if fn in goals), default=None)
            if edge.kind not in DELIVERED and near is not None and (best is None or (near, edge.site.fact.order) < best):
                best, found = (near, edge.site.fact.order), edge.site
        return found

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
                if self._works(function, index) and self._model.guards.loop(function, index).kind == "worker":
                    yield Loop(function, region.line, "while")
            elif region.kind == "for" and self._consumes(function, region):
                yield Loop(function, region.line, "for")
        for site in function.calls:
            if self._runs_until_stopped(site):
                yield Loop(function, site.line, "library", site)

    def _works(self, function: Function, region: int) -> bool:
        """A loop that only sleeps waits for something, unless nothing can end it: then it keeps the process alive."""
        sites = [function.site(call) for call in flow.calls_in(function.scope, region)]
        if self._ends_by_itself(function, region):
            return False
        if isinstance(function.scope.regions[region].test, f.Const):
            return bool(sites)
        return any(not self.signals.is_talk(site) and not self._passes_time(site) for site in sites)

    def _ends_by_itself(self, function: Function, region: int) -> bool:
        """It sets what it tests (`while not done: …; done = …`), leaves the program, or goes on until something is exhausted."""
        scope = function.scope
        for call in flow.calls_in(scope, region):
            inside = any(scope.regions[r].kind == "except" for r in flow.ancestors(scope, call.region))
            if not inside and self.signals.leaves(function.site(call)):
                return True
        for _, handlers in flow.try_regions(scope, region):
            if any(_last(kind) in _EXHAUSTED for handler in handlers for kind in scope.regions[handler].types):
                return True
        test = scope.regions[region].test
        names = {part.id for part in flow.walk(test) if isinstance(part, f.Name)} - {"self", "cls"}
        assigned = {name for assign in flow.assigns_in(scope, region) for name in bound_names(assign.target)}
        return bool(names & assigned)

    def _passes_time(self, site: CallSite) -> bool:
        effects = self._model.effects_at(site)
        return bool(effects) and all(effect.effect in {Effect.SLEEP, Effect.CLOCK_VALUE} for effect in effects)

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

    def handled(self, run: Run) -> bool:
        """Does anything that the main thread passes, or that runs at import, take care of SIGTERM?"""
        inside = self._spread(run.tops, _ELSEWHERE)
        if any(
            found.covers("TERM")
            and found.action != "default"
            and (found.site.function in inside or found.site.function.kind == "module")
            for found in self.signals.all
        ):
            return True
        return any(self._is_shielded(top) for top in run.tops)

    def _is_shielded(self, top: Function) -> bool:
        """Is the nearest thing that goes on for ever on the main thread a library's loop that handles the signal?"""
        main = self._main(top)
        own = min((distance for function, distance in main.items() if self.loops_of(function)), default=_CLOSURE)
        return any(distance <= own and self._shields(function) for function, distance in main.items())

    def _shields(self, function: Function) -> bool:
        """A library's own main loop, or a framework, that stops in an orderly way."""
        for site in function.calls:
            for library in self._model.graph.resolutions[site].libraries:
                guards = self._model.knowledge.guards(library.name)
                if not any(guard.kind == "shutdown-hook" and "wrapper" in guard.form for guard in guards):
                    continue
                if any(row.hook for row in self._model.knowledge.spawners(library.name)) or _is_disarmed(library):
                    continue
                return True
        return False

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
        inside = dict.fromkeys(function for loop in run.loops for function in self.closure(loop.function))
        return self._effects_that_matter(inside) or self._effects_that_matter(run.reached)

    def is_in_loop(self, run: Run, effect: EffectAt) -> bool:
        """Does one of the loops come to this effect, as far as its calls are known?"""
        return any(effect.function in self.closure(loop.function) for loop in run.loops)

    def _effects_that_matter(self, functions: Iterable[Function]) -> list[EffectAt]:
        found = []
        for function in functions:
            for site in function.calls:
                for effect in self._model.effects_at(site):
                    word = effect.effect.word
                    if (word.persists or word.external) and not word.telemetry and not word.secondary:
                        found.append(effect)
        return found

    def first_process(self, root: Function) -> StartedProcess | None:
        """The process of a container that starts this function as its first one, which has no default action for signals."""
        for process in self._model.deployment.processes:
            if process.role != "prod" or process.host not in {"docker", "compose", "kubernetes"} or process.init:
                continue
            if root in self.started(process) and all(hop.passes == "exec" for hop in process.hops):
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


def _is_disarmed(library: Library) -> bool:
    """A subclass of the project that overrides the library's installation of signal handlers by nothing."""
    receiver = library.receiver
    if not isinstance(receiver, Instance | ClassValue):
        return False
    return any("signal" in name and not method.calls for cls in receiver.cls.mro for name, method in cls.methods.items())


def _last(expr: f.Expr) -> str:
    if isinstance(expr, f.Name):
        return expr.id
    return expr.name if isinstance(expr, f.Attr) else ""


def _ordered(functions: Iterable[Function]) -> Iterable[Function]:
    """A mapping is in order already; a set is not."""
    return functions if isinstance(functions, dict) else _in_order(functions)


def _in_order(functions: Iterable[Function]) -> list[Function]:
    return sorted(functions, key=lambda function: (function.path, function.line, function.scope.index))
