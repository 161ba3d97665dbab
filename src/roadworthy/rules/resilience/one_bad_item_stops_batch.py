"""One item that fails keeps all the others from being handled.

## Why it fails in production
In a run over a thousand tenants some mailbox bounces, some endpoint answers 500, some record is malformed. When that error leaves the loop,
everybody after it gets nothing; and since the next run starts with the same items, it ends at the same place again.

## What is reported
In a job, a schedule, a worker or a command: a loop over items that sends, pays or asks something outside for each and lets the failure
out, directly or a few calls down; a handler in such a loop that logs the item and raises all the same, or that goes on after some failures of
a request and leaves others out; an endless loop that takes item after item from a queue and ends at the first failure. A row
that is looked up for an item that came from elsewhere, and is not there; a check of such an item that raises. A loop that hands the same thing to one implementation (backend, notifier, listener) after the other, in a signal's receiver or a consumer as well.

## What is not reported
A handler for each item. A transaction around the loop. Parts of one thing (pages, chunks, steps, the folders of a path). Results that are collected into
one answer, or compared for the best. Limits of the other side that all items share. Requests of a user, who sees the error. Clouds and object stores, which fail for all alike.

## Bad
```python
from celery import shared_task
from django.core.mail import send_mail

@shared_task
def remind(users):
    for user in users:  # finding: one-bad-item-stops-batch
        send_mail("Reminder", user.text, None, [user.email])
```

## Good
```python
import logging
from celery import shared_task
from django.core.mail import send_mail

logger = logging.getLogger(__name__)

@shared_task
def remind(users):
    for user in users:
        try:
            send_mail("Reminder", user.text, None, [user.email])
        except Exception:
            logger.exception("could not remind user %s", user.pk)
```
"""

from roadworthy.rules.api import (
    Audience,
    CallSite,
    Confidence,
    Effect,
    EffectAt,
    Entry,
    EntryKind,
    Finding,
    Fragile,
    Function,
    Iterator,
    Location,
    Model,
    Rule,
    Severity,
    acts,
    ended_by,
    finding,
    fragile_loops,
    impact_weight,
    is_aside,
    is_given_by_hand,
    is_heard_outside,
    is_marked_done,
    is_run_again,
    keep_inside,
    leaves_nobody,
    plugin_loops,
    raised_again,
    say,
    uneven_loops,
)

RULE = Rule(id="one-bad-item-stops-batch", anti_pattern="no-graceful-degradation", doc=__doc__)

_BACKGROUND = frozenset({EntryKind.JOB, EntryKind.SCHEDULED, EntryKind.WORKER_LOOP})
_HANDED = frozenset({EntryKind.SIGNAL_RECEIVER, EntryKind.QUEUE_CONSUMER, EntryKind.WEBHOOK_HANDLER})
_TO_PEOPLE = frozenset({Effect.EMAIL, Effect.SMS, Effect.NOTIFY, Effect.CHARGE})
_LEAVING = frozenset({"__exit__", "__aexit__"})  # what they release, nobody else does
_CLOSE = 3  # calls between the entry and the loop: further away it is machinery, not the batch


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """One finding for each function: its outermost loop."""
    seen: set[Function] = set()
    for loop in (*fragile_loops(model), *plugin_loops(model), *uneven_loops(model)):
        if loop.function in seen:
            continue
        entry = ended_by(model, loop) if loop.kind == "worker" else batch_of(loop, model)
        if entry is not None or (loop.failures and loop.function.name in _LEAVING):
            seen.add(loop.function)
            yield _report(loop, entry, model)


def batch_of(loop: Fragile, model: Model) -> Entry | None:
    """The job, schedule, worker or command whose business the loop is."""
    exposure = model.exposure(loop.function)
    if loop.run is not None:
        inline = [reached.entry for reached in exposure.entries if reached.inline]
        return None if exposure.only_commands else next(iter(inline), None)
    if loop.plugins:
        near = exposure.of_kind(*_BACKGROUND, *_HANDED)
        return next((e for e in near if len(model.entries.path(e, loop.function)) <= _CLOSE), None)
    to_people = any(effect.effect in _TO_PEOPLE for _, effect in loop.failures)
    typed = loop.row is not None or (is_given_by_hand(model, loop) and not to_people)
    by_hand = [] if typed and not loop.consumes else [EntryKind.COMMAND]
    for entry in exposure.of_kind(*_BACKGROUND, *by_hand):
        if loop.handler is not None or len(model.entries.path(entry, loop.function)) <= _CLOSE:
            return entry
    return None


def _judge(loop: Fragile, entry: Entry | None, effect: EffectAt | None, model: Model) -> tuple[Severity, Audience]:
    if model.is_script(loop.function.path) or is_run_again(model, loop):
        return Severity.LOW, Audience.PEDANTIC
    if loop.kind == "worker":
        return (Severity.HIGH if leaves_nobody(model, loop) else Severity.MEDIUM), Audience.REGULAR
    to_people = effect is not None and effect.effect in _TO_PEOPLE and not effect.secondary
    severity = Severity.HIGH if to_people else Severity.MEDIUM
    by_hand = entry is not None and entry.kind is EntryKind.COMMAND and not loop.consumes
    if entry is not None and is_marked_done(model, loop, entry):
        return severity.lowered(), Audience.PEDANTIC if entry.kind is EntryKind.WORKER_LOOP else Audience.REGULAR
    return (severity.lowered() if by_hand else severity), Audience.REGULAR


def _worst(loop: Fragile, model: Model) -> tuple[CallSite, EffectAt] | None:
    def rank(pair: tuple[CallSite, EffectAt]) -> tuple[bool, bool, int, str, int]:
        site, effect = pair
        return is_aside(model, effect), not acts(effect), site.line, effect.site.path, effect.site.line

    return min(loop.failures, key=rank, default=None)


def _report(loop: Fragile, entry: Entry | None, model: Model) -> Finding:
    function = loop.function
    worst = _worst(loop, model)
    effect, sites = worst[1] if worst else None, loop.sites
    severity, audience = _judge(loop, entry, effect, model)
    related = [model.place(site, "its failure ends the loop") for site in sites]
    again = [handler for site in sites for handler in raised_again(model, site)]
    related += [model.place_of_region(handler.function, handler.region, "logs it and raises") for handler in again[:4]]
    if effect is not None and effect.site not in sites:
        related.append(model.place(effect.site, "fails here"))
    if loop.row is not None:
        related.append(model.place(loop.row.at, "checks it" if loop.row.checks else "looks the row up"))
    if loop.handler is not None:
        related.insert(0, model.place_of_region(function, loop.handler.region, "logs the item and raises"))
    if loop.left is not None:
        related.insert(0, model.place_of_region(function, loop.left.handler.region, "goes on after other failures"))
        raised = loop.left.raised
        related += [model.place_of_lines(raised.function, raised.line, raised.line, "raised here")] if raised else []
    ran = worst[0] if worst else next(iter(sites), None)
    what = f"`{say.call(ran, model)}`" if ran else "the work"
    return finding(
        RULE,
        _at(loop, model),
        severity,
        title=_title(loop),
        issue=_issue(loop, what, worst, model),
        impact=_impact(loop, what, entry, model),
        fix=_fix(loop, model),
        related=related,
        steps=model.steps(entry, function, worst[0] if worst else None),
        confidence=model.confidence_of(effect) if effect is not None else Confidence.MEDIUM,
        subject=f"{loop.item} in {loop.items}",
        audience=audience,
        weight=impact_weight(model.exposure(function), [e for _, e in loop.failures]),
    )


def _at(loop: Fragile, model: Model) -> Location:
    region = loop.function.scope.regions[loop.region]
    first, last = loop.left.lines if loop.left else (region.line, min(region.end_line, region.line + 20))
    return model.place_of_lines(loop.function, first, last)


def _title(loop: Fragile) -> str:
    if loop.kind == "worker":
        return f"one failing `{loop.item}` ends the endless loop of `{loop.function.qualname}`"
    return f"one failing `{loop.item}` ends the loop over `{loop.items}` in `{loop.function.qualname}`"


def _issue(loop: Fragile, what: str, worst: tuple[CallSite, EffectAt] | None, model: Model) -> str:
    if loop.handler is not None:
        return f"The handler in line {loop.handler.line} logs which `{loop.item}` failed and raises the error again, out of the loop."
    if loop.left is not None:
        left, kept = _named(loop.left.names), _named(loop.left.handler.types)
        raised = loop.left.raised
        place = f" ({raised.function.path}:{raised.line})" if raised else ""
        return f"The handler in line {loop.left.handler.line} goes on to the next `{loop.item}` after {kept}; {what} also raises {left}{place}, which leaves the loop."
    if loop.row is not None:
        seen, error = f"{loop.row.at.path}:{loop.row.at.line}", say.last(loop.row.error)
        asks = (
            ("checks", "it is not as it should be")
            if loop.row.checks
            else ("looks up one row for", "it has gone or never was")
        )
        return f"{what} {asks[0]} each `{loop.item}` ({seen}) and raises `{error}` where {asks[1]}; no handler inside the loop keeps that there."
    if worst is None or loop.run is not None:
        other, region = loop.alike[0]
        like = f"{other.path}:{other.scope.regions[region].line}"
        return f"Nothing inside the loop keeps what a `{loop.item}` raises, as {len(loop.alike)} other loops of the project do, that of {like} for one."
    site, effect = worst
    place = f"{effect.site.path}:{effect.site.line}"
    through = "" if effect.site is site else f", through `{effect.function.qualname}()` ({place}),"
    if effect.site is not site and what == f"`{effect.function.qualname}()`":
        through = f" ({place})"
    does = "works on a file that may be broken" if effect.effect is Effect.COMPUTE else effect.effect.word.meaning
    return f"{what}{through} {does} for each `{loop.item}`, and no handler inside the loop keeps its failure there."


def _impact(loop: Fragile, what: str, entry: Entry | None, model: Model) -> str:
    if entry is None:
        return f"When {what} fails for one `{loop.item}`, the others in `{loop.items}` are not released, and the error that ended the block is hidden by this one."
    who = say.entry(entry)
    if loop.kind == "worker":
        return f"At the first failure of {what}, {who} is over: what waits in `{loop.items}` is not handled until the process is started again."
    if loop.run is not None:
        return f"When one of `{loop.items}` raises, {who} fails with it, and those that come after it are not called."
    if is_heard_outside(model, loop):
        return f"When {what} fails for one `{loop.item}`, a handler outside the loop hears of it, and what comes after it in `{loop.items}` is not handled in {who}."
    again = "" if entry.kind is EntryKind.JOB else ", and the next run may stop at the same one again"
    again = ", and each repetition of the job begins from the first again" if entry.retried else again
    return f"When {what} fails for one `{loop.item}`, {who} stops there: what comes after it in `{loop.items}` is not handled{again}."


def _fix(loop: Fragile, model: Model) -> str:
    if loop.left is None:
        return keep_inside(model, loop)
    left, base = _named(loop.left.names), "this project" if loop.left.raised else "this client"
    return f"Let the handler in line {loop.left.handler.line} catch {left}, too, or the common base of all failures of {base}."


def _named(types: tuple[str, ...]) -> str:
    return say.joined([f"`{say.last(name)}`" for name in types], 3)
