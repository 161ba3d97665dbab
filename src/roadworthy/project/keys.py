"""Keys by which the other side recognises a repetition: idempotency keys and deduplication ids, wherever they are written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.arguments import argument
from roadworthy.project.once import listed_once
from roadworthy.project.uses import tells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.knowledge.schema import Argument
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

# Names that several protocols give such a key; a library row may name further ones.
_KEY_NAME = re.compile(
    r"idempoten|^paypal-request-id$|^client_?(request_?)?token$|^message_?deduplication_?id$|^nats-msg-id$|^de_?dup(lication)?_?(id|key)$|^(new)?_?client_?order_?id$|^order_?link_?id$",
    re.IGNORECASE,
)
_ACTS = (
    Effect.CHARGE, Effect.EMAIL, Effect.SMS, Effect.HTTP_REQUEST, Effect.RPC, Effect.PUBLISH, Effect.ENQUEUE, Effect.START_DURABLE,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class KeyUse:
    """One place where a key is given."""

    name: str  # as the other side calls it: `Idempotency-Key`, `idempotency_key`
    expr: f.Expr  # the value
    function: Function
    order: int
    line: int
    use: CallSite | None  # the call that sends it, where that is known
    effect: EffectAt | None = None
    unless_given: bool = False  # only set when the caller has not given one


@listed_once
def key_uses(model: Model) -> Iterator[KeyUse]:
    """Every idempotency key and deduplication id in reviewed code, by library rows and by name."""
    for function in model.functions:
        yield from _of_rows(model, function)
        yield from _of_names(model, function)
        yield from _returned(model, function)


def _of_rows(model: Model, function: Function) -> Iterator[KeyUse]:
    for site in function.calls:
        for effect in model.effects_at(site):
            where = effect.row.key
            if where is None or not _is_key(effect, where):
                continue
            expr = key_value(model, site, where)
            if expr is not None:
                name = where.contains or where.argument or "key"
                yield KeyUse(name, expr, function, site.fact.order, site.line, site, effect)


def _is_key(effect: EffectAt, where: Argument) -> bool:
    """Starts of jobs and executions are told by other means; what they call `id` or `name` is no idempotency key by its name alone."""
    if _KEY_NAME.search(where.contains or where.argument or ""):
        return effect.effect in _ACTS
    return effect.effect in {Effect.CHARGE, Effect.EMAIL, Effect.SMS, Effect.PUBLISH}


def key_value(model: Model, site: CallSite, where: Argument) -> f.Expr | None:
    """The value of a key argument; inside a mapping, the value under its name where that is written out."""
    expr = argument(site.fact, where)
    if expr is None or where.contains is None:
        return expr
    return next(iter(_in_mapping(expr, where.contains, site.function)), None)


def _in_mapping(expr: f.Expr, key: str, function: Function, depth: int = 0) -> Iterator[f.Expr]:
    """The values that a mapping has under a key: in a display, in the displays and item assignments of a name."""
    if isinstance(expr, f.Dict):
        for item, value in expr.items:
            if isinstance(item, f.Str) and item.value.lower() == key.lower():
                yield value
            elif item is None and depth < 3:
                yield from _in_mapping(value, key, function, depth + 1)
    elif isinstance(expr, f.Name) and depth < 3:
        for assign in function.bindings.get(expr.id, ()):
            if assign.value is not None and assign.op == "=":
                yield from _in_mapping(assign.value, key, function, depth + 1)
        for text, assign in flow.item_assigns(function.scope, expr.id):
            if text.lower() == key.lower() and assign.value is not None:
                yield assign.value
    elif isinstance(expr, f.CallRef):
        for keyword, value in function.scope.calls[expr.index].kwargs:
            if keyword.lower() == key.lower():
                yield value


def _of_names(model: Model, function: Function) -> Iterator[KeyUse]:
    scope = function.scope
    for site in function.calls:
        named = [(keyword, value) for keyword, value in site.fact.kwargs if _KEY_NAME.search(keyword)]
        for expr in (*site.fact.args, *(value for _, value in site.fact.kwargs)):
            named.extend(_named_items(expr))
        if named and not tells(model, site):  # a log line that names the key sends nothing
            sent = _sent_by(model, site)
            for name, value in named:
                yield KeyUse(name, value, function, site.fact.order, site.line, *sent)
    for assign in scope.assigns:
        if assign.value is None:
            continue
        target = assign.target
        if isinstance(target, f.Sub) and isinstance(target.index, f.Str) and _KEY_NAME.search(target.index.value):
            use, effect = _sent_after(model, function, assign.order)
            given = _unless_given(scope, assign.region, target.index.value)
            yield KeyUse(target.index.value, assign.value, function, assign.order, assign.line, use, effect, given)
        for name, value in _named_items(assign.value):
            yield KeyUse(name, value, function, assign.order, assign.line, *_sent_after(model, function, assign.order))


def _returned(model: Model, function: Function) -> Iterator[KeyUse]:
    """`return {"Idempotency-Key": …}`: sent by whoever calls the helper."""
    for leave in function.scope.leaves:
        if leave.kind == "return" and leave.value is not None:
            for name, value in _named_items(leave.value):
                yield KeyUse(name, value, function, leave.order, leave.line, *_sent_by_callers(model, function))


def _sent_by_callers(model: Model, function: Function) -> tuple[CallSite | None, EffectAt | None]:
    for edge in model.edges_to(function):
        found = _sent_after(model, edge.caller, edge.site.fact.order)
        outer = edge.site.fact.outer
        if outer >= 0:  # `post(url, headers=self._headers())`: the call around it sends
            found = _sent_by(model, edge.caller.calls[outer])
        if found[0] is not None:
            return found
    return None, None


def _named_items(expr: f.Expr) -> Iterator[tuple[str, f.Expr]]:
    if isinstance(expr, f.Name | f.Attr | f.Str | f.Const | f.CallRef | f.FStr):
        return  # holds no mapping; most expressions are of these kinds
    for part in flow.walk(expr):
        if isinstance(part, f.Dict):
            for key, value in part.items:
                if isinstance(key, f.Str) and _KEY_NAME.search(key.value):
                    yield key.value, value


def is_key_name(text: str) -> bool:
    """Is this what one of the known protocols calls such a key?"""
    return len(text) < 60 and bool(_KEY_NAME.search(text))


def names_key(site: CallSite) -> bool:
    """Does the call itself pass something under the name of such a key?"""
    if any(_KEY_NAME.search(keyword) for keyword, _ in site.fact.kwargs):
        return True
    exprs = (*site.fact.args, *(value for _, value in site.fact.kwargs))
    return any(True for expr in exprs for _ in _named_items(expr))


def _sent_by(model: Model, site: CallSite) -> tuple[CallSite | None, EffectAt | None]:
    """The call itself when it acts on the world, or the next one in the function that does."""
    found = model.effects_through(site, *_ACTS)
    return (site, _first(found)) if found else _sent_after(model, site.function, site.fact.order)


def _sent_after(model: Model, function: Function, order: int) -> tuple[CallSite | None, EffectAt | None]:
    for site in function.calls:
        if site.fact.order > order:
            found = model.effects_through(site, *_ACTS)
            if found:
                return site, _first(found)
    return None, None


def _first(found: list[EffectAt]) -> EffectAt:
    return min(found, key=lambda effect: (_ACTS.index(effect.effect), effect.site.path, effect.site.line))


def _unless_given(scope: f.Scope, region: int, name: str) -> bool:
    """`if "Idempotency-Key" not in headers: headers["Idempotency-Key"] = …`."""
    for index in flow.ancestors(scope, region):
        here = scope.regions[index]
        if here.kind == "if" and here.test is not None and name in flow.strings_of(here.test):
            return True
    return False
