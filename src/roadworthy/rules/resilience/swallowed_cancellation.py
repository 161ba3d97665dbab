"""A coroutine catches its own cancellation and goes on.

## Why it fails in production
Shutdown, timeouts and disconnected clients end a coroutine by raising its cancellation inside it. Who catches that and goes on cannot be
ended: the deploy waits until the process is killed, a timeout does not hold, and callers take the end for an ordinary one.

## What is reported
A handler or suppression of the cancellation, a bare `except` and `except BaseException` in a coroutine around awaited work, after which
the loop goes round again, a generator ends as if it were through, or the caller is given a value. A callback of a task that takes the
exception out and tells nobody.

## What is not reported
Re-raising. Waiting for a task that this function has just cancelled. Functions that close or stop something. The end of a coroutine
that runs as a task of its own (for the pedantic). Callbacks of tasks that somebody else awaits.

## Bad
```python
import asyncio

async def lines(reader: asyncio.StreamReader):
    while True:
        try:
            line = await reader.readline()
            yield line
        except asyncio.CancelledError:  # finding: swallowed-cancellation
            break
```

## Good
```python
import asyncio

async def lines(reader: asyncio.StreamReader):
    while True:
        line = await reader.readline()
        yield line

async def stop(task: asyncio.Task) -> None:
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass
```
"""

from roadworthy.rules.api import (
    Audience,
    CallSite,
    Caught,
    Confidence,
    EntryKind,
    Finding,
    Function,
    Iterator,
    Model,
    Rule,
    Severity,
    cannot_speak,
    caught_cancellations,
    dropped_outcomes,
    finding,
    logger_near,
    say,
    stopping,
    tells_anyway,
)

RULE = Rule(id="swallowed-cancellation", anti_pattern="swallowed-exception", doc=__doc__)

_OF_A_CLIENT = frozenset({EntryKind.HTTP_HANDLER, EntryKind.WEBHOOK_HANDLER})
_THEN = {
    "loop": "and the loop goes round again",
    "generator": "and the generator ends as if it were through",
    "value": "and the caller is given a value as if the work had been done",
    "ends": "and ends as if it were through",
}
_HARM = {
    "loop": "cannot be ended: a shutdown waits for it until the process is killed, and a timeout around it does not hold",
    "generator": "takes the end for an ordinary one and goes on although it was to stop: shutdowns hang and dead connections stay",
    "value": "goes on with that value although it was to stop: timeouts and shutdowns around it do not hold",
    "ends": "looks finished to whatever waits for it, not cancelled",
}


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Handlers first, one finding for those of one function that end alike; callbacks then."""
    groups: dict[tuple[Function, str], list[Caught]] = {}
    for caught in caught_cancellations(model):
        if not (caught.bare and (caught.after == "ends" or tells_anyway(model, caught))):
            groups.setdefault((caught.function, caught.after), []).append(caught)
    for found in groups.values():
        yield _report(found[0], found[1:], model)
    for site, callback in dropped_outcomes(model):
        explained = model.explains(callback.path, callback.line, callback.scope.end_line)
        if not explained and not cannot_speak(site.function):
            yield _report_callback(site, callback, model)


def is_harmless(caught: Caught, model: Model) -> bool:
    """Its end is the end of a task or of a response, or the value is explained."""
    if caught.after == "ends":
        return True
    region = caught.function.scope.regions[caught.region]
    if caught.after == "value":
        if any(entry.kind in _OF_A_CLIENT for entry in model.entries.at(caught.function)):
            return True  # the client has gone, and nobody reads the answer
        return model.explains(caught.function.path, region.line, region.end_line)
    return caught.after == "generator" and is_made_for_framework(caught.function, model)


def is_made_for_framework(function: Function, model: Model) -> bool:
    """A generator defined on the spot and handed over as the body of a response: the framework knows of the end by itself."""
    uses = [edge.site.fact.use for edge in model.edges_to(function)]
    return (
        function.parent is not None and function.parent.kind == "function" and bool(uses) and set(uses) == {"argument"}
    )


def _report(caught: Caught, others: list[Caught], model: Model) -> Finding:
    function = caught.function
    region = function.scope.regions[caught.region]
    exposure = model.exposure(function)
    reached = f" It is reached from {say.entry(exposure.worst)}." if exposure.worst is not None else ""
    clause = (
        "a bare `except`"
        if caught.bare and not region.types
        else "its handler"
        if region.kind == "except"
        else "`suppress`"
    )
    subject = f"`{function.name}`" if caught.after in {"loop", "ends"} else f"The consumer of `{function.name}`"
    harmless = is_harmless(caught, model)
    return finding(
        RULE,
        model.place_of_lines(
            function, region.line, region.line if region.kind == "with" else min(region.end_line, region.line + 8)
        ),
        Severity.LOW if harmless else Severity.MEDIUM,
        title=f"`{function.qualname}` catches its own cancellation {_THEN[caught.after]}",
        issue=f"When `{function.name}` is cancelled, {clause} in line {region.line} ends the cancellation {_THEN[caught.after]}.",
        impact=f"{subject} {_HARM[caught.after]}.{reached}",
        fix=stopping.let_cancellation_pass(),
        related=[model.place_of_region(function, other.region, "and here") for other in others],
        steps=model.steps(exposure.worst, function),
        confidence=Confidence.HIGH if exposure.entries else Confidence.MEDIUM,
        subject=f"{caught.after} {len(region.types)}",
        audience=Audience.PEDANTIC if harmless else Audience.REGULAR,
    )


def _report_callback(site: CallSite, callback: Function, model: Model) -> Finding:
    task = say.call(site, model).rpartition(".")[0]
    log = logger_near(model, site.function)
    return finding(
        RULE,
        model.place(site),
        Severity.MEDIUM,
        title=f"the callback of `{task}` takes its exception out and tells nobody",
        issue=f"`{callback.name}` asks the finished `{task}` for its exception, which also keeps the event loop from reporting it, and drops it.",
        impact=f"When the work behind `{task}` fails, {say.entry(model.exposure(site.function).worst)} and every log are silent about it.",
        fix=f"Log what the callback finds.\n```python\ndef report(task):\n    if not task.cancelled() and task.exception():\n"
        f'        {log}.error("background task failed", exc_info=task.exception())\n```',
        related=[model.place_of_function(callback, "the callback")],
        steps=model.steps(model.exposure(site.function).worst, site.function, site),
        subject=task,
    )
