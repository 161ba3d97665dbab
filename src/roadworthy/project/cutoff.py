"""What is lost when work is cut off at any line: the effects that must complete, the gravest and nearest first."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.findings.finding import Confidence
from roadworthy.knowledge.vocabulary import Effect, EntryKind, Repeat
from roadworthy.project import flow
from roadworthy.project.answers import ANSWERS
from roadworthy.project.reach import unwind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from roadworthy.project.background import Spawned
    from roadworthy.project.calls import Edge
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function

_WEIGHT = {
    Effect.CHARGE: 9, Effect.SQL_INSERT: 8, Effect.SQL_INCREMENT: 8, Effect.SQL_UPSERT: 8, Effect.SQL_UPDATE: 8, Effect.ENQUEUE: 8,
    Effect.PUBLISH: 8, Effect.START_DURABLE: 8, Effect.OBJECT_WRITE: 7, Effect.VECTOR_INSERT: 7, Effect.VECTOR_UPSERT: 7, Effect.COMMIT: 7,
    Effect.SQL_DELETE: 6, Effect.OBJECT_DELETE: 6, Effect.EMAIL: 6, Effect.SMS: 6,
    Effect.HTTP_REQUEST: 4, Effect.RPC: 4, Effect.SPAWN_PROCESS: 3, Effect.NOTIFY: 3, Effect.FILE_REPLACE: 2, Effect.FILE_WRITE: 2,
}  # fmt: skip
"""What hurts most when it is lost. Effects that are not named here may be lost: reads, caches, telemetry, locks."""

DATA = 6  # from this weight on, data, money or messages to people are lost
_SPECIAL = 3  # a function with more callers is a helper, which says nothing about the work at hand
_FAR = 9  # more calls away than this: we would not bet on it
_TEMPORARY = re.compile(r"te?mp|cache|debug|trace|screenshot|buffer|thumbnail|preview|log(?!in|ic)", re.IGNORECASE)
_BOOKKEEPING = re.compile(
    r"last_?(used|seen|active|activity|login|access|accessed|ping)|usage|telemetry|analytics|metrics?|stats?(_|$)|statistic|heartbeat|"
    r"(hit|view|download)_?count|warm|prefetch|preload|precompute|invalidat|clean_?up|prune|evict|(^|_)log(_|$)|logging|audit|trac(e|ing)|monitor|"
    r"report_error|sentry|cache|refresh_token|touch|progress|typing",
    re.IGNORECASE,
)
_TELEMETRY = re.compile(
    r"telemetry|analytics|metrics?(_|$)|statsd|(^|_)traces?(_|$)|tracing|(^|_)log(_|$)|logging|sentry|posthog|heartbeat|usage",
    re.IGNORECASE,
)
_CACHES = re.compile(r"(^|[a-z_])Cache(?![a-z])|(^|_)cache(_|$)")
"""Classes that keep what can be had again, wherever they keep it."""
_SWEEPS = re.compile(
    r"_*(drain|sweep|reconcile|recover|resume|retry_(pending|failed)|catch_?up|refresh_all|sync_all)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Loss:
    """One effect that is lost with the work, and how the work comes to it."""

    effect: EffectAt
    path: tuple[Edge, ...]
    start: Function  # where the work begins

    @property
    def weight(self) -> int:
        """9 money … 2 a file. What nobody keeps is worth as much as a request."""
        return _WEIGHT[Effect.HTTP_REQUEST if self.effect.row.transient else self.effect.effect]

    @property
    def is_data(self) -> bool:
        """Rows, messages, objects, money or mail."""
        return self.weight >= DATA

    @property
    def confidence(self) -> Confidence:
        """The weakest link: a long way, or one with many alternatives, is less sure."""
        far = Confidence.MEDIUM if len(self.path) > 5 else Confidence.HIGH
        return Confidence.weakest(self.effect.confidence, far)


def losses(model: Model, work: Spawned) -> list[Loss]:
    """What is lost when the work never ends; the gravest first, then the nearest."""
    return lost_with(
        model, work.callees, [Loss(effect, (), effect.function) for effect in work.direct if must_complete(effect)]
    )


def lost_with(model: Model, starts: Iterable[Function], found: Iterable[Loss] = (), limit: int = 400) -> list[Loss]:
    """What these functions would still have done when they are cut off; `found`: what is known to be lost without them."""
    found = list(found)
    seen: set[int] = set()
    for start in starts:
        tree = model.reach.tree_from(start)
        for effect in model.effects_under(start, *_WEIGHT)[:limit]:
            path = unwind(tree, effect.function)
            if id(effect) in seen or path is None or not must_complete(effect):
                continue
            seen.add(id(effect))
            if len(path) <= _FAR and not _is_of_cache(start) and not _is_aside(effect, path):
                found.append(Loss(effect, tuple(path), start))
    found.sort(key=lambda loss: (-loss.weight, len(loss.path), loss.effect.site.path, loss.effect.site.line))
    return found


def must_complete(effect: EffectAt) -> bool:
    """Would somebody miss this effect?"""
    if effect.effect not in _WEIGHT or effect.row.secondary:
        return False
    if effect.effect in {Effect.HTTP_REQUEST, Effect.RPC}:
        return effect.repeat is not Repeat.SAFE
    return True


def _is_aside(effect: EffectAt, path: Sequence[Edge]) -> bool:
    """Files far from the work or for the moment, and what a helper for bookkeeping does, are by the way."""
    if effect.effect in {Effect.FILE_WRITE, Effect.FILE_REPLACE}:
        if len(path) > 1 or _TEMPORARY.search(flow.text_of(effect.site.fact.func, effect.function.scope)):
            return True
        args = " ".join(flow.text_of(arg, effect.function.scope) for arg in effect.site.fact.args)
        return bool(_TEMPORARY.search(args) or _TEMPORARY.search(effect.function.name))
    return any(is_bookkeeping(edge.callee.name) or _is_of_cache(edge.callee) for edge in path)


def _is_of_cache(function: Function) -> bool:
    return function.cls is not None and bool(_CACHES.search(function.cls.name))


def is_bookkeeping(*names: str) -> bool:
    """Names of work that nobody misses: usage figures, last-seen stamps, caches, cleaning up, logs."""
    return any(_BOOKKEEPING.search(name) for name in names)


def is_telemetry(*names: str) -> bool:
    """Names of work that only watches: metrics, traces, analytics, logs."""
    return any(_TELEMETRY.search(name) for name in names)


HANDOFFS = frozenset({Effect.ENQUEUE, Effect.PUBLISH, Effect.START_DURABLE})


def hands_off(found: Sequence[Loss]) -> bool:
    """Is the work only there to hand something to a queue or a durable engine?"""
    data = {loss.effect.effect for loss in found if loss.is_data}
    return bool(data) and data <= HANDOFFS | {Effect.COMMIT} and bool(data & HANDOFFS)


def answered(model: Model, function: Function) -> tuple[Entry, ...]:
    """The entries in whose own run the function is called and whose end tells somebody that the work is done."""
    return tuple(r.entry for r in model.exposure(function).entries if r.inline and r.entry.kind in ANSWERS)


def is_done_again(model: Model, functions: Iterable[Function]) -> bool:
    """Does a schedule, a loop or the next start itself call the same function, or does it work through whatever is left?"""
    functions = list(functions)
    if any(_SWEEPS.match(function.name) for function in functions):
        return True
    again = {EntryKind.SCHEDULED, EntryKind.WORKER_LOOP, EntryKind.STARTUP}
    for function in functions:
        if len({edge.caller for edge in model.edges_to(function)}) > _SPECIAL:
            continue
        for reached in model.entries.reaching(function):
            if reached.inline and reached.entry.kind in again and len(model.entries.path(reached.entry, function)) <= 1:
                return True
    return False
