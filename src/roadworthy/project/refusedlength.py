"""Collections of which more than so many are refused: `if len(ids) > MOST: return error(…)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.handling import mentions
from roadworthy.project.symbols import bound_names

if TYPE_CHECKING:
    from roadworthy.project.symbols import Function

_LEAVES = frozenset({"return", "raise"})
_GROWS = frozenset({"append", "add", "extend"})


def is_refused_above(expr: f.Expr | None, function: Function, order: int) -> bool:
    """Is what the expression holds made of something that the function has refused where it is too long?"""
    scope = function.scope
    bounded = {
        name
        for region in scope.regions
        if region.kind == "if" and region.exits in _LEAVES and region.end <= order
        for name in _measured(region.test, scope)
    }
    if not bounded:
        return False
    _spread(bounded, scope)
    return any(isinstance(part, f.Name) and part.id in bounded for part in flow.walk(expr))


def _measured(test: f.Expr | None, scope: f.Scope) -> list[str]:
    """`ids` of `len(ids) > MOST`."""
    match test:
        case f.Compare(left=f.CallRef(index=index), ops=(">" | ">=",)):
            call = scope.calls[index]
            if isinstance(call.func, f.Name) and call.func.id == "len" and isinstance(call.args[0], f.Name):
                return [call.args[0].id]
        case f.BoolOp(op="or", items=items):
            return [name for item in items for name in _measured(item, scope)]
    return []


def _spread(names: set[str], scope: f.Scope) -> None:
    """What is computed from the names, looped over or collected."""
    for _ in range(3):
        for assign in scope.assigns:
            if any(mentions(assign.value, name, scope) for name in names):
                names.update(bound_names(assign.target))
        for call in scope.calls:
            match call.func:
                case f.Attr(name=method, value=f.Name(id=owner)) if method in _GROWS:
                    if any(mentions(arg, name, scope) for arg in call.args for name in names):
                        names.add(owner)
