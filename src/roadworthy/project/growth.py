"""Pauses of a retry loop that grow without a ceiling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.guards import Guards
    from roadworthy.project.symbols import CallSite, Function

_ENOUGH = 8  # so many doublings from a second are some minutes


@dataclass(frozen=True, slots=True)
class Growth:
    """A pause that doubles from round to round, and where its length is computed."""

    function: Function
    loop: int
    pause: CallSite
    line: int
    end_line: int
    limit: str = ""  # what ends the loop, as written: a setting, a parameter


def growths(function: Function, loop: int, guards: Guards) -> Iterator[Growth]:
    """Pauses in a loop whose length is `base ** n` or `delay *= 2`, with no `min(…)` and no comparison that ends the growth."""
    scope = function.scope
    for call in flow.calls_in(scope, loop):
        site = function.site(call)
        if not call.args or not guards.pauses(site):
            continue
        exprs, place = _sources(call.args[0], function, loop, call)
        if (
            any(_doubles(e) for e in exprs)
            and not any(_is_capped(e, function) for e in exprs)
            and not _reset_by_test(call.args[0], function, loop)
        ):
            yield Growth(function, loop, site, *place, _limit(function, loop))
            return


def _limit(function: Function, loop: int) -> str:
    scope = function.scope
    head = scope.regions[loop].test
    if isinstance(head, f.CallRef) and flow.last_name(scope.calls[head.index].func) == "range":
        bounds = scope.calls[head.index].args[-1:]
        return flow.text_of(bounds[0], scope) if bounds and isinstance(bounds[0], f.Name | f.Attr) else ""
    for region in (
        scope.regions[loop],
        *(r for i, r in enumerate(scope.regions) if r.kind == "if" and flow.within(scope, i, loop)),
    ):
        if isinstance(region.test, f.Compare):
            last = region.test.rights[-1]
            if isinstance(last, f.Name | f.Attr):
                values = [a.value for a in function.bindings.get(last.id, ())] if isinstance(last, f.Name) else []
                return flow.text_of(values[0] if len(values) == 1 else last, scope)
    return ""


def _sources(expr: f.Expr, function: Function, loop: int, call: f.Call) -> tuple[list[f.Expr], tuple[int, int]]:
    """The expression of a pause and what its names were set to inside the loop."""
    found, place = [expr], (call.line, call.end_line)
    for part in flow.walk(expr):
        if isinstance(part, f.Name):
            for assign in function.bindings.get(part.id, ()):
                if assign.value is not None and flow.within(function.scope, assign.region, loop):
                    value = (
                        f.Bin(assign.op[:-1], part, assign.value) if assign.op in {"*=", "**=", "<<="} else assign.value
                    )
                    found.append(value)
                    if _doubles(value):
                        place = (assign.line, assign.end_line)
    return found, place


def _doubles(expr: f.Expr) -> bool:
    for part in flow.walk(expr):
        if isinstance(part, f.Bin) and part.op in {"**", "<<"}:
            return True
        if (
            isinstance(part, f.Bin)
            and part.op == "*"
            and isinstance(part.left, f.Name)
            and isinstance(part.right, f.Const | f.Name)
        ):
            return True
    return False


def _is_capped(expr: f.Expr, function: Function) -> bool:
    """`min(delay * 2, 60)`, `delay if delay < cap else cap`."""
    for part in flow.walk(expr):
        if isinstance(part, f.IfExp):
            return True
        if isinstance(part, f.CallRef):
            return True  # a helper or min(): it may cap
    return False


def _reset_by_test(expr: f.Expr, function: Function, loop: int) -> bool:
    """`if delay < cap: delay *= 2`, `if delay > cap: delay = cap`."""
    names = {part.id for part in flow.walk(expr) if isinstance(part, f.Name)}
    return any(
        region.kind == "if" and flow.within(function.scope, index, loop) and isinstance(region.test, f.Compare)
        and region.exits not in {"break", "return", "raise"}  # ends the loop, not the growth
        and any(isinstance(p, f.Name) and p.id in names for p in flow.walk(region.test))
        for index, region in enumerate(function.scope.regions)
    )  # fmt: skip


def few_rounds(function: Function, loop: int, guards: Guards) -> bool:
    """Does a literal number end the loop before the pause is long?"""
    attempts = guards.loop(function, loop).attempts
    if attempts is not None:
        return attempts <= _ENOUGH
    scope = function.scope
    limits = [scope.regions[loop].test]
    limits += [r.test for i, r in enumerate(scope.regions) if r.kind == "if" and flow.within(scope, i, loop)]
    for test in limits:
        exprs: list[f.Expr] = []
        if isinstance(test, f.Compare):
            exprs = [test.left, *test.rights]
        elif isinstance(test, f.CallRef):
            exprs = list(scope.calls[test.index].args)
        for expr in exprs:
            for part in flow.walk(expr):
                if isinstance(part, f.Const) and isinstance(part.value, int) and 2 <= part.value <= _ENOUGH:
                    return True
                if isinstance(part, f.Name | f.Attr):
                    number = _given(part, function, guards)
                    if number is not None and number <= _ENOUGH and not _is_setting(part, function):
                        return True
    return False


def _given(expr: f.Name | f.Attr, function: Function, guards: Guards) -> int | None:
    """The number; of `self.max_retries`, which the constructor was given, its default."""
    number = guards.number(expr, function)
    made = function.cls.find_method("__init__") if function.cls is not None else None
    if number is not None or made is None or not isinstance(expr, f.Attr) or expr.value != f.Name("self"):
        return number
    kept = [assign.value for assign in made.scope.assigns if assign.target == expr]
    return guards.number(kept[0], made) if len(kept) == 1 and isinstance(kept[0], f.Name) else None


def _is_setting(expr: f.Expr, function: Function) -> bool:
    """`settings.max_retries`: whoever runs the program may set it to anything."""
    if isinstance(expr, f.Name):
        values = [a.value for a in function.bindings.get(expr.id, ())]
        return any(isinstance(v, f.Attr) and "setting" in flow.text_of(v, function.scope).lower() for v in values)
    return "setting" in flow.text_of(expr, function.scope).lower()
