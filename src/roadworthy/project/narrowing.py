"""What `isinstance(x, Order)` says of a name of which nothing else is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.values import UNKNOWN, ClassValue, Instance, Library, LibraryObject, Values

if TYPE_CHECKING:
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import Function

_LEAVES = frozenset({"return", "raise", "continue", "break", "mixed"})
_CLASSES = 4  # of one tuple


class Narrowing:
    """Reads the tests of types that hold at an event of a function."""

    def __init__(self, evaluator: Evaluator) -> None:
        """Classes are names like others."""
        self._evaluator = evaluator
        self._asked: dict[int, frozenset[str]] = {}  # scope -> names of which a type is asked

    def of(self, name: str, scope: Function, order: int | None) -> Values:
        """What a name holds at an event, as far as a test around or before it says so."""
        if order is None or name not in self._names(scope):
            return UNKNOWN
        here = flow.region_at(scope.scope, order)
        bound = max((a.order for a in scope.bindings.get(name, ()) if a.order < order), default=-1)
        for region in flow.ancestors(scope.scope, here):
            found = self._in(name, scope, region, bound, order)
            if found is not None:
                return self._instances(found, scope)
        return UNKNOWN

    def _names(self, scope: Function) -> frozenset[str]:
        known = self._asked.get(id(scope))
        if known is None:
            calls = (c for c in scope.scope.calls if isinstance(c.func, f.Name) and c.func.id == "isinstance")
            asked = (c.args[0] for c in calls if len(c.args) == 2)
            known = self._asked[id(scope)] = frozenset(a.id for a in asked if isinstance(a, f.Name))
        return known

    def _in(self, name: str, scope: Function, region: int, bound: int, order: int) -> f.Expr | None:
        """The classes of a test that holds in a block: its own condition, an `assert` in it, a branch in it that leaves otherwise.

        `bound`: when the name was given its value; what was asked before says nothing of it.
        """
        regions = scope.scope.regions
        own = regions[region]
        if own.kind == "if" and own.start > bound and (found := self._told(own.test, name, scope)) is not None:
            return found
        for test in scope.scope.tests:
            if test.kind == "assert" and test.region == region and bound < test.order < order:
                told = self._told(test.value, name, scope)
                if told is not None:
                    return told
        for part in regions:
            leaves = part.parent == region and part.kind == "if" and part.exits in _LEAVES
            if leaves and bound < part.start and part.end <= order:
                asked = part.test
                otherwise = isinstance(asked, f.Unary) and asked.op == "not"
                told = self._told(asked.value, name, scope) if otherwise and isinstance(asked, f.Unary) else None
                if told is not None:
                    return told
        return None

    def _told(self, test: f.Expr | None, name: str, scope: Function) -> f.Expr | None:
        """The second argument of `isinstance(name, …)`, alone or as one of several conditions that hold together."""
        if isinstance(test, f.BoolOp) and test.op == "and":
            return next((t for item in test.items if (t := self._told(item, name, scope)) is not None), None)
        if not isinstance(test, f.CallRef):
            return None
        call = scope.scope.calls[test.index]
        asks = isinstance(call.func, f.Name) and call.func.id == "isinstance" and len(call.args) == 2
        return call.args[1] if asks and call.args[0] == f.Name(name) else None

    def _instances(self, classes: f.Expr, scope: Function) -> Values:
        items = classes.items[:_CLASSES] if isinstance(classes, f.Seq) else (classes,)
        found: list[Instance | LibraryObject] = []
        for item in items:
            for value in self._evaluator.evaluate(item, scope):
                if isinstance(value, ClassValue):
                    found.append(Instance(value.cls))
                elif isinstance(value, Library) and not value.name.startswith("builtins."):
                    found.append(LibraryObject(value.name))
        return tuple(dict.fromkeys(found))
