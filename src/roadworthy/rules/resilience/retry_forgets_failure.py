"""A retry that has used up its attempts ends as if it had succeeded.

## Why it fails in production
The loop catches each failure and waits; success returns from it. When the last attempt has failed, too, the loop is simply over: the
function ends, its answer is `None`, and whoever works with it fails somewhere else, with an AttributeError that says nothing of the outage.

## What is reported
A loop over attempts around a call that leaves the process, whose success returns an answer, where no handler raises after the last attempt
and nothing stands behind the loop; and a caller takes the answer apart without asking whether it is there. Such a loop around work that acts on
the world, which success leaves by `break`, and behind which the function goes on in the same way.

## What is not reported
A `raise` in the loop, behind it or in its `else`; a value that is returned behind it; a signature that says `None`; failures that are kept
for later. Answers about which each caller asks, or which nobody uses.

## Bad
```python
import time
import requests

def ask(url: str):
    for attempt in range(4):  # finding: retry-forgets-failure
        try:
            return requests.get(url, timeout=5)
        except requests.ConnectionError:
            time.sleep(2**attempt)

def name_of(url: str) -> str:
    answer = ask(url)
    return answer.json()["name"]
```

## Good
```python
import time
import requests

ATTEMPTS = 4

def ask(url: str):
    for attempt in range(ATTEMPTS):
        try:
            return requests.get(url, timeout=5)
        except requests.ConnectionError:
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(2**attempt)

def name_of(url: str) -> str:
    answer = ask(url)
    return answer.json()["name"]
```
"""

from roadworthy.rules.api import (
    Finding,
    Iterator,
    LeftUndone,
    Model,
    Rule,
    Severity,
    UsedUp,
    advise,
    doer,
    finding,
    impact_weight,
    left_undone,
    say,
    used_up,
)

RULE = Rule(id="retry-forgets-failure", anti_pattern="bad-retry", doc=__doc__)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Each loop for itself."""
    for forgotten in used_up(model):
        if model.is_reviewed(forgotten.function.path) and not model.is_script(forgotten.function.path):
            yield _report(forgotten, model)
    for undone in left_undone(model):
        if model.is_reviewed(undone.function.path) and not model.is_script(undone.function.path):
            yield _report_undone(undone, model)


def _report_undone(undone: LeftUndone, model: Model) -> Finding:
    function = undone.function
    exposure = model.exposure(function)
    call = f"`{say.call(undone.site, model)}`"
    return finding(
        RULE,
        model.place_of_region(function, undone.region),
        Severity.MEDIUM,
        title=say.fit(
            f"`{function.qualname}` goes on as if {call} had worked when all attempts have failed",
            f"`{say.last(function.qualname)}` goes on when all attempts have failed",
        ),
        issue=f"Each failure of {call} is caught, success leaves the loop by `break`, and the code behind it does not ask which of the two it was.",
        impact=f"When an outage outlasts the attempts, {doer(model, function)} goes on as after a success: {say.effect(undone.effect, model)}, "
        "and that never happened.",
        fix=advise.raise_last(function, undone.region),
        related=[model.place(undone.site, "is not done in the end")],
        steps=model.steps(exposure.worst, function),
        confidence=model.confidence_of(undone.effect),
        subject=function.qualname,
        weight=impact_weight(exposure, [undone.effect]),
    )


def _report(forgotten: UsedUp, model: Model) -> Finding:
    function = forgotten.function
    exposure = model.exposure(function)
    call = f"`{say.call(forgotten.effect.site, model)}`"
    return finding(
        RULE,
        model.place_of_region(function, forgotten.region),
        Severity.MEDIUM,
        title=say.fit(
            f"`{function.qualname}` returns None when all attempts of {call} have failed",
            f"`{say.last(function.qualname)}` returns None when all attempts have failed",
        ),
        issue=f"Each failure of {call} is caught, and nothing is raised after the last attempt; `{forgotten.user.function.qualname}` "
        "works with the answer without asking whether there is one.",
        impact=f"In an outage {doer(model, function)} fails with an AttributeError or TypeError of `None` elsewhere: "
        "what really happened is lost, and handlers of the real error are passed by.",
        fix=advise.raise_last(function, forgotten.region),
        related=[model.place(forgotten.user, "works with the answer")],
        steps=model.steps(exposure.worst, function),
        confidence=model.confidence_of(forgotten.effect),
        subject=function.qualname,
        weight=impact_weight(exposure, [forgotten.effect]),
    )
