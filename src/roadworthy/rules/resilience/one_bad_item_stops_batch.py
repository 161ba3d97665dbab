"""One failing item ends the work for all the others.

## Why it fails in production
A nightly job over ten thousand accounts meets one whose data is broken or whose server is away. The exception leaves the loop, and all
accounts after it get nothing: tonight, tomorrow night, and until somebody looks, always the same ones.

## What is reported
A loop over independent items in a job, worker, schedule or command whose body calls something outside for the item, when a failure can
leave the loop: nothing catches it inside the loop, or the handler there raises again.

## What is not reported
Failures caught for each item. Loops inside one transaction, which are all or nothing on purpose. Loops of a request handler, whose caller
sees the error. Pages, chunks and attempts, which depend on one another. Jobs that are retried as a whole.

## Bad
```python
import requests
from apscheduler.schedulers.blocking import BlockingScheduler

scheduler = BlockingScheduler()

@scheduler.scheduled_job("interval", hours=1)
def sync_accounts():
    for account in load_accounts():
        requests.post(account.url, json=account.changes, timeout=10).raise_for_status()  # finding: one-bad-item-stops-batch
```

## Good
```python
import logging
import requests
from apscheduler.schedulers.blocking import BlockingScheduler

logger = logging.getLogger(__name__)
scheduler = BlockingScheduler()

@scheduler.scheduled_job("interval", hours=1)
def sync_accounts():
    for account in load_accounts():
        try:
            requests.post(account.url, json=account.changes, timeout=10).raise_for_status()
        except requests.RequestException:
            logger.exception("could not sync %s", account.id)
```
"""

import re

from roadworthy.rules.api import (
    Batch,
    Confidence,
    EntryKind,
    Finding,
    Iterator,
    Model,
    Rule,
    Severity,
    advise,
    finding,
    fragile_batches,
    impact_weight,
    say,
)

RULE = Rule(id="one-bad-item-stops-batch", anti_pattern="no-graceful-degradation", doc=__doc__)

_BATCHES = (
    EntryKind.SCHEDULED,
    EntryKind.JOB,
    EntryKind.WORKER_LOOP,
    EntryKind.COMMAND,
    EntryKind.QUEUE_CONSUMER,
    EntryKind.STARTUP,
)
_PEOPLE = re.compile(
    r"user|tenant|account|customer|org|team|member|subscri|project|client|device|pair|merchant|shop|site", re.IGNORECASE
)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Loops of unattended work whose first failure is their last item."""
    for batch in fragile_batches(model):
        if runs_unattended(batch, model) and not is_retried_whole(batch, model):
            yield _report(batch, model)


def runs_unattended(batch: Batch, model: Model) -> bool:
    """Reached from a job, schedule, worker or command, and from no request; or from nowhere that is known, but it logs and raises."""
    exposure = model.exposure(batch.function)
    if not exposure.entries:
        return batch.handler is not None
    kinds = {reached.entry.kind for reached in exposure.entries}
    return bool(kinds & set(_BATCHES)) and exposure.worst is not None and exposure.worst.kind in _BATCHES


def is_retried_whole(batch: Batch, model: Model) -> bool:
    """The framework runs the whole again: the rest is done then, as far as the bad item lets it."""
    exposure = model.exposure(batch.function)
    return bool(exposure.entries) and all(model.retries.entry_repeats(r.entry) for r in exposure.entries)


def _report(batch: Batch, model: Model) -> Finding:
    function = batch.function
    exposure = model.exposure(function)
    entry = exposure.worst
    call, inner = say.call(batch.site, model), say.call(batch.effect.site, model)
    through = "" if batch.effect.site is batch.site else f", which reaches `{inner}`,"
    raised = (
        f" The handler on line {batch.handler.line} hears of it and raises again." if batch.handler is not None else ""
    )
    at = model.place(batch.site) if batch.handler is None else model.place_of_region(function, batch.handler.region)
    people = bool(_PEOPLE.search(f"{batch.item} {batch.items}"))
    quiet = exposure.only_commands or not exposure.entries
    return finding(
        RULE,
        at,
        Severity.LOW if quiet else Severity.HIGH if people else Severity.MEDIUM,
        title=f"the first `{batch.item}` for which `{call}` fails ends the loop over `{batch.items}`",
        issue=f"`{function.qualname}()` calls `{call}`{through} for each `{batch.item}`; a failure leaves the loop.{raised}",
        impact=f"One `{batch.item}` that always fails keeps {say.entry(entry)} from reaching all that come after it, run after run.",
        fix=advise.isolate(model, batch.site),
        related=[model.place(batch.site, "fails for one item")] if batch.handler is not None else [],
        steps=model.steps(entry, function, batch.site),
        confidence=Confidence.weakest(
            model.confidence_of(batch.effect), Confidence.HIGH if exposure.entries else Confidence.MEDIUM
        ),
        subject=f"{batch.item} {call}",
        weight=impact_weight(exposure, [batch.effect]),
    )
