"""The call graph: which function each call reaches, how that was found out, and whether it runs here, elsewhere or later."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.arguments import arguments, spawner_kind
from roadworthy.project.decorators import decorators_of, maker_of, wrapped_calls, wrappers_of
from roadworthy.project.dispatch import CallbackLists, Dispatch
from roadworthy.project.handed import Handed
from roadworthy.project.runs import ParameterRuns, passed_to
from roadworthy.project.values import (
    ClassValue,
    Container,
    FunctionValue,
    Instance,
    Library,
    LibraryObject,
    Partial,
    Value,
    are_unknown,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from roadworthy.knowledge.index import Knowledge
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, Function, Symbols

INLINE = frozenset({"call", "construct", "context", "inline", "callback"})
"""Kinds of edges whose callee runs before the caller goes on."""

DETACHED = frozenset({"task", "thread", "process", "background", "timer"})
"""Kinds of edges whose callee runs in this process, but nobody need wait for it."""

DELIVERED = frozenset({"job", "durable"})
"""Kinds of edges that cross a broker or an engine."""

# Built-in functions that look at what they are given, or keep it, and do not call it.
_ONLY_LOOKS = frozenset({
    "all", "any", "bool", "callable", "dict", "dir", "enumerate", "float", "frozenset", "getattr", "hasattr", "hash", "id", "int",
    "isinstance", "issubclass", "len", "list", "print", "range", "repr", "reversed", "set", "setattr", "str", "sum", "tuple", "type",
    "vars", "zip",
})  # fmt: skip
_LOOKING = frozenset({"copy", "inspect", "pickle", "pprint", "typing"})  # modules that never call what they are given


@dataclass(frozen=True, slots=True)
class Resolution:
    """What one call site calls."""

    functions: tuple[Function, ...] = ()
    libraries: tuple[Library, ...] = ()
    classes: tuple[ClassValue, ...] = ()
    how: str = "unresolved"  # "name" "type" "override" "parameter" "argument" "unresolved"
    implicit: bool = False  # the first parameter is the receiver


@dataclass(frozen=True, slots=True)
class Edge:
    """`site` makes `callee` run. `kind`: one of INLINE, DETACHED, DELIVERED, or "hook:<event>"."""

    site: CallSite
    callee: Function
    kind: str
    spawner: CallSite | None = None  # the call that starts it, when it is not `site` itself
    waited: bool = False  # detached, but awaited or joined at once
    by: Function | None = None  # who makes it run, when that is not where the call stands (a default of a parameter)

    @property
    def caller(self) -> Function:
        """The function that makes the callee run: as a rule the one in which the call stands."""
        return self.by or self.site.function

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
        self._at: dict[CallSite, list[Edge]] = defaultdict(list)
        self._started: dict[CallSite, tuple[tuple[str, f.Expr, bool], ...]] = {}
        self._resolve_all(symbols.functions)
        callers = self._callers()
        evaluator.use_callers(callers)
        evaluator.use_handed(Handed(self.resolutions, knowledge, evaluator, callers))
        self._resolve_unresolved()
        self._param_runs = ParameterRuns(self, symbols, knowledge)
        for function in symbols.functions:
            self._link(function)
        by_name = Dispatch(symbols, evaluator, self.resolutions).edges()
        for site, callee in (*by_name, *CallbackLists(symbols, evaluator).edges()):
            if all(edge.site is not site or edge.callee is not callee for edge in self.outgoing.get(site.function, ())):
                self._add(Edge(site, callee, "call"))
        for function in symbols.functions:
            self._link_dependencies(function)

    # --- resolution ---------------------------------------------------------------------------------------------------

    def _resolve_all(self, functions: Iterable[Function]) -> None:
        for function in functions:
            for site in function.calls:
                self.resolutions[site] = self._resolve(site)

    def _resolve_unresolved(self) -> None:
        # `request.storage.save` is a mere path until it is known who hangs it there: asked last, when the rest is known
        mere = [s for s, r in self.resolutions.items() if not r.functions and are_unknown(r.libraries, self._knowledge)]
        for site in [*(s for s, r in self.resolutions.items() if r.how in {"unresolved", "argument"}), *mere]:
            again, before = self._resolve(site), self.resolutions[site]
            # what a session would take (`index.add(article)`), a class of the project may be handed as well
            better = again.functions or again.how != "argument"
            if again.how != "unresolved" and (before.how == "unresolved" or better):
                how = "parameter" if again.functions or again.libraries else again.how
                self.resolutions[site] = replace(again, how=how)

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
        guessed = id(site.fact) in self._evaluator.sessions.guessed
        how = "argument" if guessed else "name" if isinstance(site.fact.func, f.Name) else "type"
        return Resolution(tuple(functions), tuple(libraries), tuple(classes), how, implicit)

    def _takes_receiver(self, value: FunctionValue) -> bool:
        if not value.function.is_method or self._evaluator.is_static(value.function):
            return False
        of_class = isinstance(value.receiver, ClassValue) and self._evaluator.is_classmethod(value.function)
        return of_class or isinstance(value.receiver, Instance | LibraryObject)

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
            if self._holds_what_callers_gave(site):
                continue
            for library in self.resolutions[site].libraries:
                for row in self._knowledge.spawners(library.name):
                    if row.receiver:
                        self._start_receiver(site, library, spawner_kind(row), row.waits)
        for site in function.calls:
            resolution = self.resolutions[site]
            kind, spawner, waited = started.get(site.index, ("call", None, False))
            drops = site.fact.use == "discarded" and not site.fact.awaited and site.index not in started
            for callee in resolution.functions:
                if drops and callee.is_async and not all(other.is_async for other in resolution.functions):
                    continue  # `self.run()` of a base class whose children define it both ways: the coroutine of one would never run
                actual = "construct" if kind == "call" and resolution.classes else kind
                aside = self._set_aside(callee) if actual == "call" else ""
                self._add(Edge(site, callee, aside or actual, spawner, waited and not aside))
                for wrapper in wrappers_of(callee, self._evaluator):
                    self._add(Edge(site, wrapper, actual, spawner, waited))
        self._link_contexts(function)

    def _holds_what_callers_gave(self, site: CallSite) -> bool:
        """`signature.apply()` of a parameter that callers fill with different things: each of them has an edge to its own, and
        edges from here would lead from every caller to what all the others gave.
        """
        func = site.fact.func
        if not (isinstance(func, f.Attr) and isinstance(func.value, f.Name)):
            return False
        name, function = func.value.id, site.function
        given = {library.receiver for library in self.resolutions[site].libraries}
        return name in function.parameters and name not in function.bindings and len(given) > 1

    def _set_aside(self, callee: Function) -> str:
        """The kind of edge by which a decorator of the project runs a function, where it starts it and goes on (`Thread(target=function)`)."""
        for decorator in decorators_of(callee, self._evaluator):
            for wrapper, site in wrapped_calls(decorator):
                for kind, expr, waits in self.started_by(site):
                    started = isinstance(expr, f.Name) and expr.id not in wrapper.parameters
                    if started and kind in DETACHED and not waits:
                        return kind
        return ""

    def _link_dependencies(self, function: Function) -> None:
        """`db=Depends(get_db)`: what a parameter is injected with runs before the function, each time."""
        for site in self._evaluator.annotations.injections(function):
            for edge in tuple(self.outgoing.get(site.function, ())):
                if edge.site is site and edge.kind == "hook:request" and edge.callee is not function:
                    self._add(Edge(site, edge.callee, "call", by=function))

    def is_ambiguous(self, edge: Edge) -> bool:
        """Does the callee depend on who called: a parameter that is called, and that is given several functions?"""
        resolution = self.resolutions.get(edge.site)
        return resolution is not None and resolution.how == "parameter" and len(resolution.functions) > 1

    def parameter_runs(self, function: Function) -> dict[str, tuple[str, bool]]:
        """Parameters that a function runs: name -> (kind of edge, waited for)."""
        return self._param_runs.of(function)

    def started_by(self, site: CallSite) -> Sequence[tuple[str, f.Expr, bool]]:
        """(kind, expression of the callable or coroutine, waited for) of everything that this call makes run."""
        known = self._started.get(site)
        if known is None:
            known = self._started[site] = tuple(self._starts(site))
        return known

    def _starts(self, site: CallSite) -> Iterator[tuple[str, f.Expr, bool]]:
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
                for expr in passed_to(callee, name, site, resolution.implicit):
                    yield kind, expr, waits
        maker = maker_of(site) if not resolution.functions and not resolution.libraries else None
        for library in self.resolutions[maker].libraries if maker is not None else ():
            if any("decorator" in row.form for row in self._knowledge.guards(library.name)):  # `retry(…)(fetch)`
                for expr in site.fact.args[:1]:
                    yield "inline", expr, True

    def _callbacks(self, site: CallSite, library: Library) -> Iterator[tuple[str, f.Expr, bool]]:
        """A function handed to a library call that we know nothing of may be called by it."""
        module, _, name = library.name.rpartition(".")
        if module in _LOOKING or (module == "builtins" and name in _ONLY_LOOKS):
            return
        for expr in (*site.fact.args, *(value for _, value in site.fact.kwargs)):
            if isinstance(expr, f.LambdaRef | f.Name | f.Attr):
                yield "callback", expr, False

    def _start(
        self, site: CallSite, kind: str, expr: f.Expr, waits: bool, started: dict[int, tuple[str, CallSite, bool]]
    ) -> None:
        waited, spawner = waits and self.ends_with(site), None
        if waits and site.index in started:  # `create_task(to_thread(work))`: whoever runs the coroutine decides
            kind, spawner, waited = started[site.index]
        for inner in self._coroutines(expr, site.function, site.fact.order):
            if kind != "callback" or self._is_coroutine(site.function.calls[inner]):
                started[inner] = (kind, site, waited)
        for value in self._callables(expr, site):
            self._add(Edge(site, value, kind, spawner, waited))

    def ends_with(self, site: CallSite) -> bool:
        """Is what a starting call runs done when the call is: is the call awaited, or no coroutine at all?"""
        return site.fact.awaited or not self._is_awaitable(site)

    def _is_coroutine(self, site: CallSite) -> bool:
        """Does the call only make a coroutine? A value that was computed before and is passed on is none."""
        return not site.fact.awaited and any(callee.is_async for callee in self.resolutions[site].functions)

    def _is_awaitable(self, site: CallSite) -> bool:
        return any(
            row.awaitable for library in self.resolutions[site].libraries for row in self._knowledge.calls(library.name)
        ) or any(callee.is_async for callee in self.resolutions[site].functions)

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
        made = isinstance(expr, f.CallRef)  # partial(f, …), or a factory that returns a function; `Depends(Limiter(5))`
        for value in self._evaluator.evaluate(expr, site.function, site.fact.order):
            yield from self.functions_in(value, called=not made or isinstance(value, Instance))

    def functions_in(self, value: Value, *, called: bool) -> Iterator[Function]:
        """What runs when a value is run; `called`: classes and objects are made or called by it."""
        match value:
            case FunctionValue():
                yield value.function
            case Partial():
                yield from self.functions_in(value.target, called=True)
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
                    yield from self.functions_in(item, called=called)

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

    def is_passed_in(self, edge: Edge) -> bool:
        """Does a function only call what it was given (`run(op)`)? Whoever gave it has an edge to it of its own, so that following
        this one too would mix up the callables of all callers."""
        site = edge.site
        named = () if edge.callee in self.resolutions[site].functions else self.started_by(site)
        run = [site.fact.func] if site.fact.func and not named else [expr for _, expr, _ in named]
        return edge.kind in INLINE and all(self._param_runs.is_given(expr, edge.caller) for expr in run)

    def _add(self, edge: Edge) -> None:
        self.outgoing[edge.caller].append(edge)
        self.incoming[edge.callee].append(edge)
        if edge.by is None or edge.by is edge.site.function:
            self._at[edge.site].append(edge)

    def at(self, site: CallSite) -> Sequence[Edge]:
        """What a call makes run, for the function in which it stands."""
        return self._at.get(site, ())
