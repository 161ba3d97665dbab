"""What a loop is for: does it repeat one attempt, work through items, or run for as long as the process lives?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop of a scope."""

    region: int
    kind: str  # "retry" "worker" "items" "poll" "other"
    attempts: int | None = None  # retry: the literal bound; None unknown
    bounded: bool = True  # ends by itself
    tries: tuple[int, ...] = ()  # try regions inside whose handlers go on with the loop


_STOP_WORDS = (
    "stop",
    "shut",
    "clos",
    "exit",
    "cancel",
    "terminat",
    "quit",
    "kill",
    "disconnect",
    "is_set",
    "alive",
    "sentinel",
    "once",
)
_STOP_FLAGS = ("stop", "shut", "terminat", "quit", "kill", "is_set", "once")
_GO_FLAGS = ("running", "alive", "active", "keep_", "should_run", "_run")
_LIFE_WORDS = ("running", "activ", "enabled", "should_run", "serving", "started", "keep_", "forever", "live")
_OPTIONS = frozenset({"options", "opts", "args", "kwargs", "flags", "arguments", "namespace"})
_COUNTERS = frozenset({"range", "count", "trange"})
_GIVES_BACK = frozenset({"append", "appendleft", "insert", "extend", "add"})
_QUESTIONS = frozenset({"input", "getpass.getpass", "click.prompt", "click.confirm", "typer.prompt", "typer.confirm"})


def loop_at(scope: f.Scope, region: int, literal: Callable[[f.Expr], int | None]) -> Loop:
    """Classify a `for`, `while` or comprehension region; `literal` gives the number that an expression is worth."""
    here = scope.regions[region]
    tries = tuple(_surviving_tries(scope, region))
    if here.kind == "comprehension":
        return Loop(region, "items")
    if here.kind == "for":
        counter = _counter(here.test, scope)
        if counter is None:
            return Loop(region, "items", tries=tries)
        name, call = counter
        attempts = _rounds(call, literal) if call.args and name != "count" else None
        if tries and _leaves_on_success(scope, region, tries):
            return Loop(region, "retry", attempts, name != "count", tries)
        target_used = (
            isinstance(here.target, f.Name)
            and here.target.id != "_"
            and scope.last_read.get(here.target.id, -1) >= here.start
        )
        return Loop(region, "items" if target_used else "other", attempts, name != "count", tries)
    endless = _endless(here.test, scope)
    if _works_off(here.test, scope, region):
        return Loop(region, "items", tries=tries)
    if _asks_a_person(scope, region):
        return Loop(region, "other", None, bounded=True, tries=tries)
    leaves = _leaves_on_success(scope, region, tries) if tries else False
    if tries and leaves:
        return Loop(region, "retry", _while_bound(here.test, literal), not endless, tries)
    if endless:
        kind = "other" if ends_by_itself(scope, region) else "worker"
        return Loop(region, kind, None, kind == "other", tries)
    return Loop(region, _while_kind(here.test, scope, region), None, not endless, tries)


def _rounds(call: f.Call, literal: Callable[[f.Expr], int | None]) -> int | None:
    """How often `range(…)` goes round: `range(1, 11)` ten times."""
    last = literal(call.args[0] if len(call.args) == 1 else call.args[1])
    first = literal(call.args[0]) if len(call.args) > 1 else 0
    if last is None or first is None or len(call.args) > 2:
        return last
    return last - first if last > first else last


def _works_off(test: f.Expr | None, scope: f.Scope, loop: int) -> bool:
    """`while urls: url = urls.pop()`: each round is about the next of them, unless a handler puts one back."""
    if not isinstance(test, f.Name):
        return False
    called = [
        (call, call.func.name)
        for call in flow.calls_in(scope, loop)
        if isinstance(call.func, f.Attr) and call.func.value == test
    ]
    back = any(
        name in _GIVES_BACK and any(scope.regions[r].kind == "except" for r in flow.ancestors(scope, call.region))
        for call, name in called
    )
    return not back and any(name in {"pop", "popleft"} and call.region == loop for call, name in called)


def _asks_a_person(scope: f.Scope, loop: int) -> bool:
    """`while True: answer = input(…)`: somebody sees each failure, and the next question is the pause."""
    return any(
        flow.text_of(call.func, scope) in _QUESTIONS and flow.within(scope, call.region, loop) for call in scope.calls
    )


def _counter(expr: f.Expr | None, scope: f.Scope) -> tuple[str, f.Call] | None:
    if not isinstance(expr, f.CallRef):
        return None
    call = scope.calls[expr.index]
    name = call.func.id if isinstance(call.func, f.Name) else call.func.name if isinstance(call.func, f.Attr) else ""
    return (name, call) if name in _COUNTERS else None


def _endless(test: f.Expr | None, scope: f.Scope) -> bool:
    """`while True`, `while 1`, `while not self.stopped`, `while self.running`; a condition on what is worked on is none of these."""
    match test:
        case f.Const(value=value):
            return bool(value)
        case f.Unary(op="not"):
            text = flow.text_of(test.value, scope).lower()
            return any(word in text for word in (*_STOP_WORDS, *_LIFE_WORDS))
        case f.Attr() | f.Name() | f.CallRef():
            text = flow.text_of(test, scope).lower()
            own = not isinstance(test, f.CallRef) or text.startswith(("self.", "cls."))
            return own and any(word in text for word in (*_STOP_WORDS, *_LIFE_WORDS))
    return False


def _while_bound(test: f.Expr | None, literal: Callable[[f.Expr], int | None]) -> int | None:
    if isinstance(test, f.Compare) and len(test.rights) == 1 and test.ops[0] in {"<", "<=", ">", ">="}:
        value = literal(test.rights[0])
        return value if value is not None else literal(test.left)
    return None


def _while_kind(test: f.Expr | None, scope: f.Scope, region: int) -> str:
    """A loop whose condition asks the outside again and again, with a pause, polls."""
    pauses = any(_last(call.func) == "sleep" for call in flow.calls_in(scope, region))
    return "poll" if pauses else "other"


def _surviving_tries(scope: f.Scope, loop: int) -> list[int]:
    """`try` bodies directly in the loop of which some handler lets the loop go on."""
    found = []
    for index, region in enumerate(scope.regions):
        if region.kind == "try" and flow.loop_of(scope, region.parent) == loop:
            handlers = flow.handlers_of(scope, index)
            last = region.parent == loop and scope.regions[loop].exits in {"return", "break", "raise"}
            if any(_goes_on(scope, handler, ends=last) for handler in handlers):
                found.append(index)
    return found


def _goes_on(scope: f.Scope, handler: int, *, ends: bool = False) -> bool:
    """May the loop go round again after this handler? `ends`: what stands behind it leaves the loop in any case."""
    exits = scope.regions[handler].exits
    if exits == "mixed" or ends:
        return any(leave.kind == "continue" for leave in flow.leaves_in(scope, handler))
    return exits in {"", "continue"}


def _leaves_on_success(scope: f.Scope, loop: int, tries: tuple[int, ...]) -> bool:
    """Does success end the loop: return or break in a try body, its else, or after it; or a flag that the condition reads?"""
    counted = _counted(scope, loop)
    for leave in scope.leaves:
        if leave.kind not in {"return", "break"} or not flow.within(scope, leave.region, loop):
            continue
        if leave.kind == "break" and flow.loop_of(scope, leave.region) != loop:
            continue
        if not any(
            scope.regions[r].kind == "except" and flow.within(scope, r, loop)
            for r in flow.ancestors(scope, leave.region)
        ):
            if _only_a_stop(scope, leave, loop, tries) or _is_sentinel(scope, leave):
                continue
            if _is_limit(scope.regions[leave.region].test, counted):  # enough of them, whether they went well or not
                continue
            return True
    return _sets_condition(scope, loop, tries)


def _only_a_stop(scope: f.Scope, leave: f.Leave, loop: int, tries: tuple[int, ...]) -> bool:
    """`if stop: break` before the work, and `if run_once: return` after it, are ways to stop, not a success."""
    region = scope.regions[leave.region]
    if region.kind == "if" and _asks_to_stop(region.test, scope):
        return True
    return region.kind == "if" and all(leave.order < scope.regions[t].start for t in tries)


def _is_sentinel(scope: f.Scope, leave: f.Leave) -> bool:
    """`if item is None: break`: the producer says that nothing more comes."""
    region = scope.regions[leave.region]
    test = region.test
    if region.kind != "if" or not isinstance(test, f.Compare) or leave.value is not None:
        return False
    last = test.rights[-1]
    if test.ops[-1] not in {"is", "=="}:
        return False
    return (isinstance(last, f.Const) and last.kind == "none") or "sentinel" in flow.text_of(last, scope).lower()


def _asks_to_stop(test: f.Expr | None, scope: f.Scope) -> bool:
    """`self.should_stop`, `stop.is_set()`, `not self.running`, a switch of the caller's: a flag by name, no comparison of what was found."""
    negated = isinstance(test, f.Unary) and test.op == "not"
    inner = test.value if isinstance(test, f.Unary) else test
    if isinstance(inner, f.Sub):
        return _is_option(inner.value, scope)
    if not isinstance(inner, f.Name | f.Attr | f.CallRef):
        return False
    if isinstance(inner, f.Name) and _is_switch(inner.id, scope):
        return True
    if isinstance(inner, f.Attr) and _is_option(inner.value, scope):
        return True
    text = flow.text_of(inner, scope).lower()
    return any(word in text for word in (_GO_FLAGS if negated else _STOP_FLAGS))


def _is_switch(name: str, scope: f.Scope) -> bool:
    """A parameter that keeps its value: `def handle(self, loop=True): while True: …; if not loop: break`."""
    given = any(param.name == name for param in scope.params)
    return given and not any(isinstance(a.target, f.Name) and a.target.id == name for a in scope.assigns)


def _is_option(expr: f.Expr, scope: f.Scope) -> bool:
    """`options["loop"]`, `args.once`: what was asked for when the program was started does not change while it runs."""
    return isinstance(expr, f.Name) and expr.id in _OPTIONS and _is_switch(expr.id, scope)


def keeps_running(test: f.Expr | None, scope: f.Scope) -> bool:
    """`while True`, `while not self.stopped`, `while self.running`: until somebody says stop, not until something is done."""
    if isinstance(test, f.Const):
        return bool(test.value)
    negated = isinstance(test, f.Unary) and test.op == "not"
    inner = test.value if isinstance(test, f.Unary) else test
    if not isinstance(inner, f.Name | f.Attr | f.CallRef):
        return False
    text = flow.text_of(inner, scope).lower()
    if isinstance(inner, f.CallRef) and not negated and (scope.calls[inner.index].args or not text.startswith("self.")):
        return False  # `while is_running(pid)`, `while thread.is_alive()` wait for another
    return any(
        word in text for word in ((*_STOP_FLAGS, "exit", "clos", "cancel", "interrupt") if negated else _GO_FLAGS)
    )


def ends_by_itself(scope: f.Scope, loop: int) -> bool:
    """`while True` that pages through something or waits for a result: it returns or breaks by what it finds, not to be stopped."""
    for leave in scope.leaves:
        if leave.kind not in {"return", "break"} or not flow.within(scope, leave.region, loop):
            continue
        if leave.kind == "break" and flow.loop_of(scope, leave.region) != loop:
            continue
        inside = [
            scope.regions[r] for r in flow.ancestors(scope, leave.region) if flow.within(scope, r, loop) and r != loop
        ]
        if any(region.kind == "except" for region in inside):
            continue
        tests = [flow.text_of(region.test, scope).lower() for region in inside if region.test is not None]
        asked = any(_asks_to_stop(region.test, scope) for region in inside if region.kind == "if")
        if not asked and not any(word in text for text in tests for word in _STOP_WORDS):
            return True
    return False


def _sets_condition(scope: f.Scope, loop: int, tries: tuple[int, ...]) -> bool:
    """`while not done: try: …; done = True`."""
    test = scope.regions[loop].test
    names = {part.id for part in flow.walk(test) if isinstance(part, f.Name)} if test is not None else set()
    return any(
        isinstance(a.target, f.Name)
        and a.target.id in names
        and a.op == "="
        and any(flow.within(scope, a.region, t) for t in tries)
        for a in scope.assigns
    )


def _last(expr: f.Expr) -> str:
    if isinstance(expr, f.Name):
        return expr.id
    return expr.name if isinstance(expr, f.Attr) else ""


def gives_up(scope: f.Scope, loop: Loop) -> bool:
    """An endless `while` that still gives up: a handler leaves, or a count or clock is compared before it leaves."""
    for tried in loop.tries:
        for handler in flow.handlers_of(scope, tried):
            if any(
                leave.kind in {"raise", "return", "break"} and not _by_error(scope, leave.region, handler)
                for leave in flow.leaves_in(scope, handler)
            ):
                return True
    return any(
        (leave.kind == "raise" and not _in_handler(scope, leave.region))
        or (leave.kind in {"return", "break"} and _by_count(scope, leave.region, loop.region))
        for leave in flow.leaves_in(scope, loop.region)
    )


def ends_by_count(scope: f.Scope, loop: int) -> bool:
    """`if tries >= limit: break`, where each round or each failure adds to `tries`: a number of attempts, wherever the limit is from."""
    counted = _counted(scope, loop)
    return any(
        leave.kind in {"break", "return", "raise"}
        and (leave.kind != "break" or flow.loop_of(scope, leave.region) == loop)
        and _by_count(scope, leave.region, loop, counted)
        for leave in flow.leaves_in(scope, loop)
    )


def _counted(scope: f.Scope, loop: int) -> set[str]:
    """What the rounds of a loop count."""
    return {
        assign.target.id
        for assign in flow.assigns_in(scope, loop)
        if isinstance(assign.target, f.Name) and assign.op in {"+=", "-="}
    }


def _is_limit(test: f.Expr | None, counted: set[str]) -> bool:
    """`count >= limit`, `limit is not None and count >= limit`."""
    if isinstance(test, f.BoolOp):
        return test.op == "and" and any(_is_limit(item, counted) for item in test.items)
    if not isinstance(test, f.Compare) or test.ops[0] not in {"<", ">", "<=", ">="}:
        return False
    return any(isinstance(part, f.Name) and part.id in counted for part in flow.walk(test))


def raises_by_count(scope: f.Scope) -> bool:
    """`if attempt > attempts: raise`: a function that ends the attempts of who calls it."""
    return any(leave.kind == "raise" and _by_count(scope, leave.region, -1) for leave in scope.leaves)


def _by_count(scope: f.Scope, region: int, loop: int, counted: set[str] | None = None) -> bool:
    """Is the block entered by a comparison of a number; of one of these, if they are given?"""
    for index in flow.ancestors(scope, region):
        if index == loop:
            return False
        here = scope.regions[index]
        if here.kind == "if" and isinstance(here.test, f.Compare) and here.test.ops[0] in {"<", ">", "<=", ">="}:
            names = {part.id for part in flow.walk(here.test) if isinstance(part, f.Name)}
            if counted is None or names & counted:
                return True
    return False


def _by_error(scope: f.Scope, region: int, handler: int) -> bool:
    """`except E as error: if error.code != BUSY: raise`: which failure it was, not how many; the others go round without end."""
    alias = scope.regions[handler].target
    if not isinstance(alias, f.Name):
        return False
    for index in flow.ancestors(scope, region):
        if index == handler:
            return False
        here = scope.regions[index]
        if here.kind == "if" and here.test is not None:
            names = {part.id for part in flow.walk(here.test) if isinstance(part, f.Name)}
            return alias.id in names and not any(
                isinstance(part, f.Compare) and set(part.ops) & {"<", ">", "<=", ">="} for part in flow.walk(here.test)
            )
    return False


def _in_handler(scope: f.Scope, region: int) -> bool:
    """Judged with its handler."""
    return any(scope.regions[index].kind == "except" for index in flow.ancestors(scope, region))
