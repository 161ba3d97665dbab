"""A call blocks the event loop.

## Why it fails in production
An event loop serves everything in turn. While one coroutine sits in a call that blocks the thread, no other request, heartbeat or timeout
of the process gets its turn: a slow dependency of one endpoint stops them all, and health checks fail.

## What is reported
In a coroutine: `time.sleep`, a synchronous HTTP, SQL, cache or SDK client (also held in an attribute), a subprocess that is waited for,
long computation (images, PDF, archives, password hashes), directly or through ordinary functions of the project. One finding for each
blocking helper; one for all coroutines that use a synchronous database or cache client, where they are many.

## What is not reported
Calls handed to a thread or an executor. Coroutines that only run at start-up, from a command line, or on a loop of their own. What is
awaited in the end. Small files. Lazy queries.

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
    Entry,
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
    has_loop_for_itself,
    impact_weight,
    is_name_lookup,
    is_run_by_itself,
    loop_mates,
    never_waits,
    say,
)

RULE = Rule(id="blocking-call-in-async", anti_pattern="blocking-in-async", doc=__doc__)

_SMALL = frozenset({Effect.FILE_READ, Effect.FILE_WRITE, Effect.BLOCK})
_NEAR_BY = frozenset(
    {
        Effect.CACHE_READ,
        Effect.CACHE_WRITE,
        Effect.ENQUEUE,
        Effect.PUBLISH,
        Effect.CONSUME,
        Effect.ACK,
        Effect.COMPUTE,
        Effect.WAIT,
    }
)
_STORE_ROLES = frozenset({"orm", "sql-driver", "store", "cache", "broker", "job-queue"})
_MANY_FILES = 3


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """One finding for each thing that blocks: a helper of the project, a library within one module, or the store of many."""
    helpers: dict[tuple[Function, str], list[Blocked]] = {}
    stores: dict[str, list[Blocked]] = {}
    for blocked in blocked_coroutines(model):
        if runs_alone(blocked.function, model):
            continue
        store = _store(blocked, model)
        if store and blocked.effect.effect not in _SMALL:
            stores.setdefault(store, []).append(blocked)
        else:
            helpers.setdefault(_cause(blocked, model), []).append(blocked)
    for found in helpers.values():
        yield _report(found, model)
    for found in stores.values():
        for group in _by_size(found):
            yield _report(group, model)


def runs_alone(function: Function, model: Model) -> bool:
    """At start-up, in a script, or on a loop that an ordinary function runs for it: nobody else waits for the loop."""
    exposure = model.exposure(function)
    if exposure.only_commands or model.is_script(function.path):
        return True
    served = served_by(function, model)
    if served:
        return all(is_lonely_loop(entry, model) for entry in served)
    return bool(exposure.entries) or is_run_by_itself(model, function)


def served_by(function: Function, model: Model) -> list[Entry]:
    """The entries on whose event loop the coroutine runs."""
    mates = loop_mates(model, function)
    return [
        reached.entry
        for reached in model.exposure(function).entries
        if reached.entry.on_loop and (reached.entry.function in mates or not reached.entry.function.is_async)
    ]


def is_lonely_loop(entry: Entry, model: Model) -> bool:
    """An endless loop that has its event loop for itself."""
    return entry.kind is EntryKind.WORKER_LOOP and has_loop_for_itself(model, entry.function)


def _store(blocked: Blocked, model: Model) -> str:
    """The database, cache or broker client that blocks: one decision of the code base, however many coroutines use it."""
    library = model.knowledge.library_of(blocked.effect.name)
    roles = set(library.role) & _STORE_ROLES if library is not None else set()
    if not roles or blocked.effect.effect in {Effect.HTTP_REQUEST, Effect.LLM, Effect.SLEEP, Effect.COMPUTE}:
        return ""
    return "sql" if roles & {"orm", "sql-driver"} else library.library if library is not None else ""


def _cause(blocked: Blocked, model: Model) -> tuple[Function, str]:
    if blocked.effect.effect is Effect.COMPUTE:
        return blocked.effect.function.module.body, "compute"
    if blocked.path:
        return blocked.effect.function, "through"
    library = model.knowledge.library_of(blocked.effect.name)
    return blocked.function.module.body, library.library if library else blocked.effect.name


def _by_size(found: list[Blocked]) -> list[list[Blocked]]:
    """All in one where many files share the cause, or one helper blocks them; else one for each file."""
    files: dict[str, list[Blocked]] = {}
    for blocked in found:
        files.setdefault(blocked.site.path, []).append(blocked)
    helpers = {blocked.effect.function for blocked in found if blocked.path}
    shared = len(helpers) == 1 and all(blocked.path for blocked in found)
    return [found] if shared or len(files) > _MANY_FILES else list(files.values())


def _report(found: list[Blocked], model: Model) -> Finding:
    found.sort(key=lambda b: (_severity(b, model).rank, b.effect.confidence.rank, b.site.path, b.site.line))
    first = found[0]
    effect = first.effect
    exposure = model.exposure(first.function)
    entry = next(iter(served_by(first.function, model)), exposure.worst)
    others = [model.place(b.site, "blocks here too") for b in _elsewhere(found)]
    return finding(
        RULE,
        model.place(first.site),
        _severity(first, model),
        title=_title(found, model),
        issue=_issue(found, model),
        impact=_impact(entry, first.function),
        fix=_fix(first, model),
        related=[*([model.place(effect.site, "blocks")] if first.path else []), *others],
        steps=(*model.steps(entry, first.function, first.site), *model.chain(first.path[1:])),
        confidence=model.confidence_of(effect, exposure),
        subject=f"{say.call(first.site, model)} {effect.name}",
        audience=Audience.PEDANTIC if effect.effect in _SMALL else Audience.REGULAR,
        weight=impact_weight(exposure, [effect]) + len(found),
    )


def _elsewhere(found: list[Blocked]) -> list[Blocked]:
    """Of the others one for each line."""
    lines = {(b.site.path, b.site.line): b for b in reversed(found)}
    lines.pop((found[0].site.path, found[0].site.line))
    return list(reversed(lines.values()))


def _impact(entry: Entry | None, function: Function) -> str:
    """Of a coroutine that nothing in sight serves, only its own loop is known to stop."""
    if entry is None:
        return f"While it waits, every other coroutine of the loop that runs `{function.qualname}()` stands still."
    return f"While it waits, every other request, timer and heartbeat of the process that serves {say.entry(entry)} stands still."


def _title(found: list[Blocked], model: Model) -> str:
    coroutines = {b.function for b in found}
    files = {b.site.path for b in found}
    inner = say.call(found[0].effect.site, model)
    if len(files) > _MANY_FILES:
        return say.fit(
            f"{len(coroutines)} coroutines in {len(files)} files block the event loop, as `{found[0].function.name}` in `{inner}`",
            f"{len(coroutines)} coroutines in {len(files)} files block the event loop in `{inner}`",
        )
    more = f" and {len(coroutines) - 1} more block" if len(coroutines) > 1 else " blocks"
    function = found[0].function
    return say.fit(
        f"`{function.qualname}`{more} the event loop in `{inner}`",
        f"`{say.last(function.qualname)}`{more} the event loop in `{inner}`",
    )


def _issue(found: list[Blocked], model: Model) -> str:
    first = found[0]
    effect = first.effect
    call, inner = say.call(first.site, model), say.call(effect.site, model)
    others = len(_elsewhere(found))
    place = f"{effect.site.path}:{effect.site.line}"
    what = (
        f"`{call}`"
        if not first.path
        else f"`{call}`, which calls `{inner}` ({place}),"
        if say.last(call) == f"{effect.function.name}()"
        else f"`{call}`, which reaches `{inner}` in `{effect.function.qualname}()` ({place}),"
    )
    many = f" The same kind of call blocks at {others} further place{'s' if others > 1 else ''}." if others else ""
    return (
        f"The coroutine `{first.function.qualname}` calls {what} on the event loop; it {effect.effect.word.meaning} and holds the thread "
        f"until it is done.{many}"
    )


def _fix(first: Blocked, model: Model) -> str:
    entries = model.entries.at(first.function)
    if never_waits(first.function) and any(entry.kind is EntryKind.HTTP_HANDLER and entry.on_loop for entry in entries):
        return advise.plain_handler(first.function)
    if first.path and (inside := advise.off_loop_inside(model, first.site, first.effect.site)):
        return inside
    return advise.off_loop(model, first.site)


def _severity(blocked: Blocked, model: Model) -> Severity:
    effect = blocked.effect.effect
    if effect in _SMALL:
        return Severity.LOW
    exposure = model.exposure(blocked.function)
    serving = exposure.serves and bool(served_by(blocked.function, model))
    brief = effect in _NEAR_BY or is_name_lookup(blocked.effect)
    return Severity.HIGH if serving and not brief else Severity.MEDIUM
