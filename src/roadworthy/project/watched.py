"""Tasks over which somebody watches: a loop waits for them and starts them anew when one of them ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.project import flow
from roadworthy.project.handles import fate_of

if TYPE_CHECKING:
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function


def is_started_again(model: Model, function: Function) -> bool:
    """All its tasks are waited for inside a loop that starts them anew: `done, _ = await asyncio.wait(tasks, return_when=FIRST_EXCEPTION)`."""
    starts = [edge.spawner or edge.site for edge in model.edges_to(function) if edge.kind == "task"]
    return bool(starts) and all(_is_watched_over(model, start) for start in starts)


def _is_watched_over(model: Model, start: CallSite) -> bool:
    scope = start.function.scope
    loop = flow.loop_of(scope, start.fact.region)
    if loop is None or scope.regions[loop].kind != "while":
        return False
    waits = any(flow.last_name(call.func) in {"wait", "gather"} and call.awaited for call in flow.calls_in(scope, loop))
    return waits and fate_of(model, start)[0] == "waited"
