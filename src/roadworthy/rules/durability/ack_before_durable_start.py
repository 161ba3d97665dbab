"""Success is told while the hand-over to the queue or durable engine is still in memory.

## Why it fails in production
A queue or a durable engine keeps work safe from the moment it has taken it. When the hand-over itself runs in a task, a thread or a
background task of the response, the entry answers first: the process may die in between, the broker may be down, and the exception ends in
a log line. The caller was told that its request is taken, and nothing remembers it.

## What is reported
A task, thread or background task whose work is to enqueue a job, publish a message or start a durable execution, started by an entry that
tells success without waiting for it: handlers, webhooks, consumers and jobs. The handlers that answer too early are related places.

## What is not reported
Hand-overs that are awaited before the answer. Messages that are telemetry. Work that does more than hand over: the rules forgotten-task and
in-process-background-work tell that.

## Bad
```python
import asyncio
from fastapi import FastAPI
from temporalio.client import Client

app = FastAPI()

async def start(client: Client, event: dict) -> None:
    await client.start_workflow("ingest", event, id=event["id"], task_queue="events")

@app.post("/webhooks/events")
async def receive(event: dict, client: Client):
    asyncio.ensure_future(start(client, event))  # finding: ack-before-durable-start
    return {"status": "started"}
```

## Good
```python
from fastapi import FastAPI
from temporalio.client import Client

app = FastAPI()

async def start(client: Client, event: dict) -> None:
    await client.start_workflow("ingest", event, id=event["id"], task_queue="events")

@app.post("/webhooks/events")
async def receive(event: dict, client: Client):
    await start(client, event)
    return {"status": "started"}
```
"""

from roadworthy.rules.api import (
    CallSite,
    Entry,
    EntryKind,
    Finding,
    Iterator,
    Location,
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
    lives_on,
    losses,
    say,
    spawned_work,
)

RULE = Rule(id="ack-before-durable-start", anti_pattern="ack-before-write", doc=__doc__)

_TAKES_FOR_GRANTED = (
    EntryKind.WEBHOOK_HANDLER,
    EntryKind.HTTP_HANDLER,
    EntryKind.LAMBDA_HANDLER,
    EntryKind.QUEUE_CONSUMER,
)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Find hand-overs that nobody waits for before success is told."""
    for work in spawned_work(model):
        if work.fate == "waited" or (work.fate == "returned" and work.kind == "task"):
            continue
        if any(lives_on(model, callee) for callee in work.callees):
            continue  # a sender that runs all the time: what counts is what it is given, not its start
        lost = losses(model, work)
        told = answered(model, work.site.function)
        if lost and told and hands_off(lost) and not is_bookkeeping(say.last(work.name)):
            yield _report(work, lost, told, model)


def _report(work: Spawned, lost: list[Loss], told: tuple[Entry, ...], model: Model) -> Finding:
    worst = lost[0]
    does = worst.effect.effect.word.meaning
    entry = told[0]
    return finding(
        RULE,
        model.place(work.site),
        Severity.HIGH if entry.kind in _TAKES_FOR_GRANTED else Severity.MEDIUM,
        title=say.fit(
            f"{say.entry(entry)} tells success before `{say.last(work.name)}()` {say.does(worst.effect.effect)}",
            f"success is told before `{say.last(work.name)}()` {say.does(worst.effect.effect)}",
        ),
        issue=(
            f"`{say.call(work.site, model)}` leaves `{work.name}()` to run by itself; it {does} with `{say.call(worst.effect.site, model)}`. "
            f"{say.subject(entry)} does not wait for that."
        ),
        impact=(
            f"When the process stops in between, or the other side does not answer, the request is lost although {_lower(say.told(entry))}. "
            "Nothing has stored it, and the exception is seen by nobody who could send it again."
        ),
        fix=advise.hand_over(model, work.site.function, work.callee),
        related=[*_too_early(told, work, model), model.place(worst.effect.site, does)],
        steps=(*model.steps(entry, work.site.function, work.site, f"starts {work.name}"), *model.chain(worst.path)),
        confidence=worst.confidence,
        subject=work.name,
        weight=impact_weight(model.exposure(work.site.function), [loss.effect for loss in lost]),
    )


def _too_early(told: tuple[Entry, ...], work: Spawned, model: Model) -> list[Location]:
    """The calls by which these entries come to the hand-over."""
    found: dict[CallSite, Location] = {}
    for edge in model.edges_to(work.site.function):
        for reached in model.exposure(edge.caller).entries:
            if edge.runs_here and reached.entry in told:
                found.setdefault(edge.site, model.place(edge.site, f"{say.entry(reached.entry)} goes on from here"))
    return list(found.values())[:20]


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
