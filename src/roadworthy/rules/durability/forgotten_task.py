"""Work that must complete runs in a task that nobody waits for.

## Why it fails in production
A task lives in the memory of one process. A deploy, a crash or an out-of-memory kill ends it at whatever line it has reached; nothing
runs it again, and nobody is told. If success was already answered, the caller believes in work that never happened.

## What is reported
`create_task`, `ensure_future` and their kin, also through helpers of the project, whose coroutine, through its calls, writes, publishes,
sends or charges, and whose end nobody awaits. Keeping a reference cures garbage collection, not a deploy: that alone is the rule
unreferenced-task. HIGH when data, messages or money hang on it and an entry has told success; MEDIUM when nobody was told, or when only a
call to another system is lost; LOW for bookkeeping (last-seen stamps, usage figures), and for such a call that
the code itself calls best effort.

## What is not reported
Tasks that are awaited, gathered, joined, or part of a task group; also where the handle is kept and somebody awaits it later, at shutdown
too. Tasks whose effects are telemetry, logs, caches or files for the moment. Tasks that somebody cancels by
their handle: their owner decides when they end. Loops that live as long as the process or the connection.
Tasks returned to the caller. Tasks that only start a durable execution: the rule ack-before-durable-start tells that.

## Bad
```python
import asyncio
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession

app = FastAPI()

async def store(session: AsyncSession, order: dict) -> None:
    session.add(order)
    await session.commit()

@app.post("/orders")
async def create(order: dict, session: AsyncSession):
    asyncio.create_task(store(session, order))  # finding: forgotten-task
    return {"status": "accepted"}
```

## Good
```python
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession

app = FastAPI()

async def store(session: AsyncSession, order: dict) -> None:
    session.add(order)
    await session.commit()

@app.post("/orders")
async def create(order: dict, session: AsyncSession):
    await store(session, order)
    return {"status": "stored"}
```
"""

import re

from roadworthy.rules.api import (
    CallSite,
    Effect,
    EntryKind,
    Finding,
    Function,
    Iterator,
    Loss,
    Model,
    Rule,
    Severity,
    Spawned,
    advise,
    answered,
    finding,
    hands_off,
    impact_weight,
    is_bookkeeping,
    is_done_again,
    is_fed_by_consumer,
    is_run_at_start,
    is_telemetry,
    keeps_its_tasks,
    lives_on,
    losses,
    say,
    spawned_work,
)

RULE = Rule(id="forgotten-task", anti_pattern="fire-and-forget", doc=__doc__)

_MEANT = re.compile(r"\bfire[- ]and[- ]forget\b|\bbest[- ]effort\b", re.IGNORECASE)
_SETTLED = ("waited", "returned", "cancelled")


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Ask each task that nobody waits for what is lost with it; the same work of one function is one finding."""
    groups: dict[tuple[Function, str], list[tuple[Spawned, list[Loss]]]] = {}
    for work in spawned_work(model):
        if work.kind != "task" or work.fate in _SETTLED or is_kept_by_its_group(work, model):
            continue
        if (
            is_telemetry(work.name)
            or is_a_loop(work, model)
            or is_stopping(work, model)
            or is_run_at_start(model, work.site.function)
        ):
            continue
        lost = losses(model, work)
        if lost and not (hands_off(lost) and answered(model, work.site.function)):
            groups.setdefault((work.site.function, work.name), []).append((work, lost))
    for found in groups.values():
        yield _report(*found[0], [other.site for other, _ in found[1:]], model)


def is_kept_by_its_group(work: Spawned, model: Model) -> bool:
    """`group.create_task(…)`: the group waits for its tasks."""
    return any("TaskGroup" in name or "Nursery" in name for name in model.library_names(work.site))


def is_a_loop(work: Spawned, model: Model) -> bool:
    """Runs for the life of the process or the connection: it has no end that anybody could wait for."""
    return any(lives_on(model, callee) for callee in work.callees)


def is_stopping(work: Spawned, model: Model) -> bool:
    """What a signal or the end of the process starts has the end of the process for its purpose."""
    exposure = model.exposure(work.site.function)
    kinds = {reached.entry.kind for reached in exposure.entries}
    named = (
        say.last(work.name)
        .strip("_")
        .startswith(("shutdown", "stop", "close", "drain", "cleanup", "disconnect", "terminate", "exit"))
    )
    return kinds == {EntryKind.SHUTDOWN} or (named and not answered(model, work.site.function))


def is_meant(work: Spawned, model: Model) -> bool:
    """The code says of itself that it need not succeed: in a docstring, or in a comment above the start."""
    docs = [function.scope.doc for function in (work.site.function, *work.callees)]
    comments = model.comments_near(work.site.path, work.site.line - 4, work.site.line)
    return any(_MEANT.search(text) for text in (*docs, comments))


def severity_of(work: Spawned, lost: list[Loss], model: Model) -> Severity:
    """By what is lost, who was told, and whether something does it again."""
    if is_bookkeeping(say.last(work.name), work.site.function.name) or is_done_again(model, work.callees):
        return Severity.LOW
    told = bool(answered(model, work.site.function))
    if not lost[0].is_data:
        return Severity.MEDIUM if told and not is_meant(work, model) else Severity.LOW
    return Severity.HIGH if told else Severity.MEDIUM


def _report(work: Spawned, lost: list[Loss], others: list[CallSite], model: Model) -> Finding:
    worst = lost[0]
    exposure = model.exposure(work.site.function)
    name = work.name
    steps = (
        *model.steps(exposure.worst, work.site.function, work.site, f"starts {name} as a task"),
        *model.chain(worst.path),
    )
    does = worst.effect.effect.word.meaning
    return finding(
        RULE,
        model.place(work.site),
        severity_of(work, lost, model),
        title=say.fit(
            f"`{name}()` {say.does(worst.effect.effect)} in a task that nobody waits for",
            f"`{say.last(name)}()` {say.does(worst.effect.effect)} in a task that nobody waits for",
        ),
        issue=_issue(work, lost, model),
        impact=_impact(work, worst, model),
        fix=_fix(work, lost, model),
        related=[
            model.place(worst.effect.site, f"lost: {does}"),
            *(model.place(site, "started here too") for site in others),
        ],
        steps=steps,
        confidence=worst.confidence,
        subject=name,
        weight=impact_weight(exposure, [loss.effect for loss in lost]),
    )


def _fix(work: Spawned, lost: list[Loss], model: Model) -> str:
    """Work whose point is to start a durable execution needs no other job around it."""
    callee = next(iter(work.callees), None)
    starts = lost[0].effect.effect in {Effect.START_DURABLE, Effect.ENQUEUE}
    waited = advise.durable_start(model, work.site.function, callee) if starts and callee is not None else ""
    if not waited and is_fed_by_consumer(model, work.site.function):
        return (
            f"Let the consumer confirm the message (acknowledge it, commit its offset) when `{work.name}()` is done, not when it is handed "
            "out or by a timer: what was not confirmed is delivered again."
        )
    return waited or advise.durable(model, work.site.function, f"{work.name}()")


def _issue(work: Spawned, lost: list[Loss], model: Model) -> str:
    others = len({loss.effect.site for loss in lost}) - 1
    more = f" and does {others} more thing{'s' if others > 1 else ''} that must complete" if others else ""
    effect = lost[0].effect
    reaches = f"which {effect.effect.word.meaning} with `{say.call(effect.site, model)}`{more}"
    handle = f"`{work.handle}`" if work.handle else ""
    kept = {
        "dropped": ""
        if keeps_its_tasks(model, work.site)
        else "Nothing refers to the task, so the event loop may even collect it half-way.",
        "unread": f"{handle} is never read again, so nobody sees its exception.",
        "kept": f"The reference in {handle} keeps it from being collected, but nobody waits for it." if handle else "",
    }.get(work.fate, "")
    return f"`{say.call(work.site, model)}` starts `{work.name}()`, {reaches}, and goes on. {kept}".strip()


def _impact(work: Spawned, worst: Loss, model: Model) -> str:
    entry = model.exposure(work.site.function).worst
    site = worst.effect.site
    what = f"`{worst.effect.short_name}` at {site.path}:{site.line}"
    return (
        f"A deploy, a crash or an out-of-memory kill ends the task at whatever line it has reached. {say.told(entry)}; "
        f"{what} never happens, and nothing runs it again."
    )
