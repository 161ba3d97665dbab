"""Calls that block the thread while a coroutine runs on it, directly or through ordinary functions of the project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import Effect, GuardKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.calls import Edge
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_NEVER = frozenset({
    Effect.LOG, Effect.METRIC, Effect.REPORT_ERROR, Effect.RANDOM_VALUE, Effect.CLOCK_VALUE, Effect.HASH_VALUE, Effect.PROCESS_HASH,
    Effect.CLOSE, Effect.LOCK, Effect.FILE_FLUSH, Effect.FILE_REPLACE,
})  # fmt: skip
_SYNC_EDGES = frozenset({"call", "construct", "context"})


@dataclass(frozen=True, slots=True)
class Blocked:
    """A coroutine whose call at `site` blocks in `effect`."""

    function: Function  # the coroutine
    site: CallSite  # the call in the coroutine
    effect: EffectAt
    path: tuple[Edge, ...]  # from the call to the effect; empty when the call itself blocks


def blocks(effect: EffectAt) -> bool:
    """Does the call of this effect hold the thread until the outside has answered, or for long?"""
    if effect.effect in _NEVER or effect.row.lazy or effect.row.awaitable or effect.site.fact.awaited:
        return False
    if effect.row.blocking is not None:
        return effect.row.blocking
    return effect.effect.word.external or effect.effect in {Effect.SLEEP, Effect.BLOCK, Effect.COMPUTE}


def blocked_coroutines(model: Model) -> Iterator[Blocked]:
    """For every coroutine the calls in it that block, with the worst effect of each."""
    bits = model.reach.closure(lambda edge: edge.kind in _SYNC_EDGES and not edge.callee.is_async, blocks)
    for function in model.functions:
        if not function.is_async or function.kind not in {"function", "lambda"}:
            continue
        for site in function.calls:
            found = _at(model, site, bits)
            if found is not None and not _off_loop(model, site):
                yield found


def _at(model: Model, site: CallSite, bits: dict[Function, int]) -> Blocked | None:
    for effect in model.effects_at(site):
        if blocks(effect):
            return Blocked(site.function, site, effect, ())
    for edge in model.edges_at(site):
        if edge.kind not in _SYNC_EDGES or edge.callee.is_async or site.fact.awaited:
            continue
        under = list(model.reach.effects(bits.get(edge.callee, 0)))
        if under:
            worst = min(under, key=lambda effect: (_rank(effect), effect.site.path, effect.site.line))
            rest = model.reach.path_between(
                edge.callee, worst.function, lambda e: e.kind in _SYNC_EDGES and not e.callee.is_async
            )
            return Blocked(site.function, site, worst, (edge, *(rest or ())))
    return None


def _rank(effect: EffectAt) -> int:
    """What a reader should hear of first: the network, then sleeping and computing, then the database, then caches."""
    word = effect.effect
    if word in {Effect.HTTP_REQUEST, Effect.RPC, Effect.LLM, Effect.EMAIL, Effect.CHARGE, Effect.NOTIFY}:
        return 0
    if word in {Effect.SLEEP, Effect.COMPUTE, Effect.SPAWN_PROCESS, Effect.BLOCK}:
        return 1
    return 3 if word in {Effect.CACHE_READ, Effect.CACHE_WRITE, Effect.FILE_READ, Effect.FILE_WRITE} else 2


def _off_loop(model: Model, site: CallSite) -> bool:
    return any(guard.kind is GuardKind.OFF_LOOP for guard in model.guards_on(site))
