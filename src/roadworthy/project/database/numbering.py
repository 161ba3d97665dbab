"""Finds rows that are numbered on from the largest number that was read: `number = last + 1`, and another run does the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.database.access import INSERT, READ, UPSERT
from roadworthy.project.database.presence import Presence
from roadworthy.project.values import ClassValue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.database.access import Access, Through
    from roadworthy.project.database.tables import Column, Table
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_SORTS = re.compile(r"(^|_)(sort|order|ordering|position|rank|priority|index|weight|level|step|display)(_|$|order)")
_NUMBERS = re.compile(r"int|number|serial|decimal|char|text|string", re.IGNORECASE)
_LARGEST = frozenset({"max", "Max"})
_LAST = frozenset(
    {"first", "last", "afirst", "alast", "latest", "alatest", "scalar", "scalar_one_or_none", "one_or_none"}
)
_COUNTS = frozenset({"count", "acount"})
_NAMES_ROW = re.compile(r"(^|_)(number|num|no|nr|seq|sequence|serial|code|reference|ref)(_|$)")
_DEPTH = 3


@dataclass(frozen=True, slots=True, eq=False)
class Numbering:
    """A number of a new row that depends on the largest one there is."""

    function: Function
    read: CallSite  # what asks for the largest
    line: int  # where the next one is stored
    end_line: int
    order: int
    write: CallSite | None
    table: Table
    column: Column
    lookup: Access  # the read, with its conditions


def numberings(model: Model, function: Function) -> Iterator[Numbering]:
    """Each column of a new row that is filled with one more than what was read of that column."""
    filled = list(_filled(model, function))
    if not filled:
        return
    reads = [through for site in function.calls for through in model.accesses.through(site) if _may_tell(through)]
    seen: set[str] = set()
    for table, name, value, order, line, end_line, write in filled:
        column = table.column(name)
        if column is None or column.attribute in seen or not _counts(column):
            continue
        for through in reads:
            read = through.access
            same = read.table in (table, None) and through.site.fact.order <= order
            if not same or not _asks_for_last(model, read, table, column):
                continue
            if _is_given_next(value, function, through, column):
                seen.add(column.attribute)
                yield Numbering(function, read.site, line, end_line, order, write, table, column, read)
                break


def _may_tell(through: Through) -> bool:
    """A read of the function itself, or of one helper that it asks."""
    return through.access.kind == READ and len(through.path) <= 1


def _is_given_next(value: f.Expr, function: Function, through: Through, column: Column) -> bool:
    """One more than what was read: added here, or by the helper that read it (`number=next_number(shop)`)."""
    if through.direct:
        return _is_next(value, function, Presence(function, through.site), column, 0)
    helper = through.path[0]
    below = Presence(helper, through.access.site)
    given = [leave.value for leave in helper.scope.leaves if leave.kind == "return"]
    if any(_is_next(each, helper, below, column, 0) for each in given):
        return Presence(function, through.site).depends(value) or _comes_from(value, function, through.site)
    return any(below.depends(each) for each in given) and _is_next(
        value, function, Presence(function, through.site), column, 0
    )


def _comes_from(value: f.Expr, function: Function, site: CallSite) -> bool:
    """`self.number = next_number()`, and the row is filled with it; `f"R-{number}"`."""
    presence = Presence(function, site)
    names = [part for part in flow.walk(value) if isinstance(part, f.Attr)]
    return any(presence.depends(a.value) for part in names for a in function.scope.assigns if a.target == part)


def _counts(column: Column) -> bool:
    """A number that names the row; one by which rows are sorted does no harm twice, one that ends in `_id` names what several share."""
    known = not column.type or bool(_NUMBERS.search(column.type))
    return (
        known
        and not column.attribute.endswith("_id")
        and not column.primary
        and not column.unique
        and not _SORTS.search(column.attribute)
    )


def _filled(model: Model, function: Function) -> Iterator[tuple[Table, str, f.Expr, int, int, int, CallSite | None]]:
    """Columns of new rows with what they are filled with: in a call, or on `self` before the row is stored."""
    for access in model.accesses.of(function):
        if access.kind not in {INSERT, UPSERT} or access.table is None:
            continue
        for match in access.values:
            if match.value is not None and match.scope is function:
                fact = access.site.fact
                yield access.table, match.column, match.value, fact.order, fact.line, fact.end_line, access.site
    own = model.schema.table_of(function.cls) if function.cls is not None else None
    for assign in function.scope.assigns if own is not None and function.name in {"save", "asave"} else ():
        target = assign.target
        if isinstance(target, f.Attr) and target.value == f.Name("self") and assign.value is not None:
            assert own is not None
            yield own, target.name, assign.value, assign.order, assign.line, assign.end_line, None


def _asks_for_last(model: Model, read: Access, table: Table, column: Column) -> bool:
    """`aggregate(Max("number"))`, `select(func.max(Order.number))`, `order_by("-number").first()`; a number may be the count of rows."""
    for site in read.function.calls:
        if flow.last_name(site.fact.func) not in _LARGEST or not _is_part_of(site, read.site):
            continue
        if any(_names(model, arg, site, table, column, known=read.table is table) for arg in site.fact.args[:1]):
            return True
    if read.table is table and read.method in _COUNTS:
        return bool(_NAMES_ROW.search(column.attribute))
    return read.table is table and read.method in _LAST and "order_by" in read.links


def _names(model: Model, expr: f.Expr, site: CallSite, table: Table, column: Column, *, known: bool) -> bool:
    """`"number"` of a table that is known from the query, `Order.number` of any."""
    if isinstance(expr, f.Str):
        return known and expr.value in {column.attribute, column.name}
    if not isinstance(expr, f.Attr) or expr.name not in {column.attribute, column.name}:
        return False
    owners = (v.cls for v in model.values(expr.value, site.function) if isinstance(v, ClassValue))
    return any(model.schema.table_of(cls) is table for cls in owners)


def _is_part_of(inner: CallSite, outer: CallSite) -> bool:
    """Is a call an argument of another, or of a link of the chain that it ends?"""
    calls, todo, seen = inner.function.scope.calls, [outer.index], set[int]()
    while todo:
        index = todo.pop()
        if index == inner.index:
            return True
        if index not in seen:
            seen.add(index)
            call = calls[index]
            parts = (call.func, *call.args, *(value for _, value in call.kwargs))
            todo += [part.index for expr in parts for part in flow.walk(expr) if isinstance(part, f.CallRef)]
    return False


def _is_next(value: f.Expr | None, function: Function, presence: Presence, column: Column, depth: int) -> bool:
    """Is a value one more than the answer, here or through names?"""
    if value is None or depth > _DEPTH:
        return False
    for part in flow.walk(value):
        if isinstance(part, f.Bin) and part.op == "+" and _one_more(part, presence):
            return True
        if isinstance(part, f.Attr):  # `self.number = last + 1`, and the row is filled with it
            given = [a.value for a in function.scope.assigns if a.target == part and a.op == "="]
            if any(_is_next(each, function, presence, column, depth + 1) for each in given[:4]):
                return True
        if isinstance(part, f.Name):
            bound = function.bindings.get(part.id, [])
            if any(a.op == "+=" for a in bound) and any(presence.depends(a.value) for a in bound if a.op == "="):
                return True
            if any(a.op == "=" and _is_next(a.value, function, presence, column, depth + 1) for a in bound[:4]):
                return True
    return False


def _one_more(part: f.Bin, presence: Presence) -> bool:
    sides = ((part.left, part.right), (part.right, part.left))
    return any(
        isinstance(one, f.Const) and one.kind == "int" and one.value == 1 and presence.depends(other)
        for one, other in sides
    )
