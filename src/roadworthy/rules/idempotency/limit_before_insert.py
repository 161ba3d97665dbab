"""Rows are counted against a limit, and one more is inserted, with nothing that makes the two steps one.

## Why it fails in production
Two requests at once both count nine of ten seats, and both take one. No unique key stops the eleventh row: a coupon is redeemed more often
than it was paid for, an event has more guests than chairs.

## What is reported
A count of the rows that belong to something, compared with a limit that a row holds (`coupon.limit`, `event.capacity`), and the insert of one more
such row where there was room. In one function, or with helpers that count and insert. HIGH where several runs at once are ordinary.

## What is not reported
Counts under a lock or with the row that holds the limit read for update. Limits that are constants or settings, and what one user may have: one too
many harms nobody. Counts that are only told. Commands, start-up.

## Bad
```python
# file: shop/models.py
from django.db import models

class Coupon(models.Model):
    limit = models.IntegerField(default=1)

class Redemption(models.Model):
    coupon = models.ForeignKey(Coupon, on_delete=models.CASCADE)

# file: shop/views.py
from django.http import HttpResponse
from django.urls import path
from shop.models import Coupon, Redemption

def redeem(request, pk):
    coupon = Coupon.objects.get(pk=pk)
    if Redemption.objects.filter(coupon=coupon).count() >= coupon.limit:
        return HttpResponse(status=409)
    Redemption.objects.create(coupon=coupon)  # finding: limit-before-insert
    return HttpResponse(status=201)

urlpatterns = [path("redeem/<int:pk>", redeem)]
```

## Good
```python
# file: shop/models.py
from django.db import models

class Coupon(models.Model):
    limit = models.IntegerField(default=1)

class Redemption(models.Model):
    coupon = models.ForeignKey(Coupon, on_delete=models.CASCADE)

# file: shop/views.py
from django.db import transaction
from django.http import HttpResponse
from django.urls import path
from shop.models import Coupon, Redemption

@transaction.atomic
def redeem(request, pk):
    coupon = Coupon.objects.select_for_update().get(pk=pk)
    if Redemption.objects.filter(coupon=coupon).count() >= coupon.limit:
        return HttpResponse(status=409)
    Redemption.objects.create(coupon=coupon)
    return HttpResponse(status=201)

urlpatterns = [path("redeem/<int:pk>", redeem)]
```
"""

import re

from roadworthy.rules.api import (
    Confidence,
    EntryKind,
    Exposure,
    Finding,
    Iterator,
    Limit,
    Model,
    Rule,
    Severity,
    finding,
    impact_weight,
    is_called_by_nobody,
    is_off_from,
    limits,
    meets_itself,
    say,
)

RULE = Rule(id="limit-before-insert", anti_pattern="check-then-act", doc=__doc__)

_ALONE = (EntryKind.SCHEDULED, EntryKind.WORKER_LOOP)
_BY_HAND = (EntryKind.COMMAND, EntryKind.STARTUP, EntryKind.IMPORT_TIME, EntryKind.SHUTDOWN)
_PERSON = re.compile(r"^_?(\w+_)?(user|owner|author|creator|created_by|requested_by|profile|me)(_id|_pk)?$")


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """One finding for each count of a function."""
    for function in model.functions:
        for limit in limits(model, function):
            if not (is_of_one_person(limit) or is_alone(limit, model) or is_off_from(model, limit.write)):
                yield _report(limit, model)


def is_of_one_person(limit: Limit) -> bool:
    """What one user may have: it takes two requests of the same user, who gains little."""
    return any(_PERSON.match(key) for key in limit.keys)


def is_alone(limit: Limit, model: Model) -> bool:
    """A lock is held, one person runs it, or no two runs count the same rows."""
    exposure = model.exposure(limit.function)
    if (exposure.entries and not exposure.serves) or model.protection.is_set_up(limit.function):
        return True
    lookup = limit.read.access.lookup
    held = model.protection.lock_held(limit.write.site, limit.table, limit.keys, lookup)
    return held or meets_itself(model, limit.function, lookup) is None


def _report(limit: Limit, model: Model) -> Finding:
    exposure = model.exposure(limit.function)
    when = say.at_once(exposure.worst, limit.function)
    row = limit.limit.rpartition(".")[0]
    return finding(
        RULE,
        model.place(limit.write.site),
        _severity(limit, exposure, model),
        title=say.fit(
            f"`{limit.rows}` rows are counted against `{limit.limit}`, and one more is inserted in a second step",
            f"`{limit.rows}` rows are counted against a limit, and one more is inserted in a second step",
        ),
        issue=f"Line {limit.read.site.line} counts the `{limit.rows}` rows, `{limit.limit}` decides, and line {limit.write.site.line} inserts one more; by then others may have come.",
        impact=f"When {when}, both find room for the last one and both insert: there are more `{limit.rows}` than `{limit.limit}` allows.",
        fix=(
            f"Read `{row}` for update (`select_for_update()`, `with_for_update()`) in the transaction that counts and inserts, so that the second waits for the "
            f"first; or keep the number in a column beside `{limit.limit}` and raise it by an update with the limit in its condition, which tells whether it found the row."
        ),
        related=[model.place(limit.read.site, "counts the rows")],
        steps=model.steps(exposure.worst, limit.function, limit.write.site),
        confidence=Confidence.HIGH if exposure.entries else Confidence.MEDIUM,
        subject=f"{limit.table.name}:{','.join(limit.keys)}",
        weight=impact_weight(exposure, [limit.write.access.effect]),
    )


def _severity(limit: Limit, exposure: Exposure, model: Model) -> Severity:
    if any(r.entry.serves_others and r.entry.kind not in (*_ALONE, *_BY_HAND) for r in exposure.entries):
        return Severity.HIGH
    return Severity.LOW if is_called_by_nobody(model, limit.function) else Severity.MEDIUM
