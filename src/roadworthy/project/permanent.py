"""Retries that repeat what cannot succeed, or what has succeeded already."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.arguments import argument, arguments
from roadworthy.project.boundaries import is_self_retry
from roadworthy.project.exceptions import BROAD
from roadworthy.project.statuses import raised_for_any_error
from roadworthy.project.values import FunctionValue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.exceptions import Handler
    from roadworthy.project.guard import Guard
    from roadworthy.project.model import Model
    from roadworthy.project.retries import Retried
    from roadworthy.project.symbols import CallSite, Function

_ANYTHING = frozenset(
    {"RuntimeError", "AssertionError", "EOFError", "SystemError", "MemoryError", "StopIteration", "Warning"}
)
"""Built-in errors that people raise for transient failures, too."""
_CHECKED = frozenset({"check_call", "check_output"})
_TELLS = re.compile(
    r"status|code|isinstance|permanent|retryable|retriable|transient|is_retr|should_retry|\.errno", re.IGNORECASE
)
_ADDRESSED = frozenset({Effect.EMAIL, Effect.SMS, Effect.NOTIFY, Effect.CHARGE})


@dataclass(frozen=True, slots=True)
class Cause:
    """Something in retried work that fails in the same way each time."""

    function: Function
    line: int
    what: str  # a clause: "`raise_for_status()` raises for 4xx answers, too"


@dataclass(frozen=True, slots=True, eq=False)
class BroadRetry:
    """A handler for every exception by which a job asks to be run again."""

    site: CallSite
    handler: Handler
    causes: tuple[Cause, ...]
    effects: tuple[EffectAt, ...]


def repeats_everything(model: Model, retried: Retried) -> bool:
    """Is it repeated whatever goes wrong?"""
    guard = retried.guard
    if not any(name in BROAD for name in guard.on) or guard.attempts == 1:
        return False
    if guard.row is None and guard.home is not None and guard.function is not None:
        return _loop_is_broad(model, guard.function, guard.home)
    if guard.row is None or guard.site is None:
        return True
    if guard.row.gives_up is not None and argument(guard.site.fact, guard.row.gives_up) is not None:
        return False
    exprs = list(arguments(guard.site.fact, guard.row.retries_on)) if guard.row.retries_on is not None else []
    text = " ".join(flow.deep_text(expr, guard.site.function.scope) for expr in exprs)
    return not re.search(r"not_exception|unless|if_exception\(|_message|retry_if_result|lambda|predicate|&", text)


def _loop_is_broad(model: Model, function: Function, region: int) -> bool:
    """A loop over attempts with a handler for everything, that does not sort out: no narrower handler leaves, none looks at the error."""
    loop = model.guards.loop(function, region)
    handlers = [model.exceptions.handler(function, h) for t in loop.tries for h in flow.handlers_of(function.scope, t)]
    if not loop.bounded or not any(_says_everything(h) for h in handlers):
        return False
    return not any(_looks_at(h) or (not h.broad and h.exits in {"raise", "return", "break"}) for h in handlers)


def _says_everything(handler: Handler) -> bool:
    """`except Exception` as written; a parameter for the exceptions may be anything."""
    scope = handler.function.scope
    types = scope.regions[handler.region].types
    return not types or any(flow.text_of(expr, scope).rpartition(".")[2] in BROAD for expr in types)


def _looks_at(handler: Handler) -> bool:
    """Does the handler decide by what the error is?"""
    scope = handler.function.scope
    here = scope.regions[handler.region]
    name = here.target.id if isinstance(here.target, f.Name) else ""
    for index, region in enumerate(scope.regions):
        if region.kind in {"if", "case"} and index != handler.region and flow.within(scope, index, handler.region):
            text = flow.every_text(region.test, scope)
            if _TELLS.search(text) or (name and re.search(rf"\b{re.escape(name)}\b", text)):
                return True
    return False


def causes_in(model: Model, function: Function, regions: tuple[int, ...] = (0,)) -> Iterator[Cause]:
    """Failures in these blocks that the next attempt meets again."""
    scope = function.scope
    sites = [function.site(call) for region in regions for call in flow.calls_in(scope, region)]
    words = {e.effect for site in sites for e in model.effects_through(site)}
    if Effect.LLM in words:
        return  # the next answer of a language model is another one
    for site in sites:
        what = "" if _is_caught(model, site, regions) else _fails_for_good(model, site)
        if what:
            yield Cause(function, site.line, what)
    answer = raised_for_any_error(model, function, regions)
    if answer is not None:
        yield Cause(function, answer[0], f"`{answer[1]}` is raised for 400, 401 or 404 as well as for 503")
    outside = [s.fact.order for s in sites if any(e.effect.word.external for e in model.effects_through(s))]
    first = min(outside, default=-1)  # after it, an error says that the answer is wrong, and the next one may be right
    for leave in scope.leaves:
        if leave.kind == "raise" and leave.order < first and any(flow.within(scope, leave.region, r) for r in regions):
            name = _raised(model, leave, function)
            if name and not _in_handler(scope, leave.region):
                yield Cause(function, leave.line, f"`{name}` is raised here for input that stays wrong")


def _is_caught(model: Model, site: CallSite, regions: tuple[int, ...]) -> bool:
    """Does a handler inside of what is repeated end the failure, so that no retry sees it?"""
    function = site.function
    return any(
        handler.broad and not handler.raises and not handler.may_raise
        for tried, handlers in flow.try_regions(function.scope, site.fact.region)
        if tried not in regions and any(flow.within(function.scope, tried, region) for region in regions)
        for handler in (model.exceptions.handler(function, index) for index in handlers)
    )


def _in_handler(scope: f.Scope, region: int) -> bool:
    return any(scope.regions[r].kind == "except" for r in flow.ancestors(scope, region))


def _fails_for_good(model: Model, site: CallSite) -> str:
    method = flow.last_name(site.fact.func)
    if method == "raise_for_status":
        return f"`{model.callee_text(site)}()` raises for 400, 401 or 404 as well as for 503"
    effects = model.effects_at(site)
    if any(e.effect is Effect.SPAWN_PROCESS for e in effects):
        checked = method in _CHECKED or any(
            k == "check" and isinstance(v, f.Const) and v.value is True for k, v in site.fact.kwargs
        )
        scope = site.function.scope
        returncode = any("returncode" in flow.every_text(r.test, scope) for r in scope.regions if r.test)
        if checked or returncode:
            return f"`{model.callee_text(site)}()` ends with the same exit status for wrong arguments each time"
    for effect in effects:
        for name in effect.row.raises if effect.effect in _ADDRESSED else ():
            if model.exceptions.nature(name) == "permanent" and "." in name:
                return f"`{model.callee_text(site)}()` raises `{name.rpartition('.')[2]}`, which stays"
    return ""


def _raised(model: Model, leave: f.Leave, function: Function) -> str:
    """The name of a raised exception that says the input is wrong."""
    expr = leave.value
    if isinstance(expr, f.CallRef):
        expr = function.scope.calls[expr.index].func
    if not isinstance(expr, f.Name | f.Attr):
        return ""
    for name in model.exceptions.types((expr,), function):
        plain = model.exceptions.plain(name)
        kin = any(model.exceptions.is_subclass(plain, base) for base in _ANYTHING)
        if not kin and model.exceptions.nature(plain) == "permanent":
            return plain.rpartition(".")[2]
    return ""


# --- jobs that ask to be run again ----------------------------------------------------------------------------------


def broad_self_retries(model: Model) -> Iterator[BroadRetry]:
    """`except Exception as error: self.retry(exc=error)` with nothing that sorts out what is permanent."""
    for function in model.functions:
        scope = function.scope
        for site in function.calls:
            caught = next(
                (r for r in flow.ancestors(scope, site.fact.region) if scope.regions[r].kind == "except"), None
            )
            if caught is None or not is_self_retry(model, site):
                continue
            handler = model.exceptions.handler(function, caught)
            if not handler.broad or _looks_at(handler) or site.fact.region != caught:
                continue
            tried = next(
                (i for i, r in enumerate(scope.regions) if r.kind == "try" and caught in flow.handlers_of(scope, i)),
                None,
            )
            if tried is None or len(flow.handlers_of(scope, tried)) > 1:
                continue
            effects = [e for c in flow.calls_in(scope, tried) for e in model.effects_through(function.site(c))]
            outside = tuple(e for e in effects if e.effect.word.external and not e.effect.word.telemetry)
            yield BroadRetry(site, handler, tuple(causes_in(model, function, (tried,))), outside)


# --- predicates -----------------------------------------------------------------------------------------------------


def predicates_of(model: Model, guard: Guard) -> Iterator[Function]:
    """Functions of the project that decide whether a failure is repeated."""
    if guard.row is None or guard.site is None or guard.row.retries_on is None:
        return
    function = guard.site.function
    for expr in arguments(guard.site.fact, guard.row.retries_on):
        calls = [function.scope.calls[p.index] for p in flow.walk(expr) if isinstance(p, f.CallRef)]
        for inner in [a for c in calls for a in c.args] or [expr]:
            for value in model.values(inner, function):
                if isinstance(value, FunctionValue):
                    yield value.function


def all_but_one(model: Model, predicate: Function) -> f.Leave | None:
    """`return error.code != FATAL`: a predicate that repeats every code but one."""
    for leave in predicate.scope.leaves:
        if leave.kind == "return" and isinstance(leave.value, f.Compare) and leave.value.ops == ("!=",):
            text = flow.deep_text(leave.value.left, predicate.scope)
            if re.search(r"code|error|status|response", text):
                return leave
    return None


# --- repeated successes ---------------------------------------------------------------------------------------------


def whole_batches(model: Model, retried: Retried) -> Iterator[EffectAt]:
    """Sends of a batch of which a part may succeed, in work that is repeated with the same batch."""
    function = retried.function
    if not retried.whole or any(name not in BROAD for name in retried.guard.on):
        return
    for site in function.calls:
        for effect in model.effects_at(site):
            expr = argument(site.fact, effect.row.payload) if effect.row.payload is not None else None
            if effect.row.result_tells != "partial" or not isinstance(expr, f.Name):
                continue
            if _reads_result(function, site) and not _shrinks(function, expr.id, site):
                yield effect


def _reads_result(function: Function, site: CallSite) -> bool:
    """Is the answer looked at or given back, so that a partial failure leads to another attempt?"""
    return site.fact.use in {"assigned", "returned"} or site.fact.awaited


def _shrinks(function: Function, name: str, site: CallSite) -> bool:
    scope = function.scope
    if name in function.bindings:
        return True
    for call in scope.calls:
        if call.order > site.fact.order:
            names = (*call.args, *(v for _, v in call.kwargs))
            if any(isinstance(p, f.Name) and p.id == name for e in names for p in flow.walk(e)):
                return True
            if isinstance(call.func, f.Attr) and flow.text_of(call.func.value, scope) == name:
                return True
    return any(flow.text_of(a.target, scope).startswith(f"{name}[") for a in scope.assigns)


def repeated_blocks(retried: Retried, model: Model) -> Iterator[tuple[Function, tuple[int, ...]]]:
    """The blocks that are repeated, and the functions of the project that they call directly."""
    function, region = retried.function, retried.guard.region
    if retried.whole:
        yield function, (0,)
    elif region is not None:
        tries = model.guards.loop(function, region).tries if retried.guard.form == "loop" else (region,)
        yield function, tries
    seen = {function}
    blocks = (0,) if retried.whole else tries if region is not None else ()
    for site in retried.sites:
        if _is_caught(model, site, blocks):
            continue
        for edge in model.edges_at(site):
            if edge.runs_here and edge.callee not in seen:
                seen.add(edge.callee)
                yield edge.callee, (0,)
