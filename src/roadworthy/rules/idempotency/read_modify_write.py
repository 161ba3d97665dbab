"""A stored number is read, changed in Python and written back.

## Why it fails in production
Two requests at once read the same number, both add to it, and the second write hides the first: a count is too low, a balance too high,
an item is sold twice. A whole-row `save()` also writes back every other column as it was when the row was loaded.

## What is reported
A numeric column of a loaded row that is set from its own value (`row.stock -= n`, `row.total = row.total + n`) and then saved, or written at
the next commit; an `update()` with a value that was computed from a loaded row; a cache entry that is read, increased and set again.
A new row that is numbered on from the largest number there is (`Max("number") + 1`, `count() + 1`), here or by a helper, with no unique key over it: two requests give out one number.

## What is not reported
Expressions that the database evaluates (`F("stock") - n`, `Order.total + n`). Rows that were read for update here or in a caller, work under a
lock, tables with a version column. Rows that were made just now. Numbers of retries and versions, which one worker owns. Commands and start-up.

## Bad
```python
# file: shop/models.py
from django.db import models

class Item(models.Model):
    stock = models.IntegerField(default=0)

# file: shop/views.py
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path
from shop.models import Item

def buy(request, pk):
    item = get_object_or_404(Item, pk=pk)
    item.stock -= 1  # finding: read-modify-write
    item.save()
    return HttpResponse(status=201)

urlpatterns = [path("buy/<int:pk>", buy)]
```

## Good
```python
# file: shop/models.py
from django.db import models

class Item(models.Model):
    stock = models.IntegerField(default=0)

# file: shop/views.py
from django.db.models import F
from django.http import HttpResponse
from django.urls import path
from shop.models import Item

def buy(request, pk):
    sold = Item.objects.filter(pk=pk, stock__gte=1).update(stock=F("stock") - 1)
    return HttpResponse(status=201 if sold else 409)

urlpatterns = [path("buy/<int:pk>", buy)]
```
"""

import re

from roadworthy.rules.api import (
    Confidence,
    Exposure,
    Finding,
    Function,
    Iterator,
    Location,
    Model,
    Mutation,
    Numbering,
    Rule,
    Severity,
    advise_database,
    advise_keys,
    comes_at_once,
    finding,
    flow,
    impact_weight,
    made_by_run,
    meets_itself,
    numberings,
    say,
    written_at_once,
)

RULE = Rule(id="read-modify-write", anti_pattern="check-then-act", doc=__doc__)

_OWNED = re.compile(
    r"(^|_)(retr(y|ies)|attempts?|tries|version|revision|(failure|fail|error)s?_count|num(ber_of)?_(failures|errors)|iteration|step|position|order)(_|$)"
)
_RESETS = re.compile(r"(^|_)(reset|clear|zero|recalculate|recompute)")
_ACCEPTED = re.compile(
    r"race condition|racy|not atomic|lost update|best[- ]effort|approximate|inexact|(not|n't|need not) (have to |need to )?be (accurate|exact|precise)",
    re.IGNORECASE,
)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """One finding for each row of a function, whatever the number of its columns, and one for a method that several call."""
    shared: dict[Function, list[Mutation]] = {}
    for function in model.functions:
        rows: dict[tuple[str, str], list[Mutation]] = {}
        for mutation in model.mutations.of(function):
            if not (is_owned_by_one(mutation) or is_safe(mutation, model) or is_accepted(mutation, model)):
                rows.setdefault((mutation.owner, mutation.kind), []).append(mutation)
        for mutations in rows.values():
            via = mutations[0].via
            if via is None:
                yield _report(mutations, model)
            else:
                shared.setdefault(via, []).extend(mutations)
        for numbering in numberings(model, function):
            if not is_numbered_alone(numbering, model):
                yield _report_number(numbering, model)
    for mutations in shared.values():
        yield _report(sorted(mutations, key=lambda m: _severity([m], model).rank), model)


def is_owned_by_one(mutation: Mutation) -> bool:
    """A number that only the worker of the row changes; or one that was set to nothing before and is summed up anew."""
    if _OWNED.search(mutation.attribute):
        return True
    scope = mutation.function.scope
    return any(
        call.order < mutation.order and _RESETS.search(flow.text_of(call.func, scope).rpartition(".")[2])
        for call in scope.calls
    )


def is_safe(mutation: Mutation, model: Model) -> bool:
    """Locked, checked by a version, never run by two at once, or on a row that the run itself has made."""
    exposure = model.exposure(mutation.function)
    if (exposure.entries and not exposure.serves) or model.protection.is_set_up(mutation.function):
        return True
    if made_by_run(model, mutation.owner, mutation.function, mutation.order):
        return True
    versioned = mutation.table is not None and mutation.table.versioned
    return versioned or model.protection.rows_locked_at(mutation.function, mutation.order, mutation.table)


def is_numbered_alone(numbering: Numbering, model: Model) -> bool:
    """A key refuses the number a second time, a lock is held, or no two runs number the same rows."""
    function, table, lookup = numbering.function, numbering.table, numbering.lookup.lookup
    exposure = model.exposure(function)
    if (exposure.entries and not exposure.serves) or model.protection.is_set_up(function):
        return True
    if any(key.in_force and numbering.column.name in key.columns for key in table.keys) or not table.managed:
        return True
    site = numbering.write or numbering.read
    locked = model.protection.rows_locked_at(function, numbering.order, table)
    held = locked or model.protection.lock_held(site, table, numbering.lookup.keys, lookup)
    return held or meets_itself(model, function, lookup) is None


def is_accepted(mutation: Mutation, model: Model) -> bool:
    """A comment beside it says that the race is known."""
    return bool(
        _ACCEPTED.search(model.comments_near(mutation.function.path, mutation.line - 8, mutation.end_line + 10))
    )


def _report(mutations: list[Mutation], model: Model) -> Finding:
    first = mutations[0]
    exposure = model.exposure(first.function)
    return finding(
        RULE,
        model.place_of_lines(first.function, first.line, first.end_line),
        _severity(mutations, model),
        title=_title(mutations),
        issue=_issue(mutations),
        impact=_impact(mutations, exposure),
        fix=advise_database.in_one_statement(model, first, [m for m in mutations[1:] if m.function is first.function]),
        related=_related(mutations, model),
        steps=model.steps(exposure.worst, first.function, first.write),
        confidence=_confidence(first, exposure),
        subject=f"{_row(first)}.{first.attribute}",
        weight=impact_weight(exposure) + 20,
    )


def _report_number(numbering: Numbering, model: Model) -> Finding:
    """Two runs that read one number, and give the next one to two rows."""
    function, column = numbering.function, numbering.column
    owner = numbering.table.model.name if numbering.table.model is not None else numbering.table.name
    exposure = model.exposure(function)
    when = say.at_once(exposure.worst, function)
    return finding(
        RULE,
        model.place_of_lines(function, numbering.line, numbering.end_line),
        Severity.HIGH if comes_at_once(model, exposure.entries) else Severity.MEDIUM,
        title=f"`{column.attribute}` of a new `{owner}` is the last one that was read plus one, with no unique key over it",
        issue=f"Line {numbering.read.line} asks for the last `{column.attribute}`, and line {numbering.line} gives the next one to a new `{owner}`; nothing keeps two rows from having the same.",
        impact=f"When {when}, both read the same `{column.attribute}`, and two `{owner}` get one number.",
        fix=f"{advise_keys.unique_where_looked(model, numbering.table, (*numbering.lookup.keys, column.name), numbering.lookup.lookup)}\n\nWhoever comes second meets the key then: catch its `IntegrityError`, and number again.",
        related=[model.place(numbering.read, "asks for the last number")],
        steps=model.steps(exposure.worst, function, numbering.write or numbering.read),
        confidence=Confidence.HIGH if exposure.entries else Confidence.MEDIUM,
        subject=f"{owner}.{column.attribute}",
        weight=impact_weight(exposure) + 20,
    )


def _severity(mutations: list[Mutation], model: Model) -> Severity:
    return Severity.HIGH if mutations[0].kind != "cache" and written_at_once(model, mutations[0]) else Severity.MEDIUM


def _confidence(first: Mutation, exposure: Exposure) -> Confidence:
    reached = Confidence.HIGH if exposure.entries else Confidence.MEDIUM
    return Confidence.weakest(
        reached, Confidence.HIGH if first.typed and first.write is not None else Confidence.MEDIUM
    )


def _row(mutation: Mutation) -> str:
    return mutation.model.name if mutation.model is not None else mutation.owner


def _names(mutations: list[Mutation]) -> str:
    return say.joined([f"`{name}`" for name in dict.fromkeys(m.attribute for m in mutations)], 3)


def _title(mutations: list[Mutation]) -> str:
    first = mutations[0]
    if first.kind == "cache":
        return f"the cache entry `{first.owner}` is read, changed in Python and set again"
    verb = "is" if len({m.attribute for m in mutations}) == 1 else "are"
    return f"{_names(mutations)} of `{_row(first)}` {verb} read, changed in Python and written back"


def _issue(mutations: list[Mutation]) -> str:
    first = mutations[0]
    if first.kind == "cache":
        return f"Line {first.line} stores a number that was computed from what the same key held a moment before."
    where = f"line {first.write.line} writes it" if first.write is not None else "the next commit writes it"
    how = f"`{first.owner}.{first.attribute}`" if first.kind == "row" else f"`{first.attribute}`"
    write = first.write if first.kind == "row" else None
    whole = write is not None and not any(keyword == "update_fields" for keyword, _ in write.fact.kwargs)
    saves = write is not None and flow.text_of(write.fact.func, first.function.scope).endswith("save")
    rest = " along with every other column as it was when the row was loaded" if whole and saves else ""
    others = len({m.function for m in mutations}) - 1
    callers = "does one other caller" if others == 1 else f"do {others} other callers"
    alike = f" So {callers} of `{first.via.qualname}()`." if others and first.via is not None else ""
    return f"Line {first.line} computes {how} from the value that was loaded, and {where}{rest}.{alike}"


def _impact(mutations: list[Mutation], exposure: Exposure) -> str:
    entry = exposure.worst
    first = mutations[0]
    what = "one cache entry" if first.kind == "cache" else f"one `{_row(first)}`"
    return f"When {say.at_once(entry, first.function, f'for {what}')}, both start from the same {_names(mutations)} and the later write hides the earlier one."


def _related(mutations: list[Mutation], model: Model) -> list[Location]:
    first = mutations[0]
    found = [model.place_of_lines(m.function, m.line, m.end_line, f"`{m.attribute}` as well") for m in mutations[1:]]
    writes = dict.fromkeys(m.write for m in mutations if m.write is not None and m.write.line != first.line)
    return [*found, *(model.place(write, "writes it back") for write in writes)]
