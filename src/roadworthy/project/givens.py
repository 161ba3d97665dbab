"""What the project's own decorators hand to the functions that they decorate: `return f(*args, session=session, **kwargs)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project.decorators import decorators_of, wrapped_calls
from roadworthy.project.values import UNKNOWN, Container, Values, join

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, Function


def given(function: Function, param: f.Param, evaluator: Evaluator) -> Values:
    """The values that decorators give a parameter; for `**kwargs` a mapping of those that have no parameter of their own."""
    if not function.scope.decorators:
        return UNKNOWN
    found: dict[str, list[Values]] = {}
    for wrapper, site in _calls(function, evaluator):
        for name, expr in _passed(function, wrapper, site):
            values = evaluator.evaluate(expr, wrapper, site.fact.order)
            if values:
                found.setdefault(name, []).append(values)
    if param.kind != "kwargs":
        return join(*found.get(param.name, ()))
    rest = join(*(join(*values) for name, values in found.items() if name not in function.parameters))
    return (Container("dict", rest),) if rest else UNKNOWN  # no keys: callers pass others, too


def _calls(function: Function, evaluator: Evaluator) -> Iterator[tuple[Function, CallSite]]:
    """Where the wrappers call what they wrap, by its name in the decorator."""
    for decorator in decorators_of(function, evaluator):
        for wrapper, site in wrapped_calls(decorator):
            func = site.fact.func
            if isinstance(func, f.Name) and func.id not in wrapper.parameters:
                yield wrapper, site


def _passed(function: Function, wrapper: Function, site: CallSite) -> Iterator[tuple[str, f.Expr]]:
    """(parameter or key, what the wrapper makes for it); what it only passes on is not its own."""
    own = wrapper.parameters
    names = [param.name for param in function.scope.params if param.kind == "positional"]
    for name, expr in zip(names, site.fact.args, strict=False):
        if isinstance(expr, f.Star):
            break
        if not (isinstance(expr, f.Name) and expr.id in own):
            yield name, expr
    for keyword, expr in site.fact.kwargs:
        if keyword and not (isinstance(expr, f.Name) and expr.id in own):
            yield keyword, expr
    for assign in wrapper.scope.assigns:
        if assign.value is not None and assign.order < site.fact.order:
            key = _key(assign.target, own)
            if key:
                yield key, assign.value


def _key(target: f.Expr, own: Collection[str]) -> str:
    """`kwargs["client"] = …`: the key."""
    if not isinstance(target, f.Sub) or not isinstance(target.value, f.Name) or not isinstance(target.index, f.Str):
        return ""
    return str(target.index.value) if target.value.id in own else ""
