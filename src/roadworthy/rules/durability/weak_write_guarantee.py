"""A setting makes the client tell success before what was written is safe.

## Why it fails in production
A broker restarts, a replica takes over, the power goes: what the other side had only in memory, or had not even answered for, is gone. The
producer was told that all went well, so nobody sends it again and no error stands in any log.

## What is reported
Settings that are written in the code and ask for less than durability: a producer that waits for no acknowledgement, a write concern of zero,
messages that are marked as transient, `PRAGMA synchronous = OFF`, `synchronous_commit = off`. A setting that waits for one of several copies,
one in a script, and one that a comment explains are pedantic.

## What is not reported
Defaults. Settings where the names around speak of caches, temporary data, bulk loading, metrics or logs.

## Bad
```python
from kafka import KafkaProducer

orders = KafkaProducer(bootstrap_servers="kafka:9092", acks=0)  # finding: weak-write-guarantee
```

## Good
```python
from kafka import KafkaProducer

orders = KafkaProducer(bootstrap_servers="kafka:9092", acks="all")
```
"""

from roadworthy.rules.api import (
    Audience,
    Confidence,
    Finding,
    Iterator,
    Model,
    Rule,
    Severity,
    WeakSetting,
    finding,
    impact_weight,
    may_be_lost,
    say,
    weak_settings,
)

RULE = Rule(id="weak-write-guarantee", anti_pattern="ack-before-write", doc=__doc__)

_STANDS_FOR = {
    "nothing": "success means only that the write was sent",
    "memory": "success means only that the other side has it in memory",
    "one": "success means that one copy has it",
}
_FAULT = {
    "nothing": "When the connection drops or the server refuses the write",
    "memory": "When the server is restarted or its machine loses power",
    "one": "When that copy's machine fails before the others have fetched it",
}


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Look at every such setting."""
    for found in weak_settings(model):
        if not may_be_lost(found):
            yield _report(found, model)


def is_on_purpose(found: WeakSetting, model: Model) -> bool:
    """A comment beside it says why, or a person watches the script."""
    site = found.site
    return model.is_script(site.path) or model.explains(site.path, site.line - 2, site.fact.end_line)


def _report(found: WeakSetting, model: Model) -> Finding:
    site, row = found.site, found.row
    exposure = model.exposure(site.function)
    mild = row.waits_for == "one" or is_on_purpose(found, model)
    call = say.call(site, model)
    return finding(
        RULE,
        model.place(site),
        Severity.LOW if mild else Severity.MEDIUM,
        title=say.fit(
            f"`{found.written}`: {_STANDS_FOR[row.waits_for]}",
            f"`{call}`: {_STANDS_FOR[row.waits_for]}",
        ),
        issue=f"`{call}` is given `{found.written}`, so {_STANDS_FOR[row.waits_for]}.",
        impact=(
            f"{_FAULT[row.waits_for]}, the data is gone although the writer was told success; nothing raises, and nobody sends it again."
        ),
        fix=f"Write `{row.strong}`, unless losing this data is acceptable; then say so in a comment beside the setting.",
        steps=model.steps(exposure.worst, site.function, site) if exposure.worst is not None else (),
        confidence=Confidence.HIGH,
        subject=found.written,
        audience=Audience.PEDANTIC if mild else Audience.REGULAR,
        weight=impact_weight(exposure),
    )
