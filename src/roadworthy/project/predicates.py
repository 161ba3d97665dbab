"""What a predicate repeats that only asks for the kind of an error: `lambda e: isinstance(e, (Timeout, ConnectionError))`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.exceptions import Exceptions
    from roadworthy.project.symbols import Function


def kinds_asked_for(predicate: Function, exceptions: Exceptions) -> tuple[str, ...]:
    """The errors beyond which it says no; nothing when it may say yes for another reason, too.

    `isinstance(e, A) and e.status == 429` asks for less than A, but for nothing else."""
    scope = predicate.scope
    if not scope.params:
        return ()
    error = scope.params[-1].name
    found: dict[str, None] = {}
    for leave in scope.leaves:
        if leave.kind != "return":
            continue
        exprs = _asked(leave.value, predicate, error)
        if exprs is None:
            exprs = _tested(leave, predicate, error)
        if exprs is None:
            return ()
        found |= dict.fromkeys(exceptions.types(tuple(exprs), predicate))
    return tuple(found)


def _asked(value: f.Expr | None, predicate: Function, error: str) -> list[f.Expr] | None:
    """The classes without one of which an expression is false; None: it may be true without them."""
    match value:
        case None | f.Const(value=False | None):
            return []
        case f.CallRef():
            return _of_call(predicate.scope.calls[value.index], predicate, error)
        case f.BoolOp(op="and"):
            parts = [_asked(part, predicate, error) for part in value.items]
            return next((part for part in parts if part is not None), None)
        case f.BoolOp(op="or"):
            parts = [_asked(part, predicate, error) for part in value.items]
            known = [part for part in parts if part is not None]
            return [expr for part in known for expr in part] if len(known) == len(parts) else None
    return None


def _of_call(call: f.Call, predicate: Function, error: str) -> list[f.Expr] | None:
    if isinstance(call.func, f.Name) and call.func.id == predicate.name:
        return []  # the same question about the cause
    asks = isinstance(call.func, f.Name) and call.func.id == "isinstance" and len(call.args) == 2
    about = call.args[0] if asks else None
    return [call.args[1]] if isinstance(about, f.Name) and about.id == error else None


def _tested(leave: f.Leave, predicate: Function, error: str) -> list[f.Expr] | None:
    """`if isinstance(e, A): return True`: the tests under which it says yes."""
    for test in _ifs(leave, predicate.scope):
        exprs = _asked(test, predicate, error)
        if exprs:
            return exprs
    return None


def _ifs(leave: f.Leave, scope: f.Scope) -> Iterator[f.Expr]:
    for region in flow.ancestors(scope, leave.region):
        here = scope.regions[region]
        if here.kind == "if" and here.test is not None:
            yield here.test
