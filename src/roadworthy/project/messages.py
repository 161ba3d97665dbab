"""Is a loop one over the messages of a queue?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.values import LibraryObject

if TYPE_CHECKING:
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function


def consumes(model: Model, function: Function, items: f.Expr | None) -> bool:
    """`messages = queue.receive_messages()`, then a loop over `messages`: whatever the entry is called, it is a consumer. So is a loop
    over the consumer itself."""
    if items is not None and any(_gives_messages(model, value) for value in model.values(items, function)):
        return True
    exprs = [items]
    if isinstance(items, f.Name):
        exprs += [assign.value for assign in function.bindings.get(items.id, ())]
    calls = [part for expr in exprs if expr is not None for part in flow.walk(expr) if isinstance(part, f.CallRef)]
    return any(e.effect is Effect.CONSUME for call in calls for e in model.effects_at(function.calls[call.index]))


def _gives_messages(model: Model, value: object) -> bool:
    if not isinstance(value, LibraryObject):
        return False
    rows = [
        row
        for name in ("__iter__", "__aiter__", "__next__", "__anext__")
        for row in model.knowledge.calls(model.knowledge.member(value.type, name))
    ]
    return any(Effect.CONSUME.value in row.effects for row in rows)
