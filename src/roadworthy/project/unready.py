"""What the receiver of a message finds that runs before the transaction of its sender has committed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_INSERTS = (Effect.SQL_INSERT, Effect.SQL_UPSERT)
_CHANGES = (Effect.SQL_UPDATE, Effect.SQL_INCREMENT, Effect.SQL_DELETE)
_READS = (Effect.SQL_READ, Effect.SQL)
_TELLS = (Effect.EMAIL, Effect.SMS, Effect.NOTIFY)
_ACTS = (
    *_INSERTS, *_CHANGES, Effect.SQL, Effect.CHARGE, Effect.ENQUEUE, Effect.PUBLISH, Effect.START_DURABLE, Effect.HTTP_REQUEST, Effect.RPC,
    Effect.OBJECT_WRITE, Effect.OBJECT_DELETE,
)  # fmt: skip
_MARKED = re.compile(
    r"deletion_?(pending|scheduled|requested)|(pending|marked_for|scheduled_for|to_be)_?delet", re.IGNORECASE
)
_BOUND = 4  # names between a row and the message that carries it


@dataclass(frozen=True, slots=True)
class Found:
    """missing: rows that are only made in the transaction. stale: rows as they were. apart: it reads other rows. unknown: the rest."""

    kind: Literal["missing", "stale", "apart", "unknown"]
    table: str = ""  # the one that tells so


def found_early(model: Model, site: CallSite, receivers: Sequence[Function]) -> Found:
    """Of the tables that the receivers read: those that the function of the call has written on the way to it."""
    written = list(_written_before(model, site))
    made = {e.model.name: e for e in written if e.model is not None and _makes(e)}
    changed = {e.model.name for e in written if e.model is not None and not _makes(e)}
    reads = [e for receiver in receivers for e in model.effects_under(receiver, *_READS)]
    read = {e.model.name for e in reads if e.model is not None}
    if read & made.keys():
        here = {name for name in read & made.keys() if made[name].function is site.function}
        return Found("missing", min(here or read & made.keys()) if not read & changed else "")
    if read & changed:
        return Found("stale", min(read & changed))
    known = bool(receivers and read and written) and all(e.model is not None for e in (*written, *reads))
    return Found("apart" if known else "unknown")


def _written_before(model: Model, site: CallSite) -> Iterator[EffectAt]:
    scope = site.function.scope
    for call in site.function.calls:
        before = call.fact.order < site.fact.order and flow.on_one_path(scope, call.fact.region, site.fact.region)
        if call is site or before:
            yield from model.effects_through(call, *_INSERTS, *_CHANGES)


def _makes(effect: EffectAt) -> bool:
    """`create()`, or `save()` of an object that the function has just built; any other `save()` may be of a row that was there."""
    if effect.effect not in _INSERTS:
        return False
    return not effect.name.endswith(".save") or _is_built_here(effect)


def _is_built_here(effect: EffectAt) -> bool:
    func, function = effect.site.fact.func, effect.function
    if not isinstance(func, f.Attr) or not isinstance(func.value, f.Name) or effect.model is None:
        return False
    bound = (a.value for a in function.bindings.get(func.value.id, ()))
    return any(
        isinstance(value, f.CallRef) and flow.last_name(function.scope.calls[value.index].func) == effect.model.name
        for value in bound
    )


def only_tells(model: Model, receivers: Sequence[Function]) -> bool:
    """Receivers that write to people and do nothing else: a row as it was makes the mail a little early."""
    return bool(receivers) and all(
        model.effects_under(receiver, *_TELLS) and not model.effects_under(receiver, *_ACTS) for receiver in receivers
    )


def is_marked_before(site: CallSite) -> bool:
    """`if document.status != Status.deletion_pending: raise`: the row says already that it goes, nobody is shown it, and the work can be
    done once more.
    """
    scope = site.function.scope
    return any(
        region.kind == "if"
        and region.exits in {"raise", "return"}
        and region.end <= site.fact.order
        and _MARKED.search(flow.deep_text(region.test, scope))
        for region in scope.regions
        if region.test is not None
    )


def carries_new(model: Model, site: CallSite) -> bool:
    """Does the message name a row that is only made in the transaction: `publish({"event": event_id})` behind the insert that gave the id?"""
    function = site.function
    given = (*site.fact.args, *(value for _, value in site.fact.kwargs))
    names = _names(given, function)
    for call in function.calls:
        if call.fact.order > site.fact.order or not model.effects_through(call, *_INSERTS):
            continue
        targets = {
            a.target.id for a in function.scope.assigns if isinstance(a.target, f.Name) and _is_of(a.value, call)
        }
        func = call.fact.func
        rows = (
            *call.fact.args,
            *((func.value,) if isinstance(func, f.Attr) else ()),
        )  # `session.add(order)`, `order.save()`
        direct = any(effect.effect in _INSERTS for effect in model.effects_at(call))
        if names & (targets | {row.id for row in rows if direct and isinstance(row, f.Name)}):
            return True
    return False


def _is_of(value: f.Expr | None, call: CallSite) -> bool:
    """What the call returns, or what is taken from that: `execute(…).fetchone()`."""
    for part in flow.walk(value):
        if isinstance(part, f.CallRef):
            func = call.function.scope.calls[part.index].func
            if part.index == call.index or (isinstance(func, f.Attr) and _is_of(func.value, call)):
                return True
    return False


def _names(given: Sequence[f.Expr], function: Function) -> set[str]:
    """Names in what is given, and in what those are bound to."""
    names: set[str] = set()
    fresh = {name for expr in given for name in _named(expr, function)}
    for _ in range(_BOUND):
        names |= fresh
        values = [a.value for name in fresh for a in function.bindings.get(name, ()) if a.value is not None]
        fresh = {name for value in values for name in _named(value, function)} - names
    return names | fresh


def _named(expr: f.Expr, function: Function, depth: int = 0) -> Iterator[str]:
    for part in flow.walk(expr):
        if isinstance(part, f.Name):
            yield part.id
        elif isinstance(part, f.CallRef) and depth < _BOUND:
            call = function.scope.calls[part.index]
            owner = (call.func.value,) if isinstance(call.func, f.Attr) else ()
            for arg in (*call.args, *(value for _, value in call.kwargs), *owner):
                yield from _named(arg, function, depth + 1)
