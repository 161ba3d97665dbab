"""Loops over independent items, and what happens to the rest of the items when one of them fails."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, GuardKind
from roadworthy.project import flow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.exceptions import Handler
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_REMOTE = (
    Effect.HTTP_REQUEST, Effect.RPC, Effect.EMAIL, Effect.SMS, Effect.NOTIFY, Effect.PUBLISH, Effect.CHARGE, Effect.LLM, Effect.OBJECT_WRITE,
    Effect.OBJECT_READ, Effect.OBJECT_DELETE, Effect.START_DURABLE, Effect.SPAWN_PROCESS, Effect.VECTOR_UPSERT, Effect.VECTOR_INSERT,
)  # fmt: skip
_DEPENDENT = re.compile(
    r"page|chunk|attempt|retr|line|part|step|stage|phase|byte|row_|column|token|header|depth|level|char|range|delay",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """A loop over items, the call for one item that may fail, and the handler on its way, if any, that lets the failure through."""

    function: Function
    region: int
    item: str
    items: str
    site: CallSite  # the call in the loop
    effect: EffectAt  # what fails
    handler: Handler | None  # logs or translates, and raises again


def fragile_batches(model: Model) -> Iterator[Batch]:
    """Loops of which the first failing item ends the whole, at most one value for each function, the outermost first.

    A function that returns or yields what it collects makes one result of all items; there the first failure is the caller's business.
    """
    for function in model.functions:
        if function.kind != "function" or function.scope.is_generator:
            continue
        collects = any(leave.kind == "return" and _is_value(leave.value) for leave in function.scope.leaves)
        for index, region in enumerate(function.scope.regions):
            if region.kind == "for" and model.guards.loop(function, index).kind == "items":
                batch = _fragile(model, function, index)
                if batch is not None and (not collects or batch.handler is not None):
                    yield batch
                    break


def _is_value(expr: f.Expr | None) -> bool:
    return expr is not None and not (isinstance(expr, f.Const) and expr.kind in {"none", "bool", "int"})


def _fragile(model: Model, function: Function, index: int) -> Batch | None:
    region = function.scope.regions[index]
    names = _target_names(region.target)
    text = flow.text_of(region.test, function.scope)
    if (
        not names
        or _DEPENDENT.search(" ".join(names))
        or _DEPENDENT.search(text)
        or _is_one_unit(model, function, index)
    ):
        return None
    for call in flow.calls_in(function.scope, index):
        site = function.site(call)
        if not _is_for_item(call, names, function, index):
            continue
        remote = model.effects_through(site, *_REMOTE)
        if not remote or not _raises_out(model, site, remote):
            continue
        caught, handler = _caught_in_loop(model, function, site, index)
        if not caught:
            return Batch(function, index, names[0], text, site, remote[0], handler)
    return None


def _target_names(target: f.Expr | None) -> list[str]:
    parts = target.items if isinstance(target, f.Seq) else (target,) if target is not None else ()
    return [part.id for part in parts if isinstance(part, f.Name) and part.id != "_"]


def _is_one_unit(model: Model, function: Function, index: int) -> bool:
    """A transaction around the loop: all items or none, on purpose."""
    parent = function.scope.regions[index].parent
    around = (*model.guards.on_region(function, parent), *model.guards.on_function(function))
    return any(guard.kind is GuardKind.TRANSACTION for guard in around)


def _is_for_item(call: f.Call, names: list[str], function: Function, index: int) -> bool:
    """Does the call speak of this item: is the loop variable, or a name made from it in the loop, its receiver or argument?"""
    derived = set(names)
    for assign in flow.assigns_in(function.scope, index):
        if isinstance(assign.target, f.Name) and _reads(assign.value, derived, function.scope):
            derived.add(assign.target.id)
    exprs = [*call.args, *(v for _, v in call.kwargs)]
    if isinstance(call.func, f.Attr):
        exprs.append(call.func.value)
    return any(_reads(expr, derived, function.scope) for expr in exprs)


def _reads(expr: f.Expr | None, names: set[str], scope: f.Scope, depth: int = 0) -> bool:
    if expr is None or depth > 5:
        return False
    for part in flow.walk(expr):
        if isinstance(part, f.Name) and part.id in names:
            return True
        if isinstance(part, f.CallRef):
            call = scope.calls[part.index]
            owner = [call.func.value] if isinstance(call.func, f.Attr) else []
            if any(_reads(e, names, scope, depth + 1) for e in (*call.args, *(v for _, v in call.kwargs), *owner)):
                return True
    return False


def _raises_out(model: Model, site: CallSite, remote: list[EffectAt]) -> bool:
    """Does a failure of the effect come out of the call, or does somebody further in end it?"""
    for effect in remote:
        if effect.site is site:
            return True
        path = model.reach.path_down(site.function, effect)
        inner = [edge.site for edge in path if edge.site is not site] + [effect.site]
        if not any(_ends(model, s) for s in inner):
            return True
    return False


def _ends(model: Model, site: CallSite) -> bool:
    """A broad handler around the call that does not raise."""
    return any(
        handler.broad and not (handler.raises or handler.may_raise)
        for handlers in model.handlers_around(site)
        for handler in handlers
    )


def _caught_in_loop(model: Model, function: Function, site: CallSite, index: int) -> tuple[bool, Handler | None]:
    """(ended inside the loop, the handler that hears of it and raises again)."""
    loud: Handler | None = None
    for tried, handlers in flow.try_regions(function.scope, site.fact.region):
        if not flow.within(function.scope, tried, index) or tried == index:
            break
        for region in handlers:
            handler = model.exceptions.handler(function, region)
            if handler.raises or handler.exits in {"return", "break"}:
                loud = loud or handler
            else:
                return True, None
    return False, loud
