"""How many rows of one key the code itself reckons with: one, or several."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.database.access import INSERT, READ, UPSERT
from roadworthy.project.newrows import made_by_run
from roadworthy.project.values import Literal

if TYPE_CHECKING:
    from roadworthy.project.database.access import Access
    from roadworthy.project.database.conditions import Match
    from roadworthy.project.database.tables import Column, Table
    from roadworthy.project.handler import Handler
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite

_ONE = frozenset({
    "get", "aget", "get_or_404", "get_object_or_404", "aget_object_or_404", "one", "one_or_none", "scalar_one", "scalar_one_or_none",
})  # fmt: skip
_ANY = frozenset({"first", "afirst", "last", "alast", "exists", "aexists", "scalar", "find_one"})
_OF_MANY = frozenset({"order_by", "count", "acount", "latest", "earliest", "aggregate", "iterator"})
_FINDS_OR_CREATES = frozenset({"get_or_create", "aget_or_create", "update_or_create", "aupdate_or_create"})
_SETTINGS = frozenset({"self", "cls", "settings", "config", "conf"})
_TOO_MANY = ("MultipleObjectsReturned", "MultipleResultsFound")


def asks_for_one(site: CallSite) -> bool | None:
    """Does a lookup raise on two rows (`get`, `one()`)? False: it takes either of them (`first()`); None: its name does not tell."""
    names = {site.fact.func.name if isinstance(site.fact.func, f.Attr) else "", _last_link(site)}
    return True if names & _ONE else False if names & _ANY else None


def lists_rows(site: CallSite) -> bool:
    """Does a lookup fetch a list (`….all()`), so that one key has as many rows as it likes?"""
    return "all" in {site.fact.func.name if isinstance(site.fact.func, f.Attr) else "", _last_link(site)}


def several_expected(model: Model, site: CallSite) -> Handler | None:
    """A handler for "more than one row" around a lookup: its authors let one key have several."""
    for handlers in model.handlers_around(site):
        for handler in handlers:
            if any(name.endswith(_TOO_MANY) for name in handler.types):
                return handler
    return None


def inserted_unasked(model: Model, table: Table, columns: tuple[str, ...]) -> Access | None:
    """An insert that fills these columns and looks for no row before, where it may run again: whoever wrote it lets one key have several rows."""
    wanted = {table.column(name) for name in columns}
    looked = _looked_for(model)
    for access in model.accesses.all(INSERT):
        if (
            access.table is not table
            or not access.filled
            or access.site in looked
            or not model.is_reviewed(access.site.path)
            or _asked_beside(model, access, wanted)
        ):
            continue
        filled = {table.column(match.column): match for match in access.values}
        given = [filled[column] for column in wanted if column in filled]
        if len(given) < len(wanted) or any(_is_literal(match) or _is_made_here(model, match) for match in given):
            continue
        if any(reached.entry.serves_others for reached in model.exposure(access.function).entries):
            return access
    return None


def found_by_more(model: Model, table: Table, columns: tuple[str, ...]) -> Access | None:
    """A `get_or_create` by these columns and more: by them alone the rows are not told apart."""
    wanted = {table.column(name) for name in columns}
    for access in model.accesses.all(UPSERT):
        keys = {table.column(name) for name in access.keys} if access.table is table and access.looks_for_one else set()
        if access.method in _FINDS_OR_CREATES and wanted < keys and model.is_reviewed(access.site.path):
            return access
    return None


def _asked_beside(model: Model, access: Access, wanted: set[Column | None]) -> bool:
    """Another method of the class looks for the row: `validate()` refuses what `create()` would insert twice."""
    cls, table = access.function.cls, access.table
    return cls is not None and any(
        read.table is table
        and table is not None
        and read.function.cls is cls
        and wanted <= {table.column(match.column) for match in read.lookup}
        for read in model.accesses.all(READ)
    )


_LOOKED: WeakKeyDictionary[Model, frozenset[CallSite]] = WeakKeyDictionary()


def _looked_for(model: Model) -> frozenset[CallSite]:
    """Inserts before which a row is looked for."""
    known = _LOOKED.get(model)
    if known is None:
        pairs = (pair for function in model.functions for pair in model.checks.of(function))
        known = _LOOKED[model] = frozenset(site for pair in pairs for site in (pair.write.site, pair.write.access.site))
    return known


def _is_literal(match: Match) -> bool:
    return isinstance(match.value, f.Const | f.Str)


def _is_made_here(model: Model, match: Match) -> bool:
    """A row that this very run has made has no others yet."""
    value = match.value
    if isinstance(value, f.Attr):
        value = value.value
    return isinstance(value, f.Name) and made_by_run(
        model, value.id, match.scope, match.scope.scope.last_read.get(value.id, 0)
    )


def many_by_design(model: Model, table: Table, keys: tuple[str, ...]) -> bool:
    """Does the project order or count the rows of one foreign key elsewhere? Then one owner has many of them."""
    column = table.column(keys[0]) if len(keys) == 1 else None
    if column is None or not column.target:
        return False
    return any(
        access.table is table
        and any(table.column(match.column) is column for match in access.lookup)
        and bool(_OF_MANY & set(access.links))
        for access in model.accesses.all(READ)
    )


def is_constant(model: Model, match: Match) -> bool:
    """Is a column compared with a literal, or with a constant of a module or class? A parameter may be anything, and a setting another
    value after a deploy."""
    value = match.value
    if isinstance(value, f.Const | f.Str):
        return True
    root = flow.root_name(value, match.scope.scope) if isinstance(value, f.Name | f.Attr) else None
    local = root is None or root in match.scope.parameters or bool(match.scope.bindings.get(root)) or root in _SETTINGS
    values = model.values(value, match.scope, match.order) if value is not None and not local else ()
    return len(values) == 1 and isinstance(values[0], Literal)


def _last_link(site: CallSite) -> str:
    """`all` of `session.exec(…).all()`, also over `.scalars()` in between."""
    calls, index = site.function.scope.calls, site.index
    name = ""
    while (outer := calls[index].outer) >= 0:
        func = calls[outer].func
        if not (isinstance(func, f.Attr) and func.value == f.CallRef(index)):
            break
        name, index = func.name, outer
    return name
