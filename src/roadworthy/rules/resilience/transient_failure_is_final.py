"""A job marks its work as failed at the first failure of a remote call, and nothing takes it up again.

## Why it fails in production
The other side of a network call is away for a few seconds at every deploy, failover and overload. A handler that answers each failure
with `status = FAILED` turns such a moment into the end of the work: for the queue the job went well, so it does not come again, and the
record says that there is nothing left to do.

## What is reported
A call in a job, consumer or worker loop that nothing repeats (client, decorator, loop, caller, framework), and whose failure a handler answers by
writing down a failed state. LOW where the handler catches everything.

## What is not reported
Work that a person waits for and can start again. Handlers that ask for another attempt or send the work back. Projects with something that takes up
what has failed. Programs, but for those that talk to another machine. Telemetry; the service's own database, cache and broker.

## Bad
```python
import requests
from celery import shared_task

@shared_task
def push_order(order):
    try:
        requests.post("https://erp.example/orders", json=order.data, timeout=5).raise_for_status()  # finding: transient-failure-is-final
    except requests.RequestException:
        order.status = "failed"
        order.save()
```

## Good
```python
import requests
from celery import shared_task

@shared_task(bind=True, max_retries=5)
def push_order(self, order):
    try:
        requests.post("https://erp.example/orders", json=order.data, timeout=5).raise_for_status()
    except requests.RequestException as error:
        if self.request.retries == self.max_retries:
            order.status = "failed"
            order.save()
            raise
        raise self.retry(exc=error, countdown=2**self.request.retries)
```
"""

from roadworthy.rules.api import (
    Confidence,
    Final,
    Finding,
    Iterator,
    Model,
    Rule,
    Severity,
    advise,
    final_failures,
    finding,
    say,
)

RULE = Rule(id="transient-failure-is-final", anti_pattern="missing-retry", doc=__doc__)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """One finding for each handler."""
    for final in final_failures(model):
        yield _report(final, model)


def _report(final: Final, model: Model) -> Finding:
    effect, function = final.effect, final.handler.function
    call = f"`{say.call(final.site, model)}`"
    return finding(
        RULE,
        model.place(final.site),
        Severity.LOW if final.handler.broad else Severity.MEDIUM,
        title=say.fit(
            f"the first failure of {call} is final: `{function.qualname}` marks the work as failed",
            f"the first failure of {call} is final",
        ),
        issue=f"Nothing repeats {call}, and the handler writes the work down as failed (line {final.line}): "
        f"{say.entry(final.entry)} ends well, and nobody tries again.",
        impact=f"{say.unanswered(effect, model)} leaves the work failed for good, though a second attempt a moment later would have done it; "
        "somebody has to find it and start it anew.",
        fix=_fix(final, model),
        related=[
            model.place_of_lines(function, final.line, final.line, "marked as failed"),
            *([model.place(effect.site, "tried once")] if effect.site is not final.site else []),
        ],
        steps=model.steps(final.entry, effect.function, effect.site),
        confidence=Confidence.weakest(model.confidence_of(effect), Confidence.MEDIUM),
        subject=function.qualname,
    )


def _fix(final: Final, model: Model) -> str:
    """A retry inside the handler: around the function the handler would leave it nothing to repeat."""
    effect = final.effect
    if effect.function is final.handler.function:
        return advise.retry_question(model, effect.site, effect.row.raises, "the `try`")
    return advise.retry_around(model, effect)
