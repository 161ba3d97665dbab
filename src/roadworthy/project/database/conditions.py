"""Reads conditions (`number=n`, `Order.number == n`, `Q(…)`) and filled columns as matches of columns with expressions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project.database.due import never_or_before, sign_of
from roadworthy.project.database.expressions import Expressions, last_name
from roadworthy.project.values import ClassValue, Instance, LibraryObject, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.database.tables import Schema
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, ClassInfo, Function

_EXACT = frozenset({"exact", "iexact"})
_OPERATORS = frozenset({
    "gt", "gte", "lt", "lte", "ne", "not", "contains", "icontains", "startswith", "istartswith", "endswith", "iendswith", "range", "regex", "iregex",
    "date", "year", "month", "day", "week", "hour", "minute", "second", "contained_by", "overlap", "has_key", "has_keys", "has_any_keys", "len",
    "search", "trigram_similar", "like", "ilike", "between",
})  # fmt: skip
_ITSELF = frozenset({"pk", "id"})
_AND = frozenset({"and_", "Q", "true", "all_"})


@dataclass(frozen=True, slots=True)
class Match:
    """A column and the expression that it is compared with or filled with."""

    column: str
    value: f.Expr | None
    scope: Function
    op: str = "eq"  # "eq" "null" "in" "join" (a column of the related row has this value) "other"
    order: int | None = None
    owner: ClassInfo | None = None  # the model whose attribute is named; None: that of the query
    folded: bool = False  # compared without regard to case
    sign: str = ""  # "before": of a comparison, where the column has to lie


class ConditionReader:
    """Turns arguments of filters into matches; says whether it understood all of them."""

    def __init__(self, evaluator: Evaluator, schema: Schema) -> None:
        """`schema` tells which attributes are columns of a model."""
        self._evaluator = evaluator
        self._schema = schema
        self._expressions = Expressions(evaluator)

    def of_call(self, site: CallSite) -> tuple[tuple[Match, ...], bool]:
        """(matches, was everything understood) of `filter(…)`, `where(…)`, `get(…)`."""
        fact = site.fact
        found = list(self.keywords(fact.kwargs, site.function, fact.order))
        exact = not any(keyword == "**" and not isinstance(value, f.Dict) for keyword, value in fact.kwargs)
        for keyword, value in fact.kwargs:
            if keyword == "**" and not self.mapping(value, site.function, fact.order)[0]:
                found.append(
                    Match("**", value, site.function, "other", fact.order)
                )  # by what else, only the caller knows
        for expr in fact.args:
            if self._names_rows(expr, site):
                continue
            matches, whole = self.condition(expr, site.function, fact.order)
            found.extend(matches)
            exact = exact and whole
        return tuple(found), exact

    def _names_rows(self, expr: f.Expr, site: CallSite) -> bool:
        """The class, manager or query in `get_object_or_404(Order, …)`."""
        found = (
            self._evaluator.evaluate(expr, site.function, site.fact.order)
            if isinstance(expr, f.Name | f.Attr | f.CallRef)
            else ()
        )
        return any(
            isinstance(v, ClassValue) or (isinstance(v, LibraryObject) and v.model is not None and v.type[-1:] != "Q")
            for v in found
        )

    def keywords(self, kwargs: tuple[tuple[str, f.Expr], ...], scope: Function, order: int | None) -> tuple[Match, ...]:
        """`number=n, status__in=[…], shop__name="x"`; a `**` of a literal mapping counts as its keys."""
        found: list[Match] = []
        for keyword, value in kwargs:
            if keyword == "**":
                found.extend(self.mapping(value, scope, order)[0])
            else:
                found.append(self._keyword(keyword, value, scope, order))
        return tuple(found)

    def _keyword(self, keyword: str, value: f.Expr, scope: Function, order: int | None) -> Match:
        column, _, rest = keyword.partition("__")
        if not rest or rest in _EXACT:
            return Match(column, value, scope, self._null_or(value, "eq"), order, folded=rest == "iexact")
        if rest in {"id", "pk"}:
            return Match(column, value, scope, "eq", order)
        if rest == "isnull":
            return Match(column, value, scope, "null", order)
        if rest == "in":
            return Match(column, value, scope, "in", order)
        last = rest.rpartition("__")[2]
        op = "other" if last in _OPERATORS | {"in", "isnull"} else "join"
        return Match(column, value, scope, op, order, sign=sign_of(rest))

    def _null_or(self, value: f.Expr, op: str) -> str:
        return "null" if isinstance(value, f.Const) and value.kind == "none" else op

    def mapping(
        self, expr: f.Expr, scope: Function, order: int | None, depth: int = 0
    ) -> tuple[tuple[Match, ...], bool]:
        """(columns filled by a literal mapping, is it whole)."""
        if isinstance(expr, f.Name) and depth < 3:
            assigns = [a for a in scope.bindings.get(expr.id, ()) if a.op == "=" and (order is None or a.order < order)]
            if assigns and assigns[-1].value is not None:
                found, whole = self.mapping(assigns[-1].value, scope, assigns[-1].order, depth + 1)
                later = tuple(self._set_items(expr.id, scope, order))
                return (*found, *later), whole
            return (), False
        if isinstance(expr, f.CallRef) and last_name(scope.scope.calls[expr.index].func) == "dict":
            call = scope.scope.calls[expr.index]
            return self.keywords(call.kwargs, scope, order), not call.args
        if isinstance(expr, f.Seq) and expr.items and isinstance(expr.items[0], f.Dict):
            return self.mapping(expr.items[0], scope, order, depth + 1)
        if not isinstance(expr, f.Dict):
            return (), False
        return self._items(expr, scope, order, depth)

    def _items(self, expr: f.Dict, scope: Function, order: int | None, depth: int) -> tuple[tuple[Match, ...], bool]:
        found: list[Match] = []
        whole = True
        for key, value in expr.items:
            name = self._column_key(key, scope) if key is not None else ""
            if name:
                found.append(Match(name, value, scope, self._null_or(value, "eq"), order))
            elif key is None:
                inner, all_of_it = self.mapping(value, scope, order, depth + 1)
                found.extend(inner)
                whole = whole and all_of_it
            else:
                whole = False
        return tuple(found), whole

    def _set_items(self, name: str, scope: Function, order: int | None) -> Iterator[Match]:
        """`values["number"] = n`."""
        for assign in scope.scope.assigns:
            target = assign.target
            if not isinstance(target, f.Sub) or not isinstance(target.value, f.Name) or target.value.id != name:
                continue
            if isinstance(target.index, f.Str) and (order is None or assign.order < order):
                yield Match(target.index.value, assign.value, scope, "eq", assign.order)

    def _column_key(self, key: f.Expr, scope: Function) -> str:
        if isinstance(key, f.Str):
            return key.value
        if isinstance(key, f.Attr):
            return self._column_name(key, scope)
        value = self._evaluator.literal(key, scope)
        return value if isinstance(value, str) else ""

    # --- expressions --------------------------------------------------------------------------------------------------

    def condition(self, expr: f.Expr, scope: Function, order: int | None, depth: int = 0) -> tuple[list[Match], bool]:
        """(matches, was everything understood) of one positional condition."""
        if depth > 8:
            return [], False
        match expr:
            case f.Compare(left=left, ops=(op,), rights=(right,)):
                return self._compare(left, op, right, scope, order)
            case f.Bin(op="&", left=left, right=right):
                first, one = self.condition(left, scope, order, depth + 1)
                second, two = self.condition(right, scope, order, depth + 1)
                return [*first, *second], one and two
            case f.Bin(op="|", left=left, right=right):
                sides = [self.condition(side, scope, order, depth + 1) for side in (left, right)]
                return _shortest(sides) or never_or_before([found for found, _ in sides]), False
            case f.CallRef():
                return self._call(scope.calls[expr.index], scope, order, depth)
            case f.Attr():
                name = self._column_name(expr, scope)
                owner = self._owner(expr, scope)
                return ([Match(name, f.Const("bool", True), scope, "eq", order, owner)], True) if name else ([], False)
            case f.Unary(op="not" | "~", value=f.Attr() as value):
                name = self._column_name(value, scope)
                owner = self._owner(value, scope)
                return ([Match(name, f.Const("bool", False), scope, "eq", order, owner)], True) if name else ([], False)
            case f.Unary(op="~", value=f.CallRef() as value):
                found, whole = self.condition(value, scope, order, depth + 1)
                itself = whole and all(m.column in _ITSELF and m.op == "eq" for m in found)
                return ([], True) if itself else ([], False)  # `~Q(pk=self.pk)`: any row but the one at hand
            case f.Name() if depth < 3:
                assigns = scope.bindings.get(expr.id, ())
                if len(assigns) == 1 and assigns[0].value is not None and assigns[0].op == "=":
                    return self.condition(assigns[0].value, scope, assigns[0].order, depth + 1)
        return [], False

    def _compare(
        self, left: f.Expr, op: str, right: f.Expr, scope: Function, order: int | None
    ) -> tuple[list[Match], bool]:
        name, value = self._column_name(left, scope), right
        owner = self._owner(left if name else right, scope)
        other = self._column_name(right, scope)
        if not name:
            name, value, other = other, left, ""
        if not name:
            return [], False
        if other:
            return [Match(name, value, scope, "other", order)], True  # a join of two columns
        if op == "!=" and name in _ITSELF:
            return [], True
        if op in {"==", "is"}:
            return [Match(name, value, scope, self._null_or(value, "eq"), order, owner)], True
        return [Match(name, value, scope, "other", order, owner, sign=sign_of(op) if value is right else "")], True

    def _call(self, site: CallSite, scope: Function, order: int | None, depth: int) -> tuple[list[Match], bool]:
        """`and_(…)`, `Q(…)`, `Order.number.is_(None)`, `Order.number.in_(…)`, `func.lower(Order.email) == …` stays unread."""
        fact = site.fact
        method = last_name(fact.func)
        if method in _AND:
            found: list[Match] = list(self.keywords(fact.kwargs, scope, order))
            exact = not any(keyword == "**" for keyword, _ in fact.kwargs)
            for arg in fact.args:
                inner, whole = self.condition(arg, scope, order, depth + 1)
                found.extend(inner)
                exact = exact and whole
            return found, exact
        if isinstance(fact.func, f.Attr):
            name = self._column_name(fact.func.value, scope)
            if name:
                value = fact.args[0] if fact.args else None
                owner = self._owner(fact.func.value, scope)
                if method in {"is_", "__eq__"} and value is not None:
                    return [Match(name, value, scope, self._null_or(value, "eq"), order, owner)], True
                return [Match(name, value, scope, "in" if method == "in_" else "other", order, owner)], True
        return [], False

    def _column_name(self, expr: f.Expr, scope: Function, depth: int = 0) -> str:
        """`Order.number`, `orders.c.number`, `col(Order.number)`, `func.lower(Order.email)`."""
        if isinstance(expr, f.CallRef) and depth < 2:
            call = scope.scope.calls[expr.index]
            if last_name(call.func) in {"col", "lower", "upper", "trim", "literal_column"} and len(call.args) == 1:
                return self._column_name(call.args[0], scope, depth + 1)
            return ""
        if not isinstance(expr, f.Attr):
            return ""
        if isinstance(expr.value, f.Attr) and expr.value.name in {"c", "columns"}:
            return expr.name
        for value in self._evaluator.evaluate(expr.value, scope):
            if isinstance(value, ClassValue) and self._schema.is_model(value.cls):
                return expr.name
        return ""

    def _owner(self, expr: f.Expr, scope: Function) -> ClassInfo | None:
        """The model of `Order.number`; of `func.lower(Order.email)` too."""
        if isinstance(expr, f.CallRef):
            call = scope.scope.calls[expr.index]
            return self._owner(call.args[0], scope) if len(call.args) == 1 else None
        if not isinstance(expr, f.Attr):
            return None
        found = [v.cls for v in self._evaluator.evaluate(expr.value, scope) if isinstance(v, ClassValue)]
        return found[0] if len(found) == 1 else None

    def names(self, expr: f.Expr, scope: Function) -> list[str]:
        """Columns that a list names: texts, attributes of models, columns of tables; none when one of them is not literal."""
        if not isinstance(expr, f.Seq):
            name = self._column_name(expr, scope)
            whole = self._evaluator.evaluate(expr, scope)
            return [name] if name else self._expressions.strings(expr, scope) if len(whole) == 1 else []
        found: list[str] = []
        for item in expr.items:
            text = (
                item.value
                if isinstance(item, f.Str)
                else self._column_name(item, scope) or self._evaluator.literal(item, scope)
            )
            if not isinstance(text, str) or not text:
                return []
            found.append(text)
        return found


def _shortest(sides: list[tuple[list[Match], bool]]) -> list[Match]:
    """Of `Q(value=v, kind=k) | Q(text=t)` one side will do to name the row, where each of them asks for one value by itself."""
    plain = [found for found, whole in sides if whole and found and all(_is_value(match) for match in found)]
    return min(plain, key=len) if len(plain) == len(sides) else []


def _is_value(match: Match) -> bool:
    return match.op == "eq" and not isinstance(match.value, f.Const)


def same_value(first: Match, second: Match, evaluator: Evaluator) -> bool | None:
    """Do two matches compare with the same thing? None when that cannot be told."""
    if first.value is None or second.value is None:
        return None
    left = evaluator.evaluate(first.value, first.scope, first.order)
    right = evaluator.evaluate(second.value, second.scope, second.order)
    if len(left) == 1 and len(right) == 1 and isinstance(left[0], Literal) and isinstance(right[0], Literal):
        return left[0].value == right[0].value
    if any(isinstance(v, Instance) for v in left) and left == right:
        return True
    return True if first.value == second.value and first.scope is second.scope else None
