"""A retry is decided by a test that no error answer can pass.

## Why it fails in production
Some clients let an answer be asked like a boolean, and an answer of 400 and above is false. `if error.response and
error.response.status_code == 503` looks as if it guarded against a missing answer; it is never true. The 503 that was to be tried again
is lost at once, or the 404 that was to end the attempts is repeated until they are used up.

## What is reported
In an `if` with `and`: the truth of such an answer, then a question for a status of 400 or more, where the branch tries again, or leaves a
retry that otherwise goes on.

## What is not reported
Answers that are compared with `None`. Questions for a status below 400. Clients whose answers are always true. Branches that only write
a message or choose a default.

## Bad
```python
import requests
from celery import shared_task

@shared_task(bind=True, max_retries=5)
def push(self, url: str):
    try:
        requests.post(url, timeout=5).raise_for_status()
    except requests.HTTPError as error:
        if error.response and error.response.status_code == 503:  # finding: error-answer-counts-as-false
            raise self.retry(exc=error)
        raise
```

## Good
```python
import requests
from celery import shared_task

@shared_task(bind=True, max_retries=5)
def push(self, url: str):
    try:
        requests.post(url, timeout=5).raise_for_status()
    except requests.HTTPError as error:
        if error.response is not None and error.response.status_code == 503:
            raise self.retry(exc=error)
        raise
```
"""

from roadworthy.rules.api import (
    Confidence,
    Finding,
    Iterator,
    Model,
    Rule,
    Severity,
    VoidTest,
    finding,
    impact_weight,
    say,
    void_tests,
)

RULE = Rule(id="error-answer-counts-as-false", anti_pattern="bad-retry", doc=__doc__)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Each test for itself: each decides about another failure."""
    for test in void_tests(model):
        if model.is_reviewed(test.function.path) and not model.is_script(test.function.path):
            yield _report(test, model)


def _report(test: VoidTest, model: Model) -> Finding:
    function = test.function
    exposure = model.exposure(function)
    never = "never tries again" if test.repeats else "never gives up"
    return finding(
        RULE,
        model.place_of_region(function, test.region),
        Severity.MEDIUM,
        title=say.fit(
            f"`{function.qualname}` {never} after `{test.status}`: the answer is false then",
            f"`{say.last(function.qualname)}` {never} after an error answer, which is false",
        ),
        issue=f"`{test.answer}` is a `{test.type}`, and an answer of 400 and above counts as false; "
        f"`{test.answer} and {test.status}` can never be true.",
        impact=_impact(test, model),
        fix=f"Ask whether there is an answer:\n```python\nif {test.answer} is not None and {test.status}:\n    ...  # as it is\n```",
        steps=model.steps(exposure.worst, function),
        confidence=Confidence.HIGH,
        subject=f"{test.answer} and {test.status}",
        weight=impact_weight(exposure),
    )


def _impact(test: VoidTest, model: Model) -> str:
    entry = say.entry(model.exposure(test.function).worst, test.function)
    if test.repeats:
        return f"The failure for which this branch was written passes it by: {entry} does not try again, although a pause would have been enough."
    end = "without end" if test.endless else "until the attempts are used up"
    return f"An answer that stays the same is asked for again {end}: {entry} is held up, and the other side gets the same refused request each time."
