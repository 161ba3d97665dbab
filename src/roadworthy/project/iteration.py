"""What iterating, entering a context, returning and yielding give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project.values import (
    UNKNOWN,
    Container,
    FunctionValue,
    Instance,
    Library,
    LibraryObject,
    Literal,
    Value,
    Values,
    join,
)

if TYPE_CHECKING:
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, ClassInfo, Function


class IterationReader:
    """Items, `with … as` values, return and yield values."""

    def __init__(self, evaluator: Evaluator) -> None:
        """`evaluator` answers everything that is not this part's own."""
        self._evaluator = evaluator
        self._knowledge = evaluator.knowledge
        self._lasting: dict[Function, Values] = {}
        self._passing: dict[Function, Values] = {}
        self._busy: set[tuple[str, int]] = set()

    def forget(self, *, everything: bool = False) -> None:
        """Drop what was computed before more was known, as far as it hangs on that."""
        self._passing.clear()
        if everything:
            self._lasting.clear()

    def items(self, values: Values, scope: Function) -> Values:
        """What iterating over these values gives."""
        found: list[Values] = []
        for value in values:
            match value:
                case Container():
                    found.append(value.items)
                case LibraryObject():
                    made = self._knowledge.type_from_iter(value.type)
                    if value.model is not None and (made in {None, "{model}"} or self._is_kind_of(value.model, made)):
                        found.append((Instance(value.model),))
                    elif made not in {None, "{model}"}:
                        found.append((LibraryObject(str(made), value.site, value.model),))
                case Instance():
                    found.append(self._items_of_instance(value) or self._rows_of(value))
        return join(*found)

    def _is_kind_of(self, model: ClassInfo, base: str | None) -> bool:
        return any(base == own or base in self._knowledge.type_bases(own) for own in model.library_bases)

    def _rows_of(self, value: Instance) -> Values:
        """A query set of the project gives rows of its model."""
        model = value.model or self._evaluator.orm.about(value.cls)
        return (Instance(model),) if model is not None and model is not value.cls else UNKNOWN

    def _items_of_instance(self, value: Instance) -> Values:
        key = ("items", id(value.cls))
        if key in self._busy:
            return UNKNOWN  # `def __aiter__(self) -> Stream: yield …` says that it iterates over itself
        self._busy.add(key)
        try:
            return self._asked_of_class(value)
        finally:
            self._busy.discard(key)

    def _asked_of_class(self, value: Instance) -> Values:
        found: list[Values] = []
        for name in ("__iter__", "__aiter__"):
            method = value.cls.find_method(name)
            if method is not None:
                found.append(self.yields_of(method))
                iterators = tuple(v for v in self.returns_of(method) if isinstance(v, Container | LibraryObject))
                found.append(self.items(iterators, method))
        for name in ("__next__", "__anext__"):
            method = value.cls.find_method(name)
            if method is not None:
                found.append(self.returns_of(method))
        return join(*found)

    def entered(self, expr: f.Expr, scope: Function, order: int | None = None) -> Values:
        """What `with expr as x` binds."""
        if isinstance(expr, f.Await):
            expr = expr.value
        if isinstance(expr, f.CallRef):
            yielded = self._entered_call(scope.calls[expr.index])
            if yielded:
                return yielded
        return join(*[self._entered_value(value) for value in self._evaluator.evaluate(expr, scope, order)])

    def _entered_call(self, site: CallSite) -> Values:
        found: list[Values] = []
        for callee in self._evaluator.callees(site):
            if isinstance(callee, FunctionValue) and self._evaluator.is_context_manager(callee.function):
                found.append(self.yields_of(callee.function))
            elif isinstance(callee, Library):
                made = self._knowledge.type_from_with(callee.name)
                if made is not None:
                    found.append((LibraryObject(made, site, self._evaluator.model_of(callee, site)),))
        return join(*found)

    def _entered_value(self, value: Value) -> Values:
        if isinstance(value, Instance):
            for name in ("__enter__", "__aenter__"):
                method = value.cls.find_method(name)
                if method is not None:
                    return self.returns_of(method) or (value,)
            return (value,)
        if isinstance(value, LibraryObject):
            made = self._knowledge.type_from_with(value.type)
            if made is not None and made != "self":
                return (LibraryObject(made, value.site, value.model),)
        return (value,)

    def returns_of(self, function: Function) -> Values:
        """What calling a function gives (a coroutine: awaited; a generator: the iterator)."""
        known = self._lasting.get(function)
        if known is not None:
            return known
        evaluator = self._evaluator
        known = self._passing.get(function)
        key = ("returns", id(function))
        if known is not None or key in self._busy or len(self._busy) > 40:
            evaluator.doubt = True
            return known or UNKNOWN
        before, evaluator.doubt = evaluator.doubt, False
        self._busy.add(key)
        try:
            result = self._compute_returns(function)
        finally:
            self._busy.discard(key)
        if evaluator.doubt:
            self._passing[function] = result
        else:
            self._lasting[function] = result
            evaluator.doubt = before
        return result

    def _compute_returns(self, function: Function) -> Values:
        if function.scope.is_generator:
            return (Container("iter", self.yields_of(function)),)
        found = [
            self._evaluator.evaluate(leave.value, function, leave.order)
            for leave in function.scope.leaves
            if leave.kind == "return" and leave.value is not None
        ]
        values = tuple(v for v in join(*found) if not (isinstance(v, Literal) and v.value is None))
        informative = tuple(v for v in values if not (isinstance(v, Library) and v.receiver is None))
        if informative:
            return values
        annotated = (
            self._evaluator.annotations.instances(function.scope.returns, function)
            if function.scope.returns
            else UNKNOWN
        )
        return annotated or values

    def yields_of(self, function: Function) -> Values:
        """What a generator yields, also through `yield from`; what a method that gives an iterator says of its items."""
        key = ("yields", id(function))
        if key in self._busy:  # `def __aiter__(self) -> Stream`: its items are those of the object itself
            return UNKNOWN
        self._busy.add(key)
        try:
            return self._compute_yields(function)
        finally:
            self._busy.discard(key)

    def _compute_yields(self, function: Function) -> Values:
        found = [
            self._evaluator.evaluate(leave.value, function, leave.order)
            for leave in function.scope.leaves
            if leave.kind == "yield" and leave.value is not None
        ]
        values = join(*found)
        if not values and function.scope.returns is not None:
            return self.items(self._evaluator.annotations.instances(function.scope.returns, function), function)
        return values
