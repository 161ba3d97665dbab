"""A notification, a metric, a search index or a cache fails, and the work that it only accompanies fails with it.

## Why it fails in production
The order is stored, then the chat service answers 503. The exception leaves the handler, the client sees an error and sends the order
again, and now there are two. A redelivered job repeats what it had already done. An analytics server that is down takes every page with it,
and a cache that should make a query faster makes it impossible.

## What is reported
After a write that is final (committed, or money that moved): a call to a chat or push service, to a webhook or to telemetry, a write to a
search index or of metrics, or a hook of somebody else, with nothing on the way to the entry that catches its failure. In middleware and request
handlers: measurements that are sent over the network; in receivers of the signal that a row was written: any of these; in a broad handler of
a background run: the mail or message that tells of the failure; in middleware, whatever it sends or enqueues when the answer is ready. In a read-through cache of the project: the question to the cache, when
its failure keeps the value from being computed.

## What is not reported
Work that the entry or function is named for. Calls whose result is used. What is caught here, in the callee or by a caller. What runs inside the
transaction, which rolls back, or after the commit by a hook. Clients that only buffer. Bots that answer in a chat. Caches in memory.

## Bad
```python
import requests
from fastapi import FastAPI
from sqlalchemy.orm import Session

app = FastAPI()

def tell_slack(order):
    requests.post("https://hooks.slack.example/T1", json={"text": order.title}, timeout=5).raise_for_status()

@app.post("/orders")
def create(order: dict, session: Session):
    session.add(order)
    session.commit()
    tell_slack(order)  # finding: secondary-failure-fails-primary
    return {"ok": True}
```

## Good
```python
import logging
import requests
from fastapi import FastAPI
from sqlalchemy.orm import Session

app = FastAPI()
logger = logging.getLogger(__name__)

def tell_slack(order):
    requests.post("https://hooks.slack.example/T1", json={"text": order.title}, timeout=5).raise_for_status()

@app.post("/orders")
def create(order: dict, session: Session):
    session.add(order)
    session.commit()
    try:
        tell_slack(order)
    except requests.RequestException:
        logger.exception("could not tell Slack of the order")
    return {"ok": True}
```
"""

from roadworthy.rules.api import (
    Aside,
    Asides,
    Confidence,
    Effect,
    EffectAt,
    Entry,
    EntryKind,
    Finding,
    Iterator,
    Location,
    Model,
    ReadThrough,
    Rule,
    Severity,
    finding,
    impact_weight,
    is_refused_again,
    let_fail_alone,
    logger_near,
    read_throughs,
    say,
)

RULE = Rule(id="secondary-failure-fails-primary", anti_pattern="no-graceful-degradation", doc=__doc__)

_FAULTS = {
    "notification": "When the receiver is down, slow or answers 429",
    "mail": "When the mail server is down, slow or refuses the address",
    "search index": "When the index is down, full or read-only",
    "hook": "When the hook raises",
    "measurement": "When the place for the figures is down or slow",
}
_REQUESTS = frozenset({EntryKind.HTTP_HANDLER, EntryKind.WEBHOOK_HANDLER})


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """One finding per function and kind of side work, and one per cache helper."""
    for aside in Asides(model).all():
        yield _after_write(aside, model) if aside.how == "after-write" else _within(aside, model)
    for found in read_throughs(model):
        yield _cache(found, model)


def severity_of(aside: Aside, model: Model) -> Severity:
    """HIGH where a client or a sender gets an error and does the work again, or every request gets one."""
    guessed = aside.effect is not None and aside.effect.effect is Effect.OUTSIDE
    if guessed or aside.entry is None or aside.family == "search index" or aside.how in {"announced", "report"}:
        return Severity.MEDIUM
    if aside.how != "after-write":
        return Severity.HIGH if aside.entry.kind is EntryKind.MIDDLEWARE else Severity.MEDIUM
    asked_again = aside.entry.kind in _REQUESTS and not is_refused_again(aside, model)
    return Severity.HIGH if aside.entry.repeats or asked_again else Severity.MEDIUM


def _after_write(aside: Aside, model: Model) -> Finding:
    site, done = aside.site, aside.done
    assert done is not None
    call, final = f"`{say.call(site, model)}`", f"`{say.call(done, model)}`"
    who = say.name(aside.entry) if aside.entry is not None else site.function.qualname
    wrote = (
        []
        if aside.wrote is None or aside.wrote.site is done
        else [model.place(aside.wrote.site, aside.wrote.effect.word.meaning)]
    )
    return finding(
        RULE,
        model.place(site),
        severity_of(aside, model),
        title=say.fit(
            f"a failing {call} fails `{who}` after {final}", f"a failing {call} fails `{who}`, which is done by then",
            f"a failing {call} undoes the success of `{site.function.qualname}`",
        ),
        issue=f"{final} in line {done.line} has made the work final; then {call} {_does(aside)}, and nothing from here to {_end(aside)} catches what it raises.",
        impact=_impact(aside, model),
        fix=let_fail_alone(aside, logger_near(model, site.function)),
        related=[model.place(done, "final from here on"), *wrote, *_below(aside.effect, aside, model)],
        steps=model.steps(aside.entry, site.function, site),
        confidence=_confidence(aside, model),
        subject=model.callee_text(site),
        weight=impact_weight(model.exposure(site.function), [aside.wrote] if aside.wrote is not None else []),
    )  # fmt: skip


def _does(aside: Aside) -> str:
    if aside.effect is None:
        return "runs code that somebody else wrote"
    if aside.family == "measurement":
        return f"{'keeps' if aside.effect.effect.word.meaning.endswith('rows') else 'sends'} figures about it"
    return aside.effect.effect.word.meaning


def _end(aside: Aside) -> str:
    return say.entry(aside.entry) if aside.entry is not None else f"the end of `{aside.site.function.qualname}()`"


def _impact(aside: Aside, model: Model) -> str:
    entry, fault = aside.entry, _FAULTS[aside.family]
    what = f"`{aside.wrote.model.name}`" if aside.wrote and aside.wrote.model else "the write"
    is_done = f"{what} is gone" if aside.wrote and aside.wrote.effect is Effect.SQL_DELETE else f"{what} is stored"
    if entry is None:
        return f"{fault}, `{aside.site.function.qualname}()` reports a failure although the work is done, and the rest of it is skipped."
    if entry.kind in _REQUESTS and not entry.repeats:
        return f"{fault}, the client of `{say.name(entry)}` gets an error although {is_done}; when it tries again, the work is {'' if is_refused_again(aside, model) else 'done twice or '}refused."
    if entry.repeats:
        return f"{fault}, {say.entry(entry)} counts as failed although {is_done}, and its repetition does that work once more."
    return f"{fault}, {say.entry(entry)} counts as failed although {is_done}, and whatever comes after this line is not done."


def _within(aside: Aside, model: Model) -> Finding:
    site, entry = aside.site, aside.entry
    assert entry is not None
    call = f"`{say.call(site, model)}`"
    words = {"announced": _in_write, "report": _in_handler}.get(aside.how, _in_request)
    fails, does, impact = words(aside, entry)
    return finding(
        RULE,
        model.place(site),
        severity_of(aside, model),
        title=say.fit(f"a failing {call} fails {fails}", f"a failing {call} fails {'the write' if aside.signal else 'what it only accompanies'}"),
        issue=f"{call} {does}, and nothing from here to its end catches what it raises.",
        impact=impact,
        fix=let_fail_alone(aside, logger_near(model, site.function)),
        related=_below(aside.effect, aside, model),
        steps=model.steps(entry, site.function, site),
        confidence=_confidence(aside, model),
        subject=model.callee_text(site),
        weight=impact_weight(model.exposure(site.function)),
    )  # fmt: skip


def _in_request(aside: Aside, entry: Entry) -> tuple[str, str, str]:
    """(what fails, what the call does, the impact) beside a request."""
    every, ready = entry.kind is EntryKind.MIDDLEWARE, aside.how == "answered"
    fails = "every request" if every else f"`{say.name(entry)}`"
    who = "each request through this middleware" if every else f"the client of `{say.name(entry)}`"
    if ready:
        done = f"When what it calls is down or slow, {who} gets an error, though its work is done."
        return fails, f"{_does(aside)} when the answer is ready", done
    does = f"sends a measurement over the network while {say.entry(entry)} works"
    counts = f"When the server that counts is down or slow, {who} gets an error, for a figure that nobody on the other end asked for."
    return fails, does, counts


def _in_write(aside: Aside, entry: Entry) -> tuple[str, str, str]:
    """(what fails, what the call does, the impact) beside the write of a row."""
    verb = "delete" if "delete" in aside.signal else "write"
    rows = f"`{aside.sender.name}`" if aside.sender is not None else "a row"
    does = f"{_does(aside)} inside each {verb} of {rows}, in a receiver of `{aside.signal}`"
    impact = f"{_FAULTS[aside.family]}, whoever {verb}s {rows} gets the error, wherever that is: the {verb} is undone or counts as failed."
    return f"each {verb} of {rows}", does, impact


def _in_handler(aside: Aside, entry: Entry) -> tuple[str, str, str]:
    """(what fails, what the call does, the impact) in a handler that keeps a failure where it is."""
    who = say.entry(entry)
    does = f"{_does(aside)} in the handler of line {aside.handler.line if aside.handler else 0}, which keeps a failure from ending {who}"
    impact = f"{_FAULTS[aside.family]}, which is likely just when something else fails, too, {who} ends in the handler that should keep it going."
    name = aside.site.function.qualname if entry.function.kind == "module" else say.name(entry)
    return f"`{name}` while it handles a failure", does, impact


def _below(effect: EffectAt | None, aside: Aside, model: Model) -> list[Location]:
    return [] if effect is None or effect.site is aside.site else [model.place(effect.site, effect.effect.word.meaning)]


def _confidence(aside: Aside, model: Model) -> Confidence:
    if aside.effect is None:
        return Confidence.MEDIUM
    nature = Confidence.HIGH if aside.effect.secondary else Confidence.MEDIUM
    return Confidence.weakest(model.confidence_of(aside.effect), nature)


def _cache(found: ReadThrough, model: Model) -> Finding:
    function, site = found.function, found.site
    call, compute = f"`{say.call(site, model)}`", f"`{say.call(found.compute, model)}`"
    users = (
        "everything that is cached this way"
        if found.entry is None
        else f"everything behind it, {say.entry(found.entry)} for one,"
    )
    error = found.effect.row.raises[0].rpartition(".")[2]
    return finding(
        RULE,
        model.place(site),
        Severity.MEDIUM,
        title=say.fit(f"without its cache `{function.qualname}` computes nothing", f"without its cache `{function.name}` computes nothing"),
        issue=f"{call} asks the cache before {compute} computes the value, and nothing catches the `{error}` that it raises when the cache is away.",
        impact=f"When the cache is down or slow, {users} fails, although {compute} could give the answer without it.",
        fix=f"Treat a cache that fails as one that is empty: catch `{error}` around the calls of the cache, log or count it, and go on to {compute}.",
        related=[model.place(found.compute, "could answer without the cache")],
        steps=model.steps(found.entry, function, site),
        confidence=model.confidence_of(found.effect),
        subject=function.qualname,
        weight=impact_weight(model.exposure(function)),
    )  # fmt: skip
