"""What a function is given when somebody else calls it for the caller: `to_thread(fetch, session)`, `again(fetch, args=(session,))`."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import bindings
from roadworthy.project.arguments import argument
from roadworthy.project.values import FunctionValue, Instance, LibraryObject, Partial

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from roadworthy.knowledge.index import Knowledge
    from roadworthy.project.bindings import Callers
    from roadworthy.project.calls import Resolution
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, Function
    from roadworthy.project.values import Value

_CALLS_WITH_THE_REST = frozenset({"thread", "process", "task", "background", "inline"})
"""Spawners that call with the arguments behind the callable. A timer's are its trigger, a job's are data."""
_LISTED = {
    "args": "kwargs",
    "fargs": "fkwargs",
}  # `Thread(target=f, args=(a,), kwargs={…})`, `retry_call(f, fargs=(a,))`
_MANY = 24  # callers of a function that runs what it is given
_LEVELS = 2


@dataclass(frozen=True, slots=True)
class Given:
    """An expression and where it is written."""

    expr: f.Expr
    scope: Function
    order: int


@dataclass(frozen=True, slots=True)
class Passing:
    """The arguments of one call that is made for somebody; what is not known ends the positional ones."""

    args: tuple[Given, ...]
    kwargs: tuple[tuple[str, Given], ...]

    def value_of(self, function: Function, name: str, skipped: int) -> Given | None:
        """What is given for a parameter, after `skipped` ones that are filled otherwise."""
        for keyword, given in self.kwargs:
            if keyword == name:
                return given
        index = function.parameters[name]
        position = index - skipped
        known = function.scope.params[index].kind == "positional" and 0 <= position < len(self.args)
        return self.args[position] if known else None


class Handed:
    """Which arguments reach a function through the calls that run it: of libraries, of the project, and `partial`."""

    def __init__(
        self,
        resolutions: Mapping[CallSite, Resolution],
        knowledge: Knowledge,
        evaluator: Evaluator,
        callers: Callers,
    ) -> None:
        """Everything is read once."""
        self._resolutions = resolutions
        self._knowledge = knowledge
        self._evaluator = evaluator
        self._callers = callers
        self._passed: dict[Function, list[tuple[Passing, int]]] = defaultdict(list)
        for site in resolutions:
            for expr, passing in self._calls_made(site):
                self._bind(Given(expr, site.function, site.fact.order), passing, 0)

    def of(self, function: Function, name: str) -> Iterator[Given]:
        """Everything that a parameter is given in this way."""
        for passing, skipped in self._passed.get(function, ()):
            given = passing.value_of(function, name, skipped)
            if given is not None:
                yield given

    # --- calls that call ----------------------------------------------------------------------------------------------

    def _calls_made(self, site: CallSite) -> Iterator[tuple[f.Expr, Passing]]:
        """(callable, the arguments with which it is called)."""
        func, scope = site.fact.func, site.function
        if isinstance(func, f.Name) and func.id in scope.parameters and func.id not in scope.bindings:
            yield func, _passing(site, site.fact.args, site.fact.kwargs)
        for library in self._resolutions[site].libraries:
            if library.name == "functools.partial" and site.fact.args:
                yield site.fact.args[0], _passing(site, site.fact.args[1:], site.fact.kwargs)
            for row in self._knowledge.spawners(library.name):
                expr = None if row.receiver or row.kind not in _CALLS_WITH_THE_REST else argument(site.fact, row.runs)
                if isinstance(expr, f.Name | f.Attr | f.CallRef):
                    yield expr, _behind(expr, site)

    def _bind(self, called: Given, passing: Passing, level: int) -> None:
        expr, scope = called.expr, called.scope
        if isinstance(expr, f.Name) and expr.id in scope.parameters and expr.id not in scope.bindings:
            for site, implicit in self._callers.get(scope, ())[:_MANY] if level < _LEVELS else ():
                lifted = bindings.argument_for(scope, expr.id, site, implicit)
                if lifted is not None:
                    given = Given(lifted, site.function, site.fact.order)
                    self._bind(given, _lifted(passing, scope, site, implicit), level + 1)
            return
        if isinstance(expr, f.Name | f.Attr) or (
            isinstance(expr, f.CallRef) and self._is_partial(scope.calls[expr.index])
        ):
            for value in self._evaluator.evaluate(expr, scope, called.order):
                for known in self._written_out(passing):
                    self._give(value, known)

    def _written_out(self, passing: Passing) -> Iterator[Passing]:
        """`*args` of the function that passes them on, as each of its callers fills them."""
        last = passing.args[-1] if passing.args else None
        if last is None or not isinstance(last.expr, f.Star) or not _is_rest(last.expr.value, last.scope):
            yield passing
            return
        for site, implicit in self._callers.get(last.scope, ())[:_MANY]:
            yield _lifted(passing, last.scope, site, implicit)

    def _is_partial(self, site: CallSite) -> bool:
        return any(library.name == "functools.partial" for library in self._resolutions[site].libraries)

    def _give(self, value: Value, passing: Passing) -> None:
        filled = 0
        if isinstance(value, Partial):
            filled = len(value.site.fact.args) - 1
            value = value.target
        if isinstance(value, FunctionValue) and (passing.args or passing.kwargs):
            self._passed[value.function].append((passing, filled + self._has_receiver(value)))

    def _has_receiver(self, value: FunctionValue) -> bool:
        function = value.function
        if not function.is_method or self._evaluator.is_static(function):
            return False
        return isinstance(value.receiver, Instance | LibraryObject) or self._evaluator.is_classmethod(function)


def _passing(site: CallSite, args: tuple[f.Expr, ...], kwargs: tuple[tuple[str, f.Expr], ...]) -> Passing:
    order = site.fact.order
    return Passing(
        tuple(Given(expr, site.function, order) for expr in args),
        tuple((keyword, Given(expr, site.function, order)) for keyword, expr in kwargs),
    )


def _behind(expr: f.Expr, site: CallSite) -> Passing:
    """The arguments that stand behind the callable, or in `args=` and `kwargs=`."""
    given = dict(site.fact.kwargs)
    for name, mapping in _LISTED.items():
        if name in given or mapping in given:
            listed, named = given.get(name), given.get(mapping)
            args = listed.items if isinstance(listed, f.Seq) else ()
            return _passing(site, args, _items(named))
    position = next((i for i, arg in enumerate(site.fact.args) if arg is expr), None)
    if position is None:
        return Passing((), ())
    return _passing(site, site.fact.args[position + 1 :], site.fact.kwargs)


def _items(expr: f.Expr | None) -> tuple[tuple[str, f.Expr], ...]:
    """The named values of a mapping that is written out."""
    if not isinstance(expr, f.Dict):
        return ()
    return tuple((key.value, value) for key, value in expr.items if isinstance(key, f.Str))


def _lifted(passing: Passing, scope: Function, site: CallSite, implicit: bool) -> Passing:
    """The same arguments as one caller of `scope` fills them."""
    args: list[Given] = []
    for given in passing.args:
        if isinstance(given.expr, f.Star):
            args.extend(_spread(given.expr.value, scope, site, implicit))
            break
        args.append(_from_caller(given, scope, site, implicit))
    kwargs: list[tuple[str, Given]] = []
    for keyword, given in passing.kwargs:
        if keyword == "**":
            kwargs.extend(_spread_named(given.expr, scope, site, implicit))
        else:
            kwargs.append((keyword, _from_caller(given, scope, site, implicit)))
    return Passing(tuple(args), tuple(kwargs))


def _from_caller(given: Given, scope: Function, site: CallSite, implicit: bool) -> Given:
    expr = given.expr
    if isinstance(expr, f.Name) and expr.id in scope.parameters and expr.id not in scope.bindings:
        passed = bindings.argument_for(scope, expr.id, site, implicit)
        if passed is not None:
            return Given(passed, site.function, site.fact.order)
    return given


def _spread(expr: f.Expr, scope: Function, site: CallSite, implicit: bool) -> Iterator[Given]:
    """`*args`: what the caller passes beyond the named parameters, or in the list that it gives."""
    if not isinstance(expr, f.Name) or expr.id not in scope.parameters:
        return
    if _is_rest(expr, scope):
        named = sum(param.kind == "positional" for param in scope.scope.params) - implicit
        found: tuple[f.Expr, ...] = site.fact.args[named:]
    else:
        listed = bindings.argument_for(scope, expr.id, site, implicit)
        found = listed.items if isinstance(listed, f.Seq) else ()
        if listed is not None and _is_rest(listed, site.function):
            yield Given(f.Star(listed), site.function, site.fact.order)
    for item in found:
        if isinstance(item, f.Star):
            return
        yield Given(item, site.function, site.fact.order)


def _is_rest(expr: f.Expr, scope: Function) -> bool:
    """Is it the `args` of `def f(*args)`?"""
    return (
        isinstance(expr, f.Name)
        and expr.id in scope.parameters
        and scope.scope.params[scope.parameters[expr.id]].kind == "args"
    )


def _spread_named(expr: f.Expr, scope: Function, site: CallSite, implicit: bool) -> Iterator[tuple[str, Given]]:
    """`**kwargs`: the keywords that the caller passes beyond the named parameters, or the mapping that it gives."""
    if not isinstance(expr, f.Name) or expr.id not in scope.parameters:
        return
    if scope.scope.params[scope.parameters[expr.id]].kind == "kwargs":
        found = tuple((k, v) for k, v in site.fact.kwargs if k != "**" and k not in scope.parameters)
    else:
        found = _items(bindings.argument_for(scope, expr.id, site, implicit))
    for keyword, value in found:
        yield keyword, Given(value, site.function, site.fact.order)
