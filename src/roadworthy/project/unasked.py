"""Work handed to a pool and waited for, whose failures stay in handles that nobody asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, GuardKind
from roadworthy.project import flow
from roadworthy.project.symbols import bound_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_ASKS = frozenset({"result", "exception", "add_done_callback", "get", "successful"})
_KEEPS = frozenset({"append", "add", "put", "insert"})


@dataclass(frozen=True, slots=True)
class Unasked:
    """One call that hands work to a pool, what runs there, and what of it may fail unseen."""

    site: CallSite
    callee: Function
    effect: EffectAt
    waits: CallSite | None  # the call that waits; None: the `with` around does


def unasked_work(model: Model) -> Iterator[Unasked]:
    """All of reviewed code: the function goes on when the work is over, and does not know whether it worked."""
    for function in model.functions:
        for site in function.calls:
            if _keeps_failure(model, site):
                found = _of(model, function, site)
                if found is not None:
                    yield found


def tells_its_failures(function: Function, model: Model) -> bool:
    """Does a broad handler of the function's own tell of whatever fails in it, and keep it there?"""
    scope = function.scope
    working = [
        call
        for call in scope.calls
        if not any(scope.regions[r].kind in {"except", "finally"} for r in flow.ancestors(scope, call.region))
    ]
    return bool(working) and all(
        any(
            handler.broad and handler.stops and handler.tells
            for handlers in model.exceptions.handlers_around(function, call.region)
            for handler in handlers
        )
        for call in working
    )


def _keeps_failure(model: Model, site: CallSite) -> bool:
    for name in model.library_names(site):
        made = model.knowledge.type_from_call(name)
        row = model.knowledge.type(made) if made is not None else None
        if row is not None and row.keeps_failure and model.knowledge.spawners(name):
            return True
    return False


def _of(model: Model, function: Function, site: CallSite) -> Unasked | None:
    names = _holders(function, site)
    if names is None or _is_asked(function):
        return None
    waits = next((other for other in function.calls if _waits_for(model, other, names)), None)
    grouped = any(guard.kind is GuardKind.AWAITED for guard in model.guards.on_site(site))
    if (waits is None and not grouped) or _goes_elsewhere(model, function, site, names, waits):
        return None
    for edge in model.edges_from(function):
        if (edge.spawner or edge.site) is not site:
            continue
        for effect in model.escapes.of(edge.callee):
            if effect.effect.word.external and not effect.effect.word.telemetry:
                return Unasked(site, edge.callee, effect, waits)
    return None


def _holders(function: Function, site: CallSite) -> set[str] | None:
    """The local names that hold the handle, none when it is dropped; None when it goes where we do not see it."""
    scope = function.scope
    if site.fact.use == "discarded":
        return set()
    if site.fact.use == "argument":
        outer = scope.calls[site.fact.outer]
        owner = outer.func.value if isinstance(outer.func, f.Attr) and outer.func.name in _KEEPS else None
        return {owner.id} if isinstance(owner, f.Name) else None
    found: set[str] = set()
    for assign in scope.assigns:
        held = [assign.value, assign.target.index] if isinstance(assign.target, f.Sub) else [assign.value]
        if not any(value is not None and _holds(value, site, scope) for value in held):
            continue
        target = assign.target.value if isinstance(assign.target, f.Sub) else assign.target
        if not isinstance(target, f.Name | f.Seq):
            return None
        found.update(bound_names(target))
    return found or None


def _holds(value: f.Expr, site: CallSite, scope: f.Scope) -> bool:
    """The call itself, or a display or comprehension of such calls."""
    for part in flow.walk(value):
        if isinstance(part, f.CallRef) and part.index == site.index:
            return True
        if isinstance(part, f.Comp) and flow.within(scope, site.fact.region, part.region):
            return True
    return False


def _is_asked(function: Function) -> bool:
    """Somewhere in the function, or in one inside it, a result is asked for: whose, is not followed."""
    inner = [child for children in function.children.values() for child in children]
    return any(
        isinstance(call.func, f.Attr) and call.func.name in _ASKS and not any(isinstance(a, f.Str) for a in call.args)
        for one in (function, *inner)
        for call in one.scope.calls
    )


def _waits_for(model: Model, site: CallSite, names: set[str]) -> bool:
    """Waits until all is over, tells of failures by its result, and its result is dropped."""
    if site.fact.use != "discarded" or not any(isinstance(a, f.Name) and a.id in names for a in site.fact.args):
        return False
    return any(e.effect is Effect.WAIT and e.row.result_tells == "errors" for e in model.effects_at(site))


def _goes_elsewhere(model: Model, function: Function, site: CallSite, names: set[str], waits: CallSite | None) -> bool:
    """The handles are returned, looped over, handed on or kept: others may ask."""
    scope = function.scope
    for other in function.calls:
        call = other.fact
        if other in (site, waits) or (isinstance(call.func, f.Name) and call.func.id == "len"):
            continue
        if any(_reads(value, names) for value in (*call.args, *(v for _, v in call.kwargs))):
            return True
    values = [leave.value for leave in scope.leaves]
    values += [assign.value for assign in scope.assigns]
    values += [region.test for region in scope.regions if region.kind in {"for", "comprehension"}]
    if any(value is not None and _reads(value, names) for value in values):
        return True
    inner = [child for children in function.children.values() for child in children]
    return any(name in child.scope.last_read for child in inner for name in names)


def _reads(value: f.Expr, names: set[str]) -> bool:
    return any(isinstance(part, f.Name) and part.id in names for part in flow.walk(value))
