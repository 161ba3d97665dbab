"""Failures are collected as results, and nobody looks at them.

## Why it fails in production
`gather(…, return_exceptions=True)` turns every exception into a value. If the values are dropped, work that failed looks like work that
succeeded: no log line, no retry, no error for the caller.

## What is reported
Awaited work whose exceptions are returned as results (`return_exceptions=True`) when the result is discarded or never read. Work that is handed
to a pool of threads or processes and waited for, by `wait()` or the end of the `with`, when none of the futures is ever asked for its result.

## What is not reported
Results that are read afterwards. Waiting for tasks that were just cancelled, in shutdown and clean-up code. Warming up. Work that catches and tells of its failures
itself.

## Bad
```python
import asyncio
import httpx

async def notify(client: httpx.AsyncClient, url: str) -> None:
    (await client.post(url)).raise_for_status()

async def notify_all(client: httpx.AsyncClient, urls: list[str]) -> None:
    await asyncio.gather(*(notify(client, url) for url in urls), return_exceptions=True)  # finding: unread-results
```

## Good
```python
import asyncio
import logging
import httpx

logger = logging.getLogger(__name__)

async def notify(client: httpx.AsyncClient, url: str) -> None:
    (await client.post(url)).raise_for_status()

async def notify_all(client: httpx.AsyncClient, urls: list[str]) -> None:
    results = await asyncio.gather(*(notify(client, url) for url in urls), return_exceptions=True)
    for url, result in zip(urls, results):
        if isinstance(result, BaseException):
            logger.error("could not notify %s", url, exc_info=result)
```
"""

import re

from roadworthy.rules.api import (
    CallSite,
    Effect,
    EffectAt,
    Finding,
    Function,
    Iterator,
    Model,
    Rule,
    Severity,
    Unasked,
    advise,
    doer,
    expr,
    finding,
    flow,
    impact_weight,
    logger_near,
    say,
    tells_its_failures,
    unasked_work,
)

RULE = Rule(id="unread-results", anti_pattern="swallowed-exception", doc=__doc__)

_CLEANS_UP = re.compile(
    r"(close|stop|shut|cancel|clean|tear|exit|drain|disconnect|dispose|abort|terminate|finali[sz]e)", re.IGNORECASE
)

_ENDS = re.compile(r"_*a?(cancel|close|disconnect|dispose|release)(_|$)")
_AHEAD = re.compile(
    r"_*a?(pre_create|pre_?warm|warm_?up|warm|pre_?load|pre_?fetch|prime)(_|$)"
)  # what is made later all the same


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Find calls that return exceptions as values which nobody reads."""
    for function in model.functions:
        for site in function.calls:
            if returns_exceptions(site, model) and is_unread(site) and not is_cleanup(site):
                started = work_of(site, model)
                if not (started and all(tells_its_failures(one, model) or _ENDS.match(one.name) for one in started)):
                    yield _report(site, model)
    for work in unasked_work(model):
        if not _CLEANS_UP.search(work.site.function.name):
            yield _unasked(work, model)


def returns_exceptions(site: CallSite, model: Model) -> bool:
    """The call waits for work and was told to return its exceptions."""
    asked = any(k == "return_exceptions" and model.literal(v, site.function) is True for k, v in site.fact.kwargs)
    return asked and any(model.knowledge.spawners(name) for name in model.library_names(site))


def work_of(site: CallSite, model: Model) -> list[Function]:
    """The functions for which the call waits."""
    return [edge.callee for edge in model.edges_from(site.function) if (edge.spawner or edge.site) is site]


def is_unread(site: CallSite) -> bool:
    """The result is discarded, or bound to a name that nothing reads afterwards."""
    if site.fact.use == "discarded":
        return True
    scope = site.function.scope
    for assign in scope.assigns:
        if isinstance(assign.target, expr.Name) and _is_result(assign.value, site.index):
            read = scope.last_read.get(assign.target.id, -1)
            inner = any(
                assign.target.id in child.scope.last_read for kids in site.function.children.values() for child in kids
            )
            return read < assign.order and not inner
    return False


def _is_result(value: expr.Expr | None, index: int) -> bool:
    value = value.value if isinstance(value, expr.Await) else value
    return isinstance(value, expr.CallRef) and value.index == index


def is_cleanup(site: CallSite) -> bool:
    """Tasks that were just cancelled, or code whose purpose is to end things."""
    if _CLEANS_UP.search(site.function.name) or _AHEAD.match(site.function.name):
        return True
    cancels = [
        call for call in site.function.scope.calls if isinstance(call.func, expr.Attr) and call.func.name == "cancel"
    ]
    return any(call.order < site.fact.order for call in cancels) or _in_finally(site.function, site)


def _in_finally(function: Function, site: CallSite) -> bool:
    return any(function.scope.regions[r].kind == "finally" for r in flow.ancestors(function.scope, site.fact.region))


def is_loss(effect: EffectAt) -> bool:
    """It stores or acts; what a remote procedure or a frame of a connection does, its kind does not tell."""
    unsafe = effect.repeat.value == "no" if effect.effect is Effect.RPC else effect.repeat.value != "yes"
    return effect.effect.word.persists or unsafe


def _report(site: CallSite, model: Model) -> Finding:
    started = work_of(site, model)
    effects: list[EffectAt] = [e for callee in started for e in model.effects_under(callee) if e.effect.word.external]
    lost = [e for e in effects if is_loss(e)]
    exposure = model.exposure(site.function)
    work = f"`{started[0].qualname}()`" if started else "the awaited work"
    worst = lost[0] if lost else effects[0] if effects else None
    what = f", which {worst.effect.word.meaning} (`{worst.short_name}`)" if worst is not None else ""
    return finding(
        RULE,
        model.place(site),
        Severity.HIGH if lost and exposure.serves else Severity.MEDIUM if effects else Severity.LOW,
        title=f"exceptions of {work} come back as results of `{say.call(site, model)}` that nobody reads",
        issue=f"`{say.call(site, model)}` with `return_exceptions=True` turns every exception of {work}{what} into a value, and the values are dropped.",
        impact=f"When {work} fails, {doer(model, site.function)} goes on as if it had succeeded: nothing is logged, repeated or told.",
        fix=advise.read_results(model, site),
        related=[model.place(worst.site, "fails unseen")] if worst is not None else [],
        steps=model.steps(exposure.worst, site.function, site),
        subject=work,
        weight=impact_weight(exposure, lost),
    )


def _unasked(found: Unasked, model: Model) -> Finding:
    site, function = found.site, found.site.function
    work, exposure = f"`{found.callee.qualname}()`", model.exposure(function)
    until = f"`{say.call(found.waits, model)}` in line {found.waits.line}" if found.waits else "the end of the `with`"
    place = f"{found.effect.site.path}:{found.effect.site.line}"
    keep = (
        f"Keep what `{say.call(site, model)}` returns, and ask each of the futures"
        if site.fact.use == "discarded"
        else "Ask each of the futures"
    )
    return finding(
        RULE,
        model.place(site),
        Severity.LOW if exposure.only_commands or model.is_script(function.path) else Severity.MEDIUM,
        title=say.fit(
            f"what {work} raises stays in futures that `{function.qualname}` never asks",
            f"what {work} raises stays in futures that nobody asks",
        ),
        issue=f"`{say.call(site, model)}` keeps every exception of {work}, which {found.effect.effect.word.meaning} ({place}), for whoever asks its result; "
        f"{until} only waits, and nobody asks for a result.",
        impact=f"When {work} fails, {doer(model, function)} goes on as if it had succeeded: nothing is logged, repeated or told.",
        fix=f"{keep} when it is over: `result()` raises what {work} raised; catch it for each and log it with `{logger_near(model, function)}.exception(…)`.",
        related=[
            model.place(found.effect.site, "fails unseen"),
            *([model.place(found.waits, "only waits")] if found.waits else []),
        ],
        steps=model.steps(exposure.worst, function, site),
        confidence=model.confidence_of(found.effect),
        subject=work,
        weight=impact_weight(exposure, [found.effect]),
    )
