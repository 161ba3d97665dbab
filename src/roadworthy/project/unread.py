"""Writes that may have failed although what follows tells success: never awaited, answered with failures that nobody reads, or caught."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, EntryKind, Repeat
from roadworthy.project import flow
from roadworthy.project.acks import lost_at
from roadworthy.project.cutoff import is_bookkeeping, is_telemetry
from roadworthy.project.symbols import bound_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.exceptions import Handler
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_SENDERS = (EntryKind.WEBHOOK_HANDLER, EntryKind.HTTP_HANDLER)
_SUCCESS = re.compile(
    r"^(ok|success|succeeded|accepted|received|processed|done|created|saved|stored|queued)$", re.IGNORECASE
)
_CHECKS = re.compile(
    r"raise_for_status|event_hooks|\bhooks\b|raise_on|expect|status_code|\.ok\b|assert_", re.IGNORECASE
)
_MARKS = frozenset({Effect.SQL_UPDATE, Effect.SQL_INSERT, Effect.SQL_UPSERT, Effect.COMMIT, Effect.ACK})

_FAILURES = re.compile(r"\.(failed_\w+|\w*failures|number_errors)$")
_MAILS = frozenset({Effect.EMAIL, Effect.SMS})

_RECORD = re.compile(r"audit|(auth|login|security)_events?|activity|access_log|login_history")
"""Records of what was done: the thing itself is done without them."""


@dataclass(frozen=True, slots=True)
class Untold:
    """A write whose failure is not seen by what tells success afterwards."""

    kind: Literal["unawaited", "partial", "status", "caught", "acked"]
    site: CallSite
    effect: EffectAt
    then: CallSite | None = None  # status, acked: what is done as if it had succeeded
    handler: Handler | None = None  # caught, acked: the handler
    line: int = 0  # caught: where success is told
    entry: Entry | None = None


def untold_failures(model: Model) -> Iterator[Untold]:
    """All of reviewed code, by source order."""
    for function in model.functions:
        for site in function.calls:
            found = _unawaited(model, site) or _unread(model, site)
            if found is not None:
                yield found
        yield from _caught(model, function)


# --- never awaited -----------------------------------------------------------------------------------------------------


def _unawaited(model: Model, site: CallSite) -> Untold | None:
    """A coroutine that is made and dropped: the write never happens."""
    if site.fact.awaited or site.fact.use != "discarded" or not site.function.is_async:
        return None
    resolution = model.graph.resolutions[site]
    if (
        resolution.how in {"shape", "override", "parameter", "argument"}
        or len(resolution.functions) + len(resolution.libraries) != 1
    ):
        return None
    for effect in model.effects_at(site):
        if (
            effect.row.awaitable
            and effect.effect.word.persists
            and not effect.row.lazy
            and effect.confidence.name == "HIGH"
        ):
            return Untold("unawaited", site, effect)
    for callee in resolution.functions:
        if callee.is_async and not callee.scope.is_generator and not callee.scope.decorators:
            lost = lost_at(model, site)
            if lost:
                return Untold("unawaited", site, lost[0])
    return None


# --- answers that nobody reads -----------------------------------------------------------------------------------------


def _unread(model: Model, site: CallSite) -> Untold | None:
    for effect in model.effects_at(site):
        told = effect.row.result_tells
        if told in {"partial", "errors"} and _is_batch_write(effect) and _goes_unread(model, site):
            if _asks_elsewhere(site):
                continue
            return Untold("partial", site, effect)
        if told == "status" and effect.repeat is not Repeat.SAFE and _is_dropped(site) and not _is_checked(model, site):
            then = _marked_after(model, site)
            if then is not None:
                return Untold("status", site, effect, then)
    return None


def _asks_elsewhere(site: CallSite) -> bool:
    """`batch.add(…)`, and later `batch.failed_objects`: the failures are read off the object itself."""
    reads = site.function.scope.last_read.items()
    return any(_FAILURES.search(path) and order > site.fact.order for path, order in reads)


def _is_batch_write(effect: EffectAt) -> bool:
    """Rows, records, documents; a mail has one recipient as a rule, and one that is refused raises."""
    if effect.effect in _MAILS:
        return False
    return (
        effect.effect.word.persists
        and not effect.effect.word.secondary
        and not is_telemetry(effect.function.name, effect.function.path)
    )


def _goes_unread(model: Model, site: CallSite) -> bool:
    """Dropped here, or returned to callers that all drop it."""
    if site.fact.use != "returned":
        return _is_dropped(site)
    edges = model.edges_to(site.function)
    return bool(edges) and all(edge.kind == "call" and _is_dropped(edge.site) for edge in edges)


def _is_dropped(site: CallSite) -> bool:
    """The result is not bound, or bound to a name that nobody reads."""
    if site.fact.use == "discarded":
        return True
    if site.fact.use != "assigned":
        return False
    scope = site.function.scope
    for assign in scope.assigns:
        value = assign.value.value if isinstance(assign.value, f.Await) else assign.value
        if isinstance(value, f.CallRef) and value.index == site.index:
            names = list(bound_names(assign.target))
            return (
                isinstance(assign.target, f.Name)
                and scope.kind == "function"
                and all(scope.last_read.get(name, -1) < assign.order and name not in scope.globals for name in names)
                and not _inner_reads(site.function, names)
            )
    return False


def _inner_reads(function: Function, names: list[str]) -> bool:
    inner = [child for children in function.children.values() for child in children]
    return any(name in child.scope.last_read for child in inner for name in names)


def _is_checked(model: Model, site: CallSite) -> bool:
    """The client raises by itself: a hook, a setting, or an own method that looks at the status."""
    body = site.function.module
    return any(
        _CHECKS.search(" ".join((flow.text_of(call.func, fn.scope), *(key for key, _ in call.kwargs))))
        for fn in body.functions
        for call in fn.scope.calls
    ) or any(_CHECKS.search(path) for fn in body.functions for path in fn.scope.last_read)


def _marked_after(model: Model, site: CallSite) -> CallSite | None:
    """What says afterwards, on the same way, that it is done: a row is changed or the message confirmed."""
    scope = site.function.scope
    if is_telemetry(site.function.name) or is_bookkeeping(site.function.name):
        return None
    for other in sorted(site.function.calls, key=lambda s: s.fact.order):
        if not flow.may_precede(scope, site.fact, other.fact) or not _straight_on(scope, site.fact, other.fact):
            continue
        if any(e.effect in _MARKS for e in model.effects_at(other)):
            return other
    return None


def _straight_on(scope: f.Scope, first: f.Call, second: f.Call) -> bool:
    """Does the second call follow whenever the first has returned, without a condition of its own?"""
    for region in flow.ancestors(scope, second.region):
        if flow.within(scope, first.region, region):
            return True
        if scope.regions[region].kind not in {"with", "try", "try_else"}:
            return False
    return False


# --- caught ------------------------------------------------------------------------------------------------------------


def _caught(model: Model, function: Function) -> Iterator[Untold]:
    """A handler that only logs the failure of the write for which the entry is there, and success is told all the same."""
    entries = [e for e in model.entries.at(function) if e.kind in _SENDERS]
    if not entries:
        return
    scope = function.scope
    for index, region in enumerate(scope.regions):
        if region.kind != "try" or any(
            scope.regions[r].kind in {"for", "while", "except"} for r in flow.ancestors(scope, index)
        ):
            continue
        write = next(((site, lost) for site, lost in _writes_in(model, function, index)), None)
        if write is None or _is_one_of_several(model, function, index):
            continue
        for handler_region in flow.handlers_of(scope, index):
            handler = model.exceptions.handler(function, handler_region)
            line = _tells_success(function, handler)
            explained = model.explains(function.path, handler.line, handler.end_line)
            if line and handler.broad and not explained and not _makes_up(handler):
                yield Untold("caught", write[0], write[1][0], None, handler, line, entries[0])
                return


def _is_one_of_several(model: Model, function: Function, region: int) -> bool:
    """Something else is written outside the `try`: what is caught may be by the way."""
    inside = {id(call) for call in flow.calls_in(function.scope, region)}
    return any(id(site.fact) not in inside and lost_at(model, site) for site in function.calls)


def _writes_in(model: Model, function: Function, region: int) -> Iterator[tuple[CallSite, tuple[EffectAt, ...]]]:
    for call in flow.calls_in(function.scope, region):
        site = function.site(call)
        name = flow.last_name(call.func)
        if (
            is_bookkeeping(name)
            or is_telemetry(name)
            or _RECORD.search(_snake(flow.deep_text(call.func, function.scope)))
        ):
            continue
        lost = tuple(effect for effect in lost_at(model, site) if effect.effect not in _MAILS)
        if lost:
            yield site, lost


def _snake(text: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower()


def _makes_up(handler: Handler) -> bool:
    return (
        not handler.stops
        or handler.records
        or handler.alternative
        or handler.passes_on
        or handler.answers
        or handler.silent
    )


def _tells_success(function: Function, handler: Handler) -> int:
    """The line on which success is told after the handler: in it, or by the one answer below it."""
    scope = function.scope
    inside = [leave for leave in flow.leaves_in(scope, handler.region) if leave.kind == "return"]
    if inside:
        return next((leave.line for leave in inside if _says_success(leave.value, function)), 0)
    if handler.exits:
        return 0
    end = scope.regions[handler.region].end
    below = [leave for leave in scope.leaves if leave.kind == "return" and leave.order >= end]
    outer = scope.regions[handler.region].parent
    direct = [leave for leave in below if flow.within(scope, outer, leave.region)]
    if len(below) != 1 or not direct:
        return 0
    return direct[0].line if _says_success(direct[0].value, function) else 0


def _says_success(expr: f.Expr | None, function: Function) -> bool:
    """`{"status": "ok"}`, `Response(status=200)`, `"ok", 200`, `True`."""
    scope = function.scope
    parts = list(flow.walk(expr))
    for part in list(parts):
        if isinstance(part, f.CallRef):
            call = scope.calls[part.index]
            for item in (*call.args, *(value for _, value in call.kwargs)):
                parts.extend(flow.walk(item))
    for part in parts:
        if isinstance(part, f.Str) and _SUCCESS.match(part.value):
            return True
        if (
            isinstance(part, f.Const)
            and part.value is not None
            and (part.value is True or part.value in {200, 201, 202, 204})
        ):
            return True
        if isinstance(part, f.Attr) and re.search(r"HTTP_20\d|^(OK|CREATED|ACCEPTED|NO_CONTENT)$", part.name):
            return True
    return False
