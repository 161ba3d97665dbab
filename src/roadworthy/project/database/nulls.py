"""Whether a column that may be NULL is given one: for the database no NULL equals another, and a unique key lets both in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.values import Literal

if TYPE_CHECKING:
    from roadworthy.project.calls import Edge
    from roadworthy.project.database.access import Access
    from roadworthy.project.database.conditions import Match
    from roadworthy.project.database.tables import Column, Table, UniqueKey
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function

_CALLERS = 8  # that are asked what they know of a value
_FILLS = re.compile(r"\b(case|coalesce|ifnull|nvl)\b", re.IGNORECASE)
_OPTIONAL = re.compile(r"Optional\[|\|\s*None|None\s*\|")


def null_in(
    model: Model, table: Table, key: UniqueKey, lookup: tuple[Match, ...], write: Access | None
) -> Column | None:
    """A column of a key that may be given NULL, by which the database lets in a second row with the same other columns."""
    if not key.nulls_distinct or key.kind == "primary":
        return None
    for name in key.columns:
        column = table.column(name)
        if column is None or not column.nullable or _stands_for_null(key, column):
            continue
        given = [match for match in lookup if table.column(match.column) is column]
        filled = write.value_of(column.name) if write is not None else None
        if any(may_be_null(model, match) for match in (given or ([filled] if filled is not None else []))):
            return column
    return None


def _stands_for_null(key: UniqueKey, column: Column) -> bool:
    """`Case(When(deleted_at__isnull=True, then=True))`, `coalesce(team_id, 0)`: a functional part in which NULL is a value like others."""
    names = "|".join(re.escape(name) for name in (column.attribute, column.name))
    named = re.compile(rf"(?<![a-zA-Z0-9])({names})(?![a-zA-Z0-9])")
    return any(_FILLS.search(text) and named.search(text) for text in key.expressions)


def may_be_null(model: Model, match: Match) -> bool:
    """Is a column compared or filled with None, or with a name that may hold it and was not asked?"""
    value = match.value
    if isinstance(value, f.Const):
        return value.kind == "none"
    if not isinstance(value, f.Name) or match.order is None or is_asked(value, match.scope, match.order):
        return False
    param = next((p for p in match.scope.scope.params if p.name == value.id), None)
    if param is not None and not match.scope.bindings.get(value.id):
        told = flow.text_of(param.annotation, match.scope.scope) if param.annotation is not None else ""
        if (isinstance(param.default, f.Const) and param.default.kind == "none") or _OPTIONAL.search(told):
            return True
        if any(_is_doubted_above(model, edge, value.id) for edge in model.edges_to(match.scope)[:_CALLERS]):
            return True
    if _is_doubted(value, match.scope, match.order):
        return True
    found = model.values(value, match.scope, match.order)
    return any(isinstance(each, Literal) and each.value is None for each in found)


def _is_doubted_above(model: Model, edge: Edge, parameter: str) -> bool:
    passed = model.argument_passed(edge, parameter)
    return isinstance(passed, f.Name) and _is_doubted(passed, edge.caller, edge.site.fact.order)


def is_asked(name: f.Name, function: Function, order: int) -> bool:
    """Does a branch around an event, or one that leaves before it, depend on whether a name holds something?"""
    scope = function.scope
    here = flow.region_at(scope, order)
    for index, region in enumerate(scope.regions):
        if region.kind not in {"if", "while"} or region.start > order or name not in flow.walk(region.test):
            continue
        branches = [index, *(r for r in flow.siblings(scope, index) if scope.regions[r].kind == "else")]
        leaves = (
            bool(region.exits) and flow.within(scope, here, region.parent) and not _only_together(region.test, name)
        )
        if leaves or any(flow.within(scope, here, branch) for branch in branches):
            return True
    return False


def _only_together(test: f.Expr | None, name: f.Name) -> bool:
    """`if not user and not group: raise`: whoever goes on has one of the two, and may lack either."""
    if not isinstance(test, f.BoolOp):
        return False
    parts = [item for item in test.items if name in flow.walk(item)]
    return bool(parts) and (test.op == "and" or all(_only_together(part, name) for part in parts))


def _is_doubted(name: f.Name, function: Function, order: int) -> bool:
    """`if not version: path = full_path`, and the function goes on with the version as it is."""
    scope = function.scope
    for index, region in enumerate(scope.regions):
        if region.kind != "if" or region.exits or region.end > order or not _asks_for(region.test, name):
            continue
        inside = [index, *(r for r in flow.siblings(scope, index) if scope.regions[r].kind == "else")]
        sets = any(assign.target == name for branch in inside for assign in flow.assigns_in(scope, branch))
        if not sets and not any(scope.regions[r].exits for r in inside) and not is_asked(name, function, order):
            return True
    return False


def _asks_for(test: f.Expr | None, name: f.Name) -> bool:
    """`version`, `not version`, `version is None`."""
    if isinstance(test, f.Unary):
        return _asks_for(test.value, name)
    if isinstance(test, f.Compare):
        return test.left == name and all(isinstance(r, f.Const) and r.kind == "none" for r in test.rights)
    return test == name
