"""An event that comes again meets a unique key, and the work behind the insert is never done.

## Why it fails in production
A unique key keeps the second delivery of an event from making a second row, and that is good. But the insert raises, and nobody expects it: what
stands behind it does not run. When the first delivery stored the row and died before its answer, its message or its request went out, no
repetition ever catches up, and the sender sees an error each time until it gives up or switches the webhook off.

## What is reported
An insert in a webhook handler or a consumer, whose row carries an id of the sender and fills a unique key, with no look for the row before it and no
handler of the conflict, and with work behind it that reaches beyond the database, or more rows of the same delivery. A primary key that
the sender gives counts as well.

## What is not reported
Inserts after which nothing else is to be done: the refusal is all that is needed. Rows that one transaction stores all or none. Upserts, checks before the insert, conflicts that are caught. Keys
that are filled with chance or the clock. Requests of people and jobs, which are not sent again until they succeed.

## Bad
```python
# file: shop/models.py
from django.db import models

class Payment(models.Model):
    provider_id = models.CharField(max_length=50, unique=True)

# file: shop/hooks.py
import json
import requests
from django.http import HttpResponse
from django.urls import path
from shop.models import Payment

def payment_webhook(request):
    event = json.loads(request.body)
    Payment.objects.create(provider_id=event["id"])  # finding: redelivery-meets-unique-key
    requests.post("https://stock.example/ship", json=event, timeout=5)
    return HttpResponse()

urlpatterns = [path("webhooks/payment", payment_webhook)]
```

## Good
```python
# file: shop/models.py
from django.db import models

class Payment(models.Model):
    provider_id = models.CharField(max_length=50, unique=True)

# file: shop/hooks.py
import json
import requests
from django.http import HttpResponse
from django.urls import path
from shop.models import Payment

def payment_webhook(request):
    event = json.loads(request.body)
    payment, _ = Payment.objects.get_or_create(provider_id=event["id"])
    requests.put(f"https://stock.example/shipments/{payment.provider_id}", json=event, timeout=5)
    return HttpResponse()

urlpatterns = [path("webhooks/payment", payment_webhook)]
```
"""

from roadworthy.rules.api import (
    INSERT,
    Access,
    Confidence,
    Entry,
    EntryKind,
    Finding,
    GuardKind,
    Iterator,
    Model,
    Rule,
    Severity,
    Through,
    Transactions,
    UniqueKey,
    advise_database,
    comes_with_the_event,
    entries_again,
    finding,
    goes_on_after,
    impact_weight,
    is_gated,
    key_from_outside,
    outside_ids,
    say,
)

RULE = Rule(id="redelivery-meets-unique-key", anti_pattern="insert-not-upsert", doc=__doc__)

_SENT_UNTIL_DONE = frozenset({EntryKind.WEBHOOK_HANDLER, EntryKind.QUEUE_CONSUMER})


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Ask each insert of an event what a second delivery finds."""
    for access in model.accesses.all(INSERT):
        if access.table is None or not model.is_reviewed(access.site.path) or is_expected(access, model):
            continue
        key, ids = met_key(access, model)
        if key is None or not ids:
            continue
        for entry in entries_again(model, access.function):
            if (
                entry.kind in _SENT_UNTIL_DONE
                and comes_with_the_event(model, entry, access, ids[0])
                and not is_gated(model, entry, access)
                and has_more_to_do(entry, access, model)
            ):
                yield _report(access, key, entry, model)
                break


def is_expected(access: Access, model: Model) -> bool:
    """A look for the row covers the insert, or the conflict is caught."""
    checked = model.coverage(access.site, lambda guard: guard.kind is GuardKind.DEDUP).somewhere
    return checked or model.protection.conflict_handled(access.function, Through(access, access.site))


def met_key(access: Access, model: Model) -> tuple[UniqueKey | None, tuple[str, ...]]:
    """The key that refuses the second delivery, and the columns that hold what the sender gives."""
    key = filled_key(access, model)
    if key is not None:
        return key, outside_ids(model, access)
    given = key_from_outside(model, access)
    keys = access.table.keys if access.table is not None else ()
    return next((k for k in keys if k.in_force and given and k.columns == given), None), given


def filled_key(access: Access, model: Model) -> UniqueKey | None:
    """A unique key that the insert fills with what a repetition fills in again."""
    keys = access.table.keys if access.table is not None else ()
    filled = (
        k for k in keys if k.in_force and k.kind != "primary" and not k.partial and set(k.columns) <= access.columns
    )
    return next((k for k in filled if all(model.protection.is_stable(access, name) for name in k.columns)), None)


def has_more_to_do(entry: Entry, access: Access, model: Model) -> bool:
    """Does work beyond the database stand behind the insert, or the rest of a delivery of which each row is stored by itself?"""
    sites = [*(edge.site for edge in model.entries.path(entry, access.function)), access.site]
    alone = not any(Transactions(model).around(site) for site in sites)
    return goes_on_after(model, sites, for_long=True, in_loops=alone)


def _report(access: Access, key: UniqueKey, entry: Entry, model: Model) -> Finding:
    table = access.table
    assert table is not None
    owner = table.model.name if table.model is not None else table.name
    names = [column.attribute for name in key.columns if (column := table.column(name)) is not None]
    unique = f"`{names[0]}`" if len(names) == 1 else f"`({', '.join(names)})`"
    exposure = model.exposure(access.function)
    return finding(
        RULE,
        model.place(access.site),
        Severity.MEDIUM,
        title=say.fit(
            f"a `{owner}` whose event comes again is refused by its unique key {unique}, and the rest is left out",
            f"a `{owner}` whose event comes again is refused by its unique key, and the rest is left out",
        ),
        issue=(
            f"`{access.function.qualname}()` inserts a `{owner}` for each event; it neither looks for one of the same {unique} nor handles "
            "the conflict, and has more to do after it."
        ),
        impact=(
            f"{say.again(entry)}: then the insert raises, what stands behind it does not run, also when the first run did not come to it, "
            f"and {say.entry(entry)} fails each time."
        ),
        fix=f"Take a row that is there for a success, and go on.\n\n{advise_database.insert_or_find(model, table, key.columns, access.function, access)}",
        related=model.protection.places_of(table, key.columns),
        steps=model.steps(entry, access.function, access.site),
        confidence=Confidence.weakest(
            model.confidence_of(access.effect, exposure), Confidence.HIGH if access.filled else Confidence.MEDIUM
        ),
        subject=f"{table.name}:{','.join(key.columns)}",
        weight=impact_weight(exposure, [access.effect]),
    )
