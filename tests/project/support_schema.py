"""Schemas of made-up sources, as plain values that tests compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.engine import model_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from roadworthy.project.database.tables import Schema, Table


def schema_of(files: Mapping[str, str]) -> Schema:
    """The schema of some sources."""
    return model_of(files).schema


def keys_of(table: Table) -> set[tuple[str, ...]]:
    """Unique keys as sorted tuples of columns; partial ones end in "partial", dropped ones do not count."""
    return {(*sorted(key.columns), *(("partial",) if key.partial else ())) for key in table.keys if key.in_force}


def all_keys(files: Mapping[str, str]) -> dict[str, set[tuple[str, ...]]]:
    """Table name -> its unique keys."""
    return {table.name: keys_of(table) for table in schema_of(files).tables}
