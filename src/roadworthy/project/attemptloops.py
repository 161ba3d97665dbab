"""Loops over attempts whose count means nothing: success does not end them, or the count is set back in each round."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.values import Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function

_ATTEMPT = re.compile(r"^_?(attempt|retry|retries|tries|try|trial|n_?try|i_?try)", re.IGNORECASE)
_BOUND = re.compile(r"attempt|retr(y|ies)|\btries\b|_tries|max_try", re.IGNORECASE)
_ENDS = frozenset({"raise", "return", "break"})
_NEVER_RETURNS = frozenset({"exit", "_exit", "abort", "quit"})
_ORDER = frozenset({"<", "<=", ">", ">=", "=="})


@dataclass(frozen=True, slots=True)
class SetBack:
    """A count of failed attempts that each round of its own loop starts anew."""

    function: Function
    loop: int
    count: str
    line: int  # where it is set back
    test: int  # line of the comparison that never holds


# --- success ----------------------------------------------------------------------------------------------------------


def goes_on_after_success(model: Model) -> Iterator[tuple[Function, int, EffectAt]]:
    """Loops over attempts around a `try` of which no way out of success ends the loop."""
    for function in model.functions:
        scope = function.scope
        for index, region in enumerate(scope.regions):
            if region.kind not in {"for", "while"}:
                continue
            loop = model.guards.loop(function, index)
            if not loop.tries or _leaves(scope, index):
                continue
            if region.kind == "while":
                wanted = _counts_failures(scope, index)
            else:
                wanted = loop.kind != "retry" and _counts_attempts(scope, index)
            effect = next(_outside(model, function, loop.tries), None) if wanted else None
            if effect is not None:
                yield function, index, effect


def _outside(model: Model, function: Function, tries: tuple[int, ...]) -> Iterator[EffectAt]:
    for tried in tries:
        for call in flow.calls_in(function.scope, tried):
            for effect in model.effects_through(function.site(call)):
                if effect.effect.word.external and not effect.effect.word.telemetry:
                    yield effect


def _counts_attempts(scope: f.Scope, loop: int) -> bool:
    """`for attempt in range(3)`, `for i in range(max_retries)`: each round is for the same thing."""
    region = scope.regions[loop]
    if not isinstance(region.target, f.Name) or not isinstance(region.test, f.CallRef):
        return False
    call = scope.calls[region.test.index]
    if flow.last_name(call.func) != "range":
        return False
    return bool(_ATTEMPT.match(region.target.id)) or any(_BOUND.search(flow.text_of(arg, scope)) for arg in call.args)


def _counts_failures(scope: f.Scope, loop: int) -> bool:
    """`while failures < 3`, and only handlers change that count: when all goes well, the loop never ends."""
    test = scope.regions[loop].test
    if not isinstance(test, f.Compare) or any(isinstance(p, f.CallRef) for p in flow.walk(test)):
        return False
    names = {part.id for part in flow.walk(test) if isinstance(part, f.Name)}
    changed = [a for a in flow.assigns_in(scope, loop) if isinstance(a.target, f.Name) and a.target.id in names]
    counts = all(_is_one_more(a) for a in changed)
    return bool(changed) and counts and all(_in_handler(scope, a.region, loop) for a in changed)


def _is_one_more(assign: f.Assign) -> bool:
    """`failures += 1`, `failures = failures + 1`."""
    if assign.op == "+=":
        return True
    value = assign.value
    own = assign.target.id if isinstance(assign.target, f.Name) else ""
    sides = (value.left, value.right) if isinstance(value, f.Bin) and value.op == "+" else ()
    return any(isinstance(side, f.Name) and side.id == own for side in sides)


def _in_handler(scope: f.Scope, region: int, loop: int) -> bool:
    return any(scope.regions[r].kind == "except" and flow.within(scope, r, loop) for r in flow.ancestors(scope, region))


def _leaves(scope: f.Scope, loop: int) -> bool:
    """Some way out of the loop that is not in a handler, or a block of it that some other condition skips."""
    for leave in flow.leaves_in(scope, loop):
        own = leave.kind != "break" or flow.loop_of(scope, leave.region) == loop
        if leave.kind in {"return", "break", "raise", "yield"} and own and not _in_handler(scope, leave.region, loop):
            return True
    if any(flow.last_name(call.func) in _NEVER_RETURNS for call in flow.calls_in(scope, loop)):
        return True
    if scope.regions[loop].kind == "while":
        return False
    return any(region.kind in {"if", "while"} and region.parent == loop for region in scope.regions)


# --- counts -----------------------------------------------------------------------------------------------------------


def set_back(model: Model) -> Iterator[SetBack]:
    """`while True: attempts = 0; try: …; except: attempts += 1; if attempts > 4: raise`: the limit is never reached."""
    for function in model.functions:
        scope = function.scope
        for index, region in enumerate(scope.regions):
            if region.kind == "while":
                yield from _in_loop(model, function, index)


def _in_loop(model: Model, function: Function, loop: int) -> Iterator[SetBack]:
    scope = function.scope
    tries = model.guards.loop(function, loop).tries
    for start in scope.assigns:
        value = start.value
        if start.region != loop or start.op != "=" or not isinstance(start.target, f.Name):
            continue
        if not isinstance(value, f.Const) or not isinstance(value.value, int) or isinstance(value.value, bool):
            continue
        test = _never_reached(model, function, loop, start, value.value)
        before = any(start.order < scope.regions[tried].start for tried in tries)
        if test is not None and before:
            yield SetBack(function, loop, start.target.id, start.line, test)


def _never_reached(model: Model, function: Function, loop: int, start: f.Assign, value: int) -> int | None:
    """The line of the test of the count that a handler makes after it has counted once."""
    scope = function.scope
    name = start.target.id if isinstance(start.target, f.Name) else ""
    others = [a for a in flow.assigns_in(scope, loop) if a is not start and _is_named(a.target, name)]
    counted = [a for a in others if _is_one_more(a) and _in_handler(scope, a.region, loop)]
    if len(counted) != len(others) or len(counted) != 1 or flow.loop_of(scope, counted[0].region) != loop:
        return None
    for index, region in enumerate(scope.regions):
        ends = region.kind == "if" and region.exits in _ENDS and flow.within(scope, index, loop)
        test = region.test
        if ends and isinstance(test, f.Compare) and _is_named(test.left, name) and region.start > start.order:
            return None if _holds(model, function, test, value + 1) else region.line
    return None


def _is_named(expr: f.Expr | None, name: str) -> bool:
    return isinstance(expr, f.Name) and expr.id == name


def _holds(model: Model, function: Function, test: f.Compare, count: int) -> bool:
    """Is the limit so small that the first failure reaches it? Then the loop gives up at once, as it was meant to."""
    bounds = model.values(test.rights[0], function)
    op = test.ops[0]
    if len(test.rights) != 1 or op not in _ORDER:
        return True
    known = [v.value for v in bounds if isinstance(v, Literal) and isinstance(v.value, int | float)]
    if not known:
        return False
    bound = known[0]
    return {"<": count < bound, "<=": count <= bound, ">": count > bound, ">=": count >= bound, "==": count == bound}[
        op
    ]
