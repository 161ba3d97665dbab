"""An external call may wait for ever.

## Why it fails in production
A dependency that accepts the connection and never answers is an ordinary fault: an overloaded server, a lost packet, a firewall
that drops. Without a timeout the caller waits until the process is killed; its worker, its lock and its transaction wait with it.

## What is reported
An external call whose library default, or whose explicit `None` or `0`, means "wait for ever".
The finding stands where the client is constructed when one construction is the cause of many calls.

## What is not reported
Calls bounded by an argument, by the client's construction, by an adapter or subclass of the project that sets one, by the library's own
default, by a setting or environment variable, or by a surrounding timeout on every path. Calls that pass on a value of their caller.

## Bad
```python
import flask, requests

app = flask.Flask(__name__)

@app.get("/rates")
def rates():
    return requests.get("https://rates.example/latest").json()  # finding: call-without-timeout
```

## Good
```python
import flask, requests

app = flask.Flask(__name__)

@app.get("/rates")
def rates():
    return requests.get("https://rates.example/latest", timeout=5).json()
```
"""

from roadworthy.rules.api import (
    CallSite,
    Confidence,
    Effect,
    EffectAt,
    Entry,
    Exposure,
    Finding,
    GuardKind,
    Iterator,
    Model,
    Rule,
    Severity,
    TimeoutVerdict,
    advise,
    finding,
    impact_weight,
    say,
)

RULE = Rule(id="call-without-timeout", anti_pattern="missing-timeout", doc=__doc__)

_WAITS = frozenset({Effect.WAIT, Effect.LOCK, Effect.SLEEP})  # the business of wait-without-timeout


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Group unbounded calls by the call or construction that decides, and report each cause once."""
    causes: dict[CallSite, list[tuple[EffectAt, TimeoutVerdict]]] = {}
    for effect in model.effects_of():
        if effect.effect in _WAITS or not effect.effect.word.external:
            continue
        verdict = model.timeout(effect)
        if verdict.bound != "forever" or verdict.cause is None or is_bounded_outside(effect, model):
            continue
        if model.is_reviewed(verdict.cause.path):
            causes.setdefault(verdict.cause, []).append((effect, verdict))
    for cause, found in causes.items():
        yield _report(cause, found, model)


def is_bounded_outside(effect: EffectAt, model: Model) -> bool:
    """A timeout around the call on every path to it."""
    return model.coverage(
        effect.site, lambda g: g.kind is GuardKind.TIMEOUT and not model.guards.never_ends(g)
    ).everywhere


def _report(cause: CallSite, found: list[tuple[EffectAt, TimeoutVerdict]], model: Model) -> Finding:
    found = sorted(found, key=lambda pair: _rank(pair[0], model))
    effect, verdict = found[0]
    exposure = model.exposure(effect.function)
    entry = _waiting(exposure)
    callee = say.call(cause, model)
    how = {"none": f"`{verdict.parameter}=None`", "zero": f"`{verdict.parameter}=0`"}.get(verdict.reason, "no timeout")
    uses = {e.site for e, _ in found if e.site is not cause}
    related = [model.place(site, "waits without a bound") for site in sorted(uses, key=lambda s: (s.path, s.line))]
    waits = f"`{say.call(effect.site, model)}`"
    return finding(
        RULE,
        model.place(cause),
        _severity(effect, model),
        title=f"`{callee}` has {how}, so it may wait for ever",
        issue=_issue(cause, effect, verdict, len(uses), how, model),
        impact=f"{say.silence(effect)}, {waits} never returns: {_harm(effect, model)}",
        fix=advise.timeout(model, effect, verdict),
        related=related,
        steps=model.steps(entry, effect.function, effect.site),
        confidence=Confidence.weakest(verdict.confidence, model.confidence_of(effect)),
        subject=effect.name,
        weight=impact_weight(exposure, [e for e, _ in found]),
    )


def _issue(cause: CallSite, effect: EffectAt, verdict: TimeoutVerdict, uses: int, how: str, model: Model) -> str:
    if verdict.at_construction and uses:
        many = f"{uses} calls" if uses > 1 else f"`{say.call(effect.site, model)}`"
        made = say.call(cause, model)
        if not say.makes_client(made):
            return f"`{made}` is called with {how}, and {many} on what it returns can wait without a bound."
        return f"`{made}` builds the client with {how}, and {many} through it can wait without a bound."
    if verdict.reason == "no parameter":
        return f"`{say.call(cause, model)}` takes no timeout and nothing around it ends the wait."
    if verdict.reason in {"none", "zero"}:
        return f"`{say.call(cause, model)}` is called with {how}, which means: wait for ever."
    return f"`{say.call(cause, model)}` is called with {how}; the library's default is to wait for ever."


def _waiting(exposure: Exposure) -> Entry | None:
    """The entry to name: one for which somebody waits, before scripts."""
    return next((reached.entry for reached in exposure.entries if reached.entry.serves_others), exposure.worst)


def _harm(effect: EffectAt, model: Model) -> str:
    exposure = model.exposure(effect.function)
    waiting = _waiting(exposure)
    who = say.entry(waiting, effect.function)
    held = model.transaction_over(effect.site)
    if held is not None:
        return f"{who} hangs and keeps its transaction ({held.path}:{held.line}) and its locks open."
    if waiting is None and model.is_script(effect.function.path):
        return f"{who} hangs until somebody kills it."
    if waiting is None and effect.function.kind == "function":
        callers = sorted(model.edges_to(effect.function), key=lambda e: (e.site.path, e.site.line))
        caller = next((e for e in callers if e.caller is not effect.function and e.caller.kind == "function"), None)
        if caller is not None:
            return (
                f"`{effect.function.qualname}()` hangs, and `{caller.caller.qualname}()` "
                f"({caller.site.path}:{caller.site.line}), which waits for it, with it."
            )
    on_loop = waiting is not None and exposure.serves and waiting.on_loop and not effect.row.awaitable
    return f"{say.hangs(waiting, effect.function, on_loop=on_loop)}."


def _severity(effect: EffectAt, model: Model) -> Severity:
    exposure = model.exposure(effect.function)
    if exposure.serves and not model.is_script(effect.site.path):
        return Severity.HIGH
    return Severity.LOW if exposure.only_commands or model.is_script(effect.site.path) else Severity.MEDIUM


def _rank(effect: EffectAt, model: Model) -> tuple[int, str, int]:
    return (_severity(effect, model).rank, effect.site.path, effect.site.line)
