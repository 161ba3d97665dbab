"""Which part of a document is stored that was computed from what was read of it: `item["stock"] -= n`, then the item as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.arguments import argument
from roadworthy.project.database.documentkeys import keys_of, mapping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.database.presence import Presence
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.symbols import CallSite, Function

_STEPS = frozenset({"+=", "-=", "*="})
_ARITHMETIC = frozenset({"+", "-", "*"})
_GATHERS = frozenset({"append", "extend", "remove", "insert"})
_SETS_OF = frozenset({"set", "frozenset"})
_COLLECTIONS = _SETS_OF | {"list", "sorted"}
_ADDS = ("ADD ", "+ :", "- :")  # the store itself computes
_NAMING = frozenset({"UpdateExpression", "ExpressionAttributeNames"})
_SETS = "$set"


def stepped(write: EffectAt, presence: Presence, keys: list[tuple[str, f.Expr]], reader: Function) -> str:
    """The name of that part; "" where nothing of the kind is stored."""
    site = write.site
    document = _whole(write)
    if document is not None:
        if _is_guarded(write, keys, reader):
            return ""
        return next(_changes(site, document, presence), "")
    if write.effect is Effect.SQL_INSERT or _is_guarded(write, keys, reader):
        return ""
    return next(_updates(write, presence), "")


def gathers(write: EffectAt, part: str) -> str:
    """Is the part a list or a set that is added to: `doc["groups"] = list(set(doc["groups"] + found["groups"]))`, `doc["lines"].append(line)`?"""
    scope = write.function.scope
    for call in scope.calls:
        func = call.func
        if isinstance(func, f.Attr) and func.name in _GATHERS and _is_part(func.value, part):
            return "list"
    payload = argument(write.site.fact, write.row.payload) if write.row.payload is not None else None
    values = [assign.value for assign in scope.assigns if _is_part(assign.target, part)]
    values += [v for d in flow.walk(payload) if isinstance(d, f.Dict) for k, v in d.items if k == f.Str(part)]
    made = [name for value in values for name in _collections(value, scope, 0)]
    return "set" if not _SETS_OF.isdisjoint(made) else "list" if made else ""


def _is_part(target: f.Expr, part: str) -> bool:
    return isinstance(target, f.Sub) and target.index == f.Str(part)


def _collections(value: f.Expr | None, scope: f.Scope, depth: int) -> Iterator[str]:
    """The kinds of collections of which a value is written or made: `list(…)`, `set(…)`."""
    for piece in flow.walk(value):
        if isinstance(piece, f.Seq) and piece.kind in {"list", "set"}:
            yield piece.kind
        if isinstance(piece, f.CallRef) and depth < 3:
            call = scope.calls[piece.index]
            if isinstance(call.func, f.Name) and call.func.id in _COLLECTIONS:
                yield call.func.id
            for arg in call.args:
                yield from _collections(arg, scope, depth + 1)


def _whole(write: EffectAt) -> f.Expr | None:
    """The document that takes the place of the one that was there."""
    if write.row.payload is None or write.name.rpartition(".")[2] not in {
        "put_item",
        "replace_one",
        "find_one_and_replace",
    }:
        return None
    return argument(write.site.fact, write.row.payload)


def _is_guarded(write: EffectAt, keys: list[tuple[str, f.Expr]], reader: Function) -> bool:
    """Does the write ask for more than the read did: `{"_id": id, "version": document["version"]}`?"""
    if write.name.endswith("put_item"):
        return False
    named = argument(write.site.fact, write.row.identity[0]) if write.row.identity else None
    asked = keys_of(named, write.function, write.site.fact.order)
    return not asked or not {key for key, _ in asked} <= {"_id", *(key for key, _ in keys)}


def _changes(site: CallSite, document: f.Expr, presence: Presence) -> Iterator[str]:
    """`item["stock"] -= 1`, `item["lines"].append(line)` of the item that was read and is stored."""
    scope, names = site.function.scope, set(presence.names)
    root = document.id if isinstance(document, f.Name) else ""
    if root in names:
        for assign in scope.assigns:
            if assign.order < site.fact.order and flow.on_one_path(scope, assign.region, site.fact.region):
                part = _part(assign.target, {root})
                if part and (assign.op in _STEPS or _steps(assign.value, part, presence, site.function)):
                    yield part
        for call in scope.calls:
            func = call.func
            if call.order < site.fact.order and isinstance(func, f.Attr) and func.name in _GATHERS:
                part = _part(func.value, {root})
                if part:
                    yield part
    filled, _ = mapping(document, site.function, site.fact.order)
    yield from _filled(filled, presence, site.function)


def _filled(filled: dict[str, f.Expr], presence: Presence, function: Function) -> Iterator[str]:
    yield from (key for key, value in filled.items() if _steps(value, key, presence, function))


def _updates(write: EffectAt, presence: Presence) -> Iterator[str]:
    """`{"$set": {"stock": document["stock"] - 1}}`, `ExpressionAttributeValues={":stock": item["stock"] - 1}`."""
    site = write.site
    payload = argument(site.fact, write.row.payload) if write.row.payload is not None else None
    changes, _ = mapping(payload, site.function, site.fact.order)
    if _SETS in changes:
        filled, _ = mapping(changes[_SETS], site.function, site.fact.order)
        yield from _filled(filled, presence, site.function)
    text = " ".join(flow.strings_of(payload)) if payload is not None else ""
    values = next((value for keyword, value in site.fact.kwargs if keyword == "ExpressionAttributeValues"), None)
    if values is None or any(word in text for word in _ADDS):
        return
    words = {word for keyword, value in site.fact.kwargs if keyword in _NAMING for word in _words(value)}
    for value in mapping(values, site.function, site.fact.order)[0].values():
        inner = value.items[0][1] if isinstance(value, f.Dict) and value.items else value
        yield from (word for word in sorted(words) if _steps(inner, word, presence, site.function))


def _words(value: f.Expr) -> Iterator[str]:
    for text in flow.strings_of(value):
        yield from text.replace("#", " ").replace(",", " ").replace("=", " ").split()


def _part(target: f.Expr, names: set[str]) -> str:
    """`stock` of `item["stock"]`."""
    if isinstance(target, f.Sub) and isinstance(target.index, f.Str):
        owner, name = target.value, target.index.value
    else:
        return ""
    return name if isinstance(owner, f.Name) and owner.id in names else ""


def _steps(value: f.Expr | None, part: str, presence: Presence, function: Function, depth: int = 0) -> bool:
    """Is a value computed from this very part of what was read?"""
    for piece in flow.walk(value):
        if (
            isinstance(piece, f.Bin)
            and piece.op in _ARITHMETIC
            and presence.depends(piece)
            and _reads(piece, part, function)
        ):
            return True
        if isinstance(piece, f.CallRef) and depth < 3:
            inner = function.scope.calls[piece.index]
            if any(_steps(arg, part, presence, function, depth + 1) for arg in inner.args):  # `str(item["count"] + 1)`
                return True
        if isinstance(piece, f.Name) and depth < 3:
            bound = function.bindings.get(piece.id, ())
            if any(_steps(a.value, part, presence, function, depth + 1) for a in bound[:4]):
                return True
            if any(a.op in _STEPS for a in bound) and any(_reads(a.value, part, function) for a in bound):
                return True
    return False


def _reads(value: f.Expr | None, part: str, function: Function, depth: int = 0) -> bool:
    """`document["stock"]`, `document.get("stock", 0)`, a name that holds it."""
    for piece in flow.walk(value):
        if isinstance(piece, f.Sub) and piece.index == f.Str(part):
            return True
        if isinstance(piece, f.CallRef):
            call = function.scope.calls[piece.index]
            inner = (call.func, *call.args)
            if call.args[:1] == (f.Str(part),) or (
                depth < 3 and any(_reads(e, part, function, depth + 1) for e in inner)
            ):
                return True
        if isinstance(piece, f.Name) and depth < 2:
            bound = function.bindings.get(piece.id, ())
            if any(_reads(a.value, part, function, depth + 1) for a in bound[:3] if a.op == "="):
                return True
    return False
