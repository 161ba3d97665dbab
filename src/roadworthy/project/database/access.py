"""Which table a call reads or writes, by which columns it looks rows up, and which columns it fills."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project.database.chains import Chain, ChainReader, Match
from roadworthy.project.database.namedcolumns import columns_named
from roadworthy.project.database.rawsql import read_sql
from roadworthy.project.database.rawvalues import filled, inserts_by_text
from roadworthy.project.values import Instance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.facts.schema import Expr
    from roadworthy.project.calls import CallGraph
    from roadworthy.project.database.tables import Schema, Table
    from roadworthy.project.effects import EffectAt, Effects
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.reach import Reach
    from roadworthy.project.symbols import CallSite, ClassInfo, Function

READ, INSERT, UPSERT, UPDATE, DELETE = "read", "insert", "upsert", "update", "delete"
PROMISE = "promise"  # a validator that asks for the row, and refuses a second one
_KINDS = {
    Effect.SQL_READ: READ,
    Effect.SQL_INSERT: INSERT,
    Effect.SQL_UPSERT: UPSERT,
    Effect.SQL_UPDATE: UPDATE,
    Effect.SQL_INCREMENT: UPDATE,
    Effect.SQL_DELETE: DELETE,
}
_DEPTH = 4
_WIDTH = 60
_STORES = frozenset({"save", "asave"})
_SEVERAL = 2  # rows of so many models are given to one function: whose they are, its caller says


@dataclass(frozen=True, slots=True, eq=False)
class Access:
    """One read or write of one table."""

    kind: str  # "read" "insert" "upsert" "update" "delete"
    site: CallSite  # the call that runs it
    effect: EffectAt
    model: ClassInfo | None
    table: Table | None
    lookup: tuple[Match, ...] = ()  # conditions on columns of this table
    values: tuple[Match, ...] = ()  # columns that are filled
    exact: bool = True  # every condition was understood
    filled: bool = True  # every filled column is known
    method: str = ""  # the last part of the call's name: `get_or_create`
    links: tuple[str, ...] = ()  # methods of the chain, first to last
    locked: bool = False  # rows are read for update
    target: tuple[str, ...] | None = None  # columns of a conflict clause; () for a clause without columns
    fresh: bool | None = None  # write of an object: made here (True), loaded here (False), unknown (None)
    object: Expr | None = None  # the object that is written, as an expression of the site's scope
    listed: tuple[str, ...] = ()  # read: the only columns that are fetched
    made: CallSite | None = None  # where the new row is made that a write stores unless it stores one that was found
    into: str = ""  # raw SQL: the table as written

    @property
    def function(self) -> Function:
        """The function in which the call stands."""
        return self.site.function

    @property
    def keys(self) -> tuple[str, ...]:
        """Columns looked up for one exact value, in source order."""
        return tuple(dict.fromkeys(match.column for match in self.lookup if match.op == "eq"))

    @property
    def columns(self) -> frozenset[str]:
        """Columns that are filled."""
        return frozenset(match.column for match in self.values)

    @property
    def looks_for_one(self) -> bool:
        """Every condition is "this column has this value"."""
        return self.exact and bool(self.lookup) and all(match.op in {"eq", "null"} for match in self.lookup)

    def value_of(self, column: str) -> Match | None:
        """What a column is filled with."""
        return next((match for match in self.values if match.column == column), None)

    def __repr__(self) -> str:
        name = self.table.name if self.table else self.model.name if self.model else "?"
        return f"<{self.kind} {name} {self.site.path}:{self.site.line}>"


@dataclass(frozen=True, slots=True)
class Through:
    """An access seen from a call that leads to it."""

    access: Access
    site: CallSite  # the call in the function that asks
    path: tuple[Function, ...] = field(default=())  # functions in between, outermost first

    @property
    def direct(self) -> bool:
        """Does the call itself run it?"""
        return self.site is self.access.site


class Accesses:
    """All accesses of the project, by function and through calls."""

    def __init__(self, graph: CallGraph, effects: Effects, reach: Reach, evaluator: Evaluator, schema: Schema) -> None:
        """Computed function by function on demand; `reach` tells where looking is worth it."""
        self._reach = reach
        self._graph = graph
        self._effects = effects
        self._schema = schema
        self._evaluator = evaluator
        self._chains = ChainReader(graph, evaluator, schema)
        self._known: dict[Function, tuple[Access, ...]] = {}
        self._through: dict[CallSite, tuple[Through, ...]] = {}
        self._adding: dict[Function, bool] = {}

    @cached_property
    def _touching(self) -> frozenset[Function]:
        """Functions that reach the database."""
        return self._reach.functions_with(_WEIGHT)

    @cached_property
    def inserting(self) -> frozenset[Function]:
        """Functions that may insert a row, themselves or through calls."""
        return self._reach.functions_with((Effect.SQL_INSERT, Effect.SQL_UPSERT, Effect.SQL))

    @cached_property
    def _functions(self) -> tuple[Function, ...]:
        """Functions with a database effect, or that store a row through its own `save()`, in source order."""
        return tuple(
            dict.fromkeys(
                site.function
                for site in self._graph.resolutions
                if any(_is_sql(e) for e in self._effects.at.get(site, ())) or self._storing(site) is not None
            )
        )

    def all(self, *kinds: str) -> Iterator[Access]:
        """Every access of the project."""
        for function in self._functions:
            for access in self.of(function):
                if not kinds or access.kind in kinds:
                    yield access

    def of(self, function: Function) -> tuple[Access, ...]:
        """Accesses that calls of this function run themselves, in source order."""
        known = self._known.get(function)
        if known is None:
            worth = function in self._touching and (self._schema.tables or inserts_by_text(function, self._effects))
            known = tuple(a for site in function.calls for a in self._at(site)) if worth else ()
            self._known[function] = known
        return known

    def at(self, site: CallSite) -> tuple[Access, ...]:
        """Accesses that this very call runs."""
        return tuple(access for access in self.of(site.function) if access.site is site)

    def new_one(self, site: CallSite) -> Access | None:
        """The insert among what a call does that stores a row which was found or, where there was none, is made."""
        chain = self._chains.objects.found_or_made(site)
        return self._inserted(site, chain) if chain is not None else None

    def through(self, site: CallSite) -> tuple[Through, ...]:
        """Accesses of a call, its own or of the functions that it calls and waits for (a few levels down)."""
        known = self._through.get(site)
        if known is None:
            own = tuple(Through(access, site) for access in self.at(site))
            known = own or tuple(self._below(site))
            if own and (stored := self._storing(site)) is not None:
                beside = (t for t in self._below(site) if t.access.table is not own[0].access.table)
                known = (*(Through(t.access, site, (stored,)) for t in own), *beside)
            self._through[site] = known
        return known

    def _below(self, site: CallSite) -> Iterator[Through]:
        queue: deque[tuple[Function, tuple[Function, ...]]] = deque()
        seen: set[Function] = {site.function}
        for callee in self.callees(site):
            queue.append((callee, ()))
        while queue and len(seen) < _WIDTH:
            here, above = queue.popleft()
            if here in seen:
                continue
            seen.add(here)
            path = (*above, here)
            for access in self.of(here):
                yield Through(self._with_given(access, site) if len(path) == 1 else access, site, path)
            if len(path) < _DEPTH:
                queue.extend((c, path) for inner in here.calls for c in self.callees(inner))

    def _with_given(self, access: Access, site: CallSite) -> Access:
        """A read by `**conditions` of a helper asks by what its caller gives: `self.get(email=email)`."""
        params = {param.name for param in access.function.scope.params if param.kind == "kwargs"}
        spread = [m for m in access.lookup if m.column == "**"]
        if access.kind != READ or not spread or not all(_is_named(m.value, params) for m in spread):
            return access
        own = set(access.function.parameters)
        given = tuple((k, v) for k, v in site.fact.kwargs if k not in own and k != "**")
        if not given or any(keyword == "**" for keyword, _ in site.fact.kwargs):
            return access
        found = self._chains.keywords(given, site)
        rest = tuple(m for m in access.lookup if m.column != "**")
        return replace(access, lookup=(*rest, *columns_named(found, access.table, self._schema)), exact=True)

    def callees(self, site: CallSite) -> Iterator[Function]:
        """Functions that a call runs and waits for, and that reach the database."""
        for edge in self._graph.at(site):
            if edge.runs_here and edge.kind != "callback" and edge.callee in self._touching:
                yield edge.callee

    # --- one call -----------------------------------------------------------------------------------------------------

    def _at(self, site: CallSite) -> Iterator[Access]:
        effects = [effect for effect in self._effects.at.get(site, ()) if _is_sql(effect)]
        if not effects:
            yield from self._handed_over(site)
            return
        if self._chains.is_inner(site):
            return
        effect = max(effects, key=lambda e: _WEIGHT.get(e.effect, 0))
        if effect.sql:
            yield from self._raw(effect)
            return
        if effect.effect in _KINDS:
            yield self._orm(_KINDS[effect.effect], effect)

    def _raw(self, effect: EffectAt) -> Iterator[Access]:
        statement = read_sql(effect.sql)
        if statement is None or statement.kind not in _KINDS.values():
            return
        table = self._schema.table(statement.table)
        site = effect.site
        lookup = tuple(Match(name, None, site.function, op) for name, op in statement.where)
        yield Access(
            statement.kind, site, effect, table.model if table else None, table, columns_named(lookup, table, self._schema), columns_named(filled(statement, site), table, self._schema),
            statement.exact, bool(statement.columns), method="execute", locked=statement.locked, target=statement.target, into=statement.table,
        )  # fmt: skip

    def _orm(self, kind: str, effect: EffectAt) -> Access:
        site = effect.site
        chain = self._chains.read(site, kind)
        model = (effect.model or chain.model) if len(self._given_models(site)) < _SEVERAL else None
        table = self._schema.table_of(model)
        kind = chain.kind or kind
        return Access(
            kind, site, effect, model, table, columns_named(chain.lookup, table, self._schema), columns_named(chain.values, table, self._schema), chain.exact, chain.filled,
            chain.method, chain.links, chain.locked, chain.target, chain.fresh, chain.object, chain.listed,
        )  # fmt: skip

    def _given_models(self, site: CallSite) -> set[ClassInfo]:
        """The models of the rows that callers give to a function that stores whatever it is given: `session.add(row)`."""
        given = site.fact.args[0] if site.fact.args else None
        if not isinstance(given, f.Name) or given.id not in site.function.parameters:
            return set()
        values = self._evaluator.evaluate(given, site.function, site.fact.order)
        return {value.cls for value in values if isinstance(value, Instance) and self._schema.is_model(value.cls)}

    def _handed_over(self, site: CallSite) -> Iterator[Access]:
        """A repository of the project is given a statement to run or a fresh object to store."""
        resolution = self._graph.resolutions.get(site)
        if resolution is None or resolution.classes or not any(f in self._touching for f in resolution.functions):
            return
        if self._storing(site) is not None:
            yield from self._stored(site)
            return
        for expr in (*site.fact.args[:2], *(value for _, value in site.fact.kwargs[:3])):
            handed = self._chains.handed(expr, site)
            if handed is None:
                continue
            kind, chain = handed
            effect = self._reached(site, kind, chain.model)
            if effect is not None:
                table = self._schema.table_of(chain.model)
                yield Access(
                    kind, site, effect, chain.model, table, columns_named(chain.lookup, table, self._schema), columns_named(chain.values, table, self._schema), chain.exact,
                    chain.filled, chain.method, chain.links, chain.locked, chain.target, chain.fresh, expr,
                )  # fmt: skip
                return

    def _storing(self, site: CallSite) -> Function | None:
        """The `save()` that a model of the project has of its own, where the call runs it on one row."""
        resolution = self._graph.resolutions.get(site) if isinstance(site.fact.func, f.Attr) else None
        found = resolution.functions if resolution is not None else ()
        own = [fn for fn in found if fn.cls is not None and (fn.name in _STORES or self._adds_itself(fn))]
        return own[0] if own and all(fn.cls and self._is_stored_by(fn.cls) for fn in own) else None

    def _adds_itself(self, function: Function) -> bool:
        """`def save_to_db(self): db.session.add(self)` of a model or of a class that models inherit from."""
        known = self._adding.get(function)
        if known is None:
            first = function.scope.params[0].name if function.is_method and function.scope.params else ""
            known = bool(first) and any(
                site.fact.args[:1] == (f.Name(first),)
                and any(e.effect is Effect.SQL_INSERT for e in self._effects.at.get(site, ()))
                for site in function.calls
            )
            self._adding[function] = known
        return known

    def _is_stored_by(self, cls: ClassInfo) -> bool:
        """Does a `save()` of the class store one row: the row itself, or the one that a serializer or form stands for?"""
        return self._schema.is_model(cls) or self._evaluator.orm.is_storer(cls)

    def _stored(self, site: CallSite) -> Iterator[Access]:
        """`order = Order(…); order.save()`: a new row, though the model's own `save()` stands between."""
        chain = self._chains.kept(site)
        found = self._inserted(site, chain) if chain is not None else None
        yield from (found,) if found is not None else ()

    def _inserted(self, site: CallSite, chain: Chain) -> Access | None:
        """The insert of a new row by its `save()`, the framework's or its own, or by a session."""
        own = next((effect for effect in self._effects.at.get(site, ()) if _is_sql(effect)), None)
        effect = own or self._reached(site, UPSERT, chain.model) or self._reached(site, INSERT, chain.model)
        table = self._schema.table_of(chain.model)
        if effect is None:
            return None
        method = (
            "add" if effect.effect is Effect.SQL_INSERT else chain.method
        )  # into a session, whatever the row calls it
        return Access(
            INSERT, site, effect, chain.model, table, values=columns_named(chain.values, table, self._schema), filled=chain.filled, method=method,
            fresh=True, object=chain.object, made=chain.made,
        )  # fmt: skip

    def _stores_own(self, site: CallSite) -> bool:
        """Does a call store a row that its own function made, and not the one that was handed over?"""
        stored = site.fact.func.value if isinstance(site.fact.func, f.Attr) else None
        if not isinstance(stored, f.Name) or stored.id in site.function.parameters:
            return False
        values = self._evaluator.evaluate(stored, site.function, site.fact.order)
        made = [value.site for value in values if isinstance(value, Instance) and self._schema.is_model(value.cls)]
        return bool(made) and all(each is not None and each.function is site.function for each in made)

    def _reached(self, site: CallSite, kind: str, model: ClassInfo | None) -> EffectAt | None:
        """The effect inside the callees that does this kind of thing to rows of the model, or of one that is not known there."""
        wanted = {e for e, k in _KINDS.items() if k == kind} | ({Effect.SQL} if kind == READ else set())
        queue: deque[tuple[Function, int]] = deque((callee, 0) for callee in self.callees(site))
        seen: set[Function] = set()
        while queue and len(seen) < _WIDTH:
            here, depth = queue.popleft()
            if here in seen:
                continue
            seen.add(here)
            for inner in here.calls:
                for effect in self._effects.at.get(inner, ()):
                    about = (
                        effect.model is None
                        or model is None
                        or effect.model in model.mro
                        or model in effect.model.mro
                        or len(self._given_models(inner)) >= _SEVERAL
                    )
                    if effect.effect in wanted and about and not (kind == INSERT and self._stores_own(inner)):
                        return effect
                if depth < _DEPTH:
                    queue.extend((callee, depth + 1) for callee in self.callees(inner))
        return None


_WEIGHT = {
    Effect.SQL_UPSERT: 6,
    Effect.SQL_INSERT: 5,
    Effect.SQL_UPDATE: 4,
    Effect.SQL_INCREMENT: 4,
    Effect.SQL_DELETE: 3,
    Effect.SQL_READ: 2,
    Effect.SQL: 1,
}


def _is_sql(effect: EffectAt) -> bool:
    return effect.effect in _WEIGHT


def _is_named(value: Expr | None, names: set[str]) -> bool:
    return isinstance(value, f.Name) and value.id in names
