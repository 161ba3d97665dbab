"""A retry leaves out ordinary transient failures of the very call that it covers.

## Why it fails in production
The same outage of a dependency shows itself in several ways: a timeout while it is slow, a refused or reset connection while it restarts,
an error status in between. A retry that knows one of them gives up at once on the others, and looks as if the call were covered.

## What is reported
A retry (decorator, loop, job option) whose exceptions catch some of the timeouts and lost connections that its call raises and miss others,
by the hierarchy of the client's exceptions. A handler that turns one kind of failure of a call into a recorded one
while another kind of the same failure ends the job.

## What is not reported
Retries that an outer retry completes. Loops in which another handler of the same `try` deals with the rest. Writes that are sent again
only when nothing was sent yet. A narrow list with a comment that says so.

## Bad
```python
import backoff, requests

@backoff.on_exception(backoff.expo, requests.Timeout, max_tries=5)  # finding: partial-retry
def fetch(url):
    return requests.get(url, timeout=5).json()
```

## Good
```python
import backoff, requests

@backoff.on_exception(backoff.expo, (requests.Timeout, requests.ConnectionError), max_tries=5)
def fetch(url):
    return requests.get(url, timeout=5).json()
```
"""

import re

from roadworthy.rules.api import (
    Attempts,
    Confidence,
    EffectAt,
    Entry,
    EntryKind,
    Finding,
    Guard,
    GuardKind,
    Handler,
    Iterator,
    Location,
    Model,
    Retried,
    Rule,
    Severity,
    Transients,
    finding,
    flow,
    is_remote,
    say,
)

RULE = Rule(id="partial-retry", anti_pattern="missing-retry", doc=__doc__)

_ON_PURPOSE = re.compile(
    r"\bonly\b|deliberate|on purpose|intention|don't retry|do not retry|not idempotent|non-idempotent", re.IGNORECASE
)
_NEAR = 5  # calls between a retry and what it repeats; further away it is about something else


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Compare what each retry, and each handler in a job, catches with what its calls raise."""
    transients = Transients(model)
    seen: dict[tuple[str, int], list[tuple[Retried, EffectAt, tuple[str, ...]]]] = {}
    for retried in model.retries.all:
        for effect in model.retries.effects(retried):
            if not is_remote(model, effect) or model.is_script(effect.site.path):
                continue
            missed = transients.missed(effect, retried.guard.on)
            if missed and not is_completed(retried, missed, model) and is_near(retried, effect, model):
                place = transients.definition(retried.guard) or _place(retried, model)
                seen.setdefault((place.path, place.line), []).append((retried, effect, missed))
    for found in seen.values():
        yield _retry(found, transients, model)
    yield from _handlers(transients, model)


def is_near(retried: Retried, effect: EffectAt, model: Model) -> bool:
    """Not a call far below that the retry happens to repeat as well."""
    return len(model.reach.path_down(retried.function, effect)) <= _NEAR


def is_completed(retried: Retried, missed: tuple[str, ...], model: Model) -> bool:
    """An outer retry, another handler of the same attempt, or a comment takes care of the rest."""
    guard, function = retried.guard, retried.function

    def covers(other: Guard) -> bool:
        return other.kind is GuardKind.RETRY and other.line != guard.line and _catches(other.on, missed, model)

    if model.coverage_of(function, covers).everywhere:
        return True
    tries = model.guards.loop(function, guard.region).tries if guard.form == "loop" and guard.region is not None else ()
    for tried in tries:
        for region in flow.handlers_of(function.scope, tried):
            if any(model.exceptions.catches(model.exceptions.handler(function, region), name) for name in missed):
                return True
    return bool(_ON_PURPOSE.search(model.comments_near(guard.path, guard.line - 3, guard.line + 4)))


def _catches(on: tuple[str, ...], missed: tuple[str, ...], model: Model) -> bool:
    return all(any(model.exceptions.is_subclass(name, base) for base in on) for name in missed)


def _place(retried: Retried, model: Model) -> Location:
    guard = retried.guard
    if guard.form == "loop" and guard.region is not None:
        for tried in model.guards.loop(retried.function, guard.region).tries:
            return model.place_of_region(retried.function, tried)
    if guard.site is not None and guard.path == guard.site.path:
        return model.place(guard.site)
    return model.place_of_lines(retried.function, guard.line, guard.line)


def _retry(found: list[tuple[Retried, EffectAt, tuple[str, ...]]], transients: Transients, model: Model) -> Finding:
    retried, effect, missed = found[0]
    guard = retried.guard
    call = f"`{say.call(effect.site, model)}`"
    names = say.joined([f"`{name.rpartition('.')[2]}`" for name in missed], 2)
    on = say.joined([f"`{name.rpartition('.')[2]}`" for name in guard.on], 3)
    related = [model.place(e.site, "raises it") for _, e, _ in found[:6]]
    related += [_place(r, model) for r, _, _ in found[:6]]
    return finding(
        RULE,
        transients.definition(guard) or _place(retried, model),
        Severity.MEDIUM,
        title=f"retry of {call} leaves out {names}",
        issue=f"`{guard.name}` repeats `{retried.function.qualname}` on {on} only; {call} also raises {names}, which none of these catches.",
        impact=f"The same outage shows as {on} at one moment and as {names} at the next: then the first one ends `{retried.function.name}`, in spite of the retry.",
        fix=f"Add {', '.join(f'`{name}`' for name in missed)} to what is retried, or name their common base.",
        related=related,
        confidence=Confidence.weakest(model.confidence_of(effect), Confidence.HIGH if guard.form != "loop" else Confidence.MEDIUM),
        subject=f"{guard.name}:{effect.name}",
    )  # fmt: skip


def _handlers(transients: Transients, model: Model) -> Iterator[Finding]:
    attempts = Attempts(model)
    for effect in model.effects_of():
        if not is_remote(model, effect) or effect.secondary:
            continue
        for handlers in model.handlers_around(effect.site)[:1]:
            settled = [h for h in handlers if not h.may_raise and not h.raises]
            caught = tuple(name for h in handlers for name in h.types)
            missed = transients.missed(effect, caught) if settled and all(h.types for h in handlers) else ()
            lost = _lost_job(effect, missed, attempts, model) if missed else None
            if lost is not None:
                yield _handler(effect, settled[0], missed, lost, model)


def _lost_job(effect: EffectAt, missed: tuple[str, ...], attempts: Attempts, model: Model) -> Entry | None:
    for outcome in model.failures.of(effect.site, missed[:1]):
        entry = outcome.entry
        if (
            outcome.kind == "fails"
            and entry is not None
            and entry.kind is EntryKind.JOB
            and attempts.is_lost_job(entry)
        ):
            return entry
    return None


def _handler(effect: EffectAt, handler: Handler, missed: tuple[str, ...], entry: Entry, model: Model) -> Finding:
    call = f"`{say.call(effect.site, model)}`"
    names = say.joined([f"`{name.rpartition('.')[2]}`" for name in missed], 2)
    caught = say.joined([f"`{name.rpartition('.')[2]}`" for name in handler.types], 3)
    return finding(
        RULE,
        model.place_of_region(handler.function, handler.region),
        Severity.MEDIUM,
        title=f"handler of {call} catches {caught} but not {names}",
        issue=f"A failure of {call} that is {caught} is dealt with here; {names} of the same call passes and ends {say.entry(entry)}.",
        impact=f"A timeout or lost connection is the commonest failure of {call}: it kills the job, which nothing retries, instead of being recorded.",
        fix=f"Catch {', '.join(f'`{name}`' for name in missed)} as well, and treat it as the other failures are treated.",
        related=[model.place(effect.site, "raises it")],
        steps=model.steps(entry, effect.function, effect.site),
        confidence=model.confidence_of(effect),
        subject=effect.name,
    )
