"""The only reference to a task is dropped.

## Why it fails in production
The event loop keeps weak references only. A task that nothing else refers to can be garbage-collected while it waits, in the middle of
its work; and when it raises, nobody hears of it but the collector.

## What is reported
`asyncio.create_task`, `ensure_future` or `loop.create_task` whose result is discarded or bound to a name that is never read.

## What is not reported
Tasks kept in an attribute or a set, awaited, gathered or returned; task groups, which keep their tasks themselves.
Tasks that the rules forgotten-task and ack-before-durable-start report for what they lose. Coroutines started from another thread, whose
loop holds them. Tasks that end at their first step.

## Bad
```python
import asyncio

async def refresh():
    await asyncio.sleep(1)

async def main():
    asyncio.create_task(refresh())  # finding: unreferenced-task
```

## Good
```python
import asyncio

tasks = set()

async def refresh():
    await asyncio.sleep(1)

async def main():
    task = asyncio.create_task(refresh())
    tasks.add(task)
    task.add_done_callback(tasks.discard)
```
"""

from roadworthy.rules.api import (
    Confidence,
    Effect,
    EntryKind,
    Finding,
    Function,
    Iterator,
    Model,
    Rule,
    Severity,
    Spawned,
    advise,
    finding,
    flow,
    is_listened_to,
    is_on_thread,
    is_telemetry,
    keeps_its_tasks,
    lives_on,
    losses,
    say,
    spawned_work,
    unresolved_tasks,
)

RULE = Rule(id="unreferenced-task", anti_pattern="fire-and-forget", doc=__doc__)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Find tasks whose handle is dropped."""
    for work in (*spawned_work(model), *unresolved_tasks(model)):
        if work.kind != "task" or work.fate not in {"dropped", "unread"} or is_kept_elsewhere(work, model):
            continue
        if losses(model, work) and not is_a_loop(work, model) and not is_telemetry(work.name):
            continue  # forgotten-task tells the larger harm
        if is_on_thread(model, work.site) and work.callees and all(tells_all(model, callee) for callee in work.callees):
            continue  # a thread has no collector, and what it raises it keeps
        yield _report(work, model)


def is_kept_elsewhere(work: Spawned, model: Model) -> bool:
    """`group.create_task(…)`, `nursery.start_soon(…)`: the group refers to its tasks; a loop refers to what another thread gave it."""
    return keeps_its_tasks(model, work.site) or any(
        part in name
        for name in model.library_names(work.site)
        for part in ("TaskGroup", "Nursery", "threadsafe", "Portal")
    )


def is_a_loop(work: Spawned, model: Model) -> bool:
    """Runs for the life of the process."""
    return any(lives_on(model, callee) for callee in work.callees)


def _report(work: Spawned, model: Model) -> Finding:
    call = say.call(work.site, model)
    name = f"`{work.name}()`" if work.callees else "the coroutine"
    exposure = model.exposure(work.site.function)
    bound = f"bound to `{work.handle}`, which nothing reads" if work.fate == "unread" else "dropped"
    long = is_a_loop(work, model)
    return finding(
        RULE,
        model.place(work.site),
        severity_of(work, model),
        title=say.fit(f"the task of {name} is {bound}"),
        issue=f"The result of `{call}` is {bound}; the event loop itself keeps only a weak reference to the task.",
        impact=_impact(model, work, name, long=long),
        fix=advise.keep_task(model, work.site, lasting=long),
        steps=model.steps(exposure.worst, work.site.function, work.site),
        confidence=Confidence.HIGH if work.callees else Confidence.MEDIUM,
        subject=name,
    )


def _impact(model: Model, work: Spawned, name: str, *, long: bool) -> str:
    """What is lost, and who hears of it; a loop that keeps its own failures can only be collected."""
    if long and any(keeps_failures(model, callee) for callee in work.callees):
        return f"The collector may take {name} away while it waits, without an error and without a log line: the loop stops for good, and {_unaware(model, work)}."
    stops = f"the loop stops for good, and {_unaware(model, work)}" if long else _unaware(model, work)
    if is_listened_to(model, work.site) or (work.callees and all(tells_all(model, callee) for callee in work.callees)):
        return f"The collector may end {name} while it waits, without an error and without a log line: {stops}."
    return f"The collector may end {name} while it waits, and no code hears of an exception in it: {stops}."


def keeps_failures(model: Model, callee: Function) -> bool:
    """Does a broad handler stand inside the loop?"""
    scope = callee.scope
    return any(
        region.kind == "except"
        and model.exceptions.handler(callee, index).broad
        and flow.loop_of(scope, index) is not None
        for index, region in enumerate(scope.regions)
    )


def tells_all(model: Model, callee: Function) -> bool:
    """Is all that it does under a broad handler: no exception comes out?"""
    scope = callee.scope
    tries = {
        region.group
        for index, region in enumerate(scope.regions)
        if region.kind == "except" and region.parent == 0 and model.exceptions.handler(callee, index).broad
    }
    return bool(tries) and not any(call.region == 0 for call in scope.calls)


def severity_of(work: Spawned, model: Model) -> Severity:
    """A loop of the process or work that others count on; else hardening."""
    serving = any(
        r.entry.serves_others or r.entry.kind is EntryKind.STARTUP for r in model.exposure(work.site.function).entries
    )
    if work.callees and all(only_sleeps(callee, model) for callee in work.callees):
        return Severity.LOW
    return Severity.MEDIUM if is_a_loop(work, model) or (serving and work.callees) else Severity.LOW


def only_sleeps(callee: Function, model: Model) -> bool:
    """It waits until somebody cancels it: a timer of the loop refers to what sleeps, and nothing in the loop can fail."""
    loops = [index for index, region in enumerate(callee.scope.regions) if region.kind == "while"]
    inside = [callee.site(call) for index in loops for call in flow.calls_in(callee.scope, index)]
    return bool(inside) and all(
        any(effect.effect is Effect.SLEEP for effect in model.effects_at(site)) for site in inside
    )


def _unaware(model: Model, work: Spawned) -> str:
    entry = model.exposure(work.site.function).worst
    return f"{say.entry(entry)} notices nothing" if entry is not None else "nobody notices"
