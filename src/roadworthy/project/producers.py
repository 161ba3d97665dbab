"""Producers that come round again: sweeps over a state, polled requests; and what keeps them from handing over the same thing twice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, EntryKind
from roadworthy.project import flow
from roadworthy.project.boundaries import comes_again, feeding_entries
from roadworthy.project.dedup import dedup_before
from roadworthy.project.earlier import selected_by_state

if TYPE_CHECKING:
    from roadworthy.project.calls import Edge
    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function


_EVENTS = frozenset({EntryKind.WEBHOOK_HANDLER, EntryKind.QUEUE_CONSUMER})


def sweeps(entry: Entry) -> bool:
    """Does the entry look over a state again and again: a schedule, an endless loop, a job that is given nothing?"""
    if entry.kind in {EntryKind.SCHEDULED, EntryKind.WORKER_LOOP}:
        return True
    if entry.kind is not EntryKind.JOB:
        return False
    params = [
        p
        for p in entry.function.scope.params
        if p.name not in {"self", "cls", "task", "ctx", "context", "job"} and p.default is None
    ]
    return not [p for p in params if p.kind == "positional" or p.kind == "keyword"]


def polls(entry: Entry) -> bool:
    """A request that only reads, by its method or name: clients send it again and again."""
    if entry.kind is not EntryKind.HTTP_HANDLER:
        return False
    name = entry.function.name
    return entry.label.startswith("GET ") or bool(
        re.match(r"(read|get|list|poll|fetch|check|count|heartbeat|retrieve)(_|$)", name)
    )


def changes_state_before(model: Model, site: CallSite) -> bool:
    """Is a row updated before the call, so that the next round does not select it again?"""
    scope = site.function.scope
    writes = (Effect.SQL_UPDATE, Effect.SQL_DELETE, Effect.SQL_UPSERT, Effect.SQL_INSERT, Effect.SQL)
    return any(
        other.fact.order < site.fact.order
        and flow.may_precede(scope, other.fact, site.fact)
        and model.effects_through(other, *writes)
        for other in site.function.calls
    )


def brings_batches(function: Function) -> bool:
    """Does a function of a platform read a batch of messages (`event["Records"]`)? Requests through a gateway are none."""
    exprs = [region.test for region in function.scope.regions] + [a.value for a in function.scope.assigns]
    exprs += [e for call in function.scope.calls for e in call.args]
    return any(text == "Records" for expr in exprs if expr is not None for text in flow.strings_of(expr))


@dataclass(frozen=True, slots=True)
class Fed:
    """A job is enqueued again although nobody asked for it: by a sweep, or by an event that is delivered again."""

    edge: Edge  # the enqueueing call
    entry: Entry  # whose run it stands in
    sweep: bool  # else an event


def fed_again(model: Model, function: Function) -> Fed | None:
    """What enqueues a job again, if anything: a sweep that marks its rows only afterwards, an event that nothing recognises.

    A job that enqueues others in a loop and is run again enqueues the first ones again.
    """
    for edge, entry in feeding_entries(model, function):
        marks_late = in_loop(edge.site) and not changes_state_before(model, edge.site)
        if sweeps(entry) and marks_late and selects_by_state(model, edge.caller):
            return Fed(edge, entry, sweep=True)
        half_way = entry.kind is EntryKind.JOB and in_loop(edge.site)
        if (entry.kind in _EVENTS or half_way) and comes_again(model, entry) and not _recognised(model, entry, edge):
            return Fed(edge, entry, sweep=False)
    return None


def _recognised(model: Model, entry: Entry, edge: Edge) -> bool:
    """Is the event's repetition told before the job is enqueued?"""
    effects = model.effects_at(edge.site)
    return not effects or any(dedup_before(model, entry, effect) is not None for effect in effects)


def in_loop(site: CallSite) -> bool:
    """Is the call made once for each of several things?"""
    return bool(flow.loops_of(site.function.scope, site.fact.region))


def selects_by_state(model: Model, function: Function) -> bool:
    """Does a function, itself or through what it calls, ask for rows in a state?"""
    return any(
        selected_by_state(model, f.CallRef(site.index), function, site.fact.order)
        for site in function.calls
        if model.effects_through(site, Effect.SQL_READ, Effect.SQL)
    )
