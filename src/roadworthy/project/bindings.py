"""What an assignment or a parameter gives a name."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project.givens import given
from roadworthy.project.symbols import CallSite, Function, bound_names
from roadworthy.project.values import (
    UNKNOWN,
    ClassValue,
    Container,
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
    from roadworthy.project.handed import Handed

_GIVEN = {
    "perform_create": "serializer_class",
    "perform_update": "serializer_class",
    "form_valid": "form_class",
}  # the framework calls them with the view's own one

Callers = dict[Function, list[tuple[CallSite, bool]]]
"""Function -> its call sites; the flag says that the receiver is implicit."""


class BindingReader:
    """Values of assigned names and of parameters."""

    def __init__(self, evaluator: Evaluator) -> None:
        """`evaluator` answers everything that is not this part's own."""
        self._evaluator = evaluator
        self._callers: Callers | None = None
        self._handed: Handed | None = None
        self._busy: set[tuple[str, int]] = set()

    def use_callers(self, callers: Callers) -> None:
        """From now on a parameter is worth what its callers pass."""
        self._callers = callers

    def use_handed(self, handed: Handed) -> None:
        """From now on it is also worth what is handed along to be passed."""
        self._handed = handed

    def assigned(self, assign: f.Assign, name: str | None, scope: Function) -> Values:
        """What an assignment gives to `name` (None: to its whole target)."""
        if assign.value is None:
            return (
                self._evaluator.annotations.instances(assign.annotation, scope)
                if assign.annotation is not None
                else UNKNOWN
            )
        if assign.op == "for":
            values = self._evaluator.items(self._evaluator.evaluate(assign.value, scope, assign.order), scope)
        elif assign.op == "with":
            values = self._evaluator.entered(assign.value, scope, assign.order)
        elif assign.op == "except":
            values = self._caught(assign.value, scope)
        else:
            values = self._evaluator.evaluate(assign.value, scope, assign.order)
        if name is not None and isinstance(assign.target, f.Seq):
            return self._unpacked(assign.target, values, name, scope)
        if assign.annotation is not None and all(isinstance(v, Literal) and v.value is None for v in values):
            return self._evaluator.annotations.instances(assign.annotation, scope) or values
        return values

    def _caught(self, types: f.Expr, scope: Function) -> Values:
        exprs = types.items if isinstance(types, f.Seq) else (types,)
        found: list[Value] = []
        for expr in exprs:
            for value in self._evaluator.evaluate(expr, scope):
                if isinstance(value, ClassValue):
                    found.append(Instance(value.cls))
                elif isinstance(value, Library):
                    found.append(LibraryObject(value.name))
        return tuple(found[:4])

    def _unpacked(self, target: f.Seq, values: Values, name: str, scope: Function) -> Values:
        found: list[Values] = []
        for index, item in enumerate(target.items):
            if name not in bound_names(item):
                continue
            for value in values:
                if isinstance(value, Container):
                    part = value.positions[index] if index < len(value.positions) else value.items
                elif isinstance(value, LibraryObject) and not isinstance(item, f.Star):
                    part = self._evaluator.items((value,), scope)
                else:
                    continue
                found.append(self._unpacked(item, part, name, scope) if isinstance(item, f.Seq) else part)
        return join(*found)

    def parameter(self, function: Function, name: str) -> Values:
        """What a parameter may be: the receiver, what dependency injection gives, its annotation, its callers' arguments."""
        index = function.parameters[name]
        param = function.scope.params[index]
        if index == 0 and function.is_method and function.cls is not None and not self._evaluator.is_static(function):
            return (
                (ClassValue(function.cls),) if self._evaluator.is_classmethod(function) else (Instance(function.cls),)
            )
        key = (name, id(function))
        if key in self._busy:
            self._evaluator.doubt = True
            return UNKNOWN
        self._busy.add(key)
        try:
            return self._parameter_values(function, param)
        finally:
            self._busy.discard(key)

    def _parameter_values(self, function: Function, param: f.Param) -> Values:
        outer = function.parent or function
        injected = self._evaluator.annotations.injected(param, outer)
        if injected:
            return injected
        annotated = (
            self._evaluator.annotations.instances(param.annotation, outer) if param.annotation is not None else UNKNOWN
        )
        if param.kind == "args":
            annotated = (Container("tuple", annotated),) if annotated else UNKNOWN
        default = self._evaluator.evaluate(param.default, outer) if param.default is not None else UNKNOWN
        default = tuple(v for v in default if not (isinstance(v, Literal) and v.value is None))
        passed = self._passed_by_callers(function, param)
        if not passed and not annotated:
            passed = given(function, param, self._evaluator)
        if not passed and not annotated and function.name in _GIVEN and function.cls is not None:
            return self._evaluator.orm.shown_by(function.cls, option=_GIVEN[function.name])
        if any(isinstance(v, Container) and v.items for v in passed):
            annotated = tuple(v for v in annotated if not _is_any_exceptions(v))
        return join(passed, annotated, default) if passed else join(annotated, default)

    def _passed_by_callers(self, function: Function, param: f.Param) -> Values:
        self._evaluator.doubt = True
        if param.kind == "kwargs":
            return self._named_by_callers(function)
        if self._callers is None or param.kind == "args":
            return UNKNOWN
        found: list[Values] = []
        for site, implicit in self._callers.get(function, ())[:12]:
            expr = argument_for(function, param.name, site, implicit)
            if expr is not None:
                found.append(self._evaluator.evaluate(expr, site.function, site.fact.order))
        also = islice(self._handed.of(function, param.name), 12) if self._handed is not None else ()
        found.extend(self._evaluator.evaluate(handed.expr, handed.scope, handed.order) for handed in also)
        return tuple(v for v in join(*found) if not (isinstance(v, Literal) and v.value is None))

    def _named_by_callers(self, function: Function) -> Values:
        """`**options`: a mapping of the keywords that have no parameter of their own; no keys, as others may pass more."""
        found = [
            self._evaluator.evaluate(expr, site.function, site.fact.order)
            for site, _ in (self._callers or {}).get(function, ())[:12]
            for keyword, expr in site.fact.kwargs
            if keyword != "**" and keyword not in function.parameters
        ]
        values = join(*found)
        return (Container("dict", values),) if values else UNKNOWN


def _is_any_exceptions(value: Value) -> bool:
    """`tuple[type[Exception], ...]` says that they are exceptions, not which: where callers pass a list, that is the list."""
    names = {_class_name(item) for item in value.items} if isinstance(value, Container) else set()
    return bool(names) and names <= {"Exception", "BaseException"}


def _class_name(value: Value) -> str:
    match value:
        case Library(name=name) | LibraryObject(type=name):
            return name.removeprefix("builtins.")
    return ""


def argument_for(function: Function, name: str, site: CallSite, implicit: bool) -> f.Expr | None:
    """The expression that a call passes for a parameter, if it is written there."""
    for keyword, expr in site.fact.kwargs:
        if keyword == name:
            return expr
    index = function.parameters.get(name)
    if index is None or function.scope.params[index].kind != "positional":
        return None
    position = index - 1 if implicit else index
    args = site.fact.args
    if 0 <= position < len(args) and not any(isinstance(a, f.Star) for a in args[: position + 1]):
        return args[position]
    return None
