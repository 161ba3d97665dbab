"""A failure that is known is met again by the next call.

## Why it fails in production
While a dependency is down, every call to it costs its whole timeout and fails. Code that has just learnt this and keeps nothing of it
makes each request pay again: the handlers fill up with waits, and the dependency gets its full load at the moment when it tries to
come back.

## What is reported
A lookup on a serving path that keeps the answer in a cache and turns a failure into a default, of which nothing is kept. A class that
backs off after a failure with a growing delay and a timer, while another of its methods starts the same work at once.

## What is not reported
Calls outside merely for having no breaker. Lookups that keep the failure, or let it out. Lookups that no handler or consumer makes.
Classes whose other ways look at the timer, the delay or the state of failure. The first start.

## Bad
```python
import requests
from django.core.cache import cache
from django.http import JsonResponse
from django.urls import path

def rate(currency: str) -> float | None:
    known = cache.get(f"rate:{currency}")
    if known is not None:
        return known
    try:
        found = requests.get(f"https://rates.test/{currency}", timeout=10).json()["rate"]  # finding: no-circuit-breaker
    except requests.RequestException:
        return None
    cache.set(f"rate:{currency}", found, 3600)
    return found

def prices(request):
    return JsonResponse({"rate": rate("EUR")})

urlpatterns = [path("prices/", prices)]
```

## Good
```python
import requests
from django.core.cache import cache
from django.http import JsonResponse
from django.urls import path

def rate(currency: str) -> float | None:
    known = cache.get(f"rate:{currency}")
    if known is not None:
        return known or None
    try:
        found = requests.get(f"https://rates.test/{currency}", timeout=10).json()["rate"]
    except requests.RequestException:
        cache.set(f"rate:{currency}", 0, 30)
        return None
    cache.set(f"rate:{currency}", found, 3600)
    return found

def prices(request):
    return JsonResponse({"rate": rate("EUR")})

urlpatterns = [path("prices/", prices)]
```
"""

from __future__ import annotations

from roadworthy.rules.api import (
    Bypass,
    EntryKind,
    Finding,
    Iterator,
    Model,
    Rule,
    Severity,
    Uncached,
    bypasses,
    finding,
    impact_weight,
    say,
    uncached_failures,
)

RULE = Rule(id="no-circuit-breaker", anti_pattern="no-circuit-breaker", doc=__doc__)

_LONG = 5.0


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Backoffs that are passed by, and failures that are not kept."""
    for bypass in bypasses(model):
        yield _report_bypass(bypass, model)
    for uncached in uncached_failures(model):
        if model.exposure(uncached.call.function).serves and is_served(uncached, model):
            yield _report_uncached(uncached, model)


def is_served(uncached: Uncached, model: Model) -> bool:
    """Somebody waits for each lookup."""
    return bool(model.exposure(uncached.read.function).of_kind(EntryKind.HTTP_HANDLER))


def is_long(uncached: Uncached, model: Model) -> bool:
    """The timeout is longer than a request should take, or there is none."""
    verdict = model.timeout(uncached.call)
    return verdict.bound == "forever" or (verdict.seconds is not None and verdict.seconds > _LONG)


def _report_bypass(bypass: Bypass, model: Model) -> Finding:
    work, way = bypass.work, bypass.way
    exposure = model.exposure(work)
    timer = f"self.{bypass.timer}" if bypass.timer else "self.retry_at"
    state = f"self.{bypass.timer} is not None" if bypass.timer else "self.retry_at > time.monotonic()"
    return finding(
        RULE,
        model.place_of_function(work),
        Severity.MEDIUM,
        title=say.fit(
            f"`{way.function.name}` starts `{work.name}` at once while the back-off of `{work.qualname.rpartition('.')[0]}` runs",
            f"`{work.name}` is started during its own back-off",
        ),
        issue=f"After a failure `{bypass.armed.function.qualname}()` waits `self.{bypass.delay}` before it tries again, and "
        f"`{way.function.qualname}()` starts `{work.name}()` without a look at that.",
        impact=f"While the other side is down, each call of `{way.function.name}()` hits it at once and adds one more timer: the delay "
        "that should leave it alone never holds.",
        fix=f"Leave early while the back-off runs, and clear `{timer}` when it has fired:\n"
        f"```python\ndef {work.name}(self):\n    if {state}:\n        return  # the timer starts it again\n```",
        related=[model.place(bypass.armed, "arms the back-off"), model.place(way, "does not wait for it")],
        subject=work.name,
        weight=impact_weight(exposure),
    )


def _report_uncached(uncached: Uncached, model: Model) -> Finding:
    function, call = uncached.read.function, uncached.call
    site = call.site
    exposure = model.exposure(function)
    verdict = model.timeout(call)
    cost = (
        f"up to {verdict.seconds:g} s"
        if verdict.seconds
        else "the whole timeout"
        if verdict.bound != "forever"
        else "a wait without end"
    )
    write = say.call(uncached.write.site, model)
    return finding(
        RULE,
        model.place(site),
        Severity.MEDIUM if is_long(uncached, model) else Severity.LOW,
        title=say.fit(
            f"`{function.name}` keeps the answer of `{say.call(site, model)}`, but not its failure",
            f"`{function.name}` keeps answers, but no failures",
        ),
        issue=f"`{function.qualname}()` stores a good answer with `{write}`; when `{say.call(site, model)}` fails, the handler gives a "
        "default back and stores nothing.",
        impact=f"While the other side is down, every run of {say.entry(exposure.worst, function)} asks it again and waits {cost} for the "
        "same failure, until the workers are used up.",
        fix=f"Store the failure, too, for a short time, so that the next calls skip the request: `{write}` with a mark for "
        '"not available" and 30 to 60 seconds in the handler, and return the default when the mark is read.',
        related=[
            model.place(uncached.write.site, "keeps the answer"),
            model.place_of_region(uncached.handler.function, uncached.handler.region, "keeps nothing"),
        ],
        steps=model.steps(exposure.worst, call.function, site),
        confidence=model.confidence_of(call),
        subject=say.call(site, model),
        weight=impact_weight(exposure, [call]),
    )
