"""Conflict clauses whose table and columns a helper is given: `upsert(rows, Clone, ["repo_id"])`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.once import listed_once
from roadworthy.project.values import ClassValue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.calls import Edge
    from roadworthy.project.database.tables import Table
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_LIBRARY = "sqlalchemy."
_DEPTH = 3  # helpers, one below the other
_CALLERS = 60


@dataclass(frozen=True, slots=True)
class PassedTarget:
    """What one call makes of a helper's conflict clause."""

    site: CallSite  # the call that gives the columns
    clause: CallSite  # the clause, in the helper
    table: Table
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Open:
    """A clause seen from a function that may be given its table and its columns."""

    function: Function
    order: int
    clause: CallSite
    table: f.Expr
    columns: f.Expr
    site: CallSite | None = None  # where the columns were given; None: not yet


@listed_once
def passed_targets(model: Model) -> Iterator[PassedTarget]:
    """Every call that completes such a clause."""
    for site in model.sites():
        func = site.fact.func
        if not isinstance(func, f.Attr) or not func.name.startswith("on_conflict_do_"):
            continue
        columns = next((value for keyword, value in site.fact.kwargs if keyword == "index_elements"), None)
        table = _inserted_into(model, site)
        if columns is not None and table is not None and _parameter(columns, site.function):
            yield from _completed(model, _Open(site.function, site.fact.order, site, table, columns), 0)


def _inserted_into(model: Model, clause: CallSite) -> f.Expr | None:
    """What the statement of the clause inserts into: the argument of the one `insert(…)` before it."""
    found = [
        other.fact.args[0]
        for other in clause.function.calls
        if other.fact.order < clause.fact.order
        and other.fact.args
        and flow.last_name(other.fact.func) == "insert"
        and any(name.startswith(_LIBRARY) for name in model.library_names(other))
    ]
    return found[0] if len(found) == 1 else None


def _completed(model: Model, seen: _Open, depth: int) -> Iterator[PassedTarget]:
    """Up the callers until both are written out."""
    names, table = _columns(seen.columns, seen.function, seen.order), _table(model, seen)
    site = seen.site
    if names and table is not None and site is not None:
        yield PassedTarget(site, seen.clause, table, names)
        return
    if depth >= _DEPTH:
        return
    for edge in model.edges_to(seen.function)[:_CALLERS]:
        given = _given(model, edge, seen.columns, seen)
        about = _given(model, edge, seen.table, seen)
        if given is None or about is None:
            continue
        passed = site if names and site is not None else edge.site
        above = _Open(edge.caller, edge.site.fact.order, seen.clause, about, given, passed)
        yield from _completed(model, above, depth + 1)


def _given(model: Model, edge: Edge, expr: f.Expr, seen: _Open) -> f.Expr | None:
    """What a caller passes for it; what is no parameter stays as it is only where it is written out."""
    name = _parameter(expr, seen.function)
    if name:
        return model.argument_passed(edge, name)
    return expr if isinstance(expr, f.Seq | f.Str) else None


def _parameter(expr: f.Expr, function: Function) -> str:
    """The parameter that an expression is, if nothing else is ever put into it."""
    plain = isinstance(expr, f.Name) and expr.id in function.parameters and not function.bindings.get(expr.id)
    return expr.id if plain and isinstance(expr, f.Name) else ""


def _table(model: Model, seen: _Open) -> Table | None:
    values = model.values(seen.table, seen.function, seen.order)
    tables = {
        t.name: t for v in values if isinstance(v, ClassValue) and (t := model.schema.table_of(v.cls)) is not None
    }
    return next(iter(tables.values())) if len(tables) == 1 else None


def _columns(expr: f.Expr, function: Function, order: int, depth: int = 0) -> tuple[str, ...]:
    """The names in a list that is written out, or in the variable that was set to one."""
    if isinstance(expr, f.Name) and depth < _DEPTH and expr.id not in function.parameters:
        bound = function.bindings.get(expr.id, [])
        reaching = flow.reaching(function.scope, bound, order)[0] if bound else []
        one = reaching[0] if len(reaching) == 1 and reaching[0].op == "=" else None
        return _columns(one.value, function, one.order, depth + 1) if one is not None and one.value is not None else ()
    if not isinstance(expr, f.Seq):
        return ()
    names = tuple(item.value for item in expr.items if isinstance(item, f.Str))
    return names if len(names) == len(expr.items) else ()
