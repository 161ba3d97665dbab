"""Calls that a flag of their function keeps from running: `if save_consent:` where the caller passes False."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.arguments import has_spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roadworthy.project.calls import Edge
    from roadworthy.project.database.access import Through
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite

_LEAVES = frozenset({"return", "raise", "break", "continue"})


def is_switched_off(model: Model, path: Sequence[Edge], last: CallSite) -> bool:
    """Does one of these calls, from the top to `last`, stand under a flag that is False there: passed so, left so, or handed down?"""
    off: frozenset[str] = frozenset()
    for edge, site in zip(path, [*(edge.site for edge in path[1:]), last], strict=True):
        off = _off_in(model, edge, off)
        if site.function is edge.callee and _is_off(site, off):
            return True
    return False


def is_off_from(model: Model, through: Through) -> bool:
    """Does a call leave out what the write below it depends on: `export(form)` of a function that inserts `if value:`?"""
    edges: list[Edge] = []
    site = through.site
    for callee in through.path:
        edge = next((edge for edge in model.edges_at(site) if edge.callee is callee), None)
        if edge is None:
            return False
        edges.append(edge)
        following = through.path[len(edges)] if len(edges) < len(through.path) else None
        if following is not None:
            calls = (edge.site for edge in model.edges_to(following) if edge.site.function is callee)
            site = next(calls, site)
    return bool(edges) and is_switched_off(model, edges, through.access.site)


def _off_in(model: Model, edge: Edge, above: frozenset[str]) -> frozenset[str]:
    """Parameters of the callee that are False or None; `above`: those of the caller."""
    function = edge.callee
    if has_spread(edge.site.fact):
        return frozenset()
    found = set()
    for name, position in function.parameters.items():
        if name in function.bindings:
            continue
        given = model.argument_passed(edge, name)
        value = given if given is not None else function.scope.params[position].default
        handed = isinstance(given, f.Name) and given.id in above
        if handed or (isinstance(value, f.Const) and value.kind != "ellipsis" and value.value in (None, False)):
            found.add(name)
    return frozenset(found)


def _is_off(site: CallSite, off: frozenset[str]) -> bool:
    """Under `if flag:`, or behind `if not flag: return`."""
    scope = site.function.scope
    around = set(flow.ancestors(scope, site.fact.region))
    for index, region in enumerate(scope.regions):
        if region.kind != "if":
            continue
        if index in around and off & set(_needed(region.test)):
            return True
        left = region.exits in _LEAVES and region.parent in around and region.end <= site.fact.order
        if (
            left
            and isinstance(region.test, f.Unary)
            and region.test.op == "not"
            and off & set(_needed(region.test.value))
        ):
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
