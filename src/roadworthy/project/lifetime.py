"""Processes of the project that live until they are stopped: where they start, which loop they end in, and who hears SIGTERM."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, EntryKind
from roadworthy.project import flow
from roadworthy.project.calls import DELIVERED, DETACHED
from roadworthy.project.endless import Endless, Loop
from roadworthy.project.once import once
from roadworthy.project.phrases import is_question
from roadworthy.project.processes import first_process, started
from roadworthy.project.signals import Registration, Signals, interrupt_regions
from roadworthy.project.spread import MOST, Spread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function, Module

_RUNS = frozenset(
    {"run", "start", "serve", "serve_forever", "run_forever", "loop_forever", "main_loop", "consume", "start_consuming"}
)
_EXHAUSTED = frozenset({"StopIteration", "StopAsyncIteration", "Empty", "QueueEmpty", "EOFError", "IndexError"})
_DESK = frozenset({"dev", "develop", "debug", "devserver", "watch", "demo", "simulate"})
_SERVICE = (
    "worker", "consume", "daemon", "schedul", "listen", "poll", "bot", "agent", "process", "relay", "index", "sync", "subscri", "runner", "beat",
    "cron", "watch", "monitor", "ingest", "trad", "stream", "webhook", "retry", "dispatch",
)  # fmt: skip
_NEAR = 5  # calls between a command and its main loop; what lies deeper mostly waits for something
_ELSEWHERE = DELIVERED | {"thread", "process"}  # where no signal handler can be installed, or for another process
_LONG = frozenset({"server", "worker", "scheduler", "manager"})
_LONG_WORDS = frozenset({"serve", "server", "worker", "run-worker", "runserver", "web", "api", "scheduler", "consumer"})


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
        self.spread = Spread(model)
        self.endless = Endless(model, self.signals)

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
        main = self.spread.main(root)
        if not any(self.endless.loops_of(function) for function, distance in main.items() if distance <= _NEAR):
            return None
        reached = self.spread.closure(root)
        loops = tuple(
            loop
            for group in (main, reached.keys() - main.keys())
            for f in _ordered(group)
            for loop in self.endless.loops_of(f)
        )
        loops = tuple(sorted(loops, key=self.endless.only_waits))  # what works before what keeps the process alive
        return Run(root, entry, loops, reached, (root,), self.spread.way_to(root, {loops[0].function}))

    def starters(self) -> dict[Function, CallSite]:
        """Functions that call a library's own loop: one that runs until it is told to stop."""
        found: dict[Function, CallSite] = {}
        for function in self._model.functions:
            for site in function.calls:
                if self.endless.is_loop_call(site):
                    found.setdefault(function, site)
        return found

    def _is_trial(self, body: Function) -> bool:
        """`if __name__ == "__main__"` of a module that others import, and that nothing starts: there to try it out."""
        return body.module in self._imported and not any(
            body in started(self._model, process) for process in self._model.deployment.processes
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
        marked |= {
            function for function in self._model.functions if any(True for _ in interrupt_regions(function.scope))
        }
        for function in _in_order(marked - reached):
            others = [r for r in self._model.exposure(function).entries if r.entry.kind is not EntryKind.WORKER_LOOP]
            if others or not self._model.is_reviewed(function.path) or self._is_stopped_by_starter(function):
                continue
            run = self.run(function) or self._unresolved_run(function)
            if run is not None:
                yield replace(run, tops=tuple(self.spread.tops(function)))

    def _is_stopped_by_starter(self, function: Function) -> bool:
        """Whoever starts it as a process of its own hears SIGTERM, and tells it to stop."""
        hears = {found.site.function for found in self.signals.all if found.names("TERM") and found.action == "handler"}
        return any(edge.kind in DETACHED and edge.caller in hears for edge in self._model.edges_to(function))

    def deaf_runs(self) -> Iterable[list[Run]]:
        """Runs of a service in which nothing hears SIGTERM, those that end in the same loop together."""
        runs = [*self.runs(), *self.lonely_runs()]
        roots = {run.root for run in runs if run.root.kind != "module"}
        found: dict[tuple[Function, int], list[Run]] = {}
        for run in runs:
            if run.root.kind == "module" and run.reached.keys() & roots:
                continue  # it only calls a command that is asked itself
            if self.handled(run) or self._hears_exit(run):
                continue
            if not (self.is_interactive(run.reached) or self.is_for_developers(run)):
                found.setdefault((run.loops[0].function, run.loops[0].line), []).append(run)
        return found.values()

    def _unresolved_run(self, function: Function) -> Run | None:
        """`signal.signal(SIGINT, …)` and then `something.run()`, which cannot be followed."""
        first = min(
            (r.site.fact.order for r in self.signals.all if r.site.function is function and r.names("INT")),
            default=None,
        )
        for site in function.calls:
            func = site.fact.func
            if first is None or site.fact.order < first or not isinstance(func, f.Attr) or func.name not in _RUNS:
                continue
            known = self._model.graph.resolutions[site].functions or self._model.effects.rows(site)
            if site.fact.use == "discarded" and not known:
                loop = Loop(function, site.line, "library", site)
                return Run(function, None, (loop,), self.spread.closure(function), (function,), site)
        return None

    def interrupt_handler(self, run: Run) -> tuple[Function, int] | None:
        """An `except KeyboardInterrupt` with clean-up around the way to the loop."""
        goals = {loop.function for loop in run.loops}
        for function in run.reached:
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
        """Does a block hold a loop, lie in one, or hold a call that comes to one?"""
        inside = function.scope.regions[region]
        if any(inside.line <= loop.line <= inside.end_line for loop in self.endless.loops_of(function)):
            return True
        lines = {loop.line for loop in self.endless.loops_of(function) if loop.site is None}
        if any(function.scope.regions[outer].line in lines for outer in flow.loops_of(function.scope, region)):
            return True
        for edge in self._model.edges_from(function):
            if edge.kind in DELIVERED or not flow.within(function.scope, edge.site.fact.region, region):
                continue
            if edge.callee in goals or self.spread.closure(edge.callee).keys() & goals:
                return True
        return False

    def _cleans_up(self, function: Function, region: int) -> bool:
        """Do the handler, the `finally` of its statement, or what follows the loop that it breaks do more than log and leave?"""
        scope = function.scope
        calls = [
            call
            for other in flow.siblings(scope, region)
            if other == region or scope.regions[other].kind == "finally"
            for call in flow.calls_in(scope, other)
        ]
        loop = flow.loop_of(scope, region)
        if loop is not None and scope.regions[region].exits == "break":
            calls += [call for call in scope.calls if call.order >= scope.regions[loop].end]
        sites = [function.site(call) for call in calls]
        return any(not self.signals.is_talk(site) and not self.signals.leaves(site) for site in sites)

    # --- who hears SIGTERM --------------------------------------------------------------------------------------------

    def handled(self, run: Run) -> bool:
        """Does anything that the main thread passes, or that runs at import, take care of SIGTERM?"""
        inside = self.spread.along(run.tops, _ELSEWHERE, sure=True)
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
        main = self.spread.main(top)
        own = min((distance for function, distance in main.items() if self.endless.loops_of(function)), default=MOST)
        return any(distance <= own and self.endless.shields(function) for function, distance in main.items())

    def _hears_exit(self, run: Run) -> bool:
        """The project turns SIGTERM into `SystemExit`, which a forked child inherits, and the handler around the loop names that, too."""
        caught = self.interrupt_handler(run)
        if caught is None:
            return False
        function, region = caught
        named = {flow.last_name(kind) for kind in function.scope.regions[region].types}
        return "SystemExit" in named and any(
            found.names("TERM")
            and any(self.signals.leaves(site) for handler in found.handlers for site in handler.calls)
            for found in self.signals.all
        )

    def interrupt_registrations(self, run: Run) -> list[Registration]:
        """What the process does on SIGINT, where that is a way to stop: not the putting back of an earlier handler."""
        found = [
            r for r in self.signals.all if r.names("INT") and r.action == "handler" and r.site.function in run.reached
        ]
        return [r for r in found if r.handlers or not self._puts_back(r)]

    def _puts_back(self, found: Registration) -> bool:
        expr = found.site.fact.args[1] if len(found.site.fact.args) > 1 else None
        text = self._model.text(expr, found.site.function)
        return text.isupper() or any(word in text.lower() for word in ("default", "old", "prev", "orig", "saved"))

    def is_interactive(self, reached: Iterable[Function]) -> bool:
        """A program that asks a person."""
        return any(
            is_question(name)
            for function in reached
            for site in function.calls
            for name in self._model.library_names(site)
        )

    def is_for_developers(self, run: Run) -> bool:
        """A script or a command that a person runs at a desk."""
        stem = run.root.path.rpartition("/")[2].removesuffix(".py")
        words = set(stem.replace("-", "_").split("_"))
        return self._model.is_script(run.root.path) or bool(words & _DESK)

    def is_client(self, run: Run, lost: list[EffectAt]) -> bool:
        """A command for a person: it asks a server and writes local files, nothing deploys it, and no name calls it a service."""
        here = {
            Effect.FILE_WRITE,
            Effect.FILE_REPLACE,
            Effect.HTTP_REQUEST,
            Effect.RPC,
            Effect.CONNECT,
            Effect.SPAWN_PROCESS,
        }
        if any(effect.effect not in here for effect in lost) or first_process(self._model, run.root) is not None:
            return False
        text = f"{run.root.path} {run.root.qualname} {run.loops[0].function.path}"
        words = set(re.split(r"[^a-z]+", text.lower()))
        named = words & {"server", "serve", "service"} or any(word.startswith(_SERVICE) for word in words)
        return run.root.kind != "module" and not named

    def is_on_thread(self, function: Function) -> bool:
        """`Thread(target=asyncio.run, args=(work(),))`: only the main thread can hear signals."""
        for edge in self._model.edges_to(function):
            outer = edge.site.fact.outer
            around = edge.site.function.calls[outer] if outer >= 0 else None
            names = self._model.library_names(around) if around is not None else ()
            if edge.kind == "thread" or any(name.endswith("Thread") for name in names):
                return True
        return False

    # --- what is at stake ---------------------------------------------------------------------------------------------

    def at_stake(self, run: Run) -> list[EffectAt]:
        """Effects of the loops that matter when they are cut off: what persists or leaves the process, no telemetry."""
        inside = dict.fromkeys(function for loop in run.loops for function in self.spread.closure(loop.function))
        found = self._effects_that_matter(inside) or self._effects_that_matter(run.reached)
        return found or self._effects_that_matter(dict.fromkeys(self._served(run)))

    def _served(self, run: Run) -> Iterator[Function]:
        """What a library's own loop calls: the handlers that the project has made for that library."""
        names = [name for loop in run.loops if loop.site is not None for name in self._model.library_names(loop.site)]
        libraries = [self._model.knowledge.library_of(name) for name in names]
        rows = [row for library in libraries if library is not None for row in library.entry]
        found = [entry for entry in self._model.entries.all if any(entry.row is row for row in rows)]
        folder = posixpath.dirname(run.root.path)
        beside = [entry for entry in found if posixpath.dirname(entry.function.path) == folder]
        for entry in beside or found:  # another program of the repository has handlers of its own
            yield from self.spread.closure(entry.function)

    def confirms_late(self, lost: list[EffectAt]) -> bool:
        """Is each message confirmed only when its work is done? Then what is cut off comes again."""
        acks = [effect for effect in lost if effect.effect is Effect.ACK]
        return bool(acks) and all(self._comes_after_work(ack.site) for ack in acks)

    def _comes_after_work(self, ack: CallSite) -> bool:
        scope = ack.function.scope
        earlier = [s for s in ack.function.calls if s is not ack and flow.may_precede(scope, s.fact, ack.fact)]
        return any(
            effect.effect.word.persists and not effect.effect.word.telemetry and effect.effect is not Effect.ACK
            for site in earlier
            for effect in self._model.effects_through(site)
        )

    def is_in_loop(self, run: Run, effect: EffectAt) -> bool:
        """Does one of the loops come to this effect, as far as its calls are known?"""
        return any(effect.function in self.spread.closure(loop.function) for loop in run.loops)

    def _effects_that_matter(self, functions: Iterable[Function]) -> list[EffectAt]:
        found = []
        for function in functions:
            for site in function.calls:
                for effect in self._model.effects_at(site):
                    word = effect.effect.word
                    if (word.persists or word.external) and not word.telemetry and not word.secondary:
                        found.append(effect)
        return found


def _ordered(functions: Iterable[Function]) -> Iterable[Function]:
    """A mapping is in order already; a set is not."""
    return functions if isinstance(functions, dict) else _in_order(functions)


def _in_order(functions: Iterable[Function]) -> list[Function]:
    return sorted(functions, key=lambda function: (function.path, function.line, function.scope.index))


@once
def lifetime_of(model: Model) -> Lifetime:
    """The one that all rules ask."""
    return Lifetime(model)
