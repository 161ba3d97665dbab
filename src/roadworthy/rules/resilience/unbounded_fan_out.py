"""As many calls go out at once as there are items.

## Why it fails in production
Ten items in the test, ten thousand in production: every one opens its connection at the same moment. The dependency throttles or falls
over, the pool runs dry, sockets and memory run out, and the retries of all of them come together.

## What is reported
Tasks or background work started for every item of a collection of unknown size, each of which calls something outside, with no
semaphore, pool limit or chunking on the way.

## What is not reported
Collections that are literal, small, sliced or chunked. Work behind a semaphore, a limiter or a pool of threads. Work that calls nothing outside.

## Bad
```python
import asyncio
import httpx

async def fetch(client: httpx.AsyncClient, url: str) -> bytes:
    return (await client.get(url)).content

async def fetch_all(client: httpx.AsyncClient, urls: list[str]) -> list[bytes]:
    return await asyncio.gather(*[fetch(client, url) for url in urls])  # finding: unbounded-fan-out
```

## Good
```python
import asyncio
import httpx

gate = asyncio.Semaphore(20)

async def fetch(client: httpx.AsyncClient, url: str) -> bytes:
    async with gate:
        return (await client.get(url)).content

async def fetch_all(client: httpx.AsyncClient, urls: list[str]) -> list[bytes]:
    return await asyncio.gather(*[fetch(client, url) for url in urls])
```
"""

from roadworthy.rules.api import (
    Effect,
    EffectAt,
    FanOut,
    Finding,
    Function,
    Iterator,
    Model,
    Rule,
    Severity,
    advise,
    doer,
    expr,
    fan_outs,
    finding,
    impact_weight,
    say,
    unbounded_effects,
)

RULE = Rule(id="unbounded-fan-out", anti_pattern="no-circuit-breaker", doc=__doc__)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Ask each fan-out what its pieces do to the outside; branches of a function that do so over the same items are one finding."""
    found: dict[tuple[Function, str], list[tuple[FanOut, list[EffectAt]]]] = {}
    for fan_out in fan_outs(model):
        effects = unbounded_effects(model, fan_out)
        if effects:
            found.setdefault((fan_out.site.function, fan_out.items), []).append((fan_out, effects))
    for (first, effects), *others in found.values():
        yield _report(first, effects, [other for other, _ in others], model)


def _report(fan_out: FanOut, effects: list[EffectAt], others: list[FanOut], model: Model) -> Finding:
    effect = effects[0]
    exposure = model.exposure(fan_out.site.function)
    work = fan_out.work.qualname
    return finding(
        RULE,
        model.place(fan_out.site),
        Severity.LOW if exposure.only_commands or not exposure.entries else Severity.MEDIUM,
        title=f"`{work}()` starts once for every item of `{fan_out.items}`, all at the same time",
        issue=f"`{say.call(fan_out.site, model)}` runs `{work}()` for each item of `{fan_out.items}` at once. Each runs "
        f"{say.which(effect, model)}, and no semaphore, pool or chunk bounds how many do so together.{_also(others)}",
        impact=_impact(fan_out, effect, doer(model, fan_out.site.function)),
        fix=advise.bounded(model, fan_out.site, _piece(fan_out, model)),
        related=[
            model.place(effect.site, "runs for every item"),
            *(model.place(other.site, "starts them all, too") for other in others),
        ],
        steps=model.steps(exposure.worst, fan_out.site.function, fan_out.site),
        confidence=model.confidence_of(effect),
        subject=work,
        weight=impact_weight(exposure, effects),
    )


def _also(others: list[FanOut]) -> str:
    lines = [str(other.site.line) for other in others]
    return (
        f" {'Line' if len(lines) == 1 else 'Lines'} {say.joined(lines)} {'does' if len(lines) == 1 else 'do'} the same."
        if lines
        else ""
    )


def _impact(fan_out: FanOut, effect: EffectAt, who: str) -> str:
    if effect.effect is Effect.SPAWN_PROCESS:
        return (
            f"When `{fan_out.items}` is long, as many programs start in the same moment: memory, process slots and file descriptors run out, and "
            f"{who} fails as a whole."
        )
    return (
        f"When `{fan_out.items}` is long, all its calls hit the other side in the same moment: it throttles or times out, connections run out, and "
        f"{who} fails as a whole."
    )


def _piece(fan_out: FanOut, model: Model) -> str:
    """The call that makes one of the coroutines, as written."""
    sites = (edge.site for edge in model.edges_from(fan_out.site.function) if edge.callee is fan_out.work)
    site = next((site for site in sites if site is not fan_out.site), None)
    return say.code(expr.CallRef(site.index), site.function) if site is not None else ""
