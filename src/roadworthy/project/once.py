"""Questions about the whole project that several rules ask: answered once for a model."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from roadworthy.project.model import Model

T = TypeVar("T")
R = TypeVar("R")


def once(ask: Callable[[Model], R]) -> Callable[[Model], R]:
    """Remember the answer for as long as the model lives."""
    known: WeakKeyDictionary[Model, R] = WeakKeyDictionary()

    @wraps(ask)
    def answer(model: Model) -> R:
        if model not in known:
            known[model] = ask(model)
        return known[model]

    return answer


def listed_once(ask: Callable[[Model], Iterator[T]]) -> Callable[[Model], tuple[T, ...]]:
    """Remember everything that a generator finds for as long as the model lives."""

    @once
    @wraps(ask)
    def answer(model: Model) -> tuple[T, ...]:
        return tuple(ask(model))

    return answer
