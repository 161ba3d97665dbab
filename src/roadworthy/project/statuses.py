"""Retries for an exception of the project's own that stands for an answer: `if response.status_code == 429: raise RateLimited`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow

if TYPE_CHECKING:
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.retries import Retried

_STATUS = re.compile(r"status|code", re.IGNORECASE)
_PASSES = re.compile(r"\b(429|5\d\d)\b|TOO_MANY|UNAVAILABLE|SERVER_ERROR|GATEWAY", re.IGNORECASE)
"""Answers that mean: try again later."""


def stands_for_an_answer(model: Model, retried: Retried, effect: EffectAt) -> bool:
    """Is all that is retried raised by the function of the request itself, because of a status that passes?"""
    caught = retried.guard.on
    if effect.effect is not Effect.HTTP_REQUEST or not all(model.exceptions.is_own(name) for name in caught):
        return False
    scope = effect.function.scope
    for leave in scope.leaves:
        if leave.kind != "raise" or leave.order < effect.site.fact.order or not _raises(model, effect, leave, caught):
            continue
        tests = [
            flow.every_text(scope.regions[region].test, scope)
            for region in flow.ancestors(scope, leave.region)
            if scope.regions[region].kind == "if"
        ]
        if any(_STATUS.search(test) and _PASSES.search(test) for test in tests):
            return True
    return False


def _raises(model: Model, effect: EffectAt, leave: f.Leave, caught: tuple[str, ...]) -> bool:
    value = leave.value
    func = effect.function.calls[value.index].fact.func if isinstance(value, f.CallRef) else value
    if func is None:
        return False
    return any(
        model.exceptions.is_subclass(raised, name) is True
        for raised in model.exceptions.types((func,), effect.function)
        for name in caught
    )
