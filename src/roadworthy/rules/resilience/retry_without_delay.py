"""A failed attempt is repeated at once.

## Why it fails in production
A dependency that is down answers an attempt in a millisecond. A loop that tries again at once runs at full speed: one core at 100 %,
a log that fills the disk, and a dependency that is hammered by everyone the moment it tries to come back.

## What is reported
A retry decorator or policy with no wait. A loop whose handler goes round again although neither it nor anything after it in the round
waits, around a call to the outside.

## What is not reported
Loops with a sleep or back-off on the failing path. Loops paced by a wait inside the process. Repeats after a conflict (the row now
exists) or an empty queue. A bounded loop whose handler gives up on some condition.

## Bad
```python
import logging
import redis

logger = logging.getLogger(__name__)

def consume(client: redis.Redis, handle) -> None:
    while True:
        try:
            message = client.blpop("events", timeout=5)
            handle(message)
        except redis.RedisError:  # finding: retry-without-delay
            logger.exception("cannot read")
```

## Good
```python
import logging
import time
import redis

logger = logging.getLogger(__name__)

def consume(client: redis.Redis, handle) -> None:
    delay = 1
    while True:
        try:
            message = client.blpop("events", timeout=5)
            handle(message)
            delay = 1
        except redis.RedisError:
            logger.exception("cannot read")
            time.sleep(delay)
            delay = min(delay * 2, 30)
```
"""

from roadworthy.rules.api import (
    Finding,
    Iterator,
    Model,
    Retried,
    Rule,
    Severity,
    Spin,
    advise,
    finding,
    impact_weight,
    say,
    spins,
)

RULE = Rule(id="retry-without-delay", anti_pattern="bad-retry", doc=__doc__)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Policies without a wait, then loops without a pause."""
    for retried in model.retries.all:
        if retried.guard.form != "loop" and retried.guard.delay == "none" and reaches_outside(retried, model):
            yield _report_policy(retried, model)
    seen = set()
    for spin in spins(model):
        if (spin.function, spin.loop.region) not in seen:
            seen.add((spin.function, spin.loop.region))
            yield _report_loop(spin, model)


def reaches_outside(retried: Retried, model: Model) -> bool:
    """Only a call that leaves the process needs time to get better."""
    return any(e.effect.word.external and not e.effect.word.telemetry for e in model.retries.effects(retried))


def _report_policy(retried: Retried, model: Model) -> Finding:
    guard, function = retried.guard, retried.function
    effects = [e for e in model.retries.effects(retried) if e.effect.word.external]
    exposure = model.exposure(function)
    name = "the retry loop" if guard.form == "loop" else f"`{guard.name.rpartition('.')[2]}`"
    return finding(
        RULE,
        model.place_of_lines(function, guard.line, guard.line),
        Severity.HIGH if not guard.capped else Severity.MEDIUM,
        title=f"the retry of `{function.qualname}` by {name} has no wait between attempts",
        issue=f"{name[:1].upper()}{name[1:]} repeats `{function.qualname}()` at once after a failure; it runs {say.which(effects[0], model)}.",
        impact="All attempts are spent within milliseconds, long before a restart or a throttle of the other side is over"
        + ("." if guard.capped else ", and without a limit they go on at full speed for as long as it is down."),
        fix=advise.space_retry(model, guard, function),
        related=[model.place(effects[0].site, "is repeated at once")],
        steps=model.steps(exposure.worst, function),
        confidence=model.confidence_of(effects[0]),
        subject=name,
        weight=impact_weight(exposure, effects),
    )


def _report_loop(spin: Spin, model: Model) -> Finding:
    function, effect = spin.function, spin.effects[0]
    exposure = model.exposure(function)
    endless = not spin.loop.bounded
    call = say.call(effect.site, model)
    return finding(
        RULE,
        model.place_of_region(function, spin.handler.region),
        Severity.HIGH if endless else Severity.MEDIUM,
        title=f"the loop in `{function.qualname}` goes round at once when `{call}` fails",
        issue=f"The handler lets the loop of `{function.qualname}()` go on, and nothing on that path waits before it runs {say.which(effect, model)}, again.",
        impact=f"While the other side of `{call}` is down, the loop spins: "
        + (
            "one core at full load and a log line each round, until somebody stops it."
            if endless
            else "all its attempts are gone in milliseconds."
        ),
        fix=advise.backoff(model, function, spin.handler),
        related=[model.place(effect.site, "fails and is repeated at once")],
        steps=model.steps(exposure.worst, function, effect.site),
        confidence=model.confidence_of(effect),
        subject=call,
        weight=impact_weight(exposure, spin.effects),
    )
