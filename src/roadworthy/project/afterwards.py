"""What a middleware still does when the answer is ready: its failure throws the answer away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import Effect, EntryKind
from roadworthy.project import flow
from roadworthy.project.purpose import drives_program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite

_GOES_ON = frozenset({"get_response", "call_next"})
_ANSWERED = frozenset({"process_response", "process_template_response"})
_HOOKS = ("after_request", "after_app_request", "after_this_request")
_SENDS = frozenset({
    Effect.ENQUEUE, Effect.PUBLISH, Effect.HTTP_REQUEST, Effect.RPC, Effect.NOTIFY, Effect.EMAIL, Effect.SMS,
})  # fmt: skip
"""Work for somebody else. Rows, sessions and caches may belong to the request itself."""
_NEAR = 4  # calls between the middleware and the effect


def afterwards(model: Model) -> Iterator[tuple[Entry, CallSite, EffectAt]]:
    """(middleware, call, what of it may fail): the first of each that nothing catches and whose result nobody needs."""
    seen = set()
    for entry in model.entries.all:
        if (
            entry.kind is not EntryKind.MIDDLEWARE
            or entry.function in seen
            or not model.is_reviewed(entry.function.path)
        ):
            continue
        seen.add(entry.function)
        for site in entry.function.calls:
            effect = _fails(model, site) if _is_after(entry, site) else None
            if effect is not None:
                yield entry, site, effect
                break


def _is_after(entry: Entry, site: CallSite) -> bool:
    """Is the answer there when this runs, and is it a step of its own?"""
    function = entry.function
    if site.fact.use != "discarded":
        return False
    if function.name in _ANSWERED or entry.source.endswith(_HOOKS):
        return True
    scope = function.scope
    ready = [call for call in scope.calls if flow.last_name(call.func) in _GOES_ON]
    return (
        bool(ready)
        and all(call.order < site.fact.order for call in ready)
        and any(flow.may_precede(scope, call, site.fact) for call in ready)
    )


def _fails(model: Model, site: CallSite) -> EffectAt | None:
    guards = model.guards_on(site)
    for effect in model.escapes.at(site):
        if (
            effect.effect not in _SENDS
            or effect.effect.word.telemetry
            or effect.row.lazy
            or drives_program(model, effect)
        ):
            continue
        path = [] if effect.site is site else model.reach.path_down(site.function, effect)
        if len(path) <= _NEAR and not model.escapes.stopped(guards, effect):
            return effect
    return None
