"""Is an effect kept from happening twice: a claim, a stored state, an existence check, a unique key that the insert runs into?

Judged generously: what looks like a check of earlier work counts as one. A rule that asks here wants to be sure that there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, GuardKind
from roadworthy.project import flow
from roadworthy.project.arguments import has_spread
from roadworthy.project.earlier import SAYS_BEFORE, only_needs_it, selected_by_state, tells_of_before
from roadworthy.project.keys import is_key_name, key_value, names_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_INSERTS = (Effect.SQL_INSERT, Effect.SQL_UPSERT, Effect.COMMIT)


@dataclass(frozen=True, slots=True)
class Dedup:
    """What keeps an effect from happening twice, and where it stands."""

    kind: str  # "key" "guard" "condition" "conflict" "selection"
    path: str
    line: int


def dedup_before(model: Model, entry: Entry, effect: EffectAt, *, selection: bool = True) -> Dedup | None:
    """The first thing on the way from an entry to an effect that keeps a repetition from doing it again.

    `selection`: a loop over rows that were selected by their state counts, since what was done has left the state.
    """
    if is_keyed(model, effect):
        return Dedup("key", effect.site.path, effect.site.line)
    sites = [edge.site for edge in model.entries.path(entry, effect.function)]
    for site in (*sites, effect.site):
        found = is_guarded(model, site)
        if found is None and selection:
            found = _selection_over(model, site)
        if found is not None:
            return found
    return None


def is_keyed(model: Model, effect: EffectAt) -> bool:
    """The call passes a key by which the other side recognises a repetition."""
    where = effect.row.key
    if names_key(effect.site):
        return True
    if where is None:
        return False
    if has_spread(effect.site.fact) and _speaks_of_key(model, effect.function):
        return True
    expr = key_value(model, effect.site, where)
    if expr is not None:
        return not (isinstance(expr, f.Const) and expr.kind == "none")
    return where.contains is not None and _may_contain(model, effect.site, where.argument, where.contains)


def _speaks_of_key(model: Model, function: Function) -> bool:
    """Does the function, its class or one that calls it name a key, which may then be among `**kwargs`?"""
    scopes = [function, *(edge.caller for edge in model.edges_to(function)[:80])]
    if function.cls is not None:
        scopes += list(function.cls.methods.values())
    return any(is_key_name(text) for scope in scopes for text in _texts(scope))


def _may_contain(model: Model, site: CallSite, argument: str | None, key: str) -> bool:
    """A mapping that is not written out here: does the function, or what made the mapping, speak of the key?"""
    expr = next((value for keyword, value in site.fact.kwargs if keyword == argument), None)
    if expr is None or isinstance(expr, f.Dict):
        return False
    wanted = key.lower().replace("-", "").replace("_", "")
    scopes = [site.function]
    if site.function.cls is not None:
        scopes += list(site.function.cls.methods.values())
    for part in flow.walk(expr):
        if isinstance(part, f.CallRef):
            scopes += list(model.graph.resolutions[site.function.calls[part.index]].functions)
    return any(wanted in text.lower().replace("-", "").replace("_", "") for scope in scopes for text in _texts(scope))


def _texts(function: Function) -> Iterator[str]:
    exprs = [a.value for a in function.scope.assigns] + [a.target for a in function.scope.assigns]
    exprs += [e for call in function.scope.calls for e in (*call.args, *(v for _, v in call.kwargs))]
    exprs += [leave.value for leave in function.scope.leaves]
    for expr in exprs:
        if expr is not None:
            yield from flow.strings_of(expr)
    for call in function.scope.calls:
        yield from (keyword for keyword, _ in call.kwargs)


def is_guarded(model: Model, site: CallSite) -> Dedup | None:
    """Protection at one call: decorators and blocks around it, conditions over it, exits before it, an insert that fails first."""
    function = site.function
    for guard in model.guards_on(site):
        if guard.kind in {GuardKind.DEDUP, GuardKind.IDEMPOTENCY_KEY, GuardKind.LOCK}:
            return Dedup("guard", guard.path, guard.line)
    if any(SAYS_BEFORE.search(name.rpartition(".")[2]) for name in _decorator_names(model, function)):
        return Dedup("guard", function.path, function.line)
    region = _condition_over(model, site)
    if region is not None:
        return Dedup("condition", function.path, function.scope.regions[region].line)
    return _conflict_before(model, site)


def _decorator_names(model: Model, function: Function) -> Iterator[str]:
    for expr in function.scope.decorators:
        scope = function.parent.scope if function.parent is not None else function.scope
        yield flow.text_of(expr, scope).partition("(")[0]


def _condition_over(model: Model, site: CallSite) -> int | None:
    """The region of an `if` that tells of earlier work: around the call, or before it with a way out."""
    scope = site.function.scope
    around = set(flow.ancestors(scope, site.fact.region))
    for index, region in enumerate(scope.regions):
        if region.kind not in {"if", "while", "case"} or region.test is None or region.start > site.fact.order:
            continue
        inside = bool(set(flow.siblings(scope, index)) & around)
        leaves_first = region.parent in around and region.end <= site.fact.order and _has_way_out(scope, index)
        if not (inside or leaves_first) or not tells_of_before(model, region.test, site.function, region.start):
            continue
        if not only_needs_it(model, region.test, site.function, region.start, leaves=not inside):
            return index
    return None


def _has_way_out(scope: f.Scope, region: int) -> bool:
    if scope.regions[region].exits in {"return", "raise", "continue", "mixed", "break"}:
        return True
    return any(leave.kind in {"return", "raise", "continue"} for leave in flow.leaves_in(scope, region))


def _conflict_before(model: Model, site: CallSite) -> Dedup | None:
    """An insert before the call whose unique violation is handled by leaving."""
    scope = site.function.scope
    for index, region in enumerate(scope.regions):
        if region.kind != "try" or region.start > site.fact.order:
            continue
        handlers = [model.exceptions.handler(site.function, h) for h in flow.handlers_of(scope, index)]
        conflict = [h for h in handlers if any(model.exceptions.nature(t) == "conflict" for t in h.types)]
        if not any(h.exits in {"return", "continue", "raise", "mixed"} for h in conflict):
            continue
        for call in flow.calls_in(scope, index):
            if call.order <= site.fact.order and model.effects_through(site.function.site(call), *_INSERTS):
                return Dedup("conflict", site.path, region.line)
    return None


def _selection_over(model: Model, site: CallSite) -> Dedup | None:
    """A loop over rows that were selected by a state."""
    scope = site.function.scope
    for loop in flow.loops_of(scope, site.fact.region):
        test = scope.regions[loop].test
        if test is not None and selected_by_state(model, test, site.function, scope.regions[loop].start):
            return Dedup("selection", site.path, scope.regions[loop].line)
    return None
