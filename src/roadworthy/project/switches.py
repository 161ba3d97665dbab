"""Calls that a flag of their function keeps from running: `if save_consent:` where the caller passes False."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.arguments import has_spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roadworthy.project.calls import Edge
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite


def is_switched_off(model: Model, path: Sequence[Edge], last: CallSite) -> bool:
    """Does one of these calls, from the top to `last`, stand under a flag that the call above it passes, or leaves, as False?"""
    sites = [*(edge.site for edge in path[1:]), last]
    return any(_is_off(model, edge, site) for edge, site in zip(path, sites, strict=True))


def _is_off(model: Model, edge: Edge, site: CallSite) -> bool:
    function = edge.callee
    if site.function is not function or has_spread(edge.site.fact):
        return False
    scope = function.scope
    for index in flow.ancestors(scope, site.fact.region):
        region = scope.regions[index]
        if region.kind == "if" and any(_is_false(model, edge, name) for name in _needed(region.test)):
            return True
    return False


def _needed(test: f.Expr | None) -> list[str]:
    """Names that must be true for the test to be: `flag`, `flag and …`."""
    match test:
        case f.Name():
            return [test.id]
        case f.BoolOp(op="and", items=items):
            return [name for item in items for name in _needed(item)]
    return []


def _is_false(model: Model, edge: Edge, name: str) -> bool:
    function = edge.callee
    if name not in function.parameters or name in function.bindings:
        return False
    given = model.argument_passed(edge, name)
    value = given if given is not None else function.scope.params[function.parameters[name]].default
    return isinstance(value, f.Const) and value.value in (None, False) and value.kind != "ellipsis"
