"""What an entry tells whoever called it, and whether that is a promise of work still to do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import EntryKind
from roadworthy.project import flow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.entry import Entry
    from roadworthy.project.symbols import CallSite, Function

ANSWERS = frozenset({
    EntryKind.HTTP_HANDLER, EntryKind.WEBHOOK_HANDLER, EntryKind.LAMBDA_HANDLER, EntryKind.QUEUE_CONSUMER, EntryKind.JOB,
    EntryKind.DURABLE_ACTIVITY, EntryKind.DURABLE_WORKFLOW,
})  # fmt: skip
"""Entries whose end tells somebody that the work is done: a client, a sender, a broker, an engine."""

_PROMISE = re.compile(
    r"\b(accepted|processing|queued|enqueued|pending|started|scheduled|submitted|in[ _-]progress|running|initiated|triggered|background|"
    r"(import|export|upload|index|sync|generat|convert|build|delet)ing|will be|shortly|on its way)\b",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"HTTP_[45]\d\d|BadRequest|Forbidden|NotFound|NotAllowed|ServerError|Conflict|Gone|BAD_REQUEST|HTTPException|Http404"
)
_ACCEPTED = re.compile(r"\b202\b|ACCEPTED")


@dataclass(frozen=True, slots=True)
class Promise:
    """An answer that says: accepted, and to be done."""

    entry: Entry
    line: int
    text: str  # "202", "processing" …


def promise_of(entry: Entry) -> Promise | None:
    """The first sign that an entry answers before the work is done: a 202, or a word like "queued" in what it returns."""
    function = entry.function
    if entry.kind not in {EntryKind.HTTP_HANDLER, EntryKind.WEBHOOK_HANDLER}:
        return None
    outer = function.parent
    for position, expr in enumerate(function.scope.decorators):
        if outer is not None and isinstance(expr, f.CallRef):
            for key, value in outer.scope.calls[expr.index].kwargs:
                if key == "status_code" and _ACCEPTED.search(flow.text_of(value, outer.scope)):
                    lines = function.scope.decorator_lines
                    return Promise(entry, lines[position] if position < len(lines) else function.line, "202")
    for leave in function.scope.leaves:
        if leave.kind == "return" and leave.value is not None:
            text = _promise_in(leave.value, function)
            if text:
                return Promise(entry, leave.line, text)
    return None


def refuses(function: Function, order: int, region: int) -> bool:
    """Does the way from an event of a function on end in an answer that says no: a 4xx or 5xx, an exception that stands for one?"""
    scope = function.scope
    blocks = set(flow.ancestors(scope, region))
    ends = [leave for leave in scope.leaves if leave.order > order and leave.region in blocks]
    end = min(ends, key=lambda leave: leave.order, default=None)
    if end is None or end.kind not in {"return", "raise"} or end.value is None:
        return False
    for part in _said(end.value, function, 2):
        if isinstance(part, f.Const) and isinstance(part.value, int) and 400 <= part.value < 600:
            return True
        if _REFUSED.search(flow.last_name(part)):
            return True
        if isinstance(part, f.CallRef) and _REFUSED.search(flow.last_name(scope.calls[part.index].func)):
            return True
    return False


def _promise_in(expr: f.Expr, function: Function) -> str:
    for part in _said(expr, function, 0):
        if isinstance(part, f.Str):
            match = _PROMISE.search(part.value)
            if match:
                return match[0].lower()
        elif (isinstance(part, f.Const) and part.value == 202) or (
            isinstance(part, f.Attr) and _ACCEPTED.search(part.name)
        ):
            return "202"
    return ""


def _said(expr: f.Expr, function: Function, depth: int) -> Iterator[f.Expr]:
    """The parts of an answer: displays, the arguments of the calls that build it, and the local dict it was put together in."""
    for part in flow.walk(expr):
        yield part
        if depth > 3:
            continue
        if isinstance(part, f.CallRef):
            call = function.scope.calls[part.index]
            for inner in (*call.args, *(value for _, value in call.kwargs)):
                yield from _said(inner, function, depth + 1)
        elif isinstance(part, f.Name):
            for assign in function.bindings.get(part.id, ())[-2:]:
                if assign.op == "=" and isinstance(assign.value, f.Dict | f.CallRef):
                    yield from _said(assign.value, function, depth + 2)


def is_answered_for(site: CallSite, done: CallSite) -> bool:
    """A try around the aside and not around the work, whose handlers all raise: that its failure is told is what was wanted."""
    scope = site.function.scope
    for tried, _ in flow.try_regions(scope, site.fact.region):
        handlers = flow.handlers_of(scope, tried)
        if handlers and not flow.within(scope, done.fact.region, tried):
            return all(scope.regions[r].exits == "raise" for r in handlers)
    return False
