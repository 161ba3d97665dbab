"""A job, message or mail goes out while the transaction that it speaks of is still open.

## Why it fails in production
A broker knows nothing of the database's transaction. The worker may take the job before the rows are committed and find nothing; and
when the transaction rolls back, the job, the event or the mail is out all the same, about an order that never was.

## What is reported
A call that enqueues a job, publishes a message, starts a durable execution, sends mail or deletes a stored object, directly, through any
number of calls, or in a thread or task that is started there, while a transaction that writes is open: a block or decorator, also of the
project's own; a setting, framework, dependency or middleware that wraps every request; a session between its first write and the commit
that comes later in the function or its caller; a signal that the mapper sends in the middle of a write; a model's own `save()` to which the
library comes inside one (`create()`, a serializer). The finding stands where the
transaction and the call meet; where many transactions meet the same call, at that call. HIGH where the receiver looks for what is not
committed yet; MEDIUM where it reads other rows, only tells people of a row that was there, or comes again by a schedule.

## What is not reported
What is deferred by an on-commit hook, also through helpers of the project that defer. Senders that the project overrides to send after the
commit. Transactions that write nothing. Objects of rows that are marked for deletion before. Messages after the commit. Outbox rows and
queues in the same database, which are writes like any other.

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

from dataclasses import dataclass

from roadworthy.rules.api import (
    CallSite,
    Confidence,
    Edge,
    Effect,
    EffectAt,
    Finding,
    Function,
    Iterator,
    Leaving,
    Location,
    Model,
    OpenTransaction,
    Rule,
    Severity,
    Transactions,
    advise,
    carries_new,
    finding,
    flow,
    found_early,
    impact_weight,
    is_marked_before,
    is_self_retry,
    is_sent_again,
    is_shut_out,
    only_tells,
    say,
    transaction_writes,
    unwind,
)

RULE = Rule(id="enqueue-inside-transaction", anti_pattern="dual-write", doc=__doc__)

_LEAVES = (
    Effect.ENQUEUE, Effect.START_DURABLE, Effect.PUBLISH, Effect.EMAIL, Effect.SMS, Effect.OBJECT_DELETE, Effect.NOTIFY,
)  # fmt: skip
_TO_PEOPLE = frozenset({Effect.EMAIL, Effect.SMS, Effect.NOTIFY})
_READS_ROWS = frozenset({Effect.ENQUEUE, Effect.PUBLISH, Effect.START_DURABLE})
_READS = frozenset({Effect.SQL_READ, Effect.SQL})
_MANY = 3  # more transactions than this that meet at one call are one cause: the call
_MANY_OF_A_HABIT = 8  # as many where the project defers this very call elsewhere, caller by caller
_SAYS_IT = frozenset({"transaction", "begin", "begin_nested"})
_LATER = frozenset({"countdown", "eta", "delay", "defer_by", "schedule_at", "execute_at"})


@dataclass(frozen=True, slots=True)
class Sent:
    """One thing that leaves, and the calls from the transaction down to it."""

    effect: EffectAt
    path: tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class Meeting:
    """A call in an open transaction through which something leaves."""

    site: CallSite
    open: OpenTransaction
    sent: tuple[Sent, ...]

    @property
    def worst(self) -> Sent:
        """What the finding speaks of."""
        return min(
            self.sent,
            key=lambda s: (_LEAVES.index(s.effect.effect), len(s.path), s.effect.site.path, s.effect.site.line),
        )


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Find where transactions and calls that leave the process meet; what one transaction of a function sends is one finding."""
    transactions, leaving = Transactions(model), Leaving(model, _LEAVES)
    by_leaf: dict[CallSite, list[Meeting]] = {}
    for function in model.functions:
        for meeting in meetings(function, transactions, leaving, model):
            by_leaf.setdefault(meeting.worst.effect.site, []).append(meeting)
    habit = deferred_elsewhere(model)
    alone: dict[tuple[Function, int], list[Meeting]] = {}
    for leaf, found in by_leaf.items():
        if len(found) > (_MANY_OF_A_HABIT if leaf in habit else _MANY):
            yield _report(found[0], found[1:], model, at_leaf=True)
            continue
        for meeting in found:
            alone.setdefault((meeting.site.function, meeting.open.line), []).append(meeting)
    for found in alone.values():
        found.sort(key=lambda meeting: (severity_of(meeting, model).rank, meeting.site.fact.order))
        yield _report(found[0], found[1:], model, at_leaf=False)


def deferred_elsewhere(model: Model) -> frozenset[CallSite]:
    """Calls that on-commit hooks of the project lead to."""
    edges = [
        edge for function in model.functions for edge in model.edges_from(function) if edge.kind == "hook:on-commit"
    ]
    return frozenset(effect.site for edge in edges for effect in model.effects_under(edge.callee, *_LEAVES))


def meetings(function: Function, transactions: Transactions, leaving: Leaving, model: Model) -> Iterator[Meeting]:
    """The calls of a function by which something leaves while a transaction is open."""
    if not leaving.has(function):
        return
    for site in function.calls:
        if not leaving.reaches(site):
            continue
        found = transactions.around(site)
        if found is not None and not transactions.is_relay(found, site):
            sent = tuple(
                s
                for s in sent_inside(site, transactions, leaving, model)
                if transaction_writes(model, found, chain_of(site, s), to_people=s.effect.effect in _TO_PEOPLE)
            )
            if sent:
                yield Meeting(site, found, sent)


def chain_of(site: CallSite, sent: Sent) -> list[CallSite]:
    """The calls from the one in the transaction down to what leaves."""
    return [site, *(edge.site for edge in sent.path[1:]), *([sent.effect.site] if sent.path else [])]


def sent_inside(site: CallSite, transactions: Transactions, leaving: Leaving, model: Model) -> Iterator[Sent]:
    """What leaves through this call, also by a thread or task; a transaction further in tells its own story, and a hook further in defers."""
    if is_self_retry(model, site) or site.fact.use == "raised":
        return  # it raises, and the transaction rolls back first
    for effect in model.effects_at(site):
        if effect.effect in _LEAVES and transactions.sends_at_once(effect):
            yield Sent(effect, ())
    for edge in model.edges_at(site):
        if not leaving.follows(edge):
            continue
        tree = leaving.tree_from(edge.callee)
        for effect in leaving.under(edge.callee):
            path = unwind(tree, effect.function)
            if path is None or not transactions.sends_at_once(effect):
                continue
            if not model.switches.lets((edge, *path), effect.site) or is_shut_out(model, (edge, *path), effect.site):
                continue  # `if delay:`, and this caller leaves `delay=False` as it is; `if status in NOTIFIED:`
            inner = [*(inner.site for inner in path), effect.site]
            if any(
                transactions.is_deferred(call) or transactions.around(call) or is_self_retry(model, call)
                for call in inner
            ):
                continue
            if any(raises_after(call) for call in inner):
                continue
            if effect.effect is Effect.OBJECT_DELETE and is_marked_before(effect.site):
                continue
            if not any(transactions.knows_of_commits(call.function, effect) for call in inner):
                yield Sent(effect, (edge, *path))


def raises_after(call: CallSite) -> bool:
    """In a handler that raises at its end: the transaction around it rolls back, and a hook for its commit would never run."""
    regions = call.function.scope.regions
    around = flow.ancestors(call.function.scope, call.fact.region)
    return any(regions[index].kind == "except" and regions[index].exits == "raise" for index in around)


def severity_of(meeting: Meeting, model: Model) -> Severity:
    """HIGH when the receiver reads what is not yet committed."""
    effect = meeting.worst.effect
    if effect.effect is Effect.NOTIFY:
        return Severity.LOW
    if effect.effect not in _READS_ROWS or not (effect.site.fact.args or effect.site.fact.kwargs):
        return Severity.MEDIUM
    later = any(key in _LATER for key, _ in effect.site.fact.kwargs)
    if meeting.open.kind == "signal" and meeting.open.guard is None:
        return Severity.LOW
    certain = meeting.open.kind != "signal" or (
        meeting.open.guard is not None and meeting.open.guard.form == "framework"
    )
    return Severity.HIGH if certain and not later and _misses(meeting, model) else Severity.MEDIUM


def _misses(meeting: Meeting, model: Model) -> bool:
    """Does the receiver look for what is not committed yet, so that its work is lost or done on what was, and nothing sends it again?"""
    receivers = _receivers(meeting, model)
    if not receivers:  # of a topic, which other services read, only what it names can be looked up
        return meeting.worst.effect.effect is not Effect.PUBLISH or carries_new(model, meeting.site)
    if not _reads(meeting, model) or all(is_sent_again(model, receiver) for receiver in receivers):
        return False
    if meeting.open.kind == "signal":
        return True
    found = found_early(model, meeting.site, receivers)
    return found.kind in {"missing", "unknown"} or (found.kind == "stale" and not only_tells(model, receivers))


def _report(meeting: Meeting, others: list[Meeting], model: Model, *, at_leaf: bool) -> Finding:
    worst, found = meeting.worst, meeting.open
    effect = worst.effect
    site = effect.site if at_leaf else meeting.site
    exposure = model.exposure(meeting.site.function)
    call = say.call(site, model)
    does = effect.effect.word.meaning
    when = f"inside {len(others) + 1} open transactions" if at_leaf else _when(found)
    also = [model.place(other.site, f"inside {_name(other.open)}" if at_leaf else "so does this") for other in others]
    return finding(
        RULE,
        model.place(site),
        severity_of(meeting, model),
        title=say.fit(*(f"`{text}` {say.does(effect.effect)} {when}" for text in _shorter(call))),
        issue=_issue(meeting, others if at_leaf else [], model),
        impact=_impact(meeting, model),
        fix=_fix(meeting, site, [] if at_leaf else others, model),
        related=[
            *([model.place(meeting.site, f"inside {_name(found)}")] if at_leaf else []),
            *also[:60],
            Location(
                found.path, found.line, found.line, note="the transaction" if found.ends is None else "the commit"
            ),
            *([] if effect.site is site else [model.place(effect.site, does)]),
        ],
        steps=(*model.steps(exposure.worst, meeting.site.function, meeting.site), *model.chain(worst.path)),
        confidence=Confidence.weakest(
            model.confidence_of(effect), Confidence.MEDIUM if len(worst.path) > 4 else Confidence.HIGH
        ),
        subject=effect.name,
        weight=impact_weight(exposure, [sent.effect for sent in meeting.sent]),
    )


def _fix(meeting: Meeting, site: CallSite, others: list[Meeting], model: Model) -> str:
    """The fix for the call that is named, and the lines of those that need the same."""
    worst = meeting.worst
    below = (*(edge.site for edge in worst.path[1:]), worst.effect.site) if worst.path and site is meeting.site else ()
    call = f"{say.call(site, model)[:-2]}(…)"
    by_callers = site is not meeting.site
    text = advise.on_commit(model, site, call, _families(meeting, model), below, by_callers=by_callers)
    lines = sorted({other.site.line for other in others} - {site.line})
    if not lines:
        return text
    named = say.joined([str(line) for line in lines], 6)
    return f"{text}\nThe same for line{'s' if len(lines) > 1 else ''} {named}, which {'send' if len(lines) > 1 else 'sends'} inside this transaction as well."


def _families(meeting: Meeting, model: Model) -> tuple[str, ...]:
    """Library names by which the advice knows how this transaction is left behind."""
    found = meeting.open
    if found.guard is not None and found.guard.form != "framework":
        return (found.guard.name,)
    if found.kind == "signal" and found.guard is None:  # the library of the signal holds it
        return tuple(entry.source for entry in model.entries.at(meeting.site.function))
    return (
        tuple(effect.name for effect in model.effects_through(found.ends, Effect.COMMIT)[:1])
        if found.ends is not None
        else ()
    )


def _shorter(call: str) -> list[str]:
    """The call as written, then its last two parts, then its last."""
    parts = call.split(".")
    return [call, ".".join(parts[-2:]), parts[-1]]


def _name(found: OpenTransaction) -> str:
    match found.kind:
        case "session":
            return f"the transaction that `{found.name}` ends"
        case "signal":
            return (
                f"the write that sends `{found.name}`" if found.guard is None else f"the transaction of `{found.name}`"
            )
        case "request" if found.guard is None:
            return f"the transaction that `{found.name}()` commits after the handler"
        case "block" if found.name in _SAYS_IT:
            return "the open transaction"
    return f"the open transaction of `{found.name}`"


def _when(found: OpenTransaction) -> str:
    match found.kind:
        case "session":
            return f"before `{found.name}`"
        case "signal" if found.guard is None:
            return f"inside the write that sends `{found.name}`"
        case "block" if found.name in _SAYS_IT:
            return "inside an open transaction"
        case "request" if found.guard is None:
            return f"before `{found.name}()` commits"
    return f"inside the transaction of `{found.name}`"


def _issue(meeting: Meeting, others: list[Meeting], model: Model) -> str:
    effect, found = meeting.worst.effect, meeting.open
    does = effect.effect.word.meaning
    where = f"{found.path}:{found.line}" if found.path != meeting.site.path else f"line {found.line}"
    if others:
        return (
            f"`{say.call(effect.site, model)}` {does} at once, and {len(others) + 1} callers come to it inside a transaction that has written "
            f"and is not committed, the first at {meeting.site.path}:{meeting.site.line} in {_name(found)} ({where})."
        )
    below = f", through `{effect.function.qualname}()` ({effect.site.path}:{effect.site.line}),"
    through = "" if effect.site is meeting.site else below
    return f"`{say.call(meeting.site, model)}`{through} {does} inside {_name(found)} ({where}), which has not committed yet."


_LATER = frozenset({"countdown", "delay", "delay_seconds"})  # what puts the start of a job off


def _impact(meeting: Meeting, model: Model) -> str:
    who = say.entry(model.exposure(meeting.site.function).worst, meeting.site.function)
    effect = meeting.worst.effect.effect
    later = next((keyword for keyword, _ in meeting.worst.effect.site.fact.kwargs if keyword in _LATER), "")
    job = _receiver(meeting, model)
    told = effect is Effect.PUBLISH and not _receivers(meeting, model) and not carries_new(model, meeting.site)
    if told:
        return f"After a rollback of {who}, the message is out all the same, about a change that never came to be."
    if effect in _READS_ROWS and not _reads(meeting, model):
        return f"After a rollback of {who}, {job} runs all the same, for a change that never came to be."
    if effect in _READS_ROWS and later:
        return (
            f"After a rollback of {who}, {job} runs all the same, for a change that never came to be; where the commit takes longer than "
            f"`{later}`, it {_meets(meeting, model)}."
        )
    if effect in _READS_ROWS:
        return f"Before {who} has committed, {job} can run and {_meets(meeting, model)}; after a rollback it runs for a change that never came to be."
    if effect is Effect.OBJECT_DELETE:
        return f"When the transaction of {who} rolls back, the rows are back and the object that they point to is gone."
    return f"When the transaction of {who} rolls back, the message is already out: people are told of something that did not happen."


def _receivers(meeting: Meeting, model: Model) -> list[Function]:
    return [edge.callee for edge in model.edges_at(meeting.worst.effect.site) if edge.kind in {"job", "durable"}]


def _receiver(meeting: Meeting, model: Model) -> str:
    """The job that is sent, where it is known."""
    names = sorted({receiver.qualname for receiver in _receivers(meeting, model)})
    return f"the job `{names[0]}`" if len(names) == 1 else "the receiver"


def _reads(meeting: Meeting, model: Model) -> bool:
    """Does what is sent look at rows when it runs? Whom nobody knows may."""
    receivers = _receivers(meeting, model)
    return not receivers or any(model.reach.has(receiver, _READS) for receiver in receivers)


def _meets(meeting: Meeting, model: Model) -> str:
    """What a receiver finds that is faster than the commit."""
    found = found_early(model, meeting.site, _receivers(meeting, model))
    if found.table:
        return f"finds no `{found.table}`" if found.kind == "missing" else f"finds the `{found.table}` as it was"
    return "does not see what is written there"
