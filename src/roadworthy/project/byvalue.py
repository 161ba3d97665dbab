"""Calls that a condition on a value keeps from running on one way: under `if status in NOTIFIED:` where this caller passes another status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.values import Container, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roadworthy.project.calls import Edge
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function


def is_shut_out(model: Model, path: Sequence[Edge], last: CallSite) -> bool:
    """Does a function on this path, from the top down to the call `last`, go on only for other values than the one that it is given?"""
    following = [*(edge.site for edge in path[1:]), last]
    return any(
        site.function is edge.callee and _excludes(model, edge, site)
        for edge, site in zip(path, following, strict=True)
    )


def _excludes(model: Model, edge: Edge, site: CallSite) -> bool:
    for name, allowed in asked_values(model, site):
        if name not in edge.callee.parameters or name in edge.callee.bindings:
            continue
        given = model.argument_passed(edge, name)
        told = model.literal(given, edge.site.function) if given is not None else None
        if told is not None and told not in allowed:
            return True
    return False


def asked_values(model: Model, site: CallSite) -> Iterator[tuple[str, frozenset[object]]]:
    """(what is asked for, the values for which the call runs) of the conditions around it: `if status == "paid":`, `if status in NOTIFIED:`."""
    function = site.function
    for index in flow.ancestors(function.scope, site.fact.region):
        region = function.scope.regions[index]
        for part in _all_of(region.test) if region.kind == "if" else ():
            if isinstance(part, f.Compare) and len(part.ops) == 1 and part.ops[0] in {"==", "in"}:
                allowed = _allowed(model, part.rights[0], part.ops[0], function)
                if allowed is not None:
                    yield flow.text_of(part.left, function.scope), allowed


def _all_of(test: f.Expr | None) -> Iterator[f.Expr]:
    """What must hold for the condition to hold."""
    if isinstance(test, f.BoolOp) and test.op == "and":
        for item in test.items:
            yield from _all_of(item)
    elif test is not None:
        yield test


def _allowed(model: Model, expr: f.Expr, op: str, function: Function) -> frozenset[object] | None:
    if op == "==":
        told = model.literal(expr, function)
        return frozenset({told}) if told is not None else None
    found: set[object] = set()
    for value in model.values(expr, function):
        if not isinstance(value, Container):
            return None
        if value.keys:
            found |= {key for key, _ in value.keys}
        elif value.items and all(isinstance(item, Literal) for item in value.items):
            found |= {item.value for item in value.items if isinstance(item, Literal)}
        else:
            return None
    return frozenset(found) or None
