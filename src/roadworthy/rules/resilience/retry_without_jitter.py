"""All clients that failed together come back together.

## Why it fails in production
A shared service that restarts fails everybody at once. If each client waits exactly 1, 2, 4 … seconds, they all return in the same
instants, and the service falls over again under each wave.

## What is reported
A hand-written back-off whose delays are fixed or grow without a random part, around a call to the outside.

## What is not reported
Delays with a random part. Policies of libraries that add one. One process that nobody shares the dependency with (we cannot tell, so
this is hardening). Without `--pedantic`: programs that somebody starts, which run alone.

## Bad
```python
import time
import requests

def fetch(url: str) -> bytes:
    for attempt in range(5):
        try:
            return requests.get(url, timeout=5).content
        except requests.ConnectionError:
            time.sleep(2**attempt)  # finding: retry-without-jitter
    raise RuntimeError(url)
```

## Good
```python
import random
import time
import requests

def fetch(url: str) -> bytes:
    for attempt in range(5):
        try:
            return requests.get(url, timeout=5).content
        except requests.ConnectionError:
            time.sleep(2**attempt * random.uniform(0.5, 1.5))
    raise RuntimeError(url)
```
"""

from roadworthy.rules.api import (
    Audience,
    CallSite,
    Effect,
    Finding,
    Iterator,
    Model,
    Retried,
    Rule,
    Severity,
    advise,
    expr,
    finding,
    flow,
    say,
)

RULE = Rule(id="retry-without-jitter", anti_pattern="bad-retry", doc=__doc__)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Hand-written back-offs without a random part."""
    for retried in model.retries.all:
        guard = retried.guard
        if guard.form != "loop" or guard.jitter or guard.delay != "exponential" or guard.region is None:
            continue
        effects = [e for e in model.retries.effects(retried) if e.effect.word.external and not e.effect.word.telemetry]
        pause = pause_of(retried, model)
        if effects and pause is not None and doubles(pause, retried):
            way = model.reach.path_down(retried.function, effects[0])
            yield _report(retried, pause, say.call(way[0].site if way else effects[0].site, model), model)


def doubles(pause: CallSite, retried: Retried) -> bool:
    """The delay is a power of the attempt, or is multiplied each round; a slow linear growth spreads clients by itself."""
    scope = retried.function.scope
    if not pause.fact.args:
        return False
    texts = [flow.deep_text(pause.fact.args[0], scope)]
    for part in flow.walk(pause.fact.args[0]):
        if isinstance(part, expr.Name):
            assigns = retried.function.bindings.get(part.id, ())
            texts.extend(flow.deep_text(assign.value, scope) for assign in assigns)
            if any(assign.op == "*=" for assign in assigns):
                return True
    return any("**" in text or "<<" in text for text in texts)


def pause_of(retried: Retried, model: Model) -> CallSite | None:
    """The call that waits in the loop."""
    region = retried.guard.region
    assert region is not None
    for call in flow.calls_in(retried.function.scope, region):
        site = retried.function.site(call)
        if any(e.effect is Effect.SLEEP for e in model.effects_at(site)):
            return site
    return None


def _report(retried: Retried, pause: CallSite, call: str, model: Model) -> Finding:
    function = retried.function
    delay = say.code(pause.fact.args[0], function) if pause.fact.args else "the delay"
    return finding(
        RULE,
        model.place(pause),
        Severity.LOW,
        title=f"the retry of `{call}` waits exactly `{delay}`, so all clients come back together",
        issue=f"`{function.qualname}()` backs off by `{delay}` with no random part.",
        impact=f"After an outage of the other side of `{call}`, every process that failed with this one returns in the same moments and overloads it again.",
        fix=advise.jitter(model, function, delay, pause),
        audience=Audience.PEDANTIC if model.exposure(function).only_commands else Audience.REGULAR,
        subject=call,
    )
