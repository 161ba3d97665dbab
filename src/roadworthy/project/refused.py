"""Retries that name an exception by which a client tells every answer of 400 and above: what was refused for good is asked for again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.arguments import argument, arguments
from roadworthy.project.exceptions import BROAD
from roadworthy.project.phrases import says_probe
from roadworthy.project.spins import asks_another

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.facts import schema as f
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.guard import Guard
    from roadworthy.project.model import Model
    from roadworthy.project.retries import Retried
    from roadworthy.project.symbols import Function

_CLOSE = 2  # calls between the retry and the request
_FEW = 2
_SORTS = re.compile(
    r"status|code|\bok\b|reason|errno|isinstance|retryable|retriable|transient|permanent|fatal", re.IGNORECASE
)
"""Tests by which refusals are told from faults; a single code (`== 404`) leaves the others."""
_SINGLE = re.compile(r"^[^<>]*(status|code)\w*(\(\))?\s*==\s*[\w.]+$", re.IGNORECASE)
_ASKS_MORE = re.compile(r"not_exception|unless|if_exception\(|_message|if_result|lambda|predicate|&|\|")


@dataclass(frozen=True, slots=True, eq=False)
class Refused:
    """A retry of refusals."""

    retried: Retried
    effect: EffectAt
    error: str  # the exception that stands for all of them
    named: str  # what the retry names: it or a base of it
    line: int  # where it is raised
    function: Function  # in which


def repeated_refusals(model: Model) -> Iterator[Refused]:
    """Of reviewed code, one for each retry."""
    errors = _errors(model)
    for retried in (*model.retries.all, *model.retries.of_given):
        guard = retried.guard
        if not errors or model.is_script(retried.function.path) or not _is_plain(guard) or _sorts_out(model, retried):
            continue
        if asks_another(retried):
            continue
        found = next(_of(model, retried, errors), None)
        if found is not None:
            yield found


def _errors(model: Model) -> tuple[str, ...]:
    tables = model.knowledge.tables
    return tuple(sorted(n for n in tables.exceptions if (row := model.knowledge.exception(n)) and row.refusals))


def _is_plain(guard: Guard) -> bool:
    """Some exceptions are named, and nothing else decides."""
    if not guard.on or any(name in BROAD for name in guard.on):
        return False
    if isinstance(guard.attempts, int) and guard.attempts <= _FEW:
        return False
    if guard.row is None or guard.site is None:
        return True
    if guard.row.gives_up is not None and argument(guard.site.fact, guard.row.gives_up) is not None:
        return False
    exprs = list(arguments(guard.site.fact, guard.row.retries_on)) if guard.row.retries_on is not None else []
    return not _ASKS_MORE.search(" ".join(flow.deep_text(expr, guard.site.function.scope) for expr in exprs))


def _of(model: Model, retried: Retried, errors: tuple[str, ...]) -> Iterator[Refused]:
    for start, effect in _repeated(model, retried):
        if effect.effect is not Effect.HTTP_REQUEST or effect.secondary:
            continue
        way = model.reach.path_down(start, effect)
        functions = list(dict.fromkeys([start, *(edge.callee for edge in way), effect.function]))
        if len(way) > _CLOSE or any(says_probe(fn.name) or _sorts_in(fn, retried) for fn in functions):
            continue
        for error in errors:
            named = next((n for n in retried.guard.on if model.exceptions.is_subclass(error, n) is True), None)
            line = _raised_at(model, effect, functions, error) if named is not None else None
            if named is not None and line is not None:
                yield Refused(retried, effect, error, named, line[1], line[0])


def _repeated(model: Model, retried: Retried) -> Iterator[tuple[Function, EffectAt]]:
    if not retried.given:
        yield from ((retried.function, effect) for effect in model.retries.effects(retried))
        return
    for edge in model.edges_at(retried.sites[0]):
        if edge.kind in {"inline", "callback"} and edge.runs_here:
            yield from ((edge.callee, effect) for effect in model.effects_under(edge.callee))


def _raised_at(model: Model, effect: EffectAt, functions: list[Function], error: str) -> tuple[Function, int] | None:
    """`raise_for_status()` behind the request; or the request itself, where its client raises for every such answer."""
    root = error.split(".", 1)[0]
    if not any(raised.split(".", 1)[0] == root for raised in effect.row.raises):
        return None
    if effect.row.result_tells != "status":
        raises = any(model.exceptions.is_subclass(error, raised) is True for raised in effect.row.raises)
        return (effect.function, effect.site.line) if raises else None
    for function in functions:
        for call in function.scope.calls:
            if flow.last_name(call.func) == "raise_for_status" and not _is_conditional(function.scope, call.region):
                return function, call.line
    return None


def _is_conditional(scope: f.Scope, region: int) -> bool:
    return any(scope.regions[r].kind in {"if", "else", "except", "case"} for r in flow.ancestors(scope, region))


def _sorts_in(function: Function, retried: Retried) -> bool:
    """Does the repeated code look at the status itself, or catch the error by its name?"""
    scope = function.scope
    own = retried.guard.region if function is retried.function and retried.guard.form == "loop" else None
    for index, region in enumerate(scope.regions):
        if own is not None and flow.within(scope, index, own):
            continue  # the handlers of the loop are asked on their own
        if region.kind in {"if", "while", "case"} and _is_sorting(
            flow.every_text(region.test, scope), region.test, scope
        ):
            return True
    return False


def _is_sorting(text: str, test: f.Expr | None, scope: f.Scope) -> bool:
    return _SORTS.search(text) is not None and _SINGLE.match(flow.text_of(test, scope)) is None


def _sorts_out(model: Model, retried: Retried) -> bool:
    """A loop whose handlers look at the error before they let it go on; what they ask of the last attempt does not count."""
    guard = retried.guard
    if guard.form != "loop" or guard.region is None or guard.function is not retried.function:
        return guard.form == "loop" and not retried.given
    scope = retried.function.scope
    last: set[int] = set()
    for index, region in enumerate(scope.regions):
        if region.kind not in {"if", "case", "except"} or not flow.within(scope, index, guard.region):
            continue
        if any(outer in last for outer in flow.ancestors(scope, index)):
            continue
        if region.kind == "except":
            types = model.exceptions.types(region.types, retried.function)
            named = {n for n in types if (row := model.knowledge.exception(n)) is not None and row.refusals}
            if named and region.exits in {"raise", "return", "break"}:
                return True
            continue
        text = flow.every_text(region.test, scope)
        if _SORTS.search(text):
            return True
        if region.exits in {"raise", "return", "break", "mixed"} or _ends_in(scope, index):
            last.add(index)
    return False


def _ends_in(scope: f.Scope, region: int) -> bool:
    leaves = [leave for leave in flow.leaves_in(scope, region) if leave.kind in {"raise", "return", "break"}]
    inner = [r for i, r in enumerate(scope.regions) if r.parent == region and r.kind in {"if", "else"}]
    return bool(leaves) and bool(inner) and all(r.exits in {"raise", "return", "break"} for r in inner)
