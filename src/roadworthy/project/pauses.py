"""How long the pauses of a loop are: do they grow, and have they a random part?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow

if TYPE_CHECKING:
    from roadworthy.project.calls import CallGraph
    from roadworthy.project.symbols import CallSite, Function

_DEPTH = 3
_STOPS = re.compile(r"stop|shut_?down|exit|quit|clos(e|ing)", re.IGNORECASE)


class Pauses:
    """Answers about expressions for delays."""

    def __init__(self, graph: CallGraph) -> None:
        """Reads only; keeps nothing."""
        self._graph = graph

    def is_random(self, expr: f.Expr, function: Function, depth: int = 0) -> bool:
        """Has it a random part: here, where its names are assigned, or in a function of the project that makes it?"""
        text = flow.text_of(expr, function.scope).lower()
        if "jitter" in text or "random" in text:
            return True
        for part in flow.walk(expr):
            if isinstance(part, f.CallRef):
                site = function.calls[part.index]
                called = self._graph.resolutions[site]
                if any(library.name.startswith("random.") for library in called.libraries):
                    return True
                given = (*site.fact.args, *(v for _, v in site.fact.kwargs)) if depth < _DEPTH else ()
                if any(self.is_random(arg, function, depth + 1) for arg in given):
                    return True
                if any(self._draws(callee) for callee in called.functions):
                    return True
            elif isinstance(part, f.Name) and depth < _DEPTH:
                values = [assign.value for assign in function.bindings.get(part.id, ())]
                if any(v is not None and self.is_random(v, function, depth + 1) for v in values):
                    return True
        return False

    def _draws(self, function: Function) -> bool:
        """Does a function of the project draw a random number itself?"""
        return any(
            library.name.startswith("random.")
            for site in function.calls
            for library in self._graph.resolutions[site].libraries
        )


def grows(expr: f.Expr, function: Function, region: int) -> bool:
    """Is the delay multiplied, a power, or made longer in each round?"""
    for part in flow.walk(expr):
        if isinstance(part, f.Bin) and part.op in {"**", "*", "<<"}:
            return True
        if isinstance(part, f.Name):
            for assign in function.bindings.get(part.id, ()):
                inside = flow.within(function.scope, assign.region, region)
                if inside and (assign.op in {"*=", "+=", "**=", "<<="} or _multiplies(assign.value)):
                    return True
        if isinstance(part, f.CallRef):
            call = function.scope.calls[part.index]
            if any(grows(a, function, region) for a in call.args):
                return True
    return False


def _multiplies(expr: f.Expr | None) -> bool:
    return expr is not None and any(isinstance(p, f.Bin) and p.op in {"*", "**", "<<"} for p in flow.walk(expr))


def waits_for_stop(site: CallSite) -> bool:
    """`self._stop_event.wait(delay)`: a pause, whatever kind of event it is."""
    func = site.fact.func
    return isinstance(func, f.Attr) and _STOPS.search(flow.text_of(func.value, site.function.scope)) is not None
