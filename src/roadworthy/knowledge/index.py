"""What the rest of the program asks of the library files: a dotted name in, rows out, each in constant time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import msgspec

from roadworthy.knowledge.names import starred
from roadworthy.knowledge.schema import ExceptionRow, Library, TypeRow
from roadworthy.knowledge.tables import resolve_alias, resolve_owner

if TYPE_CHECKING:
    from roadworthy.knowledge.schema import CallRow, EntryRow, GuardRow, SchemaRow, SpawnerRow, WeakRow
    from roadworthy.knowledge.tables import NameTable, Tables

R = TypeVar("R")


@dataclass(frozen=True, slots=True, eq=False)
class Knowledge:
    """All library files, indexed. Names may be given by any path that the files know.

    A library's rows are decoded when somebody first asks for one of them: a program uses few of the libraries that we know.
    """

    tables: Tables
    _decoded: dict[int, Library] = field(default_factory=dict, repr=False)
    _found: dict[tuple[int, str], tuple[tuple[Library, int], ...]] = field(default_factory=dict, repr=False)
    _spawners: dict[str, tuple[SpawnerRow, ...]] = field(default_factory=dict, repr=False)
    _calls: dict[str, tuple[CallRow, ...]] = field(default_factory=dict, repr=False)
    _canonical: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def libraries(self) -> tuple[Library, ...]:
        """All libraries, built-in ones first, in the order of their files."""
        return tuple(self._library(number) for number in range(len(self.tables.libraries)))

    def _library(self, number: int) -> Library:
        library = self._decoded.get(number)
        if library is None:
            library = msgspec.msgpack.decode(self.tables.libraries[number], type=Library)
            self._decoded[number] = library
        return library

    # --- rows by name ---

    def calls(self, name: str) -> tuple[CallRow, ...]:
        """What a call of this name does; all versions and all `when`."""
        known = self._calls.get(name)
        if known is None:
            rows = self._rows(self.tables.call, name)
            known = self._calls[name] = tuple([library.call[number] for library, number in rows])
        return known

    def guards(self, name: str) -> tuple[GuardRow, ...]:
        """The protections that this name offers."""
        return tuple([library.guard[number] for library, number in self._rows(self.tables.guard, name)])

    def entries(self, name: str) -> tuple[EntryRow, ...]:
        """How this decorator, base class or registering call makes entry points."""
        return tuple([library.entry[number] for library, number in self._rows(self.tables.entry, name)])

    def spawners(self, name: str) -> tuple[SpawnerRow, ...]:
        """How this call makes another function run."""
        known = self._spawners.get(name)
        if known is None:
            rows = self._rows(self.tables.spawner, name)
            known = self._spawners[name] = tuple([library.spawner[number] for library, number in rows])
        return known

    def schema_rows(self, name: str) -> tuple[SchemaRow, ...]:
        """Which part of a database schema this construct declares."""
        return tuple([library.schema[number] for library, number in self._rows(self.tables.schema, name)])

    def weak_settings(self, name: str) -> tuple[WeakRow, ...]:
        """Settings of this constructor or call that tell success before the data is safe."""
        return tuple([library.weak[number] for library, number in self._rows(self.tables.weak, name)])

    def _rows(self, table: NameTable, name: str) -> tuple[tuple[Library, int], ...]:
        key = (id(table), name)
        known = self._found.get(key)
        if known is None:
            group = table.names.get(name)
            if group is None:
                group = self._find(table.names, self.canonical(name))
            rows = () if group is None else table.groups[group]
            known = self._found[key] = tuple((self._library(library), number) for library, number in rows)
        return known

    def _find(self, table: dict[str, R], real: str) -> R | None:
        """The entry of a canonical name: its own, that of a star, or what it inherits from a base of its class."""
        owner, _, attr = real.rpartition(".")
        for cls in (owner, *self.tables.ancestors.get(owner, ())):
            found = table.get(f"{cls}.{attr}" if cls else attr)
            if found is None and cls:
                found = table.get(f"{cls}.*")
            if found is not None:
                return found
        return None

    # --- classes ---

    def canonical(self, name: str) -> str:
        """The one path by which the files know a thing: aliases of classes resolved, also in `alias.method`."""
        known = self._canonical.get(name)
        if known is None:
            known = self._canonical[name] = resolve_alias(name, self.tables.aliases)
        return known

    def type(self, name: str) -> TypeRow | None:
        """The row of a class."""
        raw = self.tables.types.get(self.canonical(name))
        return None if raw is None else msgspec.msgpack.decode(raw, type=TypeRow)

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
        return found or self._find(tables.from_call, real)

    def type_from_attribute(self, name: str) -> str | None:
        """The type of a library's module-level object or of an attribute `Class.attr`."""
        return self._find(self.tables.from_attribute, resolve_owner(name, self.tables.aliases))

    def type_from_with(self, name: str) -> str | None:
        """The type that `with name() as v` binds (for an instance, `name` is its class): the value's own unless a file says otherwise."""
        found = self._find(self.tables.from_with, self.canonical(name))
        if found is None:
            entered = self.type_from_call(name)
            found = None if entered is None else self._find(self.tables.from_with, entered) or entered
        return found

    def type_from_iter(self, name: str) -> str | None:
        """The type of the items of `for v in name()`, or of `for v in x` where `x` is of type or attribute `name`."""
        tables = self.tables
        found = self._find(tables.from_iter, resolve_owner(name, tables.aliases))
        return found or self._find(tables.from_iter, self.canonical(name))

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
            name in tables.call.names
            or name in tables.from_attribute
            or name in tables.from_call
            or name in tables.prefixes
            or name in tables.guard.names
            or name in tables.spawner.names
            or name in tables.entry.names
            or name in tables.schema.names
            or name in tables.weak.names
            or name in tables.from_with
            or name in tables.from_iter
        )

    # --- exceptions ---

    def exception(self, name: str) -> ExceptionRow | None:
        """The row of an exception."""
        raw = self.tables.exceptions.get(self.canonical(name))
        return None if raw is None else msgspec.msgpack.decode(raw, type=ExceptionRow)

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
                return self._library(number)
            head = head.rpartition(".")[0]
        return None

    def library(self, name: str) -> Library | None:
        """The library of this name, distribution or module."""
        number = self.tables.by_name.get(name)
        if number is None:
            number = self.tables.by_name.get(name.lower().replace("_", "-"))
        return None if number is None else self._library(number)
