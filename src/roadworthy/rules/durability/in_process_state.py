"""What a request promises is remembered in one process only.

## Why it fails in production
A restart forgets it, and two workers each have their own: the quota doubles with every instance, the session that began on one worker
does not exist on the next, the status of a job is "unknown" after each deploy.

## What is reported
A container of a module, a class or a long-lived object that one request changes and another reads, and on which a promise hangs: rate limits
and quotas, what one request puts in and another one is refused without, sessions and log-in flows, the status of jobs and running work, locks and claims, seen and processed ids, conversations.
A scheduler without a store to which only requests give work for later.

## What is not reported
Caches that can be filled again, memoisation, constants and registries filled at import, pools of clients and connections, metrics,
per-request objects, throttles that make their own process wait, futures and events of those who wait, and state that no serving path touches.

## Bad
```python
import time
import flask

app = flask.Flask(__name__)
attempts: dict[str, list[float]] = {}  # finding: in-process-state

@app.post("/login")
def login():
    mine = attempts.setdefault(flask.request.remote_addr, [])
    mine.append(time.time())
    if len(mine) > 5:
        flask.abort(429)
    return "ok"
```

## Good
```python
import flask
import redis

app = flask.Flask(__name__)
store = redis.Redis(socket_timeout=2)

@app.post("/login")
def login():
    key = f"attempts:{flask.request.remote_addr}"
    if store.incr(key) > 5:
        flask.abort(429)
    store.expire(key, 60)
    return "ok"
```
"""

import re

from roadworthy.rules.api import (
    Audience,
    Confidence,
    Entry,
    EntryKind,
    Finding,
    Function,
    Held,
    Iterator,
    Lifetimes,
    Model,
    Planned,
    Rule,
    Severity,
    finding,
    held_state,
    holds_waiters,
    impact_weight,
    is_filled_at_import,
    is_freed_after_work,
    is_refreshed,
    paces,
    planned_in_memory,
    say,
)

RULE = Rule(id="in-process-state", anti_pattern="in-process-state", doc=__doc__)

_SERVES = (
    EntryKind.HTTP_HANDLER,
    EntryKind.WEBHOOK_HANDLER,
    EntryKind.MIDDLEWARE,
    EntryKind.QUEUE_CONSUMER,
    EntryKind.LAMBDA_HANDLER,
)
_PROMISES = (
    ("rate limit", re.compile(r"rate_?limit|throttl|quota|attempts?\b|login_attempt|bucket|limiter", re.IGNORECASE)),
    ("session", re.compile(r"(?<!browser_)(?<!root_)(?<!child_)(?<!target_)sessions?\b|otp|nonce|oauth_state|auth_(state|flow|request)|verification|pending_auth|login_", re.IGNORECASE)),
    ("status", re.compile(r"jobs?\b|task_(status|state|result)s?|job_|statuses|progress|running|executions?\b|runs\b|in_?progress", re.IGNORECASE)),
    ("lock", re.compile(r"locked(?!_)|(?<!jwt_)(?<!token_)claims?\b|claimed|claimants?|claim_(times?|owners?)|in_?flight|reserved", re.IGNORECASE)),
    ("memory of what was done", re.compile(r"(?<!last_)seen|processed|dedup|handled_|already_", re.IGNORECASE)),
    ("conversation", re.compile(r"histor(y|ies)|conversations?|chat_|messages\b|memor(y|ies)\b", re.IGNORECASE)),
)  # fmt: skip
_SAYS_SO = re.compile(r"InMemory|InProcess|LocMem|Memory(Store|Backend|Limiter|Cache|Queue)")
_PEOPLE = re.compile(r"auth|login|oauth|oidc|saml|sso|user|account|otp|verif", re.IGNORECASE)
_REFILLED = re.compile(
    r"cache|memo|lru|registr|factor|handler|plugin|client|pool|engine|connect|socket|subscri|listener|metric|stats?\b|config|setting|model|"
    r"loaded|compiled|template|route|mapping|type|class|schem|loop|thread|executor|semaphore|event|callback|hook|middleware|provider|driver|warn",
    re.IGNORECASE,
)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Containers on which a promise hangs, changed and read by serving paths."""
    lifetimes = Lifetimes(model)
    for held in held_state(model):
        promise = promise_of(held) or ("state between requests" if is_demanded(held, model) else None)
        if (
            promise is None
            or is_choice(held)
            or holds_waiters(held)
            or (promise == "rate limit" and paces(held, model))
            or is_refreshed(held, model)
            or not lifetimes.lives_long(held)
        ):
            continue
        strong = promise == "rate limit" or (promise == "session" and bool(_PEOPLE.search(held.words)))
        if promise == "session" and not strong:
            continue
        writers, readers = serving(held.writers, model, strong), serving(held.readers, model, strong)
        if writers and readers:
            yield _report(held, promise, writers[0], readers, model)
    for planned in planned_in_memory(model):
        if is_planned_by_requests(planned, model):
            yield _report_planned(planned, model)


def is_choice(held: Held) -> bool:
    """`InMemoryLimiter` beside another class of the same base: it says what it is, and who runs the service picks one."""
    cls = held.cls
    if cls is None or not _SAYS_SO.search(cls.name):
        return False
    bases = [base for base in cls.bases if not isinstance(base, str)]
    return any(len([sub for sub in base.descendants if sub is not cls]) > 0 for base in bases)


def is_planned_by_requests(planned: Planned, model: Model) -> bool:
    """Only what others ask for while the service runs: a start-up that plans as well may do so from what is stored."""
    return all(
        (exposure := model.exposure(site.function)).entries
        and all(reached.entry.kind in _SERVES for reached in exposure.entries)
        for site in planned.added
    )


def promise_of(held: Held) -> str | None:
    """What hangs on it, by its names; None for what can be filled again."""
    own = held.name.rpartition(".")[2]
    for promise, words in _PROMISES:
        if words.search(own) and not _REFILLED.search(own):
            return "mark of running work" if promise == "lock" and is_freed_after_work(held) else promise
    if held.cls is not None or _PROMISES[0][1].search(held.words):
        rest = held.words.replace(own, "", 1)
        return next((promise for promise, words in _PROMISES[:2] if words.search(rest)), None)
    return None


def is_demanded(held: Held, model: Model) -> bool:
    """One web request puts in what another one is refused without, whatever the name says."""
    writers = [function for function, entry in serving(held.writers, model, strong=False) if is_of_web(entry, model)]
    asked = [function for function, entry in serving(held.demanders, model, strong=False) if is_of_web(entry, model)]
    return not _REFILLED.search(held.words) and any(writer not in held.demanders for writer in writers) and bool(asked)


def is_of_web(entry: Entry | None, model: Model) -> bool:
    """A handler that several workers serve; the tools of an agent or a bot live with their only client."""
    library = model.knowledge.library_of(entry.source.lstrip("@")) if entry is not None else None
    return library is not None and "web" in library.role and not {"rpc", "chat"} & set(library.role)


def serving(functions: dict[Function, int], model: Model, strong: bool) -> list[tuple[Function, Entry | None]]:
    """The functions among these that a request, message or event reaches; with strong names also those that nothing known reaches."""
    found: list[tuple[Function, Entry | None]] = []
    for function in functions:
        exposure = model.exposure(function)
        entries = exposure.of_kind(*_SERVES)
        if entries or (strong and not exposure.entries and not is_filled_at_import(model, function)):
            found.append((function, entries[0] if entries else None))
    return found


def _report(
    held: Held,
    promise: str,
    writer: tuple[Function, Entry | None],
    readers: list[tuple[Function, Entry | None]],
    model: Model,
) -> Finding:
    function, entry = writer
    name = f"`{held.name}`"
    path = held.owner.path
    related = [model.place_of_lines(f, line, line, "changes it") for f, line in list(held.writers.items())[:6]]
    related += [
        model.place_of_lines(f, line, line, "reads it")
        for f, line in list(held.readers.items())[:6]
        if f not in held.writers
    ]
    certain = held.cls is None and entry is not None
    changed = (
        f"`{function.qualname}()` changes it"
        if entry is None
        else f"{say.entry(entry)} changes it in `{function.qualname}()`"
    )
    return finding(
        RULE,
        model.place_of_lines(held.owner, held.line, held.end_line),
        Severity.HIGH if promise not in _BOUNDED and entry is not None else Severity.MEDIUM,
        title=f"the {promise} kept in {name} lives in one process"[:110],
        issue=f"{name} ({path}:{held.line}) is a container in memory; {changed}, and `{readers[0][0].qualname}()` decides by it.",
        impact=_IMPACTS[promise],
        fix=f"Keep it where all workers see it and a restart does not: a row with a unique key or a conditional update, or a key with an "
        f"expiry in the store that this service already uses, written before `{function.qualname}()` answers.",
        related=related,
        steps=model.steps(entry, function),
        confidence=Confidence.HIGH if certain else Confidence.MEDIUM,
        audience=Audience.REGULAR,
        subject=held.name,
        weight=impact_weight(model.exposure(function)),
    )


def _report_planned(planned: Planned, model: Model) -> Finding:
    first = planned.added[0]
    exposure = model.exposure(first.function)
    entry = exposure.worst
    maker, call = say.call(planned.made, model), say.call(first, model)
    return finding(
        RULE,
        model.place(planned.made),
        Severity.HIGH,
        title=say.fit(
            f"what `{call}` plans for requests is kept in the memory of `{maker}`",
            f"`{maker}` keeps its plans in memory",
        ),
        issue=f"`{maker}` has no store, and {say.entry(entry)} gives it work for later with `{call}` ({first.path}:{first.line}); no start-up plans it again.",
        impact="Each restart and deploy forgets all of it without a word, and with two workers each one knows, lists and cancels only its own.",
        fix=f"Give `{maker}` a persistent job store on the service's database (and run one scheduler process, or hold a lock around its runs), or store "
        "each plan as a row with its next time and let one periodic job run what is due.",
        related=[model.place(site, "plans work") for site in planned.added[:8]],
        steps=model.steps(entry, first.function, first),
        confidence=Confidence.HIGH,
        subject=maker,
        weight=impact_weight(exposure),
    )


_BOUNDED = frozenset({"conversation", "state between requests", "mark of running work"})
_IMPACTS = {
    "state between requests": "A deploy between the two requests loses it, and with two workers the second one is refused whenever it lands on the other.",
    "rate limit": "Every worker and instance counts by itself and each deploy starts from nothing: with four workers a client gets four times the limit.",
    "session": "A deploy in the middle of the flow loses it, and with two workers the next step fails whenever it lands on the other one.",
    "status": "After a deploy, and on every other worker, the work that was accepted is unknown: whoever asks for it is told that it never was.",
    "lock": "Two workers both find it free, and a restart frees what is still held: the work that it should keep apart runs side by side.",
    "mark of running work": "With two workers both find it free, and the work that it should keep apart runs side by side.",
    "memory of what was done": "After a restart, and on every other worker, the same item counts as new and is done a second time.",
    "conversation": "A deploy forgets it, and the next request that lands on another worker starts from nothing.",
}
