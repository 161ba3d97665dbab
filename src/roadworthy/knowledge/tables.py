"""All library files compiled into lookup tables, ready to be stored: dotted name -> numbers of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from roadworthy.knowledge.names import expand, parse_origin, singles
from roadworthy.knowledge.schema import CallRow, ExceptionRow, Library, TypeRow
from roadworthy.knowledge.toml_file import KnowledgeError
from roadworthy.knowledge.validate import identity_of, named_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from roadworthy.knowledge.validate import NamedRow

T = TypeVar("T", TypeRow, ExceptionRow)


_DEEPEST = 8
"""Aliases of aliases are followed this far: `path.parent.parent` and the like."""


class NameTable(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Dotted name -> group of rows; a row is named by the number of its library and its number in the library's table."""

    names: dict[str, int]
    groups: tuple[tuple[tuple[int, int], ...], ...]


class Tables(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False):
    """The compiled knowledge. Libraries, types and exceptions stay encoded until somebody asks for them."""

    libraries: tuple[msgspec.Raw, ...]
    call: NameTable
    guard: NameTable
    entry: NameTable
    spawner: NameTable
    schema: NameTable
    weak: NameTable
    types: dict[str, msgspec.Raw]
    exceptions: dict[str, msgspec.Raw]
    aliases: dict[str, str]
    ancestors: dict[str, tuple[str, ...]]  # of types and exceptions, nearest first, transitive
    from_call: dict[str, str]
    from_attribute: dict[str, str]
    from_with: dict[str, str]
    from_iter: dict[str, str]
    told_by: dict[str, tuple[str, ...]]  # method -> types that are known by it
    called: dict[str, tuple[str, ...]]  # usual name of a variable -> types
    prefixes: dict[str, bool]  # `a.b` when some name starts with `a.b.`
    modules: dict[str, int]
    by_name: dict[str, int]  # names of libraries and distributions


def compile_tables(built_in: Sequence[Library], extra: Sequence[tuple[Library, str]] = ()) -> Tables:
    """The tables of all libraries; a name that a project's own file describes takes its rows from there alone."""
    libraries = (*built_in, *(library for library, _ in extra))
    types = _by_name(row for library in libraries for row in library.type)
    exceptions = _by_name(row for library in libraries for row in library.exception)
    classes: list[TypeRow | ExceptionRow] = [*types.values(), *exceptions.values()]
    aliases = {
        alias: row.name for row in classes for alias in row.same_as if alias not in types and alias not in exceptions
    }
    _reject_doubles(extra)
    objects = _objects(types, aliases)
    aliases |= {name: type_name for name, type_name in objects.items() if name not in types and name not in exceptions}
    tables = {
        table: _name_table([named_rows(library)[table] for library in libraries], len(built_in), aliases)
        for table in ("call", "guard", "entry", "spawner", "schema", "weak")
    }
    origins = _origins(libraries, types, aliases)
    names = [name for table in tables.values() for name in table.names]
    names += [name for origin in (*origins.values(), objects) for name in origin]
    return Tables(
        libraries=tuple(_raw(library) for library in libraries),
        call=tables["call"],
        guard=tables["guard"],
        entry=tables["entry"],
        spawner=tables["spawner"],
        schema=tables["schema"],
        weak=tables["weak"],
        types={name: _raw(row) for name, row in types.items()},
        exceptions={name: _raw(row) for name, row in exceptions.items()},
        aliases=aliases,
        ancestors=_ancestors(classes, aliases),
        from_call=origins["call"],
        from_attribute=objects,
        from_with=origins["with"],
        from_iter=origins["iter"],
        told_by=_types_of((method, row.name) for row in types.values() for method in row.told_by),
        called=_types_of((usual, row.name) for row in types.values() for usual in row.called),
        prefixes=_prefixes(names),
        modules=_modules(libraries),
        by_name=_library_numbers(libraries),
    )


def _raw(value: Library | TypeRow | ExceptionRow) -> msgspec.Raw:
    return msgspec.Raw(msgspec.msgpack.encode(value))


def resolve_alias(name: str, aliases: dict[str, str]) -> str:
    """The name with its longest aliased prefix replaced, again and again, and `builtins.` removed."""
    name = name.removeprefix("builtins.")
    for _ in range(_DEEPEST):
        head, rest = name, ""
        while head and head not in aliases:
            head, dot, tail = head.rpartition(".")
            rest = f"{dot}{tail}{rest}"
        if not head:
            break
        name = aliases[head] + rest
    return name


def resolve_owner(name: str, aliases: dict[str, str]) -> str:
    """The name with the aliases of what it is an attribute of resolved, but not its own."""
    head, dot, attr = name.rpartition(".")
    return f"{resolve_alias(head, aliases)}.{attr}" if dot and head != "builtins" else attr


def _types_of(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for word, name in pairs:
        found.setdefault(word, []).append(name)
    return {word: tuple(names) for word, names in found.items()}


def _by_name(rows: Iterable[T]) -> dict[str, T]:
    return {single.name: single for row in rows for single in singles(row)}


def _name_table(groups: Sequence[Sequence[NamedRow]], built_in: int, aliases: dict[str, str]) -> NameTable:
    found: dict[str, list[tuple[int, int]]] = {}
    theirs: set[str] = set()
    for position, rows in enumerate(groups):
        for number, row in enumerate(rows):
            for name in _expanded(row, aliases):
                if position >= built_in and name not in theirs:
                    theirs.add(name)
                    found[name] = []
                found.setdefault(name, []).append((position, number))
    numbered: dict[tuple[tuple[int, int], ...], int] = {}
    names = {name: numbered.setdefault(tuple(dict.fromkeys(rows)), len(numbered)) for name, rows in found.items()}
    return NameTable(names, tuple(numbered))


def _expanded(row: NamedRow, aliases: dict[str, str]) -> Iterator[str]:
    for pattern in row.names:
        for name in expand(pattern):
            yield resolve_alias(name, aliases)


def _reject_doubles(extra: Sequence[tuple[Library, str]]) -> None:
    """A project's own files must not contradict each other."""
    seen: dict[tuple[str, str, str], str] = {}
    for library, label in extra:
        for table, rows in named_rows(library).items():
            for row in rows:
                for name in (name for pattern in row.names for name in expand(pattern)):
                    other = seen.setdefault((table, name, identity_of(row)), label)
                    if other != label:
                        raise KnowledgeError(label, 0, f"{table}.names", f"{name!r} stands in {other} already")


def _objects(types: dict[str, TypeRow], aliases: dict[str, str]) -> dict[str, str]:
    """Module-level objects and attributes -> type; they act as aliases of their type."""
    found: dict[str, str] = {}
    for row in types.values():
        for text in (text for pattern in row.origins for text in expand(pattern)):
            parsed = parse_origin(text)
            if parsed is not None and parsed[0] == "attribute":
                found.setdefault(resolve_owner(parsed[1], aliases), row.name)
    return found


def _origins(
    libraries: Sequence[Library], types: dict[str, TypeRow], aliases: dict[str, str]
) -> dict[str, dict[str, str]]:
    """How values come to be: for each way, dotted name (and literal) -> type."""
    found: dict[str, dict[str, str]] = {"call": {}, "with": {}, "iter": {}}
    for row in types.values():
        for text in (text for pattern in row.origins for text in expand(pattern)):
            parsed = parse_origin(text)
            if parsed is not None and parsed[0] != "attribute":
                how, name, literal = parsed
                key = resolve_owner(name, aliases) if how == "iter" else resolve_alias(name, aliases)
                found[how].setdefault(key + (f"({literal})" if literal else ""), row.name)
    for call in (call for library in libraries for call in library.call):
        _add_results(call, found, aliases)
    return found


def _add_results(row: CallRow, found: dict[str, dict[str, str]], aliases: dict[str, str]) -> None:
    if row.returns is None and row.yields is None:
        return
    for name in _expanded(row, aliases):
        for result, tables in ((row.returns, ("call",)), (row.yields, ("with", "iter"))):
            if result is not None:
                real = name.rpartition(".")[0] if result == "self" else resolve_alias(result, aliases)
                for table in tables:
                    found[table].setdefault(name, real)


def _ancestors(classes: Sequence[TypeRow | ExceptionRow], aliases: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """All bases of each class, nearest first; a cycle simply ends."""
    direct = {row.name: tuple(resolve_alias(base, aliases) for base in row.bases) for row in classes}
    found: dict[str, tuple[str, ...]] = {}
    for name, bases in direct.items():
        order: dict[str, None] = {}
        level = bases
        while level:
            fresh = [base for base in dict.fromkeys(level) if base not in order and base != name]
            order.update(dict.fromkeys(fresh))
            level = tuple(base for near in fresh for base in direct.get(near, ()))
        if order:
            found[name] = tuple(order)
    return found


def _prefixes(names: Iterable[str]) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for name in names:
        head = name.rpartition(".")[0]
        while head and head not in found:
            found[head] = True
            head = head.rpartition(".")[0]
    return found


def _modules(libraries: Sequence[Library]) -> dict[str, int]:
    """Module -> library; one that only lists modules without effects gives way to one that says more."""
    found: dict[str, int] = {}
    for number, library in sorted(enumerate(libraries), key=lambda pair: "pure" in pair[1].role):
        for module in library.modules:
            found.setdefault(module, number)
    return found


def _library_numbers(libraries: Sequence[Library]) -> dict[str, int]:
    found = {library.library: number for number, library in enumerate(libraries)}
    for number, library in enumerate(libraries):
        for name in (*library.distributions, *library.modules):
            found.setdefault(name, number)
    return found
