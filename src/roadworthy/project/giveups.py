"""Where the only attempt fails, the failure is logged, and what is written down says that the work is done, or stays empty for good."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, EntryKind
from roadworthy.project import flow
from roadworthy.project.attempts import is_infrastructure, is_telemetry_name
from roadworthy.project.symbols import attribute_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.exceptions import Handler
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_ACTS = (
    Effect.HTTP_REQUEST, Effect.RPC, Effect.PUBLISH, Effect.OBJECT_WRITE, Effect.OBJECT_DELETE, Effect.EMAIL, Effect.SMS, Effect.CHARGE,
    Effect.START_DURABLE, Effect.VECTOR_UPSERT, Effect.VECTOR_INSERT,
)  # fmt: skip
_LOADS = (Effect.HTTP_REQUEST, Effect.RPC, Effect.OBJECT_READ, Effect.LLM)
_DONE = re.compile(
    r"(^|_)(status|state|deleted|deleted_at|finished|finished_at|completed|completed_at|processed|processed_at|sent|sent_at|done|done_at"
    r"|delivered|delivered_at|synced|synced_at|terminated|terminated_at|published|published_at|exported|exported_at)$"
)
_FAILED = re.compile(r"fail|err|pending|retry|queued|unknown|start|running|progress|waiting|scheduled|creat|open|none|false", re.IGNORECASE)  # fmt: skip
_CLOCK = re.compile(r"now|time|today", re.IGNORECASE)
_LOGS = frozenset(
    {"exception", "error", "warning", "warn", "info", "critical", "debug", "log", "aexception", "aerror", "awarning"}
)
_MARKS = re.compile(
    r"^(mark|set)_\w*(done|sent|deleted|finished|completed?|processed|delivered|synced|terminated|published)$"
)


@dataclass(frozen=True, slots=True)
class GiveUp:
    """One attempt whose failure leaves a wrong word behind."""

    how: Literal["done-anyway", "empty-for-good"]
    effect: EffectAt
    site: CallSite  # the attempt, in the function of the handler
    handler: Handler
    line: int  # done-anyway: where it is marked as done; empty-for-good: where the value is kept
    name: str  # what is marked or kept


def given_up(model: Model) -> Iterator[GiveUp]:
    """All of reviewed code."""
    for function in model.functions:
        if function.kind != "function":
            continue
        for index, region in enumerate(function.scope.regions):
            if region.kind != "try":
                continue
            handlers = [model.exceptions.handler(function, h) for h in flow.handlers_of(function.scope, index)]
            lost = [h for h in handlers if _only_tells(h, model)]
            if lost and len(lost) == len(handlers):
                yield from _done_anyway(model, function, index, lost[-1])
                yield from _empty_for_good(model, function, index, lost[-1])


def _only_tells(handler: Handler, model: Model) -> bool:
    """Logs or keeps quiet, and lets the function go on."""
    return not (
        handler.raises or handler.may_raise or handler.records or handler.exits or _passes_on(handler)
        or model.failures.tries_again(handler)
    )  # fmt: skip


def _passes_on(handler: Handler) -> bool:
    """Is the error used for anything but a log line?"""
    if not handler.passes_on:
        return False
    scope = handler.function.scope
    here = scope.regions[handler.region]
    name = here.target.id if isinstance(here.target, f.Name) else ""
    for call in flow.calls_in(scope, handler.region):
        read = any(
            isinstance(p, f.Name) and p.id == name
            for arg in (*call.args, *(v for _, v in call.kwargs))
            for p in flow.walk(arg)
        )
        if read and not _logged(call, scope):
            return True
    values = [a.value for a in flow.assigns_in(scope, handler.region) if a.op != "except"]
    values += [leave.value for leave in flow.leaves_in(scope, handler.region)]
    return any(
        isinstance(p, f.Name) and p.id == name for value in values if value is not None for p in flow.walk(value)
    )


def _logged(call: f.Call, scope: f.Scope) -> bool:
    """A log call, or a part of the arguments of one: `logger.error("…", repr(error))`."""
    here: f.Call | None = call
    while here is not None:
        if isinstance(here.func, f.Attr) and here.func.name in _LOGS:
            return True
        here = scope.calls[here.outer] if here.outer >= 0 else None
    return False


def _attempt(
    model: Model, function: Function, tried: int, words: tuple[Effect, ...]
) -> tuple[CallSite, EffectAt] | None:
    for call in flow.calls_in(function.scope, tried):
        site = function.site(call)
        for effect in model.effects_through(site, *words):
            if not effect.secondary and not is_infrastructure(model, effect) and not is_telemetry_name(effect.function):
                return site, effect
    return None


# --- done anyway ------------------------------------------------------------------------------------------------------


def _done_anyway(model: Model, function: Function, tried: int, handler: Handler) -> Iterator[GiveUp]:
    if model.exposure(function).entries and all(
        r.entry.kind is EntryKind.HTTP_HANDLER for r in model.exposure(function).entries
    ):
        return
    marked = _marked_after(function, tried)
    if marked is None or _acts_between(model, function, tried, marked[0]):
        return
    found = _attempt(model, function, tried, _ACTS)
    if found is not None:
        yield GiveUp("done-anyway", found[1], found[0], handler, *marked[1:])


def _acts_between(model: Model, function: Function, tried: int, order: int) -> bool:
    """Another attempt lies between: the word may be about that."""
    end = function.scope.regions[tried].end
    return any(
        end <= call.order < order and model.effects_through(function.site(call), *_ACTS)
        for call in function.scope.calls
    )


def _marked_after(function: Function, tried: int) -> tuple[int, int, str] | None:
    """(order, line, name) of a word such as `row.status = DELETED` that is written whether the attempt worked or not."""
    scope = function.scope
    around = set(flow.ancestors(scope, scope.regions[tried].parent))
    end = max(scope.regions[r].end for r in flow.siblings(scope, tried))
    if any(scope.regions[r].kind == "try_else" for r in flow.siblings(scope, tried)):
        return None
    for assign in scope.assigns:
        target = assign.target
        if assign.order < end or assign.region not in around or not isinstance(target, f.Attr) or assign.op != "=":
            continue
        text = flow.text_of(assign.value, scope)
        if _DONE.search(target.name) and _is_word(assign.value, scope) and not _FAILED.search(text):
            return assign.order, assign.line, flow.text_of(target, scope)
    for call in scope.calls:
        name = (
            call.func.name if isinstance(call.func, f.Attr) else call.func.id if isinstance(call.func, f.Name) else ""
        )
        if call.order >= end and call.region in around and _MARKS.match(name):
            return call.order, call.line, f"{name}()"
    return None


def _is_word(value: f.Expr | None, scope: f.Scope) -> bool:
    """A constant, a member of an enumeration, or the time."""
    if isinstance(value, f.CallRef):
        return _CLOCK.search(flow.text_of(scope.calls[value.index].func, scope)) is not None
    if isinstance(value, f.Attr):
        return value.name.isupper() or (isinstance(value.value, f.Name) and value.value.id[:1].isupper())
    return isinstance(value, f.Str | f.Const)


# --- empty for good ---------------------------------------------------------------------------------------------------


def _empty_for_good(model: Model, function: Function, tried: int, handler: Handler) -> Iterator[GiveUp]:
    """`try: self.rates = fetch() except Exception: log` in a constructor, and nothing loads them again."""
    cls = function.cls
    if cls is None or not _runs_once(model, function):
        return
    owner = function.scope.params[0].name if function.scope.params else None
    for assign in flow.assigns_in(function.scope, tried):
        name = attribute_of(assign.target, owner)
        if name is None or assign.value is None:
            continue
        others = [
            scope
            for scope, _ in cls.attribute_assigns.get(name, ())
            if scope.kind == "function" and scope.name != "__init__"
        ]
        if any(scope is not function for scope in others):
            continue
        found = _attempt(model, function, tried, _LOADS)
        if found is not None and found[0].fact.order < assign.order and _kept_from(assign, found[0], function, tried):
            yield GiveUp("empty-for-good", found[1], found[0], handler, assign.line, f"self.{name}")
            return


def _kept_from(assign: f.Assign, site: CallSite, function: Function, tried: int) -> bool:
    """Does the value come from the attempt: is it in the expression, or in a name that the attempt was bound to?"""
    scope = function.scope
    for part in flow.walk(assign.value):
        if isinstance(part, f.CallRef) and part.index == site.index:
            return True
        if isinstance(part, f.Comp):
            part = scope.regions[part.region].test or part
        if isinstance(part, f.Name):
            for bound in function.bindings.get(part.id, ()):
                if flow.within(scope, bound.region, tried) and any(
                    isinstance(p, f.CallRef) and p.index == site.index for p in flow.walk(bound.value)
                ):
                    return True
    return False


def _runs_once(model: Model, function: Function) -> bool:
    """A constructor, or a method that only constructors call."""
    if function.name == "__init__":
        return True
    callers = [edge.caller for edge in model.edges_to(function)]
    return bool(callers) and all(caller.name == "__init__" and caller.cls is not None for caller in callers)
