"""Loops whose next round comes by itself and begins behind what is written down as done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import Effect, EntryKind
from roadworthy.project import flow
from roadworthy.project.schedules import scheduled_jobs

if TYPE_CHECKING:
    from roadworthy.project.batches import Fragile
    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model

_SAVES = frozenset({"commit", "save", "asave"})
_MARKS = frozenset({Effect.COMMIT, Effect.SQL_UPDATE})


def is_marked_done(model: Model, loop: Fragile, entry: Entry) -> bool:
    """Is the item written down as done before what may fail for it, so that the next round, which comes by itself, begins behind it?"""
    if entry.kind not in {EntryKind.SCHEDULED, EntryKind.WORKER_LOOP} and entry.function not in scheduled_jobs(model):
        return False
    scope = loop.function.scope
    marks = [
        call
        for call in flow.calls_in(scope, loop.region)
        if flow.last_name(call.func) in _SAVES
        or any(effect.effect in _MARKS for effect in model.effects_through(loop.function.site(call)))
    ]
    return bool(loop.sites) and all(
        any(flow.dominates(scope, m.order, m.region, site.fact.region, site.fact.order) for m in marks)
        for site in loop.sites
    )
