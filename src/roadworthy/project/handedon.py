"""Files that one helper writes and another reads because their caller hands the path from the one to the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.bindings import argument_for
from roadworthy.project.filekeys import keys_of
from roadworthy.project.fresh import is_fresh

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.files import FileAccess
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_LEVELS = 4  # helpers that a path goes through
_CALLERS = 20


def is_handed_on(written: FileAccess, read: FileAccess, key: str, model: Model) -> bool:
    """`shrink(path)` and then `upload(path)`: wherever the reader is given what the writer wrote, the writer ran just before it."""
    if written.function is read.function:
        return False
    writes = list(_givers(written.target, written.function, model))
    handed = False
    for giver, later, path in _givers(read.target, read.function, model):
        same = [site for other, site, place in writes if other is giver and _text(place, other) == _text(path, giver)]
        if not same and _names(path, giver, key, model):
            return False  # somebody else reads this very file
        if same and not any(site.fact.order < later.fact.order for site in same):
            return False
        handed = handed or bool(same)
    return handed


def _names(path: f.Expr, function: Function, key: str, model: Model) -> bool:
    """Does a function name the file itself, and not one of the run?"""
    if isinstance(path, f.Name) and path.id in function.parameters and path.id not in function.bindings:
        return False
    return key in keys_of(path, function, 1, model) and not is_fresh(path, function)


def _text(path: f.Expr, function: Function) -> str:
    return flow.text_of(path, function.scope)


def _givers(
    target: f.Expr, function: Function, model: Model, depth: int = 0
) -> Iterator[tuple[Function, CallSite, f.Expr]]:
    """(function, call, path) of everyone who names the file for a helper that is given its path."""
    if not isinstance(target, f.Name) or target.id not in function.parameters or depth >= _LEVELS:
        return
    for edge in model.edges_to(function)[:_CALLERS]:
        resolution = model.graph.resolutions.get(edge.site)
        implicit = resolution.implicit if resolution is not None else False
        expr = argument_for(function, target.id, edge.site, implicit) if edge.kind == "call" else None
        if expr is None:
            continue
        caller = edge.site.function
        yield caller, edge.site, expr
        yield from _givers(expr, caller, model, depth + 1)
