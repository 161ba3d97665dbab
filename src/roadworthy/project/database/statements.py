"""Raw DDL applied to tables under construction, through sqlglot, which is only loaded when there is some."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from roadworthy.project.database.draft import KeyDraft, TableDraft
from roadworthy.project.database.operations import drop_single
from roadworthy.project.database.tables import Column, Place, plain_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from sqlglot import exp

    from roadworthy.project.database.operations import Tables

HOLE = "hole"  # stands for what is not literal
LIMIT = 6_000  # statements of one project
LENGTH = 20_000  # characters of one statement
_DDL = re.compile(
    r"\s*(?:--[^\n]*\n\s*)*(?:create\s+(?:unlogged\s+|temp(?:orary)?\s+)?table|create\s+unique\s+index|alter\s+table|drop\s+(?:table|index))\b",
    re.IGNORECASE,
)
_TELLING = re.compile(r"\b(?:unique|primary|rename|add|drop\s+(?:column|constraint|index|key))\b", re.IGNORECASE)
_CUT = re.compile(r";\s*(?:\n|$)|;\s*(?=(?:create|alter|drop)\s)", re.IGNORECASE)
_USING_INDEX = re.compile(
    r"alter\s+table\s+(?:if\s+exists\s+)?(?:only\s+)?([\w.\"`]+)\s+add\s+constraint\s+([\w\"`]+)\s+(unique|primary\s+key)\s+using\s+index\s+([\w\"`]+)",
    re.IGNORECASE,
)
_MYSQL = re.compile(r"`|\bengine\s*=|\bauto_increment\b", re.IGNORECASE)
_HOLE = re.compile(r"\?|%\(\w+\)s|\{\w*\}|%s")


class Statements:
    """Applies CREATE, ALTER and DROP of tables and indexes. What does not parse is left alone."""

    def __init__(self, tables: Tables) -> None:
        """`tables` is changed in place."""
        self._tables = tables
        self._count = 0

    def run(self, text: str, place: Place) -> None:
        """Apply every DDL statement of a text."""
        if len(text) > LENGTH * 4 or not _mentions_ddl(text):
            return
        for sql in _CUT.split(text):
            self.statement(sql, place)

    def statement(self, sql: str, place: Place) -> None:
        """Apply one statement."""
        if self._count >= LIMIT or len(sql) > LENGTH or not says_something(sql):
            return
        self._count += 1
        promoted = _USING_INDEX.match(sql.strip())
        if promoted is not None:
            self._promote(promoted)
            return
        for tree in parse(sql):
            try:
                self._apply(tree, place)
            except (AttributeError, KeyError, TypeError, IndexError):
                continue  # shapes of trees differ between versions of the parser and dialects: not understood, not believed

    def _apply(self, tree: exp.Expr, place: Place) -> None:
        kind = str(tree.args.get("kind") or "").upper()
        name = type(tree).__name__
        if name == "Create" and kind == "TABLE":
            self._create_table(tree, place)
        elif name == "Create" and kind == "INDEX" and tree.args.get("unique"):
            self._create_index(tree, place)
        elif name == "Drop":
            self._drop(tree, kind, place)
        elif name == "Alter" and kind == "TABLE":
            self._alter(tree, place)

    def _promote(self, match: re.Match[str]) -> None:
        """`ADD CONSTRAINT c UNIQUE USING INDEX i`: the index takes the constraint's name."""
        table = self._tables.find(match[1])
        for key in table.keys if table is not None else ():
            if plain_name(key.name) == plain_name(match[4]):
                key.name = plain_name(match[2])
                key.kind = "primary" if match[3].lower().startswith("primary") else "unique"

    # --- create -------------------------------------------------------------------------------------------------------

    def _create_table(self, tree: exp.Expr, place: Place) -> None:
        inner = tree.this
        if type(inner).__name__ != "Schema":
            return
        name = _dotted(inner.this)
        if name == HOLE:
            return
        if self._tables.find(name) is not None and tree.args.get("exists"):
            return
        draft = TableDraft(name, place)
        for part in inner.expressions:
            self._part(part, draft, place)
        self._tables.add(draft)

    def _part(self, part: exp.Expr, draft: TableDraft, place: Place) -> None:
        if type(part).__name__ == "ColumnDef":
            draft.add_column(_column(part, place))
            return
        for key in _keys(part, place):
            draft.add_key(key)

    def _create_index(self, tree: exp.Expr, place: Place) -> None:
        index = tree.this
        table = self._table(_dotted(index.args.get("table")), place)
        if table is None:
            return
        params = index.args.get("params")
        columns = params.args.get("columns") if params is not None else None
        key = _key_of(columns or [], place, "unique", index.name)
        where = params.args.get("where") if params is not None else None
        if where is not None:
            key.condition = where.this.sql()
            key.condition_names = tuple(column.name for column in where.find_all(_exp().Column))
        key.nulls_distinct = "nulls not distinct" not in tree.sql().lower()
        if key.names or key.expressions:
            table.add_key(key)

    # --- change -------------------------------------------------------------------------------------------------------

    def _drop(self, tree: exp.Expr, kind: str, place: Place) -> None:
        for name in _dropped(tree):
            if kind == "TABLE":
                table = self._tables.find(name)
                if table is not None:
                    self._tables.remove(table)
            elif kind == "INDEX":
                self._drop_named(name, list(self._tables.by_name.values()), place)

    def _drop_named(self, name: str, tables: list[TableDraft], place: Place) -> None:
        plain = plain_name(name).rpartition(".")[2]
        for table in tables:
            if table.drop_named(plain, place) or drop_single(table, plain, place):
                return

    def _alter(self, tree: exp.Expr, place: Place) -> None:
        table = self._table(_dotted(tree.this), place)
        if table is not None:
            for action in tree.args.get("actions") or []:
                self._action(action, table, place)

    def _table(self, name: str, place: Place) -> TableDraft | None:
        """The table of a statement; None when its name is not literal."""
        return self._tables.find_or_make(name, place) if name and name != HOLE else None

    def _action(self, action: exp.Expr, table: TableDraft, place: Place) -> None:
        match type(action).__name__:
            case "ColumnDef":
                table.add_column(_column(action, place))
            case "AddConstraint":
                for part in action.expressions:
                    for key in _keys(part, place):
                        table.add_key(key)
            case "RenameColumn":
                table.rename_column(action.this.name, action.args["to"].name)
            case "AlterRename":
                self._tables.remove(table)
                table.name = _dotted(action.this)
                self._tables.add(table)
            case "Drop":
                kind = str(action.args.get("kind") or "").upper()
                for name in _dropped(action):
                    if kind == "COLUMN":
                        table.drop_column(name, place)
                    elif kind in {"CONSTRAINT", "INDEX", "KEY"}:
                        self._drop_named(name, [table], place)


def says_something(sql: str) -> bool:
    """Does a statement change tables or unique keys? Most of what stands in SQL files does not."""
    match = _DDL.match(sql)
    return match is not None and (
        match[0].lower().split()[-2:] != ["alter", "table"] or bool(_TELLING.search(sql, match.end()))
    )


def _mentions_ddl(text: str) -> bool:
    lowered = text[:LENGTH].lower()
    return any(word in lowered for word in ("create ", "alter ", "drop "))


def _exp() -> ModuleType:
    from sqlglot import exp

    return exp


def parse(sql: str) -> list[exp.Expr]:
    """The statements of a text; none when it does not parse. Placeholders of drivers and templates are made into names."""
    import sqlglot

    logger = logging.getLogger("sqlglot")
    level, logger.disabled = logger.disabled, True
    try:
        for dialect in ("mysql", "postgres") if _MYSQL.search(sql) else ("postgres", "sqlite"):
            try:
                trees = sqlglot.parse(_HOLE.sub(HOLE, sql), dialect=dialect)
            except (sqlglot.errors.SqlglotError, RecursionError, ValueError, IndexError):
                continue
            return [tree for tree in trees if tree is not None]
        return []
    finally:
        logger.disabled = level


def _dropped(node: exp.Expr) -> list[str]:
    """What a DROP names; the parser's versions keep it in different places."""
    given = node.args.get("tables") or ([node.this] if node.this is not None else node.expressions)
    return [_dotted(one) for one in given if one is not None]


def _dotted(node: exp.Expr | None) -> str:
    """`schema.table` of a table node."""
    if node is None:
        return ""
    if type(node).__name__ == "Schema":
        node = node.this
    schema = node.args.get("db")
    return f"{schema.name}.{node.name}" if schema is not None and schema.name else str(node.name)


def _column(part: exp.Expr, place: Place) -> Column:
    kinds = {type(c.args.get("kind")).__name__ for c in part.args.get("constraints") or []}
    nullable = not {"NotNullColumnConstraint", "PrimaryKeyColumnConstraint"} & kinds
    kind = part.args.get("kind")
    column = Column(part.name, part.name, place, kind.sql() if kind is not None else "", nullable)
    generated = (
        "GeneratedAsIdentityColumnConstraint" in kinds
        or "serial" in column.type.lower()
        or "AutoIncrementColumnConstraint" in kinds
    )
    return replace(
        column,
        unique="UniqueColumnConstraint" in kinds,
        primary="PrimaryKeyColumnConstraint" in kinds,
        generated=generated,
    )


def _keys(part: exp.Expr, place: Place, name: str = "") -> Iterator[KeyDraft]:
    """Unique and primary keys among the constraints of a table."""
    match type(part).__name__:
        case "Constraint":
            for inner in part.expressions:
                yield from _keys(inner, place, part.name)
        case "UniqueColumnConstraint":
            inner = part.this
            columns = inner.expressions if inner is not None and type(inner).__name__ == "Schema" else []
            key = _key_of(
                columns, place, "unique", name or (inner.name if inner is not None and hasattr(inner, "name") else "")
            )
            key.nulls_distinct = not part.args.get("nulls")
            yield key
        case "PrimaryKey":
            yield _key_of(part.expressions, place, "primary", name)


def _key_of(columns: list[exp.Expr], place: Place, kind: str, name: str) -> KeyDraft:
    names: list[str] = []
    expressions: list[str] = []
    words: list[str] = []
    for column in columns:
        node = column.this if type(column).__name__ == "Ordered" else column
        if type(node).__name__ in {"Column", "Identifier"} or (isinstance(node, str)):
            names.append(node if isinstance(node, str) else node.name)
            continue
        expressions.append(node.sql())
        words.extend(inner.name for inner in node.find_all(_exp().Column, _exp().Identifier))
    key = KeyDraft(tuple(names), place, kind, name)
    key.expressions, key.expression_names = tuple(expressions), tuple(words)
    return key
