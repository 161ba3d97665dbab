"""The call graph: which function each call reaches, how that was found out, and whether it runs here, elsewhere or later."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.evaluate import Evaluator, argument_for
from roadworthy.project.values import (
    ClassValue,
    Container,
    FunctionValue,
    Instance,
    Library,
    LibraryObject,
    Partial,
    Value,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from roadworthy.knowledge.index import Knowledge
    from roadworthy.knowledge.schema import Argument, SpawnerRow
    from roadworthy.project.symbols import CallSite, Function, Symbols

INLINE = frozenset({"call", "construct", "context", "inline", "callback"})
"""Kinds of edges whose callee runs before the caller goes on."""

DETACHED = frozenset({"task", "thread", "process", "background", "timer"})
"""Kinds of edges whose callee runs in this process, but nobody need wait for it."""

DELIVERED = frozenset({"job", "durable"})
"""Kinds of edges that cross a broker or an engine."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What one call site calls."""

    functions: tuple[Function, ...] = ()
    libraries: tuple[Library, ...] = ()
    classes: tuple[ClassValue, ...] = ()
    how: str = "unresolved"  # "name" "type" "override" "parameter" "unresolved"
    implicit: bool = False  # the first parameter is the receiver


@dataclass(frozen=True, slots=True)
class Edge:
    """`site` makes `callee` run. `kind`: one of INLINE, DETACHED, DELIVERED, or "hook:<event>"."""

    site: CallSite
    callee: Function
    kind: str
    spawner: CallSite | None = None  # the call that starts it, when it is not `site` itself
    waited: bool = False  # detached, but awaited or joined at once

    @property
    def caller(self) -> Function:
        """The function in which the call stands."""
        return self.site.function

    @property
    def runs_here(self) -> bool:
        """Does the callee end before the caller goes on?"""
        return self.kind in INLINE or (self.waited and self.kind in DETACHED)


class CallGraph:
    """All edges, out and in, and the resolution of every site."""

    def __init__(self, symbols: Symbols, knowledge: Knowledge, evaluator: Evaluator) -> None:
        """Two rounds: names and types first; then parameters take their callers' arguments."""
        self._symbols = symbols
        self._knowledge = knowledge
        self._evaluator = evaluator
        self.resolutions: dict[CallSite, Resolution] = {}
        self.outgoing: dict[Function, list[Edge]] = defaultdict(list)
        self.incoming: dict[Function, list[Edge]] = defaultdict(list)
        self._resolve_all(symbols.functions)
        evaluator.use_callers(self._callers())
        self._resolve_unresolved()
        self._param_runs = _ParameterRuns(self, symbols, knowledge)
        for function in symbols.functions:
            self._link(function)

    # --- resolution ---------------------------------------------------------------------------------------------------

    def _resolve_all(self, functions: Iterable[Function]) -> None:
        for function in functions:
            for site in function.calls:
                self.resolutions[site] = self._resolve(site)

    def _resolve_unresolved(self) -> None:
        for site, resolution in self.resolutions.items():
            if resolution.how == "unresolved":
                again = self._resolve(site)
                if again.how != "unresolved":
                    how = "parameter" if again.functions or again.libraries else again.how
                    self.resolutions[site] = Resolution(again.functions, again.libraries, again.classes, how, again.implicit)

    def _resolve(self, site: CallSite) -> Resolution:
        functions: dict[Function, None] = {}
        libraries: dict[Library, None] = {}
        classes: dict[ClassValue, None] = {}
        implicit = False
        for value in self._evaluator.callees(site):
            value = value.target if isinstance(value, Partial) else value
            match value:
                case FunctionValue():
                    functions[value.function] = None
                    implicit = implicit or self._takes_receiver(value)
                case ClassValue():
                    classes[value] = None
                    implicit = True
                    for name in ("__init__", "__new__", "__post_init__"):
                        method = value.cls.find_method(name)
                        if method is not None:
                            functions[method] = None
                    for base in value.cls.library_bases:
                        libraries[Library(base, value)] = None
                case Library():
                    libraries[value] = None
                case LibraryObject():
                    libraries[Library(self._knowledge.member(value.type, "__call__"), value)] = None
                case Instance():
                    method = value.cls.find_method("__call__")
                    implicit = True
                    if method is not None:
                        functions[method] = None
        if not (functions or libraries or classes):
            return Resolution()
        how = "name" if isinstance(site.fact.func, f.Name) else "type"
        return Resolution(tuple(functions), tuple(libraries), tuple(classes), how, implicit)

    def _takes_receiver(self, value: FunctionValue) -> bool:
        function = value.function
        if not function.is_method or self._evaluator.is_static(function):
            return False
        if isinstance(value.receiver, Instance | LibraryObject):
            return True
        return isinstance(value.receiver, ClassValue) and self._evaluator.is_classmethod(function)

    def _callers(self) -> dict[Function, list[tuple[CallSite, bool]]]:
        callers: dict[Function, list[tuple[CallSite, bool]]] = defaultdict(list)
        for site, resolution in self.resolutions.items():
            for function in resolution.functions:
                callers[function].append((site, resolution.implicit))
        return callers

    # --- edges --------------------------------------------------------------------------------------------------------

    def _link(self, function: Function) -> None:
        started: dict[int, tuple[str, CallSite, bool]] = {}
        for site in function.calls:
            for kind, expr, waits in self.started_by(site):
                self._start(site, kind, expr, waits, started)
            for library in self.resolutions[site].libraries:
                for row in self._knowledge.spawners(library.name):
                    if row.receiver:
                        self._start_receiver(site, library, spawner_kind(row), row.waits)
        for site in function.calls:
            resolution = self.resolutions[site]
            kind, spawner, waited = started.get(site.index, ("call", None, False))
            for callee in resolution.functions:
                actual = "construct" if kind == "call" and resolution.classes else kind
                self._add(Edge(site, callee, actual, spawner, waited))
        self._link_contexts(function)

    def started_by(self, site: CallSite) -> Iterator[tuple[str, f.Expr, bool]]:
        """(kind, expression of the callable or coroutine, waited for) of everything that this call makes run."""
        resolution = self.resolutions[site]
        for library in resolution.libraries:
            rows = self._knowledge.spawners(library.name)
            for row in rows:
                kind = spawner_kind(row)
                if not row.receiver:
                    for expr in arguments(site.fact, row.runs):
                        yield kind, expr, row.waits
            if not rows:
                yield from self._callbacks(site, library)
        for callee in resolution.functions:
            for name, (kind, waits) in self._param_runs.of(callee).items():
                for expr in _passed(callee, name, site, resolution.implicit):
                    yield kind, expr, waits

    def _callbacks(self, site: CallSite, library: Library) -> Iterator[tuple[str, f.Expr, bool]]:
        """A function handed to a library call that we know nothing of may be called by it."""
        if library.name.startswith("builtins.") and library.name.rpartition(".")[2] in {"isinstance", "getattr", "print", "str"}:
            return
        for expr in (*site.fact.args, *(value for _, value in site.fact.kwargs)):
            if isinstance(expr, f.LambdaRef | f.Name | f.Attr):
                yield "callback", expr, False

    def _start(self, site: CallSite, kind: str, expr: f.Expr, waits: bool, started: dict[int, tuple[str, CallSite, bool]]) -> None:
        waited = waits and (site.fact.awaited or not self._is_awaitable(site))
        for inner in self._coroutines(expr, site.function, site.fact.order):
            started[inner] = (kind, site, waited)
        for value in self._callables(expr, site):
            self._add(Edge(site, value, kind, None, waited))

    def _is_awaitable(self, site: CallSite) -> bool:
        return any(row.awaitable for library in self.resolutions[site].libraries for row in self._knowledge.calls(library.name)) or any(
            callee.is_async for callee in self.resolutions[site].functions
        )

    def _coroutines(self, expr: f.Expr, scope: Function, order: int, depth: int = 0) -> Iterator[int]:
        """Indexes of calls whose coroutine is what `expr` is: `work()`, a name bound to it, `*[work(x) for x in xs]`."""
        if depth > 6:
            return
        match expr:
            case f.CallRef():
                yield expr.index
            case f.Star() | f.Await() | f.Walrus():
                yield from self._coroutines(expr.value, scope, order, depth + 1)
            case f.Comp():
                yield from self._coroutines(expr.element, scope, order, depth + 1)
            case f.Seq():
                for item in expr.items:
                    yield from self._coroutines(item, scope, order, depth + 1)
            case f.IfExp():
                yield from self._coroutines(expr.body, scope, order, depth + 1)
                yield from self._coroutines(expr.orelse, scope, order, depth + 1)
            case f.Name() if expr.id in scope.bindings:
                for assign in flow.reaching(scope.scope, scope.bindings[expr.id], order)[0][:3]:
                    if assign.op == "=" and isinstance(assign.value, f.CallRef | f.Comp | f.Seq):
                        yield from self._coroutines(assign.value, scope, assign.order, depth + 1)

    def _callables(self, expr: f.Expr, site: CallSite) -> Iterator[Function]:
        if isinstance(expr, f.CallRef):
            # partial(f, …), or a factory that returns a function
            for value in self._evaluator.evaluate(expr, site.function, site.fact.order):
                yield from self._functions_in(value, called=False)
            return
        for value in self._evaluator.evaluate(expr, site.function, site.fact.order):
            yield from self._functions_in(value, called=True)

    def _functions_in(self, value: Value, *, called: bool) -> Iterator[Function]:
        match value:
            case FunctionValue():
                yield value.function
            case Partial():
                yield from self._functions_in(value.target, called=True)
            case Instance() if called:
                method = value.cls.find_method("__call__")
                if method is not None:
                    yield method
            case ClassValue() if called:
                method = value.cls.find_method("__init__")
                if method is not None:
                    yield method
            case Container() if called:
                for item in value.items:
                    yield from self._functions_in(item, called=called)

    def _start_receiver(self, site: CallSite, library: Library, kind: str, waits: bool) -> None:
        receiver = library.receiver
        if isinstance(receiver, FunctionValue):
            self._add(Edge(site, receiver.function, kind, None, waits))
        elif isinstance(receiver, Instance | ClassValue):
            method = receiver.cls.find_method("run") or receiver.cls.find_method("__call__")
            if method is not None:
                self._add(Edge(site, method, kind, None, waits))
        elif isinstance(receiver, LibraryObject) and receiver.site is not None and receiver.site.fact.args:
            # a signature or a wrapped function: `task.s(…).delay()`, `Task(f).delay()`
            for value in self._evaluator.evaluate(receiver.site.fact.func, receiver.site.function):
                inner = value.receiver if isinstance(value, Library) else None
                if isinstance(inner, FunctionValue):
                    self._add(Edge(site, inner.function, kind, None, waits))

    def _link_contexts(self, function: Function) -> None:
        """`with X()` runs `__enter__` and `__exit__` of a project class."""
        for region in function.scope.regions:
            for expr, _ in region.items:
                target = expr.value if isinstance(expr, f.Await) else expr
                if not isinstance(target, f.CallRef):
                    continue
                site = function.calls[target.index]
                for value in self._evaluator.call_result(site):
                    if isinstance(value, Instance):
                        for name in ("__enter__", "__exit__", "__aenter__", "__aexit__"):
                            method = value.cls.find_method(name)
                            if method is not None:
                                self._add(Edge(site, method, "context"))

    def _add(self, edge: Edge) -> None:
        self.outgoing[edge.caller].append(edge)
        self.incoming[edge.callee].append(edge)


class _ParameterRuns:
    """Which parameters of a project function are run by it, and how: `safe_create_task(coro)` runs `coro` as a task."""

    def __init__(self, graph: CallGraph, symbols: Symbols, knowledge: Knowledge) -> None:
        self._graph = graph
        self._knowledge = knowledge
        self._table: dict[Function, dict[str, tuple[str, bool]]] = {}
        candidates = [fn for fn in symbols.functions if fn.kind in {"function", "lambda"} and fn.scope.params]
        for _ in range(3):
            changed = False
            for function in candidates:
                found = self._find(function)
                if found and found != self._table.get(function):
                    self._table[function] = found
                    changed = True
            candidates = [fn for fn in candidates if fn in self._table or self._may_grow(fn)]
            if not changed:
                break

    def of(self, function: Function) -> dict[str, tuple[str, bool]]:
        """Parameter -> (kind of edge, waited for)."""
        return self._table.get(function, {})

    def _may_grow(self, function: Function) -> bool:
        return any(callee in self._table for site in function.calls for callee in self._graph.resolutions[site].functions)

    def _find(self, function: Function) -> dict[str, tuple[str, bool]]:
        found: dict[str, tuple[str, bool]] = {}
        names = function.parameters
        for site in function.calls:
            func = site.fact.func
            if isinstance(func, f.Name) and func.id in names and func.id not in function.bindings:
                found.setdefault(func.id, ("inline", True))
            for kind, expr, waits in self._started(site):
                for name in _names_in(expr, function):
                    if name in names:
                        current = found.get(name)
                        if current is None or current[0] == "inline":
                            found[name] = (kind, waits and (site.fact.awaited or kind == "inline"))
        self._awaited_parameters(function, found)
        self._in_nested(function, found)
        return found

    def _started(self, site: CallSite) -> Iterator[tuple[str, f.Expr, bool]]:
        resolution = self._graph.resolutions[site]
        for library in resolution.libraries:
            for row in self._knowledge.spawners(library.name):
                if not row.receiver:
                    kind = spawner_kind(row)
                    for expr in arguments(site.fact, row.runs):
                        yield kind, expr, row.waits
        for callee in resolution.functions:
            for name, (kind, waits) in self._table.get(callee, {}).items():
                for expr in _passed(callee, name, site, resolution.implicit):
                    yield kind, expr, waits

    def _awaited_parameters(self, function: Function, found: dict[str, tuple[str, bool]]) -> None:
        """`await coro` where `coro` is a parameter."""
        scope = function.scope
        exprs = [t.value for t in scope.tests] + [a.value for a in scope.assigns if a.value] + [e.value for e in scope.leaves if e.value]
        for expr in exprs:
            for part in flow.walk(expr):
                if isinstance(part, f.Await) and isinstance(part.value, f.Name) and part.value.id in function.parameters:
                    found.setdefault(part.value.id, ("inline", True))

    def _in_nested(self, function: Function, found: dict[str, tuple[str, bool]]) -> None:
        """A wrapper function or lambda inside calls the parameter: a decorator, or a callable made to be run later."""
        for children in function.children.values():
            for child in children:
                if child.kind != "function":
                    continue
                for site in child.calls:
                    func = site.fact.func
                    if isinstance(func, f.Name) and func.id in function.parameters and func.id not in child.parameters:
                        found.setdefault(func.id, ("callback", False))


def _names_in(expr: f.Expr, function: Function) -> Iterator[str]:
    """Parameter names that are, or are called by, the expression: `coro`, `coro(*a)`, `*coros`, `lambda: f(x)`."""
    match expr:
        case f.Name():
            yield expr.id
        case f.Star() | f.Await():
            yield from _names_in(expr.value, function)
        case f.CallRef():
            called = function.scope.calls[expr.index]
            yield from _names_in(called.func, function)
            for arg in called.args[:2]:
                if isinstance(arg, f.Name):
                    yield arg.id
        case f.LambdaRef():
            inner = function.module.functions[expr.scope]
            for site in inner.calls:
                yield from _names_in(site.fact.func, inner)
        case f.Comp():
            yield from _names_in(expr.element, function)
            iterable = function.scope.regions[expr.region].test
            if iterable is not None:
                yield from _names_in(iterable, function)


def _passed(callee: Function, name: str, site: CallSite, implicit: bool) -> Iterator[f.Expr]:
    expr = argument_for(callee, name, site, implicit)
    if expr is not None:
        yield expr
        return
    index = callee.parameters[name]
    if callee.scope.params[index].kind == "args":
        start = sum(1 for p in callee.scope.params[:index] if p.kind == "positional") - (1 if implicit else 0)
        yield from site.fact.args[max(start, 0) :]


def arguments(call: f.Call, where: Argument) -> Iterator[f.Expr]:
    """The expression(s) of a call at the place that a library row names; a starred argument counts from its position on."""
    if where.argument is not None:
        for keyword, expr in call.kwargs:
            if keyword == where.argument:
                yield expr
                return
    if where.position is None:
        return
    for index, expr in enumerate(call.args):
        if index == where.position or (isinstance(expr, f.Star) and index < where.position):
            yield expr
            if not isinstance(expr, f.Star):
                return


def argument(call: f.Call, where: Argument | None) -> f.Expr | None:
    """The first of `arguments`, or None."""
    return next(arguments(call, where), None) if where is not None else None


def has_spread(call: f.Call) -> bool:
    """Does the call pass `**kwargs`, so that an absent keyword may be present after all?"""
    return any(keyword == "**" for keyword, _ in call.kwargs)


def spawner_kind(row: SpawnerRow) -> str:
    """The kind of edge that a spawner makes."""
    return f"hook:{row.hook}" if row.kind == "hook" else row.kind
