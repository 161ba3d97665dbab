"""What the rest of the program asks of the library files: a dotted name in, rows out, each in constant time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from roadworthy.knowledge.names import starred
from roadworthy.knowledge.tables import resolve_alias

if TYPE_CHECKING:
    from roadworthy.knowledge.schema import (
        CallRow,
        EntryRow,
        ExceptionRow,
        GuardRow,
        Library,
        SchemaRow,
        SpawnerRow,
        TypeRow,
    )
    from roadworthy.knowledge.tables import Numbers, Tables

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Knowledge:
    """All library files, indexed. Names may be given by any path that the files know."""

    tables: Tables
    _calls: tuple[CallRow, ...]
    _guards: tuple[GuardRow, ...]
    _entries: tuple[EntryRow, ...]
    _spawners: tuple[SpawnerRow, ...]
    _schema: tuple[SchemaRow, ...]

    @staticmethod
    def of(tables: Tables) -> Knowledge:
        """The index over compiled tables."""
        libraries = tables.libraries
        return Knowledge(
            tables,
            tuple(chain.from_iterable(library.call for library in libraries)),
            tuple(chain.from_iterable(library.guard for library in libraries)),
            tuple(chain.from_iterable(library.entry for library in libraries)),
            tuple(chain.from_iterable(library.spawner for library in libraries)),
            tuple(chain.from_iterable(library.schema for library in libraries)),
        )

    @property
    def libraries(self) -> tuple[Library, ...]:
        """All libraries, built-in ones first, in the order of their files."""
        return self.tables.libraries

    # --- rows by name ---

    def calls(self, name: str) -> tuple[CallRow, ...]:
        """What a call of this name does; all versions and all `when`."""
        return self._rows(self.tables.calls, self._calls, name)

    def guards(self, name: str) -> tuple[GuardRow, ...]:
        """The protections that this name offers."""
        return self._rows(self.tables.guards, self._guards, name)

    def entries(self, name: str) -> tuple[EntryRow, ...]:
        """How this decorator, base class or registering call makes entry points."""
        return self._rows(self.tables.entries, self._entries, name)

    def spawners(self, name: str) -> tuple[SpawnerRow, ...]:
        """How this call makes another function run."""
        return self._rows(self.tables.spawners, self._spawners, name)

    def schema_rows(self, name: str) -> tuple[SchemaRow, ...]:
        """Which part of a database schema this construct declares."""
        return self._rows(self.tables.schema, self._schema, name)

    def _rows(self, numbers: Numbers, rows: tuple[R, ...], name: str) -> tuple[R, ...]:
        found = numbers.get(name)
        if found is None:
            real = resolve_alias(name, self.tables.aliases)
            found = numbers.get(real) or numbers.get(starred(real))
            if found is None:
                return ()
        return tuple([rows[number] for number in found])

    # --- classes ---

    def canonical(self, name: str) -> str:
        """The one path by which the files know a thing: aliases of classes resolved, also in `alias.method`."""
        return resolve_alias(name, self.tables.aliases)

    def type(self, name: str) -> TypeRow | None:
        """The row of a class."""
        return self.tables.types.get(self.canonical(name))

    def type_bases(self, name: str) -> tuple[str, ...]:
        """All library bases of a class, nearest first, transitively."""
        return self.tables.ancestors.get(self.canonical(name), ())

    def type_from_call(self, name: str, literal: str | None = None) -> str | None:
        """The type of the (awaited) result of calling `name`; `literal`: the text of a string passed as first argument."""
        tables = self.tables
        real = self.canonical(name)
        if literal is not None:
            found = tables.from_call.get(f"{real}('{literal}')")
            if found is not None:
                return found
        found = tables.from_call.get(real)
        if found is None and real in tables.types:
            return real
        return found or tables.from_call.get(starred(real))

    def type_from_attribute(self, name: str) -> str | None:
        """The type of a library's module-level object or of an attribute `Class.attr`."""
        return self._origin(self.tables.from_attribute, name)

    def type_from_with(self, name: str) -> str | None:
        """The type that `with name() as v` binds (for an instance, `name` is its class): the value's own unless a file says otherwise."""
        found = self._origin(self.tables.from_with, name)
        if found is None:
            entered = self.type_from_call(name)
            found = None if entered is None else self._origin(self.tables.from_with, entered) or entered
        return found

    def type_from_iter(self, name: str) -> str | None:
        """The type of the items of `for v in name()`, or of `for v in x` where `x` is of type or attribute `name`."""
        return self._origin(self.tables.from_iter, name)

    def _origin(self, table: dict[str, str], name: str) -> str | None:
        real = self.canonical(name)
        return table.get(real) or table.get(starred(real))

    def member(self, type_name: str, attr: str) -> str:
        """The dotted name of `attr` in the class or nearest library base that knows it; else in the class itself.

        `attr` may be a chain (`chat.completions`); a part of a longer known name counts as known.
        """
        own = self.canonical(type_name)
        for cls in (own, *self.tables.ancestors.get(own, ())):
            name = f"{cls}.{attr}"
            if self.knows(name) or self.knows(starred(name)):
                return name
        return f"{own}.{attr}"

    def knows(self, name: str) -> bool:
        """Does any row or prefix of a longer name speak of this name?"""
        tables = self.tables
        return (
            name in tables.calls
            or name in tables.from_attribute
            or name in tables.from_call
            or name in tables.prefixes
            or name in tables.guards
            or name in tables.spawners
            or name in tables.entries
            or name in tables.schema
            or name in tables.from_with
            or name in tables.from_iter
        )

    # --- exceptions ---

    def exception(self, name: str) -> ExceptionRow | None:
        """The row of an exception."""
        return self.tables.exceptions.get(self.canonical(name))

    def exception_bases(self, name: str) -> tuple[str, ...]:
        """All bases of an exception down to `BaseException`, nearest first, itself not included."""
        return self.type_bases(name)

    def is_subclass(self, name: str, base: str) -> bool | None:
        """Does `except base` catch `name`? None when the files do not know all bases of `name`."""
        own, wanted = self.canonical(name), self.canonical(base)
        if own == wanted:
            return True
        bases = self.tables.ancestors.get(own, ())
        if wanted in bases:
            return True
        exceptions = self.tables.exceptions
        return False if own in exceptions and all(known in exceptions for known in bases) else None

    # --- libraries ---

    def library_of(self, name: str) -> Library | None:
        """The library that a dotted name belongs to, by the longest module prefix."""
        head = self.canonical(name)
        while head:
            number = self.tables.modules.get(head)
            if number is not None:
                return self.tables.libraries[number]
            head = head.rpartition(".")[0]
        return None

    def library(self, name: str) -> Library | None:
        """The library of this name, distribution or module."""
        number = self.tables.by_name.get(name)
        if number is None:
            number = self.tables.by_name.get(name.lower().replace("_", "-"))
        return None if number is None else self.tables.libraries[number]
