"""A job, message or mail goes out while the transaction that it speaks of is still open.

## Why it fails in production
A broker knows nothing of the database's transaction. The worker may take the job before the rows are committed and find nothing; and
when the transaction rolls back, the job, the event or the mail is out all the same, about an order that never was.

## What is reported
A call inside a transaction (a block, a decorator, a caller's, one around every request) that enqueues a job, publishes a message, starts
a durable execution, sends a mail or text message, or deletes a stored object, directly or through any number of calls.
The finding stands where the transaction and the call meet.

## What is not reported
What is deferred by an on-commit hook, also through helpers of the project that defer. Senders that the project overrides to send after
the commit. Transactions that write nothing. Outbox rows, which are writes like any other.

## Bad
```python
from celery import shared_task
from django.db import models, transaction

class Order(models.Model):
    pass

@shared_task
def confirm(order_id):
    ...

@transaction.atomic
def place(cart):
    order = Order.objects.create()
    confirm.delay(order.pk)  # finding: enqueue-inside-transaction
    return order
```

## Good
```python
from celery import shared_task
from django.db import models, transaction

class Order(models.Model):
    pass

@shared_task
def confirm(order_id):
    ...

@transaction.atomic
def place(cart):
    order = Order.objects.create()
    transaction.on_commit(lambda: confirm.delay(order.pk))
    return order
```
"""

from roadworthy.rules.api import (
    CallSite,
    Effect,
    EffectAt,
    EntryKind,
    Finding,
    Function,
    Guard,
    GuardKind,
    Iterator,
    Model,
    Rule,
    Severity,
    advise,
    finding,
    impact_weight,
    say,
)

RULE = Rule(id="enqueue-inside-transaction", anti_pattern="dual-write", doc=__doc__)

_LEAVES = (
    Effect.ENQUEUE, Effect.PUBLISH, Effect.START_DURABLE, Effect.EMAIL, Effect.SMS, Effect.NOTIFY, Effect.OBJECT_DELETE,
)  # fmt: skip
_WRITES = (Effect.SQL_INSERT, Effect.SQL_UPDATE, Effect.SQL_UPSERT, Effect.SQL_INCREMENT, Effect.SQL_DELETE)
_READS_ROWS = frozenset({Effect.ENQUEUE, Effect.PUBLISH, Effect.START_DURABLE})


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Look at every call that a transaction encloses in its own function."""
    for function in model.functions:
        for site in function.calls:
            guard = transaction_around(site, model)
            if guard is None or not writes_too(function, model):
                continue
            sent = sent_inside(site, model)
            if sent:
                yield _report(site, guard, sent, model)


def transaction_around(site: CallSite, model: Model) -> Guard | None:
    """The innermost transaction of the call's own function, unless an on-commit hook defers the call."""
    guards = model.guards_on(site)
    if any(guard.kind is GuardKind.ON_COMMIT for guard in guards):
        return None
    found = next((guard for guard in guards if guard.kind is GuardKind.TRANSACTION), None)
    return found or _around_requests(site.function, model)


def _around_requests(function: Function, model: Model) -> Guard | None:
    """The framework or a setting wraps every request in a transaction."""
    for entry in model.entries.at(function):
        if entry.kind in {EntryKind.HTTP_HANDLER, EntryKind.WEBHOOK_HANDLER, EntryKind.SIGNAL_RECEIVER}:
            guard = model.request_transaction(entry)
            if guard is not None:
                return guard
    return None


def writes_too(function: Function, model: Model) -> bool:
    """A transaction without a write has nothing to be out of step with."""
    if model.reach.has(function, _WRITES):
        return True
    return any(entry.kind is EntryKind.SIGNAL_RECEIVER for entry in model.entries.at(function))


def sent_inside(site: CallSite, model: Model) -> list[EffectAt]:
    """What leaves through this call; a transaction further in tells its own story."""
    found = []
    for effect in model.effects_through(site, *_LEAVES):
        path = model.reach.path_down(site.function, effect)
        inner = [edge for edge in path if edge.site is not site]
        if any(transaction_around(edge.site, model) for edge in inner) or is_overridden(effect, model):
            continue
        if effect.site is site or not _lexical(effect.site, model):
            found.append(effect)
    return found


def _lexical(site: CallSite, model: Model) -> bool:
    guards = model.guards_on(site)
    return any(guard.kind in {GuardKind.TRANSACTION, GuardKind.ON_COMMIT} for guard in guards)


def is_overridden(effect: EffectAt, model: Model) -> bool:
    """The project's own job class sends in its own way (after the commit, as a rule)."""
    method = effect.name.rpartition(".")[2]
    owner = effect.name.rpartition(".")[0]
    return any(
        owner in cls.library_bases and ({method, "apply_async", "send"} & set(cls.methods))
        for cls in model.symbols.classes
    )


def _report(site: CallSite, guard: Guard, sent: list[EffectAt], model: Model) -> Finding:
    effect = min(sent, key=lambda e: (_LEAVES.index(e.effect), e.site.path, e.site.line))
    exposure = model.exposure(site.function)
    call = say.call(site, model)
    direct = effect.site is site
    through = "" if direct else f", through `{effect.function.qualname}()` ({effect.site.path}:{effect.site.line}),"
    reads = effect.effect in _READS_ROWS
    path = [edge for edge in model.reach.path_down(site.function, effect) if edge.site is not site]
    return finding(
        RULE,
        model.place(site),
        Severity.HIGH if reads else Severity.MEDIUM,
        title=f"`{call}` {effect.effect.word.meaning} inside the open transaction of `{guard.name.rpartition('.')[2]}`",
        issue=f"`{call}`{through} {effect.effect.word.meaning} while the transaction of {_where(guard, site)} is still open.",
        impact=_impact(effect, site, model, reads),
        fix=advise.on_commit(model, site, f"{call[:-2]}(…)"),
        related=[
            model.place_of_guard(guard, "the transaction"),
            *([] if direct else [model.place(effect.site, effect.effect.word.meaning)]),
        ],
        steps=(*model.steps(exposure.worst, site.function, site), *model.chain(path)),
        confidence=model.confidence_of(effect),
        subject=effect.name,
        weight=impact_weight(exposure, sent),
    )


def _where(guard: Guard, site: CallSite) -> str:
    if guard.form == "framework":
        return f"`{guard.name}` ({guard.path}:{guard.line})"
    return (
        f"`{guard.name}` (line {guard.line})"
        if guard.path == site.path
        else f"`{guard.name}` ({guard.path}:{guard.line})"
    )


def _impact(effect: EffectAt, site: CallSite, model: Model, reads: bool) -> str:
    who = say.entry(model.exposure(site.function).worst)
    if reads:
        return (
            f"The receiver can run before {who} has committed and find no row, or the old one; after a rollback it works on data "
            "that never came to be."
        )
    if effect.effect is Effect.OBJECT_DELETE:
        return f"When the transaction of {who} rolls back, the rows are back and the object that they point to is gone."
    return f"When the transaction of {who} rolls back, the message is already out: people are told of something that did not happen."
