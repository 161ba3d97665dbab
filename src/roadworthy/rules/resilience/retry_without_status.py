"""A retry on an HTTP client repeats lost connections, and leaves out answers that ask for another attempt.

## Why it fails in production
Behind a load balancer the other side is rarely away: the connection is made, and the answer is 502, 503 or 504 while it is deployed, or 429
while it is busy. An adapter that knows only failed connections hands those answers to the code at the first attempt, though it looks as if
somebody had seen to it.

## What is reported
An adapter or transport that is given a plain number of attempts, and a policy object without its list of statuses: no answer is repeated. A list
that names 5xx and not 429: of those only the ones that say how long to wait are repeated, if any. LOW. A list of statuses on a client whose requests are
all of methods that the policy leaves out: MEDIUM.

## What is not reported
Retries that are switched off. Lists that are only known at run time, or that name no fault of the other side. Lists without 503, of which
`retry-omits-status` speaks. Options passed through `**`. Clients that only send `POST`, and single second attempts, where 429 is left out.

## Bad
```python
import requests
from requests.adapters import HTTPAdapter

session = requests.Session()
session.mount("https://", HTTPAdapter(max_retries=3))  # finding: retry-without-status
```

## Good
```python
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

session = requests.Session()
session.mount("https://", HTTPAdapter(max_retries=Retry(3, backoff_factor=0.5, status_forcelist=[429, 502, 503, 504])))
```
"""

from roadworthy.rules.api import (
    Finding,
    Iterator,
    Model,
    Narrow,
    Rule,
    Severity,
    Unused,
    finding,
    impact_weight,
    narrow_adapters,
    say,
    unused_lists,
)

RULE = Rule(id="retry-without-status", anti_pattern="missing-retry", doc=__doc__)

_UNAVAILABLE = 503


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """One finding for each list and each construction."""
    told = set()
    for narrow in narrow_adapters(model):
        if narrow.statuses and _UNAVAILABLE not in narrow.statuses:
            continue  # `retry-omits-status` tells it
        where = (narrow.listed[0].path, narrow.listed[1]) if narrow.listed is not None else narrow.site
        if where not in told:
            told.add(where)
            yield _left_out(narrow, model) if narrow.statuses else _none(narrow, model)
    for unused in unused_lists(model):
        yield _unused(unused, model)


def _unused(unused: Unused, model: Model) -> Finding:
    made, effect = f"`{say.call(unused.site, model)}`", unused.effects[0]
    exposure = model.exposure(effect.function)
    called = list(dict.fromkeys(one.name.rpartition(".")[2].upper() for one in unused.effects))
    methods = say.joined([f"`{method}`" for method in called])
    return finding(
        RULE,
        model.place(unused.site),
        Severity.MEDIUM,
        title=say.fit(
            f"the statuses of {made} are never repeated: its client only sends {methods}",
            f"{made} repeats no answer of its client",
        ),
        issue=f"Without `{unused.option}` this policy repeats reads and writes that are safe to repeat; every request of its client is {methods}, which it leaves out.",
        impact="While the other side is deployed or busy, its 502, 503 and 429 fail the work at the first attempt, though a retry with a list of statuses is there.",
        fix=f"Name the methods, if the other side takes a repeated request for one (an idempotency key, a state that is set): `{unused.option}=frozenset({_set_of(called)})`.",
        related=[model.place(one.site, "is not repeated") for one in unused.effects[:6]],
        steps=model.steps(exposure.worst, effect.function, effect.site),
        confidence=model.confidence_of(effect),
        subject="methods",
        weight=impact_weight(exposure, [effect]),
    )


def _set_of(methods: list[str]) -> str:
    """`{"GET", "POST"}`."""
    return "{" + ", ".join(f'"{method}"' for method in ("GET", *methods)) + "}"


def _none(narrow: Narrow, model: Model) -> Finding:
    made = f"`{say.call(narrow.site, model)}`"
    fix = (
        f"Name the answers that pass by themselves: `{narrow.option}=(429, 502, 503, 504)`."
        if narrow.option
        else "Give it a policy that also names answers (429, 502, 503, 504) and a growing pause, or repeat those around the call."
    )
    return finding(
        RULE,
        model.place(narrow.site),
        Severity.LOW,
        title=f"{made} repeats lost connections, but no answer of 502, 503 or 429",
        issue=f"{made} is told how often to try, and not at which answers; such an answer comes back at the first attempt.",
        impact="While the other side is deployed or busy, its load balancer answers 502, 503 or 504, and it 429: each of them fails the work, though a retry is there.",
        fix=fix,
        subject="no status",
    )


def _left_out(narrow: Narrow, model: Model) -> Finding:
    made = f"`{say.call(narrow.site, model)}`"
    at = (
        model.place_of_lines(narrow.listed[0], narrow.listed[1], narrow.listed[1])
        if narrow.listed is not None
        else model.place(narrow.site)
    )
    statuses = ", ".join(str(status) for status in narrow.statuses)
    return finding(
        RULE,
        at,
        Severity.LOW,
        title=f"the retry of {made} leaves out 429, the answer that asks for another attempt",
        issue=f"`{narrow.option}` is ({statuses}): 429 (too many requests) is not among them.",
        impact="When the other side gets more requests than it allows and does not say for how long, the work fails at the first attempt, although a pause would have been enough.",
        fix=f"Add 429: `{narrow.option}=({', '.join(str(s) for s in sorted({*narrow.statuses, 429}))})`.",
        related=[model.place(narrow.site, "the retry")] if narrow.listed is not None else [],
        subject=f"{narrow.option} {statuses}",
    )
