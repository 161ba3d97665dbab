"""Keys that the code promises without asking for the row itself: validators of a framework, and checks that it runs before it stores a row."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.schema import CallRow
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.arguments import argument
from roadworthy.project.database.access import PROMISE, READ, Access
from roadworthy.project.database.conditions import Match
from roadworthy.project.database.presence import Presence
from roadworthy.project.effects import EffectAt
from roadworthy.project.once import listed_once
from roadworthy.project.values import LibraryObject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.knowledge.schema import SchemaRow
    from roadworthy.project.database.tables import Table
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, ClassInfo, Function

_VALIDATES = re.compile(r"^_?(clean|validate)(_|$)|^save$")
_REFUSES = frozenset({"add_error"})
_ASKS = CallRow(names=("validator",), effects=(Effect.SQL_READ.value,))


@listed_once
def promised_keys(model: Model) -> Iterator[Access]:
    """What refuses a second row of the same key, and is no part of the database: as accesses of the kind "promise"."""
    for function in model.functions:
        if function.scope.kind == "class":
            yield from _declared(model, function)
        elif function.cls is not None and _VALIDATES.search(function.name):
            yield from _checked(model, function, function.cls)


# --- validators -------------------------------------------------------------------------------------------------------


def _declared(model: Model, body: Function) -> Iterator[Access]:
    """`UniqueTogetherValidator(queryset=Order.objects.all(), fields=["shop", "number"])` in the body of a class."""
    for site in body.calls:
        row = _declaring(model, site)
        about = _rows_asked(model, row, site) if row is not None else None
        table = model.schema.table_of(about)
        if row is None or table is None:
            continue
        names = _fields(model, row, site) or _field_around(site)
        if names and all(table.column(name) is not None for name in names):
            lookup = tuple(Match(table.column(n).name, None, body) for n in names)  # type: ignore[union-attr]
            yield _promise(model, site, about, table, lookup, flow.last_name(site.fact.func))


def _declaring(model: Model, site: CallSite) -> SchemaRow | None:
    resolution = model.graph.resolutions.get(site)
    names = (library.name for library in resolution.libraries) if resolution is not None else ()
    rows = (row for name in names for row in model.knowledge.schema_rows(name))
    return next((row for row in rows if row.construct == "validator"), None)


def _rows_asked(model: Model, row: SchemaRow, site: CallSite) -> ClassInfo | None:
    """The model whose rows a validator asks for; a query that is narrowed promises less than that."""
    expr = argument(site.fact, row.table) if row.table is not None else None
    if isinstance(expr, f.CallRef) and flow.last_name(site.function.calls[expr.index].fact.func) != "all":
        return None
    values = model.values(expr, site.function) if expr is not None else ()
    return next((v.model for v in values if isinstance(v, LibraryObject) and v.model is not None), None)


def _fields(model: Model, row: SchemaRow, site: CallSite) -> tuple[str, ...]:
    expr = argument(site.fact, row.columns) if row.columns is not None else None
    items = expr.items if isinstance(expr, f.Seq) else ()
    names = tuple(item.value for item in items if isinstance(item, f.Str))
    return names if len(names) == len(items) else ()


def _field_around(site: CallSite) -> tuple[str, ...]:
    """The field whose declaration holds the validator: `email = EmailField(validators=[UniqueValidator(…)])`."""
    calls, index = site.function.scope.calls, site.index
    while calls[index].outer >= 0:
        index = calls[index].outer
    if index == site.index:
        return ()
    renamed = next((v.value for k, v in calls[index].kwargs if k == "source" and isinstance(v, f.Str)), "")
    for assign in site.function.scope.assigns:
        if assign.value == f.CallRef(index) and isinstance(assign.target, f.Name):
            return (renamed or assign.target.id,)
    return ()


# --- checks before the framework stores the row -----------------------------------------------------------------------


def _checked(model: Model, function: Function, cls: ClassInfo) -> Iterator[Access]:
    """`validate_email()` of a serializer, `clean()` of a form or row, `save()` of a row: refuses where the row is there."""
    about = model.evaluator.orm.stores_for(cls) or (cls if model.schema.is_model(cls) else None)
    table = model.schema.table_of(about)
    if table is None or (function.name == "save" and about is not cls):
        return
    seen: set[frozenset[str]] = set()
    for site in function.calls:
        for through in model.accesses.through(site):
            access = through.access
            if access.kind != READ or access.table is not table or not through.direct:
                continue
            stored = any(_is_stored(match, table, function, about is cls) for match in access.lookup)
            by_key = stored and access.looks_for_one and _refused(function, Presence(function, site), site)
            if by_key and frozenset(access.keys) not in seen:
                seen.add(frozenset(access.keys))
                yield _promise(model, site, about, table, access.lookup, f"{function.name}()")


def _is_stored(match: Match, table: Table, function: Function, own: bool) -> bool:
    """Is a column compared with what the new row will hold in it: `self.email`, `data["email"]`, the value of `validate_email()`?"""
    column = table.column(match.column)
    value = match.value
    if column is None or column.primary or match.op != "eq":
        return False
    names = {column.attribute, column.name}
    match value:
        case f.Attr(name=name, value=f.Name(id="self")) if own:
            return name in names
        case f.Sub(index=f.Str(value=key)):
            return key in names
        case f.Name(id=name):
            bound = function.bindings.get(name, [])
            if len(bound) == 1 and not (isinstance(bound[0].value, f.Name)):
                inner = Match(match.column, bound[0].value, match.scope, match.op, match.order)
                return _is_stored(inner, table, function, own)
            return not own and name in function.parameters and function.name.partition("_")[2] in names
        case f.CallRef(index=index):
            call = function.calls[index].fact
            first = call.args[0] if call.args else None
            asks = flow.last_name(call.func) in {"get", "pop"} and isinstance(first, f.Str)
            if asks and isinstance(first, f.Str):
                return first.value in names
            shaped = call.func.value if isinstance(call.func, f.Attr) and not call.args else None  # `value.lower()`
            return shaped is not None and _is_stored(
                Match(match.column, shaped, match.scope, match.op, match.order), table, function, own
            )
    return False


def _refused(function: Function, presence: Presence, site: CallSite) -> bool:
    """Does the function raise, or note an error, where the row was found?"""
    scope = function.scope
    events = [(leave.order, leave.region) for leave in scope.leaves if leave.kind == "raise"]
    events += [(c.fact.order, c.fact.region) for c in function.calls if flow.last_name(c.fact.func) in _REFUSES]
    for order, region in events:
        if order < site.fact.order:
            continue
        around = [scope.regions[index] for index in flow.ancestors(scope, region)]
        if any(part.kind == "if" and presence.sign(part.test) == 1 for part in around):
            return True
        if _left_where_absent(function, presence, site, order, region):
            return True
    return False


def _left_where_absent(function: Function, presence: Presence, site: CallSite, order: int, region: int) -> bool:
    """`if not found: return value` or `except DoesNotExist: return value`, and an error after it."""
    scope = function.scope
    for index, part in enumerate(scope.regions):
        if part.exits != "return" or part.end > order or part.start < site.fact.order:
            continue
        absent = part.kind == "if" and presence.sign(part.test) == -1
        handler = part.kind == "except" and presence.absent_in(index)
        if (absent or handler) and flow.within(scope, region, part.parent):
            return True
    return False


def _promise(
    model: Model, site: CallSite, about: ClassInfo | None, table: Table, lookup: tuple[Match, ...], by: str
) -> Access:
    effect = next((e for e in model.effects_at(site) if e.effect is Effect.SQL_READ), None)
    effect = effect or EffectAt(Effect.SQL_READ, site, by, _ASKS, about)
    return Access(PROMISE, site, effect, about, table, lookup, method=by)
