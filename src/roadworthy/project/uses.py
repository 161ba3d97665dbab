"""What becomes of the value of a call inside its function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow

if TYPE_CHECKING:
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite

_TELLS = frozenset({Effect.LOG, Effect.METRIC, Effect.REPORT_ERROR})
_CONVERTS = frozenset(
    {
        "round",
        "str",
        "int",
        "float",
        "format",
        "total_seconds",
        "isoformat",
        "strftime",
        "timestamp",
        "replace",
        "min",
        "max",
    }
)


def only_told(model: Model, site: CallSite) -> bool:
    """Does the value of a call end in log lines and metrics only?"""
    scope = site.function.scope
    carriers = {site.index}
    names: set[str] = set()
    for _ in range(4):
        before = (len(carriers), len(names))
        for assign in scope.assigns:
            if assign.value is not None and _carries(assign.value, carriers, names):
                if not isinstance(assign.target, f.Name):
                    return False
                names.add(assign.target.id)
        for index, call in enumerate(scope.calls):
            if index in carriers or not any(_carries(e, carriers, names) for e in _inputs(call)):
                continue
            if tells(model, site.function.calls[index]):
                continue
            carriers.add(index)
        if before == (len(carriers), len(names)):
            break
    return bool(names or len(carriers) > 1 or scope.calls[site.index].outer >= 0) and not _decides(
        scope, site.index, carriers, names
    )


def _inputs(call: f.Call) -> list[f.Expr]:
    receiver = [call.func.value] if isinstance(call.func, f.Attr) else []
    return [*receiver, *call.args, *(value for _, value in call.kwargs)]


def _carries(expr: f.Expr, carriers: set[int], names: set[str]) -> bool:
    return any(
        (isinstance(part, f.CallRef) and part.index in carriers) or (isinstance(part, f.Name) and part.id in names)
        for part in flow.walk(expr)
    )


def tells(model: Model, site: CallSite) -> bool:
    """Does a call only write a log line, count something or report an error?"""
    if any(effect.effect in _TELLS for effect in model.effects_at(site)):
        return True
    return model.exceptions.looks_like_logging(site.fact, site.function)


def _decides(scope: f.Scope, first: int, carriers: set[int], names: set[str]) -> bool:
    """Is the value returned, tested, yielded, waited for, or given to anything but a conversion?"""
    exprs = [leave.value for leave in scope.leaves] + [t.value for t in scope.tests if t.kind != "expr"]
    exprs += [region.test for region in scope.regions]
    if any(expr is not None and _carries(expr, carriers, names) for expr in exprs):
        return True
    for index in sorted(carriers):
        call = scope.calls[index]
        name = (
            call.func.name if isinstance(call.func, f.Attr) else call.func.id if isinstance(call.func, f.Name) else ""
        )
        if index != first and name not in _CONVERTS:
            return True
    return False


def steers(model: Model, site: CallSite) -> bool:
    """Does the value of a call decide a branch or a loop, set a pause, or name something?"""
    scope = site.function.scope
    carriers, names = {site.index}, set[str]()
    for _ in range(4):
        for assign in scope.assigns:
            if (
                assign.value is not None
                and isinstance(assign.target, f.Name)
                and _carries(assign.value, carriers, names)
            ):
                names.add(assign.target.id)
        for index, call in enumerate(scope.calls):
            if any(_carries(e, carriers, names) for e in _inputs(call)):
                carriers.add(index)
                if any(effect.effect is Effect.SLEEP for effect in model.effects_at(site.function.calls[index])):
                    return True
                if any(key == "id" and _carries(value, carriers - {index}, names) for key, value in call.kwargs):
                    return True
    tests = [region.test for region in scope.regions if region.kind in {"if", "while", "case"}]
    return any(_carries(test, carriers, names) for test in tests if test is not None)


def fallback_for(site: CallSite) -> str:
    """The name that is taken when it is there, where a call only makes the value for its absence (`run_id or uuid4()`); else ""."""
    scope = site.function.scope
    chain = _outwards(site)
    exprs = [a.value for a in scope.assigns] + [e.value for e in scope.leaves] + [t.value for t in scope.tests]
    exprs += [e for call in scope.calls for e in (*call.args, *(v for _, v in call.kwargs))]
    for expr in exprs:
        for part in flow.walk(expr):
            if isinstance(part, f.BoolOp) and part.op == "or" and _mentions_call(part.items[-1], chain):
                return _plain(part.items[0])
            if isinstance(part, f.IfExp) and _mentions_call(part, chain):
                return _plain(part.orelse if _mentions_call(part.body, chain) else part.body)
    for assign in scope.assigns:
        here = scope.regions[assign.region]
        if here.kind != "if" or not isinstance(assign.target, f.Name) or not _mentions_call(assign.value, chain):
            continue
        if any(isinstance(part, f.Name) and part.id == assign.target.id for part in flow.walk(here.test)):
            return assign.target.id
    return ""


def _outwards(site: CallSite) -> frozenset[int]:
    found = {site.index}
    outer = site.fact.outer
    while outer >= 0 and len(found) < 8:
        found.add(outer)
        outer = site.function.scope.calls[outer].outer
    return frozenset(found)


def _mentions_call(expr: f.Expr | None, indexes: frozenset[int]) -> bool:
    return any(isinstance(part, f.CallRef) and part.index in indexes for part in flow.walk(expr))


def _plain(expr: f.Expr) -> str:
    return expr.id if isinstance(expr, f.Name) else ""
