"""Lists of HTTP statuses that are tried again, and the ordinary ones that they leave out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import GuardKind
from roadworthy.project import flow
from roadworthy.project.handling import mentions
from roadworthy.project.permanent import predicates_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_STATUS = re.compile(r"status|code", re.IGNORECASE)
_AGAIN = re.compile(r"retr[iy]|transient|temporar|try_again", re.IGNORECASE)
_LISTS = re.compile(r"status|code|http|error|forcelist", re.IGNORECASE)
_EXTRA = re.compile(r"extra|additional|further", re.IGNORECASE)
_MORE = re.compile(r"\b503\b|UNAVAILABLE|>=? ?(500|499)\b|5\d\d <=|// ?100|in range\(500")
"""The function tells more statuses apart than the list does."""
_UNAVAILABLE, _LIMITED = 503, 429
_FAULTS = frozenset({500, 502, 504})
_FIRST, _LAST = 400, 599
_LAST_REFUSAL = 500
_PASSING = frozenset({408, 409, 413, 420, 423, 425, 429, 449, 460, 498, 499})
"""Refusals that may pass; a list with 403 or 404 among them was made for something else."""
_WRAPS = frozenset({"set", "frozenset", "tuple", "list"})


@dataclass(frozen=True, slots=True)
class StatusList:
    """A list of statuses after which a request is sent again."""

    function: Function
    line: int
    end_line: int
    codes: tuple[int, ...]
    missing: int  # 503, or 429 where the list has that
    what: str  # as written: a name, a parameter, the tested expression
    users: tuple[CallSite, ...] = ()  # calls that leave a parameter at this default


def status_lists(model: Model) -> Iterator[StatusList]:
    """Arguments of a policy, constants by their name, and tests of the status inside of what is repeated."""
    seen: set[tuple[str, int]] = set()
    for found in (*_given(model), *_constants(model), *_tested(model)):
        if model.is_reviewed(found.function.path) and (found.function.path, found.line) not in seen:
            seen.add((found.function.path, found.line))
            yield found


def _codes(expr: f.Expr | None, scope: f.Scope) -> tuple[int, ...]:
    """The statuses of a display; nothing when it holds anything else."""
    if isinstance(expr, f.CallRef):
        call = scope.calls[expr.index]
        wraps = flow.last_name(call.func) in _WRAPS and len(call.args) == 1
        return _codes(call.args[0], scope) if wraps else ()
    items = expr.items if isinstance(expr, f.Seq) else ()
    found = [item.value for item in items if isinstance(item, f.Const) and isinstance(item.value, int)]
    whole = len(found) == len(items) and all(_FIRST <= code <= _LAST for code in found)
    return tuple(int(code) for code in found) if whole else ()


def _missing(codes: tuple[int, ...], *, limited: bool = True) -> int | None:
    """503 where other faults are listed; else 429, unless the client knows it by itself. One status alone was chosen."""
    if (
        len(codes) < 2
        or not _FAULTS & set(codes)
        or any(code < _LAST_REFUSAL and code not in _PASSING for code in codes)
    ):
        return None
    if _UNAVAILABLE not in codes:
        return _UNAVAILABLE
    return _LIMITED if limited and _LIMITED not in codes else None


# --- arguments --------------------------------------------------------------------------------------------------------


def _given(model: Model) -> Iterator[StatusList]:
    """`Retry(status_forcelist=[500, 502])`, also by the default of a parameter."""
    for site in model.sites():
        for keyword, expr in site.fact.kwargs:
            if not (_LISTS.search(keyword) or _AGAIN.search(keyword)) or not _is_policy(model, site):
                continue
            function, place, value = _display(expr, site)
            codes = _codes(value, function.scope)
            missing = _missing(codes, limited=False)
            if missing is not None:
                yield StatusList(function, *place, codes, missing, keyword, _users(model, function, expr))


def _is_policy(model: Model, site: CallSite) -> bool:
    return any(
        row.kind == GuardKind.RETRY.value and "object" in row.form
        for library in model.graph.resolutions[site].libraries
        for row in model.knowledge.guards(library.name)
    )


def _display(expr: f.Expr, site: CallSite) -> tuple[Function, tuple[int, int], f.Expr | None]:
    """Where a list is written: here, at a name of the function or module, or as the default of a parameter."""
    function = site.function
    if isinstance(expr, f.CallRef):
        call = function.scope.calls[expr.index]
        if flow.last_name(call.func) in _WRAPS and len(call.args) == 1:
            return _display(call.args[0], site)
    if isinstance(expr, f.Name):
        for scope in (function, function.module.body):
            for assign in scope.bindings.get(expr.id, ()):
                return scope, (assign.line, assign.end_line), assign.value
            for param in scope.scope.params:
                if param.name == expr.id:
                    return scope, (scope.line, scope.line), param.default
    return function, (site.line, site.fact.end_line), expr


def _users(model: Model, function: Function, expr: f.Expr) -> tuple[CallSite, ...]:
    """Who calls a function and leaves the list to it."""
    calls = [function.scope.calls[part.index] for part in flow.walk(expr) if isinstance(part, f.CallRef)]
    parts = [part for e in (expr, *(arg for call in calls for arg in call.args)) for part in flow.walk(e)]
    names = {part.id for part in parts if isinstance(part, f.Name)} & function.parameters.keys()
    sites = {edge.site for edge in model.edges_to(function)} if names else set()
    given = [site for site in sites if not names & {keyword for keyword, _ in site.fact.kwargs}]
    return tuple(sorted(given, key=lambda site: (site.path, site.line)))


# --- constants --------------------------------------------------------------------------------------------------------


def _constants(model: Model) -> Iterator[StatusList]:
    """`RETRYABLE_STATUSES = {429, 500, 502}`: the name says what they are for."""
    for function in model.functions:
        if function.kind not in {"module", "class"}:
            continue
        for assign in function.scope.assigns:
            name = assign.target.id if isinstance(assign.target, f.Name) else ""
            if _AGAIN.search(name) and _LISTS.search(name):
                codes = _codes(assign.value, function.scope)
                missing = _missing(codes)
                if missing is not None and not _comes_on_top(name, function):
                    yield StatusList(function, assign.line, assign.end_line, codes, missing, name)


def _comes_on_top(name: str, home: Function) -> bool:
    """`extra_statuses = DEFAULT_STATUSES`, `Client(additional_codes=CODES)`: who takes them has a list of his own."""
    return any(
        _EXTRA.search(word) and mentions(value, name, function.scope)
        for function in home.module.functions
        for word, value in (
            *((flow.last_name(assign.target), assign.value) for assign in function.scope.assigns),
            *(pair for call in function.scope.calls for pair in call.kwargs),
        )
    )


# --- tests ------------------------------------------------------------------------------------------------------------


def _tested(model: Model) -> Iterator[StatusList]:
    """`if response.status_code in (429, 500, 504): raise TryAgain` where that is repeated; a predicate that says what may pass."""
    repeated = {retried.function for retried in model.retries.all}
    predicates = {p for retried in model.retries.all for p in predicates_of(model, retried.guard)}
    for function in model.functions:
        named = bool(_AGAIN.search(function.name)) or function in predicates
        if not named and function not in repeated:
            continue
        for part, line, more in _comparisons(function):
            codes = _codes(part.rights[0], function.scope)
            missing = _missing(codes)
            if missing is None or _MORE.search(more) or str(missing) in more:
                continue
            if named or _is_tried_again(function, part, model):
                yield StatusList(function, line, line, codes, missing, flow.text_of(part.left, function.scope))


def _comparisons(function: Function) -> Iterator[tuple[f.Compare, int, str]]:
    """(`status in (…)`, its line, the text of all other conditions of the function)."""
    scope = function.scope
    exprs = [(region.test, region.line) for region in scope.regions if region.kind in {"if", "while"}]
    exprs.extend((leave.value, leave.line) for leave in scope.leaves if leave.kind == "return")
    for expr, line in exprs:
        for part in flow.walk(expr):
            asks = isinstance(part, f.Compare) and part.ops in {("in",), ("not in",)}
            if isinstance(part, f.Compare) and asks and _STATUS.search(flow.text_of(part.left, scope)):
                own = flow.every_text(part, scope)
                yield part, line, " ".join(flow.every_text(e, scope).replace(own, "") for e, _ in exprs if e)


def _is_tried_again(function: Function, part: f.Compare, model: Model) -> bool:
    """In repeated work, what is listed is raised or goes round again, and what is not listed is given up."""
    scope = function.scope
    for index, region in enumerate(scope.regions):
        if region.kind != "if" or region.test is None or part not in set(flow.walk(region.test)):
            continue
        handled = any(scope.regions[r].kind == "except" for r in flow.ancestors(scope, index))
        if part.ops == ("in",):
            raised = region.exits == "raise" and not handled and _is_caught(function, index, model)
            return raised or region.exits == "continue"
        return handled and region.exits == "raise"
    return False


def _is_caught(function: Function, region: int, model: Model) -> bool:
    """What is raised in the block is among what the retry of the function repeats."""
    scope = function.scope
    for leave in flow.leaves_in(scope, region):
        value = leave.value
        func = scope.calls[value.index].func if isinstance(value, f.CallRef) else value
        kinds = model.exceptions.types((func,), function) if func is not None else ()
        for retried in model.retries.all:
            if retried.function is function and retried.whole:
                on = retried.guard.on
                if not on or any(model.exceptions.is_subclass(k, c) is True or k == c for k in kinds for c in on):
                    return True
                if any(c in {"Exception", "BaseException"} for c in on):
                    return True
    return False
