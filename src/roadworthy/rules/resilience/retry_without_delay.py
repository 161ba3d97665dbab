"""A retry repeats at once, so that all its attempts hit the same outage.

## Why it fails in production
A dependency that restarts is away for seconds. Three attempts within a millisecond all fail; an endless loop without a pause takes a whole
processor, fills the log and meets the recovering server with a storm.

## What is reported
Endless loops that go on after a failure of a call that leaves the process and in which nothing takes time on that path; `continue` in front of the loop's pause. Retries
of remote calls and of programs that talk to another machine (`git fetch`, `skopeo copy`), by decorator or loop, that wait for nothing between three or more attempts.

## What is not reported
A pause anywhere on the failing path, also in a helper, a `finally` or the loop's condition; a blocking wait that comes before the call; a client
that waits by itself; retries of conflicts (unique keys, stale rows), of timeouts (each took its time), of answers that could not be read; one
quick second attempt; a loop that asks another address, or takes another message or job, each round.

## Bad
```python
import redis

queue = redis.Redis(host="queue", retry=None)

def run():
    while True:
        try:
            handle(queue.blpop(["jobs"]))
        except redis.RedisError:  # finding: retry-without-delay
            log.exception("cannot read the queue")
```

## Good
```python
import redis, time

queue = redis.Redis(host="queue", retry=None)

def run():
    delay = 1
    while True:
        try:
            handle(queue.blpop(["jobs"]))
            delay = 1
        except redis.RedisError:
            log.exception("cannot read the queue")
            time.sleep(delay)
            delay = min(2 * delay, 30)
```
"""

from roadworthy.rules.api import (
    Confidence,
    Effect,
    EffectAt,
    Finding,
    GuardKind,
    Iterator,
    Model,
    Retried,
    Rule,
    Severity,
    Skipped,
    Spin,
    advise,
    asks_another,
    expr,
    finding,
    flow,
    is_remote,
    runs_remote,
    say,
    skipped_pauses,
    spins,
)

RULE = Rule(id="retry-without-delay", anti_pattern="bad-retry", doc=__doc__)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Endless loops first; then the other retries, but for those that are such loops."""
    spinning = set()
    for spin in spins(model):
        if not model.is_script(spin.function.path):
            spinning.add((spin.function, spin.loop))
            yield _spin(spin, model)
    for skipped in skipped_pauses(model):
        if not model.is_script(skipped.function.path) and (skipped.function, skipped.loop) not in spinning:
            spinning.add((skipped.function, skipped.loop))
            yield _skip(skipped, model)
    for retried in model.retries.all:
        if retried.guard.delay != "none" or (retried.function, retried.guard.region) in spinning:
            continue
        effect = _repeated(retried, model)
        aside = is_one_more_attempt(retried) or is_about_something_else(retried, model) or asks_another(retried)
        if effect is None or aside or model.is_script(retried.function.path) or waits_outside(retried, model):
            continue
        yield _retry(retried, effect, model)


def _repeated(retried: Retried, model: Model) -> EffectAt | None:
    """A remote call among what is repeated whose client does not wait by itself."""
    for effect in model.retries.effects(retried):
        way = model.reach.path_down(retried.function, effect)
        primary = effect.effect is not Effect.LLM and not effect.secondary
        remote = runs_remote(effect, way) or (is_remote(model, effect) and not model.client_retry(effect).repeats)
        if len(way) <= 3 and primary and remote:
            return effect
    return None


def is_one_more_attempt(retried: Retried) -> bool:
    """A single quick repetition, as after a pooled connection that has gone stale."""
    return isinstance(retried.guard.attempts, int) and retried.guard.attempts <= 2


def is_about_something_else(retried: Retried, model: Model) -> bool:
    """Conflicts, timeouts, full or empty queues, unreadable answers: waiting would not help, or was done."""
    names = [model.exceptions.plain(name) for name in retried.guard.on]
    return bool(names) and all(
        model.exceptions.nature(name) in {"conflict", "permanent"}
        or "timeout" in name.lower()
        or name.endswith(("Empty", "Full", "Error401"))
        for name in names
    )


def waits_outside(retried: Retried, model: Model) -> bool:
    """Another retry around it waits."""
    return model.coverage_of(
        retried.function, lambda g: g.kind is GuardKind.RETRY and g.delay != "none" and g.line != retried.guard.line
    ).somewhere


def _spin(spin: Spin, model: Model) -> Finding:
    call = f"`{say.call(spin.site, model)}`"
    name = spin.function.qualname
    exposure = model.exposure(spin.function)
    return finding(
        RULE,
        model.place_of_region(spin.function, spin.handler.region),
        Severity.HIGH if exposure.serves else Severity.MEDIUM,
        title=f"loop of `{name}` repeats {call} at once when it fails",
        issue=f"The handler in the endless loop of `{name}` lets it go on, and nothing between two attempts of {call} takes time.",
        impact=f"While the other side is away, {call} fails at once and the loop turns thousands of times a second: a processor at 100 %, a log that "
        "fills the disk, and a storm of connections for the server that comes back.",
        fix=f"Wait in the handler before the next round, longer each time up to a cap, with `delay = 1` above the loop and after each success:\n```python\n{_pause(spin)}\n```",
        related=[model.place(spin.site, "fails at once"), model.place_of_region(spin.function, spin.loop, "the loop")],
        confidence=model.confidence_of(spin.effect),
        subject=name,
    )


def _skip(skipped: Skipped, model: Model) -> Finding:
    function = skipped.function
    call, pause = f"`{say.call(skipped.site, model)}`", f"`{say.call(skipped.pause, model)}`"
    return finding(
        RULE,
        model.place_of_region(function, skipped.skip),
        Severity.HIGH if model.exposure(function).serves else Severity.MEDIUM,
        title=say.fit(
            f"loop of `{function.qualname}` passes its pause by when {call} fails",
            f"loop of `{function.name}` passes its pause by after a failure",
        ),
        issue=f"When {call} says that it has failed, `continue` goes round past {pause}, and nothing else takes time.",
        impact=f"While the other side is away, {call} fails at once and the loop turns thousands of times a second: a processor at 100 %, a log that "
        "fills the disk, and a storm of requests for the server that comes back.",
        fix=f"Wait before `continue`, too:\n```python\n{say.code(expr.CallRef(skipped.pause.index), function)}\ncontinue\n```",
        related=[
            model.place(skipped.pause, "is passed by"),
            model.place_of_region(skipped.handler.function, skipped.handler.region, "gives False back for a failure"),
        ],
        subject=function.qualname,
    )


def _pause(spin: Spin) -> str:
    return f"{say.sleep(spin.function, 'delay')}\ndelay = min(2 * delay, 30)"


def _between(retried: Retried) -> str:
    """The pause in the handler, by the loop's own variable; one that nothing reads gets a name first."""
    scope = retried.function.scope
    region = scope.regions[retried.guard.region] if retried.guard.region is not None else None
    target = region.target if region is not None else None
    name = target.id if isinstance(target, expr.Name) and target.id.strip("_") else ""
    handlers = [
        r.line
        for i, r in enumerate(scope.regions)
        if r.kind == "except" and retried.guard.region is not None and flow.within(scope, i, retried.guard.region)
    ]
    where = f"the handler (line {handlers[0]})" if len(handlers) == 1 else "the handler"
    text = f"Wait at the end of {where}, longer each time and with a random part"
    if name and region is not None and region.kind == "for":
        pause = say.sleep(retried.function, f"min(30, 2 ** {name}) * random.uniform(0.5, 1.5)")
        return f"{text}:\n```python\n{pause}\n```"
    pause = f"{say.sleep(retried.function, 'delay * random.uniform(0.5, 1.5)')}\ndelay = min(30, 2 * delay)"
    return f"{text}, with `delay = 1` above the loop:\n```python\n{pause}\n```"


def _impact(retried: Retried, call: str, model: Model, *, endless: bool) -> str:
    who = say.whom(model.exposure(retried.function).worst, retried.function, model)
    if endless:
        return f"While {call} fails, {who} tries it again as fast as it can and comes to no end: a busy processor, and a storm for the failing side."
    return f"A fault of a second or two outlasts all attempts, which take milliseconds: {who} has to do without, where a later {call} would have gone well."


def _retry(retried: Retried, effect: EffectAt, model: Model) -> Finding:
    guard = retried.guard
    way = model.reach.path_down(retried.function, effect)
    call = f"`{say.call(way[0].site if way else effect.site, model)}`"
    which = f", which comes to `{say.call(effect.site, model)}`," if way else ""
    endless = guard.attempts == "forever" or not guard.capped
    many = "without end" if endless else f"{guard.attempts} times" if guard.attempts else "several times"
    place = (
        model.place_of_region(retried.function, guard.region)
        if guard.form == "loop" and guard.region is not None
        else model.place(guard.site)
        if guard.site is not None and guard.site.path == guard.path
        else model.place_of_lines(retried.function, guard.line, guard.line)
    )
    return finding(
        RULE,
        place,
        Severity.HIGH if endless and model.exposure(retried.function).serves else Severity.MEDIUM,
        title=f"`{retried.function.name}` repeats {call} {many} without a wait",
        issue=f"`{guard.name}` tries {call}{which} {many} and waits for nothing in between.",
        impact=_impact(retried, call, model, endless=endless),
        fix=advise.space_retry(model, guard, retried.function) if guard.form != "loop" else _between(retried),
        related=[model.place(effect.site, "repeated at once")],
        confidence=Confidence.weakest(model.confidence_of(effect), Confidence.MEDIUM if guard.form == "loop" else Confidence.HIGH),
        subject=f"{guard.name}:{effect.name}",
    )  # fmt: skip
