"""A retry repeats a call that must happen at most once.

## Why it fails in production
A timeout or a 5xx does not say whether the other side did the work. A retry of a charge, a transfer or a creating request then does it a
second time, unless the other side can recognise the repetition.

## What is reported
A call that moves money, sends a text message, raises a stored number or by its names creates something in another system, without a key,
inside a retry that repeats after such failures: a decorator, a loop, a wrapper, the client itself, in the same function or several calls
away. A mail or message that is repeated because something after it, inside the same retry, failed. A client that is told to repeat POST.

## What is not reported
Calls with an idempotency key or behind a check of earlier work; retries after errors that say that nothing was done (429, connection
refused); requests that only read or compute; the retries of queues and engines, which have a rule of their own.

## Bad
```python
import stripe, tenacity

@tenacity.retry(stop=tenacity.stop_after_attempt(3), wait=tenacity.wait_exponential())
def refund(order):
    stripe.Refund.create(charge=order.charge)  # finding: unsafe-repeat
```

## Good
```python
import stripe, tenacity

@tenacity.retry(stop=tenacity.stop_after_attempt(3), wait=tenacity.wait_exponential())
def refund(order):
    stripe.Refund.create(charge=order.charge, idempotency_key=f"refund-{order.id}")
```
"""

from roadworthy.rules.api import (
    CallSite,
    Confidence,
    Effect,
    EffectAt,
    Finding,
    Function,
    Iterator,
    Model,
    RetryOver,
    Rule,
    Severity,
    advise_again,
    finding,
    goes_on_after,
    impact_weight,
    in_handler,
    is_framework_retry,
    is_guarded,
    is_keyed,
    leaves_doubt,
    names_a_creation,
    not_repeatable,
    own_ids,
    retries_over,
    say,
    stable_ids,
    write_retrying_clients,
)

RULE = Rule(id="unsafe-repeat", anti_pattern="unsafe-retry", doc=__doc__)

_EFFECTS = (Effect.CHARGE, Effect.SMS, Effect.EMAIL, Effect.SQL_INCREMENT, Effect.HTTP_REQUEST, Effect.RPC)
_REQUESTS = frozenset({Effect.HTTP_REQUEST, Effect.RPC})


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Ask each unsafe call what repeats it; one finding for each retry, at the worst call that it repeats."""
    found: dict[tuple[str, int, str, int], tuple[EffectAt, RetryOver]] = {}
    for word in _EFFECTS:
        for effect in model.effects_of(word):
            if not not_repeatable(effect) or is_keyed(model, effect):
                continue
            over = unsafe_retry(effect, model)
            if over is not None:
                found.setdefault(over.key, (effect, over))
    for effect, over in found.values():
        yield _report(effect, over, model)
    yield from _clients(model)


def unsafe_retry(effect: EffectAt, model: Model) -> RetryOver | None:
    """The nearest retry that would do the effect again and nothing keeps from it."""
    for over in retries_over(model, effect.site):
        sites = [*(edge.site for edge in over.path), effect.site]
        if is_framework_retry(model, over.guard) or not leaves_doubt(over.guard) or in_handler(model, sites):
            continue
        if matters(effect, over, sites, model) and not any(is_guarded(model, site) for site in sites):
            return over
    return None


def matters(effect: EffectAt, over: RetryOver, sites: list[CallSite], model: Model) -> bool:
    """Money and numbers always; requests that say that they create; mails when something after them may fail inside the retry."""
    if effect.effect in _REQUESTS:
        above: list[Function] = [edge.caller for edge in over.path][-2:]
        return names_a_creation(model, effect, above)
    if effect.effect is Effect.EMAIL:
        return goes_on_after(model, sites[1:] if over.guard.form != "decorator" and len(sites) > 1 else sites)
    return True


def _severity(effect: EffectAt, model: Model) -> Severity:
    """Money and messages to people."""
    if model.is_script(effect.site.path):
        return Severity.MEDIUM
    return Severity.HIGH if effect.effect in {Effect.CHARGE, Effect.SMS, Effect.EMAIL} else Severity.MEDIUM


def _report(effect: EffectAt, over: RetryOver, model: Model) -> Finding:
    guard = over.guard
    call = f"`{say.call(effect.site, model)}`"
    exposure = model.exposure(effect.function)
    times = f"up to {guard.attempts} times" if isinstance(guard.attempts, int) else "again"
    short = ".".join(guard.name.split(".")[-2:])
    retry = f"`{guard.name}` ({guard.path}:{guard.line})"
    return finding(
        RULE,
        model.place(effect.site),
        _severity(effect, model),
        title=say.fit(
            f"{call} {effect.effect.word.meaning} and is repeated by `{short}` without a key",
            f"{call} is repeated by `{short}` without a key",
        ),
        issue=(
            f"{retry} runs {call} {times} when it fails, {call} {effect.effect.word.meaning}, and neither a key nor a check of what was done "
            "makes the repetition harmless."
        ),
        impact=_impact(effect, call, (exposure.worst is not None and say.entry(exposure.worst)) or "the caller"),
        fix=advise_again.safe_retry(model, effect, own_ids(effect.site) or stable_ids(effect.site)),
        related=[model.place_of_guard(guard, "repeats it")],
        steps=(*model.chain(over.path), *model.steps(exposure.worst, effect.function, effect.site)[-1:]),
        confidence=model.confidence_of(effect),
        subject=effect.name,
        weight=impact_weight(exposure, [effect]),
    )


def _impact(effect: EffectAt, call: str, who: str) -> str:
    harm = {
        Effect.CHARGE: "money moves once per attempt",
        Effect.EMAIL: "people get the mail once per attempt, because what follows it failed",
        Effect.SMS: "people get the message once per attempt",
        Effect.SQL_INCREMENT: "the number is raised once per attempt",
    }.get(effect.effect, "the other side creates it once per attempt")
    return f"{call} succeeds on the other side, but its answer is lost to a timeout or a 5xx; the retry sends it again for {who}, and {harm}."


def _clients(model: Model) -> Iterator[Finding]:
    """Clients whose own retry is told to repeat writes."""
    for site, methods in write_retrying_clients(model):
        uses = [e for e in model.effects_of(*_REQUESTS) if model.client_retry(e).site is site and not_repeatable(e)]
        creating = [e for e in uses if not is_keyed(model, e) and names_a_creation(model, e)]
        if uses and not creating:
            continue
        shown = " and ".join(methods)
        yield finding(
            RULE,
            model.place(site),
            Severity.MEDIUM,
            title=f"`{say.call(site, model)}` repeats {shown} after failures that leave open whether it was done",
            issue=f"The retry that `{say.call(site, model)}` sets up repeats {shown} too, and the requests carry no idempotency key.",
            impact=(
                "A request that was carried out and whose answer was lost (a read timeout, a 502 of the proxy) is sent again by the client, out "
                "of sight of the code that called it: what it creates is created twice."
            ),
            fix=advise_again.methods(site),
            related=[model.place(e.site, "is repeated") for e in creating[:6]],
            confidence=Confidence.HIGH if creating else Confidence.MEDIUM,
            subject="allowed methods",
            weight=impact_weight(model.exposure(site.function), creating),
        )
