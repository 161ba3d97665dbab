"""Who else writes a column while a value that was computed from it is on its way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.project.database.access import UPDATE
from roadworthy.project.schedules import comes_at_once

if TYPE_CHECKING:
    from roadworthy.project.database.mutations import Mutation
    from roadworthy.project.model import Model


def written_at_once(model: Model, mutation: Mutation) -> bool:
    """May the column be written at the same time: by another run of this function, or by a statement elsewhere whose entry comes at once?"""
    functions = {mutation.function}
    if mutation.table is not None:
        functions |= {
            access.function
            for access in model.accesses.all(UPDATE)
            if access.table is mutation.table
            and any(value.column in {mutation.attribute, _column(mutation)} for value in access.values)
        }
    return any(comes_at_once(model, model.exposure(function).entries) for function in functions)


def _column(mutation: Mutation) -> str:
    found = mutation.table.column(mutation.attribute) if mutation.table is not None else None
    return found.name if found is not None else mutation.attribute
