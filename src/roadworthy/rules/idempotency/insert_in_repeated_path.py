"""What comes again is inserted again.

## Why it fails in production
Senders of webhooks, brokers and engines deliver at least once: after a time-out, a deploy or a worker's death the same event comes a second
time. Where its row is inserted without a key that tells the second from the first, there are two payments, two complaints, two documents.

## What is reported
An insert in a webhook handler, a consumer, an activity or a job that is retried, whose row carries an id of the sender (`event_id`,
`external_id`, `reference`) over which the table has no unique key. SQL text that inserts into a table of which the project says nothing,
where it has no conflict clause and the error of a second row is not caught. Vectors that are added without ids where the work runs again, and
vectors that are added under ids that may exist, so that a second run leaves the old ones as they were.

## What is not reported
Upserts, and inserts whose columns hold a unique key or a primary key from outside. Inserts behind a branch on what is stored: an existence
check, a state of a row, a claim in a cache. Rows of logs and histories. Inserts after a delete of the same rows.

## Bad
```python
# file: shop/models.py
from django.db import models

class Payment(models.Model):
    provider_id = models.CharField(max_length=50)
    amount = models.IntegerField()

# file: shop/hooks.py
import json
from django.http import HttpResponse
from django.urls import path
from shop.models import Payment

def payment_webhook(request):
    event = json.loads(request.body)
    Payment.objects.create(provider_id=event["id"], amount=event["amount"])  # finding: insert-in-repeated-path
    return HttpResponse()

urlpatterns = [path("webhooks/payment", payment_webhook)]
```

## Good
```python
# file: shop/models.py
from django.db import models

class Payment(models.Model):
    provider_id = models.CharField(max_length=50, unique=True)
    amount = models.IntegerField()

# file: shop/hooks.py
import json
from django.http import HttpResponse
from django.urls import path
from shop.models import Payment

def payment_webhook(request):
    event = json.loads(request.body)
    Payment.objects.get_or_create(provider_id=event["id"], defaults={"amount": event["amount"]})
    return HttpResponse()

urlpatterns = [path("webhooks/payment", payment_webhook)]
```
"""

import re

from roadworthy.rules.api import (
    INSERT,
    Access,
    Confidence,
    Effect,
    EffectAt,
    Entry,
    EntryKind,
    Finding,
    GuardKind,
    Iterator,
    Model,
    Origin,
    Rule,
    Severity,
    Through,
    advise_database,
    argument,
    comes_with_the_event,
    entries_again,
    finding,
    flow,
    ids_of_unknown_table,
    impact_weight,
    is_gated,
    is_meant_to_append,
    is_one_of_many,
    outside_ids,
    runs_over_again,
    say,
)

RULE = Rule(id="insert-in-repeated-path", anti_pattern="insert-not-upsert", doc=__doc__)

_CONVERGES = re.compile(r"get_or_create|update_or_create|create_or|upsert|ensure|merge|sync", re.IGNORECASE)
_REPEATED = frozenset({
    EntryKind.WEBHOOK_HANDLER, EntryKind.QUEUE_CONSUMER, EntryKind.LAMBDA_HANDLER, EntryKind.DURABLE_ACTIVITY, EntryKind.JOB,
})  # fmt: skip


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Ask each insert whether its row can come again, and what would tell."""
    for access in model.accesses.all(INSERT):
        if not model.is_reviewed(access.site.path) or is_meant_to_append(access) or converges(access, model):
            continue
        ids_of = outside_ids if access.table is not None else ids_of_unknown_table
        ids = tuple(name for name in ids_of(model, access) if not is_one_of_many(access, name))
        entries = [entry for entry in entries_again(model, access.function) if entry.kind in _REPEATED] if ids else []
        open_entries = [
            e for e in entries if comes_with_the_event(model, e, access, ids[0]) and not is_gated(model, e, access)
        ]
        if open_entries:
            report = _report if access.table is not None else _report_unknown
            yield report(access, ids, open_entries[0], model)
    for effect in model.effects_of(Effect.VECTOR_INSERT):
        yield from _vectors(effect, model)


def converges(access: Access, model: Model) -> bool:
    """A unique key over what the insert fills, a check before it, or a function that is named for it."""
    table = access.table
    if _CONVERGES.search(access.function.name):
        return True
    if table is None:
        through = Through(access, access.site)
        return _is_checked(access, model) or model.protection.conflict_handled(access.function, through)
    if not table.complete or model.protection.gives_primary_key(table, access):
        return True
    if any(
        key.in_force
        and key.kind != "primary"
        and set(key.columns) <= access.columns
        and _stable(access, key.columns, model)
        for key in table.keys
    ):
        return True
    return _is_checked(access, model)


def _is_checked(access: Access, model: Model) -> bool:
    return model.coverage(access.site, lambda guard: guard.kind is GuardKind.DEDUP).somewhere


def _stable(access: Access, columns: tuple[str, ...], model: Model) -> bool:
    return all(model.protection.is_stable(access, name) for name in columns)


def _report(access: Access, ids: tuple[str, ...], entry: Entry, model: Model) -> Finding:
    table = access.table
    assert table is not None
    owner = table.model.name if table.model is not None else table.name
    names = [column.attribute for name in ids if (column := table.column(name)) is not None]
    key = f"`{names[0]}`" if len(names) == 1 else f"`({', '.join(names)})`"
    exposure = model.exposure(access.function)
    fix = advise_database.unique_key(model, table, ids[:1])
    return finding(
        RULE,
        model.place(access.site),
        Severity.HIGH if entry.kind is not EntryKind.JOB or entry.repeats else Severity.MEDIUM,
        title=f"`{owner}` is inserted again when its event comes again: nothing is unique over {key}",
        issue=f"{say.entry(entry)[:1].upper()}{say.entry(entry)[1:]} inserts a `{owner}` with the sender's {key}, and `{table.name}` has no unique key over it.",
        impact=f"{say.again(entry)}: then there are two `{owner}` rows for one {key}, and whatever counts or pays by them does so twice.",
        fix=f"{fix}\n\n{advise_database.insert_or_find(model, table, ids[:1], access.function, access)}",
        related=model.protection.places_of(table, ids),
        steps=model.steps(entry, access.function, access.site),
        confidence=Confidence.weakest(
            model.confidence_of(access.effect, exposure), Confidence.HIGH if access.filled else Confidence.MEDIUM
        ),
        subject=f"{table.name}:{','.join(ids)}",
        weight=impact_weight(exposure, [access.effect]),
    )


def _report_unknown(access: Access, ids: tuple[str, ...], entry: Entry, model: Model) -> Finding:
    """Whatever keys the table has: a second row, or an error that nobody expects."""
    who, key = say.entry(entry), f"`{ids[0]}`"
    exposure = model.exposure(access.function)
    return finding(
        RULE,
        model.place(access.site),
        Severity.MEDIUM,
        title=f"a row of `{access.into}` is inserted again when its event comes again",
        issue=f"{who[:1].upper()}{who[1:]} inserts a row of `{access.into}` with the sender's {key}: the statement has no conflict clause, and nobody looks for the row first.",
        impact=f"{say.again(entry)}: without a unique key over {key} there are two rows, and with one the insert raises each time that the event is tried again.",
        fix=f"Keep {key} unique, and end the statement with `ON CONFLICT ({ids[0]}) DO NOTHING` (MySQL: `INSERT IGNORE` or `ON DUPLICATE KEY UPDATE`).",
        steps=model.steps(entry, access.function, access.site),
        confidence=Confidence.weakest(model.confidence_of(access.effect, exposure), Confidence.MEDIUM),
        subject=f"{access.into}:{','.join(ids)}",
        weight=impact_weight(exposure, [access.effect]),
    )


# --- vectors ----------------------------------------------------------------------------------------------------------


def _vectors(effect: EffectAt, model: Model) -> Iterator[Finding]:
    site = effect.site
    given = next((found for place in effect.row.identity if (found := argument(site.fact, place)) is not None), None)
    if given is not None:
        if not any(is_made_here(origin, effect) for origin in model.origin(given, site.function, site.fact.order)):
            yield _vector_finding(effect, given_ids=flow.text_of(given, site.function.scope), model=model)
        return
    keyed = effect.row.key is not None and argument(site.fact, effect.row.key) is not None
    entries = [r.entry for r in model.exposure(site.function).entries if r.entry.repeats or runs_over_again(r.entry)]
    if entries and not keyed and effect.row.identity and not model.protection.gated(site):
        yield _vector_finding(effect, given_ids="", model=model)


def is_made_here(origin: Origin, effect: EffectAt) -> bool:
    """An id that is minted for this very write names nothing that could be there already."""
    return origin.kind in {"random", "clock"} and origin.site is not None and origin.site.function is effect.function


def _vector_finding(effect: EffectAt, *, given_ids: str, model: Model) -> Finding:
    site = effect.site
    exposure = model.exposure(effect.function)
    entry = exposure.worst
    call = say.call(site, model)
    if given_ids:
        title = f"`{call}` keeps what is stored under an id already, so a second run does not converge"
        issue = f"`{call}` is given ids (`{given_ids}`), but it only adds: what exists under one of them is left as it was or refused."
        impact = f"When {say.entry(entry)} stores a changed document again, the old text and vector stay and are found by every search from then on."
        fix = f"Write by id: `{call.removesuffix('()').rpartition('.')[0]}.upsert(…)` with the same arguments replaces what is there."
    else:
        title = f"`{call}` adds the same vectors again each time the work runs"
        issue = f"`{call}` is given no ids, so the store makes up new ones."
        impact = f"{say.again(entry) if entry else 'It is run again over the same data'}: every document is then stored twice and found twice."
        fix = "Pass ids that are the same each time (the document's id and the number of the chunk), and write by id."
    return finding(
        RULE,
        model.place(site),
        Severity.MEDIUM,
        title=title,
        issue=issue,
        impact=impact,
        fix=fix,
        steps=model.steps(entry, effect.function, site),
        confidence=Confidence.weakest(
            model.confidence_of(effect, exposure), Confidence.MEDIUM if not exposure.entries else Confidence.HIGH
        ),
        subject=effect.name,
        weight=impact_weight(exposure, [effect]),
    )
