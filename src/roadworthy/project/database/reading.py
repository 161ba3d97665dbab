"""Reads what library calls in models and migrations declare: columns, keys, indexes. By the rows of the library files, not by library."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.arguments import argument
from roadworthy.project.database.draft import KeyDraft
from roadworthy.project.database.expressions import Expressions, last_name
from roadworthy.project.database.tables import Column, Place
from roadworthy.project.values import ClassValue, Instance, Literal, ProjectModule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.knowledge.index import Knowledge
    from roadworthy.knowledge.schema import SchemaRow
    from roadworthy.project.calls import CallGraph
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, ClassInfo, Function
    from roadworthy.project.values import Value

COLUMNS = frozenset({"column", "foreign-key", "one-to-one"})
KEYS = frozenset({"unique", "index", "primary-key"})
_FIELD = re.compile(r"(Field|Key|Column)$")
_DEFAULTS = ("default", "default_factory", "server_default", "insert_default", "db_default")
_GENERATED = ("auto_now", "auto_now_add", "autoincrement", "onupdate", "server_onupdate", "init_default")
_NULLABLE = frozenset({"Column", "mapped_column"})  # where nothing is said
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NULL = re.compile(r"\bis\s+null\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Declared:
    """A library call that declares a part of a schema."""

    site: CallSite
    row: SchemaRow
    name: str  # the library name


class Reader(Expressions):
    """Turns expressions of declarations into columns and keys."""

    def __init__(self, graph: CallGraph, knowledge: Knowledge, evaluator: Evaluator) -> None:
        """All questions about names and values go to the evaluator."""
        super().__init__(evaluator)
        self.graph = graph
        self.knowledge = knowledge

    # --- calls --------------------------------------------------------------------------------------------------------

    def declared(self, site: CallSite, *constructs: str) -> Declared | None:
        """The schema row that a call matches, of one of these constructs (any when none is named)."""
        resolution = self.graph.resolutions.get(site)
        for library in resolution.libraries if resolution else ():
            for row in self.knowledge.schema_rows(library.name):
                if not constructs or row.construct in constructs:
                    return Declared(site, row, library.name)
        return None

    def call_of(self, expr: f.Expr | None, scope: Function) -> CallSite | None:
        """The call that an expression is, or whose result a name was bound to."""
        for _ in range(4):
            match expr:
                case f.CallRef():
                    return scope.calls[expr.index]
                case f.Name() if scope.bindings.get(expr.id):
                    expr = scope.bindings[expr.id][-1].value
                case _:
                    return None
        return None

    def column_call(self, expr: f.Expr | None, scope: Function, depth: int = 0) -> Declared | None:
        """The call that declares a column: directly, through a helper of the project, or inside an annotation's metadata."""
        site = self.call_of(expr, scope)
        if site is None or depth > 3:
            return None
        found = self.declared(site, *COLUMNS)
        if found is not None:
            return found
        resolution = self.graph.resolutions.get(site)
        for function in resolution.functions[:2] if resolution and not resolution.classes else ():
            for leave in function.scope.leaves:
                inner = self.column_call(leave.value, function, depth + 1) if leave.kind == "return" else None
                if inner is not None:
                    return inner
        return None

    def looks_like_column(self, site: CallSite) -> bool:
        """A field of a library that no file describes: told by its name (`PhoneNumberField`)."""
        func = site.fact.func
        name = func.name if isinstance(func, f.Attr) else func.id if isinstance(func, f.Name) else ""
        return (
            bool(_FIELD.search(name))
            and not name.startswith("ManyToMany")
            and name not in {"GenericForeignKey", "ManyToManyKey"}
        )

    # --- columns ------------------------------------------------------------------------------------------------------

    def column(
        self, attribute: str, found: Declared, source: str, line: int | None = None, optional: bool | None = None
    ) -> Column:
        """The column that a call declares under an attribute. `optional`: what the annotation says about NULL."""
        site, row = found.site, found.row
        inner = list(self._nested(site))
        outermost = [found, *inner]
        relation = row.construct in {"foreign-key", "one-to-one"}
        given = next((n for d in outermost if (n := self._given_name(d)) and d.row.construct in COLUMNS and n), "")
        target = next((t for d in outermost if (t := self._target(d))), ("", None))
        primary = any(self.flag(d.site, d.row.primary) for d in outermost)
        unique = self._unique_by_class(site) or any(
            d.row.always_unique or self.flag(d.site, d.row.unique) or self._unique_in_mapping(d.site) for d in outermost
        )
        default, scope = self._default(outermost)
        place = Place(site.path, line or site.line, site.fact.end_line, source)
        return Column(
            given or (f"{attribute}_id" if relation else attribute), attribute, place, self._type(found),
            self._nullable(found, optional, primary), unique and not primary, primary, target[0], target[1], default, scope,
            self._generated(outermost),
        )  # fmt: skip

    def plain_column(self, attribute: str, site: CallSite, source: str) -> Column:
        """A column of a field class that no file describes, by the usual keywords."""
        place = Place(site.path, site.line, site.fact.end_line, source)
        unique = self.keyword_is_true(site, "unique") or self._unique_by_class(site)
        primary = self.keyword_is_true(site, "primary_key")
        name = last_name(site.fact.func)
        relation = name.endswith("Key")
        return Column(
            f"{attribute}_id" if relation else attribute, attribute, place, name, None, unique and not primary, primary
        )

    def _nested(self, site: CallSite, depth: int = 0) -> Iterator[Declared]:
        """Column and foreign-key calls among the arguments: `Column(ForeignKey(…))`, `Field(sa_column=Column(…))`."""
        for expr in (*site.fact.args, *(value for _, value in site.fact.kwargs)):
            inner = self.call_of(expr, site.function) if isinstance(expr, f.CallRef) else None
            found = self.declared(inner, *COLUMNS) if inner is not None else None
            if found is not None:
                yield found
                if depth < 2:
                    yield from self._nested(found.site, depth + 1)

    def _given_name(self, found: Declared) -> str:
        expr = argument(found.site.fact, found.row.name)
        value = self.literal(expr, found.site.function) if expr is not None else None
        return value if isinstance(value, str) else ""

    def _target(self, found: Declared) -> tuple[str, ClassInfo | None] | None:
        expr = argument(found.site.fact, found.row.target)
        if expr is None:
            return None
        for value in self.evaluator.evaluate(expr, found.site.function, found.site.fact.order):
            if isinstance(value, ClassValue):
                return value.cls.name, value.cls
            if isinstance(value, Literal) and isinstance(value.value, str):
                return value.value, None
        return flow.text_of(expr, found.site.function.scope), None

    def _unique_in_mapping(self, site: CallSite) -> bool:
        """`sa_column_kwargs={"unique": True}`."""
        for _, value in site.fact.kwargs:
            if isinstance(value, f.Dict):
                for key, inner in value.items:
                    if (
                        isinstance(key, f.Str)
                        and key.value == "unique"
                        and isinstance(inner, f.Const)
                        and inner.value is True
                    ):
                        return True
        return False

    def _unique_by_class(self, site: CallSite) -> bool:
        """A field class of the project that is unique by itself: `super().__init__(unique=True)`, `kwargs["unique"] = True`."""
        resolution = self.graph.resolutions.get(site)
        makers = [value.cls.find_method("__init__") for value in (resolution.classes if resolution is not None else ())]
        return any(maker is not None and self._makes_unique(maker) for maker in makers)

    def _makes_unique(self, maker: Function) -> bool:
        passed = any(
            last_name(call.fact.func) == "__init__" and self.keyword_is_true(call, "unique") for call in maker.calls
        )
        return passed or any(
            isinstance(assign.target, f.Sub)
            and isinstance(assign.target.index, f.Str)
            and assign.target.index.value == "unique"
            and isinstance(assign.value, f.Const)
            and assign.value.value is True
            for assign in maker.scope.assigns
        )

    def _nullable(self, found: Declared, optional: bool | None, primary: bool) -> bool | None:
        for keyword, expr in found.site.fact.kwargs:
            if keyword in {"null", "nullable"}:
                value = self.literal(expr, found.site.function)
                return value if isinstance(value, bool) else None
        if optional is None and not primary and found.name.rpartition(".")[2] in _NULLABLE:
            return True
        return False if primary else optional

    def _default(self, found: list[Declared]) -> tuple[f.Expr | None, Function | None]:
        for declared in found:
            for keyword, expr in declared.site.fact.kwargs:
                if keyword in _DEFAULTS and not (isinstance(expr, f.Const) and expr.kind in {"none", "ellipsis"}):
                    return expr, declared.site.function
        return None, None

    def _generated(self, found: list[Declared]) -> bool:
        if any(
            last_name(d.site.fact.func).endswith("AutoField") or "Auto" in last_name(d.site.fact.func) for d in found
        ):
            return True
        return any(keyword in _GENERATED for d in found for keyword, _ in d.site.fact.kwargs)

    def _type(self, found: Declared) -> str:
        for expr in found.site.fact.args:
            inner = expr
            if isinstance(expr, f.CallRef):
                inner = found.site.function.scope.calls[expr.index].func
            name = last_name(inner)
            if name and name[:1].isupper() and not name.startswith("Foreign") and found.row.construct == "column":
                return name
        return last_name(found.site.fact.func)

    # --- keys ---------------------------------------------------------------------------------------------------------

    def key(self, found: Declared, source: str) -> KeyDraft | None:
        """The unique key that a constraint or index call declares; None for an index that is not unique."""
        site, row = found.site, found.row
        unique = (
            row.always_unique
            or self.flag(site, row.unique)
            or row.construct == "primary-key"
            or row.construct == "unique"
        )
        if not unique:
            return None
        place = Place(site.path, site.line, site.fact.end_line, source)
        names, expressions, words, readable = self.key_parts(self._key_exprs(found), site.function)
        key = KeyDraft(names, place, "primary" if row.construct == "primary-key" else "unique", self._given_name(found))
        key.expressions, key.expression_names, key.readable = expressions, words, readable
        condition = argument(site.fact, row.condition) or _conditional_keyword(site)
        if condition is not None and not (isinstance(condition, f.Const) and condition.kind == "none"):
            key.condition = self.text(condition, site.function)[:200]
            key.condition_names = tuple(dict.fromkeys(self.words(condition, site.function)))
        elif row.construct == "unique" and not row.always_unique:
            key.condition = "no two rows overlap"  # an exclusion constraint
        key.nulls_distinct = not self._nulls_equal(site)
        return key

    def _nulls_equal(self, site: CallSite) -> bool:
        return any(
            (keyword == "nulls_distinct" and self.literal(e, site.function) is False)
            or (keyword.endswith("nulls_not_distinct") and self.literal(e, site.function) is True)
            for keyword, e in site.fact.kwargs
        )

    def _key_exprs(self, found: Declared) -> tuple[f.Expr, ...]:
        """The expressions that stand for columns: one list, or all positional arguments from a position on."""
        row, call = found.row, found.site.fact
        if row.columns is None:
            return call.args
        for keyword, expr in call.kwargs:
            if keyword == row.columns.argument:
                return expr.items if isinstance(expr, f.Seq) else (expr,)
        if row.columns.position is None:
            return call.args  # expressions of a functional constraint
        rest = call.args[row.columns.position :]
        if len(rest) >= 1 and isinstance(rest[0], f.Seq):
            return rest[0].items
        return rest

    def key_parts(
        self, exprs: tuple[f.Expr, ...], scope: Function
    ) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], bool]:
        """(plain names, functional parts as text, words inside those, was everything readable)."""
        names: list[str] = []
        expressions: list[str] = []
        words: list[str] = []
        readable = True
        for expr in exprs:
            simple = self._simple_parts(expr, scope)
            if simple:
                names.extend(simple)
                continue
            inside = list(self.words(expr, scope))
            readable = readable and bool(inside)
            expressions.append(self.text(expr, scope))
            words.extend(inside)
        return tuple(names), tuple(expressions), tuple(words), readable

    def _simple_parts(self, expr: f.Expr, scope: Function) -> list[str]:
        """Names of columns that an expression lists: `"a"`, `["a", "b"]`, `Model.a`, a constant, a column bound in the class body."""
        match expr:
            case f.Str(value=text):
                return [text.lstrip("-")] if _WORD.fullmatch(text.lstrip("-")) else []
            case f.Seq():
                return [name for item in expr.items for name in self._simple_parts(item, scope)]
            case f.Star():
                return self._simple_parts(expr.value, scope)
            case f.Attr():
                return [] if _is_module(self.evaluator.evaluate(expr.value, scope)) else [expr.name]
            case f.CallRef():
                call = scope.scope.calls[expr.index]
                if last_name(call.func) in {"desc", "asc", "nullslast", "nulls_last"} and isinstance(call.func, f.Attr):
                    return self._simple_parts(call.func.value, scope)
                if last_name(call.func) in {"F", "column", "desc", "asc", "OpClass", "literal_column"} and call.args:
                    return self._simple_parts(call.args[0], scope)
                return []
            case f.Name():
                if scope.kind == "class" and scope.bindings.get(expr.id) and self.column_call(expr, scope) is not None:
                    return [expr.id]
                return self.strings(expr, scope)
        return []


def _is_module(values: tuple[Value, ...]) -> bool:
    return any(isinstance(value, ProjectModule) for value in values) and not any(
        isinstance(value, Instance) for value in values
    )


def _conditional_keyword(site: CallSite) -> f.Expr | None:
    """The partial-index keyword of a dialect that the row does not name (`sqlite_where`)."""
    return next((expr for keyword, expr in site.fact.kwargs if keyword.endswith("_where")), None)


def is_about_null(condition: str) -> bool:
    """Does a partial key leave out deleted rows or missing values: `deleted_at IS NULL`, `deleted_at__isnull=True`?"""
    return (
        bool(_NULL.search(condition))
        or "isnull=True" in condition
        or "is_(None)" in condition
        or "== None" in condition
    )
