"""Tables, columns and unique keys as values, and the questions about them. Knows no syntax and no library."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from roadworthy.facts.schema import Expr
    from roadworthy.project.symbols import ClassInfo, Function

MODEL, MIGRATION, SQL = "model", "migration", "sql"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is declared, and in which kind of source: "model", "migration" or "sql"."""

    path: str
    line: int
    end_line: int
    source: str


_DOCUMENTS = frozenset({"json", "jsonb", "hstore", "largebinary", "binary", "pickle"})


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str  # in the database
    attribute: str  # in the model class; the same as `name` where no model is known
    place: Place
    type: str = ""  # last part of the field's or type's name as written; "" unknown
    nullable: bool | None = None  # None: unknown
    unique: bool = False  # by itself
    primary: bool = False
    target: str = ""  # foreign key: the target as declared, `app.Model`, `Model` or `table.column`
    target_model: ClassInfo | None = None
    default: Expr | None = None
    default_scope: Function | None = None  # the scope in which `default` stands
    generated: bool = False  # filled by the database or the mapper: surrogate keys, creation and change times

    @property
    def is_document(self) -> bool:
        """Holds a document or bytes, by which no database keeps rows apart."""
        return self.type.lower().removesuffix("field").removesuffix("type") in _DOCUMENTS


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """Columns of which no two rows have the same values."""

    columns: tuple[str, ...]
    place: Place
    kind: str = "unique"  # "primary" "unique"
    name: str = ""
    condition: str = ""  # partial: holds only for rows of which this is true
    condition_columns: tuple[str, ...] = ()
    expressions: tuple[str, ...] = ()  # functional parts as written: `lower(email)`; their columns are among `columns`
    nulls_distinct: bool = True  # False: two NULLs count as equal
    dropped: Place | None = None  # the model declares it, but a migration took it from the database
    sources: tuple[str, ...] = ()  # every kind of source that declares it

    @property
    def partial(self) -> bool:
        """Does it hold for some rows only?"""
        return bool(self.condition)

    @property
    def in_force(self) -> bool:
        """Does the database enforce it, as far as is known?"""
        return self.dropped is None


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One table: what its model says and what its migrations made."""

    name: str
    model: ClassInfo | None
    columns: tuple[Column, ...]
    keys: tuple[UniqueKey, ...]
    place: Place
    sources: tuple[str, ...]  # kinds of sources that speak of it
    complete: bool = True  # False: some part could not be read, so that a key may exist that is not known
    versioned: bool = False  # writes check a version column
    managed: bool = True  # False: made and changed outside of this code base
    _by_name: dict[str, Column] = field(default_factory=dict, repr=False)

    def column(self, name: str) -> Column | None:
        """A column by its name, its attribute, `pk`, or a relation's attribute (`customer` for `customer_id`)."""
        if not self._by_name:
            self._index()
        found = self._by_name.get(name) or self._by_name.get(name.lower())
        if found is None and name == "pk":
            found = next((column for column in self.columns if column.primary), None)
        return found or self._by_name.get(f"{name}_id")

    def _index(self) -> None:
        for column in self.columns:
            self._by_name.setdefault(column.attribute, column)
        for column in self.columns:
            self._by_name.setdefault(column.name, column)
            self._by_name.setdefault(column.name.lower(), column)
        for column in self.columns:
            if column.target and column.attribute != column.name:
                self._by_name.setdefault(f"{column.attribute}_id", column)

    def names(self, columns: Iterable[str]) -> frozenset[str]:
        """Columns under any of their names, by the name that the database uses; what is not known stays as it is."""
        found = (self.column(name) for name in columns)
        return frozenset(column.name if column else name for name, column in zip(columns, found, strict=True))

    @property
    def primary(self) -> tuple[str, ...]:
        """Names of the columns of the primary key."""
        key = next((key for key in self.keys if key.kind == "primary"), None)
        return key.columns if key else tuple(column.name for column in self.columns if column.primary)

    def unique_over(self, columns: Collection[str], *, partial: bool = True) -> UniqueKey | None:
        """A key that allows at most one row for given values of these columns: its columns are among them.

        Keys over the whole table come before partial ones, short ones first; `partial=False` leaves partial ones out.
        """
        wanted = self.names(columns)
        fitting = [key for key in self.keys if key.in_force and key.columns and wanted.issuperset(key.columns)]
        if not partial:
            fitting = [key for key in fitting if not key.partial]
        return min(fitting, key=lambda key: (key.partial, len(key.columns)), default=None)

    def dropped_over(self, columns: Collection[str]) -> UniqueKey | None:
        """A key over these columns that the model still declares although a migration dropped it."""
        wanted = self.names(columns)
        fitting = (key for key in self.keys if not key.in_force and key.columns and wanted.issuperset(key.columns))
        return next(fitting, None)

    def key_on(self, columns: Collection[str]) -> UniqueKey | None:
        """A key over exactly these columns, as a conflict target needs one."""
        wanted = self.names(columns)
        return next((key for key in self.keys if key.in_force and wanted == frozenset(key.columns)), None)


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """All tables that are declared anywhere in the code base."""

    tables: tuple[Table, ...] = ()
    by_name: Mapping[str, Table] = field(default_factory=dict)
    by_model: Mapping[ClassInfo, Table] = field(default_factory=dict)
    models: frozenset[ClassInfo] = frozenset()  # every class that maps to rows, abstract ones included

    def table(self, name: str) -> Table | None:
        """A table by its name, with or without a schema before it; case and quotes do not count."""
        plain = plain_name(name)
        return self.by_name.get(plain) or self.by_name.get(plain.rpartition(".")[2])

    def table_of(self, cls: ClassInfo | None) -> Table | None:
        """The table of a model class."""
        return self.by_model.get(cls) if cls is not None else None

    def table_like(self, cls: ClassInfo | None) -> Table | None:
        """The table of a model class; for an abstract one that of a class that inherits from it."""
        found = self.table_of(cls)
        if found is None and cls is not None:
            found = next((table for sub in cls.descendants if (table := self.by_model.get(sub)) is not None), None)
        return found

    def is_model(self, cls: ClassInfo | None) -> bool:
        """Do instances of this class stand for rows?"""
        return cls is not None and cls in self.models

    def unique_over(self, table: Table, columns: Collection[str]) -> UniqueKey | None:
        """See `Table.unique_over`."""
        return table.unique_over(columns)

    def covers(self, cls: ClassInfo | None, columns: Collection[str]) -> bool:
        """Is it known that at most one row of this model has given values of these columns?"""
        table = self.table_of(cls)
        return table is not None and table.unique_over(columns, partial=False) is not None


def plain_name(name: str) -> str:
    """A table or column name without quotes, in lower case."""
    return name.replace('"', "").replace("`", "").strip().lower()
