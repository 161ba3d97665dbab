"""Unique keys that hold for the rows that the code looks for: over all of them, or for those with a literal, a NULL or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.advice.database import sql, unique_key
from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.database.checks import refusal
from roadworthy.project.database.nulls import is_asked, may_be_null
from roadworthy.project.values import ClassValue

if TYPE_CHECKING:
    from roadworthy.project.database.checks import Check
    from roadworthy.project.database.conditions import Match
    from roadworthy.project.database.tables import Column, Table, UniqueKey
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function


def unique_where_looked(model: Model, table: Table, columns: tuple[str, ...], lookup: tuple[Match, ...]) -> str:
    """A unique key over what is looked up. Columns that are compared with a literal (`hidden=True`) or with NULL say for which rows:
    other rows may have the same values in the rest, so the key is partial.
    """
    rest, condition = _for_some_rows(model, table, columns, lookup)
    text = _in_either_case(unique_key(model, table, rest, condition), table, rest, lookup)
    empty = [column.attribute for name in rest if (column := _empty(model, table, name, lookup)) is not None]
    if not empty or len(rest) == 1 or "```" not in text:
        return text
    if len(empty) == 1:
        name = empty[0]
        return f"{text}\nRows with NULL in `{name}` pass such a key: add one for them, over the other columns, with the condition `{name} IS NULL`."
    names = ", ".join(f"`{name}`" for name in empty[:-1]) + f" or `{empty[-1]}`"
    return (
        f"{text}\nRows with NULL in {names} pass such a key: declare it `NULLS NOT DISTINCT`, where the database can, or one for each of these "
        f"columns over the others (`{empty[0]} IS NULL` as its condition)."
    )


def _in_either_case(text: str, table: Table, names: tuple[str, ...], lookup: tuple[Match, ...]) -> str:
    """What is looked up without regard to case is no part of a key as it is."""
    folded = {table.column(match.column) for match in lookup if match.folded}
    found = [column for name in names if (column := table.column(name)) is not None and column in folded]
    if not found or "```" not in text:
        return text
    attribute, name = found[0].attribute, found[0].name
    return (
        f"{text}\nThe look ignores the case of `{attribute}`, and this key does not: put `lower({name})` in its place "
        f'(`Lower("{attribute}")` in the model), in a unique index; no constraint is made of an expression.'
    )


def _empty(model: Model, table: Table, name: str, lookup: tuple[Match, ...]) -> Column | None:
    """A column that may be NULL, and that is looked up by what may be None: `None`, a parameter with that default, `data.get("day")`."""
    column = table.column(name)
    if column is None or not column.nullable:
        return None
    return column if any(_is_perhaps_none(model, m) for m in lookup if table.column(m.column) is column) else None


def _is_perhaps_none(model: Model, match: Match) -> bool:
    value = _made_of(match)
    if not isinstance(value, f.CallRef):
        return may_be_null(model, match)
    call = match.scope.scope.calls[value.index]
    otherwise = call.args[1] if len(call.args) > 1 else f.Const(kind="none", value=None)
    asks = isinstance(call.func, f.Attr) and call.func.name == "get" and len(call.args) in (1, 2)
    return asks and isinstance(otherwise, f.Const) and otherwise.kind == "none"


def _made_of(match: Match) -> f.Expr | None:
    """What a column is compared with; of a variable, the only thing that it was set to (`country = data.get("country")`)."""
    value = match.value
    if isinstance(value, f.Name) and match.order is not None and not is_asked(value, match.scope, match.order):
        bound = match.scope.bindings.get(value.id, [])
        set_to = (
            [a.value for a in flow.reaching(match.scope.scope, bound, match.order)[0] if a.op == "="] if bound else []
        )
        return set_to[0] if len(set_to) == 1 == len(bound) else value
    return value


def key_and_insert(model: Model, check: Check, columns: tuple[str, ...], insert: str) -> str:
    """A unique key and the insert that relies on it; no conflict target names a partial one."""
    lookup = check.read.access.lookup
    key = unique_where_looked(model, check.table, columns, lookup)
    if not any(_literally(check.table, name, lookup, model) for name in columns):
        return f"{key}\n\n{insert}"
    again = "gives the answer that the look gives now" if refusal(check) is not None else "reads the row again"
    return f"{key}\n\nThen whoever comes second catches the `IntegrityError` and {again}."


def unique_without(model: Model, table: Table, key: UniqueKey, column: Column) -> str:
    """Beside a key that lets rows with a NULL by: one over its other columns for those rows."""
    rest = tuple(name for name in key.columns if name != column.name)
    if not rest:
        return f"Make `{column.attribute}` NOT NULL, or declare the key `NULLS NOT DISTINCT`."
    also = unique_key(model, table, rest, f"{column.name} IS NULL")
    return f"Keep the key ({sql(key.columns)}) and add one for the rows without a `{column.attribute}`. {also}"


def _for_some_rows(
    model: Model, table: Table, columns: tuple[str, ...], lookup: tuple[Match, ...]
) -> tuple[tuple[str, ...], str]:
    """(columns that tell rows apart, condition in SQL for the rows among which they do; "" for all)."""
    fixed = {name: text for name in columns if (text := _literally(table, name, lookup, model))}
    rest = tuple(name for name in columns if name not in fixed)
    absent = (_absence(table, match) for match in lookup if match.op == "null")
    conditions = dict.fromkeys(text for text in (*fixed.values(), *absent) if text)
    return (rest or columns, " AND ".join(conditions))  # of rows that are all alike in them there is one


def _absence(table: Table, match: Match) -> str:
    column = table.column(match.column)
    if column is None or not isinstance(match.value, f.Const):
        return ""
    return f"{sql([column.name])} IS NOT NULL" if match.value.value is False else f"{sql([column.name])} IS NULL"


def _literally(table: Table, name: str, lookup: tuple[Match, ...], model: Model) -> str:
    """A condition in SQL for a column that is compared with a literal; "" for any other."""
    column = table.column(name)
    match = next((m for m in lookup if m.op == "eq" and table.column(m.column) is column), None)
    if match is None or match.value is None or column is None:
        return ""
    value = match.value.value if isinstance(match.value, f.Const) else model.literal(match.value, match.scope)
    value = _member(match.value, match.scope, model) if value is None else value
    name = sql([column.name])
    if isinstance(value, bool):
        return name if value else f"NOT {name}"
    return f"{name} = '{value}'" if isinstance(value, str) and "'" not in value else ""


def _member(expr: f.Expr, scope: Function, model: Model) -> str | None:
    """The text of `Kind.DRAFT`, `Kind.DRAFT.value`, where the member is a text or a text with its label."""
    if isinstance(expr, f.Attr) and expr.name == "value":
        expr = expr.value
    if not isinstance(expr, f.Attr):
        return None
    for value in model.values(expr.value, scope):
        for owner, assign in value.cls.attribute_assigns.get(expr.name, ()) if isinstance(value, ClassValue) else ():
            first = assign.value.items[0] if isinstance(assign.value, f.Seq) and assign.value.items else assign.value
            text = first.value if isinstance(first, f.Str) else model.literal(first, owner)
            return text if isinstance(text, str) else None
    return None
