"""A function that starts its own timer again at the end of its work does so no more after the first failure.

## Why it fails in production
A refresh every minute, a heartbeat, a sweep: the function does its work and then starts the timer that calls it the next time. When the work
raises once, because the other side was away for a second, the line with the timer is not reached. Nothing else runs the function: the
registry is never refreshed again, the lease expires, and the process looks healthy.

## What is reported
A function whose last step is a timer that calls it again (`Timer(60, f).start()`, `loop.call_later(60, f)`), with a call of the
outside before it whose failure nothing in the function catches, directly or a few calls down.

## What is not reported
Timers that are started first, or in a `finally`. Work that is caught. Loops, which are asked by `one-bad-item-stops-batch`. Work that does not
leave the process.

## Bad
```python
import threading
import requests

def refresh():
    global prices
    prices = requests.get("https://prices.example", timeout=5).json()
    threading.Timer(60, refresh).start()  # finding: timer-not-rearmed
```

## Good
```python
import logging
import threading
import requests

logger = logging.getLogger(__name__)

def refresh():
    global prices
    try:
        prices = requests.get("https://prices.example", timeout=5).json()
    except Exception:
        logger.exception("refresh failed")
    finally:
        threading.Timer(60, refresh).start()
```
"""

from roadworthy.rules.api import (
    Finding,
    Iterator,
    Model,
    Rearmed,
    Rule,
    Severity,
    acts,
    finding,
    impact_weight,
    logger_near,
    rearm,
    rearmed_late,
    say,
)

RULE = Rule(id="timer-not-rearmed", anti_pattern="no-graceful-degradation", doc=__doc__)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """One finding for each function that calls itself by a timer."""
    for found in rearmed_late(model):
        if not model.is_script(found.function.path):
            yield _report(found, model)


def _report(found: Rearmed, model: Model) -> Finding:
    function = found.function
    site, effect = min(found.failures, key=lambda pair: (not acts(pair[1]), pair[0].line))
    call, timer = f"`{say.call(site, model)}`", f"`{say.call(found.timer, model)}`"
    through = "" if effect.site is site else f" ({effect.site.path}:{effect.site.line})"
    return finding(
        RULE,
        model.place(found.timer),
        Severity.MEDIUM,
        title=say.fit(
            f"after one failing {call} nothing calls `{function.qualname}` again",
            f"after one failure nothing calls `{function.name}` again",
        ),
        issue=f"{call} in line {site.line}{through} {effect.effect.word.meaning}; when it raises, {timer}, which is to call "
        f"`{function.qualname}()` again, is not reached, and nothing else calls it.",
        impact=f"At the first failure of {call} the periodic work of `{function.qualname}()` is over until the process is started anew, "
        "and the process goes on as if nothing were missing.",
        fix=rearm(found.timer, function.name, logger_near(model, function)),
        related=[
            model.place(site, "when this fails"),
            *([model.place(effect.site, "fails here")] if effect.site is not site else []),
        ],
        steps=model.steps(model.exposure(function).worst, function, site),
        confidence=model.confidence_of(effect),
        subject=function.qualname,
        weight=impact_weight(model.exposure(function), [e for _, e in found.failures]),
    )
