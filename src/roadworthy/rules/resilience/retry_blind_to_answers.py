"""A retry knows only exceptions, and the error answer that it was made for is none.

## Why it fails in production
The other side is rarely gone without a trace: while it is deployed or busy, the balancer in front of it answers 502, 503 or 429. Most HTTP
clients hand such an answer over like any other. A retry that waits for an exception takes it for a success: the call is made once, and what
was to be done is not done, although it looks as if somebody had seen to it.

## What is reported
A policy, decorator or loop that repeats failures of an HTTP request, where neither the request's client raises for an error answer nor anything that is repeated
asks for its status: the answer is dropped, its body used as it is, or it is given to a caller that calls `raise_for_status()` outside of the retry.

## What is not reported
Policies that look at the result. Code that asks for the status, hands the answer to another function, or fails on the page of an error in a way that
is repeated. Clients with hooks or an option for it. Answers that a function gives back, unless a caller is known to ask. Probes and telemetry.

## Bad
```python
import requests
import tenacity

@tenacity.retry(stop=tenacity.stop_after_attempt(4), wait=tenacity.wait_random_exponential(max=30))
def reload(url: str) -> None:
    requests.post(url, timeout=5)  # finding: retry-blind-to-answers
```

## Good
```python
import requests
import tenacity

@tenacity.retry(stop=tenacity.stop_after_attempt(4), wait=tenacity.wait_random_exponential(max=30))
def reload(url: str) -> None:
    requests.post(url, timeout=5).raise_for_status()
```
"""

from roadworthy.rules.api import (
    Finding,
    Iterator,
    Model,
    Rule,
    Severity,
    Unseen,
    doer,
    finding,
    impact_weight,
    say,
    unseen_answers,
)

RULE = Rule(id="retry-blind-to-answers", anti_pattern="bad-retry", doc=__doc__)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """One finding for each request that a retry repeats in vain."""
    told = set()
    for unseen in unseen_answers(model):
        if unseen.effect.site not in told:
            told.add(unseen.effect.site)
            yield _report(unseen, model)


def _report(unseen: Unseen, model: Model) -> Finding:
    retried, effect, asked = unseen.retried, unseen.effect, unseen.asked
    function, call = retried.function, f"`{say.call(effect.site, model)}`"
    exposure = model.exposure(function)
    policy = "the loop" if retried.guard.form == "loop" else f"`{say.last(retried.guard.name)}`"
    where = (
        f"`{asked.function.qualname}()` asks for the status only when the retry is over"
        if asked is not None
        else "nothing that is repeated asks for the status"
    )
    return finding(
        RULE,
        model.place(effect.site),
        Severity.MEDIUM,
        title=say.fit(
            f"the retry of `{effect.function.qualname}` takes a 503 for a success: {call} does not raise for it",
            f"the retry of `{say.last(effect.function.qualname)}` takes a 503 for a success",
        ),
        issue=f"{policy[0].upper()}{policy[1:]} repeats what raises; {call} hands an answer of 429 or 503 over like any other, and {where}.",
        impact=f"While the other side restarts or is busy, {doer(model, function)} gets an error answer at the first attempt and "
        f"{'fails with it' if asked is not None else 'goes on as if it were done'}, although the call was made to be tried again.",
        fix=_ask(unseen),
        related=[
            model.place_of_guard(retried.guard, "repeats only what raises"),
            *([model.place(asked, "asks too late")] if asked is not None else []),
        ],
        steps=model.steps(exposure.worst, function, effect.site),
        confidence=model.confidence_of(effect),
        subject=call,
        weight=impact_weight(exposure, [effect]),
    )


def _ask(unseen: Unseen) -> str:
    caught = unseen.retried.guard.on
    named = " Name its exception in the policy, too." if not {"Exception", "BaseException"} & set(caught) else ""
    moved = f", and not in `{unseen.asked.function.name}()`" if unseen.asked is not None else ""
    return f"Ask for the status inside of what is repeated{moved}: call `raise_for_status()` on the answer, or raise for 429 and 5xx.{named}"
