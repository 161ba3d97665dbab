"""Which names and calls of one function hold a value or something made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.symbols import bound_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.symbols import CallSite


class Carried:
    """Starts from names and calls (by index) and follows assignments and calls to what is made of them."""

    def __init__(self, scope: f.Scope, names: set[str], calls: set[int] | None = None) -> None:
        """`names` and `calls` hold the value; `spread` adds what is made of it."""
        self.scope = scope
        self.names = set(names)
        self.calls = set(calls or ())

    def holds(self, expr: f.Expr | None) -> bool:
        """Does the expression mention the value?"""
        return any(
            (isinstance(part, f.CallRef) and part.index in self.calls)
            or (isinstance(part, f.Name) and part.id in self.names)
            for part in flow.walk(expr)
        )

    def takes(self, site: CallSite) -> bool:
        """Is the value an argument or the receiver of a call?"""
        return any(self.holds(expr) for expr in _inputs(site.fact))

    def spread(self, rounds: int = 5) -> None:
        """Everything that is made of it."""
        for _ in range(rounds):
            before = (len(self.names), len(self.calls))
            for assign in self.scope.assigns:
                if assign.op != "except" and self.holds(assign.value):
                    self.names.update(n for n in bound_names(assign.target) if n not in {"self", "cls"})
            for region in self.scope.regions:
                if region.kind in {"for", "comprehension"} and region.target is not None and self.holds(region.test):
                    self.names.update(bound_names(region.target))
            for index, call in enumerate(self.scope.calls):
                if any(self.holds(expr) for expr in _inputs(call)):
                    self.calls.add(index)
            if before == (len(self.names), len(self.calls)):
                return

    def trace_back(self) -> None:
        """What it was made of, and then everything that is made of that."""
        for _ in range(3):
            for assign in self.scope.assigns:
                if any(name in self.names for name in bound_names(assign.target)):
                    for part in flow.walk(assign.value):
                        if isinstance(part, f.Name) and part.id not in {"self", "cls"}:
                            self.names.add(part.id)
                        elif isinstance(part, f.CallRef):
                            self.calls.add(part.index)
        self.spread()


def _inputs(call: f.Call) -> Iterator[f.Expr]:
    if isinstance(call.func, f.Attr):
        yield call.func.value
    yield from call.args
    yield from (value for _, value in call.kwargs)
