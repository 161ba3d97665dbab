"""Loops that go on until the process is stopped: the project's own, and library calls that are one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.loops import ends_by_itself, keeps_running
from roadworthy.project.symbols import bound_names
from roadworthy.project.values import ClassValue, Instance, Library, LibraryObject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.model import Model
    from roadworthy.project.signals import Signals
    from roadworthy.project.symbols import CallSite, Function

_EXHAUSTED = frozenset(
    {
        "StopIteration",
        "StopAsyncIteration",
        "Empty",
        "QueueEmpty",
        "EOFError",
        "IndexError",
        "OSError",
        "ProcessLookupError",
    }
)


_TAKES = frozenset({"pop", "popleft", "popitem", "remove", "discard", "clear"})


@dataclass(frozen=True, slots=True)
class Loop:
    """Something that goes on for as long as the process lives."""

    function: Function
    line: int
    kind: Literal["while", "for", "library"]
    site: CallSite | None = None  # the library's call that returns only when it is told to stop


class Endless:
    """Finds them, function by function."""

    def __init__(self, model: Model, signals: Signals) -> None:
        """`signals` knows which calls only talk."""
        self._model = model
        self._signals = signals
        self._loops: dict[Function, tuple[Loop, ...]] = {}
        self._natures: dict[str, frozenset[str]] = {}

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
                if self._works(function, index) and self._goes_on(function, index):
                    yield Loop(function, region.line, "while")
            elif region.kind == "for" and self._consumes(function, region):
                yield Loop(function, region.line, "for")
        for site in function.calls:
            if self._runs_until_stopped(site):
                yield Loop(function, site.line, "library", site)

    def only_waits(self, loop: Loop) -> bool:
        """`while True: time.sleep(3600)`: it keeps the process alive and does nothing."""
        scope = loop.function.scope
        for index, region in enumerate(scope.regions):
            if loop.kind == "while" and region.kind == "while" and region.line == loop.line:
                sites = [loop.function.site(call) for call in flow.calls_in(scope, index)]
                return all(self._signals.is_talk(site) or self._passes_time(site) for site in sites)
        return False

    def _goes_on(self, function: Function, region: int) -> bool:
        """A worker's loop; also one that a plain name keeps going (`while running:`)."""
        kind = self._model.guards.loop(function, region).kind
        if kind == "worker":
            return True
        by_name = isinstance(function.scope.regions[region].test, f.Name)
        return by_name and kind in {"poll", "other"} and not ends_by_itself(function.scope, region)

    def _works(self, function: Function, region: int) -> bool:
        """A loop that only sleeps waits for something, unless nothing can end it: then it keeps the process alive."""
        sites = [function.site(call) for call in flow.calls_in(function.scope, region)]
        if not keeps_running(function.scope.regions[region].test, function.scope) or self._ends_by_itself(
            function, region
        ):
            return False
        if isinstance(function.scope.regions[region].test, f.Const):
            return bool(sites)
        return any(not self._signals.is_talk(site) and not self._passes_time(site) for site in sites)

    def _ends_by_itself(self, function: Function, region: int) -> bool:
        """It sets what it tests (`while not done: …; done = …`), leaves the program, or goes on until something is exhausted."""
        scope = function.scope
        for call in flow.calls_in(scope, region):
            inside = any(scope.regions[r].kind == "except" for r in flow.ancestors(scope, call.region))
            if not inside and self._signals.leaves(function.site(call)):
                return True
        for _, handlers in flow.try_regions(scope, region):
            if any(_last(kind) in _EXHAUSTED for handler in handlers for kind in scope.regions[handler].types):
                return True
        if any(self._is_exhausted(scope, leave) for leave in flow.leaves_in(scope, region)):
            return True
        test = scope.regions[region].test
        names = {part.id for part in flow.walk(test) if isinstance(part, f.Name)} - {"self", "cls"}
        assigned = {name for assign in flow.assigns_in(scope, region) for name in bound_names(assign.target)}
        shrunk = {
            call.func.value.id
            for call in flow.calls_in(scope, region)
            if isinstance(call.func, f.Attr) and call.func.name in _TAKES and isinstance(call.func.value, f.Name)
        }  # `while active_folders: active_folders.remove(folder)`: a list of things to do
        return bool(names & (assigned | shrunk)) or _is_ended_by_starter(function, test)

    def _is_exhausted(self, scope: f.Scope, leave: f.Leave) -> bool:
        """`except ProcessLookupError: break`: what was waited for has come about."""
        if leave.kind not in {"break", "return"}:
            return False
        around = [scope.regions[r] for r in flow.ancestors(scope, leave.region) if scope.regions[r].kind == "except"]
        return any(_last(kind) in _EXHAUSTED for handler in around for kind in handler.types)

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
        return any("runs" in self._nature(name) for name in self._model.library_names(site))

    def is_loop_call(self, site: CallSite) -> bool:
        """A library call that runs until it is told to stop, whether it handles signals or not."""
        return any(self._nature(name) for name in self._model.library_names(site))

    def _nature(self, name: str) -> frozenset[str]:
        """What the files say of a library call: "runs" until it is stopped, "shields" the process from a rude stop."""
        known = self._natures.get(name)
        if known is None:
            knowledge = self._model.knowledge
            runs = any(row.runs_until_stopped for row in knowledge.calls(name))
            hooks = any(row.hook for row in knowledge.spawners(name))
            guards = any(row.kind == "shutdown-hook" and "wrapper" in row.form for row in knowledge.guards(name))
            known = frozenset(word for word, holds in (("runs", runs), ("shields", guards and not hooks)) if holds)
            self._natures[name] = known
        return known

    def shields(self, function: Function) -> bool:
        """A library's own main loop, or a framework, that stops in an orderly way."""
        for site in function.calls:
            for library in self._model.graph.resolutions[site].libraries:
                if "shields" in self._nature(library.name) and not _is_disarmed(library):
                    return True
        return False


def _is_ended_by_starter(function: Function, test: f.Expr | None) -> bool:
    """`while not stop.is_set()` in a nested function, where the function around it calls `stop.set()` when its own work is done."""
    outer = function.parent
    if outer is None or outer.kind != "function":
        return False
    asked = {
        name
        for part in flow.walk(test)
        if isinstance(part, f.CallRef) and (name := _receiver(function.scope.calls[part.index], "is_set"))
    }
    given = {name for name in asked if name not in function.bindings and name in outer.bindings}
    return any(_receiver(site.fact, "set") in given for site in outer.calls)


def _receiver(call: f.Call, method: str) -> str:
    """`stop` of `stop.set()`; empty for anything else."""
    func = call.func
    if isinstance(func, f.Attr) and func.name == method and isinstance(func.value, f.Name):
        return func.value.id
    return ""


def _is_disarmed(library: Library) -> bool:
    """A subclass of the project that overrides the library's installation of signal handlers by nothing."""
    receiver = library.receiver
    if not isinstance(receiver, Instance | ClassValue):
        return False
    return any(
        "signal" in name and not method.calls for cls in receiver.cls.mro for name, method in cls.methods.items()
    )


def _last(expr: f.Expr) -> str:
    if isinstance(expr, f.Name):
        return expr.id
    return expr.name if isinstance(expr, f.Attr) else ""
