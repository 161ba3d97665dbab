"""Which parameters of a project function are run by it, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.arguments import arguments, spawner_kind
from roadworthy.project.bindings import argument_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from roadworthy.knowledge.index import Knowledge
    from roadworthy.project.calls import CallGraph
    from roadworthy.project.symbols import CallSite, Function, Symbols

_CHAIN = 8
_COLLECTS = "result"  # of a future of another thread: comes back when the work is done


class ParameterRuns:
    """`safe_create_task(coro)` runs `coro` as a task: found from what the function does with its parameter."""

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

    def is_given(self, expr: f.Expr, function: Function) -> bool:
        """A parameter as the caller gave it, which the function runs or passes on to what runs it."""
        if not isinstance(expr, f.Name) or expr.id not in function.parameters:
            return False
        return expr.id not in function.bindings and expr.id in self.of(function)

    def _may_grow(self, function: Function) -> bool:
        return any(
            callee in self._table for site in function.calls for callee in self._graph.resolutions[site].functions
        )

    def _find(self, function: Function) -> dict[str, tuple[str, bool]]:
        found: dict[str, tuple[str, bool]] = {}
        names = function.parameters
        for site in function.calls:
            func = site.fact.func
            if isinstance(func, f.Name) and func.id in names and func.id not in function.bindings:
                found.setdefault(func.id, ("inline", True))
            for kind, expr, waits in self._started(site):
                for name in names_in(expr, function, self.handed):
                    if name in names:
                        current = found.get(name)
                        if current is None or current[0] == "inline":
                            found[name] = (kind, _is_waited_for(site, waits) or (waits and kind == "inline"))
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
                for expr in passed_to(callee, name, site, resolution.implicit):
                    yield kind, expr, waits

    def handed(self, site: CallSite) -> Iterable[f.Expr]:
        """What a call may run of its arguments: `partial(f, x)`; data where a function of the project does not run it."""
        resolution = self._graph.resolutions[site]
        if not resolution.functions:
            return site.fact.args[:2]
        return [
            expr
            for callee in resolution.functions
            for name in self._table.get(callee, ())
            for expr in passed_to(callee, name, site, resolution.implicit)
        ]

    def _awaited_parameters(self, function: Function, found: dict[str, tuple[str, bool]]) -> None:
        """`await coro` where `coro` is a parameter."""
        scope = function.scope
        exprs = (
            [t.value for t in scope.tests]
            + [a.value for a in scope.assigns if a.value]
            + [e.value for e in scope.leaves if e.value]
        )
        for expr in exprs:
            for part in flow.walk(expr):
                if (
                    isinstance(part, f.Await)
                    and isinstance(part.value, f.Name)
                    and part.value.id in function.parameters
                ):
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


def _is_waited_for(site: CallSite, waits: bool) -> bool:
    """`await to_thread(work)`, `run_coroutine_threadsafe(coro, loop).result()`: here, or by the name that is bound to the handle."""
    if site.fact.awaited:
        return waits
    scope = site.function.scope
    if site.fact.use == "receiver" and site.fact.outer >= 0:
        return flow.last_name(scope.calls[site.fact.outer].func) == _COLLECTS
    handles = {
        assign.target.id
        for assign in scope.assigns
        if isinstance(assign.target, f.Name) and assign.value == f.CallRef(site.index)
    }
    return any(
        isinstance(call.func, f.Attr)
        and call.func.name == _COLLECTS
        and isinstance(call.func.value, f.Name)
        and call.func.value.id in handles
        for call in scope.calls
    )


def names_in(
    expr: f.Expr, function: Function, handed: Callable[[CallSite], Iterable[f.Expr]], depth: int = 0
) -> Iterator[str]:
    """Parameter names that are, or are called by, the expression: `coro`, `coro(*a)`, `*coros`, `lambda: f(x)`, `partial(f, x)`."""
    if depth > _CHAIN:  # `work = work()`: a name that is bound to what it was
        return
    match expr:
        case f.Name():
            yield expr.id
            if expr.id not in function.parameters:  # `bound = partial(func, …)` and then `bound` is run
                for assign in function.bindings.get(expr.id, ())[-2:]:
                    if isinstance(assign.value, f.CallRef | f.LambdaRef):
                        yield from names_in(assign.value, function, handed, depth + 1)
        case f.Star() | f.Await():
            yield from names_in(expr.value, function, handed, depth + 1)
        case f.CallRef():
            called = function.scope.calls[expr.index]
            yield from names_in(called.func, function, handed, depth + 1)
            for arg in handed(function.calls[expr.index]):
                if isinstance(arg, f.Name):
                    yield arg.id
        case f.LambdaRef():
            inner = function.module.functions[expr.scope]
            for site in inner.calls:
                yield from names_in(site.fact.func, inner, handed, depth + 1)
        case f.Comp():
            yield from names_in(expr.element, function, handed, depth + 1)
            iterable = function.scope.regions[expr.region].test
            if iterable is not None:
                yield from names_in(iterable, function, handed, depth + 1)


def passed_to(callee: Function, name: str, site: CallSite, implicit: bool) -> Iterator[f.Expr]:
    """What a call passes for a parameter; for `*args` everything from there on."""
    expr = argument_for(callee, name, site, implicit)
    if expr is not None:
        yield expr
        return
    index = callee.parameters[name]
    if callee.scope.params[index].kind == "args":
        start = sum(1 for p in callee.scope.params[:index] if p.kind == "positional") - (1 if implicit else 0)
        yield from site.fact.args[max(start, 0) :]
