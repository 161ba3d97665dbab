"""Functions that make an object of the class that they are given: `def get(ref, kind): return ref or kind()`.

What a parameter may be is known of all callers together, and of many only the first few; what this caller gets is what it gave.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project.bindings import argument_for
from roadworthy.project.values import UNKNOWN, ClassValue, FunctionValue, Instance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, Function
    from roadworthy.project.values import Values


class Factories:
    """Which parameter of a function is the class of what it returns."""

    def __init__(self, evaluator: Evaluator) -> None:
        """Each function is looked at once."""
        self._evaluator = evaluator
        self._classes: dict[Function, str] = {}

    def made(self, callee: FunctionValue, site: CallSite) -> Values:
        """The object of the class that this very call gives; nothing where the function is no such factory."""
        function = callee.function
        if not function.scope.params:
            return UNKNOWN
        name = self._classes.get(function)
        if name is None:
            name = self._classes[function] = next(_made_of(function), "")
        if not name:
            return UNKNOWN
        bound = function.is_method and callee.receiver is not None and not self._evaluator.is_static(function)
        expr = argument_for(function, name, site, bound)
        given = self._evaluator.evaluate(expr, site.function, site.fact.order) if expr is not None else UNKNOWN
        return tuple(Instance(value.cls, site) for value in given if isinstance(value, ClassValue))


def _made_of(function: Function) -> Iterator[str]:
    """Parameters that are called to make what is returned; the first of a method is its own class, and is known."""
    names = list(function.parameters)[1 if function.is_method else 0 :]
    for leave in function.scope.leaves:
        if leave.kind != "return":
            continue
        made = [leave.value]
        if isinstance(leave.value, f.Name):
            made = [assign.value for assign in function.bindings.get(leave.value.id, ())]
        for expr in made:
            func = function.scope.calls[expr.index].func if isinstance(expr, f.CallRef) else None
            if isinstance(func, f.Name) and func.id in names and func.id not in function.bindings:
                yield func.id
