"""What becomes of work that is stored and done again because its client was told of an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import Effect

if TYPE_CHECKING:
    from roadworthy.project.asides import Aside
    from roadworthy.project.database.tables import Table
    from roadworthy.project.model import Model


def is_refused_again(aside: Aside, model: Model) -> bool:
    """Does the table hold one row for each row of another, as `OneToOneField(User)` says, so that it refuses a second try?"""
    if aside.wrote is None or aside.wrote.effect not in {Effect.SQL_INSERT, Effect.SQL_UPSERT}:
        return False
    table = model.schema.table_of(aside.wrote.model)
    return table is not None and any(
        key.kind == "unique"
        and key.in_force
        and not key.partial
        and len(key.columns) == 1
        and _is_relation(table, key.columns[0])
        for key in table.keys
    )


def _is_relation(table: Table, name: str) -> bool:
    column = table.column(name)
    return column is not None and bool(column.target)
