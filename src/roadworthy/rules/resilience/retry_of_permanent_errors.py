"""A retry repeats what cannot succeed, or what has succeeded.

## Why it fails in production
A wrong argument, a missing object, a rejected address fails in the same way each time. Retried, it holds the worker for all attempts and
pauses, spends the rate limit that others need, and hides the real error until the last one. What has succeeded and is done again is done twice.

## What is reported
A policy, loop or `self.retry` for every exception around work that fails for good on wrong input: an HTTP status check, a program's exit
status, an error raised for bad input. A predicate that repeats every error code but one. A batch sent again as a whole after a part of
it was taken. A loop over attempts that goes on after success.

## What is not reported
Retries that name exceptions or have a predicate. Handlers that look at the error, and a narrower handler before the broad one. Work in
which nothing is known to fail for good. Answers of language models, of which the next one is another.

## Bad
```python
import requests
from tenacity import retry, stop_after_attempt, wait_exponential

@retry(stop=stop_after_attempt(5), wait=wait_exponential(max=60))  # finding: retry-of-permanent-errors
def load(url: str) -> dict:
    response = requests.get(url, timeout=5)
    response.raise_for_status()
    return response.json()
```

## Good
```python
import requests
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential

TRANSIENT = (requests.ConnectionError, requests.Timeout)

@retry(retry=retry_if_exception_type(TRANSIENT), stop=stop_after_attempt(5), wait=wait_exponential(max=60))
def load(url: str) -> dict:
    response = requests.get(url, timeout=5)
    response.raise_for_status()
    return response.json()
```
"""

from roadworthy.rules.api import (
    BroadRetry,
    Cause,
    EffectAt,
    Finding,
    Function,
    Iterator,
    Model,
    Retried,
    Rule,
    Severity,
    advise,
    all_but_one,
    broad_self_retries,
    causes_in,
    doer,
    expr,
    finding,
    goes_on_after_success,
    impact_weight,
    predicates_of,
    repeated_blocks,
    repeats_everything,
    say,
    whole_batches,
)

RULE = Rule(id="retry-of-permanent-errors", anti_pattern="bad-retry", doc=__doc__)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Policies and loops, their predicates, jobs that ask to be run again, batches, loops that go on."""
    judged = set()
    broad: dict[object, list[tuple[Retried, list[Cause]]]] = {}
    for retried in model.retries.all:
        for predicate in predicates_of(model, retried.guard):
            if predicate not in judged and all_but_one(model, predicate) is not None:
                judged.add(predicate)
                yield _report_predicate(predicate, retried, model)
        for effect in whole_batches(model, retried):
            yield _report_batch(effect, retried, model)
        if repeats_everything(model, retried) and not model.is_script(retried.function.path):
            causes = [
                cause
                for function, regions in repeated_blocks(retried, model)
                for cause in causes_in(model, function, regions)
            ]
            if causes:
                broad.setdefault(_policy(retried), []).append((retried, causes))
    for found in broad.values():
        yield _report(found, model)
    for job in broad_self_retries(model):
        yield _report_job(job, model)
    for function, region, effect in goes_on_after_success(model):
        yield _report_loop(function, region, effect, model)


def _name(retried: Retried) -> str:
    guard = retried.guard
    return "the loop" if guard.form == "loop" else f"`{say.last(guard.name)}`"


def _policy(retried: Retried) -> object:
    """The project's own decorator, where one holds the policy: there it is mended for all that it decorates."""
    house = retried.guard.through
    return house if house is not None and retried.guard.form != "loop" else retried


def _report(found: list[tuple[Retried, list[Cause]]], model: Model) -> Finding:
    """One policy; `found` are the functions that it repeats, with what fails for good in each."""
    (retried, causes), *others = found
    guard, function, cause = retried.guard, retried.function, causes[0]
    exposure = model.exposure(function)
    times = f"{guard.attempts} times" if isinstance(guard.attempts, int) else "again and again"
    more = f" and {len(others)} more functions" if others else ""
    house = guard.through if others else None
    name = f"`{house.name}`" if house is not None else _name(retried)
    return finding(
        RULE,
        model.place_of_lines(function, guard.line, guard.line),
        Severity.MEDIUM,
        title=say.fit(
            f"{name} repeats {len(found)} functions on every exception, permanent ones too"
            if house is not None
            else f"{name} repeats `{function.qualname}` on every exception, permanent ones too",
            f"`{function.qualname}` is repeated on every exception",
        ),
        issue=f"{name if name.startswith('`') else name.capitalize()} repeats `{function.qualname}()`{more} whatever it raises, and {cause.what}.",
        impact=f"Such a failure is tried {times} with the same outcome: {doer(model, function)} is held for all pauses, "
        "and the real error shows only at the end.",
        fix=_narrow(retried, house, model),
        related=[
            *(
                model.place_of_lines_in(c.function.path, c.line, c.line, c.function.qualname, "fails for good")
                for c in causes[:3]
            ),
            *(model.place_of_guard(other.guard, f"repeats {other.function.qualname}") for other, _ in others),
        ],
        steps=model.steps(exposure.worst, function),
        subject=guard.name,
        weight=impact_weight(exposure),
    )


def _narrow(retried: Retried, house: Function | None, model: Model) -> str:
    if house is not None:
        return (
            f"Name in `{house.name}()` (`{house.path}:{house.line}`) what may pass by itself: connection errors, timeouts, 429 and 5xx. Everything "
            "else then comes out at the first attempt, in all functions that it decorates."
        )
    if retried.guard.form == "loop":
        return advise.narrow_loop(model, retried.function)
    if narrowed := advise.narrow_retry(model, retried.guard, retried.function):
        return narrowed
    return (
        f"Name what may pass by itself in the policy (`{say.last(retried.guard.name)}`): connection errors, timeouts, 429 and 5xx. "
        "Everything else then comes out at the first attempt."
    )


def _report_job(broad: BroadRetry, model: Model) -> Finding:
    function = broad.site.function
    exposure = model.exposure(function)
    call = say.call(broad.site, model)
    why = broad.causes[0].what if broad.causes else "wrong input or a bug raises each time"
    name = function.scope.regions[broad.handler.region].target
    error = model.text(name, function) or "error"
    return finding(
        RULE,
        model.place_of_region(function, broad.handler.region),
        Severity.MEDIUM if broad.causes else Severity.LOW,
        title=say.fit(
            f"`{call}` runs `{function.qualname}` again on every exception", f"`{call}` is called on every exception"
        ),
        issue=f"The handler catches every exception and calls `{call}`; {why}, and is retried as if it could pass.",
        impact=f"An input that can never succeed takes a worker of {say.entry(exposure.worst, function)} for every attempt and its error "
        "is reported only after the last one.",
        fix=advise.narrow_job(model, function, broad.effects, model.callee_text(broad.site), error),
        related=[model.place(broad.site, "asks to be run again")],
        steps=model.steps(exposure.worst, function, broad.site),
        subject=call,
        weight=impact_weight(exposure, broad.effects),
    )


def _report_predicate(predicate: Function, retried: Retried, model: Model) -> Finding:
    leave = all_but_one(model, predicate)
    line = leave.line if leave is not None else predicate.line
    asked = say.code(leave.value.left, predicate) if leave and isinstance(leave.value, expr.Compare) else "code"
    function = retried.function
    exposure = model.exposure(function)
    return finding(
        RULE,
        model.place_of_lines(predicate, line, line),
        Severity.MEDIUM,
        title=say.fit(
            f"`{predicate.qualname}` has every error code but one repeated", "every error code but one is repeated"
        ),
        issue=f"`{predicate.qualname}()` decides what `{function.qualname}()` repeats, and it excludes a single code here; not found, "
        "not allowed and invalid are repeated.",
        impact=f"{say.subject(exposure.worst, function)} spends all attempts, their pauses and the rate limit on requests that can never succeed.",
        fix="Turn it round: list the codes of this service that may pass by themselves, such as these.\n"
        f'```python\nreturn {asked} in {{"rate_limited", "timeout", "service_unavailable", "internal_error"}}\n```',
        related=[model.place_of_guard(retried.guard, "uses it")],
        steps=model.steps(exposure.worst, function),
        subject=predicate.qualname,
        weight=impact_weight(exposure),
    )


def _report_batch(effect: EffectAt, retried: Retried, model: Model) -> Finding:
    function = retried.function
    exposure = model.exposure(function)
    call = say.call(effect.site, model)
    return finding(
        RULE,
        model.place(effect.site),
        Severity.MEDIUM,
        title=say.fit(
            f"`{call}` sends the whole batch again after a part of it was taken", "the whole batch is sent again"
        ),
        issue=f"`{say.last(retried.guard.name)}` repeats `{function.qualname}()` with the same batch, and `{call}` may take one part of it "
        "and refuse another.",
        impact="Each attempt delivers the entries again that were already taken, so whoever reads them gets duplicates.",
        fix="Keep only the entries that were refused, by their index in the answer, before the next attempt.",
        related=[model.place_of_guard(retried.guard, "repeats it")],
        steps=model.steps(exposure.worst, function, effect.site),
        confidence=model.confidence_of(effect),
        subject=call,
        weight=impact_weight(exposure, [effect]),
    )


def _report_loop(function: Function, region: int, effect: EffectAt, model: Model) -> Finding:
    exposure = model.exposure(function)
    call = say.call(effect.site, model)
    return finding(
        RULE,
        model.place_of_region(function, region),
        Severity.MEDIUM,
        title=say.fit(
            f"the attempts in `{function.qualname}` go on after `{call}` has succeeded",
            "the attempts go on after success",
        ),
        issue=f"The loop of `{function.qualname}()` counts attempts, but nothing leaves it when `{call}` works.",
        impact=f"{say.effect(effect, model)[0].upper()}{say.effect(effect, model)[1:]} in every round, also when the first one did it.",
        fix="Leave the loop as soon as the work is done: `break` (or `return`) as the last statement of the `try`.",
        related=[model.place(effect.site, "is done in every round")],
        steps=model.steps(exposure.worst, function, effect.site),
        confidence=model.confidence_of(effect),
        subject=call,
        weight=impact_weight(exposure, [effect]),
    )
