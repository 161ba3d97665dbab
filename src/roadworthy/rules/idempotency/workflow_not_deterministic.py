"""Replayed workflow code takes a value, or does a deed, that the replay does not repeat.

## Why it fails in production
A durable engine rebuilds a workflow after every deploy, crash and cache eviction by running its code again over the recorded history.
Whatever the code takes from the clock, from randomness or from outside is another value then: ids no longer match the history, branches
turn the other way, and the execution stops with a non-determinism error or goes on with two truths. Deeds are done once more per replay.

## What is reported
A random value, a clock, a request, a query, a file or a program in workflow code, directly or through any number of helpers, where the
engine records nothing. The finding stands at that call and names the workflows that reach it.

## What is not reported
Activities, steps and everything below them; the engine's own clock, ids and timers; code that first asks whether it runs inside a
workflow, or that lifts the sandbox on purpose; values that only go to log lines and metrics; queries.

## Bad
```python
import uuid
from temporalio import workflow

@workflow.defn
class Fulfil:
    @workflow.run
    async def run(self, order_id: str) -> None:
        shipment = str(uuid.uuid4())  # finding: workflow-not-deterministic
        await workflow.execute_child_workflow("ship", order_id, id=shipment)
```

## Good
```python
import uuid
from temporalio import workflow

@workflow.defn
class Fulfil:
    @workflow.run
    async def run(self, order_id: str) -> None:
        shipment = str(workflow.uuid4())
        await workflow.execute_child_workflow("ship", order_id, id=shipment)
```
"""

from roadworthy.rules.api import (
    Confidence,
    Effect,
    EffectAt,
    Finding,
    Function,
    Iterator,
    Model,
    Repeat,
    Replayed,
    Rule,
    Severity,
    advise_again,
    finding,
    impact_weight,
    is_engine_call,
    only_told,
    replayed_effects,
    say,
    steers,
)

RULE = Rule(id="workflow-not-deterministic", anti_pattern="nondeterministic-workflow-id", doc=__doc__)

_VALUES = frozenset({Effect.RANDOM_VALUE, Effect.CLOCK_VALUE, Effect.PROCESS_HASH})
_HARMLESS = frozenset({Effect.WAIT, Effect.LOCK, Effect.CONNECT, Effect.CLOSE, Effect.FLUSH, Effect.CACHE_READ})


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Look at everything that a replay passes; the same mistake several times in one function is one cause."""
    causes: dict[tuple[Function, Effect], list[Replayed]] = {}
    for replayed in replayed_effects(model):
        site = replayed.effect.site
        if model.is_reviewed(site.path) and not is_engine_call(model, site) and breaks_replay(replayed.effect, model):
            causes.setdefault((site.function, replayed.effect.effect), []).append(replayed)
    for found in causes.values():
        yield _report(found, model)


def breaks_replay(effect: EffectAt, model: Model) -> bool:
    """Another value at each replay that is used for more than logging, or work that belongs into a step."""
    if effect.effect in _VALUES:
        return not only_told(model, effect.site)
    if effect.effect is Effect.SLEEP:
        return not effect.row.awaitable and effect.row.blocking is not False
    word = effect.effect.word
    return word.external and not word.telemetry and effect.effect not in _HARMLESS and not effect.row.lazy


def _report(found: list[Replayed], model: Model) -> Finding:
    replayed = found[0]
    effect, entry = replayed.effect, replayed.entries[0]
    call = say.call(effect.site, model)
    workflow = entry.function.qualname
    path = replayed.path
    via = f", {len(path)} call{'s' if len(path) > 1 else ''} below `{workflow}`" if path else ""
    return finding(
        RULE,
        model.place(effect.site),
        min((_severity(r.effect, model) for r in found), key=lambda severity: severity.rank),
        title=say.fit(
            f"`{call}` {_does(effect)} inside replayed workflow code of `{workflow}`",
            f"`{call}` {_does(effect)} inside replayed workflow code",
        ),
        issue=f"`{call}`{via}, {effect.effect.word.meaning} in code that the engine replays, and the engine does not record it.",
        impact=_impact(effect, workflow, model),
        fix=advise_again.replay_safe(model, effect, entry),
        related=[
            *(model.place(other.effect.site, "the same") for other in found[1:]),
            *(model.place_of_function(other.function, "replayed workflow") for other in replayed.entries[:6]),
        ],
        steps=(*model.chain(path), *model.steps(entry, entry.function, effect.site)[-1:]),
        confidence=Confidence.weakest(effect.confidence),
        subject=effect.name,
        weight=impact_weight(model.exposure(effect.function), [effect]),
    )


def _does(effect: EffectAt) -> str:
    return {
        Effect.RANDOM_VALUE: "makes a new random value",
        Effect.CLOCK_VALUE: "reads the clock",
        Effect.PROCESS_HASH: "differs from process to process",
        Effect.SLEEP: "blocks on the process's own clock",
    }.get(effect.effect, effect.effect.word.meaning)


def _severity(effect: EffectAt, model: Model) -> Severity:
    """The clock that is only written down is wrong in a field; everything else derails the execution or repeats a deed."""
    if effect.effect is Effect.CLOCK_VALUE and not steers(model, effect.site):
        return Severity.MEDIUM
    if effect.effect not in _VALUES and effect.repeat is Repeat.SAFE and not effect.effect.word.persists:
        return Severity.MEDIUM
    return Severity.HIGH


def _impact(effect: EffectAt, workflow: str, model: Model) -> str:
    when = "After the next deploy, crash or cache eviction the engine replays"
    if effect.effect is Effect.RANDOM_VALUE:
        return (
            f"{when} `{workflow}` and `{say.call(effect.site, model)}` gives another value than the history holds: ids of children and "
            "keys no longer match, and the execution fails as non-deterministic or starts its work a second time."
        )
    if effect.effect is Effect.CLOCK_VALUE and not steers(model, effect.site):
        return f"{when} `{workflow}` with a later clock: what is made of it here differs from what the first run gave or told."
    if effect.effect is Effect.CLOCK_VALUE:
        return (
            f"{when} `{workflow}` with a later clock: comparisons turn the other way and timers get another length than the history holds, "
            "so the execution can no longer be rebuilt, or carries two different times."
        )
    if effect.effect is Effect.SLEEP:
        return f"The wait of `{workflow}` is lost with the process, blocks the worker while it lasts, and starts anew at every replay."
    return (
        f"{when} `{workflow}` and `{say.call(effect.site, model)}` runs once more, unrecorded and without the engine's retries: "
        f"it {effect.effect.word.meaning} again, or sees other data than the first run did and takes another branch."
    )
