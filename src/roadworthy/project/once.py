"""Questions about the whole project that several rules ask: answered once for a model."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from roadworthy.project.model import Model

T = TypeVar("T")
R = TypeVar("R")


def once(ask: Callable[[Model], R]) -> Callable[[Model], R]:
    """Remember the answer for as long as the model lives."""

    @wraps(ask)
    def answer(model: Model) -> R:
        # kept by the model itself: an answer may hold the model, and a table outside would keep both for ever
        if ask not in model.answers:
            model.answers[ask] = ask(model)
        return cast("R", model.answers[ask])

    return answer


def listed_once(ask: Callable[[Model], Iterator[T]]) -> Callable[[Model], tuple[T, ...]]:
    """Remember everything that a generator finds for as long as the model lives."""

    @once
    @wraps(ask)
    def answer(model: Model) -> tuple[T, ...]:
        return tuple(ask(model))

    return answer
