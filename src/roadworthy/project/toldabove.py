"""What a handler gives back says enough: every caller raises, answers with an error or logs where nothing comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.handling import asks_for_absence
from roadworthy.project.phrases import LOUD_METHODS, answers_failure, is_log_owner
from roadworthy.project.symbols import bound_names

if TYPE_CHECKING:
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function


def callers_tell(model: Model, function: Function) -> bool:
    """Does everybody who calls the function make an error of "nothing": `if found is None: raise …`?"""
    ways = [edge for edge in model.edges_to(function) if edge.kind == "call"]
    return bool(ways) and all(_tells(edge.site) for edge in ways)


def _tells(site: CallSite) -> bool:
    scope = site.function.scope
    names = {
        name for assign in scope.assigns if _is_call(assign.value, site.index) for name in bound_names(assign.target)
    }
    return any(
        region.kind == "if"
        and (asks_for_absence(region.test, names) or _is_none(region.test, site.index))
        and _is_error(scope, index)
        for index, region in enumerate(scope.regions)
    )


def _is_call(expr: f.Expr | None, index: int) -> bool:
    expr = expr.value if isinstance(expr, f.Await | f.Walrus) else expr
    return isinstance(expr, f.CallRef) and expr.index == index


def _is_none(test: f.Expr | None, index: int) -> bool:
    """`if not find(name):`."""
    return isinstance(test, f.Unary) and test.op == "not" and _is_call(test.value, index)


def _is_error(scope: f.Scope, region: int) -> bool:
    if scope.regions[region].exits == "raise":
        return True
    if any(answers_failure(leave.value, scope) for leave in flow.leaves_in(scope, region) if leave.kind == "return"):
        return True
    return any(
        flow.last_name(call.func) in LOUD_METHODS
        and isinstance(call.func, f.Attr)
        and is_log_owner(flow.text_of(call.func.value, scope))
        for call in flow.calls_in(scope, region)
    )
