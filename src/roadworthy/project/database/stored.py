"""Documents and items of stores without a schema: looked for and then stored, or read, changed and stored again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.arguments import argument, has_spread
from roadworthy.project.database.conditions import Match
from roadworthy.project.database.documentkeys import keys_of, mapping, names_under, same_document
from roadworthy.project.database.documentsteps import gathers, stepped
from roadworthy.project.database.presence import Presence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_NEW = frozenset({Effect.SQL_INSERT, Effect.SQL_UPSERT})
_WRITES = _NEW | {Effect.SQL_UPDATE}
_ALL = frozenset({Effect.SQL_READ}) | _WRITES
_ANY_STORE = frozenset({"collection", "_collection", "coll", "table", "_table", "client", "_client", "db", "dynamodb"})
_STORE_ARGUMENT = "TableName"


@dataclass(frozen=True, slots=True, eq=False)
class Touch:
    """A read or write of a document, seen from the call that leads to it."""

    site: CallSite  # the call in the function that asks
    effect: EffectAt
    store: str  # the collection or table as written
    named: f.Expr | None  # what names the document: a filter, a key; of a new one the document itself

    @property
    def direct(self) -> bool:
        """Does the call itself run it?"""
        return self.site is self.effect.site


@dataclass(frozen=True, slots=True, eq=False)
class DocumentRace:
    """A document that is stored by what was read of it a moment before."""

    function: Function
    read: Touch
    write: Touch
    keys: tuple[str, ...]  # by what the document is looked for
    lookup: tuple[Match, ...]
    changed: str = ""  # the part that is computed from what was read; "" where the document was not there
    rejects: bool = False
    gathers: str = ""  # "list" "set": what is changed is one that is added to
    only: tuple[
        tuple[str, str], ...
    ] = ()  # keys with the literal that they are looked for by: documents with another one are no double

    @property
    def replaces(self) -> bool:
        """Does the second write take the place of the first?"""
        return self.write.effect.effect is not Effect.SQL_INSERT

    @property
    def store(self) -> str:
        """What the code calls the collection or table."""
        return self.write.store


def document_races(model: Model, function: Function) -> Iterator[DocumentRace]:
    """Each read of a document in a function with the first write that depends on it."""
    if not model.reach.has(function, _ALL):
        return
    touches = [touch for site in function.calls for touch in _touches(model, site)]
    writes = [touch for touch in touches if touch.effect.effect in _WRITES and not _is_conditional(touch)]
    for read in (touch for touch in touches if touch.effect.effect is Effect.SQL_READ):
        after = [w for w in writes if _follows(function, read, w) and _same_store(read, w)]
        found = next((race for write in after if (race := _race(model, function, read, write)) is not None), None)
        if found is not None:
            yield found


def _race(model: Model, function: Function, read: Touch, write: Touch) -> DocumentRace | None:
    presence = Presence(function, read.site)
    inner = read.effect.function
    keys = keys_of(read.named, inner, read.effect.site.fact.order)
    if not keys:
        return None
    lookup = tuple(
        Match(k, v, inner, "eq", read.effect.site.fact.order) for k, v in keys if not isinstance(v, f.Str | f.Const)
    )
    absent = presence.absent_at(write.site) if write.effect.effect in _NEW else None
    if absent is not None and lookup and _may_be_missing(read, write, keys):
        only = tuple((k, v.value) for k, v in keys if isinstance(v, f.Str))
        names = tuple(k for k, _ in keys)
        return DocumentRace(function, read, write, names, lookup, rejects=absent == "reject", only=only)
    part = stepped(write.effect, presence, keys, inner) if write.direct and _answers(read) else ""
    if not part:
        return None
    names = tuple(k for k, _ in keys)
    return DocumentRace(function, read, write, names, lookup, part, gathers=gathers(write.effect, part))


def _may_be_missing(read: Touch, write: Touch, keys: list[tuple[str, f.Expr]]) -> bool:
    """Is the new document the one that was looked for?"""
    if read.direct and write.direct:
        return same_document(keys, write.named, write.site.function, write.site.fact.order)
    filled, whole = mapping(write.named, write.effect.function, write.effect.site.fact.order)
    return not whole or {k for k, v in keys if not isinstance(v, f.Str | f.Const)} <= set(filled)


def _answers(read: Touch) -> bool:
    """Does a helper give back what it read?"""
    if read.direct:
        return True
    inner = read.effect.function
    presence = Presence(inner, read.effect.site)
    return any(leave.kind == "return" and presence.depends(leave.value) for leave in inner.scope.leaves)


def _touches(model: Model, site: CallSite) -> Iterator[Touch]:
    """What the call itself does, or one helper that it runs."""
    found = _own(model, site)
    if found is not None:
        yield found
        return
    for edge in model.edges_at(site):
        if not edge.runs_here or edge.kind == "callback" or not model.reach.has(edge.callee, _ALL):
            continue
        inner = [touch for below in edge.callee.calls if (touch := _own(model, below)) is not None]
        if len(inner) == 1 and (
            inner[0].effect.effect is not Effect.SQL_READ or _answers(Touch(site, *_rest(inner[0])))
        ):
            yield Touch(site, *_rest(inner[0]))


def _rest(touch: Touch) -> tuple[EffectAt, str, f.Expr | None]:
    return touch.effect, touch.store, touch.named


def _own(model: Model, site: CallSite) -> Touch | None:
    for effect in model.effects_at(site):
        if effect.effect not in _ALL or effect.model is not None or effect.sql or not effect.row.identity:
            continue
        named = argument(site.fact, effect.row.identity[0])
        store = _store_of(site)
        if named is not None and store:
            return Touch(site, effect, store, named)
    return None


def _store_of(site: CallSite) -> str:
    """`db.users`, `self.table`; of a client the table that it is told."""
    func, scope = site.fact.func, site.function.scope
    told = next((value for keyword, value in site.fact.kwargs if keyword == _STORE_ARGUMENT), None)
    if told is not None:
        return flow.text_of(told, scope)
    return flow.text_of(func.value, scope) if isinstance(func, f.Attr) else ""


def _same_store(read: Touch, write: Touch) -> bool:
    if read.store != write.store:
        one, other = (touch.store.rpartition(".")[2] for touch in (read, write))
        return one == other and one not in _ANY_STORE and not read.direct | write.direct
    first, second = read.effect.function, write.effect.function
    if first is second:
        return True
    if first.module is not second.module:
        return read.store.rpartition(".")[2] not in _ANY_STORE
    return not read.store.startswith("self.") or first.cls is second.cls


def _is_conditional(write: Touch) -> bool:
    """`ConditionExpression=…`: the store refuses what another has stored meanwhile."""
    fact, effect = write.effect.site.fact, write.effect
    return has_spread(fact) or (effect.row.key is not None and argument(fact, effect.row.key) is not None)


def _follows(function: Function, read: Touch, write: Touch) -> bool:
    first, second = read.site.fact, write.site.fact
    later = read.site is not write.site and first.order < second.order
    return later and flow.on_one_path(function.scope, first.region, second.region)


def names_of(race: DocumentRace) -> frozenset[str]:
    """Names that the lookup is made of."""
    return frozenset(name for match in race.lookup for name in names_under(match.value, match.scope))
