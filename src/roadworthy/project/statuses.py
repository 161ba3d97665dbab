"""Exceptions of the project's own that stand for an answer: `if response.status_code >= 400: raise ApiError(…)`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.arguments import argument
from roadworthy.project.askedtwice import retry_requests
from roadworthy.project.phrases import says_probe
from roadworthy.project.values import FunctionValue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.retries import Retried
    from roadworthy.project.symbols import CallSite, Function

_STATUS = re.compile(r"status|code", re.IGNORECASE)
_ANY_ERROR = re.compile(
    r"(status_code|status|http_status)\b\s*(>=|>|!=)\s*(400|399|299|300|200|201|\w*\.OK|\w*\.ok)\b(?!.*\b(and|or)\b)"
    r"|not\s+[\w.]*\b(ok|is_success)$|\bis_error$|(status_code|status)\s+not in\b"
)
"""Tests that hold for 400, 401 and 404 as well as for 503."""
_LISTED = r"\bin \w*(?:retr[iy]|transient|temporar)"  # `if status in RETRY_STATUSES`
_PASSES = re.compile(rf"\b(429|5\d\d)\b|TOO_MANY|UNAVAILABLE|SERVER_ERROR|GATEWAY|{_LISTED}", re.IGNORECASE)
"""Answers that mean: try again later."""
_FAULT = re.compile(rf"\b5\d\d\b|UNAVAILABLE|SERVER_ERROR|GATEWAY|{_LISTED}", re.IGNORECASE)


def stands_for(model: Model, retried: Retried, effect: EffectAt) -> Literal["", "rate", "fault"]:
    """Is all that is retried raised by the function of the request itself, because of a status that passes: 429 only, or 5xx?"""
    caught = retried.guard.on
    if effect.effect is not Effect.HTTP_REQUEST or not all(model.exceptions.is_own(name) for name in caught):
        return ""
    scope = effect.function.scope
    found: Literal["", "rate", "fault"] = ""
    for leave in scope.leaves:
        if leave.kind != "raise" or leave.order < effect.site.fact.order:
            continue
        for region in _raises(model, effect, leave, caught):
            tests = [
                flow.every_text(scope.regions[outer].test, scope)
                for outer in flow.ancestors(scope, region)
                if scope.regions[outer].kind == "if"
            ]
            if any(_STATUS.search(test) and _PASSES.search(test) for test in tests):
                found = "fault" if found == "fault" or any(_FAULT.search(test) for test in tests) else "rate"
    return found


def _raises(model: Model, effect: EffectAt, leave: f.Leave, caught: tuple[str, ...]) -> Iterator[int]:
    """Blocks in which an exception that is caught is raised, or made to be raised: `error = RateLimited()`, then `raise error`."""
    function, value = effect.function, leave.value
    assigns = function.bindings.get(value.id, ()) if isinstance(value, f.Name) else ()
    for made, region in [(a.value, a.region) for a in assigns] or [(value, leave.region)]:
        func = function.calls[made.index].fact.func if isinstance(made, f.CallRef) else made
        kinds = model.exceptions.types((func,), function) if func is not None else ()
        if any(model.exceptions.is_subclass(kind, name) is True for kind in kinds for name in caught):
            yield region


def raised_for_any_error(model: Model, function: Function, regions: tuple[int, ...]) -> tuple[int, str] | None:
    """(line, exception) of a `raise` in these blocks that follows a request and stands for every error status, as `raise_for_status()`."""
    scope = function.scope
    requests = [
        site.fact.order
        for site in function.calls
        if any(e.effect is Effect.HTTP_REQUEST for e in model.effects_through(site))
    ]
    for leave in scope.leaves:
        if leave.kind != "raise" or not requests or leave.order < min(requests):
            continue
        ifs = [r for r in flow.ancestors(scope, leave.region) if scope.regions[r].kind == "if"]
        inside = any(flow.within(scope, leave.region, r) for r in regions)
        told = len(ifs) == 1 and _ANY_ERROR.search(flow.text_of(scope.regions[ifs[0]].test, scope))
        sorted_out = any(other.order < leave.order and other is not leave for other in scope.leaves)
        if inside and told and not sorted_out and isinstance(leave.value, f.CallRef):
            return leave.line, flow.text_of(function.calls[leave.value.index].fact.func, scope)
    return None


# --- too many requests ------------------------------------------------------------------------------------------------

_REFUSED = re.compile(r"\b400 <= .*< 500\b|>= 400 and .*< 500\b|// 100 == 4\b")
_TOO_MANY = re.compile(r"\b408\b|429|TOO_MANY|rate_?limit|throttl|retry.?after", re.IGNORECASE)


_FAULTS_ONLY = re.compile(r"(status|code)\w*\b\s*(>= 500|> 499)\b|500 <= .*(status|code)|// 100 == 5\b|in range\(500")
"""Only faults of the other side; the refusal that asks for another attempt is below them."""
_REST = re.compile(
    r"(status|code)\w*\b\s*(>= 400|> 399|!= 200)\b(?!.*\b(and|or)\b)|^not [\w.]*\b(ok|is_success)$|^[\w.]*\bis_error$"
)
_NAMED = re.compile(
    r"(status|code)\w*\b['\"\])]*\s+(?P<how>not in|in|==|!=)\s*[\W\d]*?(HTTPStatus\.)?['\"]?(?P<fault>5\d\d\b|BAD_GATEWAY|SERVICE_UNAVAILABLE"
    r"|GATEWAY_TIMEOUT|INTERNAL_SERVER_ERROR)"
)
"""Faults of the other side, one by one: `status in (502, 503, 504)`."""
_CLOSE = 3  # calls between the retry and the request


@dataclass(frozen=True, slots=True, eq=False)
class Refusal:
    """A retry that ends at every answer from 400 to 499, and 429 is one of them."""

    repeated: Function  # what is tried again
    at: int  # the line of the retry in it
    function: Function  # where the answers are told apart
    line: int
    test: str
    faults_only: bool = False  # the test names what is tried again (5xx), not what is given up


def refusals(model: Model) -> Iterator[Refusal]:
    """Handlers inside retried work, predicates that give up, exceptions for a status, and jobs that ask for another attempt."""
    for retried in model.retries.all:
        if retried.guard.attempts == 1:
            continue
        yield from _in_handlers(model, retried)
        yield from _in_predicates(model, retried)
        yield from _in_own_errors(model, retried)
    for site in retry_requests(model):
        yield from _in_jobs(model, site)


def _in_handlers(model: Model, retried: Retried) -> Iterator[Refusal]:
    scope, own = retried.function.scope, retried.guard.region
    if _knows_429(retried.function):
        return
    for index, region in enumerate(scope.regions):
        if region.kind != "if" or not (retried.whole or (own is not None and flow.within(scope, index, own))):
            continue
        handler = next((r for r in flow.ancestors(scope, index) if scope.regions[r].kind == "except"), None)
        if handler is None:
            continue
        test, gives_up = flow.text_of(region.test, scope), region.exits in {"raise", "return", "break"}
        if gives_up and _REFUSED.search(test):
            yield Refusal(retried.function, retried.guard.line, retried.function, region.line, test)
        elif (
            _lists_faults(test, gives_up)
            and (gives_up or _gives_up_else(scope, handler))
            and not says_probe(retried.function.name)
        ):
            yield Refusal(retried.function, retried.guard.line, retried.function, region.line, test, faults_only=True)


def _lists_faults(test: str, gives_up: bool) -> bool:
    """`if status in (502, 503): wait`, or `if status not in (502, 503): raise`."""
    named = _NAMED.search(test)
    return named is not None and (named["how"] in {"not in", "!="}) == gives_up


def _gives_up_else(scope: f.Scope, handler: int) -> bool:
    return any(leave.kind == "raise" for leave in flow.leaves_in(scope, handler))


def _in_predicates(model: Model, retried: Retried) -> Iterator[Refusal]:
    guard = retried.guard
    if guard.row is None or guard.site is None or guard.row.gives_up is None:
        return
    expr = argument(guard.site.fact, guard.row.gives_up)
    for value in model.values(expr, guard.site.function) if expr is not None else ():
        if not isinstance(value, FunctionValue) or _knows_429(value.function):
            continue
        for leave in value.function.scope.leaves:
            test = flow.text_of(leave.value, value.function.scope) if leave.value is not None else ""
            if leave.kind == "return" and _REFUSED.search(test):
                yield Refusal(retried.function, guard.line, value.function, leave.line, test)


def _in_own_errors(model: Model, retried: Retried) -> Iterator[Refusal]:
    """`if status >= 500: raise TryAgain`, then `if status >= 400: raise Refused`: the loop knows the first, and 429 is the second."""
    caught = retried.guard.on
    if not any(model.exceptions.is_own(name) for name in caught):
        return
    for effect in model.retries.effects(retried):
        function = effect.function
        if effect.effect is not Effect.HTTP_REQUEST or _knows_429(function):
            continue
        if len(model.reach.path_down(retried.function, effect)) > _CLOSE:
            continue
        scope = function.scope
        again = False
        for leave in scope.leaves:
            test = _test_over(scope, leave) if leave.kind == "raise" else None
            if test is None or leave.order < effect.site.fact.order:
                continue
            is_caught = any(True for _ in _raises(model, effect, leave, caught))
            again = again or (is_caught and _FAULTS_ONLY.search(test[1]) is not None)
            if again and not is_caught and _REST.search(test[1]):
                yield Refusal(retried.function, retried.guard.line, function, test[0], test[1])


def _test_over(scope: f.Scope, leave: f.Leave) -> tuple[int, str] | None:
    """(line, text) of the only condition under which a function is left here."""
    ifs = [region for region in flow.ancestors(scope, leave.region) if scope.regions[region].kind == "if"]
    return (scope.regions[ifs[0]].line, flow.text_of(scope.regions[ifs[0]].test, scope)) if len(ifs) == 1 else None


def _in_jobs(model: Model, site: CallSite) -> Iterator[Refusal]:
    """`except RequestException as e: if e.response.status_code >= 500: self.retry()`."""
    function = site.function
    scope = function.scope
    around = list(flow.ancestors(scope, site.fact.region))
    if _knows_429(function) or not any(scope.regions[region].kind == "except" for region in around):
        return
    for region in around:
        here = scope.regions[region]
        test = flow.text_of(here.test, scope) if here.kind == "if" else ""
        if _FAULTS_ONLY.search(test):
            yield Refusal(function, site.line, function, here.line, test, faults_only=True)


def _knows_429(function: Function) -> bool:
    """Does the function speak of too many requests anywhere?"""
    scope = function.scope
    tests = (flow.every_text(region.test, scope) for region in scope.regions if region.test is not None)
    types = (flow.text_of(expr, scope) for region in scope.regions for expr in region.types)
    values = (flow.every_text(leave.value, scope) for leave in scope.leaves if leave.value is not None)
    return any(_TOO_MANY.search(text) for texts in (tests, types, values) for text in texts)
