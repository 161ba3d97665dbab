"""Requests for a retry that a handler around them catches: the framework asks for it by an exception."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import EntryKind
from roadworthy.project import flow
from roadworthy.project.boundaries import is_self_retry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.handler import Handler
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite


_SIGNAL = re.compile(r"Retry$|^Ignore$|^Reject$")


@dataclass(frozen=True, slots=True)
class CaughtRetry:
    """`self.retry()` in a `try` whose broad handler takes the exception by which it leaves for a failure."""

    site: CallSite
    handler: Handler
    again: CallSite | None  # the same request once more, in the handler


def caught_retries(model: Model) -> Iterator[CaughtRetry]:
    """Every such request of reviewed code."""
    for site in retry_requests(model):
        found = _of(model, site)
        if found is not None:
            yield found


def retry_requests(model: Model) -> Iterator[CallSite]:
    """Every call in reviewed code by which a job asks to be run again."""
    for function in model.functions:
        sites = [site for site in function.calls if is_self_retry(model, site)]
        if sites and any(reached.entry.kind is EntryKind.JOB for reached in model.exposure(function).entries):
            yield from sites


def _of(model: Model, site: CallSite) -> CaughtRetry | None:
    if any(keyword == "throw" for keyword, _ in site.fact.kwargs):
        return None  # told to come back
    for handlers in model.handlers_around(site):
        for handler in handlers:
            if any(_SIGNAL.search(name.rpartition(".")[2]) for name in handler.types):
                return None  # somebody knows of it
            if handler.broad:
                again = _asks_again(model, handler)
                return CaughtRetry(site, handler, again) if again is not None or handler.stops else None
    return None


def _asks_again(model: Model, handler: Handler) -> CallSite | None:
    function = handler.function
    sites = (function.site(call) for call in flow.calls_in(function.scope, handler.region))
    return next((site for site in sites if is_self_retry(model, site)), None)
