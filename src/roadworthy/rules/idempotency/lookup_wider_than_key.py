"""A row is found or created by more than its unique key, so a changed value is refused instead of stored.

## Why it fails in production
`get_or_create` looks for all the columns that it is given. Where the unique key is over some of them only, a row of that key with another value in
the rest is not found, the insert that follows meets the key, and the database refuses it. It happens the first time the value differs: a status
that went on, a payload with another time stamp, an address that was corrected; and then again in each repetition.

## What is reported
`get_or_create` and `update_or_create` whose lookup holds a whole unique key and further columns with data of their own.

## What is not reported
Lookups by a key or a part of it. Further columns that are foreign keys, or whose value is a literal or made from the key's own: they do not change for one key.
Keys that are literals, partial keys, calls that only commands and start-up make. A conflict that is caught by its name, or by a handler that goes back to the
database, and a call behind a check of what is stored.

## Bad
```python
# file: shop/models.py
from django.db import models

class Event(models.Model):
    event_id = models.CharField(max_length=50, unique=True)
    state = models.CharField(max_length=10)

# file: shop/hooks.py
from django.http import HttpResponse
from django.urls import path
from shop.models import Event

def webhook(request):
    Event.objects.get_or_create(event_id=request.POST["id"], state=request.POST["state"])  # finding: lookup-wider-than-key
    return HttpResponse()

urlpatterns = [path("webhook", webhook)]
```

## Good
```python
# file: shop/models.py
from django.db import models

class Event(models.Model):
    event_id = models.CharField(max_length=50, unique=True)
    state = models.CharField(max_length=10)

# file: shop/hooks.py
from django.http import HttpResponse
from django.urls import path
from shop.models import Event

def webhook(request):
    Event.objects.update_or_create(event_id=request.POST["id"], defaults={"state": request.POST["state"]})
    return HttpResponse()

urlpatterns = [path("webhook", webhook)]
```
"""

import re
from dataclasses import replace

from roadworthy.rules.api import (
    UPSERT,
    Access,
    Column,
    Confidence,
    Finding,
    Iterator,
    Match,
    Model,
    Rule,
    Severity,
    Table,
    Through,
    UniqueKey,
    advise_database,
    doer,
    expr,
    finding,
    impact_weight,
    is_constant,
    say,
)

RULE = Rule(id="lookup-wider-than-key", anti_pattern="insert-not-upsert", doc=__doc__)

_FINDS_OR_CREATES = re.compile(r"^a?(get|update)_or_create$")


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Compare each lookup that creates with the keys of its table."""
    for access in model.accesses.all(UPSERT):
        table = access.table
        if (
            table is None
            or not model.is_reviewed(access.site.path)
            or not _FINDS_OR_CREATES.match(access.method)
            or not access.looks_for_one
        ):
            continue
        key = narrower_key(access, table)
        more = () if key is None else tuple(m for m in access.lookup if is_data(m, key, access, table))
        if key is not None and any(not is_mark(m, model) for m in more) and is_open(access, model):
            yield _report(access, table, key, more, model)


def narrower_key(access: Access, table: Table) -> UniqueKey | None:
    """A unique key that is a part of the lookup, when the lookup has more than that and no key of its own."""
    asked = frozenset(_name(match, table) for match in access.lookup)
    empty = frozenset(_name(match, table) for match in access.lookup if match.op == "null")
    found = [
        k for k in table.keys if k.in_force and not k.partial and set(k.columns) < asked and not empty & set(k.columns)
    ]
    varied = [key for key in found if any(not is_literal(_value(access, table, c)) for c in key.columns)]
    return min(varied, key=lambda key: len(key.columns), default=None)


def is_owner(column: Column, table: Table) -> bool:
    """The half of a generic foreign key that is no key to the database: `owner_object_id` beside `owner_content_type`."""
    if not column.name.endswith("object_id"):
        return False
    kind = table.column(column.name.removesuffix("object_id") + "content_type_id") or table.column(
        column.name.removesuffix("object_id") + "content_type"
    )
    return kind is not None and bool(kind.target)


def is_data(match: Match, key: UniqueKey, access: Access, table: Table) -> bool:
    """A value of its own, which may be another one the next time for the same key."""
    column = table.column(match.column)
    if (
        column is None
        or column.target
        or is_owner(column, table)
        or column.name in key.columns
        or any(column.name in k.columns for k in table.keys)
    ):
        return False
    text = advise_database.value_text(match)
    keys = [advise_database.value_text(m) for m in access.lookup if _name(m, table) in key.columns]
    return not any(part in text for part in keys)


def is_literal(value: expr.Expr | None) -> bool:
    """A mark of what is meant by the row (`local=False`) does not change from one call to the next."""
    return isinstance(value, expr.Str | expr.Const)


def is_mark(match: Match, model: Model) -> bool:
    """A constant under a name (`kind=COURSE_RUN`) says what sort of row the key names."""
    return is_literal(match.value) or is_constant(model, match)


def is_open(access: Access, model: Model) -> bool:
    """It is served, nothing asks before, and nobody expects the refusal."""
    exposure = model.exposure(access.function)
    return not (
        (exposure.entries and not exposure.serves)
        or model.protection.is_set_up(access.function)
        or model.protection.gated(access.site)
        or model.protection.conflict_handled(access.function, Through(access, access.site), by_name=True)
    )


def _name(match: Match, table: Table) -> str:
    column = table.column(match.column)
    return column.name if column is not None else ""


def _attribute(match: Match, table: Table) -> str:
    column = table.column(match.column)
    return column.attribute if column is not None else match.column


def _value(access: Access, table: Table, name: str) -> expr.Expr | None:
    return next((match.value for match in access.lookup if _name(match, table) == name), None)


def _defaults(access: Access, table: Table, key: UniqueKey) -> str:
    """What is not the key, as the items of `defaults`, in front of those that are there."""
    rest = [m for m in access.lookup if _name(m, table) not in key.columns]
    items = [f'"{_attribute(m, table)}": {advise_database.value_text(m)}' for m in rest]
    there = next((value for keyword, value in access.site.fact.kwargs if keyword == "defaults"), None)
    if isinstance(there, expr.Dict):
        items.append(say.code(there, access.function)[1:-1])
    elif there is not None:
        items.append(f"**{say.code(there, access.function)}")
    return ", ".join(item for item in items if item)


def _outcome(access: Access, model: Model) -> str:
    """A handler for every error hides what is refused; else the run fails."""
    if model.protection.conflict_handled(access.function, Through(access, access.site)):
        return "the handler around it takes that for any failure"
    return f"{doer(model, access.function)} fails then and in each repetition"


def _report(access: Access, table: Table, key: UniqueKey, more: tuple[Match, ...], model: Model) -> Finding:
    owner = table.model.name if table.model is not None else table.name
    names = [column.attribute for name in key.columns if (column := table.column(name)) is not None]
    unique = f"`{names[0]}`" if len(names) == 1 else f"`({', '.join(names)})`"
    rest = say.joined([f"`{_attribute(match, table)}`" for match in more], 3)
    exposure = model.exposure(access.function)
    call = say.call(access.site, model)
    given = [m for m in access.lookup if _name(m, table) in key.columns]
    looked = ", ".join(f"{_attribute(m, table)}={advise_database.value_text(m)}" for m in given)
    code = f"{call.removesuffix('()')}({looked}, defaults={{{_defaults(access, table, key)}}})"
    keep = (
        ""
        if access.method.endswith("update_or_create")
        else " The row that is there is then found and kept as it is; where the new value shall win, `update_or_create()` takes the same arguments."
    )
    return finding(
        RULE,
        model.place(access.site),
        Severity.MEDIUM,
        title=say.fit(
            f"`{access.method}()` looks `{owner}` up by {rest} besides its unique key {unique}",
            f"`{access.method}()` looks `{owner}` up by more than its unique key {unique}",
            f"`{access.method}()` looks `{owner}` up by more than its unique key",
        ),
        issue=f"`{call}` asks for one `{owner}` with this {unique} and also this {rest}; `{table.name}` is unique over {unique} alone.",
        impact=(
            f"When one `{owner}` of this {unique} is stored with another {rest}, it is not found, and the insert is refused by the key: "
            f"{_outcome(access, model)}, and the new value is not stored."
        ),
        fix=f"Look up by the key alone, and give the rest as defaults.{keep}\n```python\n{code}\n```",
        related=[
            replace(place, note="its unique key is narrower") if place.note.startswith("no unique key") else place
            for place in model.protection.places_of(table, key.columns)
        ],
        steps=model.steps(exposure.worst, access.function, access.site),
        confidence=Confidence.weakest(
            access.effect.confidence, Confidence.HIGH if exposure.entries else Confidence.MEDIUM
        ),
        subject=f"{table.name}:{','.join(sorted(access.keys))}",
        weight=impact_weight(exposure, [access.effect]),
    )
