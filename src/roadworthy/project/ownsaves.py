"""A model's own `save()`: which transactions hold it where the library calls it, for `create()`, a form, a serializer or a view of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import Effect, EntryKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.guard import Guard
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import ClassInfo, Function

_SAVES = frozenset({"save", "asave"})
_BY_LIBRARY = re.compile(r"(^|\.)(perform_)?a?((get|update)_or_)?(create|save|update)$")
"""Calls of the library that come to `save()`; the `update()` of a serializer does, that of a query does not."""
_OF_QUERY = re.compile(r"(QuerySet|Manager)\.a?update$")
_REQUESTS = frozenset({EntryKind.HTTP_HANDLER, EntryKind.WEBHOOK_HANDLER})


def is_own_save(model: Model, function: Function) -> bool:
    """`def save(self)` of a mapped class that no call of the project is known to come to: those that do are judged where they stand."""
    cls = function.cls
    if function.name not in _SAVES or cls is None or not model.evaluator.orm.is_model(cls):
        return False
    return not any(edge.runs_here and edge.caller.name not in _SAVES for edge in model.edges_to(function))


def held_by_writers(model: Model, cls: ClassInfo) -> Guard | None:
    """The transaction around a call by which the library stores a row of the class."""
    effects = sorted(_stored_by_library(model, cls), key=lambda e: (e.site.path, e.site.line))
    for effect in effects:
        guard = model.transaction_over(effect.site) or _of_request(model, effect.function)
        if guard is not None:
            return guard
    return None


def _stored_by_library(model: Model, cls: ClassInfo) -> Iterator[EffectAt]:
    for effect in model.effects_of(Effect.SQL_INSERT, Effect.SQL_UPSERT, Effect.SQL_UPDATE):
        called = _BY_LIBRARY.search(effect.name) and not _OF_QUERY.search(effect.name)
        if called and effect.model is not None and cls in effect.model.mro and effect.function.name not in _SAVES:
            yield effect


def _of_request(model: Model, function: Function) -> Guard | None:
    """Every request is a transaction."""
    for reached in model.exposure(function).entries:
        if reached.inline and reached.entry.kind in _REQUESTS:
            guard = model.request_transaction(reached.entry)
            if guard is not None:
                return guard
    return None
