"""Decorators of the project: the functions that they put around what they decorate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project.values import FunctionValue, Partial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.calls import CallGraph
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, Function


def wrappers_of(function: Function, evaluator: Evaluator) -> tuple[Function, ...]:
    """Functions that run around a decorated function, by the project's own decorators."""
    decorators = decorators_of(function, evaluator)
    return tuple(dict.fromkeys(wrapper for decorator in decorators for wrapper, _ in wrapped_calls(decorator)))


def wrapped_calls(decorator: Function) -> Iterator[tuple[Function, CallSite]]:
    """(wrapper, call of the wrapped function) for each place where a decorator's inner function calls its parameter."""
    stack = [(decorator, frozenset(decorator.parameters))]
    while stack:
        function, names = stack.pop()
        for children in function.children.values():
            for child in children:
                if child.kind != "function":
                    continue
                for site in child.calls:
                    func = site.fact.func
                    given = (*site.fact.args, *(value for _, value in site.fact.kwargs))
                    passes = any(
                        (isinstance(a, f.Name) and a.id in names and a.id not in child.parameters)
                        or (isinstance(a, f.LambdaRef) and _calls_any(child.module.functions[a.scope], names))
                        for a in given
                    )
                    if (isinstance(func, f.Name) and func.id in names and func.id not in child.parameters) or passes:
                        yield child, site
                stack.append((child, names | frozenset(child.parameters)))


def _calls_any(body: Function, names: frozenset[str]) -> bool:
    """`lambda: func(*args)`: a hook or a pool is given the wrapped function."""
    return any(isinstance(site.fact.func, f.Name) and site.fact.func.id in names for site in body.calls)


def decorators_of(function: Function, evaluator: Evaluator) -> Iterator[Function]:
    """The project's own functions that decorate a function."""
    outer = function.parent
    if outer is None:
        return
    for expr in function.scope.decorators:
        for value in evaluator.decorator_values(expr, outer):
            target = value.target if isinstance(value, Partial) else value
            if isinstance(target, FunctionValue):
                yield target.function


def made_to_order(decorator: Function) -> Iterator[CallSite]:
    """`return tenacity.retry(…)(func)` and `return retry(…)`: calls that may make the guard that the decorator puts around a function."""
    for site in decorator.calls:
        if site.fact.use in {"returned", "assigned"} or site.fact.outer >= 0:
            yield site
    for children in decorator.children.values():
        for child in children:
            if child.kind == "function":
                yield from _applied(child)


def _applied(decorate: Function) -> Iterator[CallSite]:
    """`def decorate(func): return tenacity.retry(…)(func)` inside a decorator with arguments."""
    for call in decorate.scope.calls:
        given = any(isinstance(arg, f.Name) and arg.id in decorate.parameters for arg in call.args)
        if given and isinstance(call.func, f.CallRef):
            yield decorate.calls[call.func.index]


def handed_on(decorator: Function, graph: CallGraph) -> Iterator[Function]:
    """`def again(func): return for_coroutines(func)`: functions of the project that do the decorating for a decorator."""
    within = [(decorator, frozenset(decorator.parameters))]
    within += [
        (child, frozenset(child.parameters))
        for children in decorator.children.values()
        for child in children
        if child.kind == "function"
    ]
    for function, names in within:
        for site in function.calls:
            given = (*site.fact.args, *(value for _, value in site.fact.kwargs))
            if site.fact.use == "returned" and any(isinstance(a, f.Name) and a.id in names for a in given):
                yield from (fn for fn in graph.resolutions[site].functions if fn is not decorator and fn.children)


def maker_of(site: CallSite) -> CallSite | None:
    """The call that made what is called here: `retry(…)(f)`, or `again = retry(…)` and then `again(f)`."""
    func, scope = site.fact.func, site.function
    made = scope.bindings.get(func.id, ()) if isinstance(func, f.Name) else ()
    maker = made[0].value if len(made) == 1 and made[0].op == "=" else func
    return scope.calls[maker.index] if isinstance(maker, f.CallRef) else None
