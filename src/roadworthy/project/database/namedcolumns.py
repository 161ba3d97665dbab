"""Conditions and filled columns under the names that the database uses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from roadworthy.project.database.conditions import Match

if TYPE_CHECKING:
    from roadworthy.project.database.tables import Schema, Table
    from roadworthy.project.symbols import ClassInfo


def columns_named(matches: tuple[Match, ...], table: Table | None, schema: Schema) -> tuple[Match, ...]:
    """The matches with columns under the names that the database uses."""
    if table is None:
        return matches
    found: list[Match] = []
    for match in matches:
        if match.column == "pk" and len(table.primary) > 1:
            found.extend(Match(name, None, match.scope, match.op, match.order) for name in table.primary)
            continue
        if match.owner is not None and table.model is not None and _is_other(match.owner, table.model):
            found.append(_through_key(match, match.owner, table, schema))
            continue
        column = table.column(match.column)
        found.append(match if column is None else replace(match, column=column.name, owner=None))
    return tuple(found)


def _is_other(owner: ClassInfo, model: ClassInfo) -> bool:
    return owner is not model and owner not in model.mro and model not in owner.mro


def _through_key(match: Match, owner: ClassInfo, table: Table, schema: Schema) -> Match:
    """A condition on a joined table names the row that the one foreign key to it points at; else it is no column of this table."""
    joined = schema.table_of(owner)
    names = {owner.name, joined.name if joined is not None else owner.name}
    keys = [column for column in table.columns if names & set(column.target.split("."))]
    if match.op in {"eq", "join"} and len(keys) == 1:
        return Match(keys[0].name, match.value, match.scope, "join", match.order)
    return Match(f"{owner.name}.{match.column}", match.value, match.scope, "other", match.order)
