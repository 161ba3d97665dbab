"""Attributes that somebody else puts on an object: `context.session = session` in the function that starts the work."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project.values import (
    UNKNOWN,
    ClassValue,
    FunctionValue,
    Instance,
    LibraryObject,
    Values,
    join,
)

if TYPE_CHECKING:
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import Function

_MANY = 12  # a name that is set in more places is too common to say anything


class OutsideAttributes:
    """What a class of the project has from others, where it says nothing of the attribute itself, or only that it is None at first."""

    def __init__(self, evaluator: Evaluator) -> None:
        """The assignments are looked for at the first question."""
        self._evaluator = evaluator
        self._assigns: dict[str, list[tuple[Function, f.Assign, f.Expr]]] | None = None

    def of(self, owner: Instance, name: str) -> Values:
        """The live objects that are put there; plain values are left to who reads them."""
        places = self._places().get(name, ())
        if not places or len(places) > _MANY:
            return UNKNOWN
        found = [
            self._evaluator.assigned(assign, None, function)
            for function, assign, base in places
            if self._is_one(owner, self._evaluator.evaluate(base, function, assign.order))
        ]
        return tuple(v for v in join(*found) if isinstance(v, Instance | LibraryObject | FunctionValue | ClassValue))

    def _is_one(self, owner: Instance, bases: Values) -> bool:
        return any(
            isinstance(base, Instance) and (base.cls in owner.cls.mro or owner.cls in base.cls.mro) for base in bases
        )

    def _places(self) -> dict[str, list[tuple[Function, f.Assign, f.Expr]]]:
        if self._assigns is None:
            self._assigns = defaultdict(list)
            for function in self._evaluator.symbols.functions:
                own = function.scope.params[0].name if function.is_method and function.scope.params else ""
                for assign in function.scope.assigns:
                    target = assign.target
                    if assign.op != "=" or not isinstance(target, f.Attr):
                        continue
                    if not (isinstance(target.value, f.Name) and target.value.id == own):
                        self._assigns[target.name].append((function, assign, target.value))
        return self._assigns
