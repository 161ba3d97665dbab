"""Many things started at once: over what, how many, and whether anything bounds how many run together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, GuardKind
from roadworthy.project import flow
from roadworthy.project.blocking import blocks
from roadworthy.project.calls import DETACHED
from roadworthy.project.refusedlength import is_refused_above
from roadworthy.project.values import Container

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.calls import Edge
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

SMALL = 20
"""A display with at most this many elements is no crowd."""

_FEW = re.compile(r"(?:^|[._])(?:servers|providers|backends|plugins|tools)$")
"""What somebody has set up, one by one."""

_NEAR = frozenset(
    {Effect.CACHE_READ, Effect.CACHE_WRITE, Effect.CLOSE, Effect.FLUSH, Effect.ACK, Effect.CONSUME, Effect.COMMIT}
)


@dataclass(frozen=True, slots=True)
class FanOut:
    """One call that starts a piece of work for each item of a collection."""

    site: CallSite  # the call that waits for all, or that starts each
    work: Function  # what runs for each item
    items: str  # the collection as written
    region: int  # the comprehension or loop over it


def fan_outs(model: Model) -> Iterator[FanOut]:
    """All places that start as many tasks as a collection has items."""
    for function in model.functions:
        seen: set[CallSite] = set()
        for edge in model.edges_from(function):
            starter = edge.spawner or edge.site
            if edge.kind not in DETACHED or edge.kind not in {"task", "background"} or starter in seen:
                continue
            region = _crowd(function, edge.site, starter)
            if region is not None and not _is_small(model, function, region):
                seen.add(starter)
                text = flow.text_of(function.scope.regions[region].test, function.scope)
                yield FanOut(starter, edge.callee, text, region)


def _crowd(function: Function, inner: CallSite, starter: CallSite) -> int | None:
    """The comprehension, or the loop over items, that holds the work but not the waiting for it."""
    scope = function.scope
    for region in flow.loops_of(scope, inner.fact.region):
        here = scope.regions[region]
        if here.kind == "comprehension" or (here.kind == "for" and flow.within(scope, starter.fact.region, region)):
            waits_inside = any(
                flow.within(scope, other.fact.region, region) and other.fact.awaited for other in function.calls
            )
            if here.kind == "comprehension" or not waits_inside:
                return region
    return None


def _is_small(model: Model, function: Function, region: int) -> bool:
    """A literal display, a slice, a chunk, a `range` of a small number."""
    iterable = function.scope.regions[region].test
    if iterable is None:
        return True
    if isinstance(iterable, f.CallRef):
        call = function.scope.calls[iterable.index]
        name = (
            call.func.id if isinstance(call.func, f.Name) else call.func.name if isinstance(call.func, f.Attr) else ""
        )
        if name in {"range", "enumerate", "zip"} and call.args:
            bound = model.literal(call.args[-1], function)
            return name == "range" and (not isinstance(bound, int) or bound <= SMALL * 5)
    if isinstance(iterable, f.Sub | f.Seq):
        return True
    text = flow.text_of(iterable, function.scope).lower()
    if any(word in text for word in ("chunk", "batch", "page", "worker", "shard", "replica")):
        return True
    if _FEW.search(text.removesuffix("()").removesuffix(".items").removesuffix(".values")):
        return True
    if is_refused_above(iterable, function, function.scope.regions[region].start):
        return True
    values = model.values(iterable, function, function.scope.regions[region].start)
    return any(isinstance(v, Container) and 0 < len(v.positions or v.keys) <= SMALL for v in values)


def unbounded_effects(model: Model, fan_out: FanOut) -> list[EffectAt]:
    """External effects of the work that no semaphore, pool or limiter holds back."""
    guards = model.guards.on_site(fan_out.site)
    if any(guard.kind is GuardKind.BULKHEAD for guard in guards) or _is_limiter(model, fan_out.site):
        return []
    found = []
    for effect in model.effects_under(fan_out.work):
        if not effect.effect.word.external or effect.effect in _NEAR or effect.row.lazy:
            continue
        if fan_out.work.is_async and blocks(effect):
            continue  # it holds the event loop, so the pieces go one after another: blocking-call-in-async tells that
        if not _held_back(model, fan_out.work, effect):
            found.append(effect)
    return found


def _is_limiter(model: Model, starter: CallSite) -> bool:
    """The crowd is handed to a helper of the project that takes a semaphore for each: `await gather_with_limit(10, *tasks)`."""
    for helper in model.graph.resolutions[starter].functions:
        inner = [child for children in helper.children.values() for child in children if child.kind == "function"]
        for function in (helper, *inner):
            for index, region in enumerate(function.scope.regions):
                if region.kind == "with" and any(
                    guard.kind is GuardKind.BULKHEAD for guard in model.guards.of_region(function, index)
                ):
                    return True
    return False


def _held_back(model: Model, work: Function, effect: EffectAt) -> bool:
    if any(guard.kind is GuardKind.BULKHEAD for guard in model.guards_on(effect.site)):
        return True
    path = model.reach.path_down(work, effect)
    if any((edge.kind == "thread" and edge.waited) or _goes_to_pool(model, edge) for edge in path):
        return True  # `await loop.run_in_executor(None, ask)`: the pool has so many threads and no more
    return any(guard.kind is GuardKind.BULKHEAD for edge in path for guard in model.guards.on_edge(edge))


def _goes_to_pool(model: Model, edge: Edge) -> bool:
    """Is the function given to a helper of the project that runs it in a pool: `await in_pool(ask, url)`?"""
    return edge.kind == "callback" and any(
        kind == "thread"
        for helper in model.graph.resolutions[edge.site].functions
        for site in helper.calls
        for kind, _, _ in model.graph.started_by(site)
    )
