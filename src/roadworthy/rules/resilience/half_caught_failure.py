"""A handler goes on after some failures of a request, and the most ordinary one of the same request passes it.

## Why it fails in production
Whoever writes `except Timeout: log` around a call has decided that the work may go on without it. Then the other side does not answer at all: the
client raises its connection error, which the handler does not name, and the request, the job or the clean-up ends there after all.
`except ConnectionError` without an import catches the error of the language; most clients raise one of their own by the same name.

## What is reported
A handler that names the timeout of a request, or its lost connection, and lets the work go on, where the same call also raises the other of the two, which no
handler on the way to the request handler, job or consumer catches; the same in clean-up code. A handler that names `ConnectionError` or
`TimeoutError` of the language for a client that raises neither.

## What is not reported
Broad handlers. Handlers that raise. What a sibling or an outer handler catches. Handlers that name only answers (a status, a refused key). Commands, in
front of which somebody sits.

## Bad
```python
import logging
import requests
from celery import shared_task

logger = logging.getLogger(__name__)

@shared_task
def import_feed(url):
    entries = []
    try:
        entries = requests.get(url, timeout=5).json()
    except ConnectionError:  # finding: half-caught-failure
        logger.warning("no feed at %s", url)
    return len(entries)
```

## Good
```python
import logging
import requests
from celery import shared_task

logger = logging.getLogger(__name__)

@shared_task
def import_feed(url):
    entries = []
    try:
        entries = requests.get(url, timeout=5).json()
    except (requests.ConnectionError, requests.Timeout):
        logger.warning("no feed at %s", url)
    return len(entries)
```
"""

from roadworthy.rules.api import (
    Finding,
    HalfCaught,
    Iterator,
    Model,
    Rule,
    Severity,
    finding,
    half_caught,
    impact_weight,
    say,
)

RULE = Rule(id="half-caught-failure", anti_pattern="no-graceful-degradation", doc=__doc__)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """One finding for each handler."""
    for found in half_caught(model):
        yield _report(found, model)


def severity_of(found: HalfCaught, model: Model) -> Severity:
    """What serves others, or runs by itself, ends; a handler that can never run is a fault wherever it stands."""
    if model.is_script(found.handler.function.path):
        return Severity.LOW
    return Severity.MEDIUM if found.entry is not None or found.namesake else Severity.LOW


def _report(found: HalfCaught, model: Model) -> Finding:
    function, handler, site = found.handler.function, found.handler, found.site
    call = f"`{say.call(site, model)}`"
    missing = say.joined([f"`{say.last(name)}`" for name in found.missing], 3)
    named = [name for name in handler.types if not found.namesake or "." not in name]
    caught = say.joined([f"`{say.last(name)}`" for name in named], 3)
    who = say.entry(found.entry, function)
    place = "" if found.effect.site is site else f" ({found.effect.site.path}:{found.effect.site.line})"
    if found.namesake:
        issue = f"{caught} in line {handler.line} is the error of the language; {call}{place} raises {_full(found)}, which is none of it."
    else:
        issue = f"The handler in line {handler.line} goes on after {caught}; {call}{place} also raises {missing}, which nothing up to {who} catches."
    return finding(
        RULE,
        model.place_of_region(function, handler.region),
        severity_of(found, model),
        title=say.fit(
            *(
                [f"`{function.qualname}` catches the language's {caught}, and {call} raises its own"]
                if found.namesake
                else []
            ),
            f"`{function.qualname}` survives {caught} of {call}, but not {missing}",
            f"`{function.name}` survives {caught}, but not {missing}",
        ),
        issue=issue,
        impact=f"When the other side of {call} is away or too slow, {_missed(found, who)}.",
        fix=f"Name {_full(found)}, too, or the common base of all errors of this client, in line {handler.line}.",
        related=[model.place(site, "raises more than the handler catches")],
        steps=model.steps(found.entry, function, site),
        confidence=model.confidence_of(found.effect),
        subject=f"{say.call(site, model)} {' '.join(handler.types)}",
        weight=impact_weight(model.exposure(function), [found.effect]),
    )


def _full(found: HalfCaught) -> str:
    return say.joined([f"`{name}`" for name in found.missing], 3)


def _missed(found: HalfCaught, who: str) -> str:
    """What the handler would have done: the answer that it gives, or going on."""
    handler, scope = found.handler, found.handler.function.scope
    if scope.regions[handler.region].exits == "return":
        return f"{who} ends there with the bare error, and not with what line {handler.line} answers for it"
    return f"{who} ends there, although whoever wrote the handler meant it to go on"
