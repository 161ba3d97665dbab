"""What a failure teaches the next call: a backoff that other ways in pass by, a failed lookup that every request makes again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.exceptions import Handler
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, ClassInfo, Function

_FIRST = re.compile(
    r"^_*(init|start|on_start|run|main|connect|open|setup|launch|enter|aenter|resume|enable|restart|reset)"
)
_MINDS = re.compile(r"fail|back_?off|retry|cool|delay|next_(try|attempt)|timer|healthy|circuit", re.IGNORECASE)
_REMOTE = frozenset({Effect.HTTP_REQUEST, Effect.RPC})
_GROWS = frozenset({"*", "**", "<<"})


@dataclass(frozen=True, slots=True)
class Bypass:
    """A timer that ends a growing backoff, and another way to the same work that does not wait for it."""

    armed: CallSite  # `call_later(self.delay, self.on_timer)`
    delay: str  # the attribute that grows
    timer: str  # the attribute that holds the timer; empty: none
    work: Function  # what both ways start
    way: CallSite  # the call that does not wait


@dataclass(frozen=True, slots=True)
class Uncached:
    """A lookup whose success is kept and whose failure is not."""

    read: EffectAt  # of the cache
    call: EffectAt  # to the outside
    write: EffectAt  # of the cache
    handler: Handler


# --- a backoff that is passed by --------------------------------------------------------------------------------------


def bypasses(model: Model) -> Iterator[Bypass]:
    """One for each work that a class backs off from on one way only."""
    for cls in model.symbols.classes:
        if model.is_reviewed(cls.path):
            yield from _bypasses_of(cls)


def _bypasses_of(cls: ClassInfo) -> Iterator[Bypass]:
    for method in cls.methods.values():
        for site in method.calls:
            armed = _armed(cls, site)
            if armed is None:
                continue
            delay, target = armed
            timer = _held_in(site)
            for work in _works(cls, target):
                way = _other_way(cls, work, target, method)
                if way is not None and not _minds(cls, (work, target, way.function), {delay, timer}):
                    yield Bypass(site, delay, timer, work, way)
                    break


def _armed(cls: ClassInfo, site: CallSite) -> tuple[str, Function] | None:
    """(attribute, method) of a call that is given a delay of the object, which grows, and a method to call then."""
    args = (*site.fact.args, *(value for _, value in site.fact.kwargs))
    names = [name for name in (_own(arg) for arg in args) if name]
    target = next((found for found in (cls.find_method(name) for name in names) if found is not None), None)
    delay = next((name for name in names if _grows(cls, name)), None)
    return (delay, target) if delay is not None and target is not None else None


def _own(expr: f.Expr | None) -> str:
    """`x` of `self.x`."""
    return expr.name if isinstance(expr, f.Attr) and isinstance(expr.value, f.Name) and expr.value.id == "self" else ""


def _grows(cls: ClassInfo, name: str) -> bool:
    """`self.delay = min(self.delay * 2, limit)`, `self.delay *= 2`."""
    for method, assign in cls.attribute_assigns.get(name, ()):
        if assign.op in {"*=", "**=", "<<="}:
            return True
        inside = [assign.value] if assign.value is not None else []
        for part in flow.walk(assign.value):
            if isinstance(part, f.CallRef):
                inside.extend(method.scope.calls[part.index].args)
        for expr in inside:
            for part in flow.walk(expr):
                if isinstance(part, f.Bin) and part.op in _GROWS and name in {_own(part.left), _own(part.right)}:
                    return True
    return False


def _held_in(site: CallSite) -> str:
    for assign in site.function.scope.assigns:
        if any(isinstance(p, f.CallRef) and p.index == site.index for p in flow.walk(assign.value)):
            return _own(assign.target)
    return ""


def _works(cls: ClassInfo, target: Function) -> Iterator[Function]:
    """What the timer starts: the methods that its own method does nothing but call, else that method."""
    called = [found for name in _calls_own(target) if (found := cls.find_method(name)) is not None]
    if len(called) == 1 and len(target.calls) <= 3:
        yield called[0]
    else:
        yield target


def _calls_own(function: Function) -> list[str]:
    return list(dict.fromkeys(name for site in function.calls if (name := _own(site.fact.func))))


def _other_way(cls: ClassInfo, work: Function, target: Function, arming: Function) -> CallSite | None:
    """A call of the same work by a method that is neither the timer's, nor the arming one, nor a first start."""
    for ancestor in cls.mro:
        for name, method in ancestor.methods.items():
            if method in {work, target, arming} or _FIRST.match(name) or cls.find_method(name) is not method:
                continue
            for site in method.calls:
                if _own(site.fact.func) == work.name:
                    return site
    return None


def _minds(cls: ClassInfo, functions: tuple[Function, ...], names: set[str]) -> bool:
    """Does a condition there, or in a method that it asks, look at the timer, the delay or the state of failure?"""
    for function in functions:
        for region in function.scope.regions:
            text = flow.every_text(region.test, function.scope) if region.kind in {"if", "while"} else ""
            if _MINDS.search(text) or any(name and name in text for name in names):
                return True
            for part in flow.walk(region.test):
                asked = _own(function.scope.calls[part.index].func) if isinstance(part, f.CallRef) else ""
                found = cls.find_method(asked) if asked else None
                if found is not None and _MINDS.search(_returned(found)):
                    return True
        if any(
            name and flow.text_of(call.func, function.scope) == f"self.{name}.cancel"
            for name in names
            for call in function.scope.calls
        ):
            return True
    return False


def _returned(function: Function) -> str:
    return " ".join(flow.every_text(leave.value, function.scope) for leave in function.scope.leaves)


# --- a failure that is not kept ---------------------------------------------------------------------------------------


def uncached_failures(model: Model) -> Iterator[Uncached]:
    """Functions that look into a cache, ask the outside, keep the answer, and turn a failure into a default without a note."""
    for function in model.functions:
        found = [effect for site in function.calls for effect in model.effects_at(site)]
        reads = [e for e in found if e.effect is Effect.CACHE_READ]
        writes = [e for e in found if e.effect is Effect.CACHE_WRITE]
        if not reads or not writes or model.is_script(function.path):
            continue
        for call in (e for site in function.calls for e in model.effects_through(site) if e.effect in _REMOTE):
            site = _site_in(model, function, call)
            known = _uncached(model, function, site, call, reads, writes) if site is not None else None
            if known is not None:
                yield known
                break


def _site_in(model: Model, function: Function, effect: EffectAt) -> CallSite | None:
    return next((site for site in function.calls if effect in model.effects_through(site)), None)


def _uncached(
    model: Model, function: Function, site: CallSite, call: EffectAt, reads: list[EffectAt], writes: list[EffectAt]
) -> Uncached | None:
    scope = function.scope
    read = next((e for e in reads if e.site.fact.order < site.fact.order), None)
    write = next((e for e in writes if e.site.fact.order > site.fact.order), None)
    tries = [(tried, handlers) for tried, handlers in flow.try_regions(scope, site.fact.region) if handlers]
    if read is None or write is None or not tries or flow.loop_of(scope, site.fact.region) is not None:
        return None
    tried, regions = tries[0]
    for region in regions:
        handler = model.exceptions.handler(function, region)
        if handler.raises or handler.may_raise or not _holds_outages(model, handler, call):
            continue
        if any(
            e.effect is Effect.CACHE_WRITE
            for c in flow.calls_in(scope, region)
            for e in model.effects_through(function.site(c))
        ):
            return None
        leaves = scope.regions[region].exits == "return"
        if (
            leaves
            or flow.within(scope, write.site.fact.region, tried)
            or _in_else(scope, tried, write.site.fact.region)
        ):
            return Uncached(read, call, write, handler)
    return None


def _holds_outages(model: Model, handler: Handler, call: EffectAt) -> bool:
    return handler.broad or any(model.exceptions.catches(handler, name) for name in call.row.raises)


def _in_else(scope: f.Scope, tried: int, region: int) -> bool:
    other = flow.sibling_of_kind(scope, tried, "try_else")
    return other is not None and flow.within(scope, region, other)
