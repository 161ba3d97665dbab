"""A list of statuses that are tried again leaves out an ordinary one.

## Why it fails in production
503 is the answer of a server that restarts or is overloaded, and of the balancer in front of it: the very fault for which retries
are made. 429 asks for another attempt in so many words. A list that names other faults and forgets these looks complete, and the
work is lost at the first deploy of the other side.

## What is reported
A list with at least one of 500, 502 and 504 and without 503, or with 503 and without 429: given to the policy of a client, held in a
constant whose name says that it is for retries, or tested in a predicate of a retry or in the work that is repeated.

## What is not reported
A single status, which somebody chose. Lists that also hold refusals, such as 403 and 404. Functions that tell more statuses apart elsewhere (`>= 500`). A missing 429 where the policy of the
client waits for what `Retry-After` says anyway.

## Bad
```python
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

session = requests.Session()
session.mount("https://", HTTPAdapter(max_retries=Retry(3, backoff_factor=1, status_forcelist=[429, 500])))  # finding: retry-omits-status
```

## Good
```python
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

session = requests.Session()
session.mount("https://", HTTPAdapter(max_retries=Retry(3, backoff_factor=1, status_forcelist=[429, 500, 502, 503, 504])))
```
"""

from roadworthy.rules.api import (
    Finding,
    Iterator,
    Model,
    Rule,
    Severity,
    StatusList,
    finding,
    impact_weight,
    say,
    status_lists,
)

RULE = Rule(id="retry-omits-status", anti_pattern="bad-retry", doc=__doc__)

_UNAVAILABLE = 503


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Each list once."""
    for found in status_lists(model):
        if not model.is_script(found.function.path):
            yield _report(found, model)


def _report(found: StatusList, model: Model) -> Finding:
    function = found.function
    exposure = model.exposure(function)
    listed = ", ".join(str(code) for code in found.codes)
    away = found.missing == _UNAVAILABLE
    named = "503 (Service Unavailable)" if away else "429 (Too Many Requests)"
    fault = (
        "When the other side restarts or is overloaded, it answers 503"
        if away
        else "When too much is asked of the other side, it answers 429"
    )
    whole = ", ".join(str(code) for code in sorted({*found.codes, found.missing}))
    return finding(
        RULE,
        model.place_of_lines(function, found.line, found.end_line),
        Severity.MEDIUM if away else Severity.LOW,
        title=say.fit(
            f"`{found.what}` of what is tried again leaves out {found.missing}", f"{found.missing} is not tried again"
        ),
        issue=f"The list holds {listed}, and not {named}.",
        impact=f"{fault}: {say.entry(exposure.worst, function) if exposure.entries else 'the caller'} fails at the first attempt, "
        "although it was made to try again.",
        fix=f"Name it, too: `{whole}`.",
        related=[model.place(site, "leaves the list to it") for site in found.users],
        steps=model.steps(exposure.worst, function),
        subject=found.what,
        weight=impact_weight(exposure),
    )
