"""Reads written objects (`Order(…)` and what is assigned to it afterwards), and holds what a chain of calls says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project.database.conditions import Match
from roadworthy.project.values import Container, Instance

if TYPE_CHECKING:
    from roadworthy.project.calls import CallGraph
    from roadworthy.project.database.conditions import ConditionReader
    from roadworthy.project.database.tables import Schema
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, ClassInfo, Function

_SAVES = frozenset({"save", "asave"})


@dataclass
class Chain:
    """What a chain says, while it is read."""

    model: ClassInfo | None = None
    kind: str = ""  # overrides the kind of the effect
    lookup: tuple[Match, ...] = ()
    values: tuple[Match, ...] = ()
    exact: bool = True
    filled: bool = False
    method: str = ""
    links: tuple[str, ...] = ()
    locked: bool = False
    target: tuple[str, ...] | None = None
    fresh: bool | None = None
    object: f.Expr | None = None
    listed: tuple[str, ...] = ()
    made: CallSite | None = None  # where the new row is made, when the write stores that or one that was found
    found: list[CallSite] = field(default_factory=list)


class ObjectReader:
    """Reads the objects that a call writes."""

    def __init__(self, graph: CallGraph, evaluator: Evaluator, schema: Schema, conditions: ConditionReader) -> None:
        """`conditions` reads the keywords of constructors."""
        self._graph = graph
        self._evaluator = evaluator
        self._schema = schema
        self._conditions = conditions

    def read(self, expr: f.Expr, site: CallSite, chain: Chain, kind: str) -> None:
        """What an object that is written holds: the constructor's keywords and what is assigned to it afterwards."""
        chain.object = expr
        listed = expr.items if isinstance(expr, f.Seq) else (expr, *_gathered(expr, site))
        for item in listed[:3]:
            for value in self._evaluator.evaluate(item, site.function, site.fact.order):
                self._written(value, item, site, chain)
                if chain.model is not None:
                    break
        if chain.method in _SAVES and chain.fresh:
            chain.kind = "insert"
        elif chain.kind == "upsert":
            return
        elif chain.method in _SAVES or (kind == "insert" and chain.fresh is False):
            chain.kind = "update"

    def found_or_made(self, site: CallSite) -> Chain | None:
        """`row = find(…)`, `if row is None: row = Row(…)` and then one `row.save()` or `session.add(row)` for both: the new row."""
        func, scope = site.fact.func, site.function
        method = func.name if isinstance(func, f.Attr) else ""
        given = func.value if method in _SAVES and isinstance(func, f.Attr) else (*site.fact.args, None)[0]
        if method not in {*_SAVES, "add"} or not isinstance(given, f.Name) or given.id not in scope.bindings:
            return None
        made = [
            value
            for value in self._evaluator.evaluate(given, scope, site.fact.order)
            if isinstance(value, Instance)
            and value.site is not None
            and value.site.function is scope
            and self._schema.is_model(value.cls)
            and self.constructs(value.site, value.cls)
        ]
        bound = [assign for assign in scope.bindings[given.id] if assign.order < site.fact.order]
        if len(made) != 1 or not _has_another(bound, made[0].site):
            return None
        chain = Chain(method=method, made=made[0].site, object=given)
        self._written(made[0], given, site, chain)
        return chain

    def _written(self, value: object, item: f.Expr, site: CallSite, chain: Chain) -> None:
        match value:
            case Container(items=items):
                for inner in items:
                    self._written(inner, item, site, chain)
            case Instance(cls=cls, site=made) if not self._schema.is_model(cls):
                self._serialised(cls, made, site, chain)
            case Instance(cls=cls, site=made) if self._schema.is_model(cls):
                chain.model = chain.model or cls
                if made is not None and (new := self._from_form(made, cls)) is not None:
                    chain.fresh = new
                    chain.values = (*chain.values, *(self._assigned(item, site, made) if new else ()))
                    return
                if made is None or not self.constructs(made, cls):
                    loaded = made is not None or (isinstance(item, f.Name) and item.id in site.function.bindings)
                    chain.fresh = False if loaded else chain.fresh
                    return
                chain.fresh = True
                chain.filled = not made.fact.args and not any(keyword == "**" for keyword, _ in made.fact.kwargs)
                chain.values = (
                    *chain.values,
                    *self._conditions.keywords(made.fact.kwargs, made.function, made.fact.order),
                )
                chain.values = (*chain.values, *self._assigned(item, site, made))

    def _serialised(self, cls: ClassInfo, made: CallSite | None, site: CallSite, chain: Chain) -> None:
        """`serializer.save(owner=user)`: a new row when it was made without one, as for the view's `perform_create()`."""
        model = self._evaluator.orm.stores_for(cls)
        if model is None:
            return
        chain.model = model
        new = _shows_new(site.function) if made is None else not _is_given_row(made, cls)
        chain.values = self._conditions.keywords(site.fact.kwargs, site.function, site.fact.order)
        own = (
            c.methods[name] for c in cls.mro for name in ("save", "create" if new else "update") if name in c.methods
        )
        if not all(_passes_on(method) for method in own):
            chain.kind = "upsert"  # the project says how: what it does there is read there
            return
        chain.fresh = new

    def _from_form(self, made: CallSite, cls: ClassInfo) -> bool | None:
        """`row = form.save(commit=False)`: a new row where the form was made without one; None for any other call."""
        func = made.fact.func
        if not isinstance(func, f.Attr) or func.name != "save" or not _keeps(made):
            return None
        for value in self._evaluator.evaluate(func.value, made.function, made.fact.order):
            if isinstance(value, Instance) and self._evaluator.orm.stores_for(value.cls) is cls:
                site = value.site
                return _shows_new(made.function) if site is None else not _is_given_row(site, value.cls)
        return None

    def constructs(self, made: CallSite, cls: ClassInfo) -> bool:
        """Does this call construct the object, or does it load or find it?"""
        resolution = self._graph.resolutions.get(made)
        return resolution is not None and any(
            value.cls is cls or cls in value.cls.descendants for value in resolution.classes
        )

    def _assigned(self, item: f.Expr, site: CallSite, made: CallSite) -> tuple[Match, ...]:
        """`order.number = …` between the construction and the write."""
        if not isinstance(item, f.Name) or made.function is not site.function:
            return ()
        return tuple(
            Match(a.target.name, a.value, site.function, "eq", a.order)
            for a in site.function.scope.assigns
            if isinstance(a.target, f.Attr)
            and isinstance(a.target.value, f.Name)
            and a.target.value.id == item.id
            and a.order > made.fact.order
        )


def _has_another(bound: list[f.Assign], made: CallSite | None) -> bool:
    """Is a name bound to something else than what is made, or to that as the last choice (`find() or Row()`)?"""
    given = [assign.value for assign in bound if assign.op in {"=", ":="}]
    return made is not None and any(value is not None and value != f.CallRef(made.index) for value in given)


def _gathered(expr: f.Expr, site: CallSite) -> list[f.Expr]:
    """`rows.append(Tag(…))` before `add_all(rows)`."""
    if not isinstance(expr, f.Name):
        return []
    return [
        other.fact.args[0]
        for other in site.function.calls
        if other.fact.order < site.fact.order
        and isinstance(other.fact.func, f.Attr)
        and other.fact.func.name == "append"
        and isinstance(other.fact.func.value, f.Name)
        and other.fact.func.value.id == expr.id
        and other.fact.args
    ]


def _passes_on(method: Function) -> bool:
    """A `save()` or `create()` that adds to the one of its base."""
    calls = method.scope.calls
    for call in calls:
        func = call.func
        receiver = func.value if isinstance(func, f.Attr) and func.name == method.name else None
        if isinstance(receiver, f.CallRef) and calls[receiver.index].func == f.Name("super"):
            return True
    return False


def _is_given_row(made: CallSite, cls: ClassInfo) -> bool:
    """`OrderSerializer(order, data=…)`, `OrderForm(request.POST, instance=order)`; what a form is given first is what was sent."""
    keyed = any(keyword in {"instance", "**"} for keyword, _ in made.fact.kwargs)
    return keyed or (bool(made.fact.args) and not any(base.endswith("ModelForm") for base in cls.library_bases))


def _shows_new(function: Function) -> bool:
    """Does the framework call a method of a view with a serializer or form that has no row yet?"""
    bases = function.cls.library_bases if function.cls is not None else ()
    return function.name == "perform_create" or any(base.endswith("CreateView") for base in bases)


def _keeps(made: CallSite) -> bool:
    """`save(commit=False)` stores nothing yet."""
    given = [*made.fact.args[:1], *(value for keyword, value in made.fact.kwargs if keyword == "commit")]
    return any(isinstance(value, f.Const) and value.value is False for value in given)
