"""A retry never gives up.

## Why it fails in production
One request that can never succeed, or a dependency that stays away, holds the worker for ever: its queue stands still behind it, its
caller waits, and nobody is told, since nothing ever fails.

## What is reported
A retry decorator, policy or loop around a call to the outside with a limit neither on attempts nor on time, in code that serves others.

Also a delay that doubles with every attempt and has no cap, when the number of attempts is not fixed.

## What is not reported
The endless connect or consume loop of a worker, which has nothing else to do. Policies with a limit on attempts or time.

## Bad
```python
import requests
from celery import shared_task
from tenacity import retry, wait_exponential

@retry(wait=wait_exponential(max=60))  # finding: retry-without-limit
def push(url: str, body: dict) -> None:
    requests.post(url, json=body, timeout=5).raise_for_status()

@shared_task
def sync(url: str) -> None:
    push(url, {})
```

## Good
```python
import requests
from celery import shared_task
from tenacity import retry, stop_after_attempt, wait_exponential

@retry(wait=wait_exponential(max=60), stop=stop_after_attempt(6))
def push(url: str, body: dict) -> None:
    requests.post(url, json=body, timeout=5).raise_for_status()

@shared_task
def sync(url: str) -> None:
    push(url, {})
```
"""

import re

from roadworthy.rules.api import (
    CallSite,
    EntryKind,
    Finding,
    GuardKind,
    Iterator,
    Model,
    Retried,
    Rule,
    Severity,
    advise,
    finding,
    impact_weight,
    say,
    uncapped_pause,
)

RULE = Rule(id="retry-without-limit", anti_pattern="bad-retry", doc=__doc__)

_LIVES = (EntryKind.WORKER_LOOP, EntryKind.STARTUP, EntryKind.COMMAND, EntryKind.IMPORT_TIME)
_CONNECTS = re.compile(
    r"connect|listen|subscribe|consume|poll|watch|run_forever|serve|wait_for|wait_until|main|loop", re.IGNORECASE
)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Ask each retry where it ends."""
    for retried in model.retries.all:
        region = retried.guard.region
        pause = (
            uncapped_pause(model, retried.function, region)
            if retried.guard.form == "loop" and region is not None
            else None
        )
        if pause is not None and not isinstance(retried.guard.attempts, int):
            yield _report_delay(retried, pause, model)
        elif (
            not retried.guard.capped and not is_the_workers_own(retried, model) and not is_ended_outside(retried, model)
        ):
            effects = [
                e for e in model.retries.effects(retried) if e.effect.word.external and not e.effect.word.telemetry
            ]
            if effects:
                yield _report(retried, model)


def is_the_workers_own(retried: Retried, model: Model) -> bool:
    """A loop for the life of the process that connects or listens: to try for ever is its purpose."""
    exposure = model.exposure(retried.function)
    if retried.guard.form == "loop" and (not exposure.entries or _CONNECTS.search(retried.function.name)):
        return True
    return bool(exposure.entries) and all(r.entry.kind in _LIVES for r in exposure.entries)


def is_ended_outside(retried: Retried, model: Model) -> bool:
    """A time limit around the whole retry."""
    coverage = model.coverage_of(
        retried.function, lambda g: g.kind is GuardKind.TIMEOUT and not model.guards.never_ends(g)
    )
    return coverage.everywhere


def _report_delay(retried: Retried, pause: CallSite, model: Model) -> Finding:
    function = retried.function
    delay = model.text(pause.fact.args[0], function)
    exposure = model.exposure(function)
    return finding(
        RULE,
        model.place(pause),
        Severity.MEDIUM,
        title=f"the back-off `{delay}` in `{function.qualname}` doubles without a cap",
        issue=f"`{function.qualname}()` waits `{delay}`, which doubles with every attempt, and the number of attempts is not fixed here.",
        impact=f"After a longer outage the next attempt is hours away: {say.entry(exposure.worst)} stays down long after the other side is back.",
        fix=advise.jitter(model, function, delay, pause),
        steps=model.steps(exposure.worst, function, pause),
        subject=delay,
    )


def _report(retried: Retried, model: Model) -> Finding:
    guard, function = retried.guard, retried.function
    effects = [e for e in model.retries.effects(retried) if e.effect.word.external and not e.effect.word.telemetry]
    exposure = model.exposure(function)
    what = (
        f"the loop in `{function.qualname}`"
        if guard.form == "loop"
        else f"`{guard.name.rpartition('.')[2]}` on `{function.qualname}`"
    )
    call = say.call(effects[0].site, model)
    return finding(
        RULE,
        model.place_of_lines(function, guard.line, guard.line),
        Severity.MEDIUM,
        title=f"{what} retries `{call}` without an end",
        issue=f"{what[0].upper()}{what[1:]} repeats {say.which(effects[0], model)}, with a limit neither on attempts nor on time.",
        impact=f"An input that can never succeed, or a dependency that stays away, holds {say.entry(exposure.worst)} for ever; "
        "what waits behind it stands still, and no failure is ever reported.",
        fix=advise.end_retry(model, guard, function),
        related=[model.place(effects[0].site, "is repeated without an end")],
        steps=model.steps(exposure.worst, function),
        confidence=model.confidence_of(effects[0]),
        subject=guard.name,
        weight=impact_weight(exposure, effects),
    )
