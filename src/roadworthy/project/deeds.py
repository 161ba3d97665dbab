"""Which effects a map shows: what calls do to the world, and what they hand over to a broker or engine although no library row says so."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from roadworthy.knowledge.schema import CallRow
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project.calls import DELIVERED
from roadworthy.project.effects import EffectAt
from roadworthy.project.entryshapes import EntryShapes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

SHOWN = frozenset({
    Effect.HTTP_REQUEST, Effect.RPC, Effect.SQL_READ, Effect.SQL_INSERT, Effect.SQL_UPSERT, Effect.SQL_UPDATE, Effect.SQL_INCREMENT,
    Effect.SQL_DELETE, Effect.SQL, Effect.COMMIT, Effect.PUBLISH, Effect.ENQUEUE, Effect.CONSUME, Effect.ACK, Effect.START_DURABLE,
    Effect.OBJECT_WRITE, Effect.OBJECT_READ, Effect.OBJECT_DELETE, Effect.CACHE_READ, Effect.CACHE_WRITE, Effect.EMAIL, Effect.SMS,
    Effect.NOTIFY, Effect.CHARGE, Effect.LLM, Effect.VECTOR_UPSERT, Effect.VECTOR_INSERT, Effect.FILE_WRITE, Effect.FILE_REPLACE,
    Effect.SPAWN_PROCESS,
})  # fmt: skip
"""What counts as doing something to the world, or asking it for something."""

_HANDS_OVER = frozenset({Effect.ENQUEUE, Effect.START_DURABLE, Effect.PUBLISH})
_JOB = CallRow(names=(), effects=(Effect.ENQUEUE.value,))
_STEP = CallRow(
    names=(), effects=(Effect.START_DURABLE.value,), safe_to_repeat="yes"
)  # the engine tells the steps of a run apart


def shown_effects(model: Model) -> Iterator[EffectAt]:
    """All effects that a map shows, by call in the order of the model."""
    for site, effects in model.effects.at.items():
        eager = any(found.effect is Effect.SQL_READ and not found.row.lazy for found in _on_line(model, site))
        for found in effects:
            if found.effect in SHOWN and not (found.effect is Effect.SQL_READ and found.row.lazy and eager):
                yield _as_it_is(model, found)
    yield from _handed_over(model)


def _on_line(model: Model, site: CallSite) -> Iterator[EffectAt]:
    """Effects of the calls that share a statement with this one: `query.filter(…).all()` asks once."""
    for other in site.function.calls:
        if other.fact.line <= site.fact.end_line and site.fact.line <= other.fact.end_line:
            yield from model.effects_at(other)


def _as_it_is(model: Model, effect: EffectAt) -> EffectAt:
    """Adding an object to a session that came out of the database updates its row."""
    if effect.effect is Effect.SQL_INSERT:
        accesses = [access for access in model.accesses.at(effect.site) if access.effect is effect]
        if accesses and all(access.fresh is False for access in accesses):
            return replace(effect, effect=Effect.SQL_UPDATE, row=_UPDATE)
    return effect


_UPDATE = CallRow(names=(), effects=(Effect.SQL_UPDATE.value,))


def _handed_over(model: Model) -> Iterator[EffectAt]:
    """Edges to a job or durable step whose call has no such effect by itself: `workflow.execute_activity(f)`, `f.delay()` of an unknown queue."""
    shapes = EntryShapes(model.symbols, model.knowledge, model.evaluator)
    for function in model.functions:
        seen: set[CallSite] = set()
        for edge in model.edges_from(function):
            site = edge.spawner or edge.site
            if edge.kind in DELIVERED and site not in seen and not _says_so(model, site):
                seen.add(site)
                word, row = (Effect.ENQUEUE, _JOB) if edge.kind == "job" else (Effect.START_DURABLE, _STEP)
                yield EffectAt(word, site, _name(edge.callee), row)
        for site in function.calls:
            if site not in seen and not _says_so(model, site):
                for callee in list(dict.fromkeys(shapes.sent_at(site)))[:1]:
                    yield EffectAt(Effect.ENQUEUE, site, _name(callee), _JOB)


def _says_so(model: Model, site: CallSite) -> bool:
    return model.reach.site_reaches(site, _HANDS_OVER)


def _name(function: Function) -> str:
    return function.qualname
