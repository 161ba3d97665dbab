"""A time limit is set where nothing reads it.

## Why it fails in production
The code looks as if its calls had an end, and a review passes it by. When the other side accepts the connection and never answers,
each call waits until the process is killed, as if nobody had thought of a limit.

## What is reported
An attribute with a limit that is set on a library's object and that the library does not read (`session.timeout = 5`). A default for a
limit in a method to which the library always hands the argument over, None where the caller gave none: `kwargs.get("timeout", 5)` is None then.

## What is not reported
Attributes that the code itself hands to calls. Functions that also put something on the client that has a limit. Methods that ask for None.

## Bad
```python
import requests

def connect(token: str) -> requests.Session:
    session = requests.Session()
    session.headers["Authorization"] = token
    session.timeout = 10  # finding: timeout-without-effect
    return session
```

## Good
```python
import requests
from requests.adapters import HTTPAdapter

class Limited(HTTPAdapter):
    def send(self, request, **kwargs):
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = 10
        return super().send(request, **kwargs)

def connect(token: str) -> requests.Session:
    session = requests.Session()
    session.headers["Authorization"] = token
    session.mount("https://", Limited())
    return session
```
"""

from roadworthy.rules.api import (
    Finding,
    InVain,
    Iterator,
    Model,
    Rule,
    Severity,
    finding,
    impact_weight,
    limits_in_vain,
    say,
)

RULE = Rule(id="timeout-without-effect", anti_pattern="missing-timeout", doc=__doc__)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Each limit."""
    for found in limits_in_vain(model):
        if not model.is_script(found.function.path):
            yield _report(found, model)


def _report(found: InVain, model: Model) -> Finding:
    function = found.function
    exposure = model.exposure(function)
    kind = say.last(found.type)
    issue = (
        f"`{kind}` hands `{found.argument}` over in any case, as None where the caller gave none, so the default in `{found.what}` is never used."
        if found.argument
        else f"`{kind}` has no such attribute: nothing reads what `{found.what}` is set to."
    )
    fix = (
        f'Ask for None:\n```python\nif kwargs.get("{found.argument}") is None:\n    kwargs["{found.argument}"] = 10\n```'
        if found.argument
        else "Give each call its limit, or put an adapter on the session whose `send()` fills in a missing one."
    )
    return finding(
        RULE,
        model.place_of_lines(function, found.line, found.end_line),
        Severity.MEDIUM,
        title=say.fit(
            f"the limit of `{found.what}` in `{function.qualname}` has no effect",
            f"the limit of `{found.what}` has no effect",
        ),
        issue=issue,
        impact="When the other side accepts the connection and never answers, calls without a limit of their own never return, although the "
        "code looks as if they did.",
        fix=fix,
        steps=model.steps(exposure.worst, function),
        subject=found.what,
        weight=impact_weight(exposure),
    )
