"""By what a document is looked for, and with what a new one is filled: literal mappings, and mappings that a name holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.symbols import Function

_DEPTH = 3
_ALTERNATIVES = frozenset({"$or"})


def mapping(expr: f.Expr | None, function: Function, order: int, depth: int = 0) -> tuple[dict[str, f.Expr], bool]:
    """(what the keys of a mapping are filled with, is that all of it)."""
    if isinstance(expr, f.Name) and depth < _DEPTH:
        bound = [a for a in function.bindings.get(expr.id, ()) if a.order < order]
        later = {
            k: a.value for k, a in flow.item_assigns(function.scope, expr.id) if a.order < order and a.value is not None
        }
        found, whole = mapping(bound[-1].value, function, bound[-1].order, depth + 1) if bound else ({}, False)
        return {**found, **later}, whole
    if isinstance(expr, f.CallRef) and flow.last_name(function.scope.calls[expr.index].func) == "dict":
        call = function.scope.calls[expr.index]
        return {k: v for k, v in call.kwargs if k != "**"}, not call.args and all(k != "**" for k, _ in call.kwargs)
    if not isinstance(expr, f.Dict):
        return {}, False
    literal = {key.value: value for key, value in expr.items if isinstance(key, f.Str)}
    return literal, len(literal) == len(expr.items)


def keys_of(expr: f.Expr | None, function: Function, order: int) -> list[tuple[str, f.Expr]]:
    """What each key is compared with; [] where a range, a state only or an unknown condition is asked for."""
    found, whole = mapping(expr, function, order)
    if not whole:
        return []
    keys: list[tuple[str, f.Expr]] = []
    for key, value in found.items():
        if key in _ALTERNATIVES and isinstance(value, f.Seq):
            inner = [keys_of(item, function, order) for item in value.items]
            if not all(inner):
                return []
            keys += [pair for pairs in inner for pair in pairs]
        elif key.startswith("$") or (isinstance(value, f.Dict) and _compares(value)):
            return []
        else:
            keys.append((key, value))
    return keys


def _compares(value: f.Dict) -> bool:
    """`{"$gt": 3}`; the typed value of an item, `{"S": name}`, is no comparison."""
    return any(isinstance(key, f.Str) and key.value.startswith("$") for key, _ in value.items)


def same_document(keys: list[tuple[str, f.Expr]], document: f.Expr | None, function: Function, order: int) -> bool:
    """Has the new document what was looked for: the same values under the same keys, or is it made of the same things?"""
    filled, whole = mapping(document, function, order)
    asked = [(key, value) for key, value in keys if not isinstance(value, f.Str | f.Const)]
    if any(key in filled for key, _ in asked):
        return all(key not in filled or _same(value, filled[key], function) for key, value in asked)
    if whole:
        return False
    made_of = set(names_under(document, function))
    return any(name in made_of for _, value in asked for name in names_under(value, function))


def _same(one: f.Expr, other: f.Expr, function: Function) -> bool:
    """As written, or made of the same names: `name` and `name.lower()`."""
    texts = [flow.spelled(value, function.scope) for value in (one, other)]
    names = [set(names_under(value, function)) for value in (one, other)]
    return texts[0] == texts[1] or bool(names[0] & names[1])


def names_under(expr: f.Expr | None, function: Function, depth: int = 0) -> Iterator[str]:
    """Names that an expression is made of, through calls and what names were set to; `self` says nothing."""
    for part in flow.walk(expr):
        if isinstance(part, f.Name) and part.id not in {"self", "cls"}:
            yield part.id
            for assign in function.bindings.get(part.id, ())[:3] if depth < _DEPTH else ():
                yield from names_under(assign.value, function, depth + 1)
        if isinstance(part, f.CallRef) and depth < _DEPTH:
            call = function.scope.calls[part.index]
            owner = call.func.value if isinstance(call.func, f.Attr) else None
            for inner in (owner, *call.args, *(value for _, value in call.kwargs)):
                yield from names_under(inner, function, depth + 1)
