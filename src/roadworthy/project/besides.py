"""Paths that begin where the program itself lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function

_DEPTH = 8


def is_beside_program(path: f.Expr, function: Function, model: Model, depth: int = 0) -> bool:
    """`join(dirname(__file__), name)`, also through names, constants of the module and helpers that give the path."""
    if depth > _DEPTH:
        return False
    for part in flow.walk(path):
        if isinstance(part, f.Name) and (part.id == "__file__" or _is_bound_beside(part.id, function, model, depth)):
            return True
        if isinstance(part, f.CallRef):
            inside = any(is_beside_program(expr, function, model, depth + 1) for expr in _inputs(part, function))
            if inside or _is_given_beside(part, function, model, depth):
                return True
    return False


def _is_bound_beside(name: str, function: Function, model: Model, depth: int) -> bool:
    here = function if name in function.bindings else function.module.body
    bound = (a.value for a in here.bindings.get(name, ()) if a.value is not None)
    return any(is_beside_program(value, here, model, depth + 1) for value in bound)


def _inputs(call: f.CallRef, function: Function) -> Iterator[f.Expr]:
    fact = function.scope.calls[call.index]
    yield from fact.args
    if isinstance(fact.func, f.Attr):
        yield fact.func.value


def _is_given_beside(call: f.CallRef, function: Function, model: Model, depth: int) -> bool:
    resolution = model.graph.resolutions.get(function.calls[call.index])
    return any(
        is_beside_program(leave.value, helper, model, depth + 1)
        for helper in (resolution.functions if resolution is not None else ())
        for leave in helper.scope.leaves
        if leave.kind == "return" and leave.value is not None
    )
