"""An error ends without a trace.

## Why it fails in production
A handler that neither logs nor re-raises nor reports turns an outage into an empty answer, a lost message into a success. Nobody is told,
nothing is retried, and when the missing data is noticed there is no line in any log that says when and why it began.

## What is reported
A broad handler (bare, `Exception`, `BaseException`), one for the failures of the very call it covers, `contextlib.suppress` of such, or a `return` in a `finally`,
around effects that leave the process (through all calls of the body), that does nothing with the error: it passes, goes on, or returns a
constant. A log line below the level that production shows counts as nothing where the effect changes data.

## What is not reported
Narrow handlers of expected errors (`KeyError`, `FileNotFoundError`, an import that may be missing). Handlers that log, report, re-raise,
return or store the error, answer with an error, or try something else. Closing and rolling back. Questions that failure answers
(`is_alive`), the metadata service of a cloud. Blocks that end the program where nothing fails. Failures that something further in has already handled or noted. Code that says of itself `best effort`.

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
    Location,
    Model,
    Rule,
    Severity,
    Silence,
    acts,
    advise,
    answers_yes_or_no,
    callers_tell,
    cannot_speak,
    covers,
    expects_failure,
    finding,
    impact_weight,
    is_best_effort,
    is_error_answer,
    is_told_elsewhere,
    logger_near,
    matters_little,
    say,
    says_probe,
    silences,
)

RULE = Rule(id="swallowed-exception", anti_pattern="swallowed-exception", doc=__doc__)

_AS_IF_DONE = frozenset({"goes on", "next item", "success"})
Failure = tuple[CallSite, EffectAt]


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Judge every silent handler by what its body does."""
    told: dict[tuple[Function, str], list[tuple[Silence, int, list[Failure]]]] = {}
    for silence in silences(model):
        if cannot_speak(silence.function) or is_answer(silence, model) or is_told_elsewhere(silence, model):
            continue
        ranked = sorted(
            ((_rank(failure, silence, model), failure) for failure in silence.hidden),
            key=lambda pair: (pair[0], pair[1][0].line, pair[1][1].site.path, pair[1][1].site.line),
        )
        if ranked:
            key = (silence.function, model.callee_text(ranked[0][1][0]))
            told.setdefault(key, []).append((silence, ranked[0][0], [failure for _, failure in ranked]))
        elif silence.broad and silence.handler is not None:
            yield _small(silence, model)
    for same in told.values():
        first, rank, hidden = min(same, key=lambda one: (one[1], one[0].line))
        yield _report(first, rank, hidden, [silence for silence, *_ in same if silence is not first], model)


def is_answer(silence: Silence, model: Model) -> bool:
    """`is_alive()`, `ping()`: that it failed is what the caller wanted to know. Or nothing comes back, and every caller makes an error of that."""
    name = silence.function.name
    told = silence.outcome == "nothing" and callers_tell(model, silence.function)
    told = told or (not silence.broad and is_error_answer(silence.default))
    asks = silence.outcome in {"default", "nothing"} or (silence.outcome == "success" and "probe" in name.lower())
    return expects_failure(silence) or told or (asks and says_probe(name))


def is_explained(silence: Silence, model: Model) -> bool:
    """A comment in the handler says why the error may vanish."""
    return model.explains(silence.function.path, silence.line, silence.end_line)


def _rank(failure: Failure, silence: Silence, model: Model) -> int:
    """0: data or an act is lost. 1: an outage is hidden. 2: hardly worth a word."""
    if matters_little(failure, silence, model):
        return 2
    site, effect = failure
    if effect.effect is Effect.COMMIT and not _writes(site, model):
        return 1  # the end of a transaction that has only read
    return 0 if acts(effect, silence.function.name, model.callee_text(site).rpartition(".")[2]) else 1


def _writes(site: CallSite, model: Model) -> bool:
    """Does the call also change what is to be committed? `session.commit()` by itself commits what came before."""
    found = [effect.effect for effect in model.effects_through(site)]
    return set(found) == {Effect.COMMIT} or any(e.word.persists and e is not Effect.COMMIT for e in found)


def _judge(silence: Silence, rank: int, effect: EffectAt, model: Model) -> tuple[Severity, Audience]:
    whispers = silence.handler is not None and silence.handler.whispers
    explained = is_explained(silence, model)
    if is_best_effort(silence, model):
        return Severity.LOW, Audience.PEDANTIC
    degrades = whispers or explained or silence.outcome == "stand-in"
    wide = silence.broad or covers(model, silence.types, effect)
    if rank == 2 or (rank == 1 and (degrades or not wide)) or (explained and not silence.broad):
        return Severity.LOW, Audience.PEDANTIC
    high = rank == 0 and silence.broad and silence.outcome in _AS_IF_DONE and not (whispers or explained)
    low = (rank == 1 and not silence.broad) or (whispers and silence.outcome == "nothing")
    exposure = model.exposure(silence.function)
    high = high and bool(exposure.entries)  # code that nothing known runs is no service
    severity = Severity.HIGH if high else Severity.LOW if low else Severity.MEDIUM
    watched = exposure.only_commands or model.is_script(silence.function.path)
    return (severity.lowered() if watched or answers_yes_or_no(silence, model) else severity), Audience.REGULAR


def _report(silence: Silence, rank: int, hidden: list[Failure], alike: list[Silence], model: Model) -> Finding:
    site, effect = hidden[0]
    function = silence.function
    severity, audience = _judge(silence, rank, effect, model)
    exposure = model.exposure(function)
    path = model.reach.path_down(function, effect) if effect.site is not site else []
    return finding(
        RULE,
        model.place_of_lines(function, silence.line, min(silence.end_line, silence.line + 12)),
        severity,
        title=_title(silence, site, model),
        issue=_issue(silence, site, effect, model) + _also(alike),
        impact=_impact(silence, rank, site, effect, model),
        fix=advise.tell_failure(model, silence, site),
        related=[
            model.place(effect.site, effect.effect.word.meaning),
            *(Location(function.path, other.line, other.end_line, note="drops it here too") for other in alike),
        ],
        steps=(*model.steps(exposure.worst, function, site), *model.chain(e for e in path if e.site is not site)),
        confidence=model.confidence_of(effect),
        subject=f"{effect.name} {' '.join(silence.types)}",
        audience=audience,
        weight=impact_weight(exposure, [e for _, e in hidden]),
    )


def _title(silence: Silence, site: CallSite, model: Model) -> str:
    where, call = _where(silence.function), say.call(site, model)
    if silence.handler is not None and silence.handler.whispers:
        return say.fit(
            f"`{where}` tells of a failure of `{call}` only below the level that production shows",
            f"`{say.last(where)}` tells of a failure of `{say.last(call)}` only below the level that production shows",
        )
    return say.fit(
        f"`{where}` drops every failure of `{call}` without a trace",
        f"`{say.last(where)}` drops every failure of `{say.last(call)}` without a trace",
    )


def _also(alike: list[Silence]) -> str:
    """The other handlers of the function around the same call."""
    lines = [str(silence.line) for silence in alike]
    return (
        f" So {'does' if len(alike) == 1 else 'do'} {say.joined([f'line {line}' for line in lines])}." if alike else ""
    )


def _then(silence: Silence, model: Model) -> str:
    match silence.outcome:
        case "goes on":
            return "goes on as if nothing had happened"
        case "next item" | "skipped":
            return "goes on with the next item"
        case "nothing":
            return "returns `None`"
    return f"returns `{model.text(silence.default, silence.function)}`"


def _issue(silence: Silence, site: CallSite, effect: EffectAt, model: Model) -> str:
    call, place = say.call(site, model), f"{effect.site.path}:{effect.site.line}"
    through = "" if effect.site is site else f", through `{effect.function.qualname}()` ({place}),"
    whispers = silence.handler is not None and silence.handler.whispers
    told = "logs below the level that production shows" if whispers else "tells nobody"
    return f"`{silence.head}` around `{call}`, which{through} {effect.effect.word.meaning}, {told} and {_then(silence, model)}."


def _impact(silence: Silence, rank: int, site: CallSite, effect: EffectAt, model: Model) -> str:
    function, worst = silence.function, model.exposure(silence.function).worst
    who, whom = say.entry(worst, function), say.whom(worst, function, model)
    fails, asked = f"When `{say.call(effect.site, model)}` fails", f"When `{say.call(site, model)}` fails"
    if rank == 0 and silence.outcome in _AS_IF_DONE:
        return f"{fails}, {who} counts it as done: the effect is lost, nothing repeats it, and no log line says so."
    if rank == 0:
        return f"{fails}, {who} learns only that there is no result; which error it was, and since when, is nowhere to be found."
    if silence.outcome in _AS_IF_DONE - {"success"}:
        return f"{asked}, {who} goes on as if it had given nothing, and no log line tells an outage from that."
    if is_told_to_nobody(silence, model):
        return f"{asked}, {who} goes on as if it had been done, for nobody looks at what `{_where(function)}` returns, and no log line says so."
    told = f"`{model.text(silence.default, function)}`" if silence.default is not None else "`None`"
    if whom == say.entry(None, function):
        return f"{asked}, {whom} answers {told} as if there were nothing, and no log line tells an outage from that."
    return f"{asked}, {whom} works with {told} as if that were the answer, and no log line tells an outage from it."


def is_told_to_nobody(silence: Silence, model: Model) -> bool:
    """Every caller drops what the function returns."""
    ways = [edge for edge in model.edges_to(silence.function) if edge.kind == "call"]
    return bool(ways) and all(edge.site.fact.use == "discarded" for edge in ways)


def _where(function: Function) -> str:
    """A function, or a module by its file."""
    return function.path.rpartition("/")[2] if function.kind == "module" else function.qualname


def _small(silence: Silence, model: Model) -> Finding:
    """Nothing that leaves the process is hidden: worth a look, no more."""
    function = silence.function
    return finding(
        RULE,
        model.place_of_lines(function, silence.line, min(silence.end_line, silence.line + 12)),
        Severity.LOW,
        title=f"`{function.qualname}` catches everything and tells nobody",
        issue=f"`{silence.head}` takes every error, a wrong name in the code above it as well, and {_then(silence, model)}.",
        impact=f"A defect in the block above it looks like an ordinary outcome to {say.entry(model.exposure(function).worst)}.",
        fix=f"Catch what is expected by name, or log the rest: `{logger_near(model, function)}.exception(…)`.",
        confidence=Confidence.MEDIUM,
        subject=" ".join(silence.types) or "bare",
        audience=Audience.PEDANTIC,
    )
