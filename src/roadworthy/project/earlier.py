"""Conditions and queries that speak of earlier work: a stored state, a record of what was done, a claim."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow

if TYPE_CHECKING:
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_STATE = re.compile(
    r"(^|_)(status|state|phase|sent|processed|paid|done|completed?|delivered|handled|finished|fulfilled|captured|charged|refunded|notified"
    r"|confirmed|consumed|used|claimed|locked|published|synced|emailed|activated|applied|credited|settled|attempts?|retries)($|_)|_at$|_on$|^is_|^has_",
    re.IGNORECASE,
)
SAYS_BEFORE = re.compile(
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
    if SAYS_BEFORE.search(name) or any(e.effect in _ASKS for e in model.effects_through(site, *_ASKS)):
        return True
    inner = (*([site.fact.func.value] if isinstance(site.fact.func, f.Attr) else []), *site.fact.args)
    return any(
        tells_of_before(model, e, site.function, site.fact.order, depth + 1) for e in inner if not isinstance(e, f.Name)
    )


def _name_tells(model: Model, name: str, function: Function, order: int, depth: int) -> bool:
    if SAYS_BEFORE.search(name) or (_STATE.search(name) and name not in _MESSAGE):
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


def only_needs_it(model: Model, test: f.Expr, function: Function, order: int, *, leaves: bool) -> bool:
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
    return bool(SAYS_BEFORE.search(name) or _STATE.search(name))


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
