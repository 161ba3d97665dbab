"""Who fails when a function does: the entry in whose run it is, or the work that an entry has handed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.rules.wording import entry

if TYPE_CHECKING:
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function

_LEFT_TO = {
    "task": "a task",
    "thread": "a thread",
    "process": "a process",
    "background": "the background",
    "timer": "a timer",
}


def doer(model: Model, function: Function) -> str:
    """The entry, as `say.entry` names it; where that has gone on, what runs the function: no client sees that fail."""
    reached = next(iter(model.exposure(function).entries), None)
    if reached is None:
        return entry(None, function)
    handed = next((edge for edge in reversed(model.entries.path(reached.entry, function)) if not edge.runs_here), None)
    if handed is None or handed.kind not in _LEFT_TO:
        return entry(reached.entry, function)
    return f"`{handed.callee.qualname}()`, which {entry(reached.entry)} leaves to {_LEFT_TO[handed.kind]},"
