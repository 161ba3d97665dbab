"""A remote call is tried once, and one transient failure costs work that nobody does again.

## Why it fails in production
The other side of a network call is away for a few seconds at every deploy, failover and overload. Somebody must try again. A person in
front of a web page does; a job that is not retried, a background loop and a nightly run do not.

## What is reported
A call that nothing repeats (client, adapter, decorator, loop, caller, framework), where its failure
ends a job for good; ends a loop that should live as long as the process, or the wait for a remote job; stops a scheduled run or
command; is logged while the work is marked as done, or while what it should have loaded stays empty until the next restart. A job whose options say how often it
is retried, where the framework retries only on request and nothing requests it.

## What is not reported
Calls of request handlers, where a person or client can try again. Telemetry. Failures that a handler turns into a fallback or records for a
later sweep. Commands that take an argument of who types them. Jobs that a schedule or a sweep sends again. Loops of a program of their own, which its supervisor restarts.
The service's own database, cache and broker, apart from loops.

## Bad
```python
import requests
from celery import shared_task

@shared_task
def push_order(order_id):  # finding: single-attempt-call
    requests.post("https://erp.example/orders", json={"id": order_id}, timeout=5).raise_for_status()
```

## Good
```python
import requests
from celery import shared_task

@shared_task(autoretry_for=(requests.RequestException,), retry_backoff=True, max_retries=8)
def push_order(order_id):
    requests.post("https://erp.example/orders", json={"id": order_id}, timeout=5).raise_for_status()
```
"""

from roadworthy.rules.api import (
    Confidence,
    Dropped,
    EffectAt,
    Finding,
    GiveUp,
    IdleRetry,
    Iterator,
    Location,
    Model,
    Rule,
    Severity,
    advise,
    all_losses,
    by_repair,
    finding,
    given_up,
    idle_retries,
    impact_weight,
    is_alone_in_its_process,
    lone_connections,
    passed_by,
    say,
)

RULE = Rule(id="single-attempt-call", anti_pattern="missing-retry", doc=__doc__)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """One finding per job, loop or call that ends."""
    causes = list(by_repair(all_losses(model)))
    for how, losses in causes:
        found = {"job": _job, "loop": _loop, "poll": _poll, "batch": _batch}[how](losses, model)
        if found is not None:
            yield found
    for given in given_up(model):
        yield _given_up(given, model)
    for effect, region, feeds_task in lone_connections(model):
        if feeds_task or not is_alone_in_its_process(effect.function, model):
            yield _connection(effect, region, model)
    told = {loss.entry.function for how, losses in causes if how == "job" for loss in losses if loss.entry is not None}
    yield from (_idle(idle, model) for idle in idle_retries(model, told))


def _job(losses: list[Dropped], model: Model) -> Finding:
    entry = losses[0].entry
    assert entry is not None
    calls = _calls(losses, model)
    jobs = list(dict.fromkeys(loss.entry.function for loss in losses if loss.entry is not None))
    many = f"any of {len(jobs)} jobs of `{entry.function.path.rpartition('/')[2]}`" if len(jobs) > 1 else ""
    ends, first = many or f"the job `{entry.function.name}`", f"`{say.call(losses[0].effect.site, model)}`"
    named = (calls, first, "call")
    title = say.fit(
        *(f"one failed {what} ends {ends} for good" for what in named), f"one failed call ends {many} for good"
    )
    also = say.so("does", "do", [f"`{job.name}`" for job in jobs[1:]])
    return finding(
        RULE,
        model.place_of_function(entry.function),
        Severity.HIGH,
        title=title,
        issue=f"`{entry.function.qualname}` calls {calls}, which nothing repeats, and the job itself is not retried when it raises.{also}",
        impact=f"{say.unanswered(losses[0].effect, model)} raises `{_error(losses[0].effect)}`; the job `{entry.function.name}` ends there, and what it had not done by then is lost: nothing sends it again.",
        fix=advise.retry_job(model, entry.function, losses[0].effect),
        related=[
            *_related(losses, model, "tried once"),
            *(model.place(site, "on the way") for site in passed_by(losses)),
            *(model.place_of_function(job, "ends there, too") for job in jobs[1:]),
        ],
        steps=model.steps(entry, losses[0].effect.function, losses[0].effect.site),
        confidence=_confidence(losses, model),
        subject=entry.function.qualname,
        weight=impact_weight(model.exposure(entry.function), [loss.effect for loss in losses]),
    )


def _loop(losses: list[Dropped], model: Model) -> Finding | None:
    left = losses[0].loop
    assert left is not None
    function = left.function
    detached = next((loss.outcome.detached for loss in losses if loss.outcome.detached is not None), None)
    if detached is None and is_alone_in_its_process(function, model):
        return None
    loss = min(
        losses, key=lambda one: (one.effect.function is not function, len(one.outcome.path), one.effect.site.fact.order)
    )
    site = loss.site_in(function)
    call = f"`{say.call(site, model)}`"
    runs = f"It runs as a {detached.kind} of a larger process, which lives on without it" if detached is not None else "Nothing that we can see starts it again"  # fmt: skip
    lasting = detached is not None and not all(one.own_retry for one in losses)
    return finding(
        RULE,
        model.place(site),
        Severity.HIGH if lasting else Severity.MEDIUM,
        title=f"one failed {call} ends the loop of `{function.qualname}` for good",
        issue=f"No handler inside the endless loop of `{function.qualname}` covers {call}, so its first exception leaves the loop.",
        impact=f"{runs}: after one lost connection or failover its work stays undone until the process is restarted.",
        fix=advise.survive(model, function, loss.effect.row.raises if loss.effect.function is function else ("Exception",), site),
        related=[model.place_of_region(function, left.loop.region, "the loop that ends"), *_related(losses, model, "fails in it")],
        confidence=Confidence.weakest(_confidence(losses, model), Confidence.HIGH if detached is not None else Confidence.MEDIUM),
        subject=function.qualname,
    )  # fmt: skip


def _poll(losses: list[Dropped], model: Model) -> Finding:
    loss, left = losses[0], losses[0].loop
    assert left is not None
    site = loss.site_in(left.function)
    call = f"`{say.call(site, model)}`"
    return finding(
        RULE,
        model.place(site),
        Severity.MEDIUM,
        title=f"one failed {call} ends the wait in `{left.function.qualname}`",
        issue=f"The loop asks {call} {say.often(left.function, left.loop.region)}, and the first failure of a single question leaves it.",
        impact=f"The longer the wait, the surer a 5xx or a reset connection: `{_error(loss.effect)}` then reports the work as failed while it goes on.",
        fix=advise.retry_question(model, site, loss.effect.row.raises),
        related=[model.place_of_region(left.function, left.loop.region, "the loop that waits"), *_related(losses, model, "tried once")],
        confidence=_confidence(losses, model),
        subject=left.function.qualname,
    )  # fmt: skip


def _batch(losses: list[Dropped], model: Model) -> Finding:
    effect, entry = losses[0].effect, losses[0].entry
    entries = list(dict.fromkeys(say.entry(loss.entry) for loss in losses))
    call = f"`{say.call(effect.site, model)}`"
    others = [site for site in dict.fromkeys(loss.effect.site for loss in losses) if site is not effect.site]
    also = say.so("is", "are", [f"line {site.line}" for site in others])
    passed = [model.place(site, "on the way") for site in passed_by(losses[:1])]
    return finding(
        RULE,
        model.place(effect.site),
        Severity.LOW,
        title=f"{call} is tried once, and its failure stops {entries[0]}"[:110],
        issue=f"Nothing repeats {call} on the way from {say.joined(entries)}, and nothing on it catches `{_error(effect)}`.{also}",
        impact=f"One timeout or 503 ends the whole run of {entries[0]}; what it had not done waits for somebody to notice, or for the next run.",
        fix=advise.retry_around(model, effect),
        related=[*passed, *(model.place(site, "tried once too") for site in others)],
        steps=model.steps(entry, effect.function, effect.site),
        confidence=_confidence(losses, model),
        subject=effect.name,
    )


def _given_up(given: GiveUp, model: Model) -> Finding:
    call = f"`{say.call(given.site, model)}`"
    where = model.place_of_lines(given.site.function, given.line, given.line, "written all the same")
    handler = model.place_of_region(given.handler.function, given.handler.region, "only logs")
    done = given.how == "done-anyway"
    name = given.name
    return finding(
        RULE,
        model.place(given.site),
        Severity.HIGH if done else Severity.MEDIUM,
        title=f"`{name}` is written although {call} failed" if done else f"`{name}` stays empty for good when {call} fails once",
        issue=f"The handler of {call} only logs, and the code goes on to set `{name}`." if done
        else f"{call} runs once, when the object is made; its handler only logs, and nothing loads `{name}` again.",
        impact=f"After one transient failure the record says that the work is done, so nobody tries again: {say.effect(given.effect, model)}, and that never happened."
        if done else f"One 429 or timeout at start leaves `{name}` empty until the process is restarted, and everything that reads it works on nothing.",
        fix=f"Set `{name}` only after success; on failure keep the record as it is (count the attempts, set a next time), and let the next round try again."
        if done else f"Load `{name}` when it is first needed, keep it only on success, and after a failure allow the next attempt some time later.",
        related=[where, handler],
        confidence=Confidence.weakest(model.confidence_of(given.effect), Confidence.MEDIUM),
        subject=name,
    )  # fmt: skip


def _connection(effect: EffectAt, region: int, model: Model) -> Finding:
    function = effect.function
    call = f"`{say.call(effect.site, model)}`"
    return finding(
        RULE,
        model.place(effect.site),
        Severity.MEDIUM,
        title=f"{call} connects once, before the endless loop of `{function.qualname}`",
        issue=f"{call} is tried once, outside of the loop that lives on it, and the loop never connects again.",
        impact="When the server is away at start, or restarts later, the work on this connection ends and stays ended until the process is restarted.",
        fix="Connect inside the loop: on a lost connection close it, wait with a growing, capped delay, and open a new one.",
        related=[model.place_of_region(function, region, "the loop that needs it")],
        confidence=Confidence.weakest(model.confidence_of(effect), Confidence.MEDIUM),
        subject=effect.name,
    )


def _idle(promises: list[IdleRetry], model: Model) -> Finding:
    """One finding for a file: it is one habit."""
    first = next((promise for promise in promises if promise.drops), promises[0])
    function = first.entry.function
    others = [promise for promise in promises if promise is not first]
    also = f" The same holds for {say.joined([f'`{one.entry.function.name}`' for one in others], 6)}." if others else ""
    drops = " A broad handler even lets it end as a success." if first.drops else ""
    return finding(
        RULE,
        model.place_of_function(function),
        Severity.MEDIUM,
        title=f"`{first.option}` of `{function.name}` retries nothing",
        issue=f"The option says how a retry is made, but nothing makes one: no option names the errors, and the job never asks for it.{drops}{also}",
        impact=f"The first lost connection, timeout or deadlock ends `{function.name}` for good, though its declaration says otherwise.",
        fix=advise.ask_retry(model, first.entry),
        related=[model.place_of_function(one.entry.function, one.option) for one in others[:12]],
        confidence=Confidence.HIGH,
        subject=function.qualname,
        weight=impact_weight(model.exposure(function)),
    )  # fmt: skip


def _calls(losses: list[Dropped], model: Model) -> str:
    return say.either(list(dict.fromkeys(f"`{say.call(loss.effect.site, model)}`" for loss in losses)), 2)


def _error(effect: EffectAt) -> str:
    return effect.row.raises[0].rpartition(".")[2] if effect.row.raises else "ConnectionError"


def _related(losses: list[Dropped], model: Model, note: str) -> list[Location]:
    return [model.place(site, note) for site in list(dict.fromkeys(loss.effect.site for loss in losses))[:12]]


def _confidence(losses: list[Dropped], model: Model) -> Confidence:
    return min((model.confidence_of(loss.effect) for loss in losses), key=lambda c: c.rank)
