"""Guards whose answer nobody reads: a call that claims a key and tells whether it was the first, beside a question asked before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.database.expressions import last_name
from roadworthy.project.database.presence import Presence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_COLLECTS = frozenset({"sadd", "pfadd"})  # adding once more to a set is no claim by itself
_OF_A_FIELD = frozenset({"hsetnx"})  # what is claimed is the field: the hash may be there long before


@dataclass(frozen=True, slots=True, eq=False)
class UnreadAnswer:
    """A call that claims a key and tells whether it was the first; nobody reads that, and another call asks beforehand."""

    claim: CallSite
    asks: CallSite
    callers: tuple[CallSite, ...]  # of the function that claims
    askers: tuple[CallSite, ...]  # of the function that asks


def unread_answers(model: Model) -> Iterator[UnreadAnswer]:
    """`store.set(key, 1, nx=True)` as a statement, where `store.exists(key)` decides."""
    for site in model.sites():
        if site.fact.use != "discarded" or not site.fact.args or last_name(site.fact.func) in _COLLECTS:
            continue
        if not model.guards.tells_first(site):
            continue
        asks = next((other for other in _neighbours(model, site) if _asks_same(model, other, site)), None)
        if asks is not None and not (asks.function is site.function and not _is_flag(site) and _gives_back(asks)):
            yield UnreadAnswer(site, asks, _callers(model, site.function), _callers(model, asks.function))


def _neighbours(model: Model, site: CallSite) -> Iterator[CallSite]:
    """Calls of the same function, class or module."""
    yield from (other for other in site.function.calls if other.fact.order < site.fact.order)
    for function in site.function.module.functions:
        if function is not site.function and (site.function.cls is None or function.cls is site.function.cls):
            yield from function.calls


def _asks_same(model: Model, other: CallSite, site: CallSite) -> bool:
    """A read of the same key, whose answer is used."""
    args = _without_default(other)
    named = 2 if last_name(site.fact.func) in _OF_A_FIELD else 1
    if len(args) < named or other.fact.use == "discarded" or len(args) > len(site.fact.args):
        return False
    reads = any(effect.effect is Effect.CACHE_READ for effect in model.effects_at(other))
    same = all(_same_text(a, b) for a, b in zip(args, site.fact.args, strict=False))
    return reads and same and not isinstance(args[0], f.Str | f.Const)


def _without_default(asks: CallSite) -> tuple[f.Expr, ...]:
    """`cache.get(key, False)`: the last says what a missing key is worth."""
    args = asks.fact.args
    return args[:-1] if len(args) > 1 and isinstance(args[-1], f.Const) else args


def _is_flag(claim: CallSite) -> bool:
    """`cache.add(key, True)`: nothing is kept under the key that anybody would ask for."""
    return len(claim.fact.args) > 1 and isinstance(claim.fact.args[1], f.Const)


def _callers(model: Model, function: Function) -> tuple[CallSite, ...]:
    return tuple(edge.site for edge in model.edges_to(function) if edge.runs_here)


def _gives_back(asks: CallSite) -> bool:
    """A cache that is asked for the value itself: what was read is returned, and a miss is filled in."""
    scope, presence = asks.function.scope, Presence(asks.function, asks)
    taken = {  # `(value,) = found`
        part.id
        for assign in scope.assigns
        if assign.op == "=" and assign.order > asks.fact.order and presence.depends(assign.value)
        for part in flow.walk(assign.target)
        if isinstance(part, f.Name)
    }
    given = [leave.value for leave in scope.leaves if leave.kind == "return" and leave.value is not None]
    return any(
        presence.depends(value) or any(isinstance(part, f.Name) and part.id in taken for part in flow.walk(value))
        for value in given
    )


def _same_text(first: f.Expr, second: f.Expr) -> bool:
    return first == second and not isinstance(first, f.CallRef)
