"""The only reference to a task is dropped.

## Why it fails in production
The event loop keeps weak references only. A task that nothing else refers to can be garbage-collected while it waits, in the middle of
its work; and when it raises, nobody hears of it but the collector.

## What is reported
`asyncio.create_task`, `ensure_future` or `loop.create_task` whose result is discarded or bound to a name that is never read.

## What is not reported
Tasks kept in an attribute or a set, awaited, gathered or returned; task groups, which keep their tasks themselves.
Tasks that the rule forgotten-task reports for what they lose.

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
    Audience,
    Confidence,
    Finding,
    Iterator,
    Model,
    Rule,
    Severity,
    Spawned,
    advise,
    finding,
    must_complete,
    say,
    spawned_work,
    unresolved_tasks,
)

RULE = Rule(id="unreferenced-task", anti_pattern="fire-and-forget", doc=__doc__)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Find tasks whose handle is dropped."""
    for work in (*spawned_work(model), *unresolved_tasks(model)):
        if work.kind != "task" or work.fate not in {"dropped", "unread"} or is_kept_by_its_group(work, model):
            continue
        if work.callee is not None and must_complete(model, work.callee):
            continue  # forgotten-task tells the larger harm
        yield _report(work, model)


def is_kept_by_its_group(work: Spawned, model: Model) -> bool:
    """`group.create_task(…)`, `nursery.start_soon(…)`: the group refers to its tasks and waits for them."""
    return any("TaskGroup" in name or "Nursery" in name for name in model.library_names(work.site))


def _report(work: Spawned, model: Model) -> Finding:
    call = say.call(work.site, model)
    name = f"`{work.callee.qualname}()`" if work.callee is not None else "the coroutine"
    exposure = model.exposure(work.site.function)
    bound = f"bound to `{work.handle}`, which nothing reads" if work.fate == "unread" else "dropped"
    return finding(
        RULE,
        model.place(work.site),
        Severity.MEDIUM if exposure.entries else Severity.LOW,
        title=f"the task of {name} is {bound}",
        issue=f"The result of `{call}` is {bound}; the event loop itself keeps only a weak reference to the task.",
        impact=f"The collector may end {name} half-way, and an exception in it is never seen; {say.entry(exposure.worst)} notices nothing.",
        fix=advise.keep_task(model, work.site),
        steps=model.steps(exposure.worst, work.site.function, work.site),
        confidence=Confidence.HIGH if work.callee is not None else Confidence.MEDIUM,
        audience=Audience.REGULAR,
        subject=name,
    )
