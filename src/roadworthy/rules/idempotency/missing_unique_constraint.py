"""Code relies on a key that the database does not keep unique.

## Why it fails in production
`get_or_create` and its kin look first and insert then. Only a unique key makes the database refuse the second of two inserts at once;
without it both succeed, and from then on every call that expects one row finds two and fails, or takes either.

## What is reported
Columns by which the code finds or creates a row (`get_or_create`, `update_or_create`), or by which it expects exactly one
(`get`, `one`, `one_or_none`) of rows that it also inserts, that people enter in the framework's pages or that a view of the framework stores,
with no unique key over them or a part of them in models, migrations or SQL files. What a row links (`get(user=…, team=…)` of a membership) counts as a key.
Columns by which a validator refuses a second row: one that is declared to the framework, or a check in a method that the framework runs before
it stores the row (`validate_email()`, `clean()`, `save()`): two requests at once both pass it. LOW where a form so refuses a second name or title.
The finding stands at the table and lists the code that relies on the key.

## What is not reported
Keys that a constraint, a unique index (partial and functional ones included), a one-to-one relation or a primary key covers. Calls under a
lock. Validators of rows that others insert without a look. Keys with a row that the same run has just made: two runs have two of them. LOW where nothing in sight calls or registers the code. Lookups that only commands and start-up make. Lookups with other conditions than equality. An existence check before an insert is the
business of check-then-insert.

## Bad
```python
# file: shop/models.py
from django.db import models

class Payment(models.Model):  # finding: missing-unique-constraint
    provider_id = models.CharField(max_length=50)
    state = models.CharField(max_length=10)

# file: shop/hooks.py
from django.http import HttpResponse
from django.urls import path
from shop.models import Payment

def webhook(request):
    Payment.objects.update_or_create(provider_id=request.POST["id"], defaults={"state": "paid"})
    return HttpResponse()

urlpatterns = [path("webhook", webhook)]
```

## Good
```python
# file: shop/models.py
from django.db import models

class Payment(models.Model):
    provider_id = models.CharField(max_length=50, unique=True)
    state = models.CharField(max_length=10)

# file: shop/hooks.py
from django.http import HttpResponse
from django.urls import path
from shop.models import Payment

def webhook(request):
    Payment.objects.update_or_create(provider_id=request.POST["id"], defaults={"state": "paid"})
    return HttpResponse()

urlpatterns = [path("webhook", webhook)]
```
"""

import re

from roadworthy.rules.api import (
    INSERT,
    PROMISE,
    READ,
    UPSERT,
    Access,
    Column,
    Confidence,
    Entry,
    EntryKind,
    Exposure,
    Finding,
    Iterator,
    Match,
    Model,
    Rule,
    Severity,
    Table,
    UniqueKey,
    advise_keys,
    entered_tables,
    finding,
    impact_weight,
    inserted_unasked,
    is_called_by_nobody,
    is_code,
    is_constant,
    is_link,
    is_natural_key,
    meets_itself,
    promised_keys,
    say,
    several_expected,
)

RULE = Rule(id="missing-unique-constraint", anti_pattern="missing-unique-constraint", doc=__doc__)

_FINDS_OR_CREATES = re.compile(r"^a?(get|update)_or_create$")
_EXPECTS_ONE = frozenset(
    {"get", "aget", "get_object_or_404", "aget_object_or_404", "one", "one_or_none", "get_or_none", "one_or_404"}
)
_NOW = re.compile(r"(^|_)(now|today|timestamp)(_|$)")
_DAYS = ("DateField", "Date")
_NAME = re.compile(r"(^|_)(name|title|label)$")
_WIDE = 5  # columns: nobody makes that a key
_LetBy = tuple[UniqueKey, Column] | None
_ALONE = (EntryKind.SCHEDULED, EntryKind.WORKER_LOOP)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Collect what relies on each set of columns; one finding for each that nothing keeps unique."""
    relied: dict[tuple[str, frozenset[str]], list[Access]] = {}
    inserted = entered_tables(model) | {
        access.table.name for access in model.accesses.all(INSERT, UPSERT) if access.table is not None
    }
    for access in (*model.accesses.all(READ, UPSERT), *promised_keys(model)):
        table = access.table
        if (
            table is None
            or not model.is_reviewed(access.site.path)
            or not (finds_or_creates(access) or expects_one(access, inserted) or is_promised(access))
        ):
            continue
        if is_unprotected(access, table, model):
            relied.setdefault((table.name, frozenset(access.keys)), []).append(access)
    told = {
        key: accesses
        for key, accesses in relied.items()
        if any(finds_or_creates(access) or is_promised(access) for access in accesses) or is_natural(accesses[0])
    }
    for (owner, columns), accesses in told.items():
        if not any(name == owner and fewer < columns for name, fewer in told):
            wider = [a for (name, more), found in told.items() if name == owner and more > columns for a in found]
            yield _report(accesses, wider, model)


def finds_or_creates(access: Access) -> bool:
    """`get_or_create(number=n)`: the lookup is a key by the very call."""
    return access.kind == UPSERT and bool(_FINDS_OR_CREATES.match(access.method)) and access.looks_for_one


def expects_one(access: Access, inserted: frozenset[str]) -> bool:
    """`get(number=n)` of rows that this code base inserts, or that people enter: two of them are an error."""
    return (
        access.kind == READ
        and access.method in _EXPECTS_ONE
        and access.looks_for_one
        and access.table is not None
        and access.table.name in inserted
    )


def is_promised(access: Access) -> bool:
    """A validator refuses a second row, as long as it sees the first one."""
    return access.kind == PROMISE


def is_natural(access: Access) -> bool:
    """The columns are called like what names one thing in the world outside, or the only one like what people name a row by; or they are what a row links."""
    alone = len(access.keys) == 1 and is_code(access.keys[0])
    linked = access.table is not None and is_link(access.table, access.keys)
    return alone or linked or any(is_natural_key(name) for name in access.keys)


def is_stable(match: Match, table: Table, model: Model) -> bool:
    """A lookup by the clock or by chance never finds anything: another fault than this one. A day lasts long enough."""
    column = table.column(match.column)
    if match.value is None or (column is not None and column.type in _DAYS):
        return True
    origins = model.origin(match.value, match.scope, match.order)
    named = any(origin.kind == "call" and _NOW.search(origin.name) for origin in origins)
    return not named and not any(origin.kind in {"random", "clock"} for origin in origins)


def is_unprotected(access: Access, table: Table, model: Model) -> bool:
    """No key, no lock, and more than one may run it."""
    if (
        not table.complete
        or not table.managed
        or any((column := table.column(name)) is None or column.is_document for name in access.keys)
        or not access.keys
        or len(access.keys) > _WIDE
        or not all(is_stable(match, table, model) for match in access.lookup)
    ):
        return False
    if access.kind == READ and any(model.protection.is_made_up(table, name) for name in access.keys):
        return False
    lookup = access.lookup if finds_or_creates(access) else ()
    if is_promised(access):
        several = inserted_unasked(model, table, access.keys) is not None  # others do not ask, so nothing is promised
        return not several and model.protection.guarding_key(table, access.keys, None) is None
    if model.protection.guarding_key(table, _asked(access), None, lookup) or model.protection.gives_primary_key(
        table, access
    ):
        return False
    if finds_or_creates(access) and model.protection.is_refused_beside(table, access):
        return False
    exposure = model.exposure(access.function)
    if (exposure.entries and not exposure.serves) or model.protection.is_set_up(access.function):
        return False
    if meets_itself(model, access.function, access.lookup) is None or several_expected(model, access.site) is not None:
        return False  # a handler for "more than one row" heals what two runs at once have made
    return not model.protection.lock_held(access.site, table, access.keys, access.lookup)


def _asked(access: Access) -> tuple[str, ...]:
    """The columns of the lookup, those that are compared with NULL as well."""
    return tuple(match.column for match in access.lookup if match.op in {"eq", "null"})


def _let_by(accesses: list[Access], table: Table, model: Model) -> _LetBy:
    """The key that would do for every one of them, but for a column that may be NULL."""
    found = [model.protection.nullable_key(table, _asked(a), None, a.lookup) for a in accesses if finds_or_creates(a)]
    return found[0] if found and all(found) else None


def _report(accesses: list[Access], wider: list[Access], model: Model) -> Finding:
    """`wider`: those that look by these columns and more; the key that these rely on settles them, too."""
    accesses = sorted(
        accesses,
        key=lambda a: (
            not finds_or_creates(a),
            not is_promised(a),
            model.confidence_of(a.effect).rank,
            a.site.path,
            a.site.line,
        ),
    )
    first = accesses[0]
    table = first.table
    assert table is not None
    names = tuple(column.attribute for name in first.keys if (column := table.column(name)) is not None)
    exposures = [_exposure(access, model) for access in accesses]
    worst = min(exposures, key=lambda e: (not e.entries, _rank(e.worst)))
    who = next(a for a, e in zip(accesses, exposures, strict=True) if e is worst)
    key = f"`{names[0]}`" if len(names) == 1 else f"`({', '.join(names)})`"
    owner = table.model.name if table.model is not None else table.name
    let_by = _let_by(accesses, table, model)
    return finding(
        RULE,
        model.protection.place_of_table(table),
        _severity(accesses, model, void=let_by is not None),
        title=f"the unique key of `{owner}` on which `{first.method}()` relies is void where `{let_by[1].attribute}` is NULL"
        if let_by is not None
        else f"`{owner}` has no unique key over {key}, on which `{_relier(first)}` relies",
        issue=_issue(owner, key, accesses, table, let_by),
        impact=_impact(owner, key, who, worst.worst, model),
        fix=advise_keys.unique_without(model, table, *let_by)
        if let_by is not None
        else advise_keys.unique_where_looked(model, table, first.keys, first.lookup),
        related=[
            *model.protection.places_of(table, first.keys)[1:],
            *(model.place(a.site, f"{_relier(a)} by these columns") for a in accesses[:12]),
            *(model.place(a.site, f"{_relier(a)} by {', '.join(a.keys)}") for a in wider[:12]),
        ],
        steps=model.steps(worst.worst, who.function, who.site),
        confidence=_confidence(accesses, model),
        subject=f"{table.name}:{','.join(sorted(first.keys))}",
        weight=impact_weight(worst, [first.effect]),
    )


def _relier(access: Access) -> str:
    return access.method if is_promised(access) else f"{access.method}()"


def _exposure(access: Access, model: Model) -> Exposure:
    """Without the entries that make the rows by which they look."""
    return Exposure(meets_itself(model, access.function, access.lookup) or ())


def _rank(entry: object) -> int:
    return 0 if entry is not None else 1


def _severity(accesses: list[Access], model: Model, *, void: bool) -> Severity:
    """HIGH where requests or deliveries come at once to code that creates by these columns. `void`: a key holds for most rows."""
    if all(not is_promised(a) and all(is_constant(model, m) for m in a.lookup) for a in accesses):
        return Severity.LOW  # one row that the program itself names: it is made once in the life of a database
    for access in accesses:
        if finds_or_creates(access):
            for reached in meets_itself(model, access.function, access.lookup) or ():
                entry = reached.entry
                if (
                    not void
                    and entry.kind not in _ALONE
                    and entry.serves_others
                    and (entry.repeats or entry.kind is not EntryKind.JOB)
                ):
                    return Severity.HIGH
    unseen = all(not is_promised(access) and is_called_by_nobody(model, access.function) for access in accesses)
    return Severity.LOW if unseen or all(is_a_nicety(access) for access in accesses) else Severity.MEDIUM


def is_a_nicety(access: Access) -> bool:
    """A form refuses a second row of a name by which no code looks for one: two of them confuse, and nothing fails."""
    named = any(_NAME.search(name) for name in access.keys)
    return is_promised(access) and access.function.name != "save" and named and not is_natural(access)


def _confidence(accesses: list[Access], model: Model) -> Confidence:
    if is_promised(accesses[0]):
        return Confidence.HIGH
    creates = Confidence.HIGH if any(finds_or_creates(access) for access in accesses) else Confidence.MEDIUM
    reached = (
        Confidence.HIGH if any(model.exposure(access.function).entries for access in accesses) else Confidence.MEDIUM
    )
    return Confidence.weakest(creates, reached, *(access.effect.confidence for access in accesses[:1]))


def _issue(owner: str, key: str, accesses: list[Access], table: Table, let_by: _LetBy) -> str:
    first = accesses[0]
    told = say.dropped_key(table, first.keys)
    gone = f" {told[:1].upper()}{told[1:]}." if told else _outside_meta(table)
    places = list(dict.fromkeys(f"`{a.site.path}:{a.site.line}`" for a in accesses))
    where, many = say.joined(places, 3), len(places) > 1
    if let_by is not None:
        return (
            f"{where} {'find or create' if many else 'finds or creates'} `{owner}` by {key}; {say.void_key(*let_by)}."
        )
    if finds_or_creates(first):
        return f"{where} {'find or create' if many else 'finds or creates'} `{owner}` by {key}; neither the model nor the migrations keep these columns unique.{gone}"
    if is_promised(first):
        refuses = "refuse" if many else "refuses"
        return f"{where} {refuses} a second `{owner}` of one {key}; neither the model nor the migrations keep these columns unique.{gone}"
    return f"{where} {'expect' if many else 'expects'} one `{owner}` for one {key}; neither the model nor the migrations keep these columns unique.{gone}"


def _outside_meta(table: Table) -> str:
    """`unique_together` in the body of the class, not of its `Meta`: Django does not look there."""
    stray = table.model.attribute_assigns.get("unique_together") if table.model is not None else None
    return (
        f" The `unique_together` of line {stray[0][1].line} stands outside `class Meta`, where nothing reads it."
        if stray
        else ""
    )


def _impact(owner: str, key: str, who: Access, entry: Entry | None, model: Model) -> str:
    if finds_or_creates(who):
        return (
            f"When {say.at_once(entry, who.function)}, both find no `{owner}` and both create one. From then on `{who.method}()` raises on the two "
            f"rows for this {key}, each time it is called."
        )
    if is_promised(who):
        when = say.at_once(entry, who.function) if entry is not None else "two requests come at once"
        return (
            f"When {when} with the same {key}, `{_relier(who)}` sees no `{owner}` in either and both are stored: "
            f"two rows, although the check promises one."
        )
    return f"Once two `{owner}` rows have the same {key}, `{who.method}()` raises each time, and {say.entry(entry, who.function)} fails until somebody repairs the data."
