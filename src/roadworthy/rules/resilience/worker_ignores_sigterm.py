"""A long-running process does not hear SIGTERM.

## Why it fails in production
Every deploy, scale-down and node drain sends SIGTERM and, some seconds later, SIGKILL. A process without a handler dies at once, at
whatever line it has reached: `finally` blocks and `except KeyboardInterrupt` do not run, buffers are not flushed, offsets are not
committed, and the item in hand is half done. As the first process of a container it even ignores SIGTERM until it is killed.

## What is reported
Commands and scripts that end in an endless loop (their own, or a library's that installs no handler) and on whose way nothing handles
SIGTERM: no handler at all, one for SIGINT only, an `except KeyboardInterrupt` only; and SIGTERM handlers that do nothing but log, set
a flag that nothing reads, or are coroutines, which nothing awaits.

## What is not reported
Servers and workers of frameworks that handle it themselves, a handler anywhere on the way (also in a helper, a base class, at import),
programs that ask a person, loops that end by themselves, loops without effects that matter.

## Bad
```python
import signal
from confluent_kafka import Consumer
from app.store import save

class Worker:
    def __init__(self):
        self.consumer = Consumer({"bootstrap.servers": "kafka", "group.id": "orders"})
        self.stopped = False

    def stop(self, signum, frame):
        self.stopped = True

    def run(self):
        while not self.stopped:
            message = self.consumer.poll(1.0)
            if message is not None:
                save(message.value())

def main():
    worker = Worker()
    signal.signal(signal.SIGINT, worker.stop)  # finding: worker-ignores-sigterm
    worker.run()

if __name__ == "__main__":
    main()
```

## Good
```python
import signal
from confluent_kafka import Consumer
from app.store import save

def main():
    stopped = []
    consumer = Consumer({"bootstrap.servers": "kafka", "group.id": "orders"})
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.append(True))
    while not stopped:
        message = consumer.poll(1.0)
        if message is not None:
            save(message.value())

if __name__ == "__main__":
    main()
```
"""

from dataclasses import replace

from roadworthy.rules.api import (
    Confidence,
    Effect,
    EffectAt,
    Finding,
    Iterator,
    Lifetime,
    Location,
    Model,
    Registration,
    Rule,
    Run,
    Severity,
    finding,
    first_process,
    impact_weight,
    lifetime_of,
    say,
    stopping,
)

RULE = Rule(id="worker-ignores-sigterm", anti_pattern="deploy-safety", doc=__doc__)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Ask each long-running process what hears SIGTERM; then each handler what it does."""
    lifetime = lifetime_of(model)
    told: set[tuple[str, int]] = set()
    for first, *others in lifetime.deaf_runs():  # commands that end in the same loop: one place mends them all
        found = _unheard(first, lifetime, model)
        if found is not None and (found.at.path, found.at.line) not in told:
            told.add((found.at.path, found.at.line))
            same = [model.place_of_function(run.root, "ends in the same loop") for run in others[:6]]
            yield replace(found, related=(*found.related, *same))
    for registration in lifetime.signals.all:
        if registration.names("TERM") and not model.is_script(registration.site.path):
            yield from _deaf(registration, lifetime, model)


def _unheard(run: Run, lifetime: Lifetime, model: Model) -> Finding | None:
    lost = lifetime.at_stake(run)
    name = run.root.qualname if run.root.kind != "module" else run.root.path
    only_int = lifetime.interrupt_registrations(run)
    if only_int:
        site = only_int[0].site
        handler = model.text(site.fact.args[1], site.function) if len(site.fact.args) > 1 else "handler"
        return _report(
            run, model.place(site), lost, lifetime, model,
            title=f"`{name}` handles SIGINT only, and a deploy sends SIGTERM",
            issue=f"`{say.call(site, model)}` makes Ctrl-C stop {_loop(run)} in an orderly way; nothing is registered for SIGTERM.",
            fix=stopping.same_handler(model, site.function, model.callee_text(site), handler),
        )  # fmt: skip
    caught = lifetime.interrupt_handler(run)
    if caught is not None:
        function, region = caught
        return _report(
            run, model.place_of_region(function, region), lost, lifetime, model,
            title=f"`{function.qualname}` cleans up on Ctrl-C only, and a deploy sends SIGTERM",
            issue=f"`except KeyboardInterrupt` hears Ctrl-C; SIGTERM ends the process without this handler and without any `finally`, "
            f"while {_loop(run)} is at work.",
            fix=stopping.as_interrupt(model, function),
        )  # fmt: skip
    return _report(
        run, _place(run, model), lost, lifetime, model,
        title=f"`{name}` runs until it is stopped, and nothing in it hears SIGTERM",
        issue=f"It ends in {_loop(run)}, and neither it nor anything that it calls handles SIGTERM.",
        fix=stopping.stop_flag(model, run.root, run.loops[0], on_loop=run.loops[0].function.is_async and not lifetime.is_on_thread(run.loops[0].function)), prepared=False,
    )  # fmt: skip


def _loop(run: Run) -> str:
    loop = run.loops[0]
    return f"the loop of `{loop.function.qualname}` ({loop.function.path}:{loop.line})"


def _place(run: Run, model: Model) -> Location:
    if run.at is not None:
        return model.place(run.at)
    return model.place_of_lines(run.root, run.loops[0].line, run.loops[0].line)


def _report(
    run: Run, place: Location, lost: list[EffectAt], lifetime: Lifetime, model: Model, *, title: str, issue: str, fix: str,
    prepared: bool = True,
) -> Finding:  # fmt: skip
    loops = [
        model.place_of_lines(p.function, p.line, p.line, "runs until the process is stopped") for p in run.loops[:4]
    ]
    return finding(
        RULE,
        place,
        _severity(lost, lifetime),
        title=title[:110],
        issue=issue,
        impact=_impact(run, lost, lifetime, model),
        fix=fix,
        related=loops,
        steps=model.steps(run.entry, run.loops[0].function),
        confidence=_confidence(run, lost, lifetime, prepared=prepared),
        subject=run.root.qualname,
        weight=impact_weight(model.exposure(run.root), lost),
    )


def _severity(lost: list[EffectAt], lifetime: Lifetime) -> Severity:
    """A loop that stores, sends or takes messages loses or repeats the item in hand; the other side of a request may heal itself, and
    a message that is confirmed after its work comes again."""
    if lifetime.confirms_late(lost):
        return Severity.MEDIUM
    return Severity.HIGH if any(is_stored(effect) for effect in lost) else Severity.MEDIUM


def _confidence(run: Run, lost: list[EffectAt], lifetime: Lifetime, *, prepared: bool) -> Confidence:
    """A loop that only reads and shows is worth a word only where somebody has written a clean-up for it."""
    if not prepared and not any(is_change(effect) and effect.effect is not Effect.SPAWN_PROCESS for effect in lost):
        return Confidence.LOW
    if lifetime.is_client(run, lost):
        return Confidence.LOW
    if not lost:
        return Confidence.MEDIUM
    return Confidence.HIGH if lifetime.is_in_loop(run, lost[0]) else Confidence.MEDIUM


def is_stored(effect: EffectAt) -> bool:
    """It changes state that others share and that outlives the process, or takes a message from a queue; a file is written again."""
    if effect.effect is Effect.FILE_WRITE:
        return False
    return effect.effect.word.persists or effect.effect in {Effect.CONSUME, Effect.ACK}


def is_change(effect: EffectAt) -> bool:
    """It persists something or acts on the world, so that half of an item is a state of its own."""
    return effect.effect.word.persists or effect.repeat.value != "yes"


def _impact(run: Run, lost: list[EffectAt], lifetime: Lifetime, model: Model) -> str:
    process = first_process(model, run.root)
    at_deploy = "At each deploy the process dies at whatever line it has reached"
    if process is not None:
        grace = (
            f"{say.seconds(process.grace_period)} later"
            if process.grace_period is not None
            else "when the grace period is over"
        )
        at_deploy = (
            f"As the first process of its container ({process.path}:{process.line}) it ignores SIGTERM and is killed {grace} "
            "at whatever line it has reached"
        )
    changes = [effect for effect in lost if is_change(effect)]
    worst = max(
        changes or lost, key=lambda e: (impact_weight(model.exposure(run.root), [e]), -e.site.line), default=None
    )
    if worst is None:
        return f"{at_deploy}; no clean-up runs."
    return (
        f"{at_deploy}, for example just before or after `{say.call(worst.site, model)}` ({worst.site.path}:{worst.site.line}), which "
        f"{worst.effect.word.meaning}: {'the item in hand is half done' if changes else 'what it was about to do is not done'}, and no clean-up runs."
    )


def _deaf(found: Registration, lifetime: Lifetime, model: Model) -> Iterator[Finding]:
    """A handler for SIGTERM after which everything goes on as before."""
    lazy = lifetime.signals.unawaited(found)
    flag = lifetime.signals.unread_flag(found) if lazy is None else ""
    deaf = lazy is not None or bool(flag)
    if not deaf and not (lifetime.signals.does_nothing(found) and not is_waited_for(found, lifetime, model)):
        return
    handler = lazy or found.handlers[0]
    run = lifetime.run(found.site.function)
    lost = lifetime.at_stake(run) if run is not None else []
    does, fix = stopping.deaf_handler(handler, flag, lazy=lazy is not None)
    refused = ", unless the event loop refuses such a handler at once" if lazy is found.handlers[0] else ""
    yield finding(
        RULE,
        model.place(found.site),
        _severity(lost, lifetime),
        title=f"the SIGTERM handler `{handler.qualname}` {does}"[:110],
        issue=f"`{say.call(found.site, model)}` replaces the default action of SIGTERM by `{handler.qualname}`, which {does}.",
        impact="At each deploy the process goes on as before until SIGKILL ends it, at the end of the grace period, at whatever line it has "
        f"reached{refused}.",
        fix=fix,
        related=[model.place_of_function(handler, "the handler")],
        confidence=Confidence.HIGH if handler.kind == "function" else Confidence.MEDIUM,
        subject=handler.qualname,
    )


def is_waited_for(found: Registration, lifetime: Lifetime, model: Model) -> bool:
    """A handler may do nothing where the main thread pauses until any handler has run."""
    loops = [loop for f in lifetime.spread.closure(found.site.function) for loop in lifetime.endless.loops_of(f)]
    return any(loop.site is not None and model.callee_text(loop.site).endswith("pause") for loop in loops)
