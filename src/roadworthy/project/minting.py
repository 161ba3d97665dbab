"""Where the random and clock values in an expression are made, and how they come to it: the other half of `origins`.

`origins` says what a value depends on. This module keeps apart what is made anew from what is taken when it is there
(`key or uuid4()`), and climbs to the callers that make a value and pass it down.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.bindings import argument_for
from roadworthy.project.origins import KEEPS
from roadworthy.project.values import Instance, Library

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from roadworthy.project.calls import Edge
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_KINDS = {Effect.RANDOM_VALUE: "random", Effect.CLOCK_VALUE: "clock", Effect.PROCESS_HASH: "process-hash"}
_DEPTH = 12
_CALLERS = 12
_COARSE = frozenset({"date", "today", "replace", "isocalendar", "weekday"})
_TIME_OF_DAY = re.compile(r"%[HIMSfXcTs]")


@dataclass(frozen=True, slots=True)
class Minted:
    """A value that is new each time, and its way to the expression that holds it."""

    kind: str  # "random" "clock" "process-hash"
    site: CallSite  # the call that makes it
    anchor: CallSite  # the call in the topmost function of the way through which the value comes there: `site` or what returns it
    carried: tuple[Edge, ...] = ()  # the calls that pass it down as an argument, topmost first
    optional: bool = False  # another value is taken when there is one
    attribute: str = ""  # it is kept in this attribute on the way

    @property
    def top(self) -> Function:
        """The function in which the value comes to be, seen from its use."""
        return self.anchor.function


@dataclass(frozen=True, slots=True)
class _Way:
    """Where the walk is."""

    scope: Function
    order: int | None
    depth: int = 0
    carried: tuple[Edge, ...] = ()

    def deeper(self, order: int | None = None, by: int = 1) -> _Way:
        return _Way(self.scope, self.order if order is None else order, self.depth + by, self.carried)


class Minting:
    """Follows values backwards to what makes them anew."""

    def __init__(self, model: Model) -> None:
        """Bounded in depth and callers; what is not followed yields nothing."""
        self._model = model

    def of(self, expr: f.Expr | None, scope: Function, order: int | None) -> list[Minted]:
        """What is made anew in an expression, each making once."""
        if expr is None:
            return []
        found: dict[tuple[CallSite, CallSite], Minted] = {}
        for minted in self._walk(expr, _Way(scope, order)):
            found.setdefault((minted.site, minted.anchor), minted)
        return list(found.values())

    def _walk(self, expr: f.Expr, way: _Way) -> Iterator[Minted]:
        if way.depth > _DEPTH:
            return
        match expr:
            case f.Name():
                yield from self._name(expr.id, way)
            case f.CallRef():
                yield from self._call(way.scope.calls[expr.index], way)
            case f.Attr():
                yield from self._attribute(expr, way)
            case f.BoolOp(op="or"):
                yield from self._either(list(expr.items), way)
            case f.IfExp():
                yield from self._either([expr.body, expr.orelse], way)
            case f.Bin(op="//"):
                return  # a time bucket
            case f.Sub():
                yield from self._walk(expr.value, way.deeper())
            case f.Dict():
                for key, value in expr.items:
                    if isinstance(value, f.CallRef | f.Name | f.FStr | f.BoolOp | f.IfExp | f.Attr) and key is not None:
                        yield from self._walk(value, way.deeper())
            case f.FStr() | f.Bin() | f.Seq() | f.Await() | f.Star() | f.Walrus() | f.Comp() | f.BoolOp():
                for part in flow.parts(expr):
                    yield from self._walk(part, way.deeper())

    def _either(self, branches: list[f.Expr], way: _Way) -> Iterator[Minted]:
        """One of several values: what is made anew on one is optional when another may be there."""
        each = [list(self._walk(branch, way.deeper())) for branch in branches]
        others = any(not made and not _nothing(branch) for made, branch in zip(each, branches, strict=True))
        for made in each:
            for minted in made:
                yield replace(minted, optional=minted.optional or others)

    # --- names --------------------------------------------------------------------------------------------------------

    def _name(self, name: str, way: _Way) -> Iterator[Minted]:
        here: Function | None = way.scope
        first = True
        while here is not None:
            assigns = here.bindings.get(name, [])
            if (assigns or name in here.parameters) and here.kind != "class":
                there = _Way(here, way.order if first else None, way.depth, way.carried)
                yield from self._bound(name, assigns, there)
                return
            here, first = here.parent, False

    def _bound(self, name: str, assigns: list[f.Assign], way: _Way) -> Iterator[Minted]:
        reaching, hidden = flow.reaching(way.scope.scope, assigns, way.order) if assigns else ([], False)
        each: list[list[Minted]] = []
        for assign in reaching:
            if assign.value is None or assign.op == "except":
                continue
            if assign.op == "for":
                each.append([m for m in self._walk(assign.value, way.deeper(assign.order)) if m.carried])
            elif not _nothing(assign.value):
                each.append(list(self._walk(assign.value, way.deeper(assign.order))))
        if name in way.scope.parameters and not hidden:
            passed = list(self._passed(name, way))
            if passed or self._may_be_given(name, way.scope):
                each.append(passed)
        each.extend(self._appended(name, way))
        others = any(not made for made in each) and not self._accumulates(reaching)
        for made in each:
            for minted in made:
                yield replace(minted, optional=minted.optional or others)

    def _accumulates(self, assigns: Iterable[f.Assign]) -> bool:
        """`key = a; key += b` and `ids = []; ids.append(x)`: the parts belong together."""
        return any(assign.op == "+=" or isinstance(assign.value, f.Seq | f.Dict) for assign in assigns)

    def _appended(self, name: str, way: _Way) -> Iterator[list[Minted]]:
        """What is put into a list under this name."""
        for call in way.scope.scope.calls:
            func = call.func
            if not (isinstance(func, f.Attr) and func.name in {"append", "add", "extend", "insert"} and call.args):
                continue
            before = way.order is None or call.order < way.order
            if isinstance(func.value, f.Name) and func.value.id == name and before:
                yield list(self._walk(call.args[-1], way.deeper(call.order)))

    def _passed(self, name: str, way: _Way) -> Iterator[Minted]:
        """What the callers pass for a parameter."""
        if len(way.carried) >= 4 or (self._model.entries.at(way.scope) and way.depth > 8):
            return
        for edge in self._model.edges_to(way.scope)[:_CALLERS]:
            if not edge.runs_here or edge.kind == "callback" or any(e.callee is way.scope for e in way.carried):
                continue
            expr = self._argument(edge, name)
            if expr is not None:
                above = _Way(edge.caller, edge.site.fact.order, way.depth + 2, (edge, *way.carried))
                yield from self._walk(expr, above)

    def _argument(self, edge: Edge, name: str) -> f.Expr | None:
        implicit = self._model.graph.resolutions[edge.site].implicit
        return argument_for(edge.callee, name, edge.site, implicit)

    def _may_be_given(self, name: str, scope: Function) -> bool:
        """May a caller pass something for this parameter: one that we see does, or we see none?"""
        edges = [edge for edge in self._model.edges_to(scope) if edge.kind != "callback"]
        if not edges:
            return True
        for edge in edges:
            expr = self._argument(edge, name)
            spread = any(k == "**" for k, _ in edge.site.fact.kwargs) or any(
                isinstance(a, f.Star) for a in edge.site.fact.args
            )
            if (expr is not None and not _nothing(expr)) or (expr is None and spread):
                return True
        return bool(self._model.entries.at(scope))

    # --- calls and attributes -----------------------------------------------------------------------------------------

    def _call(self, site: CallSite, way: _Way) -> Iterator[Minted]:
        kinds = [_KINDS[e.effect] for e in self._model.effects_at(site) if e.effect in _KINDS]
        if kinds:
            if not _coarse(site):
                yield Minted("random" if "random" in kinds else kinds[0], site, site, way.carried)
            return
        if _coarse(site):
            return
        func = site.fact.func
        last = func.name if isinstance(func, f.Attr) else func.id if isinstance(func, f.Name) else ""
        hashes = any(e.effect is Effect.HASH_VALUE for e in self._model.effects_at(site))
        resolution = self._model.graph.resolutions[site]
        if resolution.functions and not resolution.classes:
            yield from self._returned(site, resolution.functions, way)
        elif hashes or last in KEEPS:
            yield from self._inputs(site, way)
        elif last in {"get", "pop", "setdefault", "getattr"} and len(site.fact.args) > 1:
            for minted in self._walk(site.fact.args[-1], way.deeper(site.fact.order)):
                yield replace(minted, optional=True)

    def _inputs(self, site: CallSite, way: _Way) -> Iterator[Minted]:
        func = site.fact.func
        exprs = [*site.fact.args, *(value for _, value in site.fact.kwargs)]
        if isinstance(func, f.Attr) and not self._is_module(func.value, site):
            exprs.insert(0, func.value)
        for expr in exprs:
            yield from self._walk(expr, replace(way.deeper(site.fact.order), scope=site.function))

    def _is_module(self, expr: f.Expr, site: CallSite) -> bool:
        found = self._model.values(expr, site.function, site.fact.order)
        return any(isinstance(v, Library) and v.receiver is None for v in found)

    def _returned(self, site: CallSite, functions: tuple[Function, ...], way: _Way) -> Iterator[Minted]:
        """What project functions return; their parameters are worth what this call passes."""
        for function in functions[:3]:
            leaves = [
                e for e in function.scope.leaves if e.kind == "return" and e.value is not None and not _nothing(e.value)
            ]
            each: list[list[Minted]] = []
            for leave in leaves:
                assert leave.value is not None
                inner = _Way(function, leave.order, way.depth + 2)
                made = list(self._walk(leave.value, inner))
                each.append([replace(m, anchor=site, carried=way.carried) for m in made if not m.carried])
                each[-1].extend(self._through_arguments(site, made, way))
            others = any(not made for made in each)
            for made in each:
                for minted in made:
                    yield replace(minted, optional=minted.optional or others)

    def _through_arguments(self, site: CallSite, made: list[Minted], way: _Way) -> Iterator[Minted]:
        """Values that this very call passes in and gets back."""
        for minted in made:
            if minted.carried and minted.carried[-1].site is site:
                yield replace(minted, carried=(*minted.carried[:-1], *way.carried))

    def _attribute(self, expr: f.Attr, way: _Way) -> Iterator[Minted]:
        direct = list(self._walk(expr.value, way.deeper())) if expr.name in {"hex", "int", "bytes", "urn"} else []
        if direct:
            yield from direct
            return
        for value in self._model.values(expr.value, way.scope, way.order):
            if not isinstance(value, Instance):
                continue
            each: list[list[Minted]] = []
            for cls in value.cls.mro:
                for scope, assign in cls.attribute_assigns.get(expr.name, ())[:4]:
                    if assign.value is not None and not _nothing(assign.value) and scope.kind != "class":
                        each.append(list(self._walk(assign.value, _Way(scope, assign.order, way.depth + 3))))
            others = any(not made for made in each)
            for made in each:
                for minted in made:
                    yield replace(minted, optional=minted.optional or others, attribute=expr.name, carried=())
            return


def _nothing(expr: f.Expr | None) -> bool:
    """None, an empty text or an empty display: no value to go by."""
    match expr:
        case None:
            return True
        case f.Const(kind="none"):
            return True
        case f.Str(value=""):
            return True
        case f.Seq(items=()) | f.Dict(items=()):
            return True
    return False


def _coarse(site: CallSite) -> bool:
    """A day or another bucket of time on purpose: `date.today()`, `now().date()`, `strftime("%Y-%m-%d")`."""
    func = site.fact.func
    name = func.name if isinstance(func, f.Attr) else ""
    if name in _COARSE:
        return True
    if name == "strftime":
        texts = [part.value for arg in site.fact.args for part in flow.walk(arg) if isinstance(part, f.Str)]
        return bool(texts) and not any(_TIME_OF_DAY.search(text) for text in texts)
    return False


def is_seeded(model: Model, minted: Minted, used: Function) -> bool:
    """`random.seed(…)` near where the value is made or used: each run draws the same numbers, in the same order."""
    near = {used, minted.site.function, minted.top}
    near |= {edge.caller for function in tuple(near) for edge in model.edges_to(function)}
    return any("random.seed" in model.library_names(site) for function in near for site in function.calls)
