"""Something that buffers or runs in the background is not flushed or stopped at shutdown.

## Why it fails in production
A producer, exporter or batcher answers at once and sends later. What it still holds when the process ends is gone, without an error:
every deploy drops the last messages. A server that is merely cancelled cuts off the requests in hand.

## What is reported
Message producers and batch writers that no path flushes or closes; a `close()` or `shutdown()` that takes care of one member and forgets
its sibling, or repeats only a part of `flush()`; a queue in memory from which a daemon thread stores or sends, in a program that stops
in an orderly way on SIGTERM and waits for neither of them; classes whose `start()` makes a server or loop run and whose `stop()` is inherited and
does nothing.

## What is not reported
Context managers, `closing()`, `atexit`, queues that are joined, asked or ended by a sentinel, objects that close themselves or that are handed to a library, anything of the same name that is
closed somewhere, telemetry, files.

## Bad
```python
from confluent_kafka import Producer

class Outbox:
    def __init__(self):
        self.orders = Producer({"bootstrap.servers": "kafka"})
        self.refunds = Producer({"bootstrap.servers": "kafka"})

    def send(self, order):
        self.orders.produce("orders", order)
        self.refunds.produce("refunds", order)

    def close(self):  # finding: unflushed-on-shutdown
        self.orders.flush()
```

## Good
```python
from confluent_kafka import Producer

class Outbox:
    def __init__(self):
        self.orders = Producer({"bootstrap.servers": "kafka"})
        self.refunds = Producer({"bootstrap.servers": "kafka"})

    def send(self, order):
        self.orders.produce("orders", order)
        self.refunds.produce("refunds", order)

    def close(self):
        self.orders.flush()
        self.refunds.flush()
```
"""

from roadworthy.rules.api import (
    Confidence,
    CutDrain,
    Finding,
    Forgotten,
    InertStop,
    Iterator,
    Lifecycles,
    Model,
    Resource,
    Rule,
    Severity,
    Shutdown,
    cut_drains,
    finding,
    impact_weight,
    lifetime_of,
    say,
    stopping,
)

RULE = Rule(id="unflushed-on-shutdown", anti_pattern="deploy-safety", doc=__doc__)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Ask each stop what it forgets, and each buffer who flushes it."""
    shutdown, lifetime = Shutdown(model), lifetime_of(model)
    lifecycles = Lifecycles(model, shutdown)
    told = set()
    for forgotten in lifecycles.forgotten():
        told.add(forgotten.resource.site if forgotten.resource is not None else None)
        yield _forgotten(forgotten, model)
    for resource in shutdown.resources:
        if shutdown.carries(resource) and resource.site not in told and is_left_open(resource, shutdown):
            yield _open(resource, shutdown, model)
    for inert in lifecycles.inert_stops(lifetime.starters()):
        yield _inert(inert, model)
    for cut in cut_drains(model, lifetime.signals.all):
        yield _cut(cut, model)


def is_left_open(resource: Resource, shutdown: Shutdown) -> bool:
    """Something may be left in it, nobody flushes or closes it, and it is not in the hands of a library that may."""
    return shutdown.may_lose(resource) and not shutdown.is_closed(resource) and not shutdown.escapes(resource)


def _forgotten(found: Forgotten, model: Model) -> Finding:
    stop = f"{found.cls.name}.{found.stop.name}"
    members = say.joined([f"`self.{member}`" for member in found.members])
    handled = say.joined([f"`self.{member}`" for member in found.handled])
    many = len(found.members) > 1
    if found.flush is not None:
        issue = f"`{stop}()` takes care of {handled} itself and does not call `{found.flush.name}()`, which also waits for {members}."
        fix = f"Call `self.{found.flush.name}()` first in `{found.stop.name}()`, before what works through them is stopped."
    else:
        issue = f"`{stop}()` closes {handled}; {members} {'hold' if many else 'holds'} data in memory in the same way, and nothing flushes it."
        fix = stopping.close_member(
            found.stop, found.members, found.resource.row.closes if found.resource else ("flush",)
        )
    exposure = model.exposure(found.stop)
    return finding(
        RULE,
        model.place_of_function(found.stop),
        Severity.HIGH,
        title=f"`{stop}()` forgets {_short(found, 110 - len(stop) - 14)}",
        issue=issue,
        impact=f"What is still queued in {members} when the process stops is dropped without an error, at every deploy.",
        fix=fix,
        related=[model.place(found.resource.site, "never flushed")] if found.resource else [],
        confidence=Confidence.HIGH,
        subject=",".join(found.members),
        weight=impact_weight(exposure),
    )


def _short(found: Forgotten, room: int) -> str:
    """As many names as a title has room for."""
    names = [f"`{member}`" for member in found.members]
    fitting = [text for limit in (4, 3, 2, 1) if len(text := say.joined(names, limit)) <= room]
    return fitting[0] if fitting else f"{len(names)} members"


def _open(resource: Resource, shutdown: Shutdown, model: Model) -> Finding:
    writes = shutdown.writes(resource)
    function = resource.site.function
    exposure = model.exposure(writes[0].function if writes else function)
    name = resource.name or f"the {resource.short_type}"
    closers = say.joined([f"`{closer}()`" for closer in resource.row.closes])
    used = (
        f" `{say.call(writes[0].site, model)}` ({writes[0].site.path}:{writes[0].site.line}) puts data into it."
        if writes
        else ""
    )
    return finding(
        RULE,
        model.place(resource.site),
        Severity.HIGH if not model.is_script(function.path) else Severity.MEDIUM,
        title=f"`{name}` buffers messages, and nothing flushes or closes it"[:110],
        issue=f"`{say.call(resource.site, model)}` makes a {resource.short_type}, which sends in the background.{used} No path calls {closers}.",
        impact=f"Messages that {say.entry(exposure.worst, writes[0].function if writes else function)} has handed over and that are not sent yet are dropped without an error when the "
        "process stops, at every deploy.",
        fix=_fix(resource, name, model),
        related=[model.place(effect.site, "buffered here") for effect in writes[:6]],
        steps=model.steps(exposure.worst, writes[0].function, writes[0].site) if writes else (),
        confidence=Confidence.HIGH if resource.holder in {"local", "attribute", "global"} else Confidence.MEDIUM,
        subject=name,
        weight=impact_weight(exposure, writes),
    )


def _fix(resource: Resource, name: str, model: Model) -> str:
    function = resource.site.function
    if resource.holder == "attribute" and resource.cls is not None:
        return stopping.close_owned(resource.cls.name, name, resource.row.closes)
    if resource.holder == "global" or resource.outlives:
        return stopping.close_at_exit(name, resource.row.closes)
    return stopping.close_at_end(model, function, name, resource.row.closes, on_loop=function.is_async)


def _inert(found: InertStop, model: Model) -> Finding:
    start, stop = f"{found.cls.name}.{found.start.name}", found.stop
    call = f"`{say.call(found.site, model)}`"
    assert stop.cls is not None
    example = found.example
    like = (
        f" `{example.qualname}` ({example.path}:{example.line}) shows how a sibling does it."
        if example is not None
        else ""
    )
    return finding(
        RULE,
        model.place(found.site),
        Severity.MEDIUM,
        title=f"`{start}()` runs {call}, and its `{stop.name}()` is inherited and does nothing"[:110],
        issue=f"{call} runs until it is told to stop; `{found.cls.name}` inherits `{stop.name}()` from `{stop.cls.name}` "
        f"({stop.path}:{stop.line}), whose body is empty.",
        impact=f"At shutdown nothing tells {call} to finish: it is cancelled or killed, and what it has in hand is cut off.",
        fix=f"Keep the object that {call} belongs to, and override `{stop.name}()` so that it asks it to stop and waits for it.{like}",
        related=[model.place_of_function(stop, "does nothing")],
        confidence=Confidence.HIGH,
        subject=start,
        weight=impact_weight(model.exposure(found.start)),
    )


def _cut(found: CutDrain, model: Model) -> Finding:
    drain, stop, worst = f"`{found.drain.qualname}()`", found.stop.site, found.lost[0]
    exposure = model.exposure(found.start.function)
    return finding(
        RULE,
        model.place(found.start),
        Severity.MEDIUM,
        title=say.fit(
            f"what waits in `{found.name}` at SIGTERM is dropped: {drain} is a daemon thread that nobody waits for",
            f"what waits in `{found.name}` at SIGTERM is dropped with its daemon thread",
        ),
        issue=f"{drain} takes from `{found.name}` and {say.does(worst.effect)} with `{say.call(worst.site, model)}`. On SIGTERM ({stop.path}:{stop.line}) the main "
        "thread comes to its end; the daemon thread is cut off there and then.",
        impact=f"At every deploy what is in `{found.name}`, and what {drain} has in hand, is lost without an error.",
        fix=f"End the thread before the program ends: put a sentinel (`{found.name}.put(None)`) behind the last item, let {drain} return when it takes it, and "
        "`join(timeout=…)` the thread, within the time that a stop is given.",
        related=[
            model.place(found.made, "the queue"),
            model.place(found.put, "fills it"),
            model.place(worst.site, worst.effect.word.meaning),
        ],
        steps=model.steps(exposure.worst, found.start.function, found.start, f"starts {found.drain.qualname}"),
        confidence=model.confidence_of(worst),
        subject=found.name,
        weight=impact_weight(exposure, found.lost),
    )
