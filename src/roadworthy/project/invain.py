"""Time limits that are set where nothing reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.mentions import mentions
from roadworthy.project.once import once
from roadworthy.project.values import Instance, LibraryObject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, ClassInfo, Function

_NONE = re.compile(r"\bis None\b|\bis not None\b|\bor\b|== None|!= None")


@dataclass(frozen=True, slots=True)
class InVain:
    """A limit that has no effect."""

    function: Function
    line: int
    end_line: int
    what: str  # as written: `session.timeout`, `kwargs.get()`
    type: str  # of the library
    argument: str  # "" for an attribute; else what the library hands over in any case


def limits_in_vain(model: Model) -> Iterator[InVain]:
    """Attributes that a client does not have, and defaults for an argument that is always given."""
    for function in model.functions:
        for assign in function.scope.assigns:
            if isinstance(assign.target, f.Attr) and assign.op == "=" and "timeout" in assign.target.name:
                kind = _unread(model, function, assign.target)
                if kind and not _has_adapter(model, function) and not _is_read(model, assign.target, function):
                    what = flow.text_of(assign.target, function.scope)
                    yield InVain(function, assign.line, assign.end_line, what, kind, "")
    for cls in model.symbols.classes:
        if model.is_reviewed(cls.path):
            yield from _defaults(model, cls)


# --- attributes -------------------------------------------------------------------------------------------------------


def _unread(model: Model, function: Function, target: f.Attr) -> str:
    """The library's type, whose attribute of that name nothing reads; "" for any other object."""
    values = model.values(target.value, function)
    kinds = [value.type for value in values if isinstance(value, LibraryObject)]
    if not kinds or len(kinds) != len(values):
        return ""
    rows = [model.knowledge.type(kind) for kind in kinds]
    return kinds[0] if all(row is not None and target.name in row.unread for row in rows) else ""


def _has_adapter(model: Model, function: Function) -> bool:
    """Something that deals with limits is put on a client here, too."""
    for site in function.calls:
        for expr in (*site.fact.args, *(value for _, value in site.fact.kwargs)):
            if any(isinstance(v, Instance) and mentions(v.cls, "timeout") for v in model.values(expr, function)):
                return True
    return False


def _is_read(model: Model, target: f.Attr, function: Function) -> bool:
    """The project reads it itself: `session.get(url, timeout=session.timeout)`."""
    owner = flow.text_of(target.value, function.scope).rpartition(".")[2]
    return (owner, target.name) in _handed_on(model)


@once
def _handed_on(model: Model) -> frozenset[tuple[str, str]]:
    """(owner, attribute) of everything with a limit in its name that a call is given, or that is assigned elsewhere."""
    found: set[tuple[str, str]] = set()
    for function in model.functions:
        scope = function.scope
        exprs = [value for call in scope.calls for value in (*call.args, *(v for _, v in call.kwargs))]
        exprs.extend(assign.value for assign in scope.assigns if assign.value is not None)
        for expr in exprs:
            for part in flow.walk(expr):
                if isinstance(part, f.Attr) and "timeout" in part.name:
                    found.add((flow.text_of(part.value, scope).rpartition(".")[2], part.name))
    return frozenset(found)


# --- defaults ---------------------------------------------------------------------------------------------------------


def _defaults(model: Model, cls: ClassInfo) -> Iterator[InVain]:
    """`kwargs.get("timeout", 5)` in a method to which the library always hands the argument, None if need be."""
    for base in cls.library_bases:
        row = model.knowledge.type(base)
        for entry in row.always_given if row is not None else ():
            method, _, argument = entry.partition(" ")
            function = cls.methods.get(method)
            if function is None or _asks_for_none(function, argument):
                continue
            site = next((s for s in function.calls if _gives_default(s, function, argument)), None)
            if site is not None:
                what = f"{flow.text_of(site.fact.func, function.scope)}()"
                yield InVain(function, site.line, site.fact.end_line, what, base, argument)
        if row is not None and row.always_given:
            return


def _gives_default(site: CallSite, function: Function, argument: str) -> bool:
    func = site.fact.func
    if not isinstance(func, f.Attr) or func.name not in {"get", "setdefault", "pop"} or len(site.fact.args) != 2:
        return False
    first = site.fact.args[0]
    spread = any(
        p.kind == "kwargs" and isinstance(func.value, f.Name) and p.name == func.value.id for p in function.scope.params
    )
    return spread and isinstance(first, f.Str) and first.value == argument


def _asks_for_none(function: Function, argument: str) -> bool:
    """`if kwargs["timeout"] is None: …`, `kwargs.get("timeout", 5) or 5`: it deals with the None, too."""
    scope = function.scope
    exprs = [region.test for region in scope.regions if region.test is not None]
    exprs.extend(assign.value for assign in scope.assigns if assign.value is not None)
    texts = [flow.every_text(expr, scope) for expr in exprs]
    return any(argument in text and _NONE.search(text) for text in texts)
