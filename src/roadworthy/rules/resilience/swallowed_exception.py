"""An error ends without a trace.

## Why it fails in production
A handler that neither logs nor re-raises nor reports turns an outage into an empty answer, a lost message into a success. Nobody is told,
nothing is retried, and when the missing data is noticed there is no line in any log that says when and why it began.

## What is reported
A broad handler (bare, `Exception`, `BaseException`), one for the failures of the very call it covers, or `contextlib.suppress` of such,
around effects that leave the process (through all calls of the body), that does nothing with the error: it passes, goes on, or returns a
constant. A log line below the level that production shows counts as nothing where the effect changes data.

## What is not reported
Narrow handlers of expected errors (`KeyError`, `FileNotFoundError`, an import that may be missing). Handlers that log, report, re-raise,
return or store the error, answer with an error, or try something else. Closing and rolling back. Questions that failure answers
(`is_alive`). Failures that something further in has already handled.

## Bad
```python
import requests

def notify(order):
    try:
        requests.post(order.webhook, json={"id": order.id}, timeout=4)
    except requests.RequestException:  # finding: swallowed-exception
        pass
```

## Good
```python
import logging
import requests

logger = logging.getLogger(__name__)

def notify(order):
    try:
        requests.post(order.webhook, json={"id": order.id}, timeout=4)
    except requests.RequestException:
        logger.exception("webhook of order %s failed", order.id)
```
"""

from roadworthy.rules.api import (
    Audience,
    CallSite,
    Confidence,
    Effect,
    EffectAt,
    Finding,
    Function,
    Iterator,
    Model,
    Rule,
    Severity,
    Silence,
    acts,
    finding,
    impact_weight,
    logger_near,
    say,
    says_probe,
    silences,
)

RULE = Rule(id="swallowed-exception", anti_pattern="swallowed-exception", doc=__doc__)

_MINOR = frozenset({Effect.FILE_WRITE, Effect.FILE_REPLACE, Effect.SPAWN_PROCESS, Effect.CONNECT, Effect.CONSUME})
_AS_IF_DONE = frozenset({"goes on", "next item", "success"})
Failure = tuple[CallSite, EffectAt]


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Judge every silent handler by what its body does."""
    for silence in silences(model):
        if cannot_speak(silence.function) or failure_is_the_answer(silence):
            continue
        hidden = sorted(silence.hidden, key=lambda pair: (_rank(pair[1]), pair[0].line, pair[1].site.line))
        if hidden:
            yield _report(silence, hidden, model)
        elif silence.broad and silence.handler is not None:
            yield _small(silence, model)


def cannot_speak(function: Function) -> bool:
    """In a finaliser or in a logging handler there is nobody to tell."""
    bases = function.cls.library_bases if function.cls is not None else ()
    return function.name == "__del__" or any(base.startswith("logging.") for base in bases)


def failure_is_the_answer(silence: Silence) -> bool:
    """`is_alive()`, `ping()`, `health()`: that it failed is what the caller wanted to know."""
    return silence.outcome in {"default", "nothing"} and says_probe(silence.function.name)


def is_explained(silence: Silence, model: Model) -> bool:
    """A comment in the handler says why the error may vanish."""
    return model.explains(silence.function.path, silence.line, silence.end_line)


def _rank(effect: EffectAt) -> int:
    if acts(effect) and effect.effect not in _MINOR:
        return 0
    return 2 if effect.secondary or effect.effect in _MINOR else 1


def _judge(silence: Silence, effect: EffectAt, model: Model) -> tuple[Severity, Audience]:
    rank = _rank(effect)
    whispers = silence.handler is not None and silence.handler.whispers
    if rank == 2 or (rank == 1 and (whispers or not silence.broad or is_explained(silence, model))):
        return Severity.LOW, Audience.PEDANTIC
    high = rank == 0 and silence.outcome in _AS_IF_DONE and not whispers
    severity = Severity.HIGH if high else Severity.MEDIUM
    watched = model.exposure(silence.function).only_commands or model.is_script(silence.function.path)
    return (severity.lowered() if watched else severity), Audience.REGULAR


def _report(silence: Silence, hidden: list[Failure], model: Model) -> Finding:
    site, effect = hidden[0]
    function = silence.function
    severity, audience = _judge(silence, effect, model)
    exposure = model.exposure(function)
    path = model.reach.path_down(function, effect) if effect.site is not site else []
    return finding(
        RULE,
        model.place_of_lines(function, silence.line, min(silence.end_line, silence.line + 12)),
        severity,
        title=f"`{function.qualname}` drops every failure of `{say.call(site, model)}` without a trace",
        issue=_issue(silence, site, effect, model),
        impact=_impact(silence, effect, model),
        fix=_fix(silence, site, model),
        related=[model.place(effect.site, effect.effect.word.meaning)],
        steps=(*model.steps(exposure.worst, function, site), *model.chain(e for e in path if e.site is not site)),
        confidence=model.confidence_of(effect),
        subject=f"{effect.name} {' '.join(silence.types)}",
        audience=audience,
        weight=impact_weight(exposure, [e for _, e in hidden]),
    )


def _caught(silence: Silence) -> str:
    names = ", ".join(name.rpartition(".")[2] for name in silence.types)
    return f"suppress({names})" if silence.handler is None else f"except {names}".rstrip() if names else "except:"


def _then(silence: Silence, model: Model) -> str:
    match silence.outcome:
        case "goes on":
            return "goes on as if nothing had happened"
        case "next item":
            return "goes on with the next item"
        case "nothing":
            return "returns `None`"
    return f"returns `{model.text(silence.default, silence.function)}`"


def _issue(silence: Silence, site: CallSite, effect: EffectAt, model: Model) -> str:
    call = say.call(site, model)
    through = (
        ""
        if effect.site is site
        else f", through `{effect.function.qualname}()` ({effect.site.path}:{effect.site.line}),"
    )
    told = (
        "logs below the level that production shows" if silence.handler and silence.handler.whispers else "tells nobody"
    )
    return f"`{_caught(silence)}` around `{call}`, which{through} {effect.effect.word.meaning}, {told} and {_then(silence, model)}."


def _impact(silence: Silence, effect: EffectAt, model: Model) -> str:
    who = say.entry(model.exposure(silence.function).worst)
    what = f"`{say.call(effect.site, model)}`"
    if acts(effect) and silence.outcome in _AS_IF_DONE:
        return f"When {what} fails, {who} counts it as done: the effect is lost, nothing repeats it, and no log line says so."
    if acts(effect):
        return f"When {what} fails, {who} learns only that there is no result; which error it was, and since when, is nowhere to be found."
    return (
        f"When {what} fails, {who} cannot tell an outage from an empty answer, and no log line says that there is one."
    )


def _fix(silence: Silence, site: CallSite, model: Model) -> str:
    function = silence.function
    log = logger_near(model, function)
    names = [name.rpartition(".")[2] for name in silence.types] or ["Exception"]
    head = f"except {names[0]}:" if len(names) == 1 else f"except ({', '.join(names)}):"
    call = say.call(site, model)
    return (
        f"Log it with its traceback, and re-raise unless the rest of `{function.name}` is right without `{call}`.\n"
        f'```python\n{head}\n    {log}.exception("{call} failed")\n    raise\n```'
    )


def _small(silence: Silence, model: Model) -> Finding:
    """Nothing that leaves the process is hidden: worth a look, no more."""
    function = silence.function
    return finding(
        RULE,
        model.place_of_lines(function, silence.line, min(silence.end_line, silence.line + 12)),
        Severity.LOW,
        title=f"`{function.qualname}` catches everything and tells nobody",
        issue=f"`{_caught(silence)}` takes every error, a wrong name in the code above it as well, and {_then(silence, model)}.",
        impact=f"A defect in the block above it looks like an ordinary outcome to {say.entry(model.exposure(function).worst)}.",
        fix=f"Catch what is expected by name, or log the rest: `{logger_near(model, function)}.exception(…)`.",
        confidence=Confidence.MEDIUM,
        subject=" ".join(silence.types) or "bare",
        audience=Audience.PEDANTIC,
    )
