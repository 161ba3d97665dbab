"""A durable execution is started under a random id, so the engine cannot tell that it was started before.

## Why it fails in production
An engine keeps one execution per id: a second start with the same id is refused or joins the first. When the id is random, or left to the
library, a retried request, a redelivered message and an overlapping schedule each start another execution of the same work.

## What is reported
A start of a workflow, a deployment run or another durable execution whose id is random, clock-based or missing, also through wrappers:
where an entry or a retry repeats the start, or where the start is given the id of a business object that could name it.

## What is not reported
Ids made of business keys; ids minted once upstream and carried in; starts that belong to no object; places that say that many runs are
wanted; children that the engine names by itself in the same way at each replay.

## Bad
```python
import uuid
from temporalio.client import Client

async def on_order(client: Client, order_id: str):
    await client.start_workflow(
        "Fulfil",
        order_id,
        id=f"fulfil-{uuid.uuid4()}",  # finding: random-workflow-id
        task_queue="orders",
    )
```

## Good
```python
from temporalio.client import Client

async def on_order(client: Client, order_id: str):
    await client.start_workflow("Fulfil", order_id, id=f"fulfil-{order_id}", task_queue="orders")
```
"""

import re
from dataclasses import dataclass

from roadworthy.rules.api import (
    CallSite,
    Effect,
    EffectAt,
    Entry,
    EntryKind,
    Finding,
    Function,
    Iterator,
    Minted,
    Minting,
    Model,
    RetryOver,
    Rule,
    Severity,
    advise_again,
    comes_again,
    entries_again,
    entries_around,
    finding,
    given_ids,
    has_spread,
    impact_weight,
    is_replayed,
    key_value,
    retries_around,
    retries_over,
    runs_over_again,
    say,
)

RULE = Rule(id="random-workflow-id", anti_pattern="nondeterministic-workflow-id", doc=__doc__)

_MANY_WANTED = re.compile(
    r"unique|multiple|several|many|every (run|call|time|request)|each (run|call|time|request|message)|concurrent|parallel|allow|ad.?hoc|manual"
    r"|debug|playground|re-?run|on purpose|intentional",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Wrong:
    """A start, what makes its id (None: nothing, it is missing), what repeats it, and ids at hand."""

    effect: EffectAt
    argument: str
    minted: Minted | None
    entry: Entry | None
    retry: RetryOver | None
    ids: tuple[str, ...]
    severity: Severity


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Judge the id of each start; each making of an id is reported once."""
    minting = Minting(model)
    seen: set[CallSite] = set()
    for effect in model.effects_of(Effect.START_DURABLE):
        wrong = judge(effect, minting, model)
        if wrong is None or many_are_wanted(wrong, model):
            continue
        place = wrong.minted.site if wrong.minted is not None else effect.site
        if place not in seen:
            seen.add(place)
            yield _report(wrong, place, model)


def judge(effect: EffectAt, minting: Minting, model: Model) -> _Wrong | None:
    """Is the id another one each time, and would it matter?"""
    where = effect.row.key or next(iter(effect.row.identity), None)
    if where is None or is_inside_workflow(effect.function, model):
        return None
    name = where.contains or where.argument or "id"
    expr = key_value(model, effect.site, where)
    ids = tuple(given_ids(effect.site, without=where))
    if expr is None:
        return None if has_spread(effect.site.fact) or where.contains else _judge_missing(effect, name, ids, model)
    for minted in minting.of(expr, effect.function, effect.site.fact.order):
        if minted.optional or minted.kind == "process-hash":
            continue
        around = entries_around(model, minted, effect.site)
        retry = next(iter(retries_around(model, minted, effect.site)), None)
        again = next((entry for entry in around if comes_again(model, entry)), None)
        over = again or next((entry for entry in around if runs_over_again(entry)), None)
        at_hand = tuple(dict.fromkeys((*ids, *given_ids(minted.anchor))))
        if again is not None or retry is not None:
            return _Wrong(effect, name, minted, again, retry, at_hand, Severity.HIGH)
        if at_hand:
            return _Wrong(effect, name, minted, over or next(iter(around), None), None, at_hand, Severity.MEDIUM)
    return None


def _judge_missing(effect: EffectAt, name: str, ids: tuple[str, ...], model: Model) -> _Wrong | None:
    """Without an id the library makes one up; it matters where the start is repeated by itself."""
    again = next(iter(entries_again(model, effect.function)), None)
    retry = next(iter(retries_over(model, effect.site)), None)
    if (again is None and retry is None) or not ids:
        return None
    return _Wrong(effect, name, None, again, retry, ids, Severity.MEDIUM)


def is_inside_workflow(function: Function, model: Model) -> bool:
    """Replayed code is judged by its own rule; ids that the engine makes there are the same at each replay."""
    return any(is_replayed(reached.entry) for reached in model.exposure(function).entries)


def many_are_wanted(wrong: _Wrong, model: Model) -> bool:
    """The code says near the start that it wants another execution each time."""
    site = wrong.minted.site if wrong.minted is not None else wrong.effect.site
    text = model.comments_near(site.path, site.line - 3, site.fact.end_line)
    return bool(_MANY_WANTED.search(text)) or bool(
        re.search(r"ad_?hoc|manual|test|debug|demo|rerun|replay", site.function.name)
    )


def _report(wrong: _Wrong, place: CallSite, model: Model) -> Finding:
    effect = wrong.effect
    start = f"`{say.call(effect.site, model)}`"
    exposure = model.exposure(effect.function)
    entry = wrong.entry or exposure.worst
    maker = f"`{say.call(wrong.minted.site, model)}`" if wrong.minted is not None else ""
    how = f"under an id from {maker}" if maker else f"without `{wrong.argument}`"
    hand = f"; `{wrong.ids[0]}` is at hand" if wrong.ids else ""
    return finding(
        RULE,
        model.place(place),
        Severity.MEDIUM if model.is_script(effect.site.path) else wrong.severity,
        title=say.fit(
            f"{start} starts an execution {how}, another one each time",
            f"an execution is started {how}, another one each time",
        ),
        issue=(
            f"{start} starts a durable execution {how}, which differs each time{hand}. The engine de-duplicates by this id alone."
        ),
        impact=_impact(wrong, entry, start),
        fix=advise_again.execution_id(model, effect, wrong.argument, list(wrong.ids)),
        related=[
            *([model.place(effect.site, "starts the execution")] if place is not effect.site else []),
            *([model.place_of_guard(wrong.retry.guard, "repeats it")] if wrong.retry is not None else []),
        ],
        steps=model.steps(entry, effect.function, effect.site),
        confidence=model.confidence_of(effect, exposure),
        subject=effect.name,
        weight=impact_weight(exposure, [effect]),
    )


def _impact(wrong: _Wrong, entry: Entry | None, start: str) -> str:
    thing = f" for the same `{wrong.ids[0]}`" if wrong.ids else ""
    if wrong.retry is not None:
        return f"When {start} times out after the engine has accepted it, the retry starts a second execution{thing}, and both do the work."
    if entry is not None and (
        wrong.severity is Severity.HIGH or entry.kind is EntryKind.HTTP_HANDLER or runs_over_again(entry)
    ):
        return f"{say.again(entry)}. A second execution{thing} then runs beside the first, and every step of it is done twice."
    return f"Whatever calls `{wrong.effect.function.qualname}` a second time{thing} starts a second execution beside the first."
