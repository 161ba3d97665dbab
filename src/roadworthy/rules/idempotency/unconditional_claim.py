"""Work is picked by its state and marked as taken without a condition on that state.

## Why it fails in production
Two workers, or two runs that overlap after a deploy, read the same open rows before either has marked them: the e-mail goes out twice, the job
runs twice, the token is used twice. A mark that is set after the work also leaves the work to be done again when the process dies in between.

## What is reported
Rows that are looked up by a state (`status="new"`, `sent=False`, `processed_at IS NULL`), something outside that is done for each, and the
state set on the row or by its key only. Rows whose time has come (`next_run <= now`, `reminded_at` long ago or never). One row whose state is asked (`if invite.used: return`) before an e-mail, a text message or a charge, and
set in another step. A key in a cache that is asked for and set in two steps (`if cache.get(key): return`, `cache.set(key, 1)`) around what is to be done once, or as
a lock; a lock file that is asked for by `exists()` and then made. A claim whose answer nobody reads (`store.set(key, 1, nx=True)` as a statement) while an earlier
`exists(key)` decides.

## What is not reported
Rows read with `FOR UPDATE` (`SKIP LOCKED`), updates that name the old state and come before the work, work under a lock. Rows that are only
changed, with nothing done outside.

## Bad
```python
# file: shop/models.py
from django.db import models

class Reminder(models.Model):
    address = models.EmailField()
    sent = models.BooleanField(default=False)

# file: shop/tasks.py
from celery import shared_task
from django.core.mail import send_mail
from shop.models import Reminder

@shared_task
def send_reminders():
    for reminder in Reminder.objects.filter(sent=False):
        send_mail("Your basket", "…", None, [reminder.address])
        reminder.sent = True  # finding: unconditional-claim
        reminder.save()
```

## Good
```python
# file: shop/models.py
from django.db import models

class Reminder(models.Model):
    address = models.EmailField()
    sent = models.BooleanField(default=False)

# file: shop/tasks.py
from celery import shared_task
from django.core.mail import send_mail
from shop.models import Reminder

@shared_task
def send_reminders():
    for reminder in Reminder.objects.filter(sent=False):
        if not Reminder.objects.filter(pk=reminder.pk, sent=False).update(sent=True):
            continue
        send_mail("Your basket", "…", None, [reminder.address])
```
"""

from roadworthy.rules.api import (
    Claim,
    Confidence,
    Effect,
    EntryKind,
    Exposure,
    Finding,
    Iterator,
    Location,
    Mark,
    Model,
    Rule,
    Severity,
    UnreadAnswer,
    advise,
    finding,
    impact_weight,
    marks,
    only_scheduled,
    say,
)

RULE = Rule(id="unconditional-claim", anti_pattern="check-then-act", doc=__doc__)

_KEY_FIRST = "Set the key in one call that tells whether it was the first (`set(…, nx=True, ex=…)`, `cache.add(…)`), before the work, and decide by its answer; take it away when the work fails."
_FILE_FIRST = 'Make the file in a way that refuses one that is there (`open(path, "x")`, `touch(exist_ok=False)`) and decide by `FileExistsError`; or hold a lock of the operating system on it, which ends with the process.'
_ALONE = (EntryKind.SCHEDULED, EntryKind.COMMAND, EntryKind.STARTUP)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Rows by their state, and answers that nobody reads."""
    for function in model.functions:
        told: set[int] = set()  # one statement may mark what several queries have picked
        for claim in model.claims.of(function):
            if claim.line in told:
                continue
            if not is_one_at_a_time(claim, model) and not is_marked_by_one_run(claim, model):
                told.add(claim.line)
                yield _report(claim, model)
        for mark in marks(model, function):
            if not is_marked_alone(mark, model):
                yield _report_mark(mark, model)
    for unread in model.claims.unread():
        yield _report_unread(unread, model)


def is_one_at_a_time(claim: Claim, model: Model) -> bool:
    """A lock is held, or it is a script that a person runs."""
    if model.protection.is_set_up(claim.function):
        return True
    return model.protection.rows_locked(claim.read.site, claim.table, claim.read.access.lookup)


def is_marked_alone(mark: Mark, model: Model) -> bool:
    """A lock is held, or no two runs come here."""
    exposure = model.exposure(mark.function)
    kinds = {reached.entry.kind for reached in exposure.entries}
    in_turn = mark.acts is not None and mark.acts.effect is not Effect.CHARGE and kinds <= set(_ALONE)
    quiet = (bool(kinds) or mark.asks.file) and (not exposure.serves or in_turn)
    return quiet or model.protection.is_set_up(mark.function) or model.protection.rows_locked(mark.sets.site, None)


def is_marked_by_one_run(claim: Claim, model: Model) -> bool:
    """The mark names the old state, and only runs that are started one after the other come here."""
    exposure = model.exposure(claim.function)
    return claim.conditional and bool(exposure.entries) and _severity(claim, exposure, model) is not Severity.HIGH


def _severity(claim: Claim, exposure: Exposure, model: Model) -> Severity:
    entries = [reached.entry for reached in exposure.entries]
    brief = claim.first and claim.acts.effect is Effect.ENQUEUE  # a run takes moments: another one seldom meets it
    if not entries or (brief and all(entry.kind is EntryKind.JOB for entry in entries)):
        return Severity.MEDIUM
    if all(entry.kind in _ALONE or entry.function in only_scheduled(model) for entry in entries):
        return Severity.MEDIUM if any(entry.serves_others for entry in entries) else Severity.LOW
    return Severity.HIGH


def _severity_of_row(claim: Claim, exposure: Exposure) -> Severity:
    """Two runs for one row need a redelivery or a second click."""
    again = any(reached.entry.repeats for reached in exposure.entries)
    return Severity.HIGH if again or claim.acts.effect is Effect.CHARGE else Severity.MEDIUM


def _report(claim: Claim, model: Model) -> Finding:
    exposure = model.exposure(claim.function)
    entry = exposure.worst
    owner = claim.table.model.name if claim.table.model is not None else claim.table.name
    does = say.effect(claim.acts, model)
    when = "before" if claim.first else "after"
    crash = (
        "" if claim.first else " When the process dies between the two, it is done again for the row at the next run."
    )
    return finding(
        RULE,
        model.place_of_lines(claim.function, claim.line, claim.end_line),
        _severity_of_row(claim, exposure) if claim.asked else _severity(claim, exposure, model),
        title=_title(claim, owner),
        issue=_asked_for(claim, owner, does, when)
        if claim.asked
        else (
            f"Line {claim.read.site.line} reads `{owner}` rows by `{claim.column}`, and line {claim.line} sets it {when} {does}; "
            f"{'by then it is done, whatever the row says' if claim.conditional else 'nothing asks whether the row was still open'}."
        ),
        impact=(
            f"When {say.at_once(entry, claim.function)} with one `{owner}`, both find it open, and {does} twice.{crash}"
            if claim.asked
            else f"When {say.at_once(entry, claim.function)}, both read the same rows, and {does} twice for each.{crash}"
        ),
        fix=advise.claim(model, claim),
        related=[model.place(claim.read.site, "picks the rows"), model.place(claim.acts.site, "is done for each")],
        steps=model.steps(entry, claim.function, claim.read.site),
        confidence=Confidence.weakest(
            claim.acts.confidence,
            claim.read.access.effect.confidence,
            Confidence.HIGH if exposure.entries else Confidence.MEDIUM,
        ),
        subject=f"{claim.table.name}.{claim.column}",
        weight=impact_weight(exposure, [claim.acts]),
    )


def _title(claim: Claim, owner: str) -> str:
    if claim.asked:
        return say.fit(
            f"`{claim.column}` of `{owner}` is asked and set in two steps, with what is done once between them",
            f"`{claim.column}` of `{owner}` is asked and set in two steps",
        )
    return f"`{owner}` rows are picked by `{claim.column}` and {_marked(claim)}"


def _asked_for(claim: Claim, owner: str, does: str, when: str) -> str:
    return (
        f"Line {claim.read.site.line} reads a `{owner}`, its `{claim.column}` decides, and line {claim.line} sets it {when} {does}; "
        "the row is not locked, and nothing asks again whether it was still open."
    )


def _marked(claim: Claim) -> str:
    return "claimed only after the work" if claim.conditional else "marked without a condition on it"


def _report_unread(unread: UnreadAnswer, model: Model) -> Finding:
    claim, asks = unread.claim, unread.asks
    exposure = model.exposure(claim.function)
    entry = exposure.worst
    call = say.call(claim, model)
    related: list[Location] = [model.place(asks, "asks whether the key is there")]
    related += [model.place(site, "claims it here") for site in unread.callers[:4]]
    related += [model.place(site, "asks here") for site in unread.askers[:4]]
    return finding(
        RULE,
        model.place(claim),
        Severity.HIGH if exposure.serves else Severity.MEDIUM,
        title=f"`{call}` tells whether it was the first, and nobody reads the answer",
        issue=(
            f"`{say.call(asks, model)}` at line {asks.line} decides whether the key was used, and `{call}` claims it later without looking at what it "
            f"answers: the two are not one step."
        ),
        impact=f"When {say.at_once(entry, claim.function, 'with one key')}, both find it unused, both go on, and both claim it.",
        fix=f"Claim first and decide by the answer: `if not {call.removesuffix('()')}(…): …` (refuse), and drop the question before it.",
        related=related,
        steps=model.steps(entry, claim.function, claim),
        confidence=Confidence.HIGH if exposure.entries else Confidence.MEDIUM,
        subject=model.callee_text(claim),
        weight=impact_weight(exposure) + 10,
    )


def _report_mark(mark: Mark, model: Model) -> Finding:
    exposure = model.exposure(mark.function)
    entry = exposure.worst
    does = say.effect(mark.acts, model) if mark.acts is not None else "the work behind it is done"
    asks, sets = mark.asks.site, mark.sets.site
    crash = "" if mark.first else " When the process dies before that, it is done again."
    acts = [mark.acts] if mark.acts is not None else []
    thing = "file" if mark.asks.file else "key"
    at_once = any(reached.entry.serves_others and reached.entry.kind not in _ALONE for reached in exposure.entries)
    dear = mark.acts is None or mark.acts.effect in (Effect.CHARGE, Effect.EMAIL, Effect.SMS)
    again = bool(exposure.repeats) and not (mark.acts is not None and mark.acts.effect is Effect.ENQUEUE)  # a throttle
    return finding(
        RULE,
        model.place(sets),
        Severity.HIGH if at_once and (dear or again) else Severity.MEDIUM,
        title=say.fit(
            f"`{say.call(asks, model)}` asks for a {thing}, and `{say.call(sets, model)}` sets it in another step",
            f"A {thing} is asked for and set in two steps",
        ),
        issue=f"Line {asks.line} asks whether the {thing} is there, and line {sets.line} sets it {'before' if mark.first else 'after'} {does if acts else 'the work behind it'}, whoever has set it meanwhile.",
        impact=f"When {say.at_once(entry, mark.function, f'with one {thing}')}, both find nothing, and {does} twice.{crash}",
        fix=_FILE_FIRST if mark.asks.file else _KEY_FIRST,
        related=[model.place(asks, "asks for it"), *(model.place(act.site, "is to be done once") for act in acts)],
        steps=model.steps(entry, mark.function, sets),
        confidence=Confidence.HIGH if exposure.entries else Confidence.MEDIUM,
        subject=model.callee_text(sets),
        weight=impact_weight(exposure, acts),
    )
