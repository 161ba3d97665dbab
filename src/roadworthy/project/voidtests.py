"""Retries that are decided by the truth of an error answer, where the client's answers of 400 and above count as false."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.boundaries import is_self_retry
from roadworthy.project.values import LibraryObject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function

_FIRST_ERROR = 400
_ASKS_FOR = frozenset({"==", "in", ">=", ">"})


@dataclass(frozen=True, slots=True)
class VoidTest:
    """`if error.response and error.response.status_code == 503`: never true, as the answer counts as false then."""

    function: Function
    region: int
    answer: str  # as written: `error.response`
    status: str  # what is asked of it: `error.response.status_code == 503`
    type: str  # the library's type of the answer
    repeats: bool  # was the branch to try again? Otherwise it was to give up
    endless: bool  # giving up was the only end of the attempts


def void_tests(model: Model) -> Iterator[VoidTest]:
    """Such tests of reviewed code that decide about another attempt."""
    for function in model.functions:
        for index, region in enumerate(function.scope.regions):
            if region.kind == "if" and isinstance(region.test, f.BoolOp) and region.test.op == "and":
                found = _void(model, function, index, region.test)
                if found is not None:
                    yield found


def _void(model: Model, function: Function, index: int, test: f.BoolOp) -> VoidTest | None:
    for position, item in enumerate(test.items[:-1]):
        answer = _written(item, function)
        status = next(
            (s for s in test.items[position + 1 :] if answer and _asks(model, function, s, answer, index)), None
        )
        made = _false_type(model, function, item, index) if status is not None else ""
        if made:
            decides = _decides(model, function, index)
            if decides is not None:
                return VoidTest(function, index, answer, _asked(status, function), made, *decides)
    return None


def _written(item: f.Expr, function: Function) -> str:
    """`error.response`, also where it is read by `getattr(error, "response", None)`."""
    if isinstance(item, f.CallRef):
        call = function.scope.calls[item.index]
        if isinstance(call.func, f.Name) and call.func.id == "getattr" and len(call.args) > 1:
            name = call.args[1]
            return f"{flow.text_of(call.args[0], function.scope)}.{name.value}" if isinstance(name, f.Str) else ""
        return ""
    return flow.text_of(item, function.scope) if isinstance(item, f.Name | f.Attr) else ""


def _asked(status: f.Expr | None, function: Function) -> str:
    if not isinstance(status, f.Compare):
        return ""
    parts = [
        part
        for op, right in zip(status.ops, status.rights, strict=True)
        for part in (op, flow.text_of(right, function.scope))
    ]
    return " ".join((flow.text_of(status.left, function.scope), *parts))


def _false_type(model: Model, function: Function, item: f.Expr, index: int) -> str:
    """The type of the answer, where all that it may be is an answer that counts as false after an error."""
    values = model.values(item, function, _order(function, index))
    types = {value.type for value in values if isinstance(value, LibraryObject)}
    if len(types) != 1:
        return ""
    found = types.pop()
    row = model.knowledge.type(found)
    return found if row is not None and row.false_after_error else ""


def _order(function: Function, index: int) -> int | None:
    orders = [call.order for call in flow.calls_in(function.scope, index)]
    return min(orders, default=None)


def _asks(model: Model, function: Function, item: f.Expr, answer: str, index: int) -> bool:
    """Is the status asked for one of an error? Whoever handles an exception holds no other answer."""
    if not isinstance(item, f.Compare) or not flow.text_of(item.left, function.scope).startswith(f"{answer}.status"):
        return False
    numbers = [
        part.value
        for right in item.rights
        for part in flow.walk(right)
        if isinstance(part, f.Const) and part.kind == "int"
    ]
    if any(number is None or number < _FIRST_ERROR for number in numbers):
        return False
    handled = any(function.scope.regions[r].kind == "except" for r in flow.ancestors(function.scope, index))
    of_error = handled and "." in answer
    return of_error or (bool(numbers) and set(item.ops) <= _ASKS_FOR)


def _decides(model: Model, function: Function, index: int) -> tuple[bool, bool] | None:
    """(the branch tries again, the attempts have no other end); None where it is not about attempts."""
    scope = function.scope
    here = scope.regions[index]
    loop = flow.loop_of(scope, index)
    retry = model.guards.loop(function, loop) if loop is not None else None
    repeated = retry is not None and retry.kind == "retry"
    if _tries_again(model, function, index, in_retry=repeated):
        return True, False
    if here.exits not in {"raise", "return", "break"}:
        return None
    if repeated and retry is not None:
        return False, not retry.bounded
    handler = next((r for r in flow.ancestors(scope, index) if scope.regions[r].kind == "except"), None)
    around = handler is not None and _asks_queue(model, function, handler)
    return (False, False) if around else None


def _tries_again(model: Model, function: Function, index: int, *, in_retry: bool) -> bool:
    pauses = any(
        e.effect is Effect.SLEEP
        for call in flow.calls_in(function.scope, index)
        for e in model.effects_at(function.site(call))
    )
    goes_on = function.scope.regions[index].exits == "continue"
    return _asks_queue(model, function, index) or (goes_on and (pauses or in_retry)) or (pauses and in_retry)


def _asks_queue(model: Model, function: Function, index: int) -> bool:
    return any(is_self_retry(model, function.site(call)) for call in flow.calls_in(function.scope, index))
