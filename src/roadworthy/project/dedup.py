"""Is an effect kept from happening twice: a claim, a stored state, an existence check, a unique key that the insert runs into?

Judged generously: what looks like a check of earlier work counts as one. A rule that asks here wants to be sure that there is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, GuardKind
from roadworthy.project import flow
from roadworthy.project.arguments import has_spread
from roadworthy.project.keys import is_key_name, key_value, names_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_STATE = re.compile(
    r"(^|_)(status|state|phase|sent|processed|paid|done|completed?|delivered|handled|finished|fulfilled|captured|charged|refunded|notified"
    r"|confirmed|consumed|used|claimed|locked|published|synced|emailed|activated|applied|credited|settled|attempts?|retries)($|_)|_at$|_on$|^is_|^has_",
    re.IGNORECASE,
)
_SAYS_BEFORE = re.compile(
    r"exist|already|duplicat|seen|acquire|claim|lock|idempot|has_been|was_|dedup|processed|handled|first_time|created|inserted|is_new|fresh"
    r"|should_(send|notify|process|run|skip|charge)|can_(send|notify)|rate_?limit|throttl|cooldown|remember|replay|once|pending|stale|outdated|unsent",
    re.IGNORECASE,
)
_MESSAGE = frozenset(
    {
        "event",
        "payload",
        "data",
        "message",
        "msg",
        "body",
        "request",
        "webhook",
        "record",
        "params",
        "args",
        "kwargs",
        "self",
    }
)
_ASKS = frozenset({
    Effect.SQL_READ, Effect.CACHE_READ, Effect.OBJECT_READ, Effect.SQL_UPDATE, Effect.SQL_UPSERT, Effect.SQL_INSERT, Effect.LOCK, Effect.SQL,
})  # fmt: skip
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
    if any(_SAYS_BEFORE.search(name.rpartition(".")[2]) for name in _decorator_names(model, function)):
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
        if not _needs_it(model, region.test, site.function, region.start, leaves=not inside):
            return index
    return None


def _needs_it(model: Model, test: f.Expr, function: Function, order: int, *, leaves: bool) -> bool:
    """Does the condition only make sure that the thing to work on is there (`if not user: return`, `if user: …`)?

    A record of earlier work is the other way round: its presence keeps the effect from happening.
    """
    items = test.items if isinstance(test, f.BoolOp) else (test,)
    for item in items:
        absent = isinstance(item, f.Unary) and item.op == "not"
        inner = item.value if isinstance(item, f.Unary) and item.op == "not" else item
        if isinstance(inner, f.Compare) and isinstance(inner.rights[0], f.Const) and inner.rights[0].kind == "none":
            absent = inner.ops[0] in {"is", "=="}
            inner = inner.left
        inner = inner.value if isinstance(inner, f.Await) else inner
        if not isinstance(inner, f.Name | f.Attr) or _says_more(inner):
            if not tells_of_before(model, item, function, order):
                continue  # says nothing of earlier work at all
            return False
        if absent is not leaves:
            return False
    return True


def _says_more(expr: f.Name | f.Attr) -> bool:
    """The name speaks of a state or of earlier work, not only of a thing."""
    name = expr.id if isinstance(expr, f.Name) else expr.name
    return bool(_SAYS_BEFORE.search(name) or _STATE.search(name))


def _has_way_out(scope: f.Scope, region: int) -> bool:
    if scope.regions[region].exits in {"return", "raise", "continue", "mixed", "break"}:
        return True
    return any(leave.kind in {"return", "raise", "continue"} for leave in flow.leaves_in(scope, region))


def tells_of_before(model: Model, expr: f.Expr, function: Function, order: int, depth: int = 0) -> bool:
    """Does a condition ask a store, a lock or a stored state whether the work was done before?"""
    if depth > 4:
        return False
    for part in flow.walk(expr):
        match part:
            case f.CallRef():
                if _call_tells(model, function.calls[part.index], depth):
                    return True
            case f.Attr():
                if _STATE.search(part.name) and not _of_message(model, part, function, order):
                    return True
            case f.Name():
                if _name_tells(model, part.id, function, order, depth):
                    return True
            case f.Sub(index=f.Str(value=key)) if _STATE.search(key) and not _of_message(model, part, function, order):
                return True
    return False


def _call_tells(model: Model, site: CallSite, depth: int) -> bool:
    if any("condition" in row.form for name in model.library_names(site) for row in model.knowledge.guards(name)):
        return True
    name = model.callee_text(site).rpartition(".")[2]
    if _SAYS_BEFORE.search(name) or any(e.effect in _ASKS for e in model.effects_through(site, *_ASKS)):
        return True
    inner = (*([site.fact.func.value] if isinstance(site.fact.func, f.Attr) else []), *site.fact.args)
    return any(
        tells_of_before(model, e, site.function, site.fact.order, depth + 1) for e in inner if not isinstance(e, f.Name)
    )


def _name_tells(model: Model, name: str, function: Function, order: int, depth: int) -> bool:
    if _SAYS_BEFORE.search(name) or (_STATE.search(name) and name not in _MESSAGE):
        return True
    for assign in flow.reaching(function.scope, function.bindings.get(name, []), order)[0]:
        value = assign.value
        if value is None or assign.op == "for":
            continue
        for part in flow.walk(value):
            if isinstance(part, f.CallRef) and _call_tells(model, function.calls[part.index], depth + 1):
                return True
            if isinstance(part, f.Compare | f.BoolOp) and tells_of_before(
                model, part, function, assign.order, depth + 1
            ):
                return True
    return False


def _of_message(model: Model, expr: f.Expr, function: Function, order: int) -> bool:
    """A field of the very message that comes again says nothing of earlier work."""
    while isinstance(expr, f.Attr | f.Sub | f.Await):
        expr = expr.value
    if isinstance(expr, f.CallRef):
        return False
    if not isinstance(expr, f.Name):
        return True
    if expr.id in _MESSAGE:
        return expr.id != "self" or False
    for assign in flow.reaching(function.scope, function.bindings.get(expr.id, []), order)[0]:
        if assign.value is None:
            continue
        for part in flow.walk(assign.value):
            if isinstance(part, f.CallRef) and model.effects_through(function.calls[part.index], *_ASKS):
                return False
        root = assign.value
        while isinstance(root, f.Attr | f.Sub | f.Await):
            root = root.value
        if isinstance(root, f.Name) and root.id in _MESSAGE - {"self"}:
            return True
        if isinstance(root, f.CallRef) and _reads_message(model, function.calls[root.index]):
            return True
    return False


def _reads_message(model: Model, site: CallSite) -> bool:
    """`event["data"].get("object")`, `json.loads(body)`."""
    inner = (*([site.fact.func.value] if isinstance(site.fact.func, f.Attr) else []), *site.fact.args)
    for expr in inner:
        for part in flow.walk(expr):
            if isinstance(part, f.Name) and part.id in _MESSAGE - {"self"}:
                return True
    return False


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


def selected_by_state(model: Model, expr: f.Expr, function: Function, order: int, depth: int = 0) -> bool:
    """Does an iterable come from a query that asks for a state (`filter(sent_at__isnull=True)`, `status == "pending"`)?"""
    if depth > 5:
        return False
    for part in flow.walk(expr):
        if isinstance(part, f.CallRef):
            site = function.calls[part.index]
            if _filters_state(site):
                return True
            inner = (*([site.fact.func.value] if isinstance(site.fact.func, f.Attr) else []), *site.fact.args)
            if any(selected_by_state(model, e, function, site.fact.order, depth + 1) for e in inner):
                return True
            for callee in model.graph.resolutions[site].functions[:2]:
                if any(_filters_state(inner_site) for inner_site in callee.calls):
                    return True
        elif isinstance(part, f.Name):
            for assign in flow.reaching(function.scope, function.bindings.get(part.id, []), order)[0][:3]:
                if assign.value is not None and selected_by_state(
                    model, assign.value, function, assign.order, depth + 1
                ):
                    return True
    return False


def _filters_state(site: CallSite) -> bool:
    """A query method with a state among its conditions."""
    if any(_STATE.search(part) for keyword, _ in site.fact.kwargs for part in keyword.split("__")[:1]):
        name = site.fact.func.name if isinstance(site.fact.func, f.Attr) else ""
        return name in {"filter", "exclude", "get", "filter_by", "find", "select", "where", "aggregate", "all"}
    for arg in site.fact.args:
        for part in flow.walk(arg):
            if isinstance(part, f.Compare) and any(
                isinstance(p, f.Attr) and _STATE.search(p.name) for p in flow.walk(part)
            ):
                return True
            if isinstance(part, f.Str) and re.search(
                r"\bwhere\b.*\b(status|state|sent|processed|\w+_at)\b", part.value, re.I | re.S
            ):
                return True
    return False
