"""A row is committed in a waiting state, and only a message that is sent afterwards moves it on.

## Why it fails in production
The commit and the message are two writes. When the process is killed or the broker is away between them, the row stays `pending` for
good: no worker hears of it, the client was told that the work is queued, and nothing looks for such rows.

## What is reported
A row that is created or set to a state of waiting (`queued`, `pending`, `scheduled` …) and committed, then handed to a queue, topic or
durable engine by its key, in the function that writes it, through a helper or from an on-commit hook. It is regular where the receiver is
known and sets that state, an entry that tells success sends it, and nothing that comes round by itself looks at such rows; else pedantic.

## What is not reported
Rows that a schedule, an endless loop or a start-up looks up by anything but their key. Jobs that such a sweep enqueues as well. Queues that are
tables of the same database. Messages that do not carry the row. Open transactions are the business of enqueue-inside-transaction.

## Bad
```python
from celery import shared_task
from django.db import models
from rest_framework.decorators import api_view
from rest_framework.response import Response

class Export(models.Model):
    status = models.CharField(max_length=20)

@shared_task
def run_export(export_id):
    Export.objects.filter(pk=export_id).update(status="done")

@api_view(["POST"])
def start(request):
    export = Export.objects.create(status="queued")
    run_export.delay(export.pk)  # finding: publish-after-commit-without-outbox
    return Response({"id": export.pk}, status=202)
```

## Good
```python
# file: exports.py
from celery import shared_task
from django.db import models
from rest_framework.decorators import api_view
from rest_framework.response import Response

class Export(models.Model):
    status = models.CharField(max_length=20)
    created = models.DateTimeField(auto_now_add=True)

@shared_task
def run_export(export_id):
    Export.objects.filter(pk=export_id, status="queued").update(status="done")

@api_view(["POST"])
def start(request):
    export = Export.objects.create(status="queued")
    run_export.delay(export.pk)
    return Response({"id": export.pk}, status=202)

# file: sweep.py
from celery import shared_task
from exports import Export, run_export

@shared_task
def send_again():
    for export in Export.objects.filter(status="queued"):
        run_export.delay(export.pk)
```
"""

from roadworthy.rules.api import (
    Audience,
    Confidence,
    Finding,
    Handover,
    Handovers,
    Iterator,
    Model,
    Rule,
    Severity,
    Transactions,
    answered,
    comes_again,
    finding,
    impact_weight,
    is_telemetry,
    say,
)

RULE = Rule(id="publish-after-commit-without-outbox", anti_pattern="dual-write", doc=__doc__)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Look at each row that waits for a message; several that wait for one call are one finding."""
    handovers = Handovers(model, Transactions(model))
    seen: set[object] = set()
    for handover in handovers.all():
        if handover.site in seen or handovers.is_swept(handover) or is_telemetry(handover.owner):
            continue
        seen.add(handover.site)
        yield _report(handover, model)


def is_certain(handover: Handover, model: Model) -> bool:
    """An entry that is not run again after a crash tells success, and only the receiver of this message is seen to move the row on."""
    told = answered(model, handover.function)
    return handover.moved is not None and any(not comes_again(model, entry) for entry in told)


def _report(handover: Handover, model: Model) -> Finding:
    site, table = handover.site, handover.owner
    exposure = model.exposure(handover.function)
    call = say.call(site, model) if handover.sent.site is site else say.call(handover.sent.site, model)
    certain = is_certain(handover, model)
    write = handover.write.site
    row = f"`{table}` with `{handover.column} = {handover.state}`"
    related = [model.place(write, "the row is written")]
    if handover.sent.site is not site:
        related.append(model.place(handover.sent.site, handover.sent.effect.word.meaning))
    when = "when that has committed" if handover.deferred else "after the commit"
    return finding(
        RULE,
        model.place(site),
        Severity.MEDIUM if certain else Severity.LOW,
        title=say.fit(
            f"`{table}` waits as {handover.state} for `{call}`, and nothing sends that again",
            f"`{table}` rows wait for one message, and nothing sends that again",
        ),
        issue=(
            f"Line {write.line} stores {row}, and `{call}` {say.does(handover.sent.effect)} {when}: two writes that no transaction joins. "
            f"{_mover(handover)}No schedule, loop or start-up looks for rows that were left."
        ),
        impact=(
            f"When the process is killed (a deploy, out of memory) or the broker refuses the message between the two, that `{table}` stays "
            f"{handover.state} for ever, and whoever asked for it at {say.entry(exposure.worst, handover.function)} waits in vain."
        ),
        fix=(
            f"Add a scheduled sweep that takes `{table}` rows which are still {handover.state} after a few minutes and sends their message again; the "
            "receiver must skip rows that have moved on. Or write the message as a row of the same transaction (an outbox) and let a relay send it."
        ),
        related=related,
        steps=model.steps(exposure.worst, handover.function, site),
        confidence=Confidence.weakest(model.confidence_of(handover.sent), Confidence.MEDIUM),
        subject=f"{table}.{handover.column}",
        audience=Audience.REGULAR if certain else Audience.PEDANTIC,
        weight=impact_weight(exposure, [handover.sent]),
    )


def _mover(handover: Handover) -> str:
    if handover.moved is None:
        return ""
    path, line = handover.moved
    return f"Only `{handover.receivers[0].qualname}()`, which that message runs, moves the row on ({path}:{line}). "
