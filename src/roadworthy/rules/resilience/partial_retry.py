"""A retry leaves out ordinary failures of the client it covers.

## Why it fails in production
A client has several ways to fail for a moment: an error answer, a refused connection, a read that takes too long. They are different
exceptions, often without a common base that one would guess. A retry that names one of them looks safe and does nothing for the others:
the restart of the other side that it was written for still loses the work.

## What is reported
A policy or loop that names some exceptions of the client whose calls it repeats, but leaves out others that pass by themselves; the project's
own retry is judged by what each of its users asks for. A retry of the built-in `ConnectionError` or `TimeoutError` around a client that raises
its own class of that name. A retry for an exception of the project's own that is raised for 429 or 5xx only, while a lost connection passes it by.
A retry that ends at every answer from 400 to 499: 429 (too many requests) is one of them; so does a job that asks for another attempt at 5xx
only. A handler of a job that turns one kind of failure into a failed result to be tried later, while another kind ends the job. A client whose
own retry is switched off, in a job, schedule or consumer that nothing else repeats. LOW for a retry of error answers around a client that repeats
lost connections by itself.

## What is not reported
Predicates that ask for more than the kind of the error; calls of which it is not known what they raise. What a handler in between, or another
retry, deals with. What the client says of its own pool of connections. Timeouts of calls that must not be repeated when they may have been done.
Retries around a database, which are about conflicts.

## Bad
```python
import backoff
import boto3
from botocore.exceptions import ClientError

sqs = boto3.client("sqs")

@backoff.on_exception(backoff.expo, ClientError, max_tries=5)  # finding: partial-retry
def send(url: str, body: str) -> None:
    sqs.send_message(QueueUrl=url, MessageBody=body)
```

## Good
```python
import backoff
import boto3
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

sqs = boto3.client("sqs")

@backoff.on_exception(backoff.expo, (ClientError, ConnectionError, HTTPClientError), max_tries=5)
def send(url: str, body: str) -> None:
    sqs.send_message(QueueUrl=url, MessageBody=body)
```
"""

import re

from roadworthy.rules.api import (
    Finding,
    Iterator,
    Location,
    Model,
    Partial,
    Refusal,
    Rule,
    Severity,
    SwitchedOff,
    advise,
    blind_retries,
    doer,
    finding,
    impact_weight,
    list_of,
    partial_handlers,
    partial_retries,
    refusals,
    say,
    switched_off,
)

RULE = Rule(id="partial-retry", anti_pattern="missing-retry", doc=__doc__)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Each retry, and each handler that stands for one."""
    listed = set()
    for partial in partial_retries(model):
        at = _place(partial, model)
        if (at.path, at.line) not in listed:
            listed.add((at.path, at.line))
            yield _report(partial, at, model)
    for partial in blind_retries(model):
        at = _place(partial, model)
        if (at.path, at.line) not in listed:
            listed.add((at.path, at.line))
            yield _report_blind(partial, at, model)
    for partial in partial_handlers(model):
        yield _report(partial, _place(partial, model), model)
    told = set()
    for refusal in refusals(model):
        if model.is_reviewed(refusal.function.path) and (refusal.function.path, refusal.line) not in told:
            told.add((refusal.function.path, refusal.line))
            yield _report_refusal(refusal, model)
    for off in switched_off(model):
        yield _report_off(off, model)


def _leave_429(refusal: Refusal) -> str:
    """The same condition, with the two refusals that ask for another attempt on the right side."""
    test = refusal.test
    status = re.search(r"[\w.]*(?:status|code)\w*(?![\w.(])", test) if "…" not in test else None
    text, added = "Leave 408 and 429 to the retry", "if {} and {} not in (408, 429):\n    raise"
    if refusal.faults_only and not re.search(r" not in |!=", test):
        text, added = "Ask for another attempt at 408 and 429, too", "if {} or {} in (408, 429):\n    ...  # as it is"
        status = None if " and " in test else status
    return text + (f":\n```python\n{added.format(test, status[0])}\n```" if status else ".")


def _report_refusal(refusal: Refusal, model: Model) -> Finding:
    function = refusal.repeated
    exposure = model.exposure(function)
    return finding(
        RULE,
        model.place_of_lines(refusal.function, refusal.line, refusal.line),
        Severity.MEDIUM,
        title=say.fit(
            f"the retry of `{function.qualname}` gives up at 429, the answer that asks for another attempt",
            f"the retry of `{say.last(function.qualname)}` gives up at 429",
        ),
        issue=f"`{refusal.test}` lets the retry happen for faults of the other side only: 429 (too many requests) is not among them."
        if refusal.faults_only
        else f"`{refusal.test}` ends the retry for every refusal, and 429 (too many requests) is one of them; 408 is another.",
        impact=f"When the other side gets more requests than it allows, {doer(model, function)} loses the work at the first attempt, "
        "although a pause would have been enough.",
        fix=_leave_429(refusal),
        related=[model.place_of_lines(function, refusal.at, refusal.at)],
        steps=model.steps(exposure.worst, function),
        subject=refusal.test,
        weight=impact_weight(exposure),
    )


def _report_off(off: SwitchedOff, model: Model) -> Finding:
    made, call = say.call(off.site, model), say.call(off.effect.site, model)
    rule = off.effect.row.retry
    option = rule.argument or rule.config if rule is not None else None
    usual = f"{off.normally} attempts" if off.normally != "forever" else "attempts until it succeeds"
    through = "" if off.effect.site is off.site else f" of `{call}`"
    return finding(
        RULE,
        model.place(off.site),
        Severity.MEDIUM,
        title=say.fit(
            f"`{made}` switches off the retry of its client, and nothing else repeats its calls",
            f"`{made}` switches off the retry of its client",
        ),
        issue=f"The client makes {usual} by default; `{made}` leaves it one, and no retry of this code covers the calls{through}.",
        impact=f"A restart or a 503 of the other side, or one lost connection, costs {say.entry(off.entry)} its work at the first attempt.",
        fix=f"Leave {f'`{option}`' if option else 'the option'} at its default or give it a small number, with a timeout for each attempt.",
        related=[] if off.effect.site is off.site else [model.place(off.effect.site, "tried once")],
        steps=model.steps(off.entry, off.effect.function, off.effect.site),
        confidence=model.confidence_of(off.effect),
        subject=made,
        weight=impact_weight(model.exposure(off.effect.function), [off.effect]),
    )


def _place(partial: Partial, model: Model) -> Location:
    """Where the exceptions are written down."""
    if partial.handler is not None:
        return model.place_of_region(partial.handler.function, partial.handler.region)
    assert partial.retried is not None
    guard, function = partial.retried.guard, partial.retried.function
    if partial.retried.given and guard.site is not None and guard.site.function is function:
        return model.place(guard.site)
    listed = list_of(guard)
    if listed is not None and model.is_reviewed(listed[0].path):
        return model.place_of_lines(listed[0], listed[1], listed[1])
    return model.place_of_lines(function, guard.line, guard.line)


def _report(partial: Partial, at: Location, model: Model) -> Finding:
    effect = partial.effect
    function = partial.retried.function if partial.retried is not None else effect.function
    exposure = model.exposure(function)
    call = say.call(effect.site, model)
    left = say.joined([f"`{say.last(name)}`" for name in partial.missing], 3)
    caught = say.joined([f"`{say.last(name)}`" for name in partial.caught], 3)
    what = "the handler" if partial.retried is None else "the retry"
    does = "gives a failed result back" if partial.retried is None else "repeats"
    return finding(
        RULE,
        at,
        Severity.LOW if partial.only_rate or partial.left_to_client else Severity.MEDIUM,
        title=say.fit(
            f"{what} of `{function.qualname}` leaves out {left} of `{call}`",
            f"{what} of `{say.last(function.qualname)}` leaves out {left}",
            f"{what} of `{say.last(function.qualname)}` leaves out `{say.last(partial.missing[0])}`",
        ),
        issue=f"{what[0].upper()}{what[1:]} {does} for {caught}; `{call}` also raises {left}, which that does not cover.",
        impact=f"When the other side restarts or the network drops, {doer(model, function)} fails {_when(partial)}, "
        "although it was made to try again.",
        fix=advise.name_the_rest(partial),
        related=[model.place(effect.site, "raises it")],
        steps=model.steps(exposure.worst, function, effect.site),
        confidence=model.confidence_of(effect),
        subject=call,
        weight=impact_weight(exposure, [effect]),
    )


def _report_blind(partial: Partial, at: Location, model: Model) -> Finding:
    assert partial.retried is not None
    effect, function = partial.effect, partial.retried.function
    exposure, call = model.exposure(function), f"`{say.call(effect.site, model)}`"
    caught = say.joined([f"`{say.last(name)}`" for name in partial.caught], 3)
    meant = say.joined([f"`{name}`" for name in partial.missing], 3)
    return finding(
        RULE,
        at,
        Severity.MEDIUM,
        title=say.fit(
            f"the retry of `{function.qualname}` repeats nothing: {call} never raises the built-in {caught}",
            f"the retry of `{say.last(function.qualname)}` repeats nothing: its {caught} is the built-in one",
        ),
        issue=f"{caught} is the built-in class here; {call} raises {meant}, which has the same name and is no kind of it.",
        impact=f"When the other side restarts or the network drops, {doer(model, function)} fails at the first attempt, "
        "although it was made to try again.",
        fix=f"Name {meant} in the retry.",
        related=[model.place(effect.site, "raises it")],
        steps=model.steps(exposure.worst, function, effect.site),
        confidence=model.confidence_of(effect),
        subject=call,
        weight=impact_weight(exposure, [effect]),
    )


def _when(partial: Partial) -> str:
    return "after the client's own few attempts" if partial.left_to_client else "at the first attempt"
