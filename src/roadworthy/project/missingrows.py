"""Items from elsewhere that are not as they should be: the row for one is not there, or what it says is refused by a check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.handling import mentions
from roadworthy.project.peritem import about_item
from roadworthy.project.purpose import acts
from roadworthy.project.raised import may_hold
from roadworthy.project.symbols import bound_names
from roadworthy.project.values import Instance

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function


@dataclass(frozen=True, slots=True)
class MissingRow:
    """The call in the loop, and the look-up or the check that it makes."""

    site: CallSite
    at: CallSite
    error: str  # dotted
    checks: bool = False  # what the item says is checked, no row is looked up


def missing_row(model: Model, function: Function, index: int, names: set[str]) -> MissingRow | None:
    """The first look-up by what an item says, or check of it, in the loop or one call down, where something is changed for each."""
    for call in flow.calls_in(function.scope, index):
        site = function.site(call)
        if not about_item(function, call, names):
            continue
        for at, error, checks in _asked(model, site, names):
            if not _is_held(model, site, error, index):
                asked = _acts_on(model, function, index, names) and not _comes_from_rows(model, function, index)
                return MissingRow(site, at, error, checks) if asked else None
    return None


def refused(model: Model, function: Function, index: int, names: set[str]) -> MissingRow | None:
    """The first check in the loop that raises for a message that is not as it should be: who sent it is somebody else."""
    for call in flow.calls_in(function.scope, index):
        site = function.site(call)
        for error in _invalid(model, site) if about_item(function, call, names) else ():
            if not _is_held(model, site, error, index):
                return MissingRow(site, site, error, checks=True)
    return None


def _asked(model: Model, site: CallSite, names: set[str]) -> Iterator[tuple[CallSite, str, bool]]:
    """(call, its error, is it a check?) of what is looked up or checked by the names, here or one call down."""
    yield from _demands(model, site, names)
    for edge in model.edges_at(site):
        if model.escapes.follows(edge):
            given = _receives(edge.callee, site, names)
            for inner in edge.callee.calls:
                for asked in _demands(model, inner, given):
                    if not _is_held(model, inner, asked[1], None):
                        yield asked


def _receives(callee: Function, site: CallSite, names: set[str]) -> set[str]:
    """The parameters that are handed what the item says; all of them where it is not seen which (`*args`, the item's own method)."""
    parameters = [name for name in callee.parameters if name not in {"self", "cls"}]
    scope = site.function.scope
    told = {keyword for keyword, value in site.fact.kwargs if any(mentions(value, name, scope) for name in names)}
    for parameter, value in zip(parameters, site.fact.args, strict=False):
        if any(mentions(value, name, scope) for name in names):
            told.add(parameter)
    return told & set(parameters) or set(parameters)


def _demands(model: Model, site: CallSite, names: Iterable[str]) -> list[tuple[CallSite, str, bool]]:
    """One row, by a value of these names (a default of what it is called with is none); or a check of what they hold."""
    values = (*site.fact.args, *(value for _, value in site.fact.kwargs))
    found = []
    if any(mentions(value, name, site.function.scope) for value in values for name in names):
        found = [(site, effect.row.missing, False) for effect in model.effects_at(site) if effect.row.missing]
    if not found and about_item(site.function, site.fact, set(names)):
        found = [(site, error, True) for error in _invalid(model, site)]
    return found


def _invalid(model: Model, site: CallSite) -> list[str]:
    return [row.invalid for _, row, _ in model.effects.rows(site) if row.invalid][:1]


def _is_held(model: Model, site: CallSite, missing: str, index: int | None) -> bool:
    scope = site.function.scope
    around = [handler for handlers in model.handlers_around(site) for handler in handlers]
    return any(
        may_hold(model, handler, missing)
        for handler in around
        if index is None or flow.within(scope, handler.region, index)
    )


def _acts_on(model: Model, function: Function, index: int, names: set[str]) -> bool:
    calls = [call for call in flow.calls_in(function.scope, index) if about_item(function, call, names)]
    return any(acts(effect) for call in calls for effect in model.effects_through(function.site(call)))


def _comes_from_rows(model: Model, function: Function, index: int) -> bool:
    """Rows of the same database, ids that were just read there, what stands in the code: their rows are there."""
    region = function.scope.regions[index]
    if region.test is None or region.target is None or isinstance(region.test, f.Seq):
        return True
    if any(
        isinstance(value, Instance)
        for name in bound_names(region.target)
        for value in model.values(f.Name(name), function, region.start)
    ):
        return True
    exprs: list[f.Expr] = [region.test]
    for part in flow.walk(region.test):
        if isinstance(part, f.Name):
            bound = [a.value for a in function.bindings.get(part.id, ()) if a.value is not None]
            if part.id.isupper() or any(isinstance(value, f.Seq) for value in bound):
                return True
            exprs += bound
    calls = [function.calls[p.index] for expr in exprs for p in flow.walk(expr) if isinstance(p, f.CallRef)]
    given = [
        arg for site in calls if not model.edges_at(site) for arg in site.fact.args
    ]  # `set([row.key for row in rows])`
    if any(_of_row(model, function, part) for expr in (*exprs, *given) for part in flow.walk(expr)):
        return True
    read = (e for site in calls for e in model.effects_through(site))
    return any(e.effect.value.startswith("sql") for e in read)


def _of_row(model: Model, function: Function, expr: f.Expr) -> bool:
    """`row.channel.slug`, for each row: a column of a row that is at hand, or of one that its foreign key holds in place."""
    if not isinstance(expr, f.Comp) or not isinstance(expr.element, f.Attr):
        return False
    owner: f.Expr = expr.element
    while isinstance(owner, f.Attr):
        owner = owner.value
    values = model.values(owner, function, function.scope.regions[expr.region].end)
    return any(isinstance(value, Instance) and model.schema.is_model(value.cls) for value in values)
