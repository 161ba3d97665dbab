"""Which errors a retry of the project repeats for one of its users, where that user names them: `again(fetch, on=(A, B))`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.bindings import argument_for

if TYPE_CHECKING:
    from roadworthy.project.calls import Resolution
    from roadworthy.project.exceptions import Exceptions
    from roadworthy.project.loops import Loop
    from roadworthy.project.symbols import CallSite, Function


def chosen_errors(
    function: Function, loop: Loop, user: CallSite, resolution: Resolution, exceptions: Exceptions
) -> tuple[str, ...] | None:
    """The errors at which a loop goes on when `user` calls what it stands in; None where that does not depend on the user."""
    found: dict[str, None] = {}
    chosen = False
    for tried in loop.tries:
        for region in flow.handlers_of(function.scope, tried):
            handler = exceptions.handler(function, region)
            if handler.raises:
                continue
            exprs = function.scope.regions[region].types
            named = [_given(expr, function, user, resolution) for expr in exprs]
            chosen = chosen or any(given is not None for given in named)
            for expr, given in zip(exprs, named, strict=True):
                found |= dict.fromkeys(
                    exceptions.types((given or (expr, function))[:1], (given or (expr, function))[1])
                )
            if not exprs:
                found["BaseException"] = None
    return tuple(found) if chosen else None


def _given(expr: f.Expr, function: Function, user: CallSite, resolution: Resolution) -> tuple[f.Expr, Function] | None:
    """What the user passes for the parameter that a handler names, or its default."""
    scope: Function | None = function
    while scope is not None and isinstance(expr, f.Name) and expr.id not in scope.parameters:
        if expr.id in scope.bindings:
            return None
        scope = scope.parent
    if scope is None or not isinstance(expr, f.Name) or expr.id in scope.bindings or scope not in resolution.functions:
        return None
    passed = argument_for(scope, expr.id, user, resolution.implicit)
    if passed is not None:
        return passed, user.function
    default = scope.scope.params[scope.parameters[expr.id]].default
    spread = any(k == "**" for k, _ in user.fact.kwargs) or any(isinstance(a, f.Star) for a in user.fact.args)
    return (default, scope.parent or scope) if default is not None and not spread else None
