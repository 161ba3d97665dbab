"""The fix for a handler in which a failure vanishes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.advice.code import written
from roadworthy.project import flow
from roadworthy.project.silence import logger_near

if TYPE_CHECKING:
    from roadworthy.project.model import Model
    from roadworthy.project.silence import Silence
    from roadworthy.project.symbols import CallSite


def tell_failure(model: Model, silence: Silence, site: CallSite) -> str:
    """Log what vanishes in a handler; it ends as it ends now, or lets the error out where nothing comes after it."""
    function = silence.function
    if function.scope.regions[silence.region].kind == "finally":
        return "Take the `return` out of the `finally`: put what follows it under the opposite condition, so that the error goes on its way."
    log = logger_near(model, function)
    where = function.path.rpartition("/")[2] if function.kind == "module" else function.qualname
    head = silence.head if silence.handler is not None and silence.types else "except Exception"
    call = f"{model.callee_text(site)}()"
    kept, plain = _ending(silence), call.replace('"', "'").replace("%", "")
    text = f"Log it with its traceback; what comes after it stays (put `raise` there if `{where}` must not go on without it):"
    if not kept and _goes_on(silence):
        return f'{text}\n```python\n{head}:\n    {log}.exception("{plain} failed")\n```'
    if not kept:
        text = f"Log it with its traceback, and let it out unless the rest of `{where}` is right without `{call}`:"
    return f'{text}\n```python\n{head}:\n    {log}.exception("{plain} failed")\n    {kept or "raise"}\n```'


def _goes_on(silence: Silence) -> bool:
    """Is there more work behind the block, or another item of a loop: a `raise` would leave it out."""
    scope = silence.function.scope
    return flow.loop_of(scope, silence.region) is not None or any(
        call.order >= scope.regions[silence.region].end and call.region == 0 for call in scope.calls
    )


def _ending(silence: Silence) -> str:
    """What the handler does at its end, where that is to stay: `continue`, `return {…}`."""
    if silence.outcome in {"next item", "skipped"}:
        return "continue"
    leaves = [leave for leave in silence.function.scope.leaves if leave.region == silence.region]
    found = next((leave for leave in leaves if leave.kind == "return"), None)
    if found is not None and (found.value is not None or silence.outcome in {"nothing", "default", "stand-in"}):
        return f"return {written(found.value, silence.function)}".rstrip()
    return ""
