"""A class or module calls another service, and nothing repeats a call that fails for a moment.

## Why it fails in production
The other side is away for a few seconds at every deploy and failover, and answers 429 or 503 when it is busy. Most HTTP clients and many
SDKs make one attempt unless they are told otherwise. Each of those moments then becomes an error that somebody sees or has to look into.

## What is reported
The calls of one class or module that nothing repeats: not the client by default or by its construction, no adapter, decorator, loop or caller, and
no framework; and whose failure leaves the code as it is. One finding for the class or module, where one retry mends all of its calls; one for
a folder in which many modules do the same. A client of a search server that repeats lost connections and refusals by itself, but no timeouts. MEDIUM where the same class or module does repeat other calls of the same library; else LOW.

## What is not reported
What `single-attempt-call` tells, because it knows which work is lost. Failures that every caller deals with. What a request
does that is not safe to repeat. Plain functions that nobody is known to call. Questions whether the other
side is there; closing; telemetry. Payments, mails and inserts, which may be done twice. Clients of which it is not known what they repeat.
The service's own database, cache and broker.

## Bad
```python
import requests


class Rates:
    def latest(self, base):
        return requests.get(f"https://rates.example/{base}", timeout=5).json()  # finding: client-without-retry
```

## Good
```python
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry


class Rates:
    def __init__(self):
        self.session = requests.Session()
        self.session.mount("https://", HTTPAdapter(max_retries=Retry(4, backoff_factor=0.5, status_forcelist=[429, 502, 503, 504])))

    def latest(self, base):
        return self.session.get(f"https://rates.example/{base}", timeout=5).json()
```
"""

from roadworthy.rules.api import (
    Audience,
    Bare,
    Confidence,
    Finding,
    Impatient,
    Iterator,
    Model,
    Rule,
    Severity,
    advise,
    bare_clients,
    finding,
    impatient_clients,
    say,
)

RULE = Rule(id="client-without-retry", anti_pattern="missing-retry", doc=__doc__)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """One finding for each class, module or folder."""
    for bare in bare_clients(model):
        yield _folder(bare, model) if bare.folder else _one(bare, model)
    for impatient in impatient_clients(model):
        yield _impatient(impatient, model)


def _one(bare: Bare, model: Model) -> Finding:
    first = bare.calls[0]
    if bare.repeated is not None:
        first = next(call for call in bare.calls if call.effect.repeat.value == "yes")
    effect = first.effect
    path, owner = bare.owners[0]
    call = f"`{say.call(effect.site, model)}`"
    name = f"`{owner.name}`" if owner is not None else f"`{path.rpartition('/')[2]}`"
    others = list(dict.fromkeys(one.site for one in bare.calls if one.site is not effect.site))
    also = say.so("is", "are", [f"`{say.call(site, model)}` (line {site.line})" for site in others])
    related = [model.place(site, "tried once, too") for site in others[:20]]
    beside = ""
    if bare.repeated is not None:
        beside = f" `{say.call(bare.repeated.site, model)}` (line {bare.repeated.site.line}) is repeated."
        related.append(model.place(bare.repeated.site, "is repeated"))
    top = first.outcome.top or effect.function
    whom = say.whom(first.outcome.entry, top, model)
    return finding(
        RULE,
        model.place(effect.site),
        Severity.LOW if bare.repeated is None else Severity.MEDIUM,
        title=say.fit(
            *([f"{call} of {name} is tried once, while other calls of {name} are repeated"] if beside else []),
            *([f"{call} is tried once, while other calls of {name} are repeated"] if beside else []),
            f"nothing repeats {call} of {name} when it fails for a moment",
            f"nothing repeats {call} when it fails for a moment",
        ),
        issue=f"{call} in `{effect.function.qualname}` is made once: neither its client nor anything around it tries again.{also}{beside}",
        impact=f"{say.unanswered(effect, model)} becomes an error of {whom}, though a second attempt a moment later would have done.",
        fix=advise.retry(model, effect.function, (), effect=effect),
        related=related,
        steps=model.steps(first.outcome.entry, effect.function, effect.site) if first.outcome.entry is not None else (),
        confidence=_confidence(bare, model),
        subject=owner.name if owner is not None else path,
        audience=Audience.PEDANTIC if bare.is_watched else Audience.REGULAR,
    )


def _folder(bare: Bare, model: Model) -> Finding:
    effect = bare.calls[0].effect
    call = f"`{say.call(effect.site, model)}`"
    names = [f"`{owner.name if owner is not None else path.rpartition('/')[2]}`" for path, owner in bare.owners]
    return finding(
        RULE,
        model.place(effect.site),
        Severity.LOW,
        title=f"{len(names)} clients below `{bare.folder}` call other services once, like {call}",
        issue=f"{say.joined(names, 6)} each make their own calls, and nothing repeats one that fails.",
        impact=f"{say.unanswered(effect, model)} of any of those services becomes an error of whoever asked, though a second attempt a moment later would have done.",
        fix=advise.retry(model, effect.function, (), effect=effect),
        related=[model.place(one.site, "tried once, too") for one in bare.calls[1:40]],
        confidence=_confidence(bare, model),
        subject=bare.folder,
        audience=Audience.PEDANTIC if bare.is_watched else Audience.REGULAR,
    )


def _impatient(impatient: Impatient, model: Model) -> Finding:
    made, effect = impatient.made, impatient.effects[0]
    call, client = f"`{say.call(effect.site, model)}`", f"`{say.call(made, model)}`"
    places = list(dict.fromkeys(one.site for one in impatient.effects if one.site is not made))
    rule = effect.row.retry
    note = f" ({rule.note})" if rule is not None and rule.note else ""
    return finding(
        RULE,
        model.place(made),
        Severity.LOW,
        title=f"{client} makes no second attempt when an answer takes too long",
        issue=f"By default {client} repeats lost connections and refusals, but not a timeout, and nothing around {call} does.",
        impact=f"While the server is busy or moves its data, one slow answer ends what {say.whom(None, effect.function, model)} was doing.",
        fix=f"Let the client repeat timeouts, too{note}, for calls that may be made twice, or repeat those calls with a growing pause.",
        related=[model.place(site, "ends at a timeout") for site in places[:20]],
        confidence=Confidence.weakest(model.confidence_of(effect), Confidence.MEDIUM),
        subject=say.call(made, model),
    )


def _confidence(bare: Bare, model: Model) -> Confidence:
    """Where nobody is known to call it, somebody unseen may try again."""
    seen = any(call.outcome.entry is not None or call.outcome.detached is not None for call in bare.calls)
    least = max((model.confidence_of(call.effect) for call in bare.calls), key=lambda c: c.rank)
    return Confidence.weakest(least, Confidence.HIGH if seen else Confidence.MEDIUM)
