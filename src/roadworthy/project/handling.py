"""Reads off an `except` region what becomes of the error: told, passed on, recorded, made up for, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.handler import Handler
from roadworthy.project.phrases import (
    LOG_METHODS,
    LOUD_METHODS,
    answers_failure,
    is_log_owner,
    louder,
    sounds_like_fallback,
    sounds_like_report,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import Effects
    from roadworthy.project.reach import Reach
    from roadworthy.project.symbols import CallSite, Function

_TELLS = (Effect.LOG, Effect.REPORT_ERROR, Effect.METRIC)
_TIDIES = frozenset({Effect.ROLLBACK, Effect.CLOSE, Effect.CONNECT, Effect.FLUSH})
_COLLECTS = frozenset({"append", "add", "put", "put_nowait", "set_exception", "set_result", "extend", "send", "set"})
_GIVES_UP = frozenset({"retry", "exit", "abort", "fail", "_exit", "skip"})


class HandlerReader:
    """What handlers do; `types` are resolved by the caller."""

    def __init__(self, effects: Effects) -> None:
        """Summaries come later: handlers are read before they exist, too."""
        self._effects = effects
        self.reach: Reach | None = None

    def read(self, function: Function, region: int, types: tuple[str, ...], broad: bool) -> Handler:
        """Everything about one region."""
        scope = function.scope
        here = scope.regions[region]
        leaves = [leave for leave in flow.leaves_in(scope, region) if leave.kind in {"raise", "return", "yield"}]
        raising = any(leave.kind == "raise" for leave in leaves)
        level, reports, others = self._calls(function, region)
        name = here.target.id if isinstance(here.target, f.Name) else None
        given = [leave for leave in leaves if leave.kind != "raise" and leave.value is not None]
        return Handler(
            function,
            region,
            types,
            broad,
            level,
            reports,
            here.exits == "raise" or _gives_up(others, region),
            raising or here.exits == "raise",
            name is not None and self._uses(function, region, name),
            self._records(function, region),
            here.only_pass,
            here.exits,
            next((leave.value for leave in given if leave.kind == "return"), None),
            any(answers_failure(_as_bound(leave.value, scope, region), scope) for leave in given),
            self._has_alternative(function, region, others),
        )

    # --- calls --------------------------------------------------------------------------------------------------------

    def _calls(self, function: Function, region: int) -> tuple[str, bool, list[f.Call]]:
        """(loudest log method, does it report, all other calls)."""
        level, reports = "", False
        others: list[f.Call] = []
        for call in flow.calls_in(function.scope, region):
            site = function.site(call)
            words = {e.effect for e in self._effects.at.get(site, ())}
            method = _last(call.func)
            if Effect.LOG in words or self.looks_like_logging(call, function):
                level = louder(level, method if method in LOG_METHODS else "info")
            elif words & set(_TELLS) or self._reaches(site, _TELLS) or sounds_like_report(call.func, function.scope):
                reports = True
            else:
                others.append(call)
        return level, reports, others

    def _reaches(self, site: CallSite, words: tuple[Effect, ...]) -> bool:
        return self.reach is not None and self.reach.site_reaches(site, words)

    def looks_like_logging(self, call: f.Call, function: Function) -> bool:
        """A logger from a place that we could not resolve: told by its name and method."""
        if not isinstance(call.func, f.Attr) or call.func.name not in LOG_METHODS:
            return False
        return is_log_owner(flow.text_of(call.func.value, function.scope))

    # --- the error object -------------------------------------------------------------------------------------------

    def _uses(self, function: Function, region: int, name: str) -> bool:
        """Is the caught error used for anything but logging?"""
        scope = function.scope
        here = scope.regions[region]
        last = scope.last_read.get(name, -1)
        if not here.start <= last < here.end:
            return False
        return any(mentions(expr, name, scope) for expr in self._expressions(function, region))

    def _expressions(self, function: Function, region: int) -> Iterator[f.Expr | None]:
        scope = function.scope
        here = scope.regions[region]
        for leave in flow.leaves_in(scope, region):
            yield leave.value
            yield leave.cause
        for assign in flow.assigns_in(scope, region):
            if assign.op != "except":
                yield assign.value
        for call in flow.calls_in(scope, region):
            if not self.looks_like_logging(call, function):
                yield from call.args
                yield from (value for _, value in call.kwargs)
        for inner in scope.regions:
            if inner.kind in {"if", "while", "case"} and here.start <= inner.start and inner.end <= here.end:
                yield inner.test

    # --- state ------------------------------------------------------------------------------------------------------

    def _records(self, function: Function, region: int) -> bool:
        """Sets an attribute, an item or a name that is read after the handler; or calls something that keeps the failure."""
        scope = function.scope
        here = scope.regions[region]
        for assign in flow.assigns_in(scope, region):
            if isinstance(assign.target, f.Attr | f.Sub):
                return True
            if assign.op == "except" or not isinstance(assign.target, f.Name):
                continue
            outlives = scope.last_read.get(assign.target.id, -1) >= here.end or assign.target.id in scope.globals
            if outlives and (not _is_trivial(assign.value) or assign.op != "="):
                return True
        calls = flow.calls_in(scope, region)
        return any(isinstance(call.func, f.Attr) and call.func.name in _COLLECTS for call in calls)

    # --- something else instead ----------------------------------------------------------------------------------------

    def _has_alternative(self, function: Function, region: int, others: list[f.Call]) -> bool:
        return (
            any(self._does_work(function.site(call)) for call in others)
            or _tries_next(function.scope, region)
            or _goes_on_elsewhere(function.scope, region)
            or self._told_below(function, region)
            or _default_is_handled(function.scope, region)
            or _success_is_marked(function.scope, region)
        )

    def _told_below(self, function: Function, region: int) -> bool:
        """A log line right below the try, in the same block: in a loop that only failure leads there."""
        scope = function.scope
        here = scope.regions[region]
        if here.exits:
            return False
        after = max(scope.regions[r].end for r in flow.siblings(scope, region))
        for call in scope.calls:
            if call.order >= after and call.region == here.parent and _last(call.func) in LOUD_METHODS:
                return self.looks_like_logging(call, function)
        return False

    def _does_work(self, site: CallSite) -> bool:
        """A fallback: it reaches the outside, or is called one."""
        if sounds_like_fallback(site.fact.func, site.function.scope):
            return True
        effects = self.reach.at_site(site) if self.reach is not None else self._effects.at.get(site, ())
        return any((e.effect.word.external or e.effect.word.persists) and e.effect not in _TIDIES for e in effects)


def _as_bound(value: f.Expr | None, scope: f.Scope, region: int) -> f.Expr | None:
    """`text = "not available"; return text`: what the handler itself has put into the name."""
    if not isinstance(value, f.Name):
        return value
    bound = [
        a.value for a in flow.assigns_in(scope, region) if isinstance(a.target, f.Name) and a.target.id == value.id
    ]
    return bound[-1] if bound and isinstance(bound[-1], f.Str | f.FStr) else value


def mentions(expr: f.Expr | None, name: str, scope: f.Scope) -> bool:
    """Does an expression, its calls' arguments included, read the name?"""
    if expr is None:
        return False
    for part in flow.walk(expr):
        if isinstance(part, f.Name) and part.id == name:
            return True
        if isinstance(part, f.CallRef):
            call = scope.calls[part.index]
            inner = (call.func, *call.args, *(v for _, v in call.kwargs))
            if any(mentions(e, name, scope) for e in inner):
                return True
    return False


def _gives_up(calls: list[f.Call], region: int) -> bool:
    """The last thing it does is to call something that never returns (`sys.exit`, `self.retry`, `pytest.fail`)."""
    return any(
        _last(call.func) in _GIVES_UP and call.use in {"raised", "discarded"} and call.region == region
        for call in calls
    )


def _is_trivial(value: f.Expr | None) -> bool:
    """An empty default: None, "", 0, [], {}; a truth value is a flag, not a default."""
    match value:
        case f.Const():
            return value.kind != "bool"
        case f.Str():
            return True
        case f.Seq() | f.Dict():
            return not value.items
    return False


def _tries_next(scope: f.Scope, region: int) -> bool:
    """In a loop that success leaves (return or break in the try, or in its else): the next round is the alternative."""
    loop = flow.loop_of(scope, region)
    if loop is None or scope.regions[region].exits not in {"", "continue"}:
        return False
    for sibling in flow.siblings(scope, region):
        if scope.regions[sibling].kind not in {"try", "try_else"}:
            continue
        for leave in flow.leaves_in(scope, sibling):
            if leave.kind == "return" or (leave.kind == "break" and flow.loop_of(scope, leave.region) == loop):
                return True
    return False


def _goes_on_elsewhere(scope: f.Scope, region: int) -> bool:
    """Success returns out of the try; after a failure the code below the try does the work, or raises."""
    here = scope.regions[region]
    if here.exits not in {"", "mixed"}:
        return False
    group = flow.siblings(scope, region)
    tried = next((r for r in group if scope.regions[r].kind == "try"), None)
    if tried is None or not any(leave.kind == "return" for leave in flow.leaves_in(scope, tried)):
        return False
    after = max(scope.regions[r].end for r in group)
    below = [call for call in scope.calls if call.order >= after and flow.within(scope, call.region, here.parent)]
    raises = any(leave.kind == "raise" and leave.order >= after for leave in scope.leaves)
    return bool(below) or raises


def _default_is_handled(scope: f.Scope, region: int) -> bool:
    """What the try should have bound is asked for below: `if found is None: …`, `if not found: …`, `found or other()`."""
    names = _bound_in_try(scope, region)
    if not names:
        return False
    end = max(scope.regions[r].end for r in flow.siblings(scope, region))
    for index, other in enumerate(scope.regions):
        if other.kind != "if" or other.start < end:
            continue
        has_else = flow.sibling_of_kind(scope, index, "else") is not None
        if asks_for_absence(other.test, names) or (has_else and _tests(other.test, names)):
            return True
    return any(_falls_back(assign.value, names) for assign in scope.assigns if assign.order >= end) or any(
        _falls_back(leave.value, names) for leave in scope.leaves if leave.order >= end
    )


def _success_is_marked(scope: f.Scope, region: int) -> bool:
    """`result.writable = True` behind the call in the try: that it failed is seen by the mark that is not there."""
    group = flow.siblings(scope, region)
    end = max(scope.regions[r].end for r in group)
    for sibling in (r for r in group if scope.regions[r].kind in {"try", "try_else"}):
        for mark in flow.assigns_in(scope, sibling):
            if mark.op != "=" or not isinstance(mark.value, f.Const) or mark.value.kind != "bool":
                continue
            if isinstance(mark.target, f.Attr):
                return True
            if isinstance(mark.target, f.Name) and scope.last_read.get(mark.target.id, -1) >= end:
                return True
    return False


def _bound_in_try(scope: f.Scope, region: int) -> set[str]:
    tried = [r for r in flow.siblings(scope, region) if scope.regions[r].kind in {"try", "except"}]
    assigns = [a for r in tried for a in flow.assigns_in(scope, r) if a.op in {"=", ":=", "with"}]
    return {a.target.id for a in assigns if isinstance(a.target, f.Name)}


def _tests(test: f.Expr | None, names: set[str]) -> bool:
    return any(isinstance(part, f.Name) and part.id in names for part in flow.walk(test))


def asks_for_absence(test: f.Expr | None, names: set[str]) -> bool:
    """`if not found:`, `if found is None:`."""
    for part in flow.walk(test):
        match part:
            case f.Unary(op="not", value=value) if _tests(value, names):
                return True
            case f.Compare() if "is" in part.ops or "==" in part.ops:
                if _tests(part.left, names) and any(isinstance(r, f.Const) for r in part.rights):
                    return True
    return False


def _falls_back(expr: f.Expr | None, names: set[str]) -> bool:
    for part in flow.walk(expr):
        if isinstance(part, f.BoolOp) and part.op == "or" and _tests(part.items[0], names):
            return True
        if isinstance(part, f.IfExp) and _tests(part.test, names):
            return True
    return False


def _last(expr: f.Expr) -> str:
    if isinstance(expr, f.Name):
        return expr.id
    return expr.name if isinstance(expr, f.Attr) else ""
