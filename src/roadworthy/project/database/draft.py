"""Tables while they are being put together: mutable, with names as they were written, made into values at the end."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from roadworthy.project.database.tables import Column, Place, Table, UniqueKey, plain_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from roadworthy.project.symbols import ClassInfo


_CASE = re.compile(r"\bcase\b|\bnullif\b", re.IGNORECASE)


@dataclass
class KeyDraft:
    """A unique key as declared: names may be attributes or columns; parts of functional keys hold several words."""

    names: tuple[str, ...]
    place: Place
    kind: str = "unique"
    name: str = ""
    condition: str = ""
    condition_names: tuple[str, ...] = ()
    expressions: tuple[str, ...] = ()
    expression_names: tuple[str, ...] = ()  # words inside the expressions, of which some are columns
    nulls_distinct: bool = True
    readable: bool = True  # False: the columns could not be read


@dataclass
class TableDraft:
    """A table under construction."""

    name: str
    place: Place
    model: ClassInfo | None = None
    columns: dict[str, Column] = field(default_factory=dict)  # by attribute
    keys: list[KeyDraft] = field(default_factory=list)
    dropped: list[tuple[KeyDraft, Place]] = field(default_factory=list)
    complete: bool = True
    versioned: bool = False
    managed: bool = True

    def add_column(self, column: Column) -> None:
        """Add a column, or put it in the place of the one of the same attribute."""
        self.columns[column.attribute] = column

    def drop_column(self, attribute: str, place: Place) -> None:
        """Remove a column and every key that needs it."""
        column = self.find(attribute)
        names = {attribute} | ({column.name, column.attribute} if column else set())
        if column is not None:
            self.columns.pop(column.attribute, None)
        for key in [key for key in self.keys if names & set(key.names)]:
            self.drop_key(key, place)

    def rename_column(self, old: str, new: str) -> None:
        """Rename a column in the table and in its keys."""
        column = self.find(old)
        if column is None:
            return
        names = {old, column.attribute, column.name}
        renamed = replace(column, attribute=new, name=_renamed(column, new))
        self.columns = {
            (new if attribute == column.attribute else attribute): (renamed if attribute == column.attribute else other)
            for attribute, other in self.columns.items()
        }
        for key in self.keys:
            key.names = tuple(new if name in names else name for name in key.names)

    def find(self, name: str) -> Column | None:
        """A column by attribute or name."""
        found = self.columns.get(name)
        if found is None:
            found = next((c for c in self.columns.values() if c.name == name), None)
        return found or self.columns.get(name.removesuffix("_id"))

    def add_key(self, key: KeyDraft) -> None:
        """Add a key; one of the same name takes the other's place."""
        if key.name:
            self.keys = [other for other in self.keys if other.name != key.name]
        self.keys.append(key)

    def drop_key(self, key: KeyDraft, place: Place) -> None:
        """Remove a key and remember where that was done."""
        self.keys = [other for other in self.keys if other is not key]
        self.dropped.append((key, place))

    def drop_named(self, name: str, place: Place) -> bool:
        """Remove the key of this name; False when there is none."""
        wanted = plain_name(name)
        for key in list(self.keys):
            if wanted in self._names_of(key):
                self.drop_key(key, place)
                return True
        return False

    def _names_of(self, key: KeyDraft) -> set[str]:
        """The name of a key, and those that databases and tools give to one without a name."""
        if key.name:
            return {plain_name(key.name)}
        table = plain_name(self.name).rpartition(".")[2]
        columns = [column.name if (column := self.find(name)) else name for name in key.names]
        joined = "_".join(columns)
        if key.kind == "primary":
            return {f"{table}_pkey", f"pk_{table}"}
        return {
            f"{table}_{joined}_key",
            f"uq_{table}_{joined}",
            f"ix_{table}_{joined}",
            f"uix_{table}_{joined}",
            joined,
        }

    def all_keys(self) -> list[KeyDraft]:
        """Keys over several columns, and those that columns are by themselves."""
        single = [
            KeyDraft((column.attribute,), column.place, "primary" if column.primary else "unique")
            for column in self.columns.values()
            if column.unique or column.primary
        ]
        primary = [key for key in single if key.kind == "primary"]
        if len(primary) > 1:  # several columns marked so are one composite key
            together = KeyDraft(tuple(name for key in primary for name in key.names), self.place, "primary")
            unique = [KeyDraft(k.names, k.place) for k in primary if self.columns[k.names[0]].unique]
            single = [together, *unique, *(key for key in single if key.kind != "primary")]
        return single + self.keys

    def resolved(self, key: KeyDraft, columns: dict[str, Column], sources: tuple[str, ...]) -> UniqueKey | None:
        """The key in names of columns; None when what it is over is not known."""
        names = [_column_name(name, columns) for name in key.names]
        inside = [found for word in key.expression_names if (found := _known(word, columns)) is not None]
        if not key.readable or not (names or inside):
            return None
        text, words = key.condition, key.condition_names
        if not text and any(_CASE.search(expression) for expression in key.expressions):
            text, words = (
                "; ".join(key.expressions),
                key.expression_names,
            )  # a CASE without a value: NULL, which never clashes
        condition = tuple(dict.fromkeys(found for word in words if (found := _known(word, columns)) is not None))
        return UniqueKey(
            tuple(dict.fromkeys([*names, *inside])), key.place, key.kind, key.name, text, condition, key.expressions,
            key.nulls_distinct, None, sources,
        )  # fmt: skip


def _renamed(column: Column, new: str) -> str:
    """Where the column's name follows the attribute's, it goes with it."""
    if column.name == f"{column.attribute}_id":
        return f"{new}_id"
    return new if column.name == column.attribute else column.name


def _known(word: str, columns: dict[str, Column]) -> str | None:
    found = columns.get(word) or columns.get(word.lower())
    return found.name if found is not None else None


def _column_name(name: str, columns: dict[str, Column]) -> str:
    return _known(name, columns) or _known(f"{name}_id", columns) or name


def columns_by_any_name(columns: Iterable[Column]) -> dict[str, Column]:
    """Attribute, name, and for relations both with and without `_id`; attributes win."""
    listed = list(columns)
    found: dict[str, Column] = {}
    for column in listed:
        found.setdefault(column.attribute, column)
    for column in listed:
        found.setdefault(column.name, column)
        found.setdefault(column.name.lower(), column)
    for column in listed:
        if column.target:
            found.setdefault(column.name.removesuffix("_id"), column)
            found.setdefault(f"{column.attribute}_id", column)
    return found


def finished(model: TableDraft | None, chain: TableDraft | None, order: tuple[str, ...]) -> Table:
    """One table of what its model and its migrations (or SQL files) say.

    Keys of both count: what only the model declares is believed unless the migrations are seen to have dropped it.
    `order` names the sources of the chain ("migration", "sql").
    """
    first = model or chain
    assert first is not None
    columns = dict(model.columns) if model else {}
    if chain is not None:
        _merge_columns(columns, chain)
    named = columns_by_any_name(columns.values())
    keys: dict[tuple[tuple[str, ...], str], UniqueKey] = {}
    for draft, sources in ((chain, order), (model, ("model",))):
        for key in draft.all_keys() if draft is not None else ():
            found = draft.resolved(key, named, sources) if draft is not None else None
            if found is None:
                continue
            same = (tuple(sorted(found.columns)), "partial" if found.partial else "")
            known = keys.get(same)
            keys[same] = (
                found if known is None else replace(known, sources=tuple(dict.fromkeys((*known.sources, *sources))))
            )
    if chain is not None and model is not None:
        _mark_dropped(keys, chain, named)
    return Table(
        (chain or first).name if model is None else model.name, model.model if model else None, tuple(columns.values()),
        tuple(keys.values()), first.place, (("model",) if model else ()) + (order if chain else ()),
        all(draft.complete for draft in (model, chain) if draft), first.versioned, first.managed,
    )  # fmt: skip


def _merge_columns(columns: dict[str, Column], chain: TableDraft) -> None:
    """The model's columns, and those that only the chain knows."""
    named = columns_by_any_name(columns.values())
    for column in chain.columns.values():
        if column.name not in named and column.attribute not in named:
            columns[column.attribute] = column


def _mark_dropped(
    keys: dict[tuple[tuple[str, ...], str], UniqueKey], chain: TableDraft, named: dict[str, Column]
) -> None:
    """The model still declares a key that a migration dropped and none made again."""
    for draft, place in chain.dropped:
        gone = chain.resolved(draft, named, ())
        if gone is None:
            continue
        for same, key in keys.items():
            if key.sources == ("model",) and set(key.columns) == set(gone.columns) and key.partial == gone.partial:
                keys[same] = replace(key, dropped=place)
