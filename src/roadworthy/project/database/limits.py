"""Finds rows that are counted against a stored limit before one more is inserted: `if seats.count() >= event.capacity: raise`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.database.access import INSERT, READ, Through
from roadworthy.project.database.checks import dominated
from roadworthy.project.database.conditions import same_value
from roadworthy.project.database.presence import Presence
from roadworthy.project.values import Instance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.database.tables import Table
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_COUNTS = frozenset({"count", "acount", "sum", "Sum", "Count", "len"})
_MIRROR = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_NAMED = re.compile(
    r"(^|_)(limits?|max\w*|capacity|seats?|quota|slots?|places?|spots?|allowed|stock|inventory|allotment|cap)(_|$)"
)
_SETTINGS = re.compile(r"settings|config|conf$|constants|environ|options", re.IGNORECASE)
_DEPTH = 3


@dataclass(frozen=True, slots=True, eq=False)
class Limit:
    """Rows are counted, and one more is inserted where there is room by that count."""

    function: Function
    read: Through
    write: Through
    table: Table
    limit: str  # as written: `coupon.limit`
    keys: tuple[str, ...]  # columns by which the counted rows belong together

    @property
    def rows(self) -> str:
        """What the code calls the rows."""
        return self.table.model.name if self.table.model is not None else self.table.name


def limits(model: Model, function: Function) -> Iterator[Limit]:
    """Each count of rows with the insert of one more that it lets by."""
    if function not in model.accesses.inserting:
        return
    through = [t for site in function.calls for t in model.accesses.through(site)]
    writes = [t for t in through if t.access.kind == INSERT and t.access.table is not None]
    for read in through if writes else ():
        access = read.access
        if access.kind != READ or access.table is None or access.locked or len(read.path) > 1 or not access.keys:
            continue
        same = [w for w in writes if w.access.table is access.table and dominated(function, read.site, w.site)]
        found = _limit(model, function, read, same) if same and _counts(read) else None
        if found is not None:
            yield found


def _limit(model: Model, function: Function, read: Through, writes: list[Through]) -> Limit | None:
    presence = Presence(function, read.site)
    for index, region in enumerate(function.scope.regions):
        if region.kind != "if" or region.test is None or region.end < read.site.fact.order:
            continue
        sign, limit = _room(region.test, function, read, presence)
        where = function
        if limit is None and read.path and presence.sign(region.test):
            sign, limit = _answer_of(read)  # `if event.is_full(): raise`
            sign, where = sign * presence.sign(region.test), read.path[0]
        stored = _stored(model, limit, where) if limit is not None else None
        for write in writes if stored is not None else ():
            if presence.excluded(index, sign, write.site) is not None and _belongs(model, read, write):
                assert read.access.table is not None
                return Limit(
                    function, read, write, read.access.table, flow.text_of(stored, where.scope), read.access.keys
                )
    return None


def _answer_of(read: Through) -> tuple[int, f.Expr | None]:
    """`return self.seats.count() >= self.capacity` of a helper that is asked."""
    helper = read.path[0]
    below = Presence(helper, read.access.site)
    direct = Through(read.access, read.access.site)
    answers = [
        _room(leave.value, helper, direct, below)
        for leave in helper.scope.leaves
        if leave.kind == "return" and leave.value
    ]
    return answers[0] if len(answers) == 1 else (0, None)


def _room(test: f.Expr, function: Function, read: Through, presence: Presence) -> tuple[int, f.Expr | None]:
    """(+1: true means that the limit is reached, -1: that there is room; the limit)."""
    match test:
        case f.Unary(op="not", value=inner):
            sign, limit = _room(inner, function, read, presence)
            return -sign, limit
        case f.BoolOp(items=items):
            found = [pair for item in items if (pair := _room(item, function, read, presence))[1] is not None]
            return found[0] if found else (0, None)
        case f.Compare(left=left, ops=(op,), rights=(right,)):
            if _is_count(left, function, presence) and not presence.depends(right):
                return _reached(op), right
            if _is_count(right, function, presence) and not presence.depends(left) and op in _MIRROR:
                return _reached(_MIRROR[op]), left
            limit = _left_over(left, function, presence, 0)
            if limit is not None and isinstance(right, f.Const | f.Name | f.Attr):
                return -_reached(op), limit
    return 0, None


def _reached(op: str) -> int:
    return {">": 1, ">=": 1, "==": 1, "<": -1, "<=": -1}.get(op, 0)


def _is_count(expr: f.Expr, function: Function, presence: Presence, depth: int = 0) -> bool:
    """The number that was read, or what becomes of it with one more: `count + 1`; not a part of a row."""
    match expr:
        case f.Name():
            bound = [a.value for a in function.bindings.get(expr.id, ()) if a.op in {"=", ":="} and a.value is not None]
            return (
                depth < _DEPTH
                and bool(bound)
                and any(_is_count(value, function, presence, depth + 1) for value in bound)
            )
        case f.Bin(op="+", left=left, right=right):
            return any(_is_count(side, function, presence, depth + 1) for side in (left, right))
        case f.BoolOp(op="or", items=items):
            return _is_count(items[0], function, presence, depth + 1)
        case f.Await() | f.Walrus():
            return _is_count(expr.value, function, presence, depth + 1)
        case f.Sub():
            return isinstance(expr.index, f.Str) and _is_count(expr.value, function, presence, depth + 1)
        case f.CallRef():
            return presence.depends(expr)
    return False


def _left_over(expr: f.Expr, function: Function, presence: Presence, depth: int) -> f.Expr | None:
    """The limit of `event.capacity - count`, here or in a name."""
    if isinstance(expr, f.Name) and depth < _DEPTH:
        bound = [a.value for a in function.bindings.get(expr.id, ()) if a.op == "=" and a.value is not None]
        return _left_over(bound[0], function, presence, depth + 1) if len(bound) == 1 else None
    if isinstance(expr, f.Bin) and expr.op == "-" and presence.depends(expr.right) and not presence.depends(expr.left):
        return expr.left
    return None


def _stored(model: Model, limit: f.Expr, function: Function, depth: int = 0) -> f.Attr | None:
    """The limit where a row holds it: of what it names there is as much, for everybody; a limit of the settings keeps abuse away."""
    if isinstance(limit, f.Name) and depth < _DEPTH:
        bound = [a.value for a in function.bindings.get(limit.id, ()) if a.op == "=" and a.value is not None]
        return _stored(model, bound[0], function, depth + 1) if len(bound) == 1 else None
    if not isinstance(limit, f.Attr) or limit.name.isupper():
        return None
    owners = [v.cls for v in model.values(limit.value, function) if isinstance(v, Instance)]
    if owners:
        tables = (model.schema.table_like(cls) for cls in owners)
        return limit if any(table is not None and table.column(limit.name) is not None for table in tables) else None
    text = flow.text_of(limit.value, function.scope)
    return limit if _NAMED.search(limit.name) and not _SETTINGS.search(text) else None


def _belongs(model: Model, read: Through, write: Through) -> bool:
    """Is the new row one of those that were counted?"""
    values = [(match, write.access.value_of(match.column)) for match in read.access.lookup if match.op == "eq"]
    if read.path or write.path or not write.access.values:
        return all(value is not None for _, value in values) or not write.access.filled
    return all(value is not None and same_value(match, value, model.evaluator) is not False for match, value in values)


def _counts(read: Through) -> bool:
    """`….count()`, `….aggregate(Sum("seats"))`, `select(func.count())`, `len(rows)`."""
    if read.access.method in {"count", "acount"}:
        return True
    return any(
        flow.last_name(s.fact.func) in _COUNTS and _near(s, read.access.site) for s in read.access.function.calls
    )


def _near(one: CallSite, other: CallSite) -> bool:
    """A part of the same expression, or of the statement that it runs."""
    return one.fact.line <= other.fact.end_line and other.fact.line <= one.fact.end_line
