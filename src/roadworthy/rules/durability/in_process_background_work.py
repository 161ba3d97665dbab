"""Work that must complete runs on a thread, a timer or a response's background task after success was told.

## Why it fails in production
Threads, executors, timers and the background tasks of a web framework live in the memory of the process that answered. A deploy, a crash
or an out-of-memory kill ends them at any line, an exception in them reaches nobody, and nothing runs them again: no retry, no trace.

## What is reported
Background tasks, threads, executor jobs, timers and child processes that an entry starts, whose work, through its calls, writes, publishes,
sends or charges, and for whose end the entry does not wait before it tells success. HIGH when the work is what the request was for (the
answer says accepted or processing, or the entry itself stores nothing); MEDIUM when the entry has stored its own part, for mail that people
can ask for again, and for calls to other systems.

## What is not reported
Work that is joined, awaited or whose result is read; executors left by their `with` block. Telemetry, logs, caches, cleaning up. Threads for
the life of the process. Work that a schedule does again. Work that only hands over to a queue: the rule ack-before-durable-start tells that.

## Bad
```python
from fastapi import BackgroundTasks, FastAPI
from sqlalchemy.orm import Session

app = FastAPI()

def convert(document_id: int, session: Session) -> None:
    session.add(Page(document_id))
    session.commit()

@app.post("/documents/{document_id}/pages", status_code=202)
def pages(document_id: int, background: BackgroundTasks, session: Session):
    background.add_task(convert, document_id, session)  # finding: in-process-background-work
    return {"status": "processing"}
```

## Good
```python
from celery import shared_task
from fastapi import FastAPI
from sqlalchemy.orm import Session

app = FastAPI()

@shared_task(acks_late=True, reject_on_worker_lost=True, autoretry_for=(OSError,))
def convert(document_id: int) -> None:
    with Session() as session:
        session.add(Page(document_id))
        session.commit()

@app.post("/documents/{document_id}/pages", status_code=202)
def pages(document_id: int):
    convert.delay(document_id)
    return {"status": "processing"}
```
"""

import re

from roadworthy.rules.api import (
    Confidence,
    Effect,
    EffectAt,
    Entry,
    Finding,
    Function,
    Iterator,
    Loss,
    Model,
    Promise,
    Rule,
    Severity,
    Spawned,
    advise,
    answered,
    durable_branch,
    finding,
    hands_off,
    impact_weight,
    is_bookkeeping,
    is_done_again,
    is_run_at_start,
    lives_on,
    losses,
    promise_of,
    say,
    spawned_work,
)

RULE = Rule(id="in-process-background-work", anti_pattern="background-no-retry", doc=__doc__)

_WHERE = {
    "background": "as a background task of the response",
    "thread": "on a thread",
    "process": "in a child process",
    "timer": "on a timer of the process",
}
_MAIL = frozenset({Effect.EMAIL, Effect.SMS, Effect.NOTIFY})
_WRITES = (
    Effect.SQL_INSERT, Effect.SQL_UPSERT, Effect.SQL_UPDATE, Effect.SQL_INCREMENT, Effect.SQL_DELETE, Effect.COMMIT, Effect.OBJECT_WRITE,
    Effect.PUBLISH, Effect.ENQUEUE, Effect.START_DURABLE, Effect.CHARGE,
)  # fmt: skip
_DECORATES = re.compile(r"(^|_)(titles?|thumbnails?|previews?)(_|$)")  # what is stored is whole without it
_DOES = re.compile(
    r"_*(run|execute|process|perform|handle|import|export|generate|ingest|scrape|crawl|train|convert|transcode|build|render|analy[sz]e|"
    r"evaluate|embed|sync|migrate|provision|deploy|charge|pay|refund|place|submit)",
    re.IGNORECASE,
)
_ASKS = re.compile(r"_*(get|list|query|search|read|retrieve|fetch|find|show|view|index|download|check)(_|$)")


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Ask each piece of work that is not waited for what is lost with it; what one function starts is one finding."""
    by_function: dict[tuple[Function, str], list[tuple[Spawned, list[Loss]]]] = {}
    for work in spawned_work(model):
        if work.kind not in _WHERE or work.fate in {"waited", "returned"} or lives_as_long_as_the_process(work, model):
            continue
        lost = losses(model, work)
        if (
            lost
            and answered(model, work.site.function)
            and not hands_off(lost)
            and not is_of_no_consequence(work, model)
        ):
            by_function.setdefault((work.site.function, work.kind), []).append((work, lost))
    for found in by_function.values():
        yield _report(found, model)


def lives_as_long_as_the_process(work: Spawned, model: Model) -> bool:
    """Started when the process starts, or an endless loop."""
    return is_run_at_start(model, work.site.function) or any(lives_on(model, callee) for callee in work.callees)


def is_of_no_consequence(work: Spawned, model: Model) -> bool:
    """Usage figures, caches, cleaning up; or a schedule does the same work anyway."""
    return is_bookkeeping(say.last(work.name)) or is_done_again(model, work.callees)


def promised(told: tuple[Entry, ...]) -> Promise | None:
    """The first answer that says: accepted, still to be done."""
    return next((promise for entry in told if (promise := promise_of(entry)) is not None), None)


def is_the_purpose(work: Spawned, told: tuple[Entry, ...], model: Model) -> bool:
    """The entry answers "accepted", the work is called by what it does, or the entry only receives: it was called for this."""
    name = say.last(work.name)
    if _DECORATES.search(name):
        return False
    if promised(told) is not None or _DOES.match(name):
        return True
    return not any(model.reach.has(entry.function, _WRITES) or is_a_query(entry) for entry in told[:3])


def is_a_query(entry: Entry) -> bool:
    """Asked for something that it returns: what it starts besides is by the way."""
    return entry.label.startswith("GET") or bool(_ASKS.match(entry.function.name))


def severity_of(work: Spawned, lost: list[Loss], told: tuple[Entry, ...], model: Model) -> Severity:
    """By what is lost and whether the entry was called for it."""
    words = {loss.effect.effect for loss in lost if loss.weight == lost[0].weight}
    if words <= {Effect.NOTIFY} or durable_branch(model, work.site) is not None:
        return Severity.LOW
    if not lost[0].is_data or {loss.effect.effect for loss in lost if loss.is_data} <= _MAIL:
        return Severity.MEDIUM
    return Severity.HIGH if is_the_purpose(work, told, model) else Severity.MEDIUM


def _report(found: list[tuple[Spawned, list[Loss]]], model: Model) -> Finding:
    told = answered(model, found[0][0].site.function)
    ranked = sorted(found, key=lambda pair: severity_of(pair[0], pair[1], told, model).rank)
    work, lost = ranked[0]
    worst = lost[0]
    function = work.site.function
    where = _WHERE[work.kind]
    does = worst.effect.effect.word.meaning
    reliable = Confidence.HIGH if model.exposure(function).entries else Confidence.MEDIUM
    return finding(
        RULE,
        model.place(work.site),
        severity_of(work, lost, told, model),
        title=say.fit(
            f"`{work.name}()` {say.does(worst.effect.effect)} {where}, with no retry",
            f"`{say.last(work.name)}()` {say.does(worst.effect.effect)} {where}, with no retry",
            f"`{say.last(work.name)}()` {say.does(worst.effect.effect)} {where}",
        ),
        issue=_issue(work, lost, told, model),
        impact=(
            f"A deploy, a crash or an out-of-memory kill ends `{work.name}()` at whatever line it has reached, and an exception in "
            f"it reaches nobody. {say.told(told[0])}; {_lost(work, worst.effect, model)} never happens, and nothing runs it again."
        ),
        fix=_fix(work, model),
        related=[
            model.place(worst.effect.site, f"lost: {does}"),
            *(model.place(other.site, f"so does {other.name}") for other, _ in ranked[1:]),
        ],
        steps=(*model.steps(told[0], function, work.site, f"starts {work.name} {where}"), *model.chain(worst.path)),
        confidence=Confidence.weakest(worst.confidence, reliable),
        subject=work.name,
        weight=impact_weight(model.exposure(function), [loss.effect for loss in lost]),
    )


def _fix(work: Spawned, model: Model) -> str:
    other = durable_branch(model, work.site)
    if other is None:
        return advise.durable(model, work.site.function, f"{work.name}()")
    return (
        f"Run production with the branch that starts it as a job (`{say.call(other, model)}`, {other.path}:{other.line}), and refuse to start "
        "without its queue there; this branch is for development."
    )


def _lost(work: Spawned, effect: EffectAt, model: Model) -> str:
    """What is not done: the work itself where it is a library's, else the call in it."""
    if effect.site is work.site:
        return "what it was to do"
    return f"`{say.call(effect.site, model)}` ({effect.site.path}:{effect.site.line})"


def _issue(work: Spawned, lost: list[Loss], told: tuple[Entry, ...], model: Model) -> str:
    effect = lost[0].effect
    others = len({loss.effect.site for loss in lost}) - 1
    more = f" and does {others} more thing{'s' if others > 1 else ''} that must complete" if others else ""
    promise = promised(told)
    by = f" with `{say.call(effect.site, model)}`" if effect.site is not work.site else ""
    answer = (
        f" Line {promise.line} answers `{promise.text}` by then."
        if promise and promise.entry.function.path == work.site.path
        else ""
    )
    return (
        f"`{say.call(work.site, model)}` runs `{work.name}()` {_WHERE[work.kind]}: it {effect.effect.word.meaning}{by}"
        f"{more}, and nobody waits for it, retries it or records that it is due.{answer}"
    )
