"""Success is told although the write may have failed, and nobody looked.

## Why it fails in production
A write that was never awaited, an answer that says "three of ten were refused", a 503 that is not looked at, an exception that ends in a log
line: the code goes on, tells success, and whoever could have sent the data again does not. It is missed weeks later.

## What is reported
A coroutine that stores or sends something and is neither awaited nor kept. Batch writes that tell refused items in their result only, when
nobody reads the result. Requests that change something elsewhere, whose status nobody looks at, followed by a row or message marked as done.
A handler of an endpoint that logs the failed write, after which the endpoint answers success. A consumer that confirms its message in a
`finally`, or behind a handler that only logs the failure of the message's work.

## What is not reported
Clients that raise by themselves (hooks, `raise_for_status`). Results that are returned to somebody who may read them. Telemetry,
notifications and mails. Handlers that raise, record the failure, answer it, send the message elsewhere or back,
do something else instead, or say in a comment why they go on. Messages that can never be handled (a body that cannot be read), and those
that a handler confirms itself: these are given up on purpose.

## Bad
```python
import boto3

stream = boto3.client("kinesis")

def send(orders: list[dict]) -> int:
    stream.put_records(StreamName="orders", Records=orders)  # finding: success-after-failed-write
    return len(orders)
```

## Good
```python
import boto3

stream = boto3.client("kinesis")

def send(orders: list[dict]) -> int:
    answer = stream.put_records(StreamName="orders", Records=orders)
    if answer["FailedRecordCount"]:
        raise RuntimeError(answer["Records"])
    return len(orders)
```
"""

from roadworthy.rules.api import (
    CallSite,
    Confidence,
    Effect,
    Finding,
    Iterator,
    Location,
    Model,
    Rule,
    Severity,
    Untold,
    acked_failures,
    expr,
    finding,
    impact_weight,
    say,
    untold_failures,
)

RULE = Rule(id="success-after-failed-write", anti_pattern="ack-before-write", doc=__doc__)


_DELETES = frozenset({Effect.OBJECT_DELETE, Effect.SQL_DELETE})


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Writes whose failure nobody sees before success is told."""
    for untold in (*untold_failures(model), *acked_failures(model)):
        yield _report(untold, model)


def _report(untold: Untold, model: Model) -> Finding:
    title, issue, impact, fix = _texts(untold, model)
    function = untold.site.function
    exposure = model.exposure(function)
    related = [model.place(untold.then, "marks it as done")] if untold.then is not None else []
    place = model.place(untold.site)
    if untold.kind == "acked" and untold.then is not None:
        place = model.place(untold.then)
        related = [model.place(untold.site, "may have failed"), *_caught_at(untold, model)]
    elif untold.handler is not None:
        place = model.place_of_region(function, untold.handler.region)
        related = [
            model.place(untold.site, "the write"),
            model.place_of_lines(function, untold.line, untold.line, "tells success"),
        ]
    return finding(
        RULE,
        place,
        Severity.MEDIUM if untold.kind in {"status", "acked"} or untold.effect.effect in _DELETES else Severity.HIGH,
        title=title,
        issue=issue,
        impact=impact,
        fix=fix,
        related=related,
        steps=model.steps(untold.entry or exposure.worst, function, untold.site, "the write"),
        confidence=Confidence.weakest(
            untold.effect.confidence, Confidence.MEDIUM if untold.kind == "acked" else Confidence.HIGH
        ),
        subject=model.callee_text(untold.site),
        weight=impact_weight(exposure, [untold.effect]),
    )


def _texts(untold: Untold, model: Model) -> tuple[str, str, str, str]:
    """(title, issue, impact, fix)."""
    call, where = say.call(untold.site, model), untold.site.function.qualname
    does = say.does(untold.effect.effect)
    match untold.kind:
        case "unawaited":
            return (
                say.fit(f"`{call}` is not awaited, so it never runs"),
                f"`{call}` in `{where}()` makes a coroutine that {does}, and drops it.",
                f"`{where}()` goes on as if it had succeeded, and the write never happens; a warning in the log is all there is.",
                f"Write `await {call}`.",
            )
        case "partial" if is_single(untold.site):
            return (
                say.fit(
                    f"nobody reads whether `{call}` has refused its item",
                    f"nobody reads whether `{say.last(call)}` has refused its item",
                ),
                f"`{call}` raises nothing when its item is refused: that stands in its result, which `{where}()` drops.",
                "Throttling or a fault of the service leaves the item unwritten while the caller is told that it was; it is lost for good.",
                f"Look at {_failures(untold)}: send the item again after a pause, a few times, and raise when it is still refused.",
            )
        case "partial":
            return (
                say.fit(
                    f"nobody reads which items `{call}` has refused",
                    f"nobody reads which items `{say.last(call)}` has refused",
                ),
                f"`{call}` raises nothing when a part of its items is refused: they stand in its result, which `{where}()` drops.",
                _lost(untold.effect.effect),
                f"Look at {_failures(untold)}: send the refused items again after a pause, a few times, and raise when some are left.",
            )
        case "status":
            assert untold.then is not None
            mark = say.call(untold.then, model)
            return (
                say.fit(
                    f"the status of `{call}` is not looked at before `{mark}`",
                    f"the status of `{call}` is not looked at before it is marked as done",
                ),
                f"`{call}` in `{where}()` returns a 4xx or 5xx like any answer; nobody looks at it, and `{mark}` goes on.",
                "When the other side refuses or is down behind a proxy, the request is lost, and what is stored here says that it was done.",
                f"Call `.raise_for_status()` on the answer of `{call}` before `{mark}`.",
            )
        case "acked":
            return _texts_acked(untold, model)
    name = say.entry(untold.entry)
    return (
        say.fit(f"{name} answers success after `{call}` has failed", f"success is answered after `{call}` has failed"),
        f"The `except` around `{call}`, which {does}, only logs; line {untold.line} then answers success.",
        f"When `{call}` fails ({_FAULTS.get(untold.effect.effect, 'a timeout, a lost connection')}), {name} says that it is done; the client has no "
        "reason to send it again, and nothing else does.",
        f"Let the exception out at the end of the `except`, so that the answer is an error and the client repeats the request:\n```python\n{_let_out(untold)}\n```",
    )


def _texts_acked(untold: Untold, model: Model) -> tuple[str, str, str, str]:
    assert untold.then is not None
    call, ack = say.call(untold.site, model), say.call(untold.then, model)
    handler, where = untold.handler, untold.then.function.qualname
    caught = "Its exception goes out"
    if handler is not None:
        around = "around it" if handler.function is untold.site.function else f"in `{handler.function.qualname}()`"
        caught = f"The `except` {around} (line {handler.line}) only logs"
    final = f"and `{ack}` confirms the message all the same."
    return (
        say.fit(f"`{ack}` confirms the message also when `{call}` has failed", f"`{ack}` confirms failed work, too"),
        f"`{call}` in `{where}()` {say.does(untold.effect.effect)}. {caught}, {final}",
        f"When `{call}` fails ({_FAULTS.get(untold.effect.effect, 'a timeout, a lost connection')}), the broker forgets the message: an outage of a minute "
        "loses every message of that minute, and nothing brings them back.",
        f"Confirm behind `{call}`, in the `try`. In the `except` send the message back with a limit of its attempts, or to a dead-letter queue; give up "
        "only what can never be handled, such as a body that cannot be read.",
    )


def _caught_at(untold: Untold, model: Model) -> list[Location]:
    handler = untold.handler
    return [model.place_of_region(handler.function, handler.region, "only logs")] if handler is not None else []


_STATEMENTS = (Effect.SQL_INSERT, Effect.SQL_UPDATE, Effect.SQL_UPSERT, Effect.SQL_DELETE, Effect.COMMIT)
_FAULTS = {
    Effect.ENQUEUE: "the broker of the queue is away",
    Effect.PUBLISH: "the broker is away",
    **dict.fromkeys(_STATEMENTS, "a lost connection, a deadlock"),
}


def _let_out(untold: Untold) -> str:
    """The handler as it is written, with `raise` at its end."""
    assert untold.handler is not None
    region = untold.handler.function.scope.regions[untold.handler.region]
    kinds = [say.code(kind, untold.handler.function) for kind in region.types]
    caught = f" ({', '.join(kinds)})" if len(kinds) > 1 else f" {kinds[0]}" if kinds else ""
    bound = f" as {say.code(region.target, untold.handler.function)}" if region.target is not None else ""
    return f"except{caught}{bound}:\n    ...  # as it is\n    raise"


def _failures(untold: Untold) -> str:
    """Where the result tells what was refused."""
    key = untold.effect.row.refused_in
    return f'`["{key}"]` of its result' if key else "the failures in the result"


def is_single(site: CallSite) -> bool:
    """The batch is a list of one item, written at the call."""
    given = [*site.fact.args, *(value for _, value in site.fact.kwargs)]
    return any(isinstance(value, expr.Seq) and len(value.items) == 1 for value in given)


def _lost(effect: Effect) -> str:
    if effect in _DELETES:
        return (
            "Throttling or a denied item leaves a part of the batch where it was while the caller is told that all of it is gone: data that should "
            "no longer exist stays readable, and nothing deletes it later."
        )
    return "Throttling or one bad item leaves a part of the batch unwritten while the caller is told that all of it was; those items are lost for good."
