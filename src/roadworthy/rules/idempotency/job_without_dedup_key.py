"""A producer that comes round again and again enqueues the same job each time, and gives the queue no key to tell.

## Why it fails in production
A sweep selects what is due and enqueues a job for each. While the jobs wait, the next round selects the same things and enqueues them
again: the queue fills with copies that do the work twice, or fight for the same rows. A client that polls does the same.

## What is reported
A job enqueued without the queue's own deduplication key by a schedule, an endless loop or a job that is given nothing, in a loop over
things whose state it does not change first; by a request that only reads and is polled; by a webhook or consumer with an id at hand.

## What is not reported
Queues that know no such key; jobs enqueued with a key, behind a claim or a check, or after the row has left the selected state; jobs
that are enqueued once per run.

## Bad
```python
# file: app/poll.py
from datetime import timedelta
from docket import Docket, Perpetual
from app.jobs import overdue, mark_late

async def watch(docket: Docket, every: Perpetual = Perpetual(every=timedelta(seconds=5))):
    for run in await overdue():
        await docket.add(mark_late)(run.id)  # finding: job-without-dedup-key
```

## Good
```python
# file: app/poll.py
from datetime import timedelta
from docket import Docket, Perpetual
from app.jobs import overdue, mark_late

async def watch(docket: Docket, every: Perpetual = Perpetual(every=timedelta(seconds=5))):
    for run in await overdue():
        await docket.add(mark_late, key=f"mark-late-{run.id}")(run.id)
```
"""

from roadworthy.rules.api import (
    Effect,
    EffectAt,
    Entry,
    EntryKind,
    Finding,
    Function,
    Iterator,
    Minting,
    Model,
    Rule,
    Severity,
    advise_again,
    changes_state_before,
    comes_again,
    dedup_before,
    finding,
    given_ids,
    has_spread,
    impact_weight,
    in_loop,
    is_keyed,
    key_value,
    own_ids,
    polls,
    say,
    sweeps,
)

RULE = Rule(id="job-without-dedup-key", anti_pattern="nondeterministic-workflow-id", doc=__doc__)

_EVENTS = frozenset({EntryKind.WEBHOOK_HANDLER, EntryKind.QUEUE_CONSUMER})


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Look at each enqueue that could have a key; one finding for each producing function."""
    found: dict[Function, list[tuple[EffectAt, Entry]]] = {}
    for effect in model.effects_of(Effect.ENQUEUE):
        if lacks_key(effect, model):
            entry = comes_round(effect, model)
            if entry is not None and dedup_before(model, entry, effect, selection=False) is None:
                found.setdefault(effect.function, []).append((effect, entry))
    for pairs in found.values():
        yield _report(pairs, model)


def lacks_key(effect: EffectAt, model: Model) -> bool:
    """The queue has a key for this, and the call does not pass it, or passes another one each time."""
    where = effect.row.key
    if where is None:
        return False
    value = key_value(model, effect.site, where)
    if value is None:
        return not is_keyed(model, effect) and not has_spread(effect.site.fact)
    made = Minting(model).of(value, effect.function, effect.site.fact.order)
    return any(minted.kind == "random" and not minted.optional for minted in made)


def comes_round(effect: EffectAt, model: Model) -> Entry | None:
    """The entry that enqueues the same again: a sweep over things, a polled request, an event that is repeated."""
    for reached in model.exposure(effect.function).entries:
        entry = reached.entry
        sites = (
            [*(edge.site for edge in model.entries.path(entry, effect.function)), effect.site] if sweeps(entry) else []
        )
        if any(map(in_loop, sites)) and not any(changes_state_before(model, site) for site in sites):
            return entry
        if polls(entry) and entry.function is effect.function:
            return entry
        if entry.kind in _EVENTS and comes_again(model, entry) and own_ids(effect.site):
            return entry
    return None


def _report(pairs: list[tuple[EffectAt, Entry]], model: Model) -> Finding:
    effect, entry = pairs[0]
    exposure = model.exposure(effect.function)
    job = _job(effect, model)
    where = effect.row.key
    key = (where.contains or where.argument or "key") if where is not None else "key"
    ids = given_ids(effect.site) or own_ids(effect.site)
    return finding(
        RULE,
        model.place(effect.site),
        Severity.MEDIUM,
        title=say.fit(
            f"{job} is enqueued without `{key}` each time `{entry.function.name}` comes round",
            f"{job} is enqueued without `{key}` in each round",
        ),
        issue=(
            f"{say.entry(entry)[:1].upper()}{say.entry(entry)[1:]} enqueues {job} each time it runs and passes no `{key}`, so the queue takes it "
            "again although the earlier one still waits."
        ),
        impact=_impact(entry, job),
        fix=advise_again.execution_id(model, effect, key, ids),
        related=[model.place(other.site, "likewise") for other, _ in pairs[1:]],
        steps=model.steps(entry, effect.function, effect.site),
        confidence=model.confidence_of(effect),
        subject=job,
        weight=impact_weight(exposure, [effect]),
    )


def _job(effect: EffectAt, model: Model) -> str:
    callees = [edge.callee.name for edge in model.edges_at(effect.site) if edge.kind == "job"]
    return f"`{callees[0]}`" if callees else "a job"


def _impact(entry: Entry, job: str) -> str:
    if entry.kind is EntryKind.HTTP_HANDLER:
        return (
            f"Clients call `{entry.function.name}` again and again; each call adds one more {job}, and a slow worker finds a pile of equal jobs "
            "that contend for the same rows."
        )
    if entry.kind in _EVENTS:
        return f"{say.again(entry)}, and {job} is done once per delivery."
    return (
        f"When the queue is slower than the interval of `{entry.function.name}`, every round enqueues {job} for the same things again: the work "
        "is done several times and the backlog grows by itself."
    )
