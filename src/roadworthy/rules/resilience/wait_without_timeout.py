"""A wait for somebody else has no end.

## Why it fails in production
What is waited for may never come: the program hangs, the publisher's thread is stuck, all connections of the pool are lent out, the
relay is down. The request, the job or the worker that waits is then lost for good, and each further one is lost after it.

## What is reported
In code that serves requests, messages or jobs: waiting without a limit for the answer of another system, for a program, for an event
that another thread sets, for work handed to an event loop, for a lock that another process holds, for an object of a pool; a loop
that sleeps until a condition holds and looks neither at a clock nor at a count.

## What is not reported
A worker that waits for its own work. Threads, tasks and futures of the program's own work, which end when their calls end. Programs
that were killed before. Waits for a stop signal. Results that are known to be there. Waits under a time limit.

## Bad
```python
import subprocess
import flask

app = flask.Flask(__name__)

@app.post("/render")
def render():
    process = subprocess.Popen(["wkhtmltopdf", "page.html", "-"], stdout=subprocess.PIPE)
    pdf, _ = process.communicate()  # finding: wait-without-timeout
    return pdf
```

## Good
```python
import subprocess
import flask

app = flask.Flask(__name__)

@app.post("/render")
def render():
    process = subprocess.Popen(["wkhtmltopdf", "page.html", "-"], stdout=subprocess.PIPE)
    try:
        pdf, _ = process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return pdf
```
"""

from roadworthy.rules.api import (
    CallSite,
    Confidence,
    Finding,
    Function,
    Iterator,
    Model,
    Poll,
    Rule,
    Severity,
    Wait,
    advise,
    endless_polls,
    endless_waits,
    expr,
    finding,
    impact_weight,
    is_on_loop,
    killed_after,
    say,
    serves_in_turn,
)

RULE = Rule(id="wait-without-timeout", anti_pattern="missing-timeout", doc=__doc__)

_FOR = {
    "answer": "the other system to answer",
    "job": "a worker to take the job and finish it",
    "program": "the program to end",
    "pool": "somebody to give an object back",
    "signal": "another thread or task to signal",
    "loop": "the event loop of another thread to do the work",
    "lock": "the holder of the lock to release it",
}
_NEVER = {
    "answer": "the other system never answers",
    "job": "no worker is free, or the job hangs or is lost",
    "program": "the program hangs",
    "pool": "everything in the pool is lent to calls that hang",
    "signal": "the one that should signal has died",
    "loop": "that loop is blocked or has stopped",
    "lock": "its holder hangs or has died",
}


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Waiting calls, then loops that poll."""
    for wait in endless_waits(model):
        if makes_others_wait(wait, model):
            yield _report(wait, model)
    alike: dict[tuple[Function, str], list[Poll]] = {}
    for poll in endless_polls(model):
        if is_waited_for(poll, model):
            alike.setdefault((poll.function, poll.condition or str(poll.region)), []).append(poll)
    for polls in alike.values():
        yield _report_poll(polls[0], polls[1:], model)


def makes_others_wait(wait: Wait, model: Model) -> bool:
    """It serves somebody; a pool does by its nature, whoever takes from it."""
    function = wait.effect.function
    if model.is_script(function.path):
        return False
    return serves_in_turn(model, function) or (wait.what == "pool" and not model.exposure(function).only_commands)


def is_waited_for(poll: Poll, model: Model) -> bool:
    """Requests or jobs wait for the loop; or whoever calls a function that is made for waiting."""
    if model.is_script(poll.function.path):
        return False
    function = poll.function
    is_for_waiting = "wait" in function.name and bool(model.edges_to(function))
    return serves_in_turn(model, function) or (is_for_waiting and not model.exposure(function).only_commands)


def _report(wait: Wait, model: Model) -> Finding:
    effect = wait.effect
    function = effect.function
    exposure = model.exposure(function)
    call = say.call(effect.site, model)
    own = wait.verdict.seconds
    limit = "without a limit" if own is None else f"for up to {say.seconds(own)}"
    none = (
        "neither it nor anything around it has a time limit"
        if own is None
        else f"the library gives up after {say.seconds(own)} only"
    )
    return finding(
        RULE,
        model.place(effect.site),
        Severity.MEDIUM,
        title=say.fit(f"`{call}` in `{function.qualname}` waits {limit}", f"`{call}` waits {limit}"),
        issue=f"`{call}` waits for {_FOR[wait.what]}, and {none}.",
        impact=f"When {_NEVER[wait.what]}, {_hangs(function, effect.site, model)}.",
        fix=advise.timeout(model, effect, wait.verdict),
        steps=model.steps(exposure.worst, function, effect.site),
        confidence=Confidence.weakest(wait.verdict.confidence, model.confidence_of(effect, exposure)),
        subject=effect.name,
        weight=impact_weight(exposure),
    )


def _hangs(function: Function, site: CallSite, model: Model) -> str:
    """What hangs: a worker, the event loop, or one coroutine beside the others."""
    top = model.exposure(function).worst
    on_loop = top is not None and top.serves_others and is_on_loop(model, top, function)
    awaited = site.fact.awaited
    killed = killed_after(model, function)
    return say.hangs(top, function, on_loop=on_loop and not awaited, awaited=on_loop and awaited, killed=killed)


def _report_poll(poll: Poll, again: list[Poll], model: Model) -> Finding:
    function = poll.function
    exposure = model.exposure(function)
    head = f"while {poll.condition or 'True'}"
    return finding(
        RULE,
        model.place_of_region(function, poll.region),
        Severity.LOW if poll.until_over else Severity.MEDIUM,
        title=say.fit(
            f"`{head}` in `{function.qualname}` polls without a deadline",
            f"`{function.qualname}` polls without a deadline",
        ),
        issue=f"`{function.qualname}()` sleeps and looks again until its condition holds; it looks neither at a clock nor at a count."
        + say.so("does", "do", [f"the loop in line {function.scope.regions[other.region].line}" for other in again]),
        impact=f"When the state it waits for never comes, {_hangs(function, poll.pause, model)}.",
        fix=_deadline(head, poll, model),
        related=[
            model.place(poll.pause, "goes round again"),
            *(model.place_of_region(function, other.region, "waits in the same way") for other in again),
        ],
        steps=model.steps(exposure.worst, function, poll.pause),
        confidence=Confidence.HIGH if exposure.entries else Confidence.MEDIUM,
        subject=head,
        weight=impact_weight(exposure),
    )


def _deadline(head: str, poll: Poll, model: Model) -> str:
    limit = 3600 if poll.until_over else 60
    test = poll.function.scope.regions[poll.region].test
    if "…" in head and test is not None:
        head = f"while {say.code(test, poll.function)}"
    if "…" in head:
        return f"Give the loop a deadline, say {limit} s by `time.monotonic()`, and raise `TimeoutError` there; let the caller handle it."
    pause = say.code(expr.CallRef(poll.pause.index), poll.function)
    awaits = "await " if poll.pause.fact.awaited else ""
    return (
        "Give the loop a deadline, and let the caller handle the error; the rest of the loop stays:\n"
        "```python\n"
        f"deadline = time.monotonic() + {limit}\n"
        f"{head}:\n"
        "    if time.monotonic() > deadline:\n"
        f'        raise TimeoutError("{poll.function.qualname}: gave up after {limit} s")\n'
        f"    {awaits}{pause}\n"
        "```"
    )
