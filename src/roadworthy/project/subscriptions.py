"""Streams that are meant to stay open: silent for as long as nothing happens, opened again when they end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as expr
from roadworthy.project import flow

if TYPE_CHECKING:
    from roadworthy.project.clients import TimeoutVerdict
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.symbols import CallSite


def is_subscription(effect: EffectAt, verdict: TimeoutVerdict) -> bool:
    """`while True: with client.stream(…, timeout=None) as answer: for event in answer`: opened again when it ends, silent in between."""
    site = effect.site
    if verdict.reason == "no parameter" and _is_read_for_ever(site):
        return True
    if verdict.reason not in {"none", "zero"} or verdict.cause is not site or site.fact.use != "context":
        return False
    scope = site.function.scope
    loop = next((r for r in flow.loops_of(scope, site.fact.region) if scope.regions[r].kind == "while"), None)
    if loop is None or not isinstance(scope.regions[loop].test, expr.Const) or _takes_work(site, loop):
        return False
    opened = [r for r, region in enumerate(scope.regions) if region.kind == "with" and _opens(site, region)]
    return any(
        region.kind == "for" and flow.within(scope, index, block)
        for block in opened
        for index, region in enumerate(scope.regions)
    )


def _is_read_for_ever(site: CallSite) -> bool:
    """`stream = client.events(); for event in stream`: a library that offers no limit for a stream that is silent by nature."""
    scope = site.function.scope
    names = {
        assign.target.id
        for assign in scope.assigns
        if isinstance(assign.target, expr.Name)
        and isinstance(assign.value, expr.CallRef)
        and assign.value.index == site.index
    }
    return any(
        region.kind == "for"
        and (
            (isinstance(region.test, expr.CallRef) and region.test.index == site.index)
            or (isinstance(region.test, expr.Name) and region.test.id in names)
        )
        for region in scope.regions
    )


def _opens(site: CallSite, region: expr.Region) -> bool:
    parts = [part for item, _ in region.items for part in flow.walk(item)]
    return any(isinstance(part, expr.CallRef) and part.index == site.index for part in parts)


def _takes_work(site: CallSite, loop: int) -> bool:
    """The address comes out of a call in the loop: a download for each item of a queue."""
    given = (*site.fact.args, *(value for _, value in site.fact.kwargs))
    names = {part.id for value in given for part in flow.walk(value) if isinstance(part, expr.Name)}
    return any(
        bool(names & {part.id for part in flow.walk(assign.target) if isinstance(part, expr.Name)})
        and any(isinstance(part, expr.CallRef | expr.Await) for part in flow.walk(assign.value))
        for assign in flow.assigns_in(site.function.scope, loop)
    )
