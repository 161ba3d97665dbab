"""Coroutines that catch their own cancellation and go on, and callbacks that look at a failed task and say nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import GuardKind
from roadworthy.project import flow
from roadworthy.project.handles import fate_of
from roadworthy.project.phrases import says_closing, words_of
from roadworthy.project.silence import returns_values
from roadworthy.project.values import FunctionValue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

After = Literal["loop", "generator", "value", "ends"]
"""loop: the loop around it goes round again. generator: the consumer sees an ordinary end, or one more item. value: the caller is
given a value as if nothing had happened. ends: the coroutine ends as if it had finished."""

_HOUSEKEEPING = frozenset({"cancelled", "done", "discard", "remove", "pop"})
_ENDS_TASKS = frozenset({"cancel", "cancel_scope", "uncancel"})


@dataclass(frozen=True, slots=True)
class Caught:
    """One place where a coroutine's own cancellation ends."""

    function: Function
    region: int  # the `except` region, or the `with` region of a suppression
    bare: bool  # not named: `except:` or `except BaseException`
    after: After


def caught_cancellations(model: Model) -> Iterator[Caught]:
    """Every handler and suppression in a coroutine that keeps its cancellation from going on."""
    for function in model.functions:
        if not function.is_async or function.kind != "function":
            continue
        for index, region in enumerate(function.scope.regions):
            bare = _stops_cancellation(model, function, index)
            if bare is None or region.kind not in {"except", "with"}:
                continue
            tried = index if region.kind == "with" else flow.sibling_of_kind(function.scope, index, "try")
            if tried is not None and _awaits_work(function, tried) and not _ended_something(function, tried):
                yield Caught(function, index, bare, _after(model, function, index))


def _stops_cancellation(model: Model, function: Function, index: int) -> bool | None:
    """None: it lets cancellation pass. Else: is it caught without being named?"""
    region = function.scope.regions[index]
    if region.kind == "with":
        for guard in model.guards.on_region(function, index):
            if guard.region == index and guard.kind is GuardKind.CATCH and guard.form == "with":
                names = {model.exceptions.plain(name) for name in guard.on}
                return False if "asyncio.CancelledError" in names else None
        return None
    if region.kind != "except":
        return None
    handler = model.exceptions.handler(function, index)
    if not handler.stops or handler.passes_on or not model.exceptions.catches_cancellation(handler):
        return None
    tried = flow.sibling_of_kind(function.scope, index, "try")
    earlier = [h for h in flow.handlers_of(function.scope, tried) if h < index] if tried is not None else []
    if any(model.exceptions.catches_cancellation(model.exceptions.handler(function, h)) for h in earlier):
        return None
    named = any(model.exceptions.plain(name) == "asyncio.CancelledError" for name in handler.types)
    return not named


def _awaits_work(function: Function, region: int) -> bool:
    """Is a call awaited in the block? Waiting for a task by its name is the end of that task, not work of this one."""
    scope = function.scope
    inside = scope.regions[region]
    if any(call.awaited and not _waits_for_task(call) for call in flow.calls_in(scope, region)):
        return True
    return any(
        other.is_async and other.kind == "for" and inside.start <= other.start and other.end <= inside.end
        for other in scope.regions
    )


def _waits_for_task(call: f.Call) -> bool:
    """`await asyncio.gather(*self.tasks)`, `await wait_for(task, 5)`: what is given is no call."""
    name = _last(call.func)
    if name not in {"gather", "wait", "wait_for", "shield", "wait_closed", "join"}:
        return False
    return not any(isinstance(part, f.CallRef) for arg in call.args for part in flow.walk(arg))


def _ended_something(function: Function, tried: int) -> bool:
    """The cancel-then-await idiom: this function has cancelled what it waits for, or its name says that it ends things."""
    scope = function.scope
    end = scope.regions[tried].end
    if says_closing(function.name):
        return True
    return any(call.order < end and set(words_of(_last(call.func))) & _ENDS_TASKS for call in scope.calls)


def _after(model: Model, function: Function, region: int) -> After:
    scope = function.scope
    here = scope.regions[region]
    loop = flow.loop_of(scope, here.parent)
    exits = here.exits if here.kind == "except" else ""
    if loop is not None and scope.regions[loop].kind == "while":
        round_again = exits == "continue" or (exits in {"", "mixed"} and scope.regions[loop].exits in {"", "continue"})
        if round_again and not _leaves_by_flag(scope, region, loop):
            return "loop"
    if scope.is_generator:
        return "generator"
    if here.kind == "except":
        default = model.exceptions.handler(function, region).default
        if default is not None and returns_values(function):
            return "value"
    return "ends"


def _leaves_by_flag(scope: f.Scope, region: int, loop: int) -> bool:
    """`except CancelledError: abort = True`, and below it `if abort: break`."""
    flags = {
        assign.target.id
        for assign in flow.assigns_in(scope, region)
        if isinstance(assign.target, f.Name) and isinstance(assign.value, f.Const) and assign.value.value is True
    }
    return any(
        other.kind == "if"
        and isinstance(other.test, f.Name)
        and other.test.id in flags
        and other.exits in {"break", "return", "raise"}
        and other.start >= scope.regions[region].end
        and flow.within(scope, index, loop)
        for index, other in enumerate(scope.regions)
    )


def tells_anyway(model: Model, caught: Caught) -> bool:
    """A silent handler of everything around effects of the outside: that every error vanishes there is the worse defect."""
    scope = caught.function.scope
    if scope.regions[caught.region].kind != "except":
        return False
    tried = flow.sibling_of_kind(scope, caught.region, "try")
    silent = model.exceptions.handler(caught.function, caught.region).silent
    return silent and tried is not None and bool(model.escapes.within(caught.function, tried))


# --- callbacks ----------------------------------------------------------------------------------------------------------


def dropped_outcomes(model: Model) -> Iterator[tuple[CallSite, Function]]:
    """(registering call, callback): callbacks of tasks that take the exception out and leave it at that."""
    for function in model.functions:
        for site in function.calls:
            if _last(site.fact.func) != "add_done_callback" or not site.fact.args:
                continue
            for callback in _callbacks(model, site):
                if _only_takes(model, callback) and not _is_waited_for(model, site):
                    yield site, callback


def _is_waited_for(model: Model, site: CallSite) -> bool:
    """Somebody else awaits the task and hears of its end."""
    owner = site.fact.func.value if isinstance(site.fact.func, f.Attr) else None
    if not isinstance(owner, f.Name):
        return False
    starts = [a.value for a in site.function.bindings.get(owner.id, ()) if isinstance(a.value, f.CallRef)]
    return any(fate_of(model, site.function.calls[start.index])[0] in {"waited", "returned"} for start in starts)


def _callbacks(model: Model, site: CallSite) -> Iterator[Function]:
    expr = site.fact.args[0]
    if isinstance(expr, f.LambdaRef):
        yield site.function.module.functions[expr.scope]
        return
    for value in model.values(expr, site.function, site.fact.order):
        if isinstance(value, FunctionValue) and value.function.kind == "function":
            yield value.function


def _only_takes(model: Model, callback: Function) -> bool:
    """It asks for the exception or the result, and everything that it could say is said to nobody."""
    scope = callback.scope
    asked = [call for call in scope.calls if _is_asked(call, callback)]
    others = [call for call in scope.calls if call not in asked and _last(call.func) not in _HOUSEKEEPING]
    if not asked or others or any(leave.kind == "raise" for leave in scope.leaves):
        return False
    if callback.kind == "lambda":
        return all(_last(call.func) == "exception" for call in asked)
    if not all(call.use == "discarded" for call in asked):
        return False
    return all(_last(call.func) == "exception" or any(flow.try_regions(scope, call.region)) for call in asked)


def _is_asked(call: f.Call, callback: Function) -> bool:
    """`task.exception()`, `task.result()` of the callback's own parameter."""
    func = call.func
    owner = func.value if isinstance(func, f.Attr) and func.name in {"exception", "result"} else None
    return isinstance(owner, f.Name) and owner.id in callback.parameters


def _last(expr: f.Expr) -> str:
    if isinstance(expr, f.Name):
        return expr.id
    return expr.name if isinstance(expr, f.Attr) else ""
