"""Conditions that a manager puts under every query that begins with it: `get_queryset()` that filters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.database.conditions import Match

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.database.conditions import ConditionReader
    from roadworthy.project.symbols import CallSite, ClassInfo, Function

_BEGINS = ("get_queryset", "get_query_set")
_LINKS = 12  # of one chain


class ManagedReader:
    """Reads the queries that manager classes of the project begin with; each class once."""

    def __init__(self, conditions: ConditionReader) -> None:
        """`conditions` reads the arguments of filters."""
        self._conditions = conditions
        self._known: dict[ClassInfo, tuple[Match, ...]] = {}

    def of(self, cls: ClassInfo) -> tuple[Match, ...]:
        """The conditions of a manager class and of its bases, as far as they say what a column is; ranges and lists are left out."""
        known = self._known.get(cls)
        if known is None:
            known = self._known[cls] = tuple(self._read(cls))
        return known

    def _read(self, cls: ClassInfo) -> Iterator[Match]:
        for owner in cls.mro:
            method = next((owner.methods[name] for name in _BEGINS if name in owner.methods), None)
            if method is None:
                continue
            returns = [leave for leave in method.scope.leaves if leave.kind == "return" and leave.value is not None]
            if len(returns) != 1:
                return
            calls, further = _chain(returns[0].value, method)
            for site in calls:
                yield from self._conditions_of(site)
            if not further:
                return

    def _conditions_of(self, site: CallSite) -> Iterator[Match]:
        method = flow.last_name(site.fact.func)
        if method not in {"filter", "exclude"}:
            return
        found, exact = self._conditions.of_call(site)
        if method == "exclude":
            found = tuple(_negated(match) for match in found) if exact and len(found) == 1 else ()
        yield from (match for match in found if match.op in {"eq", "null"} and "." not in match.column)


def _negated(match: Match) -> Match:
    """`exclude(deleted=True)` is `filter(deleted=False)`; what other values are left open says nothing."""
    if isinstance(match.value, f.Const) and match.value.kind == "bool":
        opposite = f.Const("bool", match.value.value is not True)
        return Match(match.column, opposite, match.scope, match.op, match.order, match.owner)
    return Match(match.column, match.value, match.scope, "other", match.order, match.owner)


def _chain(expr: f.Expr | None, method: Function) -> tuple[list[CallSite], bool]:
    """(calls of a chain, first to last, does it go on from `super().get_queryset()`)."""
    calls: list[CallSite] = []
    while len(calls) < _LINKS:
        if isinstance(expr, f.Name):
            bound = method.bindings.get(expr.id, [])
            expr = bound[0].value if len(bound) == 1 else None
            continue
        if not isinstance(expr, f.CallRef):
            break
        site = method.calls[expr.index]
        func = site.fact.func
        if flow.last_name(func) in _BEGINS:
            return calls[::-1], True
        calls.append(site)
        expr = func.value if isinstance(func, f.Attr) else None
    return calls[::-1], False
