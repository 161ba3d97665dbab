"""Reads SQL that stands in strings: which table, which columns are compared or filled, which conflict clause."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from roadworthy.project.database.statements import HOLE, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlglot import exp

_DML = re.compile(r"\s*(?:--[^\n]*\n\s*)*(select|insert|update|delete|replace|with)\b", re.IGNORECASE)
_PLACE = re.compile(r"%\((\w+)\)s|%s|\$\d+|(?<![:\w]):(\w+)|\{\w*\}")
_HELD = re.compile(
    r"%\((\w+)\)s|(%s|\?)|\$(\d+)|(?<![:\w]):(\w+)|(\{\w*\})"
)  # named, next, counted, named, of the text
_MAX = 6_000


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, as far as it is understood."""

    kind: str  # "read" "insert" "upsert" "update" "delete"
    table: str
    where: tuple[tuple[str, str], ...] = ()  # (column, "eq" | "null" | "in" | "other")
    columns: tuple[str, ...] = ()  # filled
    exact: bool = True
    locked: bool = False
    target: tuple[str, ...] | None = None  # conflict clause
    places: tuple[tuple[str, str], ...] = ()  # insert: (column, the name or index of the placeholder that fills it)
    sequential: int = 0  # placeholders that are told apart by their order only


@lru_cache(maxsize=4096)
def read_sql(text: str) -> Statement | None:
    """The statement of a text; None when it is no query, does not parse, or is about an unknown table."""
    if len(text) > _MAX or not _DML.match(text):
        return None
    trees = parse(_PLACE.sub("?", text))
    if len(trees) != 1:
        return None
    try:
        statement = _statement(trees[0])
        return _with_places(statement, trees[0], text) if statement is not None and statement.columns else statement
    except (AttributeError, KeyError, TypeError, IndexError):
        return None  # shapes of trees differ between versions of the parser and dialects


def _statement(tree: exp.Expr) -> Statement | None:
    match type(tree).__name__:
        case "Insert":
            return _insert(tree)
        case "Update":
            where, exact = _where(tree)
            columns = tuple(e.this.name for e in tree.expressions if type(e).__name__ == "EQ")
            return Statement("update", tree.this.name, where, columns, exact)
        case "Delete":
            where, exact = _where(tree)
            return Statement("delete", tree.this.name, where, (), exact)
        case "Select":
            return _select(tree)
    return None


def _select(tree: exp.Expr) -> Statement | None:
    source = tree.args.get("from") or tree.args.get("from_")
    if source is None or type(source.this).__name__ != "Table" or source.this.name == HOLE:
        return None
    where, exact = _where(tree)
    joined = bool(tree.args.get("joins"))
    return Statement("read", source.this.name, where, (), exact and not joined, bool(tree.args.get("locks")))


def _insert(tree: exp.Expr) -> Statement | None:
    into = tree.this
    schema = type(into).__name__ == "Schema"
    table = into.this if schema else into
    if table.name == HOLE:
        return None
    columns = tuple(part.name for part in into.expressions) if schema else ()
    conflict = tree.args.get("conflict")
    target: tuple[str, ...] | None = None
    if conflict is not None:
        keys = conflict.args.get("conflict_keys") or []
        named = conflict.args.get("constraint") is not None
        target = (
            None
            if named or conflict.args.get("duplicate")
            else tuple(key.this.name if key.args.get("this") else key.name for key in keys)
        )
    ignores = tree.args.get("alternative") is not None or tree.args.get("ignore")
    kind = "upsert" if conflict is not None or ignores else "insert"
    return Statement(kind, table.name, (), columns, True, False, target)


def _with_places(statement: Statement, tree: exp.Expr, text: str) -> Statement:
    """Which placeholder fills which column, for one row of VALUES."""
    given = tree.args.get("expression")
    rows = given.expressions if given is not None and type(given).__name__ == "Values" else []
    held, sequential = _placeholders(text)
    if len(rows) != 1 or len(rows[0].expressions) != len(statement.columns) or _holes(tree) != len(held):
        return statement
    found, at = [], 0
    for column, item in zip(statement.columns, rows[0].expressions, strict=True):
        bare = item.this if type(item).__name__ == "Cast" else item
        count = _holes(item)
        if count == 1 and type(bare).__name__ == "Column" and held[at]:
            found.append((column, held[at]))
        at += count
    return replace(statement, places=tuple(found), sequential=sequential)


def _placeholders(text: str) -> tuple[list[str], int]:
    """Name or index of each ("" for what the text itself is filled with), and how many are told apart by their order."""
    held, count = [], 0
    for match in _HELD.finditer(text):
        named, following, counted, colon, _ = match.groups()
        held.append(named or colon or (str(count) if following else str(int(counted) - 1) if counted else ""))
        count += bool(following)
    return held, count


def _holes(node: exp.Expr) -> int:
    return sum(type(part).__name__ == "Identifier" and part.name == HOLE for part in node.walk())


def _where(tree: exp.Expr) -> tuple[tuple[tuple[str, str], ...], bool]:
    where = tree.args.get("where")
    if where is None:
        return (), True
    found: list[tuple[str, str]] = []
    exact = True
    for part in _conjuncts(where.this):
        pair = _condition(part)
        if pair is None:
            exact = False
        else:
            found.append(pair)
    return tuple(found), exact


def _conjuncts(node: exp.Expr) -> Iterator[exp.Expr]:
    stack = [node]
    while stack:
        here = stack.pop()
        if type(here).__name__ == "And":
            stack.extend((here.expression, here.this))
        elif type(here).__name__ == "Paren":
            stack.append(here.this)
        else:
            yield here


def _condition(node: exp.Expr) -> tuple[str, str] | None:
    name = type(node).__name__
    left = node.args.get("this")
    column = left.this if left is not None and type(left).__name__ == "Lower" else left
    if column is None or type(column).__name__ != "Column" or column.name == HOLE:
        return None
    if name == "EQ":
        return (
            column.name,
            "other" if type(node.expression).__name__ == "Column" and node.expression.name != HOLE else "eq",
        )
    if name == "Is":
        return (column.name, "null")
    return (column.name, "in" if name == "In" else "other")
