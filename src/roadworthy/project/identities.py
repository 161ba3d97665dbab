"""What names the thing that a write writes: the ids, keys and names in its arguments, also those inside lists of records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.findings.finding import Confidence
from roadworthy.knowledge.schema import Argument
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.arguments import arguments
from roadworthy.project.documents import is_index_write
from roadworthy.project.keys import key_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, ClassInfo, Function

_ID_NAMES = frozenset({
    "id", "_id", "id_", "pk", "uuid", "uid", "doc_id", "document_id", "point_id", "node_id", "chunk_id", "objectID", "key", "ids",
})  # fmt: skip
_RECORDS = frozenset({
    "points", "vectors", "documents", "docs", "nodes", "records", "items", "Item", "actions", "body", "objects", "data", "entities",
})  # fmt: skip
_BY_RECORD = frozenset({Effect.VECTOR_UPSERT, Effect.VECTOR_INSERT, Effect.SQL_UPSERT})
_CACHE_KEY = Argument(argument="key", position=0)
_LOOKUPS = ("get_or_create", "update_or_create", "aget_or_create", "aupdate_or_create")
_RANGES = frozenset({"gt", "gte", "lt", "lte", "range", "date", "year", "month", "day", "ne", "in", "isnull"})
"""Lookups that many values meet."""
_DEPTH = 7


@dataclass(frozen=True, slots=True)
class Identity:
    """One expression that names what is written."""

    expr: f.Expr
    function: Function
    order: int
    name: str  # as the write calls it: `Key`, `id`, `ids`, `points[].id`


@dataclass(frozen=True, slots=True)
class Write:
    """A write of something that has an identity, or the making of a record for an index."""

    kind: str  # "upsert" (by id, into an index), "insert" (of vectors), "lookup" (get_or_create), "object", "row" (by its key)
    site: CallSite
    name: str  # the library name
    identities: tuple[Identity, ...]
    about: ClassInfo | None = None  # the project class of the row
    confidence: Confidence = Confidence.HIGH


def identified_writes(model: Model) -> Iterator[Write]:
    """Writes to indexes, object stores and by lookups; records of index libraries last, for clients that could not be followed."""
    for effect in model.effects_of(Effect.VECTOR_UPSERT, Effect.VECTOR_INSERT, Effect.SQL_UPSERT, Effect.OBJECT_WRITE):
        found = tuple(identities(model, effect))
        kind = _kind(model, effect)
        if found and kind:
            yield Write(kind, effect.site, effect.name, found, effect.model, effect.confidence)
    for function in model.functions:
        for site in function.calls:
            name = next((name for name in model.library_names(site) if _is_record(model, name)), "")
            found = tuple(_in_constructor(model, site, name.rpartition(".")[2], 0)) if name else ()
            if found:
                yield Write("upsert", site, name, found)


def _kind(model: Model, effect: EffectAt) -> str:
    if is_lookup(effect):
        return "lookup"
    if effect.effect is Effect.OBJECT_WRITE:
        return "object"
    if not is_index_write(model, effect):
        return "row" if effect.effect is Effect.SQL_UPSERT else ""
    return "insert" if effect.effect is Effect.VECTOR_INSERT else "upsert"


def _is_record(model: Model, name: str) -> bool:
    """A class of a vector store's library that stands for one record: `PointStruct`, `DataObject`, `TextNode`."""
    last = name.rpartition(".")[2]
    library = model.knowledge.library_of(name)
    return (
        last[:1].isupper()
        and last.endswith(("Struct", "Object", "Node", "Document", "Record", "Vector", "Point", "Batch"))
        and library is not None
        and bool({"vector", "search", "llm"} & set(library.role))
    )


def identities(model: Model, effect: EffectAt) -> list[Identity]:
    """Everything in the call that names what it writes, as far as it is written out."""
    site = effect.site
    found: list[Identity] = []
    for where in effect.row.identity:
        expr = key_value(model, site, where)
        if expr is None:
            continue
        name = where.contains or where.argument or "id"
        if name in _RECORDS:
            found.extend(_in_records(model, expr, site.function, site.fact.order, name, 0))
        else:
            found.append(Identity(expr, site.function, site.fact.order, name))
    if is_lookup(effect):
        found.extend(_lookup(site))
    elif effect.effect in {Effect.CACHE_READ, Effect.CACHE_WRITE} and not effect.row.identity:
        found.extend(Identity(e, site.function, site.fact.order, "key") for e in arguments(site.fact, _CACHE_KEY))
    elif effect.effect in _BY_RECORD and not found:
        for name, expr in _named_arguments(site):
            found.extend(_in_records(model, expr, site.function, site.fact.order, name, 0))
    return found


def is_lookup(effect: EffectAt) -> bool:
    """An upsert that looks for its row by the values it is given (`get_or_create`)."""
    return effect.name.rpartition(".")[2] in _LOOKUPS


def _lookup(site: CallSite) -> Iterator[Identity]:
    """The columns by which the row is looked for."""
    for keyword, expr in site.fact.kwargs:
        asks_range = keyword.rpartition("__")[2] in _RANGES  # `expires__gte=now()`: any row of that span
        if keyword not in {"defaults", "create_defaults", "using", "**"} and not asks_range:
            yield Identity(expr, site.function, site.fact.order, keyword.partition("__")[0])


def _named_arguments(site: CallSite) -> Iterator[tuple[str, f.Expr]]:
    for expr in site.fact.args:
        yield "records", expr
    for keyword, expr in site.fact.kwargs:
        if keyword in _RECORDS:
            yield keyword, expr


def _in_records(
    model: Model, expr: f.Expr, function: Function, order: int, name: str, depth: int
) -> Iterator[Identity]:
    """Ids of the records in a list: of displays, comprehensions, lists that are appended to, constructors and mappings."""
    if depth > _DEPTH:
        return
    match expr:
        case f.Seq(kind="tuple") if depth and expr.items and not _is_made_record(expr.items[0], function):
            yield Identity(expr.items[0], function, order, f"{name}[].id")
        case f.Seq():
            for item in expr.items:
                yield from _in_records(model, item, function, order, name, depth + 1)
        case f.Comp():
            yield from _in_records(
                model, expr.element, function, function.scope.regions[expr.region].end, name, depth + 1
            )
        case f.Await() | f.Star():
            yield from _in_records(model, expr.value, function, order, name, depth + 1)
        case f.Dict():
            for key, value in expr.items:
                if isinstance(key, f.Str) and key.value in _ID_NAMES:
                    yield Identity(value, function, order, f"{name}[].{key.value}")
                elif isinstance(key, f.Str) and key.value in {"index", "create"} and isinstance(value, f.Dict):
                    yield from _in_records(model, value, function, order, name, depth + 1)
        case f.CallRef():
            yield from _in_constructor(model, function.calls[expr.index], name, depth)
        case f.Name():
            yield from _in_named(model, expr.id, function, order, name, depth)


def _is_made_record(expr: f.Expr, function: Function) -> bool:
    """`(Point(…), Point(…))` holds records, `(str(uuid4()), vector)` is one, its id first."""
    if isinstance(expr, f.CallRef):
        func = function.scope.calls[expr.index].func
        name = func.name if isinstance(func, f.Attr) else func.id if isinstance(func, f.Name) else ""
        return name[:1].isupper() and not name.isupper()
    return isinstance(expr, f.Dict)


def _in_constructor(model: Model, site: CallSite, name: str, depth: int) -> Iterator[Identity]:
    for keyword, value in site.fact.kwargs:
        if keyword in _ID_NAMES:
            yield Identity(value, site.function, site.fact.order, f"{name}[].{keyword}")
            return
    resolution = model.graph.resolutions[site]
    if resolution.functions and not resolution.classes:
        for function in resolution.functions[:2]:
            for leave in function.scope.leaves:
                if leave.kind in {"return", "yield"} and leave.value is not None:
                    yield from _in_records(model, leave.value, function, leave.order, name, depth + 2)
    elif isinstance(site.fact.func, f.Name) and site.fact.func.id in {"list", "tuple", "iter"} and site.fact.args:
        yield from _in_records(model, site.fact.args[0], site.function, site.fact.order, name, depth + 1)


def _in_named(model: Model, name: str, function: Function, order: int, shown: str, depth: int) -> Iterator[Identity]:
    assigns = function.bindings.get(name, [])
    for assign in flow.reaching(function.scope, assigns, order)[0] if assigns else ():
        if assign.value is not None and assign.op == "=":
            yield from _in_records(model, assign.value, function, assign.order, shown, depth + 1)
    for call in function.scope.calls:
        func = call.func
        puts = isinstance(func, f.Attr) and func.name in {"append", "add", "extend"} and call.args
        if puts and isinstance(func, f.Attr) and isinstance(func.value, f.Name) and func.value.id == name:
            yield from _in_records(model, call.args[0], function, call.order, shown, depth + 1)
    for key, assign in flow.item_assigns(function.scope, name):
        if key in _ID_NAMES and assign.value is not None:
            yield Identity(assign.value, function, assign.order, f"{shown}[].{key}")
