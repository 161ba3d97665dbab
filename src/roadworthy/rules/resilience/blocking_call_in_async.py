"""A call blocks the event loop.

## Why it fails in production
An event loop serves everything in turn. While one coroutine sits in a call that blocks the thread, no other request, heartbeat or timeout
of the process gets its turn: a slow dependency of one endpoint stops them all, and health checks fail.

## What is reported
In a coroutine: `time.sleep`, a synchronous HTTP, SQL, cache or SDK client (also held in an attribute), a subprocess that is waited for,
long computation (images, PDF, archives, password hashes), directly or through ordinary functions of the project.

## What is not reported
Calls handed to a thread or an executor. Coroutines that only run at start-up or from a command line. Small files. Lazy queries.

## Bad
```python
import requests
from fastapi import FastAPI

app = FastAPI()

@app.get("/rates")
async def rates():
    return requests.get("https://rates.example/latest", timeout=5).json()  # finding: blocking-call-in-async
```

## Good
```python
import httpx
from fastapi import FastAPI

app = FastAPI()

@app.get("/rates")
async def rates():
    async with httpx.AsyncClient() as client:
        return (await client.get("https://rates.example/latest")).json()
```
"""

from roadworthy.rules.api import (
    Audience,
    Blocked,
    Effect,
    EntryKind,
    Finding,
    Function,
    Iterator,
    Model,
    Rule,
    Severity,
    advise,
    blocked_coroutines,
    finding,
    impact_weight,
    say,
)

RULE = Rule(id="blocking-call-in-async", anti_pattern="blocking-in-async", doc=__doc__)

_SMALL = frozenset({Effect.FILE_READ, Effect.FILE_WRITE, Effect.BLOCK})


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """One finding for each thing that blocks: a helper of the project, or a library within one coroutine."""
    groups: dict[tuple[Function, str], list[Blocked]] = {}
    for blocked in blocked_coroutines(model):
        if not runs_alone(blocked.function, model):
            groups.setdefault(_cause(blocked, model), []).append(blocked)
    for found in groups.values():
        yield _report(found, model)


def runs_alone(function: Function, model: Model) -> bool:
    """At start-up, or in a script: nobody else waits for the loop."""
    exposure = model.exposure(function)
    return exposure.only_commands or model.is_script(function.path)


def _cause(blocked: Blocked, model: Model) -> tuple[Function, str]:
    if blocked.path:
        return blocked.path[0].callee, "through"
    library = model.knowledge.library_of(blocked.effect.name)
    return blocked.function, library.library if library else blocked.effect.name


def _report(found: list[Blocked], model: Model) -> Finding:
    found.sort(key=lambda b: (_severity(b, model).rank, b.site.path, b.site.line))
    first = found[0]
    effect = first.effect
    exposure = model.exposure(first.function)
    call, inner = say.call(first.site, model), say.call(effect.site, model)
    where = (
        f", which runs `{inner}` in `{effect.function.qualname}()` (`{effect.site.path}:{effect.site.line}`)"
        if first.path
        else ""
    )
    others = [model.place(b.site, "blocks here too") for b in found[1:]]
    return finding(
        RULE,
        model.place(first.site),
        _severity(first, model),
        title=f"`{first.function.qualname}` blocks the event loop in `{inner}`",
        issue=f"The coroutine `{first.function.qualname}` calls `{call}` on the event loop{where}: it {effect.effect.word.meaning} "
        "and holds the thread until it is done.",
        impact=f"While it waits, {say.entry(exposure.worst, first.function)} stops every other request, timer and heartbeat of the process.",
        fix=advise.off_loop(model, first.site),
        related=[*([model.place(effect.site, "blocks")] if first.path else []), *others],
        steps=(*model.steps(exposure.worst, first.function, first.site), *model.chain(first.path[1:])),
        confidence=model.confidence_of(effect),
        subject=f"{call} {effect.name}",
        audience=Audience.PEDANTIC if effect.effect in _SMALL else Audience.REGULAR,
        weight=impact_weight(exposure, [effect]),
    )


def _severity(blocked: Blocked, model: Model) -> Severity:
    if blocked.effect.effect in _SMALL:
        return Severity.LOW
    exposure = model.exposure(blocked.function)
    serving = exposure.serves and any(
        r.entry.on_loop or r.entry.kind is EntryKind.WORKER_LOOP for r in exposure.entries
    )
    return Severity.HIGH if serving else Severity.MEDIUM
