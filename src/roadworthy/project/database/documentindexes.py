"""Over which keys of documents the project itself makes a unique index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.once import once

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function

_UNIQUE = "unique"
_MAKES = frozenset({"create_index", "ensure_index", "IndexModel"})
_UNKNOWN = "*"  # of an index that is made by a name: it may be over any key


@once
def unique_document_keys(model: Model) -> frozenset[str]:
    """Every key that a call or a description names beside `unique`."""
    found: set[str] = set()
    for function in dict.fromkeys(site.function for site in model.sites()):
        for call in function.scope.calls:
            if flow.last_name(call.func) in _MAKES and _unique_argument(call):
                inner = set(_strings(call.args[:1], function))
                found |= inner or {_UNKNOWN}
        for expr in _displays(function):
            if any(_is_unique(part) for part in flow.walk(expr)):
                found |= set(_strings((expr,), function))
    return frozenset(found)


def is_indexed(model: Model, keys: tuple[str, ...]) -> bool:
    """May the database refuse a second document with these values?"""
    indexed = unique_document_keys(model)
    return _UNKNOWN in indexed or bool(indexed & set(keys))


def _displays(function: Function) -> Iterator[f.Expr]:
    """Lists and mappings that are assigned or given: `INDEXES = [{"fields": ["email"], "unique": True}]`."""
    values = [assign.value for assign in function.scope.assigns]
    values += [value for call in function.scope.calls for value in (*call.args, *(v for _, v in call.kwargs))]
    values += [leave.value for leave in function.scope.leaves]
    yield from (value for value in values if isinstance(value, f.Dict | f.Seq))


def _unique_argument(call: f.Call) -> bool:
    return any(keyword == _UNIQUE and value == f.Const("bool", True) for keyword, value in call.kwargs)


def _is_unique(part: f.Expr) -> bool:
    return isinstance(part, f.Dict) and any(k == f.Str(_UNIQUE) and v == f.Const("bool", True) for k, v in part.items)


def _strings(exprs: tuple[f.Expr, ...], function: Function) -> Iterator[str]:
    for expr in exprs:
        yield from flow.strings_of(expr)
        if isinstance(expr, f.Name):
            for assign in function.bindings.get(expr.id, ()):
                yield from flow.strings_of(assign.value) if assign.value is not None else ()
