"""The same message can come twice, and nothing keeps its charge, mail or increment from happening twice.

## Why it fails in production
Webhook senders repeat an event until they see a success, brokers deliver again what was not acknowledged when a worker died, job queues
retry. Whatever the handler does that is not safe to repeat is then done twice: money moves twice, people get the mail twice, a balance
is raised twice.

## What is reported
A webhook handler, a consumer or a job with at-least-once delivery or retries in which such an effect is reached without a check of
earlier work before it. A job that mails or charges and is enqueued again: by a sweep that marks its rows only afterwards, by an event that
nobody recognises when it comes twice, by a job that is run again half-way through its list. At most one finding for each entry and effect.

## What is not reported
A claim by the event's or message's id (SET NX, a unique row whose violation is handled), a check of a stored state before the effect, an
idempotency key, rows selected by their state, mails in error handlers. In jobs and activities a single mail at the very end: only a mail
after which the run can still fail and start over is reported.

## Bad
```python
import flask, stripe

app = flask.Flask(__name__)

@app.post("/webhooks/orders")
def order_webhook():
    event = flask.request.get_json()
    stripe.Refund.create(charge=event["charge"])  # finding: unguarded-redelivery
    return "", 200
```

## Good
```python
import flask, redis, stripe

app = flask.Flask(__name__)
seen = redis.Redis(socket_timeout=1)

@app.post("/webhooks/orders")
def order_webhook():
    event = flask.request.get_json()
    if not seen.set(f"event:{event['id']}", 1, nx=True, ex=259200):
        return "", 200
    stripe.Refund.create(charge=event["charge"])
    return "", 200
```
"""

from roadworthy.rules.api import (
    CallSite,
    Doubled,
    Effect,
    Entry,
    EntryKind,
    Fed,
    Finding,
    Function,
    Iterator,
    Model,
    Rule,
    Severity,
    advise_again,
    brings_batches,
    comes_again,
    fed_again,
    finding,
    goes_on_after,
    impact_weight,
    is_self_retry,
    raises_value,
    say,
    stable_ids,
    unguarded_effects,
)

RULE = Rule(id="unguarded-redelivery", anti_pattern="unsafe-retry", doc=__doc__)

_KINDS = frozenset({
    EntryKind.WEBHOOK_HANDLER, EntryKind.QUEUE_CONSUMER, EntryKind.JOB, EntryKind.DURABLE_ACTIVITY, EntryKind.LAMBDA_HANDLER,
    EntryKind.WORKER_LOOP,
})  # fmt: skip
_REDELIVERED = _KINDS - {EntryKind.JOB, EntryKind.DURABLE_ACTIVITY}


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Look at each entry to which the same input may come again; one finding for each, and one for each effect."""
    found: dict[CallSite, list[tuple[Entry, Doubled, Fed | None]]] = {}
    done: set[Function] = set()
    for entry in model.entries.all:
        if entry.function in done or entry.kind not in _KINDS or not model.is_reviewed(entry.function.path):
            continue
        doubled, fed = _worst(entry, model)
        if doubled is not None:
            done.add(entry.function)
            found.setdefault(doubled.effect.site, []).append((entry, doubled, fed))
    for (entry, doubled, fed), *others in found.values():
        yield _report(entry, doubled, fed, [other for other, _, _ in others], model)


def _worst(entry: Entry, model: Model) -> tuple[Doubled | None, Fed | None]:
    """The worst effect that is doubled when the input comes again, or when a sweep enqueues the job again."""
    if comes_again(model, entry) and brings_messages(entry):
        found = unguarded_effects(model, entry, in_place=entry.kind in _REDELIVERED)
        return next((d for d in found if doubled_by_redelivery(d, entry, model)), None), None
    fed = fed_again(model, entry.function) if entry.kind is EntryKind.JOB else None
    if fed is not None:
        found = unguarded_effects(model, entry, in_place=False)
        return next((d for d in found if d.word is not Effect.SQL_INCREMENT), None), fed
    return None, None


def brings_messages(entry: Entry) -> bool:
    """A function platform repeats batches of messages; requests through a gateway it does not."""
    return entry.kind is not EntryKind.LAMBDA_HANDLER or brings_batches(entry.function)


def doubled_by_redelivery(doubled: Doubled, entry: Entry, model: Model) -> bool:
    """Money always; what else only where redelivery is ordinary, or where the run can fail after it and start over."""
    return doubled.word is Effect.CHARGE or entry.kind in _REDELIVERED or goes_on_after(model, doubled.sites)


def _severity(entry: Entry, doubled: Doubled, fed: Fed | None, model: Model) -> Severity:
    if doubled.word is Effect.SQL_INCREMENT:
        return Severity.HIGH if raises_value(model, doubled) else Severity.MEDIUM
    if doubled.word is Effect.CHARGE or fed is not None:
        return Severity.HIGH
    wide = entry.kind in _REDELIVERED or goes_on_after(model, doubled.sites, for_long=True)
    return Severity.HIGH if wide else Severity.MEDIUM


def _report(entry: Entry, doubled: Doubled, fed: Fed | None, others: list[Entry], model: Model) -> Finding:
    effect, does = doubled.effect, doubled.word.word.meaning
    raised = doubled.raised
    call = f"`{say.call(effect.site, model)}`" if raised is None else f"the line that raises `{raised.name}`"
    source = f"`{fed.edge.caller.qualname}` enqueues it again" if fed is not None else _source(entry)
    ids = stable_ids(fed.edge.site if fed is not None else effect.site) or stable_ids(effect.site)
    return finding(
        RULE,
        model.place(effect.site)
        if raised is None
        else model.place_of_lines(raised.function, raised.line, raised.end_line),
        _severity(entry, doubled, fed, model),
        title=say.fit(f"{call} {does} again when {source}, unguarded", f"{call} runs again when {source}"),
        issue=_issue(say.entry(entry), f"{call}, which {does}", fed),
        impact=_impact(entry, doubled.word, fed, model),
        fix=advise_again.claim_first(model, effect.function, ids),
        related=[
            *(model.place_of_function(each.function, "comes more than once") for each in (entry, *others[:6])),
            *([model.place(effect.site, "stored here")] if raised is not None else []),
            *(
                [
                    model.place(
                        fed.edge.site, "enqueued here, marked later" if fed.sweep else "enqueued here for each delivery"
                    )
                ]
                if fed is not None
                else []
            ),
        ],
        steps=model.steps(entry, effect.function, effect.site),
        confidence=model.confidence_of(effect),
        subject=effect.name,
        weight=impact_weight(model.exposure(effect.function), [effect]),
    )


def _source(entry: Entry) -> str:
    return {
        EntryKind.WEBHOOK_HANDLER: "the webhook is sent again",
        EntryKind.JOB: f"the job `{entry.function.name}` runs again",
        EntryKind.DURABLE_ACTIVITY: f"the activity `{entry.function.name}` is retried",
    }.get(entry.kind, "the message is delivered again")


def _issue(who: str, what: str, fed: Fed | None) -> str:
    if fed is not None:
        where = f"`{fed.edge.caller.qualname}` ({fed.edge.site.path}:{fed.edge.site.line})"
        why = (
            "for every row in a state and takes the rows out of this state only afterwards"
            if fed.sweep
            else "each time it runs and does not ask whether it did so before"
        )
        return f"{where} enqueues {who} {why}, and {who} reaches {what}, without a claim of its own."
    return (
        f"{who[:1].upper()}{who[1:]} reaches {what}, and nothing on the way asks whether this input was handled before: no claim by its id, "
        "no check of a stored state, no key."
    )


def _impact(entry: Entry, word: Effect, fed: Fed | None, model: Model) -> str:
    harm = {
        Effect.CHARGE: "money moves twice for one order",
        Effect.EMAIL: "people get the same mail twice",
        Effect.SMS: "people get the same text message or call twice",
        Effect.SQL_INCREMENT: "the number is raised twice and stays wrong for good",
    }[word]
    if fed is not None and fed.sweep:
        return f"When two rounds overlap, or a round dies after the enqueue and before the mark, the next one enqueues the same rows again: {harm}."
    if fed is not None:
        return f"{say.again(fed.entry)}, and each run enqueues one more job: {harm}."
    return f"{_why(entry, model)}: {harm}."


def _why(entry: Entry, model: Model) -> str:
    """Why the same input comes again, in this code's terms."""
    asks = next((site for site in entry.function.calls if is_self_retry(model, site)), None)
    if asks is not None:
        return f"After any failure `{say.call(asks, model)}` (line {asks.line}) runs the job again from its first line, also what had succeeded"
    if entry.kind is EntryKind.WORKER_LOOP:
        return "The broker delivers a message again when the worker dies or loses its lease before the acknowledgement"
    if entry.kind is EntryKind.JOB and entry.acks == "after":
        return "A job that is acknowledged after its work is delivered again when its worker is killed by a deploy or runs out of memory"
    if entry.kind is EntryKind.JOB and entry.retried:
        return "After a failure the queue runs the job again from its first line, also what had succeeded"
    return say.again(entry)
