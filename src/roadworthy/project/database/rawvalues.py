"""What raw SQL fills its columns with: the placeholders of a statement and the arguments of the call that runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.database.conditions import Match

if TYPE_CHECKING:
    from roadworthy.project.database.rawsql import Statement
    from roadworthy.project.effects import Effects
    from roadworthy.project.symbols import CallSite, Function

_PARAMETERS = frozenset(
    {"params", "parameters", "vars", "args", "values", "argslist", "vars_list", "seq_of_parameters"}
)
_BY_CURSOR = frozenset({"execute_batch", "execute_values"})  # a function that is given the cursor first
_MANY = frozenset({"executemany", "execute_batch", "execute_values"})


def inserts_by_text(function: Function, effects: Effects) -> bool:
    """Does a call of the function run the text of an INSERT?"""
    found = (effect for site in function.calls for effect in effects.at.get(site, ()))
    return any(effect.sql and effect.effect is Effect.SQL_INSERT for effect in found)


def filled(statement: Statement, site: CallSite) -> tuple[Match, ...]:
    """The columns of an INSERT with their values, as far as the call tells them."""
    places = dict(statement.places)
    given = _given(site)
    found = []
    for column in statement.columns:
        place = places.get(column)
        value = _value(place, given, statement.sequential) if place is not None else None
        found.append(Match(column, value, site.function, order=site.fact.order if value is not None else None))
    return tuple(found)


def _given(site: CallSite) -> tuple[f.Expr, ...]:
    """The arguments behind the text: one collection, or one for each placeholder (asyncpg)."""
    named = tuple(value for keyword, value in site.fact.kwargs if keyword in _PARAMETERS)
    name = flow.last_name(site.fact.func)
    given = (*site.fact.args[2 if name in _BY_CURSOR else 1 :], *named)
    if name in _MANY:
        return tuple(_one_of(expr, site) for expr in given)
    return tuple(_written(expr, site) for expr in given)


def _one_of(expr: f.Expr, site: CallSite) -> f.Expr:
    """One row of the many that are given."""
    rows = _written(expr, site)
    if isinstance(rows, f.Comp):
        return rows.element
    return rows.items[0] if isinstance(rows, f.Seq) and len(rows.items) == 1 else f.Other("rows")


def _written(expr: f.Expr, site: CallSite) -> f.Expr:
    """The collection that a variable was last set to, where it is written in the same function."""
    if not isinstance(expr, f.Name):
        return expr
    before = [a for a in site.function.bindings.get(expr.id, ()) if a.order < site.fact.order and a.op == "="]
    last = before[-1].value if before else None
    return last if isinstance(last, f.Dict | f.Seq | f.Comp) else expr


def _value(place: str, given: tuple[f.Expr, ...], sequential: int) -> f.Expr | None:
    if not given:
        return None
    first = given[0]
    if not place.isdigit():
        return _item(first, place)
    if isinstance(first, f.Seq) and len(given) == 1:
        given = first.items
    if any(isinstance(each, f.Star | f.Other) for each in given) or (sequential and len(given) != sequential):
        return None
    return given[int(place)] if int(place) < len(given) else None


def _item(given: f.Expr, name: str) -> f.Expr | None:
    """`{"id": event["id"]}`, or the item of a mapping that is handed on whole: `execute(INSERT, event)`."""
    if isinstance(given, f.Dict):
        return next((value for key, value in given.items if isinstance(key, f.Str) and key.value == name), None)
    return f.Sub(given, f.Str(name)) if isinstance(given, f.Name) else None
