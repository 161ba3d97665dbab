"""Handlers that tell somebody of a failure, by a way that may fail itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import Effect, EntryKind
from roadworthy.project import flow
from roadworthy.project.phrases import words_of

if TYPE_CHECKING:
    from roadworthy.facts import schema as f
    from roadworthy.project.calls import Edge
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.failures import Outcome
    from roadworthy.project.handler import Handler
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite

_TELLS = re.compile(
    r"notify|notif\w*|alert\w*|report\w*|errors?|fail\w*|exceptions?|admins?|managers?|warn\w*|problems?|incidents?|slack|discord|webhooks?|sentry"
)
REPORTS = frozenset({Effect.NOTIFY, Effect.EMAIL, Effect.SMS})
_SENT = REPORTS | {Effect.HTTP_REQUEST}
_BACKGROUND = frozenset({
    EntryKind.JOB, EntryKind.SCHEDULED, EntryKind.WORKER_LOOP, EntryKind.QUEUE_CONSUMER, EntryKind.COMMAND, EntryKind.DURABLE_ACTIVITY,
})  # fmt: skip
"""Where nobody waits for an answer that is an error anyway."""


def reporting_handler(model: Model, site: CallSite) -> Handler | None:
    """The broad handler, meant to keep a failure where it is, in which the call stands."""
    scope = site.function.scope
    inside = next(
        (r for r in flow.ancestors(scope, site.fact.region) if scope.regions[r].kind in {"except", "finally"}), 0
    )
    if not inside or scope.regions[inside].kind != "except":
        return None
    handler = model.exceptions.handler(site.function, inside)
    return handler if handler.broad and handler.stops and handler.exits != "return" else None


def tells_of_failure(model: Model, site: CallSite, effect: EffectAt, path: list[Edge]) -> bool:
    """Does the call say, to a person or a chat, that something went wrong?"""
    if effect.effect not in _SENT or site.fact.use != "discarded":
        return False
    if effect.effect is Effect.NOTIFY:
        return True
    names = [model.callee_text(site), *(edge.callee.qualname for edge in path[:2])]
    return any(_TELLS.fullmatch(word) for name in names for word in words_of(name))


def ended(model: Model, site: CallSite) -> Outcome | None:
    """What the failure of the report ends: the nearest entry that runs in the background and has more to do after it."""
    scope = site.function.scope
    after = max(r.end for r in scope.regions if r.start <= site.fact.order < r.end and r.kind == "except")
    more = flow.loop_of(scope, site.fact.region) is not None or any(call.order >= after for call in scope.calls)
    outcomes = [o for o in model.failures.of(site) if o.kind in {"fails", "retried"} and o.entry is not None]
    here = [o for o in outcomes if o.entry is not None and o.entry.kind in _BACKGROUND and (more or o.path)]
    found = min(here, key=lambda o: len(o.path), default=None)
    if found is None or found.entry is None or found.entry.kind is not EntryKind.COMMAND:
        return found
    sites = [edge.site for edge in found.path]
    works = _works_after(model, site, after) or any(_works_after(model, one, one.fact.order + 1) for one in sites)
    return found if works else None  # a program that would only say goodbye may as well end with the error


def _works_after(model: Model, site: CallSite, order: int) -> bool:
    """Is more done below than to say how it went: in the next round of a loop, or by a call?"""
    scope = site.function.scope
    if flow.loop_of(scope, site.fact.region) is not None:
        return True
    below = [
        site.function.site(call) for call in scope.calls if call.order >= order and not _stands_in(site, call, scope)
    ]
    return any(
        (effect.effect.word.external or effect.effect.word.persists) and not effect.effect.word.telemetry
        for one in below
        for effect in model.effects_through(one)
    )


def _stands_in(site: CallSite, call: f.Call, scope: f.Scope) -> bool:
    """In the handler in which the report stands."""
    handlers = [r for r in flow.ancestors(scope, site.fact.region) if scope.regions[r].kind == "except"]
    return bool(handlers) and flow.within(scope, call.region, handlers[-1])
