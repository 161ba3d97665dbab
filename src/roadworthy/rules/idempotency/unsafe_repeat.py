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

from dataclasses import dataclass

from roadworthy.rules.api import (
    Audience,
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
    asked_by,
    finding,
    goes_on_after,
    impact_weight,
    in_handler,
    is_framework_retry,
    is_guarded,
    is_keyed,
    leaves_doubt,
    meant,
    names_a_creation,
    not_repeatable,
    own_ids,
    repeated_by,
    retries_over,
    say,
    stable_ids,
    write_retrying_clients,
)

RULE = Rule(id="unsafe-repeat", anti_pattern="unsafe-retry", doc=__doc__)

_EFFECTS = (Effect.CHARGE, Effect.SMS, Effect.EMAIL, Effect.SQL_INCREMENT, Effect.HTTP_REQUEST, Effect.RPC)
_REQUESTS = frozenset({Effect.HTTP_REQUEST, Effect.RPC})


@dataclass(frozen=True, slots=True)
class _Repeat:
    """An unsafe effect, what it is by its names, and the retry that would do it again."""

    effect: EffectAt
    word: Effect
    over: RetryOver
    asker: Function | None = None  # whose name tells what a general request is


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Ask each unsafe call what repeats it; one finding for each retry, at the worst call that it repeats."""
    found: dict[tuple[str, int, str, int], list[_Repeat]] = {}
    for effect in model.effects_of(*_EFFECTS):
        if not_repeatable(effect) and not is_keyed(model, effect):
            repeat = unsafe_retry(effect, model)
            if repeat is not None:
                found.setdefault(repeat.over.key, []).append(repeat)
    for repeats in found.values():
        yield _report(
            min(repeats, key=lambda r: (_EFFECTS.index(r.word), r.effect.site.path, r.effect.site.line)), model
        )
    yield from _clients(model)
    yield from _defaults(model)


def unsafe_retry(effect: EffectAt, model: Model) -> _Repeat | None:
    """The nearest retry that would do the effect again and nothing keeps from it."""
    for over in retries_over(model, effect.site):
        sites = [*(edge.site for edge in over.path), effect.site]
        if is_framework_retry(model, over.guard) or not leaves_doubt(over.guard) or in_handler(model, sites):
            continue
        for word, asker in said(effect, over, model):
            if matters(effect, word, over, model) and not any(is_guarded(model, site) for site in sites):
                return _Repeat(effect, word, over, asker)
    return None


def said(effect: EffectAt, over: RetryOver, model: Model) -> list[tuple[Effect, Function | None]]:
    """What the effect is by the names around it, worst first, with who asks a general request for it; requests must say that they create."""
    found: dict[Effect, Function | None] = {}
    for asker in (None, *asked_by(model, effect)):
        above = [edge.caller for edge in over.path][-2:] if asker is None else [asker]
        word = meant(model, effect, above)
        if word not in _REQUESTS or (asker is None and names_a_creation(model, effect, above)):
            found.setdefault(word, asker)
    return sorted(found.items(), key=lambda pair: _EFFECTS.index(pair[0]))


def matters(effect: EffectAt, word: Effect, over: RetryOver, model: Model) -> bool:
    """Everything but a mail, which is repeated only when something after it may fail inside the retry."""
    sites = [*(edge.site for edge in over.path), effect.site]
    if word is Effect.EMAIL:
        return goes_on_after(model, sites[1:] if over.guard.form != "decorator" and len(sites) > 1 else sites)
    return True


def _severity(repeat: _Repeat, model: Model) -> Severity:
    """Money and messages to people."""
    if model.is_script(repeat.effect.site.path):
        return Severity.MEDIUM
    return Severity.HIGH if repeat.word in {Effect.CHARGE, Effect.SMS, Effect.EMAIL} else Severity.MEDIUM


def _report(repeat: _Repeat, model: Model) -> Finding:
    effect, guard = repeat.effect, repeat.over.guard
    call, does = f"`{say.call(effect.site, model)}`", repeat.word.word.meaning
    top = (
        repeat.over.path[0].caller if repeat.over.path else effect.function
    )  # others come to the effect without the retry
    exposure = model.exposure(top)
    times = f"up to {guard.attempts} times" if isinstance(guard.attempts, int) and guard.attempts > 1 else "again"
    short = ".".join(guard.name.split(".")[-2:])
    asked = f", asked by `{repeat.asker.qualname}`," if repeat.asker is not None else ""
    who = say.entry(exposure.worst, top)
    return finding(
        RULE,
        model.place(effect.site),
        _severity(repeat, model),
        title=say.fit(
            f"{call}{asked} {does} and is repeated by `{short}` without a key",
            f"{call} is repeated by `{short}` without a key",
        ),
        issue=(
            f"`{guard.name}` ({guard.path}:{guard.line}) runs {call} {times} when it fails; {call}{asked} {does}, and neither a key nor a check of "
            "what was done makes the repetition harmless."
        ),
        impact=_impact(repeat, call, who),
        fix=advise_again.safe_retry(model, effect, own_ids(effect.site) or stable_ids(effect.site)),
        related=[
            model.place_of_guard(guard, "repeats it"),
            *([model.place_of_function(repeat.asker, "asks for it")] if repeat.asker is not None else []),
        ],
        steps=(*model.chain(repeat.over.path), *model.steps(exposure.worst, effect.function, effect.site)[-1:]),
        confidence=model.confidence_of(effect),
        subject=effect.name,
        weight=impact_weight(exposure, [effect]),
    )


def _impact(repeat: _Repeat, call: str, who: str) -> str:
    harm = {
        Effect.CHARGE: "money moves once per attempt",
        Effect.EMAIL: "people get the mail once per attempt",
        Effect.SMS: "people get the message once per attempt",
        Effect.SQL_INCREMENT: "the number is raised once per attempt",
    }.get(repeat.word, "the other side creates it once per attempt")
    if repeat.word is Effect.EMAIL:
        return f"{call} has sent the mail, then something after it inside the same retry fails; the retry sends it again for {who}, and {harm}."
    return f"{call} succeeds on the other side, but its answer is lost to a timeout or a 5xx; the retry sends it again for {who}, and {harm}."


def _clients(model: Model) -> Iterator[Finding]:
    """Clients whose own retry is told to repeat writes."""
    for site, methods in write_retrying_clients(model):
        uses = repeated_by(model, site)
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


def _defaults(model: Model) -> Iterator[Finding]:
    """Clients that repeat money and messages by their own default after failures that leave doubt; for those who ask."""
    for effect in model.effects_of(Effect.CHARGE, Effect.EMAIL, Effect.SMS):
        verdict = model.client_retry(effect)
        doubt = {"timeout", "5xx"} & set(verdict.on)
        if not (verdict.repeats and verdict.writes and doubt) or verdict.key or is_keyed(model, effect):
            continue
        call, does = f"`{say.call(effect.site, model)}`", effect.effect.word.meaning
        times = f"up to {verdict.attempts} times" if isinstance(verdict.attempts, int) else "several times"
        yield finding(
            RULE,
            model.place(effect.site),
            Severity.MEDIUM if effect.effect is Effect.CHARGE else Severity.LOW,
            title=say.fit(
                f"{call} {does}, and its client repeats it {times} on its own", f"{call} is repeated by its client"
            ),
            issue=f"The client behind {call} sends the request {times} after timeouts and server errors, without a key, and {call} {does}.",
            impact="When the answer to a request that was carried out is lost, the client repeats it unseen: it is done once per attempt.",
            fix=advise_again.client_attempts(verdict),
            confidence=model.confidence_of(effect),
            subject=effect.name,
            audience=Audience.REGULAR if effect.effect is Effect.CHARGE else Audience.PEDANTIC,
            weight=impact_weight(model.exposure(effect.function), [effect]),
        )
