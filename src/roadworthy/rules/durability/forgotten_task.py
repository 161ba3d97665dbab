"""Work that must complete runs in a task that nobody waits for.

## Why it fails in production
A task lives in the memory of one process. A deploy, a crash or an out-of-memory kill ends it at whatever line it has reached; nothing
runs it again, and nobody is told. If success was already answered, the caller believes in work that never happened.

## What is reported
`create_task`, `ensure_future` and their kin, also through helpers of the project, whose coroutine, through its calls, writes, publishes,
sends or charges, and whose end nobody awaits before success is told. Keeping a reference cures garbage collection, not a deploy.

## What is not reported
Tasks that are awaited, gathered, or part of a task group in the same unit of work. Tasks whose effects are telemetry, logs or caches.
Supervised loops that are started at start-up and cancelled or awaited at shutdown. Tasks returned to the caller.

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

from roadworthy.rules.api import (
    EffectAt,
    EntryKind,
    Finding,
    Iterator,
    Model,
    Rule,
    Severity,
    Spawned,
    advise,
    finding,
    impact_weight,
    must_complete,
    say,
    spawned_work,
)

RULE = Rule(id="forgotten-task", anti_pattern="fire-and-forget", doc=__doc__)

_PROCESS_LIFE = (EntryKind.STARTUP, EntryKind.SHUTDOWN, EntryKind.COMMAND, EntryKind.WORKER_LOOP, EntryKind.IMPORT_TIME)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Ask each task that nobody waits for what is lost with it."""
    for work in spawned_work(model):
        if work.kind != "task" or work.callee is None or work.fate in {"waited", "returned"}:
            continue
        lost = must_complete(model, work.callee)
        if lost and not is_supervised_loop(work, model):
            yield _report(work, lost, model)


def is_supervised_loop(work: Spawned, model: Model) -> bool:
    """A loop for the life of the process, started when the process starts."""
    assert work.callee is not None
    if any(
        model.guards.loop(work.callee, i).kind == "worker"
        for i, r in enumerate(work.callee.scope.regions)
        if r.kind == "while"
    ):
        return True
    exposure = model.exposure(work.site.function)
    return (
        bool(exposure.entries) and all(r.entry.kind in _PROCESS_LIFE for r in exposure.entries) and work.fate == "kept"
    )


def _report(work: Spawned, lost: list[EffectAt], model: Model) -> Finding:
    assert work.callee is not None
    worst = max(
        lost, key=lambda effect: (impact_weight(model.exposure(work.site.function), [effect]), -effect.site.line)
    )
    exposure = model.exposure(work.site.function)
    entry = exposure.worst
    name = work.callee.qualname
    others = len({effect.site for effect in lost}) - 1
    also = f" (and {others} more effects)" if others else ""
    kept = {
        "dropped": "The task is not even referenced, so the event loop may also collect it half-way.",
        "unread": f"`{work.handle}` is never read again, so nobody sees its exception.",
        "kept": f"The reference in `{work.handle}` keeps it from being collected, but nobody waits for it."
        if work.handle
        else "Nobody waits for it.",
    }.get(work.fate, "")
    path = model.reach.path_down(work.callee, worst)
    steps = (*model.steps(entry, work.site.function, work.site, f"starts {name} as a task"), *model.chain(path))
    return finding(
        RULE,
        model.place(work.site),
        Severity.HIGH if exposure.serves else Severity.MEDIUM,
        title=f"`{name}()` runs in a task that nobody waits for, and it {worst.effect.word.meaning}",
        issue=f"`{say.call(work.site, model)}` starts `{name}()`, which reaches {say.effect(worst, model)}{also}, and goes on. {kept}".strip(),
        impact=f"A deploy, a crash or an out-of-memory kill ends the task half-way: {_harm(entry, worst, model)}",
        fix=advise.durable(model, work.site.function, f"{name}()"),
        related=[model.place(worst.site, f"lost: {worst.effect.word.meaning}")],
        steps=steps,
        confidence=model.confidence_of(worst),
        subject=name,
        weight=impact_weight(exposure, lost),
    )


def _harm(entry: object, worst: EffectAt, model: Model) -> str:
    from_whom = say.entry(entry)  # type: ignore[arg-type]
    what = f"`{worst.short_name}` at {worst.site.path}:{worst.site.line}"
    return f"{from_whom} has already told success, {what} never happens, and nothing runs it again."
