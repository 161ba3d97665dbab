"""Where a value comes from: random, the clock, an argument, a field, a literal, a hash of these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.arguments import argument
from roadworthy.project.values import ClassValue, FunctionValue, Instance, Library, ProjectModule

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roadworthy.project.calls import CallGraph
    from roadworthy.project.effects import Effects
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, Function

_BY_EFFECT = {
    Effect.RANDOM_VALUE: "random",
    Effect.CLOCK_VALUE: "clock",
    Effect.HASH_VALUE: "hash",
    Effect.PROCESS_HASH: "process-hash",
}
# Conversions keep the origin of what they convert: the language's own.
KEEPS = frozenset({
    "str", "int", "hex", "format", "repr", "bytes", "encode", "decode", "lower", "upper", "strip", "replace", "isoformat", "strftime",
    "timestamp", "join", "hexdigest", "digest", "urlsafe_b64encode", "b64encode", "rstrip", "lstrip", "split", "as_uuid", "total_seconds",
    "zfill", "float", "round", "min", "max", "tuple", "list", "date", "int_", "get_hex", "tolist", "abs", "astimezone", "UUID", "model_dump",
})  # fmt: skip


_DEEP = 14
_MOST = 5_000
"""Parts that are looked at for one value: helpers that call each other open ways by the million, none of them new."""


@dataclass(frozen=True, slots=True)
class Origin:
    """One source that a value depends on."""

    kind: str  # "random" "clock" "process-hash" "argument" "field" "literal" "call" "unknown"
    site: CallSite | None = None  # the call that makes the random or clock value
    name: str = ""  # argument or field name
    hashed: bool = False  # through a hash of its inputs
    steps: tuple[CallSite, ...] = ()  # calls of the project that it came through, outermost first


class Origins:
    """Follows values backwards."""

    def __init__(self, graph: CallGraph, effects: Effects, evaluator: Evaluator) -> None:
        """Bounded in depth and number; what is not followed is "unknown"."""
        self._left = 0
        self._graph = graph
        self._effects = effects
        self._evaluator = evaluator

    def of(self, expr: f.Expr | None, scope: Function, order: int | None = None) -> tuple[Origin, ...]:
        """The sources of an expression, without repetitions."""
        if expr is None:
            return ()
        self._left = _MOST
        return tuple(dict.fromkeys(self._follow(expr, scope, order, 0)))

    def _follow(self, expr: f.Expr, scope: Function, order: int | None, depth: int) -> Iterator[Origin]:
        self._left -= 1
        if depth > _DEEP or self._left < 0:
            yield Origin("unknown")
            return
        match expr:
            case f.Str() | f.Const():
                yield Origin("literal")
            case f.Name():
                yield from self._name(expr.id, scope, order, depth)
            case f.CallRef():
                yield from self._call(scope.calls[expr.index], depth)
            case f.Attr():
                yield from self._attribute(expr, scope, order, depth)
            case (
                f.FStr()
                | f.Bin()
                | f.BoolOp()
                | f.Seq()
                | f.IfExp()
                | f.Await()
                | f.Star()
                | f.Walrus()
                | f.Dict()
                | f.Comp()
            ):
                for part in self._depends(expr):
                    yield from self._follow(part, scope, order, depth + 1)
            case f.Sub():
                base = flow.text_of(expr.value, scope.scope)
                origins = list(self._follow(expr.value, scope, order, depth + 1))
                if any(o.kind in {"random", "clock", "process-hash"} for o in origins):
                    yield from origins
                else:
                    key = expr.index.value if isinstance(expr.index, f.Str) else flow.text_of(expr.index, scope.scope)
                    yield Origin("field", None, f"{base}[{key!r}]" if isinstance(expr.index, f.Str) else f"{base}[…]")
            case _:
                yield Origin("unknown")

    def _depends(self, expr: f.Expr) -> Sequence[f.Expr]:
        if isinstance(expr, f.IfExp):
            return [expr.body, expr.orelse]
        return flow.parts(expr)

    def _name(self, name: str, scope: Function, order: int | None, depth: int) -> Iterator[Origin]:
        here: Function | None = scope
        first = True
        while here is not None:
            assigns = here.bindings.get(name, [])
            if assigns and here.kind != "class":
                reaching, hidden = flow.reaching(here.scope, assigns, order if first else None)
                for assign in reaching:
                    if assign.op in {"for", "with", "except"}:
                        yield from self._bound_by_block(assign, name, here, depth)
                    elif assign.value is not None:
                        yield from self._follow(assign.value, here, assign.order, depth + 1)
                if name in here.parameters and not hidden:
                    yield Origin("argument", None, name)
                return
            if name in here.parameters:
                yield Origin("argument", None, name)
                return
            here, first = here.parent, False
        values = self._evaluator.evaluate(f.Name(name), scope, order)
        yield Origin("literal" if values else "unknown", None, name)

    def _bound_by_block(self, assign: f.Assign, name: str, scope: Function, depth: int) -> Iterator[Origin]:
        if assign.value is None:
            return
        origins = list(self._follow(assign.value, scope, assign.order, depth + 1))
        if any(o.kind in {"random", "clock"} for o in origins) and assign.op != "for":
            yield from origins
        else:
            yield Origin("field", None, name)

    def _attribute(self, expr: f.Attr, scope: Function, order: int | None, depth: int) -> Iterator[Origin]:
        text = flow.text_of(expr, scope.scope)
        if expr.name in {"hex", "int", "bytes", "urn", "value", "fields", "node"}:
            inner = list(self._follow(expr.value, scope, order, depth + 1))
            if any(o.kind in {"random", "clock", "process-hash"} for o in inner):
                yield from inner
                return
        for value in self._evaluator.evaluate(expr.value, scope, order):
            if isinstance(value, Instance | ClassValue):
                yield from self._attribute_of(value.cls, expr.name, text, depth)
                return
        yield Origin("field", None, text)

    def _attribute_of(self, cls: object, name: str, text: str, depth: int) -> Iterator[Origin]:
        """`self.x`: what its assignments depend on, when that is random or the clock; else a field."""
        assert hasattr(cls, "mro")
        found: list[Origin] = []
        for ancestor in cls.mro:
            for scope, assign in ancestor.attribute_assigns.get(name, ())[:4]:
                if assign.value is not None:
                    found.extend(self._follow(assign.value, scope, assign.order, depth + 2))
        risky = [o for o in found if o.kind in {"random", "clock", "process-hash"}]
        if risky:
            yield from risky
        yield Origin("field", None, text)

    def _call(self, site: CallSite, depth: int) -> Iterator[Origin]:
        kinds = {_BY_EFFECT[e.effect] for e in self._effects.at.get(site, ()) if e.effect in _BY_EFFECT}
        if "random" in kinds or "clock" in kinds:
            yield Origin("random" if "random" in kinds else "clock", site)
            return
        if "process-hash" in kinds:
            yield Origin("process-hash", site)
            return
        if "hash" in kinds:
            for origin in self._inputs(site, depth):
                yield Origin(origin.kind, origin.site, origin.name, True, origin.steps)
            return
        func = site.fact.func
        last = func.name if isinstance(func, f.Attr) else func.id if isinstance(func, f.Name) else ""
        resolution = self._graph.resolutions.get(site)
        functions = resolution.functions if resolution is not None else ()
        if functions and not (resolution is not None and resolution.classes):
            yield from self._through(site, functions, depth)
            return
        if last in KEEPS:
            yield from self._inputs(site, depth)
            return
        factory = self._default_factory(site)
        if factory is not None:
            yield from self._call_of_value(factory, site, depth)
            return
        yield Origin("call", site, last)

    def _inputs(self, site: CallSite, depth: int) -> Iterator[Origin]:
        func = site.fact.func
        exprs = [*site.fact.args, *(v for _, v in site.fact.kwargs)]
        if isinstance(func, f.Attr) and not self._names_module(func.value, site):
            exprs.insert(0, func.value)
        for expr in exprs:
            yield from self._follow(expr, site.function, site.fact.order, depth + 1)

    def _names_module(self, expr: f.Expr, site: CallSite) -> bool:
        values = self._evaluator.evaluate(expr, site.function, site.fact.order)
        return any(
            isinstance(v, ProjectModule | ClassValue) or (isinstance(v, Library) and v.receiver is None) for v in values
        )

    def _through(self, site: CallSite, functions: tuple[Function, ...], depth: int) -> Iterator[Origin]:
        """What a project function returns; its parameters are replaced by what the call passes. Each source once: helpers that call
        helpers would multiply them."""
        seen: set[Origin] = set()
        passes = False
        for function in functions[:3]:
            for leave in function.scope.leaves:
                if leave.kind != "return" or leave.value is None:
                    continue
                for origin in self._follow(leave.value, function, leave.order, depth + 2):
                    if origin.kind == "argument":
                        if not passes:
                            passes = True
                            yield from dict.fromkeys(self._inputs(site, depth))
                        continue
                    through = Origin(origin.kind, origin.site, origin.name, origin.hashed, (site, *origin.steps))
                    if through not in seen:
                        seen.add(through)
                        yield through

    def _default_factory(self, site: CallSite) -> FunctionValue | None:
        for keyword, expr in site.fact.kwargs:
            if keyword in {"default_factory", "default", "insert_default", "factory"}:
                for value in self._evaluator.evaluate(expr, site.function, site.fact.order):
                    if isinstance(value, FunctionValue):
                        return value
        return None

    def _call_of_value(self, value: FunctionValue, site: CallSite, depth: int) -> Iterator[Origin]:
        yield from self._through(site, (value.function,), depth)

    def argument_origin(self, site: CallSite, where: object) -> tuple[Origin, ...]:
        """Origins of the argument at the place that a library row names."""
        expr = argument(site.fact, where)  # type: ignore[arg-type]
        return self.of(expr, site.function, site.fact.order)
