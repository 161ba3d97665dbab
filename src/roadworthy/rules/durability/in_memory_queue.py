"""Work waits in a queue in memory after success was told.

## Why it fails in production
What is in the queue lives only as long as the process. A deploy, a crash or a full memory empties it, and nobody knows what was in it:
the client was told that its request is taken, or the durable queue has already given the message up.

## What is reported
A queue of the process that a request, webhook, consumer or job fills and goes on, and that a task, thread or loop drains, when draining it
stores or sends something. Messages popped from a durable store into such a queue. A list that requests fill and that is written out when it
holds enough.

## What is not reported
Telemetry and streams to somebody who looks on. Queues that a request makes for itself. Producers that wait for the result or until the queue
is empty. Items that were stored before they were put in. Lists of one batch, which whoever fills them writes out at the end.

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
    Location,
    Model,
    Rule,
    Severity,
    Sized,
    buffered_work,
    finding,
    impact_weight,
    say,
    sized_buffers,
)

RULE = Rule(id="in-memory-queue", anti_pattern="in-memory-queue", doc=__doc__)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Queues in memory that hold what must not be lost."""
    for work in buffered_work(model):
        yield _report(work, model)
    for sized in sized_buffers(model):
        yield _report_sized(sized, model)


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


def _report_sized(sized: Sized, model: Model) -> Finding:
    """A list that is written out when it is long enough."""
    name, drain, put = sized.name, say.call(sized.drain, model), sized.put
    held = sized.held
    return finding(
        RULE,
        model.place(put),
        Severity.MEDIUM,
        title=say.fit(
            f"`{name}` keeps what {say.entry(sized.entry)} leaves in memory until there is enough of it",
            f"`{name}` keeps work in memory until there is enough of it",
        ),
        issue=f"`{say.call(put, model)}` adds it to a list of this process; `{drain}`, which {say.does(sized.lost[0].effect)}, runs when the list is long "
        "enough.",
        impact=f"{say.told(sized.entry)}, but what stands in `{name}` when the process stops (a deploy, a crash) is gone, and nothing knows that it was "
        "there; with little traffic it waits for hours.",
        fix="Write it before the answer, or put it into a durable queue or stream from which a worker writes batches. A flush by a timer and at "
        "shutdown shortens the wait and helps with deploys, not with crashes.",
        related=[
            Location(held.owner.path, held.line, held.end_line, note="the list"),
            model.place(sized.drain, "writes it out"),
        ],
        steps=model.steps(sized.entry, put.function, put, f"fills {name}"),
        confidence=sized.lost[0].confidence,
        subject=name,
        weight=impact_weight(model.exposure(put.function), sized.lost),
    )
