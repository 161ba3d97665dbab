"""A retry has no end, or its wait has none, where others wait behind it.

## Why it fails in production
One item that can never succeed, or one dependency that is gone for good, keeps an attempt going for ever: the worker, the request or the lock
that it holds is never free again, and nothing reports a failure. A wait that doubles without a ceiling ends the same way: after ten failures
it is many minutes long, and the service stays away long after its dependency is back.

## What is reported
Retries without a limit of attempts or time on a path that serves others (handlers, jobs, consumers), by a library's default too.
Exponential waits without a maximum in loops whose number of rounds is not a small literal. A count of attempts that each round sets back,
so that its limit is never reached. A grade lower: loops that repeat nothing but throttles, and jobs without arguments.

## What is not reported
A process's own connect loop, at start or in its worker loop, that waits between attempts. Retries that also do not wait (see
retry-without-delay). Loops that compare a count or a clock before they leave.

## Bad
```python
import requests, tenacity
from celery import shared_task

@tenacity.retry(wait=tenacity.wait_random_exponential(max=30))  # finding: retry-without-limit
def send(body):
    requests.post("https://api.example", json=body, timeout=5).raise_for_status()

@shared_task(autoretry_for=(OSError,), retry_backoff=True)
def deliver(body):
    send(body)
```

## Good
```python
import requests, tenacity
from celery import shared_task

@tenacity.retry(wait=tenacity.wait_random_exponential(max=30), stop=tenacity.stop_after_delay(300))
def send(body):
    requests.post("https://api.example", json=body, timeout=5).raise_for_status()

@shared_task(autoretry_for=(OSError,), retry_backoff=True)
def deliver(body):
    send(body)
```
"""

from roadworthy.rules.api import (
    Audience,
    Confidence,
    EffectAt,
    Entry,
    EntryKind,
    Finding,
    Function,
    Growth,
    Iterator,
    Model,
    Retried,
    Rule,
    SetBack,
    Severity,
    advise,
    asks_another,
    can_be_stopped,
    finding,
    impact_weight,
    is_for_throttles,
    is_remote,
    say,
    set_back,
)

RULE = Rule(id="retry-without-limit", anti_pattern="bad-retry", doc=__doc__)

_OWN_TIME = frozenset({
    EntryKind.STARTUP, EntryKind.WORKER_LOOP, EntryKind.COMMAND, EntryKind.IMPORT_TIME, EntryKind.SHUTDOWN, EntryKind.SCHEDULED,
})  # fmt: skip


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Retries of calls, retries of jobs, and waits."""
    jobs = [
        entry
        for entry in model.entries.all
        if entry.kind is EntryKind.JOB and model.is_reviewed(entry.function.path)
        if model.retries.entry_attempts(entry) == "forever"
    ]
    told = {job.function for job in jobs}
    for retried in model.retries.all:
        guard = retried.guard
        by_queue = guard.form == "decorator" and retried.whole and retried.function in told
        if (guard.attempts == "forever" or not guard.capped) and guard.form != "framework" and not by_queue:
            effect = _repeated(retried, model)
            if effect is None or asks_another(retried) or _is_told_there(retried, model):
                continue
            if pauses(retried, effect, model) and holds_others(retried, model):
                yield _retry(retried, effect, model)
    for entry in jobs:
        yield _job(entry, model)
    for growth in model.retries.growths:
        if not model.is_script(growth.function.path):
            yield _growth(growth, model)
    for count in set_back(model):
        yield _set_back(count, model)


def _is_told_there(retried: Retried, model: Model) -> bool:
    """The loop stands in a helper of the project that calls what it is given: told at the helper, once for all that use it."""
    helper = retried.guard.function
    return retried.guard.form != "loop" and helper is not None and any(
        other.function is helper and other.guard.form == "loop" and _repeated(other, model) is not None
        for other in model.retries.all
    )  # fmt: skip


def _repeated(retried: Retried, model: Model) -> EffectAt | None:
    names = [model.exceptions.plain(name) for name in retried.guard.on]
    if names and all(model.exceptions.nature(name) in {"conflict", "permanent"} for name in names):
        return None
    for effect in model.retries.effects(retried):
        if (
            is_remote(model, effect)
            and not effect.secondary
            and len(model.reach.path_down(retried.function, effect)) <= 3
        ):
            return effect
    return None


def pauses(retried: Retried, effect: EffectAt, model: Model) -> bool:
    """Something takes time between two attempts: its own wait or the client's; a loop without one is another rule's."""
    return retried.guard.delay != "none" or model.client_retry(effect).repeats


def holds_others(retried: Retried, model: Model) -> bool:
    """Somebody waits for this function to return; of a loop that a flag ends (`while self.running`) nobody but those who are seen to."""
    entries = model.exposure(retried.function).entries
    return any(r.entry.kind not in _OWN_TIME for r in entries) or not (entries or can_be_stopped(retried))


def only_by_hand(function: Function, model: Model) -> bool:
    """Reached from the command line only, where somebody sees it wait; a server that starts is awaited by all."""
    kinds = {reached.entry.kind for reached in model.exposure(function).entries}
    return bool(kinds) and kinds <= {EntryKind.COMMAND, EntryKind.IMPORT_TIME, EntryKind.SHUTDOWN}


def _retry(retried: Retried, effect: EffectAt, model: Model) -> Finding:
    guard, function = retried.guard, retried.function
    exposure = model.exposure(function)
    call = f"`{say.call(effect.site, model)}`"
    loop = guard.form == "loop" and guard.region is not None
    place = model.place_of_lines(function, guard.line, guard.line)
    if loop and guard.region is not None:
        place = model.place_of_region(function, guard.region)
    elif guard.site is not None and guard.site.path == guard.path:
        place = model.place(guard.site)
    how = f"`{guard.name}`" if not loop else f"the `{guard.name}`"
    throttled = is_for_throttles(model, guard)
    harm = f"A dependency that stays away, or one input that can never succeed, keeps {say.entry(exposure.worst, function)} busy for ever"
    if throttled:
        harm = f"Many callers that are throttled together keep each other throttled, and {say.entry(exposure.worst, function)} waits with them"
    return finding(
        RULE,
        place,
        Severity.LOW if throttled else Severity.MEDIUM,
        title=f"`{function.name}` repeats {call} without end",
        issue=f"{how[:1].upper() + how[1:]} has no limit of attempts or time, so while {call} {'is throttled' if throttled else 'fails'} "
        f"`{function.name}` never returns.",
        impact=f"{harm}; no failure is ever reported.",
        fix=advise.end_retry(model, guard, function)
        or "Give it an end: a number of attempts or, better, a total time that its caller can bear; then let the last error out.",
        related=[model.place(effect.site, "repeated without end")],
        steps=model.steps(exposure.worst, function, effect.site),
        confidence=Confidence.weakest(
            model.confidence_of(effect), Confidence.HIGH if exposure.entries else Confidence.MEDIUM
        ),
        subject=f"{guard.name}:{effect.name}",
    )


def _job(entry: Entry, model: Model) -> Finding:
    given = [name for name in entry.function.parameters if name not in {"self", "task", "cls"}]
    harm = (
        f"A call of `{entry.function.name}` whose arguments can never succeed (a row that was deleted, a token that was revoked) comes back "
        "for ever: it takes a worker each time, and never counts as failed."
        if given
        else f"As long as `{entry.function.name}` cannot succeed, it comes back again and again and never counts as failed, so that nobody hears of it."
    )
    return finding(
        RULE,
        model.place_of_function(entry.function),
        Severity.MEDIUM if given else Severity.LOW,
        title=f"job `{entry.function.name}` is retried without end",
        issue=f"The options of `{entry.function.qualname}` lift the limit of its retries.",
        impact=harm,
        fix=advise.end_job(model, entry),
        subject=entry.function.qualname,
    )


def _growth(growth: Growth, model: Model) -> Finding:
    function = growth.function
    pause = f"`{say.call(growth.pause, model)}`"
    configured = "setting" in growth.limit.lower()
    ends = (
        f"only `{growth.limit}` ends the loop" if growth.limit else "nothing that is written here ends the loop early"
    )
    return finding(
        RULE,
        model.place_of_lines(function, growth.line, growth.end_line),
        Severity.LOW,
        title=f"wait before the next attempt in `{function.name}` doubles without a ceiling",
        issue=f"The time given to {pause} doubles with every failure, and {ends}.",
        impact="After ten failures the pause is longer than most outages: the dependency is back, and this process still sleeps.",
        fix="Cap it: `delay = min(60, base * 2 ** attempt)`.",
        related=[model.place(growth.pause, "sleeps that long")],
        audience=Audience.REGULAR
        if (configured or not growth.limit) and not only_by_hand(function, model)
        else Audience.PEDANTIC,
        subject=function.qualname,
    )


def _set_back(count: SetBack, model: Model) -> Finding:
    function = count.function
    exposure = model.exposure(function)
    return finding(
        RULE,
        model.place_of_region(function, count.loop),
        Severity.MEDIUM,
        title=say.fit(
            f"`{count.count}` is set back in each round, so the retry in `{function.qualname}` has no end",
            f"`{count.count}` is set back in each round, so the retry has no end",
        ),
        issue=f"Line {count.line} sets `{count.count}` back in the loop that counts with it, so the comparison in line {count.test} never holds.",
        impact=f"When what is tried can never succeed, {say.entry(exposure.worst, function)} tries it for ever; no failure is ever reported.",
        fix=f"Move line {count.line} in front of the loop.",
        related=[
            model.place_of_lines(function, count.line, count.line, "sets it back"),
            model.place_of_lines(function, count.test, count.test, "never holds"),
        ],
        steps=model.steps(exposure.worst, function),
        subject=count.count,
        weight=impact_weight(exposure),
    )
