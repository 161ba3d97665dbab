"""Entries that no call registers: the code that verifies a webhook's signature, and the code that iterates or polls a consumer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.values import Instance, LibraryObject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from roadworthy.project.calls import CallGraph
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, Function, Symbols

_TAKES = frozenset({"poll", "consume", "getone", "getmany", "receive", "get", "fetch", "__anext__", "__next__"})


def receivers_of(site: CallSite, graph: CallGraph, handles: Callable[[Function], bool]) -> Iterator[Function]:
    """The function that verifies an event, or, when it is a helper, the request handlers that call it (two levels up)."""
    here = [site.function]
    for _ in range(3):
        found = [function for function in here if handles(function)]
        if found:
            yield from found
            return
        here = [edge.caller for function in here for edge in graph.incoming.get(function, ()) if edge.runs_here][:12]


def takers_of(
    site: CallSite, name: str, symbols: Symbols, graph: CallGraph, evaluator: Evaluator
) -> Iterator[Function]:
    """The functions that iterate over, or poll, the consumer that a call makes: in its own module or through an attribute."""
    for function in symbols.functions:
        if function.kind != "function" or not _near(function, site):
            continue
        if any(
            _is_made(region.test, site, name, function, region.start, evaluator) for region in _loops(function)
        ) or any(_polls(other, site, name, graph) for other in function.calls):
            yield function


def _near(function: Function, site: CallSite) -> bool:
    """Constructed objects travel within a module, a class or a package."""
    return function.module is site.function.module or function.path.rpartition("/")[0] == site.path.rpartition("/")[0]


def _loops(function: Function) -> Iterator[f.Region]:
    return (
        region
        for region in function.scope.regions
        if region.kind in {"for", "comprehension"} and region.test is not None
    )


def _is_made(
    expr: f.Expr | None, site: CallSite, name: str, function: Function, order: int, evaluator: Evaluator
) -> bool:
    if expr is None or not any(isinstance(part, f.Name | f.Attr | f.CallRef) for part in flow.walk(expr)):
        return False
    return any(_is_it(value, site, name) for value in evaluator.evaluate(expr, function, order))


def _is_it(value: object, site: CallSite, name: str) -> bool:
    if isinstance(value, LibraryObject):
        return value.type == name and (value.site is site or value.site is None)
    return isinstance(value, Instance) and value.site is site


def _polls(other: CallSite, site: CallSite, name: str, graph: CallGraph) -> bool:
    func = other.fact.func
    if not isinstance(func, f.Attr) or func.name not in _TAKES:
        return False
    return any(
        library.receiver is not None and _is_it(library.receiver, site, name)
        for library in graph.resolutions[other].libraries
    )


def default_calls(symbols: Symbols) -> Iterator[tuple[Function, CallSite]]:
    """(function, call) of every parameter that has a call as its default."""
    for function in symbols.functions:
        outer = function.parent
        for param in function.scope.params if function.kind == "function" else ():
            if outer is not None and isinstance(param.default, f.CallRef):
                yield function, outer.calls[param.default.index]
