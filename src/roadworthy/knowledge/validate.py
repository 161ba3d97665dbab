"""What the schema's types cannot say: words of the vocabulary, names, versions, duplicates inside one file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.knowledge.names import T, expand, is_name, parse_origin, singles
from roadworthy.knowledge.schema import CallRow, EntryRow, GuardRow, SchemaRow, SpawnerRow, WeakRow
from roadworthy.knowledge.toml_file import KnowledgeError, line_of
from roadworthy.knowledge.vocabulary import Delivery, Effect, EntryKind, GuardKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from roadworthy.knowledge.schema import Library

NamedRow = CallRow | GuardRow | EntryRow | SpawnerRow | SchemaRow | WeakRow
"""The rows that are found by name; several may share one when `identity_of` tells them apart."""

ROLES = frozenset(
    [
        "stdlib",
        "web",
        "server",
        "http-client",
        "rpc",
        "orm",
        "sql-driver",
        "store",
        "search",
        "cache",
        "job-queue",
        "broker",
        "scheduler",
        "durable",
        "cloud",
        "object-store",
        "llm",
        "vector",
        "payment",
        "mail",
        "sms",
        "chat",
        "browser",
        "documents",
        "media",
        "saas",
        "observability",
        "logging",
        "retry",
        "breaker",
        "rate-limit",
        "concurrency",
        "compute",
        "files",
        "crypto",
        "cli",
        "config",
        "pure",
    ]
)
"""What a library can be to a service."""

_VERSIONS = re.compile(r"(?:(?:===|[=!]=|[<>~]=|[<>])\s*\d[\w.+!]*(?:\.\*)?\s*(?:,\s*|$))+")
"""PEP 440 as far as library files need it; `packaging` itself would cost more to import than loading everything."""

_EFFECTS = frozenset(effect.value for effect in Effect)
_GUARDS = frozenset(kind.value for kind in GuardKind)
_ENTRIES = frozenset(kind.value for kind in EntryKind)
_DELIVERIES = frozenset(delivery.value for delivery in Delivery)


RELATIVE_RESULTS = frozenset(
    {
        None,
        "self",
        "{model}",
        "{instance}",
        "{first}",
        "{named}",
        "{imported}",
        "{imported}()",
        "{imported}.get_backend()",
    }
)
"""Results that depend on the receiver or the arguments (`libraries/README.md`)."""


def named_rows(library: Library) -> dict[str, tuple[NamedRow, ...]]:
    """The rows of a library that carry names, by the key of their table."""
    return {
        "call": library.call,
        "guard": library.guard,
        "entry": library.entry,
        "spawner": library.spawner,
        "schema": library.schema,
        "weak": library.weak,
    }


def identity_of(row: NamedRow) -> str:
    """What tells two rows of the same name and table apart."""
    match row:
        case CallRow():
            return f"{row.version} {sorted(row.when.items())} {sorted(row.needs)}"
        case GuardRow():
            return f"{row.version} {row.kind} {sorted(row.only_if.items())}"
        case EntryRow():
            return f"{row.version} {row.kind} {row.form} {sorted(row.when.items())} {row.parameters}"
        case SpawnerRow():
            return f"{row.kind} {row.hook} {row.runs}"
        case SchemaRow():
            return row.construct
        case WeakRow():
            return f"{row.setting} {row.values} {row.text}"


def validate(library: Library, text: str, label: str) -> None:
    """Raise KnowledgeError for the first thing that is wrong."""
    for key, message in _complaints(library):
        raise KnowledgeError(label, line_of(text, key), key, message)


def _complaints(library: Library) -> Iterator[tuple[str, str]]:
    yield from _unknown("role", library.role, ROLES)
    for number, module in enumerate(library.modules):
        if not is_name(module) or "*" in module:
            yield f"modules[{number}]", f"{module!r} is no module"
    for table, rows in named_rows(library).items():
        seen: dict[tuple[str, str], int] = {}
        for number, row in enumerate(rows):
            key = f"{table}[{number}]"
            yield from _row_complaints(key, row)
            yield from _name_complaints(key, row, number, seen)
    yield from _type_complaints(library)
    yield from _class_complaints("exception", library.exception)


def _name_complaints(
    key: str, row: NamedRow, number: int, seen: dict[tuple[str, str], int]
) -> Iterator[tuple[str, str]]:
    if not row.names:
        yield f"{key}.names", "names nothing"
    for pattern in row.names:
        names, problem = _expanded(pattern)
        if problem:
            yield f"{key}.names", problem
        for name in names:
            other = seen.setdefault((name, identity_of(row)), number)
            if other != number:
                yield f"{key}.names", f"{name!r} stands in row {other} already"


def _expanded(pattern: str) -> tuple[tuple[str, ...], str]:
    try:
        names = expand(pattern)
    except ValueError as error:
        return (), str(error)
    wrong = next((name for name in names if not is_name(name)), None)
    return names, "" if wrong is None else f"{wrong!r} is no dotted name"


def _row_complaints(key: str, row: NamedRow) -> Iterator[tuple[str, str]]:
    match row:
        case CallRow():
            yield from _unknown(f"{key}.effects", row.effects, _EFFECTS)
            yield from _bad_version(key, row.version)
            yield from _bad_names(f"{key}.raises", row.raises)
            results = [name for name in (row.returns, row.yields) if name not in RELATIVE_RESULTS]
            yield from _bad_names(f"{key}.returns", (name for name in results if name))
        case GuardRow():
            yield from _unknown(f"{key}.kind", (row.kind,), _GUARDS)
            yield from _bad_version(key, row.version)
        case EntryRow():
            yield from _unknown(f"{key}.kind", (row.kind,), _ENTRIES)
            yield from _unknown(f"{key}.delivery", filter(None, (row.delivery,)), _DELIVERIES)
            yield from _unknown(f"{key}.delivery_if", row.delivery_if.values(), _DELIVERIES)
            yield from _bad_version(key, row.version)
        case WeakRow():
            if bool(row.values) is bool(row.text):
                yield f"{key}.values", "give either `values` or `text`"
            elif row.text and not _is_pattern(row.text):
                yield f"{key}.text", f"{row.text!r} is no regular expression"
        case SpawnerRow() | SchemaRow():
            return


def _is_pattern(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True


def _type_complaints(library: Library) -> Iterator[tuple[str, str]]:
    yield from _class_complaints("type", library.type)
    for number, row in enumerate(library.type):
        for pattern in row.origins:
            try:
                texts = expand(pattern)
            except ValueError as error:
                yield f"type[{number}].from", str(error)
                continue
            for text in texts:
                if parse_origin(text) is None:
                    yield (
                        f"type[{number}].from",
                        f"{text!r} is none of `x.y()`, `x.y('literal')`, `x.y`, `with x.y()`, `iter x.y()`",
                    )


def _class_complaints(table: str, rows: Sequence[T]) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for number, row in enumerate(rows):
        key = f"{table}[{number}]"
        try:
            alone = singles(row)
        except ValueError as error:
            yield f"{key}.name", str(error)
            continue
        for single in alone:
            yield from _bad_names(f"{key}.name", (single.name,))
            yield from _bad_names(f"{key}.bases", single.bases)
            yield from _bad_names(f"{key}.same_as", single.same_as)
            if single.name in seen:
                yield f"{key}.name", f"{single.name!r} is described twice"
            seen.add(single.name)


def _unknown(key: str, words: Iterable[str], known: frozenset[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        if word not in known:
            yield key, f"{word!r} is not in the vocabulary"


def _bad_names(key: str, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        if not is_name(name) or "*" in name:
            yield key, f"{name!r} is no dotted name"


def _bad_version(key: str, version: str) -> Iterator[tuple[str, str]]:
    if version and not _VERSIONS.fullmatch(version):
        yield f"{key}.version", f"{version!r} is no version specifier such as `>=8,<9`"
