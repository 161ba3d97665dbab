"""Work waits in a queue in memory after success was told.

## Why it fails in production
What is in the queue lives only as long as the process. A deploy, a crash or a full memory empties it, and nobody knows what was in it:
the client was told that its request is taken, or the durable queue has already given the message up.

## What is reported
A queue of the process that a request, webhook, consumer or job fills and goes on, and that a task, thread or loop drains, when draining it
stores or sends something. Messages popped from a durable store into such a queue.

## What is not reported
Telemetry and streams to somebody who looks on. Queues that a request makes for itself. Producers that wait for the result or until the queue
is empty. Items that were stored before they were put in.

## Bad
```python
import asyncio
import smtplib
from fastapi import FastAPI

app = FastAPI()
mails: asyncio.Queue = asyncio.Queue()

async def deliver():
    while True:
        mail = await mails.get()
        with smtplib.SMTP("mail", timeout=10) as server:
            server.sendmail("shop", mail["to"], mail["text"])

@app.on_event("startup")
async def start():
    app.state.task = asyncio.create_task(deliver())

@app.post("/mails")
async def send(mail: dict):
    await mails.put(mail)  # finding: in-memory-queue
    return {"status": "queued"}
```

## Good
```python
from celery import Celery
from fastapi import FastAPI

app = FastAPI()
jobs = Celery("shop", broker="amqp://rabbit")

@jobs.task(acks_late=True)
def deliver(mail: dict):
    print(mail)

@app.post("/mails")
def send(mail: dict):
    deliver.delay(mail)
    return {"status": "queued"}
```
"""

from roadworthy.rules.api import (
    Buffered,
    Finding,
    Iterator,
    Model,
    Rule,
    Severity,
    buffered_work,
    finding,
    impact_weight,
    say,
)

RULE = Rule(id="in-memory-queue", anti_pattern="in-memory-queue", doc=__doc__)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Queues in memory that hold what must not be lost."""
    for work in buffered_work(model):
        yield _report(work, model)


def _report(work: Buffered, model: Model) -> Finding:
    drain = f"`{work.drain.qualname}()`" if work.drain is not None else "whoever drains it"
    worst = work.lost[0] if work.lost else None
    does = say.does(worst.effect) if worst is not None else "works on it"
    if work.kind == "told":
        title = f"{say.entry(work.entry)} leaves work in `{work.name}`, a queue in memory"
        issue = f"`{say.call(work.put, model)}` puts it into a queue of this process and goes on; {drain} takes it out later and {does}."
        impact = (
            f"{say.told(work.entry)}, but what still waits in `{work.name}` when the process stops (a deploy, a crash) is gone, and nothing "
            "knows that it was there."
        )
        fix = (
            f"Store it before the answer: a row that {drain} picks up and marks, or a job of a durable queue; `{work.name}` may then only wake "
            f"{drain}. A flush at shutdown helps with deploys, not with crashes."
        )
    else:
        title = f"`{say.last(say.call(work.site, model))}` moves messages from a store into `{work.name}`, a queue in memory"
        issue = (
            f"`{say.call(work.site, model)}` removes the message from the store; `{say.call(work.put, model)}` then puts it into a queue of this "
            f"process, from which {drain} takes it."
        )
        impact = f"When the process stops, everything that waits in `{work.name}` is lost: the store has already given it up."
        fix = (
            f"Let {drain if work.drain is not None else 'the worker'} take messages from the store itself, one at a time, and keep each in a list of running work (`LMOVE`) or unacknowledged "
            "until its work is done."
        )
    return finding(
        RULE,
        model.place(work.site),
        Severity.HIGH,
        title=say.fit(title, f"work waits in `{work.name}`, a queue in memory"),
        issue=issue,
        impact=impact,
        fix=fix,
        related=[
            model.place(work.made, "the queue"),
            *([model.place_of_function(work.drain, "drains it")] if work.drain is not None else []),
            *([model.place(work.put, "fills it")] if work.put is not work.site else []),
        ],
        steps=model.steps(work.entry, work.site.function, work.site, f"fills {work.name}"),
        subject=work.name,
        weight=impact_weight(model.exposure(work.site.function), work.lost),
    )
