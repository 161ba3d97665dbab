"""Retries inside retries multiply.

## Why it fails in production
Three layers that each try five times make 125 requests of one. When the other side is overloaded, that is what keeps it down; and the
worker is held for all pauses of all layers, far beyond the limit that any single one of them was given.

## What is reported
A call that two or more retries repeat on one path: the client's own, policies and loops of this code, the job queue. The product of
their attempts is named. Where only the client's default meets a single policy, the finding is pedantic. A job that asks for its retry inside
of a `try` whose handler catches the exception by which it is asked for, and often asks once more.

## What is not reported
Layers that repeat different exceptions. An outer layer that does not see what the inner one lets out. Layers whose number of attempts is
not known.

## Bad
```python
import requests
from tenacity import retry, stop_after_attempt, wait_exponential

@retry(stop=stop_after_attempt(4), wait=wait_exponential(max=30), reraise=True)  # finding: nested-retries
def push(url: str) -> None:
    requests.post(url, timeout=5).raise_for_status()

@retry(stop=stop_after_attempt(5), wait=wait_exponential(max=60))
def sync(url: str) -> None:
    push(url)
```

## Good
```python
import requests
from tenacity import retry, stop_after_attempt, wait_exponential

def push(url: str) -> None:
    requests.post(url, timeout=5).raise_for_status()

@retry(stop=stop_after_attempt(5), wait=wait_exponential(max=60))
def sync(url: str) -> None:
    push(url)
```
"""

from roadworthy.rules.api import (
    Audience,
    CaughtRetry,
    Entry,
    Finding,
    Iterator,
    Layer,
    Location,
    Model,
    Nested,
    Rule,
    Severity,
    caught_retries,
    finding,
    impact_weight,
    nested_retries,
    say,
)

RULE = Rule(id="nested-retries", anti_pattern="bad-retry", doc=__doc__)

_MANY = 10


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Each set of layers once."""
    for nested in nested_retries(model):
        if not model.is_script(nested.effect.site.path):
            yield _report(nested, model)
    for caught in caught_retries(model):
        yield _report_caught(caught, model)


def is_serious(nested: Nested) -> bool:
    """Many attempts that this code asks for, or an inner retry that goes on for minutes under one that starts it again."""
    asked = [layer for layer in nested.layers if not layer.default]
    goes_on = nested.layers[0].default and nested.layers[0].attempts is None
    many = [layer for layer in asked if (layer.attempts or 0) >= 3]
    return (len(many) > 1 and nested.product >= _MANY) or (goes_on and nested.product >= 3)


def _report(nested: Nested, model: Model) -> Finding:
    effect, function = nested.effect, nested.effect.function
    exposure = model.exposure(function)
    entry = _top(nested, model)
    call = say.call(effect.site, model)
    serious = is_serious(nested)
    numbers = " x ".join(_number(layer) for layer in nested.layers)
    many = (
        f"{numbers} = {nested.product} attempts"
        if all(layer.attempts for layer in nested.layers)
        else f"{numbers} attempts"
    )
    return finding(
        RULE,
        _place(nested, model),
        Severity.MEDIUM if serious else Severity.LOW,
        title=say.fit(
            f"`{call}` in `{function.qualname}` is retried inside a retry: {many}", f"retries in retries: {many}"
        ),
        issue=f"`{call}` is repeated by {say.joined([_named(layer, model) for layer in nested.layers])}, each inside the next.",
        impact=f"While the other side is overloaded, one run of {say.entry(entry, function)} sends it {many}, "
        "and is held for the pauses of all layers.",
        fix=_fix(nested, model),
        related=_related(nested, model),
        steps=model.steps(entry, function, effect.site),
        confidence=model.confidence_of(effect),
        subject=call,
        audience=Audience.REGULAR if serious else Audience.PEDANTIC,
        weight=impact_weight(exposure, [effect]),
    )


def _report_caught(caught: CaughtRetry, model: Model) -> Finding:
    site, handler, again = caught.site, caught.handler, caught.again
    function = site.function
    call = f"`{say.call(site, model)}`"
    exposure = model.exposure(function)
    then = (
        f"asks for another retry in line {again.line}"
        if again is not None
        else "goes on as if the work had failed for good"
    )
    return finding(
        RULE,
        model.place(site),
        Severity.MEDIUM,
        title=f"the handler around {call} in `{function.qualname}` catches the retry itself",
        issue=f"{call} sends the job again and then leaves by an exception; the handler in line {handler.line} catches that as if it were a failure, and {then}.",
        impact=f"{say.entry(exposure.worst, function)} is sent twice for each attempt, and each of them again: the attempts double at every round."
        if again is not None
        else f"{say.entry(exposure.worst, function)} is told as failed or as done while its next attempt already waits in the queue, and both outcomes happen.",
        fix="Let the signal pass in front of the broad handler:\n```python\nexcept Retry:\n    raise\n```",
        related=[model.place_of_region(function, handler.region, "catches the signal, too")],
        steps=model.steps(exposure.worst, function),
        subject=call,
        weight=impact_weight(exposure),
    )


def _top(nested: Nested, model: Model) -> Entry | None:
    """The entry that comes to the call through the outermost retry."""
    last = nested.layers[-1]
    if last.entry is not None:
        return last.entry
    outer = last.guard.function if last.guard is not None else None
    return model.exposure(outer or nested.effect.function).worst


def _related(nested: Nested, model: Model) -> list[Location]:
    guards = [layer.guard for layer in nested.layers[1:] if layer.guard is not None]
    return [
        *(model.place_of_guard(guard, "repeats it, too") for guard in guards),
        *(model.place(site, "is repeated likewise") for site in nested.also[:12]),
    ]


def _number(layer: Layer) -> str:
    return str(layer.attempts) if layer.attempts else "many"


def _named(layer: Layer, model: Model) -> str:
    times = f"{layer.attempts} attempts" if layer.attempts else "until its own deadline"
    if layer.guard is not None:
        what = "the loop" if layer.guard.form == "loop" else f"`{say.last(layer.guard.name)}`"
        return f"{what} in line {layer.guard.line} of `{layer.guard.path}` ({times})"
    if layer.entry is not None:
        return f"{say.entry(layer.entry)} ({times})"
    return f"the client {'by default' if layer.default else 'as configured'} ({times})"


def _place(nested: Nested, model: Model) -> Location:
    """The inner retry, or the call where that is the client's own."""
    first = nested.layers[0]
    return model.place_of_guard(first.guard) if first.guard is not None else model.place(nested.effect.site)


def _fix(nested: Nested, model: Model) -> str:
    first, last = nested.layers[0], nested.layers[-1]
    outer = _named(last, model)
    rule = nested.effect.row.retry
    if first.guard is None and first.entry is None:
        if rule is None or not rule.argument:
            between = [_named(layer, model) for layer in nested.layers[1:-1]] or [outer]
            return f"The client has no option that turns its own attempts off, so remove {say.joined(between)}."
        return f"Keep one layer. {outer[0].upper()}{outer[1:]} repeats the work as a whole, so turn the client's own retry off (`{rule.argument}`) and give the call a short timeout."
    return f"Keep one layer: remove the inner retry, and leave it to {outer}."
