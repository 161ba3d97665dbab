"""Where one transient failure is written down as the end of the work: a handler in a job marks it as failed, and nothing takes it up again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, EntryKind
from roadworthy.project import flow
from roadworthy.project.attempts import (
    REMOTE,
    attempts_of,
    in_handler,
    is_infrastructure,
    is_telemetry_name,
    repeats_failures,
)
from roadworthy.project.purpose import runs_remote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.exceptions import Handler
    from roadworthy.project.failures import Outcome
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_FED = frozenset({EntryKind.JOB, EntryKind.QUEUE_CONSUMER, EntryKind.WORKER_LOOP})
_ASKED = frozenset({EntryKind.HTTP_HANDLER, EntryKind.WEBHOOK_HANDLER, EntryKind.MIDDLEWARE})
_FAILED = re.compile(
    r"(?<![a-z])(failed|failure|errored|error)(?![a-z_(])|(?<![A-Z])(FAILED|FAILURE|ERRORED|ERROR)(?![A-Z])"
)
_STATE = re.compile(r"(^|_|\.)(status|state|phase|result|outcome)$")
_MARKS = re.compile(
    r"^((mark|set|update|report|record|save|finish|complete)_\w*(fail|error)\w*|fail|set_failed|mark_failed)$"
)
_TOLD_STATE = re.compile(r"^(mark|set|update|change|report|save)\w*(status|state)?$")
_AGAIN = re.compile(r"retry|retries|requeue|re_?run|reprocess|resubmit|resend|re_?try|sweep|stale|stuck", re.IGNORECASE)
_QUERIES = frozenset(
    {"filter", "filter_by", "where", "get", "find", "find_one", "exclude", "Q", "select", "query", "execute"}
)
_OTHERS = frozenset({"logger", "log", "logging", "messages", "span", "metrics", "statsd", "sentry_sdk"})


@dataclass(frozen=True, slots=True)
class Final:
    """One call, and the handler that makes its first failure the last word."""

    effect: EffectAt
    outcome: Outcome
    handler: Handler
    line: int  # where it is marked
    entry: Entry

    @property
    def site(self) -> CallSite:
        """The call in the function of the handler."""
        for edge in self.outcome.path:
            if edge.caller is self.handler.function:
                return edge.spawner or edge.site
        return self.effect.site


def final_failures(model: Model) -> Iterator[Final]:
    """Of reviewed code, one for each handler."""
    if _takes_up_failed(model):
        return
    attempts, seen = attempts_of(model), set()
    for effect in model.effects_of(*sorted(REMOTE | {Effect.SPAWN_PROCESS}, key=lambda e: e.value)):
        site = effect.site
        if in_handler(site) or is_telemetry_name(effect.function) or effect.secondary or model.is_script(site.path):
            continue
        for outcome in model.failures.of(site, effect.row.raises):
            handler = outcome.handler
            if outcome.kind != "handled" or handler is None or (handler.function, handler.region) in seen:
                continue
            if (
                not _is_single(model, effect, outcome)
                or not attempts.is_plausible(outcome)
                or attempts.has_retried_twin(outcome, site)
            ):
                continue
            line, entry = _marked(model, handler), _fed(model, handler.function)
            if line and entry is not None:
                seen.add((handler.function, handler.region))
                yield Final(effect, outcome, handler, line, entry)


def _is_single(model: Model, effect: EffectAt, outcome: Outcome) -> bool:
    """Another's service, asked once; of programs those that ask another machine."""
    if effect.effect is Effect.SPAWN_PROCESS:
        return runs_remote(effect, outcome.path)
    return not is_infrastructure(model, effect) and not repeats_failures(model.client_retry(effect))


def _fed(model: Model, function: Function) -> Entry | None:
    """The job or consumer that brings the work here, where no person waits for it who sees the failure and tries again."""
    entries = [reached.entry for reached in model.exposure(function).entries]
    if any(
        entry.kind in _ASKED or model.retries.entry_repeats(entry)
        for entry in entries
        if entry.kind is not EntryKind.WORKER_LOOP
    ):
        return None
    return next((entry for entry in entries if entry.kind in _FED), None)


def _marked(model: Model, handler: Handler) -> int:
    """The line on which the handler says that the work has failed; 0 for none."""
    scope = handler.function.scope
    for assign in flow.assigns_in(scope, handler.region):
        target = flow.text_of(assign.target, scope).strip("'\"]").lower()
        if _STATE.search(target) and _FAILED.search(flow.every_text(assign.value, scope)):
            return assign.line
    for call in flow.calls_in(scope, handler.region):
        if _says_failed(call, scope):
            return call.line
    return 0


def _says_failed(call: f.Call, scope: f.Scope) -> bool:
    func = call.func
    if isinstance(func, f.Attr) and flow.text_of(func.value, scope).rpartition(".")[2].lower() in _OTHERS:
        return False
    name = flow.last_name(func)
    if _MARKS.fullmatch(name):
        return True
    for keyword, value in call.kwargs:
        if _STATE.search(keyword) and _FAILED.search(flow.every_text(value, scope)):
            return True
    return bool(_TOLD_STATE.fullmatch(name)) and any(_is_word(arg, scope) for arg in call.args)


def _is_word(expr: f.Expr, scope: f.Scope) -> bool:
    """`"failed"`, `Status.FAILED`: the state itself, no sentence about an error."""
    text = (
        expr.value
        if isinstance(expr, f.Str)
        else flow.text_of(expr, scope).rpartition(".")[2]
        if isinstance(expr, f.Attr | f.Name)
        else ""
    )
    return _FAILED.fullmatch(text) is not None


def _takes_up_failed(model: Model) -> bool:
    """Something of the project looks for what has failed and tries it again: a sweep, a command, a button."""
    return any(
        _AGAIN.search(function.name) and any(_asks_for_failed(call, function.scope) for call in function.scope.calls)
        for function in model.functions
        if function.kind == "function" and model.is_reviewed(function.path)
    )


def _asks_for_failed(call: f.Call, scope: f.Scope) -> bool:
    """`filter(status=FAILED)`, `where(Job.state == "failed")`."""
    if flow.last_name(call.func) not in _QUERIES:
        return False
    given = (*call.args, *(value for _, value in call.kwargs))
    return any(_FAILED.search(flow.every_text(value, scope)) for value in given)
