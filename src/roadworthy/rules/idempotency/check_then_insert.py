"""Code looks for a row and inserts one when there is none, and nothing makes the two steps one.

## Why it fails in production
Two requests, workers or deliveries at once both find nothing and both insert. Without a unique key there are two rows from then on:
every later lookup finds either, or fails because it expected one. With a unique key the second insert raises, and what was an
ordinary request becomes an error.

## What is reported
A lookup of rows of a table by some columns, or an update that counts them, and an insert into it that runs only where nothing was found, in one
function or through the functions that it calls. HIGH where no unique key stops the second row and several runs at once are ordinary.
Where a unique key exists, what is reported is that nobody handles its violation. LOW in a function that nothing in sight calls or registers,
and where only a schedule comes to an insert that a key refuses. Rows that a method of their base class stores (`save()` with `session.add(self)`) count.

## What is not reported
Lookups over a unique key whose violation is caught (here, in a caller, by the framework). Checks under a lock: a lock object, an advisory
lock, a row of another table read for update. Limits (`count() >= 10`) and lookups in a range. Rows whose primary key the insert itself
gives. Jobs that are run again after any failure, where a key refuses the second row. Work at start-up and commands that one person runs. Lookups by conditions of which only the caller knows the rest (`**conditions`). A rejected duplicate (`raise AlreadyExists`) that a unique key backs is for the pedantic.

## Bad
```python
# file: shop/models.py
from django.db import models

class Coupon(models.Model):
    code = models.CharField(max_length=20)
    owner = models.CharField(max_length=50)

# file: shop/views.py
from django.http import HttpResponse
from django.urls import path
from shop.models import Coupon

def claim(request, code):
    if Coupon.objects.filter(code=code).exists():
        return HttpResponse(status=409)
    Coupon.objects.create(code=code, owner=request.user.username)  # finding: check-then-insert
    return HttpResponse(status=201)

urlpatterns = [path("claim/<code>", claim)]
```

## Good
```python
# file: shop/models.py
from django.db import models

class Coupon(models.Model):
    code = models.CharField(max_length=20, unique=True)
    owner = models.CharField(max_length=50)

# file: shop/views.py
from django.db import IntegrityError
from django.http import HttpResponse
from django.urls import path
from shop.models import Coupon

def claim(request, code):
    try:
        Coupon.objects.create(code=code, owner=request.user.username)
    except IntegrityError:
        return HttpResponse(status=409)
    return HttpResponse(status=201)

urlpatterns = [path("claim/<code>", claim)]
```
"""

import re

from roadworthy.rules.api import (
    UPDATE,
    Access,
    Audience,
    Column,
    Confidence,
    Effect,
    Entry,
    EntryKind,
    Exposure,
    Finding,
    Iterator,
    Location,
    Model,
    RowCheck,
    Rule,
    Severity,
    UniqueKey,
    advise_database,
    advise_inserts,
    advise_keys,
    asks_for_one,
    finding,
    found_by_more,
    impact_weight,
    inserted_unasked,
    is_called_by_nobody,
    is_off_from,
    let_in,
    lists_rows,
    lookup_here,
    many_by_design,
    meets_itself,
    only_scheduled,
    retries_every_failure,
    say,
    several_expected,
)

RULE = Rule(id="check-then-insert", anti_pattern="check-then-act", doc=__doc__)

# Rows that tell what happened: one too many is a blemish.
_LOG = re.compile(r"(Log|Logs|LogRecord|LogEntry|Audit|AuditEntry|History|Event|Activity|Run)$")
_REQUESTS = (EntryKind.HTTP_HANDLER, EntryKind.WEBHOOK_HANDLER, EntryKind.MIDDLEWARE)
_ALONE = (EntryKind.SCHEDULED, EntryKind.WORKER_LOOP)
_TOLD = (Effect.EMAIL, Effect.SMS, Effect.NOTIFY, Effect.CHARGE)
_BY_HAND = (EntryKind.COMMAND, EntryKind.STARTUP, EntryKind.IMPORT_TIME, EntryKind.SHUTDOWN)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Ask each pair of lookup and insert what keeps two runs apart; one finding for each missing key, or unhandled one of a function."""
    causes: dict[tuple[object, ...], list[tuple[RowCheck, UniqueKey | None]]] = {}
    for function in model.functions:
        for pair in model.checks.of(function):
            if (
                not pair.by_identity
                or is_off_from(model, pair.write)
                or is_one_run_at_a_time(pair, model)
                or exposure_of(pair, model) is None
            ):
                continue
            key = model.protection.guarding_key(pair.table, pair.keys, pair.write.access, pair.read.access.lookup)
            if key is None and (
                many_by_design(model, pair.table, pair.keys)
                or is_partly_known(pair)
                or is_kept_by_another_key(pair, model)
            ):
                continue
            if not is_a_list(pair) if key is None else not is_handled(pair, key, model):
                causes.setdefault((function, pair.table.name, key is None), []).append((pair, key))
    missing: dict[tuple[str, frozenset[str]], list[RowCheck]] = {}
    for pairs in causes.values():
        pairs.sort(key=lambda found: (not found[0].read.direct, -len(found[0].keys), found[0].write.site.line))
        first, key = pairs[0]
        if key is not None:
            yield _report(first, key, [pair for pair, _ in pairs[1:]], model)
        else:
            missing.setdefault((first.table.name, frozenset(first.keys)), []).extend(pair for pair, _ in pairs)
    for same in missing.values():
        same.sort(key=lambda pair: _severity(pair, None, exposure_of(pair, model) or Exposure(()), model).rank)
        yield _report(same[0], None, same[1:], model)


def exposure_of(pair: RowCheck, model: Model) -> Exposure | None:
    """Without the entries that make the rows by which they look, whose runs have one each; None: there is no other."""
    reached = meets_itself(model, pair.function, lookup_here(model, pair.read))
    return Exposure(let_in(model, reached, pair.write.site)) if reached is not None else None


def is_one_run_at_a_time(pair: RowCheck, model: Model) -> bool:
    """A lock is held, or only a person or a start-up runs it."""
    exposure = model.exposure(pair.function)
    alone = bool(exposure.entries and not exposure.serves) or model.protection.is_set_up(pair.function)
    return alone or model.protection.lock_held(pair.write.site, pair.table, pair.keys, pair.read.access.lookup)


def is_a_list(pair: RowCheck) -> bool:
    """`….all()` of what belongs to one key, asked whether it is empty: as many rows as there are."""
    return lists_rows(pair.read.access.site) and not pair.told_apart


def is_partly_known(pair: RowCheck) -> bool:
    """`filter(user=user, **more)` and `create(user=user, **more)`: by what the row is looked for, only the caller knows."""
    return not pair.read.access.exact and not pair.write.access.filled


def is_kept_by_another_key(pair: RowCheck, model: Model) -> bool:
    """The insert is made to be refused, by a key that shares a column with the lookup: (owner, name), where every repository has one owner."""
    if _let_by(pair, model) is not None:
        return False  # the key that is caught lets rows with a NULL by
    keyed = {name for key in pair.table.keys if key.in_force and key.kind != "primary" for name in key.columns}
    return bool(keyed & set(pair.keys)) and model.protection.conflict_named(pair.function)


def is_handled(pair: RowCheck, key: UniqueKey, model: Model) -> bool:
    """The violation is caught somewhere, a retry of the job finds the row, or the write converges on the primary key that it gives."""
    converges = key.kind == "primary" and pair.write.access.method in {"save", "asave"}
    entries = [reached.entry for reached in model.exposure(pair.function).entries if reached.entry.serves_others]
    again = (entry.retried or retries_every_failure(model, entry) for entry in entries)
    heals = bool(entries) and not pair.rejects and all(again)
    return converges or heals or model.protection.conflict_handled(pair.function, pair.write)


def _report(pair: RowCheck, key: UniqueKey | None, more: list[RowCheck], model: Model) -> Finding:
    exposure = exposure_of(pair, model) or Exposure(())
    entry = exposure.worst
    return finding(
        RULE,
        model.place(pair.write.site),
        _severity(pair, key, exposure, model),
        title=_title(pair, key, model),
        issue=_issue(pair, key, model) + _elsewhere(pair, more),
        impact=_impact(pair, key, entry, model),
        fix=_fix(pair, key, model),
        related=_related(pair, key, more, model),
        steps=model.steps(entry, pair.function, pair.write.site),
        confidence=_confidence(pair, exposure, model),
        subject=f"{pair.table.name}:{','.join(pair.keys)}",
        audience=Audience.PEDANTIC if key is not None and pair.rejects else Audience.REGULAR,
        weight=impact_weight(exposure, [pair.write.access.effect]),
    )


def _severity(pair: RowCheck, key: UniqueKey | None, exposure: Exposure, model: Model) -> Severity:
    if key is not None:
        small = pair.rejects or is_called_by_nobody(model, pair.function) or comes_round(exposure, model)
        return Severity.LOW if small else Severity.MEDIUM
    others = [r.entry for r in exposure.entries if r.entry.kind not in (*_ALONE, *_BY_HAND)]
    at_once = any(entry.repeats or entry.kind in _REQUESTS for entry in others) and _let_by(pair, model) is None
    at_once = at_once and found_by_more(model, pair.table, pair.keys) is None
    small = not at_once or bool(_LOG.search(pair.model_name)) or model.is_script(pair.function.path)
    if small and is_called_by_nobody(model, pair.function):
        return Severity.LOW
    return Severity.MEDIUM if small else Severity.HIGH


def comes_round(exposure: Exposure, model: Model) -> bool:
    """Only rounds of a schedule come here: one that fails finds the row at its next time."""
    served = [r.entry for r in exposure.entries if r.entry.serves_others]
    return bool(served) and all(e.kind is EntryKind.SCHEDULED or e.function in only_scheduled(model) for e in served)


def _confidence(pair: RowCheck, exposure: Exposure, model: Model) -> Confidence:
    whole = Confidence.HIGH if pair.read.access.exact and pair.table.complete else Confidence.MEDIUM
    near = Confidence.HIGH if pair.read.direct or pair.write.direct else Confidence.MEDIUM
    links = (model.confidence_of(pair.write.access.effect, exposure), pair.read.access.effect.confidence)
    return Confidence.weakest(whole, near, *links)


def _names(pair: RowCheck) -> str:
    attributes = [column.attribute.lstrip("_") for name in pair.keys if (column := pair.table.column(name)) is not None]
    return f"`{attributes[0]}`" if len(attributes) == 1 else f"`({', '.join(attributes)})`"


def _title(pair: RowCheck, key: UniqueKey | None, model: Model) -> str:
    if key is None and (let_by := _let_by(pair, model)) is not None:
        return say.fit(
            f"`{pair.model_name}` is looked up by {_names(pair)} and inserted, its key void where `{let_by[1].attribute}` is NULL",
            f"`{pair.model_name}` is looked up and then inserted, its key void where `{let_by[1].attribute}` is NULL",
        )
    if key is None:
        return say.fit(
            f"`{pair.model_name}` is looked up by {_names(pair)} and then inserted, with no unique key over them",
            f"`{pair.model_name}` is looked up by {_names(pair)} and then inserted, with no unique key",
            f"`{pair.model_name}` is looked up by columns with no unique key and then inserted",
        )
    return say.fit(
        f"`{pair.model_name}` is looked up by {_names(pair)} and then inserted, and nobody handles the conflict",
        f"`{pair.model_name}` is looked up by {_names(pair)} and then inserted, the conflict unhandled",
        f"`{pair.model_name}` is looked up and then inserted, the conflict of {_key_of(key)} unhandled",
        f"`{pair.model_name}` is looked up and then inserted, and nobody handles the conflict",
    )


def _key_of(key: UniqueKey) -> str:
    return f"`({', '.join(key.columns)})`" if len(key.columns) > 1 else f"`{key.columns[0]}`"


def _issue(pair: RowCheck, key: UniqueKey | None, model: Model) -> str:
    read, write = pair.read.site, pair.write.site
    steps = f"line {read.line} {'updates' if pair.read.access.kind == UPDATE else 'looks for'} `{pair.model_name}` by {_names(pair)}; line {write.line} inserts one when there is none"
    if key is None:
        if (let_by := _let_by(pair, model)) is not None:
            return (
                f"{steps[:1].upper()}{steps[1:]}. Between the two another run can do the same: {say.void_key(*let_by)}."
            )
        told = say.dropped_key(pair.table, pair.keys)
        gone = f" ({told})" if told else ""
        return f"{steps[:1].upper()}{steps[1:]}. Between the two another run can do the same, and `{pair.table.name}` has no unique key over these columns{gone}."
    return f"{steps[:1].upper()}{steps[1:]}. Between the two another run can insert it; the unique key ({', '.join(key.columns)}) then makes this one raise, and nothing catches that."


def _let_by(pair: RowCheck, model: Model) -> tuple[UniqueKey, Column] | None:
    """The key that would do, but for a column that may be NULL."""
    return model.protection.nullable_key(pair.table, pair.keys, pair.write.access, pair.read.access.lookup)


def _elsewhere(pair: RowCheck, more: list[RowCheck]) -> str:
    """Other functions that insert in the same way."""
    names = list(
        dict.fromkeys(f"`{other.function.qualname}()`" for other in more if other.function is not pair.function)
    )
    return f" {say.joined(names)} {'does' if len(names) == 1 else 'do'} the same." if names else ""


def _impact(pair: RowCheck, key: UniqueKey | None, entry: Entry | None, model: Model) -> str:
    at_once = say.at_once(entry, pair.function)
    if key is None:
        after = say.on_two_rows(asks_for_one(pair.read.access.site))
        sent = model.effects_through(pair.write.site, *_TOLD)
        told = f", and `{say.call(sent[0].site, model)}` goes out twice" if sent else ""
        several = several_expected(model, pair.read.site)
        if several is not None:
            after = f"ends in line {several.line}"
        return f"When {at_once}, both find nothing and both insert{told}. `{pair.model_name}` then has two rows for one {_names(pair)}, and every later lookup {after}."
    outcome = (
        "with a database error instead of the answer meant for it" if pair.rejects else "although its row is there"
    )
    return f"When {at_once}, both find nothing and both insert: the second fails {outcome}."


def _fix(pair: RowCheck, key: UniqueKey | None, model: Model) -> str:
    columns = tuple(name for name in pair.keys if (at := pair.table.column(name)) is not None and not at.is_document)
    insert = advise_inserts.insert_or_refuse(model, pair) or advise_inserts.insert_again(model, pair)
    insert = insert or advise_inserts.insert_here(model, pair, key.columns if key else columns)
    access, lookup = (
        pair.write.access if pair.write.direct else None,
        pair.read.access.lookup if pair.read.direct else (),
    )
    insert = insert or advise_database.insert_or_find(
        model, pair.table, key.columns if key else columns, pair.function, access, lookup
    )
    if key is not None or not columns:
        return insert
    if (let_by := _let_by(pair, model)) is not None:
        return advise_keys.unique_without(model, pair.table, *let_by)
    if (why := _lets_several(pair, columns, model)) != "":
        sent = model.effects_through(pair.write.site, *_TOLD)
        sends = f"`{say.call(sent[0].site, model)}`" if sent else ""
        return advise_inserts.one_at_a_time(model, pair.table, columns, pair.function, why, sends, pair.read.site)
    return advise_keys.key_and_insert(model, pair, columns, insert)


def _lets_several(pair: RowCheck, columns: tuple[str, ...], model: Model) -> str:
    """What tells that one key may rightly have several rows: a handler for them, or an insert elsewhere that does not look; else ""."""
    if (several := several_expected(model, pair.read.site)) is not None:
        return f"line {several.line} reckons with several rows for one key"
    wider = found_by_more(model, pair.table, columns)
    if wider is not None:
        return f"`{wider.function.qualname}()` ({wider.site.path}:{wider.site.line}) tells rows apart by {_listed(wider, pair)}, so that several may have one {_names(pair)}"
    other = inserted_unasked(model, pair.table, columns)
    if other is None:
        return ""
    return f"`{other.function.qualname}()` ({other.site.path}:{other.site.line}) inserts without a look, several for one key where it runs again"


def _listed(access: Access, pair: RowCheck) -> str:
    names = [column.attribute for name in access.keys if (column := pair.table.column(name)) is not None]
    return f"`({', '.join(names)})`"


def _related(pair: RowCheck, key: UniqueKey | None, more: list[RowCheck], model: Model) -> list[Location]:
    halves = ((pair.read, "reads it"), (pair.write, "inserts it"))
    others = dict.fromkeys(other.write.site for other in more if other.write.site is not pair.write.site)
    return [
        model.place(pair.read.site, "looks for the row"),
        *(model.place(site, "inserts it as well") for site in others),
        *(model.place(half.access.site, note) for half, note in halves if not half.direct),
        *(model.protection.places_of(pair.table, pair.keys) if key is None else ()),
    ]
