"""Handlers in a loop that keep some failures of an item there, and what passes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.partial import left_out
from roadworthy.project.peritem import NEAR, about_item, fails_alone
from roadworthy.project.raised import Raised, may_hold

if TYPE_CHECKING:
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.handler import Handler
    from roadworthy.project.model import Model
    from roadworthy.project.raised import Raises
    from roadworthy.project.symbols import CallSite, Function


_ANY = "RuntimeError"
"""Stands for whatever a broad handler lets go on: no handler for an error of the project holds it."""

_LONG = 30  # lines that people read at once


@dataclass(frozen=True, slots=True)
class Leak:
    """A handler that keeps some failures of an item in the loop, and what passes it."""

    handler: Handler
    site: CallSite
    effect: EffectAt | None  # None: what the project raises itself
    missing: tuple[str, ...]  # dotted names
    raised: Raised | None = None  # where the project raises it

    @property
    def lines(self) -> tuple[int, int]:
        """From the call to the end of the handler around it; the call alone where the handler stands around another."""
        around = flow.within(self.site.function.scope, self.site.fact.region, _tried(self.handler))
        end = min(self.handler.end_line, self.site.line + _LONG) if around else self.site.fact.end_line
        return self.site.line, end

    @property
    def names(self) -> tuple[str, ...]:
        """What passes, for people."""
        return (self.raised.name,) if self.raised is not None else self.missing


def leak_of(model: Model, function: Function, index: int, names: set[str], raises: Raises) -> Leak | None:
    """What a handler in the loop leaves out: a failure of the outside, else an error that the project raises itself."""
    return _of_request(model, function, index, names) or _of_own(model, function, index, names, raises)


def _of_request(model: Model, function: Function, index: int, names: set[str]) -> Leak | None:
    """`except HTTPError: continue` around a request: whoever wrote it means to go on, and a timeout ends the loop all the same."""
    for call in flow.calls_in(function.scope, index):
        site = function.site(call)
        kept = _goes_on_for(model, function, site, index)
        if kept is None or not about_item(function, call, names):
            continue
        for effect in model.escapes.at(site):
            near = len(model.reach.path_down(function, effect)) <= NEAR
            if effect.effect is not Effect.HTTP_REQUEST or not near or not fails_alone(model, effect):
                continue
            missing = tuple(name for name in left_out(model, effect, kept.types) if not _held(model, site, index, name))
            if missing:
                return Leak(kept, site, effect, missing)
    return None


def _of_own(model: Model, function: Function, index: int, names: set[str], raises: Raises) -> Leak | None:
    """`except OrderError: log` in a loop, and out of a call, maybe that very one, comes an error of the project that is none."""
    sites = [function.site(call) for call in flow.calls_in(function.scope, index) if about_item(function, call, names)]
    for find in (_goes_on_for, _goes_on_beside):  # what the handler stands around says more than what it stands beside
        for site in sites:
            kept = find(model, function, site, index)
            if kept is None or not _is_meant(model, kept):
                continue
            for one in raises.at(site, NEAR + 1):
                if not _held(model, site, index, one.name):
                    return Leak(kept, site, None, (one.name,), one)
            again = _raised_after_log(model, site) if find is _goes_on_for else None
            if again is not None and not _held(model, site, index, _ANY):
                return Leak(kept, site, None, (_ANY,), again)
    return None


def _tried(handler: Handler) -> int:
    tried = flow.sibling_of_kind(handler.function.scope, handler.region, "try")
    return -1 if tried is None else tried


def _goes_on_beside(model: Model, function: Function, site: CallSite, index: int) -> Handler | None:
    """A handler in the same loop that goes on to the next item after an error of the project, around another call."""
    scope = function.scope
    for region, here in enumerate(scope.regions):
        if here.kind != "except" or flow.loop_of(scope, here.parent) != index or here.exits != "continue":
            continue
        handler = model.exceptions.handler(function, region)
        if handler.stops and any(model.exceptions.is_own(name) for name in handler.types):
            return handler if not _stands_in_handler(function, site, index) else None
    return None


def _stands_in_handler(function: Function, site: CallSite, index: int) -> bool:
    scope = function.scope
    around = (r for r in flow.ancestors(scope, site.fact.region) if flow.within(scope, r, index))
    return any(scope.regions[r].kind == "except" for r in around)


def _raised_after_log(model: Model, site: CallSite) -> Raised | None:
    """A broad handler in the function called that logs whatever failed there, and raises it all the same."""
    for edge in model.edges_at(site):
        scope = edge.callee.scope
        for index, region in enumerate(scope.regions):
            if region.kind == "except" and region.exits == "raise" and model.escapes.follows(edge):
                handler = model.exceptions.handler(edge.callee, index)
                bare = any(leave.kind == "raise" and leave.value is None for leave in flow.leaves_in(scope, index))
                if handler.broad and handler.log_level and bare:
                    return Raised("Exception", edge.callee, region.line)
    return None


def _is_meant(model: Model, handler: Handler) -> bool:
    """It names an error of the project or tells of the failure: no mere `except KeyError: continue`."""
    loud = handler.log_level != "" and not handler.whispers
    return any(model.exceptions.is_own(name) for name in handler.types) or loud or handler.records


def _goes_on_for(model: Model, function: Function, site: CallSite, index: int) -> Handler | None:
    """The handler of a call in the loop that is meant to keep the failure of one item there."""
    for handler in (handler for handlers in model.handlers_around(site) for handler in handlers):
        inside = flow.within(function.scope, handler.region, index)
        if inside and handler.stops and not handler.broad and handler.exits not in {"return", "break", "raise"}:
            return handler
    return None


def _held(model: Model, site: CallSite, index: int, name: str) -> bool:
    """Does a handler inside the loop catch this failure, or one that we do not know well enough?"""
    scope = site.function.scope
    around = [handler for handlers in model.handlers_around(site) for handler in handlers]
    return any(may_hold(model, handler, name) for handler in around if flow.within(scope, handler.region, index))
