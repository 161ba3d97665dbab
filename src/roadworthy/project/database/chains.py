"""Reads fluent chains (`Order.objects.filter(…).first()`, `select(Order).where(…)`) and written objects (`Order(…)`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.database.conditions import ConditionReader, Match
from roadworthy.project.database.managed import ManagedReader
from roadworthy.project.database.objects import Chain, ObjectReader
from roadworthy.project.values import ClassValue, Instance, LibraryObject

if TYPE_CHECKING:
    from roadworthy.project.calls import CallGraph
    from roadworthy.project.database.tables import Schema
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, ClassInfo, Function

__all__ = ["Chain", "ChainReader", "Match"]

_FILTERS = frozenset({
    "filter", "filter_by", "where", "get", "aget", "get_object_or_404", "aget_object_or_404", "get_or_404", "first_or_404",
})  # fmt: skip
_NEGATED = frozenset({"exclude"})
_ITSELF = frozenset({"pk", "id"})  # `exclude(pk=self.pk)`: any row but the one at hand
_CREATES = frozenset({"create", "acreate"})
_CREATES_IF_ABSENT = frozenset({"get_or_create", "aget_or_create", "update_or_create", "aupdate_or_create"})
_BY_KEY = frozenset({"get", "get_one", "get_or_404"})
_LOCKS = frozenset({"select_for_update", "with_for_update"})
_RUNS = frozenset({"execute", "scalar", "scalars", "exec", "stream", "stream_scalars", "first", "all", "one"})
_NARROWS = frozenset(
    {"extra", "having", "join", "outerjoin", "join_from", "contains_eager", "complex_filter"}
)  # conditions that are not read
_DEFAULTS = frozenset({"defaults", "create_defaults"})
_STATEMENTS = {"Select": "read", "Query": "read", "Insert": "insert", "Update": "update", "Delete": "delete"}


class ChainReader:
    """Reads the call that runs a query, a statement or a write, back to where it begins."""

    def __init__(self, graph: CallGraph, evaluator: Evaluator, schema: Schema) -> None:
        """`schema` tells which classes are models."""
        self._graph = graph
        self._evaluator = evaluator
        self._schema = schema
        self._conditions = ConditionReader(evaluator, schema)
        self._managed = ManagedReader(self._conditions)
        self.objects = ObjectReader(graph, evaluator, schema, self._conditions)

    def is_inner(self, site: CallSite) -> bool:
        """Does a later link of the same chain run this one (`filter(…)` of `filter(…).first()`), or a call that is handed it?"""
        if not self._is_lazy(site):
            return False
        outer = site.fact.outer
        while outer >= 0:
            call = site.function.scope.calls[outer]
            if call.order <= site.fact.order:
                return False
            wrapper = site.function.calls[outer]
            receiver = site.fact.use == "receiver" or (
                isinstance(call.func, f.Attr) and _holds(call.func.value, site.index)
            )
            if receiver and self._touches_database(wrapper):
                return True
            if (
                not receiver
                and isinstance(call.func, f.Attr)
                and call.func.name in _RUNS | {"where", "filter", "select_from", "in_", "union"}
            ):
                return True
            outer = call.outer
            if not receiver:
                return False
        return self._is_bound_statement(site)

    def _is_lazy(self, site: CallSite) -> bool:
        resolution = self._graph.resolutions[site]
        rows = [row for library in resolution.libraries for row in self._evaluator.knowledge.calls(library.name)]
        return (
            bool(rows)
            and all(row.lazy for row in rows if row.effects)
            and _method(site) not in {"add", "add_all", "delete"}
        )

    def _touches_database(self, site: CallSite) -> bool:
        resolution = self._graph.resolutions[site]
        return any(
            row.effects for library in resolution.libraries for row in self._evaluator.knowledge.calls(library.name)
        )

    def _is_bound_statement(self, site: CallSite) -> bool:
        """`stmt = select(…)`: what runs it is another call."""
        return any(
            isinstance(value, LibraryObject)
            and value.type.rpartition(".")[2] in {"Select", "Insert", "Update", "Delete", "TextClause"}
            for value in self._evaluator.call_result(site)
        )

    # --- reading ------------------------------------------------------------------------------------------------------

    def read(self, site: CallSite, kind: str) -> Chain:
        """The chain that ends with this call."""
        chain = Chain(method=_method(site), target=self._unique_fields(site))
        payload = self._payload(site, kind)
        if payload is not None and kind in {"insert", "upsert", "update", "delete"} and self._is_object(payload, site):
            self.objects.read(payload, site, chain, kind)
        elif payload is not None:
            self._walk(payload, site.function, site.fact.order, chain, 0)
        else:
            self._walk_from(site, chain, 0)
            if chain.method in {"save", "asave"} and isinstance(site.fact.func, f.Attr):
                self.objects.read(site.fact.func.value, site, chain, kind)
        for link in reversed(chain.found):
            self._link(link, chain, kind)
        chain.links = tuple(_method(link) for link in reversed(chain.found))
        return chain

    def handed(self, expr: f.Expr, site: CallSite) -> tuple[str, Chain] | None:
        """(kind, chain) of a statement or fresh object that a call of the project is given."""
        for value in self._evaluator.evaluate(expr, site.function, site.fact.order):
            match value:
                case LibraryObject(type=name, model=model) if (
                    name.rpartition(".")[2] in _STATEMENTS and (model or self._own_model(site)) is not None
                ):
                    kind = _STATEMENTS[name.rpartition(".")[2]]
                    chain = Chain(model=model or self._own_model(site), method=_method(site))
                    self._walk(expr, site.function, site.fact.order, chain, 0)
                    for link in reversed(chain.found):
                        self._link(link, chain, kind)
                    chain.links = tuple(_method(link) for link in reversed(chain.found))
                    return (chain.kind or kind), chain
                case Instance(cls=cls, site=made) if (
                    made is not None and self._schema.is_model(cls) and self.objects.constructs(made, cls)
                ):
                    chain = Chain(model=cls, method=_method(site), fresh=True)
                    self.objects.read(expr, site, chain, "insert")
                    return "insert", chain
        return None

    def kept(self, site: CallSite) -> Chain | None:
        """The new row that a `save()` of the project's own model stores; None for a row that was there, or may have been."""
        if not isinstance(site.fact.func, f.Attr):
            return None
        chain = Chain(method=_method(site))
        self.objects.read(site.fact.func.value, site, chain, "insert")
        return chain if chain.fresh and chain.model is not None else None

    def keywords(self, given: tuple[tuple[str, f.Expr], ...], site: CallSite) -> tuple[Match, ...]:
        """Conditions by the names of columns that a call passes on."""
        return self._conditions.keywords(given, site.function, site.fact.order)

    def _own_model(self, site: CallSite) -> ClassInfo | None:
        """The model of a repository that runs a statement by a method of its own: `self.get_one(self.base().where(…))`."""
        func, cls = site.fact.func, site.function.cls
        own = isinstance(func, f.Attr) and isinstance(func.value, f.Name) and func.value.id == "self"
        return self._evaluator.orm.about(cls) if own and cls is not None else None

    def _unique_fields(self, site: CallSite) -> tuple[str, ...] | None:
        """`bulk_create(rows, update_conflicts=True, unique_fields=["number"])`."""
        expr = next((value for keyword, value in site.fact.kwargs if keyword == "unique_fields"), None)
        return tuple(self._conditions.names(expr, site.function)) or None if expr is not None else None

    def _payload(self, site: CallSite, kind: str) -> f.Expr | None:
        """The statement or object that the call is given."""
        method = _method(site)
        args = site.fact.args
        if method in {"execute", "scalar", "scalars", "exec", "stream", "stream_scalars"} and args:
            return args[0]
        if (
            method
            in {
                "add",
                "add_all",
                "merge",
                "delete",
                "bulk_create",
                "abulk_create",
                "bulk_save_objects",
                "bulk_update",
                "abulk_update",
            }
            and args
        ):
            return args[0]
        if kind in {"insert", "upsert"} and method in {"bulk_create", "abulk_create"}:
            return next((value for keyword, value in site.fact.kwargs if keyword == "objs"), None)
        return None

    def _is_object(self, expr: f.Expr, site: CallSite) -> bool:
        for value in self._evaluator.evaluate(expr, site.function, site.fact.order):
            if isinstance(value, LibraryObject) and value.type.rpartition(".")[2] in _STATEMENTS:
                return False
        return _method(site) not in {"execute", "scalar", "scalars", "exec", "stream"}

    def _walk_from(self, site: CallSite, chain: Chain, depth: int) -> None:
        chain.found.append(site)
        func = site.fact.func
        if isinstance(func, f.Attr) and self._calls_manager(site):
            self._related(func, site.function, site.fact.order, chain)
        elif isinstance(func, f.Attr):
            self._walk(func.value, site.function, site.fact.order, chain, depth + 1)

    def _calls_manager(self, site: CallSite) -> bool:
        """`customer.orders(manager="open")`: the rows of the other model through another of its managers."""
        return any(library.name.endswith(".Manager.__call__") for library in self._graph.resolutions[site].libraries)

    def _walk(self, expr: f.Expr | None, scope: Function, order: int, chain: Chain, depth: int) -> None:
        """Collect the calls of a chain, last first, through names and helpers of the project."""
        if expr is None or depth > 24:
            chain.exact = chain.exact and expr is None
            return
        match expr:
            case f.Await() | f.Walrus():
                self._walk(expr.value, scope, order, chain, depth + 1)
            case f.CallRef():
                self._walk_call(scope.calls[expr.index], chain, depth)
            case f.Name():
                self._walk_name(expr.id, scope, order, chain, depth)
            case f.Attr():
                self._related(expr, scope, order, chain)
                self._begun(expr, scope, order, chain)
            case f.Sub():
                self._walk(expr.value, scope, order, chain, depth + 1)

    def _walk_call(self, site: CallSite, chain: Chain, depth: int) -> None:
        resolution = self._graph.resolutions[site]
        if resolution.libraries or not resolution.functions:
            self._walk_from(site, chain, depth)
            return
        chain.found.append(site)
        for function in resolution.functions[:1]:
            returns = [leave for leave in function.scope.leaves if leave.kind == "return" and leave.value is not None]
            if len(returns) == 1:
                self._walk(returns[0].value, function, returns[0].order, chain, depth + 3)
                return
        chain.exact = False

    def _walk_name(self, name: str, scope: Function, order: int, chain: Chain, depth: int) -> None:
        assigns = scope.bindings.get(name, [])
        if not assigns:
            if name in scope.parameters and not _is_own_manager(name, scope):
                chain.exact = False
            elif scope.cls is not None and name in scope.parameters:
                chain.lookup = (*chain.lookup, *self._managed.of(scope.cls))
            return
        reaching, hidden = flow.reaching(scope.scope, assigns, order)
        if reaching and reaching[0].value is not None and reaching[0].op in {"=", ":="}:
            chain.exact = chain.exact and (len(reaching) == 1 or (hidden and len(reaching) <= 1))
            self._walk(reaching[0].value, scope, reaching[0].order, chain, depth + 1)
        else:
            chain.exact = False

    def _related(self, expr: f.Attr, scope: Function, order: int, chain: Chain) -> None:
        """`customer.orders`: rows of the other model whose relation is this row."""
        for value in self._evaluator.evaluate(expr.value, scope, order):
            if isinstance(value, Instance):
                found = self._evaluator.orm.reverse(value.cls, expr.name)
                if found is not None:
                    match = Match(found[1], expr.value, scope, "eq", order)
                    chain.lookup = (*chain.lookup, match)
                    chain.values = (*chain.values, match)
                    chain.model = chain.model or found[0]
                elif self._links_many(
                    expr, scope, order
                ):  # which of the rows are linked to this one stands in a third table
                    chain.lookup = (*chain.lookup, Match(expr.name, expr.value, scope, "other", order))
                    chain.exact = False
                return

    def _links_many(self, expr: f.Attr, scope: Function, order: int) -> bool:
        """Is an attribute of a row the many-to-many field that its class declares?"""
        found = [v for v in self._evaluator.evaluate(expr, scope, order) if isinstance(v, LibraryObject)]
        return any(v.site is not None and v.site.function.scope.kind == "class" for v in found)

    def _begun(self, expr: f.Attr, scope: Function, order: int, chain: Chain) -> None:
        """`State.open_objects`: a manager whose queries begin with conditions."""
        found = [v for v in self._evaluator.evaluate(expr, scope, order) if isinstance(v, Instance)]
        if len(found) == 1 and found[0].cls.library_bases and not self._schema.is_model(found[0].cls):
            chain.lookup = (*chain.lookup, *self._managed.of(found[0].cls))

    # --- links --------------------------------------------------------------------------------------------------------

    def _link(self, site: CallSite, chain: Chain, kind: str) -> None:
        method = _method(site)
        fact = site.fact
        if method in _LOCKS:
            chain.locked = True
        elif method in _CREATES_IF_ABSENT:
            self._creates_if_absent(site, chain)
        elif method in _CREATES and kind == "insert":
            chain.values = (*chain.values, *self._conditions.keywords(fact.kwargs, site.function, fact.order))
            chain.filled = not any(keyword == "**" for keyword, _ in fact.kwargs)
        elif (method in {"update", "aupdate"} and kind == "update") or (
            method == "values" and kind in {"insert", "update", "upsert"}
        ):
            self._fill(site, chain)
        elif method in _BY_KEY and self._by_primary_key(site, chain):
            return
        elif method in _FILTERS:
            found, exact = self._conditions.of_call(site)
            chain.lookup = (*chain.lookup, *found)
            chain.exact = chain.exact and exact
        elif method in _NEGATED:
            found, _ = self._conditions.of_call(site)
            found = () if all(m.column in _ITSELF and m.op == "eq" for m in found) else found
            chain.lookup = (*chain.lookup, *(Match(m.column, m.value, m.scope, "other", m.order) for m in found))
        elif method in {"values_list", "values", "with_entities", "with_only_columns", "select", "query"}:
            chain.listed = tuple(n for a in fact.args for n in self._conditions.names(a, site.function)) or chain.listed
        elif method in _NARROWS:
            chain.exact = False
        elif method.startswith("on_conflict"):
            chain.kind = "upsert"
            chain.target = self._conflict_target(site)
        elif method.startswith("on_duplicate"):
            chain.kind = "upsert"
        elif method == "with_for_update":
            chain.locked = True
        if any(keyword == "with_for_update" for keyword, _ in fact.kwargs):
            chain.locked = True

    def _creates_if_absent(self, site: CallSite, chain: Chain) -> None:
        fact = site.fact
        given = [(keyword, value) for keyword, value in fact.kwargs if keyword not in _DEFAULTS]
        lookup = self._conditions.keywords(tuple(given), site.function, fact.order)
        chain.lookup = (*chain.lookup, *lookup)
        chain.values = (*chain.values, *(m for m in lookup if m.op == "eq"))
        chain.exact = chain.exact and not any(keyword == "**" for keyword, _ in given)
        chain.filled = True
        for keyword, value in fact.kwargs:
            if keyword in _DEFAULTS:
                filled, whole = self._conditions.mapping(value, site.function, fact.order)
                chain.values = (*chain.values, *filled)
                chain.filled = chain.filled and whole

    def _fill(self, site: CallSite, chain: Chain) -> None:
        fact = site.fact
        chain.values = (*chain.values, *self._conditions.keywords(fact.kwargs, site.function, fact.order))
        chain.filled = not any(keyword == "**" for keyword, _ in fact.kwargs)
        for expr in fact.args[:1]:
            filled, whole = self._conditions.mapping(expr, site.function, fact.order)
            chain.values = (*chain.values, *filled)
            chain.filled = chain.filled and whole

    def _by_primary_key(self, site: CallSite, chain: Chain) -> bool:
        """`session.get(Order, key)`, `query.get(key)`."""
        args = site.fact.args
        if not args or (
            site.fact.kwargs
            and not all(k in {"with_for_update", "options", "populate_existing"} for k, _ in site.fact.kwargs)
        ):
            return False
        first = self._evaluator.evaluate(args[0], site.function, site.fact.order)
        if any(isinstance(value, ClassValue) for value in first):
            if len(args) > 1:
                chain.lookup = (*chain.lookup, Match("pk", args[1], site.function, "eq", site.fact.order))
                return True
            return False
        if len(args) == 1 and not isinstance(args[0], f.Star | f.CallRef | f.Compare | f.Bin):
            chain.lookup = (*chain.lookup, Match("pk", args[0], site.function, "eq", site.fact.order))
            return True
        return False

    def _conflict_target(self, site: CallSite) -> tuple[str, ...] | None:
        """Columns of `index_elements`; () for a clause without columns; None where a constraint is named or nothing is literal."""
        given = dict(site.fact.kwargs)
        expr = given.get("index_elements")
        if expr is None and site.fact.args:
            return None
        if expr is None:
            return None if "constraint" in given else ()
        names = self._conditions.names(expr, site.function)
        return tuple(names) if names else None


def _is_own_manager(name: str, scope: Function) -> bool:
    """`self` of a manager: every query begins anew there, where that of a query set goes on from what its caller has asked for."""
    cls = scope.cls
    first = scope.scope.params[0].name if scope.scope.params else ""
    return cls is not None and name == first and any(base.endswith("Manager") for base in cls.library_bases)


def _method(site: CallSite) -> str:
    func = site.fact.func
    return func.name if isinstance(func, f.Attr) else func.id if isinstance(func, f.Name) else ""


def _holds(expr: f.Expr, index: int) -> bool:
    """Is the call with this index the value of an expression, `await` apart?"""
    while isinstance(expr, f.Await):
        expr = expr.value
    return isinstance(expr, f.CallRef) and expr.index == index
