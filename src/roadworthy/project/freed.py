"""Marks in memory of work that is running: who sets one takes it away when the work ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow

if TYPE_CHECKING:
    from roadworthy.project.state import Held


def is_freed_after_work(held: Held) -> bool:
    """Whoever enters takes it out again in a `finally`: with the process the work ends as well."""
    own = held.name.rpartition(".")[2]
    return any(
        isinstance(call.func, f.Attr)
        and call.func.name in {"discard", "remove", "pop"}
        and flow.last_name(call.func.value) == own
        and any(writer.scope.regions[r].kind == "finally" for r in flow.ancestors(writer.scope, call.region))
        for writer in held.writers
        for call in writer.scope.calls
    )
