"""A retry names an exception that stands for refusals as well as for faults.

## Why it fails in production
Clients tell an answer of 404 or 401 by the same exception as a 503. A retry that names this exception, or a base of it, asks again for what
was refused for good: each wrong address, expired key or deleted object holds its worker for all attempts and pauses, and spends the rate limit
that others need. Where the attempts have no end, neither has the wait.

## What is reported
A policy or loop of three and more attempts that names the exception for error answers, or a base of it, around a request whose error
answers are raised as such, where neither the handler nor the repeated code tells refusals from faults. LOW; MEDIUM where nothing ends the attempts.

## What is not reported
Retries for everything (see retry-of-permanent-errors). Policies with a predicate; handlers and functions that look at the status or at the kind of the
error. Probes. Clients that hand an error answer over. Loops that ask another address each round.

## Bad
```python
import backoff
import requests

@backoff.on_exception(backoff.expo, requests.RequestException, max_tries=6)  # finding: retry-of-refusals
def fetch(url: str) -> bytes:
    answer = requests.get(url, timeout=5)
    answer.raise_for_status()
    return answer.content
```

## Good
```python
import backoff
import requests

def is_refused(error):
    return error.response is not None and error.response.status_code < 500 and error.response.status_code not in (408, 429)

@backoff.on_exception(backoff.expo, requests.RequestException, max_tries=6, giveup=is_refused)
def fetch(url: str) -> bytes:
    answer = requests.get(url, timeout=5)
    answer.raise_for_status()
    return answer.content
```
"""

from roadworthy.rules.api import (
    Finding,
    Iterator,
    Model,
    Refused,
    Rule,
    Severity,
    doer,
    finding,
    impact_weight,
    repeated_refusals,
    say,
)

RULE = Rule(id="retry-of-refusals", anti_pattern="bad-retry", doc=__doc__)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Each retry once, at the place where it is written."""
    told = set()
    for refused in repeated_refusals(model):
        guard = refused.retried.guard
        if (guard.path, guard.line) not in told:
            told.add((guard.path, guard.line))
            yield _report(refused, model)


def _report(refused: Refused, model: Model) -> Finding:
    guard, function = refused.retried.guard, refused.retried.function
    exposure = model.exposure(function)
    endless = guard.attempts == "forever" or not guard.capped
    times = "without end" if endless else f"{guard.attempts} times" if guard.attempts else "several times"
    error, named = say.last(refused.error), say.last(refused.named)
    policy = "the loop" if guard.form == "loop" else f"`{say.last(guard.name)}`"
    kind = f", and `{error}` is one" if error != named else ""
    return finding(
        RULE,
        model.place_of_guard(guard),
        Severity.MEDIUM if endless else Severity.LOW,
        title=say.fit(
            f"`{function.qualname}` is tried again when it is refused: `{named}` stands for 404 as well as for 503",
            f"`{say.last(function.qualname)}` is tried again when it is refused",
        ),
        issue=f"{policy[0].upper()}{policy[1:]} repeats at `{named}`{kind}: it is raised for 400, 401 and 404 as well as for 503, and nothing tells them apart.",
        impact=f"What is wrong, forbidden or gone is asked for {times} with the same outcome: {doer(model, function)} is held for "
        f"{'good' if endless else 'all attempts and pauses'}, and the requests count against the limit of the other side.",
        fix=f"Let refusals out at the first attempt: repeat `{error}` only for 408, 429 and 5xx, and lost connections and timeouts as before.",
        related=[
            model.place_of_lines_in(
                refused.function.path,
                refused.line,
                refused.line,
                refused.function.qualname,
                "raises it for any answer of 400 and above",
            )
        ],
        steps=model.steps(exposure.worst, function, refused.effect.site),
        confidence=model.confidence_of(refused.effect),
        subject=function.qualname,
        weight=impact_weight(exposure, [refused.effect]),
    )
