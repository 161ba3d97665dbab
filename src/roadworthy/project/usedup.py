"""Retries that forget the failure: after the last attempt the function ends as if nothing had been, and gives None to who wants the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.purpose import acts, is_aside
from roadworthy.project.spins import asks_another
from roadworthy.project.symbols import bound_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.loops import Loop
    from roadworthy.project.model import Model
    from roadworthy.project.retries import Retried
    from roadworthy.project.symbols import CallSite, Function

_TELLS = frozenset(
    {"error", "critical", "exception", "warning", "warn", "fail", "abort", "exit", "notify", "send_alert"}
)
_ASKS = frozenset({"bool", "isinstance", "len"})
_OPENED = frozenset({"receiver", "attribute", "iterated"})


@dataclass(frozen=True, slots=True, eq=False)
class UsedUp:
    """A loop over attempts behind which the function ends."""

    function: Function
    region: int
    effect: EffectAt  # what is tried
    user: CallSite  # a call that works with the answer unasked


@dataclass(frozen=True, slots=True, eq=False)
class LeftUndone:
    """A loop over attempts behind which the function goes on, whether the work was done or not."""

    function: Function
    region: int
    site: CallSite  # what is tried
    effect: EffectAt


def used_up(model: Model) -> Iterator[UsedUp]:
    """Such loops of reviewed code around a call that leaves the process."""
    for retried in model.retries.all:
        guard, function = retried.guard, retried.function
        if guard.form != "loop" or guard.region is None or retried.whole or guard.function is not function:
            continue
        loop = model.guards.loop(function, guard.region)
        if not loop.bounded or not _gives_answer(function, loop) or not _ends_behind(model, function, loop):
            continue
        effect = _tried(model, retried)
        user = _trusting_user(model, function) if effect is not None else None
        if effect is not None and user is not None:
            yield UsedUp(function, guard.region, effect, user)


def left_undone(model: Model) -> Iterator[LeftUndone]:
    """Loops of reviewed code that success leaves by `break`, around a call that acts; behind them nobody asks how they were left."""
    for retried in model.retries.all:
        guard, function = retried.guard, retried.function
        if guard.form != "loop" or guard.region is None or retried.whole or guard.function is not function:
            continue
        loop = model.guards.loop(function, guard.region)
        if (
            not loop.bounded
            or asks_another(retried)
            or not _breaks(function, loop)
            or not _is_over(model, function, loop)
        ):
            continue
        for site in retried.sites:
            effect = next((e for e in model.effects_through(site) if _is_work(model, e, function)), None)
            if effect is not None:
                yield LeftUndone(function, guard.region, site, effect)
                break


def _is_work(model: Model, effect: EffectAt, function: Function) -> bool:
    return effect.effect.word.external and acts(effect, function.name) and not is_aside(model, effect, function.name)


def _breaks(function: Function, loop: Loop) -> bool:
    """Success, and nothing else, leaves the loop by `break`."""
    scope = function.scope
    found = False
    for leave in flow.leaves_in(scope, loop.region):
        if leave.kind == "continue":
            continue
        around = list(flow.ancestors(scope, leave.region))
        around = around[: around.index(loop.region)]
        if leave.kind != "break" or any(scope.regions[r].kind not in {"try", "try_else", "with"} for r in around):
            return False
        found = True
    return found


def _is_over(model: Model, function: Function, loop: Loop) -> bool:
    """No handler lets the error out or keeps it, and what follows asks for nothing that the loop has set, raises nothing and reports nothing."""
    scope = function.scope
    here = scope.regions[loop.region]
    handlers = [model.exceptions.handler(function, h) for t in loop.tries for h in flow.handlers_of(scope, t)]
    if not handlers or any(h.raises or h.may_raise or h.records or h.exits in {"return", "break"} for h in handlers):
        return False
    if any(scope.regions[r].kind == "loop_else" for r in flow.siblings(scope, loop.region)):
        return False
    if any(leave.kind == "raise" and leave.order >= here.end for leave in scope.leaves):
        return False
    set_here = {name for a in flow.assigns_in(scope, loop.region) for name in bound_names(a.target)}
    set_here |= set(bound_names(here.target)) if here.target is not None else set()
    if any(scope.last_read.get(name, -1) >= here.end for name in set_here):
        return False
    told = (call for call in scope.calls if call.order >= here.end and flow.last_name(call.func) in _TELLS)
    return not any(call.region == here.parent for call in told)


def _gives_answer(function: Function, loop: Loop) -> bool:
    """Success returns something from the loop, and the signature does not say that it may be nothing."""
    scope = function.scope
    answers = [leave for leave in flow.leaves_in(scope, loop.region) if leave.kind == "return"]
    if scope.is_generator or not answers:
        return False
    said = flow.every_text(scope.returns, scope) if scope.returns is not None else ""
    if "None" in said or "Optional" in said:
        return False
    return all(leave.value is not None and not isinstance(leave.value, f.Const) for leave in answers)


def _ends_behind(model: Model, function: Function, loop: Loop) -> bool:
    """No handler lets the error out or keeps it, nothing is raised or returned behind the loop."""
    scope = function.scope
    end = scope.regions[loop.region].end
    handlers = [model.exceptions.handler(function, h) for t in loop.tries for h in flow.handlers_of(scope, t)]
    if any(handler.raises or handler.records for handler in handlers):
        return False
    counters = _counters(function, loop)
    for leave in scope.leaves:
        if leave.kind in {"raise", "return", "yield"} and leave.order >= end:
            return False
        if leave.kind == "raise" and flow.within(scope, leave.region, loop.region):
            tests = _tests_over(scope, leave, loop.region)
            if not tests or any(isinstance(p, f.Name | f.Attr) and flow.text_of(p, scope) in counters for p in tests):
                return False  # it knows the last attempt
    return True


def _counters(function: Function, loop: Loop) -> set[str]:
    """Names by which a handler may know which attempt it is: the loop's own, its bounds, and what is counted in it."""
    scope = function.scope
    here = scope.regions[loop.region]
    bounds = scope.calls[here.test.index].args if isinstance(here.test, f.CallRef) else (here.test,)
    parts = [here.target, *(part for bound in bounds if bound is not None for part in flow.walk(bound))]
    names = {flow.text_of(part, scope) for part in parts if isinstance(part, f.Name | f.Attr)}
    counted = {
        flow.text_of(a.target, scope)
        for a in scope.assigns
        if a.op in {"+=", "-="} and flow.within(scope, a.region, loop.region)
    }
    return (names | counted) - {"self"}


def _tests_over(scope: f.Scope, leave: f.Leave, loop: int) -> list[f.Expr]:
    """Parts of the conditions under which a function is left in a round, those of the other branches included."""
    found: list[f.Expr] = []
    for region in flow.ancestors(scope, leave.region):
        if region == loop:
            break
        if scope.regions[region].kind in {"if", "elif", "else"}:
            for branch in {region, *flow.siblings(scope, region)}:
                test = scope.regions[branch].test
                found.extend(flow.walk(test) if test is not None else ())
    return found


def _tried(model: Model, retried: Retried) -> EffectAt | None:
    for site in retried.sites:
        for effect in model.effects_through(site):
            if effect.effect.word.external and not effect.effect.word.telemetry and effect.row.raises:
                return effect
    return None


# --- who wants the answer ---------------------------------------------------------------------------------------------


def _trusting_user(model: Model, function: Function) -> CallSite | None:
    """A call whose answer is worked with, and about which nobody asks whether it is there."""
    for edge in model.edges_to(function):
        site = edge.spawner or edge.site
        if edge.runs_here and edge.kind != "callback" and site.function is edge.caller and _is_trusted(site):
            return site
    return None


def _is_trusted(site: CallSite) -> bool:
    scope = site.function.scope
    if site.fact.use in _OPENED:
        return not _is_forgiven(site)
    for assign in scope.assigns:
        if assign.op != "=" or not _is_made_by(assign.value, site):
            continue
        if isinstance(assign.target, f.Seq):
            return not _is_forgiven(site)
        if isinstance(assign.target, f.Name):
            return not _is_asked_about(assign.target.id, scope) and _is_opened(assign.target.id, assign.order, scope)
    return False


def _is_forgiven(site: CallSite) -> bool:
    """An AttributeError or TypeError of the missing answer would be caught."""
    scope = site.function.scope
    return any(scope.regions[r].kind == "try" for r in flow.ancestors(scope, site.fact.region))


def _is_made_by(value: f.Expr | None, site: CallSite) -> bool:
    value = value.value if isinstance(value, f.Await) else value
    return isinstance(value, f.CallRef) and value.index == site.index


def _is_asked_about(name: str, scope: f.Scope) -> bool:
    tests = [region.test for region in scope.regions if region.kind not in {"for", "comprehension"}]
    tests.extend(test.value for test in scope.tests if test.kind == "assert")
    tests.extend(arg for call in scope.calls if flow.last_name(call.func) in _ASKS for arg in call.args)
    written = [a.value for a in scope.assigns] + [leave.value for leave in scope.leaves]
    written.extend(arg for call in scope.calls for arg in (*call.args, *(value for _, value in call.kwargs)))
    for part in (part for expr in written if expr is not None for part in flow.walk(expr)):
        if isinstance(part, f.BoolOp | f.Compare):
            tests.append(part)
        elif isinstance(part, f.IfExp):
            tests.append(part.test)
    return any(_stands_bare(name, test) for test in tests if test is not None)


def _stands_bare(name: str, test: f.Expr) -> bool:
    """`if answer`, `answer is None`; `answer.status` takes it apart."""
    parts = list(flow.walk(test))
    read = sum(isinstance(part, f.Name) and part.id == name for part in parts)
    return read > sum(_takes_apart(part, name) for part in parts)


def _takes_apart(part: f.Expr, name: str) -> bool:
    return isinstance(part, f.Attr | f.Sub) and isinstance(part.value, f.Name) and part.value.id == name


def _is_opened(name: str, order: int, scope: f.Scope) -> bool:
    """`answer.json()`, `answer["x"]`, `for x in answer`."""
    later = [call for call in scope.calls if call.order > order]
    if any(isinstance(c.func, f.Attr) and isinstance(c.func.value, f.Name) and c.func.value.id == name for c in later):
        return True
    exprs = [arg for call in later for arg in (*call.args, *(v for _, v in call.kwargs))]
    exprs += [a.value for a in scope.assigns if a.order > order and a.value is not None]
    exprs += [leave.value for leave in scope.leaves if leave.order > order and leave.value is not None]
    exprs += [region.test for region in scope.regions if region.start > order and region.test is not None]
    return any(_takes_apart(part, name) for expr in exprs for part in flow.walk(expr))
