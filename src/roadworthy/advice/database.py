"""Fixes in the database: unique keys in the form that is safe on a live one, and writes that need no look before."""

from __future__ import annotations

import builtins
import re
from typing import TYPE_CHECKING

from roadworthy.advice.code import GAP, callee_text, written
from roadworthy.advice.fixes import Place, fix, recipe_fix
from roadworthy.advice.patterns import best, cite, elsewhere, shows
from roadworthy.advice.saves import fields_saved
from roadworthy.advice.stack import family_of
from roadworthy.facts import schema as f
from roadworthy.project import flow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from roadworthy.project.database.access import Access
    from roadworthy.project.database.conditions import Match
    from roadworthy.project.database.mutations import Mutation
    from roadworthy.project.database.tables import Table
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, ClassInfo, Function

_LONGEST_NAME = 60
_RESERVED = frozenset({
    "ALL", "ANALYSE", "ANALYZE", "AND", "ANY", "ARRAY", "AS", "ASC", "BOTH", "CASE", "CAST", "CHECK", "COLLATE", "COLUMN", "CONSTRAINT",
    "CREATE", "DEFAULT", "DESC", "DISTINCT", "DO", "ELSE", "END", "EXCEPT", "FALSE", "FETCH", "FOR", "FOREIGN", "FROM", "GRANT", "GROUP",
    "HAVING", "IN", "INTO", "LIMIT", "NOT", "NULL", "OFFSET", "ON", "ONLY", "OR", "ORDER", "PRIMARY", "REFERENCES", "SELECT", "TABLE",
    "THEN", "TO", "TRUE", "UNION", "UNIQUE", "USER", "USING", "WHEN", "WHERE", "WINDOW", "WITH",
})  # fmt: skip
_STEPS = {"+=": "+", "-=": "-"}
_READ_AGAIN = " Call `{}` after it, for the number is read again."


def unique_key(model: Model, table: Table, columns: tuple[str, ...], condition: str = "") -> str:
    """Declare a unique key, and build it without locking the table: the index first, then the constraint that uses it."""
    found = [table.column(name) for name in columns]
    names = [column.name if column else name for column, name in zip(found, columns, strict=True)]
    attributes = [column.attribute if column else name for column, name in zip(found, columns, strict=True)]
    above = _of_a_table_above(table, attributes)
    if above:
        return above
    owner = table.model.name.lower() if table.model is not None else table.name.rpartition(".")[2]
    extra = {
        "table": table.name,
        "columns": sql(names),
        "quoted": _quoted(names),
        "fields": _quoted(attributes),
        "constraint": _constraint(owner, attributes),
        "model": table.model.name if table.model is not None else "",
        "owner": owner,
        "condition": condition,
        "only": _as_q(table, condition),
        "meta": _meta(table),
        "args": _table_args(table),
        "home": f" (`{table.model.path}:{table.model.line}`)" if table.model is not None else "",
    }
    place = Place(model, _scope_of(model, table), None, mappers(table.model), extra)
    own = best(model, "unique-migration", None, accept=lambda p: any(w in p.name.lower() for w in ("create", "add")))
    return recipe_fix(place, "unique-partial" if condition else "unique", cite(own, None))


def _of_a_table_above(table: Table, attributes: list[str]) -> str:
    """In Django a model that inherits from one with a table of its own leaves the columns of that there: no key spans both."""
    cls = table.model
    if cls is None or not any(base.startswith("django.") for base in cls.library_bases):
        return ""
    owners = {name: next((c for c in cls.mro if name in c.body.bindings), cls) for name in attributes}
    foreign = [(name, c) for name, c in owners.items() if c is not cls and not _is_abstract(c)]
    if not foreign:
        return ""
    name, owner = foreign[0]
    return (
        f"`{name}` is a column of `{owner.name}`, which has a table of its own, so no key of `{cls.name}` can hold it: lock the row on which the "
        "two runs meet with `select_for_update()`, and look and insert in that transaction."
    )


def _is_abstract(cls: ClassInfo) -> bool:
    """A base without a table: its columns stand in the tables of its children."""
    meta = next(iter(cls.body.children.get("Meta", ())), None)
    return (
        any(isinstance(a.value, f.Const) and a.value.value is True for a in meta.bindings.get("abstract", ()))
        if meta
        else False
    )


def _meta(table: Table) -> str:
    """Where the constraint is declared: `Meta.constraints`, or a `Meta` that keeps what the base declares."""
    cls = table.model
    if cls is None or cls.body.children.get("Meta"):
        return "`Meta.constraints`"
    base = next((written(base, cls.body.parent or cls.body) for base in cls.body.scope.bases), "")
    own = f"({base}.Meta)" if base.replace(".", "").isidentifier() and base.rpartition(".")[2] != "Model" else ""
    return f"`constraints` of a new `class Meta{own}`"


def _table_args(table: Table) -> str:
    """The constraint among those that the class has; else what it has to have. And where its name comes from."""
    cls = table.model
    if cls is None:
        return "`__table_args__`"
    whose = f"`__table_args__` of `{cls.name}` (`{cls.path}:{cls.line}`)"
    names = cls.module.body
    known = "UniqueConstraint" in names.imports or "UniqueConstraint" in names.bindings
    needs = "" if known else " (`from sqlalchemy import UniqueConstraint`)"
    has = any("__table_args__" in c.body.bindings for c in cls.mro)
    return f"{whose}{needs}" if has else f"a new tuple {whose}{needs}"


def _as_q(table: Table, condition: str) -> str:
    """A condition in SQL as the arguments of a `Q`; "" where it is more than literals and NULLs."""
    found = []
    for part in condition.split(" AND ") if condition else ():
        match = re.fullmatch(r"(NOT )?\"?(\w+)\"?( IS NULL| IS NOT NULL| = '[^']*')?", part)
        if match is None:
            return ""
        turned, name, rest = match.groups()
        column = table.column(name)
        attribute = column.attribute if column is not None else name
        if rest is None:
            found.append(f"{attribute}={not turned}")
        elif rest.startswith(" = "):
            found.append(f'{attribute}="{rest[4:-1]}"')
        else:
            found.append(f"{attribute}__isnull={'NOT' not in rest}")
    return ", ".join(found)


def _constraint(owner: str, attributes: list[str]) -> str:
    """`uq_order_number`; where that is too long, without the table, or with as many columns as go."""
    name = f"uq_{owner}_{'_'.join(attributes)}"
    if len(name) > _LONGEST_NAME:
        name = f"uq_{'_'.join(attributes)}"
    return name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME].rpartition("_")[0]


def _scope_of(model: Model, table: Table) -> Function:
    return table.model.body if table.model is not None else model.symbols.functions[0]


def mappers(cls: ClassInfo | None) -> tuple[str, ...]:
    """Library classes that map a class to rows."""
    return cls.library_bases if cls is not None else ()


def sql(names: Iterable[str]) -> str:
    """Column names for SQL: those that are words of SQL in quotes."""
    return ", ".join(f'"{name}"' if name.upper() in _RESERVED else name for name in names)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def insert_or_find(
    model: Model,
    table: Table,
    columns: tuple[str, ...],
    function: Function,
    access: Access | None = None,
    lookup: Iterable[Match] = (),
) -> str:
    """One statement that inserts or finds, with the values of the insert at hand (`access`)."""
    attributes = [column.attribute if (column := table.column(name)) else name for name in columns]
    filled = _filled(table, access)
    names_of = {name: next((k for k in filled if table.column(k) is table.column(name)), name) for name in attributes}
    keys = [
        (names_of[name], filled.get(names_of[name]) or _looked_up(table, name, lookup, function)) for name in attributes
    ]
    rest = [(name, text) for name, text in filled.items() if name not in names_of.values()]
    raw = access is not None and bool(access.effect.sql)
    names = () if raw else mappers(table.model)
    given = _within(keys, "{}={}")
    others = _within(rest, "{}={}") if rest or access is not None else "**values"
    defaults = _within(rest, '"{}": {}', 200, GAP) if rest else GAP if access is None else ""
    extra = {
        "model": table.model.name if table.model is not None else "",
        "table": table.name,
        "columns": sql(columns),
        "quoted": _quoted(attributes),
        "kwargs": given,
        "values": f"{given}, {others}" if others else given,
        "get_or_create": "aget_or_create" if function.is_async else "get_or_create",
        "defaults": f", defaults={{{defaults}}}" if defaults else "",
    }
    family = next((name for base in names if (name := family_of(model, base))), "")
    place = Place(model, function, None, names, extra)
    recipe = place.pick("insert-or-find")
    code = recipe.code if recipe is not None else ""
    own = best(model, "upsert", function, family, lambda p: shows(p, code)) if family else None
    return recipe_fix(place, "insert-or-find", cite(own, function))


def _filled(table: Table, access: Access | None) -> dict[str, str]:
    """Attribute -> the value that the insert at hand gives it."""
    if access is None or not access.filled:
        return {}
    written_as = {column: keyword for keyword, _ in access.site.fact.kwargs if (column := table.column(keyword))}
    found: dict[str, str] = {}
    for match in access.values:
        column = table.column(match.column)
        if match.value is not None:
            name = column.attribute if column is not None else match.column
            found[written_as.get(column, name) if column is not None else name] = value_text(match)
    return found


def _looked_up(table: Table, name: str, lookup: Iterable[Match], function: Function) -> str:
    """The value by which the row is looked for; else a variable of the column's name, which no builtin has."""
    for match in lookup:
        if table.column(match.column) is table.column(name) and match.op == "eq" and match.scope is function:
            return value_text(match)
    return GAP if name in dir(builtins) else name


def value_text(match: Match) -> str:
    """What a column is compared with or filled with, as written; a gap where that is long."""
    text = written(match.value, match.scope)
    return text if len(text) <= 80 else GAP


def _within(pairs: list[tuple[str, str]], form: str, limit: int = 240, instead: str = "") -> str:
    """Pairs in a form; where that is too long `instead`, or gaps for the values."""
    text = ", ".join(form.format(name, value) for name, value in pairs)
    if len(text) <= limit or instead:
        return text if len(text) <= limit else instead
    return ", ".join(form.format(name, GAP) for name, _ in pairs)


def in_one_statement(model: Model, mutation: Mutation, more: Sequence[Mutation] = ()) -> str:
    """Let the database compute the new number; `more`: others of the same row, written beside it."""
    function = mutation.function
    extra = _holes(mutation)
    if mutation.kind == "cache":
        names = model.library_names(mutation.write) if mutation.write is not None else ()
        place = Place(model, function, mutation.write, names, extra | _cache_step(mutation))
        return recipe_fix(place, "increment-cache")
    names = mappers(mutation.model)
    family = next((name for base in names if (name := family_of(model, base))), "")
    own = best(model, "row-lock", function, family, lambda p: any(elsewhere(use, function) for use in p.uses))
    own = own if family else None
    place = Place(model, function, None, names, extra)
    if any(_decides(one) for one in (mutation, *more)):
        return recipe_fix(place, "increment-locked", cite(own, function))
    filled = place.pick("increment")
    if filled is None:
        return cite(own, function)
    held = ""
    if own is not None:
        use = own.near(function, lambda use: elsewhere(use, function))
        held = f"Or read the row for update, as `{own.name}` (`{use.path}:{use.line}`) does."
    others = [_statement(model, other) for other in more if other.kind == "row" and other.owner == mutation.owner]
    code = "\n".join(dict.fromkeys([filled.code, *(text for text in others if text)]))
    return fix(filled.text, held, code, filled.recipe.language)


def _decides(mutation: Mutation) -> bool:
    """Is the new number bounded by the old one, or looked at before it is written: `n -= min(amount, n)`, `if new_total > limit`?"""
    scope = mutation.function.scope
    step = _step(mutation)
    if mutation.kind != "row":
        return mutation.kind == "update" and GAP in step
    given = mutation.attribute in mutation.function.parameters  # `self.rows + rows`: the caller's number, not the row's
    before = r"\." if given else r"\b"
    if GAP in step or re.search(rf"{before}{re.escape(mutation.attribute)}\b", step):
        return True
    assign = next((a for a in scope.assigns if a.order == mutation.order), None)
    value = assign.value if assign is not None and assign.op == "=" else None
    names = {value.id} if isinstance(value, f.Name) else {f"{mutation.owner}.{mutation.attribute}"}
    tests = [*(test.value for test in scope.tests), *(region.test for region in scope.regions)]
    return any(_asks(test, names, mutation.function) for test in tests if test is not None)


def _asks(test: f.Expr, names: set[str], function: Function) -> bool:
    """Does a condition look at a number, beyond asking whether there is one?"""
    if isinstance(test, f.BoolOp):
        return any(_asks(item, names, function) for item in test.items)
    if isinstance(test, f.Compare) and set(test.ops) <= {"is", "is not"}:
        return False
    return any(written(part, function) in names for part in flow.walk(test) if isinstance(part, f.Name | f.Attr))


def _statement(model: Model, mutation: Mutation) -> str:
    filled = Place(model, mutation.function, mutation.write, mappers(mutation.model), _holes(mutation)).pick(
        "increment"
    )
    return filled.code if filled is not None else ""


def _holes(mutation: Mutation) -> dict[str, str]:
    step = _step(mutation)
    return {
        "key": mutation.owner,
        "column": mutation.attribute,
        "row": mutation.owner,
        "loaded": _loaded(mutation),
        "model": mutation.model.name if mutation.model is not None else "",
        "step": step,
        "amount": step.removeprefix("+ "),
        "update": "aupdate" if mutation.function.is_async else "update",
        "reload": _reload(mutation),
        "saved": f"line {mutation.write.line}"
        if mutation.write is not None and callee_text(mutation.write).endswith("save")
        else "",
        "line": str(mutation.line),
        "base": _base(mutation),
        "after": fields_saved(mutation) + (_READ_AGAIN.format(_reload(mutation).strip()) if _reload(mutation) else ""),
        "part": mutation.owner if mutation.owner.replace(".", "").isidentifier() and mutation.owner != "self" else "",
    }


def _base(mutation: Mutation) -> str:
    """The old number in an expression of Django; with what the code takes for none: `(host.seen or 0) + 1`."""
    assign = next((a for a in mutation.function.scope.assigns if a.order == mutation.order), None)
    value = assign.value if assign is not None else None
    left = value.left if isinstance(value, f.Bin) else None
    if isinstance(left, f.BoolOp) and left.op == "or" and isinstance(left.items[-1], f.Const):
        return f'Coalesce("{mutation.attribute}", {written(left.items[-1], mutation.function)})'
    return f'F("{mutation.attribute}")'


def _loaded(mutation: Mutation) -> str:
    """The row in a sentence: the variable that holds it, or, in a method of its own, its class."""
    if mutation.owner == "self" and mutation.model is not None:
        return f"the `{mutation.model.name}`"
    return f"`{mutation.owner}`"


def _reload(mutation: Mutation) -> str:
    """The object at hand still has the old number: read it again where it is used afterwards."""
    function, write = mutation.function, mutation.write
    if write is None or function.scope.last_read.get(mutation.owner, -1) <= write.fact.order:
        return ""
    return f"\n{'await ' if function.is_async else ''}{mutation.owner}.{'arefresh_from_db' if function.is_async else 'refresh_from_db'}()"


def _cache_step(mutation: Mutation) -> dict[str, str]:
    """The holes of a cache's own increment; none where the step is not seen or goes down."""
    write = mutation.write
    step = _stored_step(write) if write is not None else ""
    if write is None or GAP in step or not step.startswith("+ "):
        return {}
    value = write.fact.args[1] if len(write.fact.args) > 1 else None
    limits = [limit for keyword, limit in write.fact.kwargs if keyword == "timeout"] or list(write.fact.args[2:3])
    expiry = next((written(limit, write.function) for limit in limits), "")
    return {
        "cache": callee_text(write).rpartition(".")[0],
        "expiry": f", timeout={expiry}" if expiry else "",
        "bound": f"{value.id} = " if isinstance(value, f.Name) else "",
        "by": "" if step == "+ 1" else f", {step[2:]}",
    }


def _stored_step(write: CallSite) -> str:
    """`+ 1` where what is stored was made by `count += 1` or is `count + 1`."""
    value = write.fact.args[1] if len(write.fact.args) > 1 else None
    if isinstance(value, f.Name):
        made = [a for a in write.function.scope.assigns if isinstance(a.target, f.Name) and a.target.id == value.id]
        grown = [a for a in made if a.op == "+=" and a.value is not None]
        if len(grown) == 1:
            return f"+ {written(grown[0].value, write.function)}"
        value = made[-1].value if made else None
    if isinstance(value, f.Bin) and value.op == "+" and isinstance(value.right, f.Const):
        return f"+ {written(value.right, write.function)}"
    return ""


def _given_step(mutation: Mutation) -> str:
    """`- 1` of `update(stock=item.stock - 1)`."""
    given = mutation.write.fact.kwargs if mutation.write is not None else ()
    value = next((value for keyword, value in given if keyword == mutation.attribute), None)
    if (
        isinstance(value, f.Bin)
        and value.op in {"+", "-"}
        and written(value.left, mutation.function).endswith(f".{mutation.attribute}")
    ):
        return f"{value.op} {written(value.right, mutation.function)}"
    return f"+ {GAP}"


def _step(mutation: Mutation) -> str:
    """`+ amount` of the assignment; a gap where it is not seen."""
    scope = mutation.function.scope
    assign = next((a for a in scope.assigns if a.order == mutation.order), None)
    if assign is None or assign.value is None:
        return _given_step(mutation)
    if assign.op in _STEPS:
        return f"{_STEPS[assign.op]} {written(assign.value, mutation.function)}"
    value: f.Expr | None = assign.value
    if isinstance(value, f.Name) and len(found := mutation.function.bindings.get(value.id, [])) == 1:
        value = found[0].value
    if isinstance(value, f.Bin) and value.op in {"+", "-"}:
        return f"{value.op} {written(value.right, mutation.function)}"
    return f"+ {GAP}"
