"""Clients whose own retry this code switches off, in work that nothing else repeats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import Effect, EntryKind
from roadworthy.project.boundaries import retries_over

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite

_BACKGROUND = frozenset({EntryKind.JOB, EntryKind.SCHEDULED, EntryKind.QUEUE_CONSUMER, EntryKind.WORKER_LOOP})
_REMOTE = frozenset({
    Effect.HTTP_REQUEST, Effect.RPC, Effect.PUBLISH, Effect.NOTIFY, Effect.EMAIL, Effect.SMS, Effect.OBJECT_READ, Effect.OBJECT_WRITE,
    Effect.LLM, Effect.CHARGE,
})  # fmt: skip
"""The other side of a network, not the service's own database, cache or broker of jobs."""


@dataclass(frozen=True, slots=True, eq=False)
class SwitchedOff:
    """One construction or call that gives the client a single attempt."""

    site: CallSite
    effect: EffectAt  # the first call that has one attempt
    entry: Entry  # the work that loses it
    normally: int | str  # the attempts that the client makes by default


def switched_off(model: Model) -> Iterator[SwitchedOff]:
    """The first of each place where it is decided."""
    seen: set[CallSite] = set()
    for effect in model.effects_of(*sorted(_REMOTE, key=lambda word: word.value)):
        rule = effect.row.retry
        if rule is None or rule.attempts == 1 or effect.effect.word.telemetry or effect.secondary:
            continue
        verdict = model.client_retry(effect)
        if verdict.attempts != 1 or verdict.site is None or verdict.site in seen:
            continue
        entry = _loser(model, effect)
        if entry is not None and model.is_reviewed(verdict.site.path):
            seen.add(verdict.site)
            yield SwitchedOff(verdict.site, effect, entry, rule.attempts)


def _loser(model: Model, effect: EffectAt) -> Entry | None:
    """Work in the background that makes the call and is not done again; none where a retry of this code repeats it."""
    if retries_over(model, effect.site):
        return None
    for reached in model.exposure(effect.function).entries:
        if reached.inline and reached.entry.kind in _BACKGROUND and not model.retries.entry_repeats(reached.entry):
            return reached.entry
    return None
