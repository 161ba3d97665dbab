"""An idempotency key is made anew inside of what runs again, so no two attempts have the same one.

## Why it fails in production
The other side de-duplicates by the key. A request that timed out may have been carried out; when its repetition comes under another
key it is carried out once more: a second payment, a second shipment, a second message.

## What is reported
A random or clock value as idempotency key or deduplication id that is made inside a retry (also when the retry is several calls away),
inside a job, consumer or webhook handler whose input comes again, or anew for each submit of a request that moves money.

## What is not reported
A key that is made once outside of the retry and carried in, taken from the caller or from a stored row, or derived from business ids.

## Bad
```python
import uuid
import requests, tenacity

@tenacity.retry(stop=tenacity.stop_after_attempt(3))
def pay(order):
    headers = {"Idempotency-Key": str(uuid.uuid4())}  # finding: random-idempotency-key
    requests.post("https://pay.example/charges", json=order.bill(), headers=headers, timeout=10)
```

## Good
```python
import uuid
import requests, tenacity

@tenacity.retry(stop=tenacity.stop_after_attempt(3))
def pay(order, key):
    requests.post("https://pay.example/charges", json=order.bill(), headers={"Idempotency-Key": key}, timeout=10)

def checkout(order):
    pay(order, str(uuid.uuid4()))
```
"""

from dataclasses import dataclass

from roadworthy.rules.api import (
    CallSite,
    Effect,
    Entry,
    EntryKind,
    Finding,
    Iterator,
    KeyUse,
    Minted,
    Minting,
    Model,
    RetryOver,
    Rule,
    Severity,
    advise_again,
    comes_again,
    entries_around,
    finding,
    impact_weight,
    is_framework_retry,
    key_uses,
    meant,
    retries_around,
    say,
    stable_ids,
)

RULE = Rule(id="random-idempotency-key", anti_pattern="random-key", doc=__doc__)


@dataclass(frozen=True, slots=True)
class _Wrong:
    """A key, what makes it anew, and what runs both again."""

    key: KeyUse
    minted: Minted
    use: CallSite
    retry: RetryOver | None = None
    entry: Entry | None = None


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Follow each key to where it is made; report each making once."""
    minting = Minting(model)
    seen: set[CallSite] = set()
    for key in key_uses(model):
        for minted in minting.of(key.expr, key.function, key.order):
            if minted.site in seen or minted.kind == "process-hash":
                continue
            wrong = judge(key, minted, model)
            if wrong is not None:
                seen.add(minted.site)
                yield _report(wrong, model)


def judge(key: KeyUse, minted: Minted, model: Model) -> _Wrong | None:
    """What runs the making and the use again, if anything does."""
    use = key.use or minted.anchor
    if minted.optional:
        return None
    retries = [over for over in retries_around(model, minted, use) if not is_framework_retry(model, over.guard)]
    if retries:
        return _Wrong(key, minted, use, retry=retries[0])
    if key.unless_given:
        return None
    around = entries_around(model, minted, use)
    again = next((entry for entry in around if comes_again(model, entry)), None)
    if again is not None:
        return _Wrong(key, minted, use, entry=again)
    submit = next((entry for entry in around if entry.kind is EntryKind.HTTP_HANDLER), None)
    if submit is not None and moves_money(key, model):
        return _Wrong(key, minted, use, entry=submit)
    return None


def moves_money(key: KeyUse, model: Model) -> bool:
    """A second submit costs somebody money, by the library or by the names around the request."""
    return key.effect is not None and meant(model, key.effect) is Effect.CHARGE


def _severity(wrong: _Wrong, model: Model) -> Severity:
    """A new key for each submit is the lesser evil where nothing stable is at hand."""
    if wrong.entry is not None and wrong.entry.kind is EntryKind.HTTP_HANDLER and not stable_ids(wrong.use):
        return Severity.MEDIUM
    return Severity.MEDIUM if model.is_script(wrong.key.function.path) else Severity.HIGH


def _report(wrong: _Wrong, model: Model) -> Finding:
    key, minted = wrong.key, wrong.minted
    exposure = model.exposure(key.function)
    send = f"`{say.call(wrong.use, model)}`" if key.use is not None else "the request"
    maker = f"`{say.call(minted.site, model)}`"
    again = "attempt" if wrong.retry is not None else "submit" if _is_submit(wrong) else "run"
    related = [] if key.use is None else [model.place(key.use, "sends the key")]
    if wrong.retry is not None:
        related.append(model.place_of_guard(wrong.retry.guard, "repeats it"))
    entry = wrong.entry or exposure.worst
    return finding(
        RULE,
        model.place(minted.site),
        _severity(wrong, model),
        title=say.fit(
            f"the key `{key.name}` for {send} is made anew by {maker} in each {again}",
            f"the key `{key.name}` is made anew by {maker} in each {again}",
        ),
        issue=f"{maker} makes the `{key.name}` of {send} inside of what runs again{_where(wrong)}, so each {again} has a key of its own.",
        impact=_impact(wrong, send, model),
        fix=advise_again.stable_key(model, key, stable_ids(wrong.use), retried=wrong.retry is not None),
        related=related,
        steps=model.steps(entry, key.function, key.use)
        if entry is not None
        else model.chain(wrong.retry.path if wrong.retry else ()),
        subject=key.name,
        weight=impact_weight(exposure, [key.effect] if key.effect else []),
    )


def _is_submit(wrong: _Wrong) -> bool:
    return wrong.entry is not None and wrong.entry.kind is EntryKind.HTTP_HANDLER


def _where(wrong: _Wrong) -> str:
    if wrong.retry is not None:
        guard = wrong.retry.guard
        inside = (
            f"`{guard.function.qualname}`, " if guard.function is not None and guard.function.kind == "function" else ""
        )
        return f" (`{guard.name}`, {inside}{guard.path}:{guard.line})"
    return f" ({say.entry(wrong.entry)})"


def _impact(wrong: _Wrong, send: str, model: Model) -> str:
    effect = wrong.key.effect
    harm = "the customer is charged twice" if moves_money(wrong.key, model) else "it is carried out twice"
    if effect is not None and effect.effect in {Effect.EMAIL, Effect.SMS}:
        harm = "people get it twice"
    if wrong.retry is not None:
        return f"{send} times out after the other side has done its work; the retry comes under a new key, is not recognised, and {harm}."
    assert wrong.entry is not None
    return f"{say.again(wrong.entry)}. {send[:1].upper()}{send[1:]} then carries another key, is not recognised as the same, and {harm}."
