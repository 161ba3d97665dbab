"""A generator function only makes its generator: the body runs where somebody iterates over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.symbols import bound_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.calls import Edge
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_EATS = frozenset(
    [
        "all",
        "any",
        "dict",
        "enumerate",
        "extend",
        "filter",
        "frozenset",
        "join",
        "list",
        "map",
        "max",
        "min",
        "next",
        "set",
        "sorted",
        "sum",
        "tuple",
        "update",
        "zip",
    ]
)
_ELSEWHERE = frozenset({"returned", "discarded"})  # who is given the generator decides where it runs


def only_made(model: Model, edge: Edge) -> bool:
    """Does the call only make a generator that this function never asks for an item: it hands it to a thread, to its caller, or to
    a library that iterates where it likes?"""
    site, callee = edge.site, edge.callee
    if not callee.scope.is_generator or callee.is_async or callee.scope.decorators or edge.kind != "call":
        return False
    if site.fact.use in _ELSEWHERE:
        return True
    if site.fact.use == "argument":
        return not _eats(model, site.function, site.fact.outer)
    names = _names(site) if site.fact.use == "assigned" else frozenset()
    return bool(names) and not any(_iterates(model, function, names) for function in _with_inner(site.function))


def _names(site: CallSite) -> frozenset[str]:
    return frozenset(
        name
        for assign in site.function.scope.assigns
        if isinstance(assign.value, f.CallRef) and assign.value.index == site.index
        for name in bound_names(assign.target)
    )


def _with_inner(function: Function) -> Iterator[Function]:
    yield function
    for children in function.children.values():
        yield from children


def _iterates(model: Model, function: Function, names: frozenset[str]) -> bool:
    """A loop over one of the names, or a call that takes items out of it."""
    scope = function.scope
    if any(isinstance(region.test, f.Name) and region.test.id in names for region in scope.regions):
        return True
    return any(
        any(_is_one_of(arg, names) for arg in (*call.args, *(value for _, value in call.kwargs)))
        and _eats(model, function, index)
        for index, call in enumerate(scope.calls)
    ) or any(_is_one_of(leave.value, names) and leave.kind != "return" for leave in scope.leaves)


def _is_one_of(expr: f.Expr | None, names: frozenset[str]) -> bool:
    expr = expr.value if isinstance(expr, f.Star) else expr
    return isinstance(expr, f.Name) and expr.id in names


def _eats(model: Model, function: Function, index: int) -> bool:
    """Does this call iterate here over what it is given: a builtin that does, or anything of the project, which may?"""
    site = function.calls[index]
    return flow.last_name(site.fact.func) in _EATS or bool(model.graph.resolutions[site].functions)
