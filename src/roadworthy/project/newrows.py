"""Rows that the same run has just made: two runs at once have two of them, and meet at no key that holds one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.calls import DETACHED
from roadworthy.project.minting import Minting
from roadworthy.project.values import ClassValue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from roadworthy.project.calls import Edge
    from roadworthy.project.database.access import Through
    from roadworthy.project.database.conditions import Match
    from roadworthy.project.entry import Entry, Reached
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_CREATES = frozenset({"create", "acreate"})
_DEPTH = 4
_LAST = 1 << 60
_CALLERS = 8


def meets_itself(model: Model, function: Function, lookup: Iterable[Match]) -> tuple[Reached, ...] | None:
    """The entries whose runs may look for the same row here; None: every way brings a row that its own run has made."""
    reached = model.exposure(function).entries
    keys = [match for match in lookup if match.op == "eq" and match.value is not None and match.scope is function]
    if any(is_new(model, key.value, function, _LAST if key.order is None else key.order, 0) for key in keys):
        return None
    if any(_is_drawn(model, key, function) for key in keys):
        return None  # a name with a random part: no other run has the same
    for name in {name for key in keys if (name := _parameter(key.value, function))}:
        old = _entries_with_old(model, function, name, 0)
        reached = tuple(r for r in reached if r.entry in old)
    return reached


def lookup_here(model: Model, read: Through) -> tuple[Match, ...]:
    """A lookup of a helper by what its caller passes: `find(order_id)` of `filter_by(order_id=order_id)`."""
    access, site = read.access, read.site
    edge = next((edge for edge in model.edges_at(site) if edge.callee is access.function), None)
    if read.direct or edge is None:
        return access.lookup
    found = []
    for match in access.lookup:
        name = _parameter(match.value, access.function) if match.scope is access.function else ""
        passed = _passed(model, edge, name) if name else None
        found.append(
            match if passed is None else replace(match, value=passed, scope=site.function, order=site.fact.order)
        )
    return tuple(found)


def _is_drawn(model: Model, key: Match, function: Function) -> bool:
    """Is a random value in what is looked for, on every way?"""
    made = Minting(model).of(key.value, function, key.order)
    return any(minted.kind == "random" and not minted.optional and not minted.carried for minted in made)


def made_by_run(model: Model, owner: str, function: Function, order: int) -> bool:
    """Is the row that a name holds (`self`, `job`) one that this very run has made?"""
    return owner.isidentifier() and is_new(model, f.Name(owner), function, order, 0)


def _entries_with_old(model: Model, function: Function, name: str, depth: int) -> set[Entry]:
    """Entries from which a row that was there before comes to a parameter."""
    found = {r.entry for r in model.exposure(function).entries}
    ways = model.edges_to(function)
    if depth > _DEPTH or len(ways) > _CALLERS:
        return found
    found = {entry for entry in found if entry.function is function}
    for edge in ways:
        if _passes_new(model, edge, name, 1):
            continue
        parameter = _parameter(_passed(model, edge, name), edge.caller)
        if parameter:
            found |= _entries_with_old(model, edge.caller, parameter, depth + 1)
        else:
            found |= {r.entry for r in model.exposure(edge.caller).entries}
    return found


def is_new(model: Model, expr: f.Expr | None, function: Function, order: int, depth: int) -> bool:
    """Was the row made in this run, on every way that leads here?"""
    if depth > _DEPTH:
        return False
    match expr:
        case f.Await():
            return is_new(model, expr.value, function, order, depth)
        case f.Attr(name="id" | "pk"):
            return is_new(model, expr.value, function, order, depth)
        case f.CallRef():
            return _makes(model, function.calls[expr.index], depth)
        case f.Name(id=name):
            bound = [a for a in function.bindings.get(name, ()) if a.order < order]
            given = [a for a in bound if not (isinstance(a.value, f.Const) and a.value.kind == "none")]
            if bound:
                return bool(given) and all(is_new(model, a.value, function, a.order, depth + 1) for a in given)
            return bool(_parameter(expr, function)) and _always_passed_new(model, function, name, depth + 1)
    return False


def _always_passed_new(model: Model, function: Function, name: str, depth: int) -> bool:
    ways = list(
        {edge.site: edge for edge in model.edges_to(function)}.values()
    )  # one for each place, whatever it is called on
    if not 0 < len(ways) <= _CALLERS or any(r.entry.function is function for r in model.exposure(function).entries):
        return False
    return all(_passes_new(model, edge, name, depth) for edge in ways)


def _parameter(expr: f.Expr | None, function: Function) -> str:
    """The parameter that a key holds: `user`, `user.pk`, `self`."""
    while isinstance(expr, f.Attr) and expr.name in {"id", "pk"}:
        expr = expr.value
    name = expr.id if isinstance(expr, f.Name) and not function.bindings.get(expr.id) else ""
    return name if name in function.parameters or _is_self(name, function) else ""


def _is_self(name: str, function: Function) -> bool:
    return function.cls is not None and name == "self"


def _passes_new(model: Model, edge: Edge, name: str, depth: int) -> bool:
    return is_new(model, _passed(model, edge, name), edge.caller, edge.site.fact.order, depth)


def _passed(model: Model, edge: Edge, name: str) -> f.Expr | None:
    func = edge.site.fact.func
    if _is_self(name, edge.callee):
        return func.value if isinstance(func, f.Attr) else None
    return model.argument_passed(edge, name) or _handed_over(edge, name)


def _handed_over(edge: Edge, name: str) -> f.Expr | None:
    """`Thread(target=work, args=[row])`: what the starter of a thread passes on by position."""
    args = next((value for keyword, value in edge.site.fact.kwargs if keyword == "args"), None)
    if edge.kind not in DETACHED or not isinstance(args, f.Seq):
        return None
    names = [param.name for param in edge.callee.scope.params if param.kind == "positional"]
    names = names[1:] if edge.callee.cls is not None else names
    return dict(zip(names, args.items, strict=False)).get(name)


def _makes(model: Model, site: CallSite, depth: int) -> bool:
    """`Order.objects.create(…)`, `Order(…)`, `form.save()` of a form about no row, a function that gives such a row back."""
    name = flow.last_name(site.fact.func)
    inserts = any(effect.effect is Effect.SQL_INSERT for effect in model.effects_at(site))
    if name in _CREATES and (inserts or _of_manager(model, site)):
        return True
    if name == "save" and _of_empty_form(site):
        return True
    resolution = model.graph.resolutions.get(site)
    if resolution is None:
        return False
    if resolution.classes:
        return all(model.schema.is_model(value.cls) for value in resolution.classes)
    return bool(resolution.functions) and all(_gives_new(model, callee, depth) for callee in resolution.functions[:3])


def _of_manager(model: Model, site: CallSite) -> bool:
    """`Order.objects.create(…)` whose manager comes from a library that we do not know."""
    func = site.fact.func
    manager = func.value if isinstance(func, f.Attr) else None
    if not isinstance(manager, f.Attr):
        return False
    values = model.values(manager.value, site.function, site.fact.order)
    return any(isinstance(value, ClassValue) and model.schema.is_model(value.cls) for value in values)


def _gives_new(model: Model, function: Function, depth: int) -> bool:
    given = [leave for leave in function.scope.leaves if leave.kind == "return" and leave.value is not None]
    return bool(given) and all(is_new(model, leave.value, function, leave.order, depth + 1) for leave in given)


def _of_empty_form(site: CallSite) -> bool:
    """`form = OrderForm(request.POST)` … `form.save()`: no `instance=`, so that it inserts."""
    func, function = site.fact.func, site.function
    if not isinstance(func, f.Attr) or not isinstance(func.value, f.Name):
        return False
    bound = [a.value for a in function.bindings.get(func.value.id, ()) if a.order < site.fact.order]
    if not bound or not all(isinstance(value, f.CallRef) for value in bound):
        return False
    made = [function.scope.calls[value.index] for value in bound if isinstance(value, f.CallRef)]
    return all(
        flow.last_name(call.func).lower().endswith(("form", "form_class"))
        and not any(keyword in {"instance", "**"} for keyword, _ in call.kwargs)
        for call in made
    )
