"""A message is confirmed, popped or committed before its work is done.

## Why it fails in production
A broker keeps a message until it is told that the work is done. Told too early, it forgets the message while the work is still in
memory: every deploy, crash and lost connection in between drops whatever is being worked on, and nothing delivers it again.

## What is reported
A call that confirms or deletes a message, or commits its offset, with the message's work after it on the same way through the function.
`LPOP`, `BLPOP` and their like whose value then goes into work that stores or sends something. Consumers registered with automatic
acknowledgement, and consumers whose offsets a timer commits, when what they do must not be lost. A base class of jobs that asks for retries
after exceptions and leaves the message acknowledged before the body runs. LOW, and once for a project: jobs that requests leave work to, and that
their framework acknowledges before it runs them, by its default; and such jobs that acknowledge late, but for which the framework acknowledges
when it finds their process killed.

## What is not reported
Messages that are stored before they are confirmed. Rejections and confirmations in handlers: those give a message up. Telemetry. Tokens,
locks and quotas, which are meant to be used up. Values that are noted in a second place or put back when the work fails. Consumers whose
settings speak of commits, or next to which somebody commits by hand. A comment that says that losing messages is meant. Jobs that a schedule,
a loop or a start-up sends again.

## Bad
```python
import psycopg2
from aio_pika import IncomingMessage

def store(body: bytes) -> None:
    with psycopg2.connect("dbname=orders") as db:
        db.cursor().execute("INSERT INTO orders (body) VALUES (%s)", (body,))

async def on_message(message: IncomingMessage) -> None:
    await message.ack()  # finding: ack-before-work
    store(message.body)
```

## Good
```python
import psycopg2
from aio_pika import IncomingMessage

def store(body: bytes) -> None:
    with psycopg2.connect("dbname=orders") as db:
        db.cursor().execute("INSERT INTO orders (body) VALUES (%s)", (body,))

async def on_message(message: IncomingMessage) -> None:
    store(message.body)
    await message.ack()
```
"""

import re

from roadworthy.rules.api import (
    Confidence,
    EarlyAck,
    EarlyJobs,
    Finding,
    Iterator,
    Model,
    Rule,
    Severity,
    Unsaved,
    early_acks,
    early_jobs,
    finding,
    impact_weight,
    killed_jobs,
    say,
    unsaved_jobs,
)

RULE = Rule(id="ack-before-work", anti_pattern="ack-before-write", doc=__doc__)

_MEANT = re.compile(
    r"at[- ]most[- ]once|best[- ]effort|fire[- ]and[- ]forget|on purpose|deliberate|intentional|acceptable|may be lost|ok(ay)? to lose|"
    r"(ack|commit|delete|remove|pop)\w*\s.*\b(first|early|before|immediately|right away|up front|so that|to avoid|to prevent|otherwise)\b",
    re.IGNORECASE,
)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Confirmations that come before the work they stand for."""
    for early in early_acks(model):
        if not is_meant(early, model):
            yield _report(early, model)
    for jobs in early_jobs(model):
        yield _report_jobs(jobs, model)
    unsaved = unsaved_jobs(model)
    if unsaved:
        yield _report_unsaved(unsaved, model)
    killed = killed_jobs(model)
    if killed:
        yield _report_killed(killed, model)


def is_meant(early: EarlyAck, model: Model) -> bool:
    """Does a comment next to it say why it comes first?"""
    line = early.site.line
    return bool(_MEANT.search(model.comments_near(early.site.path, line - 4, early.site.fact.end_line)))


def _report(early: EarlyAck, model: Model) -> Finding:
    call = say.call(early.site, model)
    work = f"`{say.call(early.work, model)}`" if early.work is not None else f"`{early.function.qualname}()`"
    worst = early.lost[0] if early.lost else None
    does = f", which {say.does(worst.effect)}" if worst is not None else ""
    where = early.function.qualname
    entry = early.entry or model.exposure(early.function).worst
    title, issue, fix = {
        "ack": (
            f"the message is confirmed before {work} does its work",
            f"`{call}` in `{where}()` tells the broker that the message is handled; only then {work} runs{does}.",
            f"Move `{call}` behind {work}, so that a message whose work did not end is delivered again; the work must then bear a repetition.",
        ),
        "pop": (
            f"`{say.last(call)}` removes the message before {work} does its work",
            f"`{call}` takes the message out of the store, so that only `{where}()` holds it while {work} runs{does}.",
            "Keep it until the work is done: move it into a list of running work (`BLMOVE`/`LMOVE`) and remove it there afterwards, with a "
            "sweep at start-up for what was left; or a stream with a consumer group and `XACK` after the work.",
        ),
        "auto": (
            f"the broker takes messages as handled before `{where}()` has done its work",
            f"`{call}` asks for automatic acknowledgement; `{where}()` then calls {work}{does}.",
            f"Turn the automatic acknowledgement off and acknowledge at the end of `{where}()`, behind {work}.",
        ),
        "commit": (
            f"offsets are committed by a timer while {work} is still at work",
            f"The consumer made by `{call}` commits by a timer what it has handed out; `{where}()` then calls {work}{does}.",
            f"Turn the automatic commit off and commit behind {work}, when its work is stored.",
        ),
    }[early.kind]
    related = [model.place(early.work, "the work")] if early.work is not None else []
    return finding(
        RULE,
        model.place(early.site),
        Severity.MEDIUM if worst is None or early.kind == "commit" else Severity.HIGH,
        title=say.fit(title, title.replace(work, "the work")),
        issue=issue,
        impact=(
            f"When the process stops in between (a deploy, a crash, the failure of {work}), the message is gone: the broker does not "
            "deliver it again, and no trace of its work is left."
        ),
        fix=fix,
        related=related,
        steps=model.steps(entry, early.function, early.work, "the work"),
        confidence=worst.confidence if worst is not None else Confidence.MEDIUM,
        subject=call,
        weight=impact_weight(model.exposure(early.function), early.lost),
    )


def _bases(jobs: EarlyJobs) -> str:
    """`(app.Task)`: what the class inherits from, as written."""
    scope = jobs.cls.body.parent or jobs.cls.body
    bases = [say.code(base, scope) for base in jobs.cls.body.scope.bases]
    return f"({', '.join(bases)})" if bases else ""


def _report_jobs(jobs: EarlyJobs, model: Model) -> Finding:
    name = jobs.cls.name
    return finding(
        RULE,
        model.place_of_class(jobs.cls),
        Severity.MEDIUM,
        title=say.fit(f"jobs of `{name}` are retried after exceptions but lost when their worker stops"),
        issue=f"`{name}` sets `{jobs.option}`, and leaves `{jobs.late}` unset: the message of a job is acknowledged before its body runs.",
        impact=(
            f"A retry needs a living worker: a worker that is killed or redeployed in the middle of a job of `{name}` loses the job, which "
            "neither the queue nor the retries bring back."
        ),
        fix=f"Acknowledge after the body, and make the bodies bear a second run.\n```python\nclass {name}{_bases(jobs)}:\n    {jobs.late} = True  # beside the rest\n```",
        subject=name,
    )


def _report_unsaved(jobs: list[Unsaved], model: Model) -> Finding:
    """One cause, the framework's default: one finding, at the job that loses most."""
    worst = max(jobs, key=lambda job: job.loss.weight)
    function, effect = worst.entry.function, worst.loss.effect
    name, many = function.qualname, len(jobs)
    rest = f", as do {many - 1} more" if many > 2 else ", as does one more" if many == 2 else ""
    option = f"`{worst.setting} = True` for all jobs" if worst.setting and many > 1 else f"`{worst.late}=True`"
    return finding(
        RULE,
        model.place_of_function(function),
        Severity.LOW,
        title=say.fit(
            f"the job `{name}` is acknowledged before it runs{', as are others' if rest else ''}: a killed worker loses it",
            f"the job `{name}` is acknowledged before it runs",
        ),
        issue=f"Nothing sets `{worst.late}`, so that the message of `{name}()` is gone when its body begins, which {say.does(effect.effect)} with "
        f"`{say.call(effect.site, model)}`{rest}.",
        impact=f"A worker that is killed (out of memory, a deploy whose grace is over, a lost node) in the middle of `{name}()` leaves nothing that could be "
        f"delivered again: whoever was answered at {worst.sent.path}:{worst.sent.line} waits in vain.",
        fix=f"Once the bodies bear a second run, set {option}; or keep what is due in a row that a periodic job picks up.",
        related=[
            model.place(worst.sent, "sent here"),
            *[
                model.place_of_function(job.entry.function, "acknowledged before it runs")
                for job in jobs
                if job is not worst
            ][:60],
        ],
        steps=model.steps(worst.entry, effect.function, effect.site),
        confidence=worst.loss.confidence,
        subject="jobs",
    )


def _report_killed(jobs: list[Unsaved], model: Model) -> Finding:
    """One setting that is not there: one finding, at the job that loses most."""
    worst = max(jobs, key=lambda job: job.loss.weight)
    function, effect = worst.entry.function, worst.loss.effect
    name, many = function.qualname, len(jobs)
    rest = f", as are {many - 1} more" if many > 2 else ", as is one more" if many == 2 else ""
    option = f"`{worst.setting} = True` for all jobs" if worst.setting and many > 1 else f"`{worst.late}=True`"
    return finding(
        RULE,
        model.place_of_function(function),
        Severity.LOW,
        title=say.fit(
            f"the job `{name}` acknowledges late{', as do others' if rest else ''}, and is lost when its process is killed",
            f"the job `{name}` is lost when its process is killed",
        ),
        issue=f"`{name}()` is to be acknowledged after its work{rest}, but nothing sets `{worst.late}`: when the worker finds the process of a job killed, it "
        "acknowledges the message for it.",
        impact=f"A process that runs out of memory in the middle of `{name}()`, which {say.does(effect.effect)} with `{say.call(effect.site, model)}`, takes "
        f"the job with it, although late acknowledgement was to keep it: whoever was answered at {worst.sent.path}:{worst.sent.line} waits in vain.",
        fix=f"Set {option} beside the late acknowledgement, and see to it that a job which kills its process each time ends somewhere (a limit of its "
        "deliveries at the broker, or a count of attempts in its row).",
        related=[
            model.place(worst.sent, "sent here"),
            *[model.place_of_function(job.entry.function, "lost in the same way") for job in jobs if job is not worst][
                :60
            ],
        ],
        steps=model.steps(worst.entry, effect.function, effect.site),
        confidence=worst.loss.confidence,
        subject="killed jobs",
    )
