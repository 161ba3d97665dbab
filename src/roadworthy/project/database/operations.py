"""One step of a migration applied to the tables as they are so far."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project.arguments import argument
from roadworthy.project.database.draft import KeyDraft, TableDraft
from roadworthy.project.database.reading import COLUMNS, KEYS, Declared
from roadworthy.project.database.tables import MIGRATION, Column, Place, plain_name
from roadworthy.project.values import LibraryObject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from roadworthy.knowledge.schema import Argument
    from roadworthy.project.database.reading import Reader
    from roadworthy.project.symbols import CallSite, Function

_ALWAYS = frozenset({
    "create-table", "drop-table", "add-column", "drop-column", "alter-column", "add-constraint", "drop-constraint", "rename", "run-sql",
})  # fmt: skip


class Tables:
    """All tables of a chain while it runs, by name; models of a framework also by `application.model`."""

    def __init__(self) -> None:
        """Empty: a chain begins with an empty database."""
        self.by_name: dict[str, TableDraft] = {}
        self.by_model: dict[str, TableDraft] = {}

    def find(self, name: str, label: str = "") -> TableDraft | None:
        """A table by the name that an operation uses."""
        if label:
            found = self.by_model.get(f"{label}.{name.lower()}")
            if found is not None:
                return found
        plain = plain_name(name)
        return self.by_name.get(plain) or self.by_name.get(plain.rpartition(".")[2])

    def find_or_make(self, name: str, place: Place) -> TableDraft:
        """A table; one that was made before the chain began is begun here, known in part."""
        found = self.find(name)
        if found is None:
            found = TableDraft(name, place, complete=False)
            self.add(found)
        return found

    def add(self, draft: TableDraft, model: str = "") -> None:
        """Add a table."""
        self.by_name[plain_name(draft.name).rpartition(".")[2]] = draft
        if model:
            self.by_model[model] = draft

    def remove(self, draft: TableDraft) -> None:
        """Remove a table under all its names."""
        self.by_name = {name: other for name, other in self.by_name.items() if other is not draft}
        self.by_model = {name: other for name, other in self.by_model.items() if other is not draft}


class Operations:
    """Applies the operations that library calls describe."""

    def __init__(self, reader: Reader, tables: Tables, run_sql: Callable[[str, Place], None]) -> None:
        """`run_sql` applies a text of SQL to the same tables."""
        self._reader = reader
        self._tables = tables
        self._run_sql = run_sql

    def operation(self, site: CallSite) -> Declared | None:
        """The operation that a call is; a constraint or column that is only described for one is none."""
        found = self._reader.declared(site, *_ALWAYS, *KEYS, "foreign-key", "meta")
        if found is None or found.row.construct == "meta":
            return None
        if found.row.construct in _ALWAYS or found.row.table is not None:
            return found
        return found if self._receiver_table(site) is not None else None

    def apply(self, found: Declared, label: str) -> None:
        """Change the tables. `label`: the application of the migration, for operations that name models."""
        site, row = found.site, found.row
        place = _place(site)
        if row.construct == "create-table":
            self._create(found, label, place)
        elif row.construct == "run-sql":
            for text in self._sql(found):
                self._run_sql(text, place)
        elif row.construct == "rename" and row.table is None:
            self._rename_table(found, label)
        elif row.construct == "drop-table":
            for name in self._strings(site, row.name):
                table = self._tables.find(name, label)
                if table is not None:
                    self._tables.remove(table)
        elif row.construct == "drop-constraint":
            self._drop_constraint(found, label, place)
        else:
            for table in self._tables_of(found, label):
                self._change(found, table, place)

    # --- which table --------------------------------------------------------------------------------------------------

    def _tables_of(self, found: Declared, label: str) -> Iterator[TableDraft]:
        names = (
            self._strings(found.site, found.row.table)
            if found.row.table is not None
            else self._receiver_table(found.site) or []
        )
        for name in names[:40]:
            table = self._tables.find(name, label) if label else self._tables.find_or_make(name, _place(found.site))
            if table is not None:
                yield table

    def _receiver_table(self, site: CallSite) -> list[str] | None:
        """The table of `with op.batch_alter_table("orders") as batch: batch.add_column(…)`."""
        resolution = self._reader.graph.resolutions.get(site)
        for library in resolution.libraries if resolution else ():
            receiver = library.receiver
            if isinstance(receiver, LibraryObject) and receiver.site is not None:
                made = self._reader.declared(receiver.site, "meta")
                if made is not None and made.row.table is not None:
                    return self._strings(receiver.site, made.row.table)
        return None

    def _strings(self, site: CallSite, where: Argument | None) -> list[str]:
        expr = argument(site.fact, where)
        return self._reader.strings(expr, site.function) if expr is not None else []

    def _one(self, site: CallSite, where: Argument | None) -> str:
        return next(iter(self._strings(site, where)), "")

    # --- tables -------------------------------------------------------------------------------------------------------

    def _create(self, found: Declared, label: str, place: Place) -> None:
        site, row = found.site, found.row
        name = self._one(site, row.name)
        if not name:
            return
        options = dict(self._pairs(next((v for k, v in site.fact.kwargs if k == "options"), None)))
        if self._is_true(options.get("proxy"), site.function):
            return
        framework = bool(label) and row.name is not None and row.name.argument == "name"
        given = self._reader.literal(options.get("db_table"), site.function) if "db_table" in options else None
        actual = str(given).strip('"') if isinstance(given, str) else f"{label}_{name.lower()}" if framework else name
        draft = TableDraft(actual, place)
        draft.managed = not self._is_false(options.get("managed"), site.function)
        expr = argument(site.fact, row.columns)
        if isinstance(expr, f.Seq) and framework:
            self._add_named_columns(expr, site.function, draft)
            self._add_options(options, site.function, draft, place)
        else:
            self._add_parts(site, draft)
        self._tables.add(draft, f"{label}.{name.lower()}" if framework else "")

    def _pairs(self, expr: f.Expr | None) -> Iterator[tuple[str, f.Expr]]:
        if isinstance(expr, f.Dict):
            for key, value in expr.items:
                if isinstance(key, f.Str):
                    yield key.value, value

    def _is_true(self, expr: f.Expr | None, scope: Function) -> bool:
        return expr is not None and self._reader.literal(expr, scope) is True

    def _is_false(self, expr: f.Expr | None, scope: Function) -> bool:
        return expr is not None and self._reader.literal(expr, scope) is False

    def _add_named_columns(self, expr: f.Seq, scope: Function, draft: TableDraft) -> None:
        """`fields=[("id", models.AutoField(…)), …]`."""
        for item in expr.items:
            if isinstance(item, f.Seq) and len(item.items) == 2 and isinstance(item.items[0], f.Str):
                column = self._field(item.items[0].value, item.items[1], scope)
                if column is not None:
                    draft.add_column(column)

    def _field(self, name: str, expr: f.Expr, scope: Function) -> Column | None:
        found = self._reader.column_call(expr, scope)
        if found is not None:
            return self._reader.column(name, found, MIGRATION)
        site = self._reader.call_of(expr, scope)
        return (
            self._reader.plain_column(name, site, MIGRATION)
            if site is not None and self._reader.looks_like_column(site)
            else None
        )

    def _add_options(self, options: dict[str, f.Expr], scope: Function, draft: TableDraft, place: Place) -> None:
        together = options.get("unique_together")
        for group in self._reader.groups(together, scope) if together is not None else ():
            draft.add_key(KeyDraft(group, place))
        for expr in (options.get("constraints"), options.get("indexes")):
            for item in expr.items if isinstance(expr, f.Seq) else ():
                self._add_key_expr(item, scope, draft)

    def _add_key_expr(self, expr: f.Expr, scope: Function, draft: TableDraft) -> None:
        site = self._reader.call_of(expr, scope)
        declared = self._reader.declared(site, *KEYS) if site is not None else None
        key = self._reader.key(declared, MIGRATION) if declared is not None else None
        if key is not None:
            draft.add_key(key)

    def _add_parts(self, site: CallSite, draft: TableDraft) -> None:
        """Columns and constraints that are arguments of a call: `create_table("orders", Column(…), UniqueConstraint(…))`."""
        add_parts(self._reader, site, draft, MIGRATION)

    def _rename_table(self, found: Declared, label: str) -> None:
        site, row = found.site, found.row
        old, new = self._one(site, row.name), self._one(site, row.target)
        table = self._tables.find(old, label)
        if table is None or not new:
            return
        model = next((key for key, other in self._tables.by_model.items() if other is table), "")
        self._tables.remove(table)
        framework = row.name is not None and row.name.argument != "old_table_name" and bool(model)
        renames_model = row.name is not None and row.name.argument == "old_name"
        automatic = table.name == model.replace(".", "_")
        if framework and renames_model:
            model = f"{label}.{new.lower()}"
            table.name = f"{label}_{new.lower()}" if automatic else table.name
        else:
            table.name = new
        self._tables.add(table, model)

    # --- changes of one table -----------------------------------------------------------------------------------------

    def _change(self, found: Declared, table: TableDraft, place: Place) -> None:
        site, row = found.site, found.row
        match row.construct:
            case "add-column":
                self._add_column(found, table)
            case "alter-column":
                self._alter_column(found, table, place)
            case "drop-column":
                for name in self._strings(site, row.name):
                    table.drop_column(name, place)
            case "rename":
                old, new = self._one(site, row.name), self._one(site, row.target)
                if old and new:
                    table.rename_column(old, new)
            case "add-constraint":
                self._add_key_expr(argument(site.fact, row.target) or f.Other(""), site.function, table)
            case "index" if row.target is not None:
                self._add_key_expr(argument(site.fact, row.target) or f.Other(""), site.function, table)
            case "unique" if row.name is None and row.columns is not None:
                self._replace_together(found, table, place)
            case "unique" | "index" | "primary-key":
                key = self._reader.key(found, MIGRATION)
                if key is not None:
                    table.add_key(key)

    def _add_column(self, found: Declared, table: TableDraft) -> None:
        site, row = found.site, found.row
        expr = argument(site.fact, row.columns)
        if expr is None:
            return
        if row.name is not None:
            for name in self._strings(site, row.name)[:1]:
                column = self._field(name, expr, site.function)
                if column is not None:
                    table.add_column(column)
            return
        inner = self._reader.column_call(expr, site.function)
        column = self._reader.column("", inner, MIGRATION) if inner is not None else None
        if column is not None and column.name:
            table.add_column(replace(column, attribute=column.name))

    def _alter_column(self, found: Declared, table: TableDraft, place: Place) -> None:
        site, row = found.site, found.row
        name = self._one(site, row.name)
        old = table.find(name)
        if row.columns is not None:
            expr = argument(site.fact, row.columns)
            column = self._field(name, expr, site.function) if expr is not None else None
            if column is None:
                return
            if old is not None and old.unique and not column.unique:
                table.dropped.append((KeyDraft((name,), old.place), place))
            table.add_column(column)
            return
        new = self._one(site, row.target)
        if old is not None and new:
            table.rename_column(name, new)

    def _replace_together(self, found: Declared, table: TableDraft, place: Place) -> None:
        """The whole list of unique groups of a model is set anew."""
        expr = argument(found.site.fact, found.row.columns)
        for key in [key for key in table.keys if not key.name and key.kind == "unique"]:
            table.drop_key(key, place)
        for group in self._reader.groups(expr, found.site.function) if expr is not None else ():
            table.add_key(KeyDraft(group, place))

    def _drop_constraint(self, found: Declared, label: str, place: Place) -> None:
        names = self._strings(found.site, found.row.name)
        tables = list(self._tables_of(found, label)) or [
            t for t in self._tables.by_name.values() if found.row.table is None or not label
        ]
        for name in names:
            for table in tables:
                if table.drop_named(name, place) or drop_single(table, name, place):
                    break

    def _sql(self, found: Declared) -> list[str]:
        expr = argument(found.site.fact, found.row.target)
        if expr is None:
            return []
        texts = self._reader.strings(expr, found.site.function)
        if texts:
            return texts
        inner = self._reader.call_of(expr, found.site.function)
        return self._reader.strings(inner.fact.args[0], inner.function) if inner is not None and inner.fact.args else []


def _place(site: CallSite) -> Place:
    return Place(site.path, site.line, site.fact.end_line, MIGRATION)


def add_parts(reader: Reader, site: CallSite, draft: TableDraft, source: str) -> None:
    """Columns and constraints among the arguments of a call that makes a table; a spread of unknown ones makes it incomplete."""
    for expr in site.fact.args:
        inner = reader.call_of(expr, site.function) if isinstance(expr, f.CallRef) else None
        if inner is None:
            draft.complete = draft.complete and not isinstance(expr, f.Star)
            continue
        declared = reader.declared(inner, *COLUMNS, *KEYS)
        if declared is None:
            continue
        if declared.row.construct in KEYS:
            key = reader.key(declared, source)
            if key is not None:
                draft.add_key(key)
        elif declared.row.construct == "column":
            column = reader.column("", declared, source)
            if column.name:
                draft.add_column(replace(column, attribute=column.name))


def drop_single(table: TableDraft, name: str, place: Place) -> bool:
    """Drop the uniqueness of one column by the name that a database gives to its constraint or index."""
    wanted = plain_name(name)
    plain = plain_name(table.name).rpartition(".")[2]
    for column in list(table.columns.values()):
        if column.unique and wanted in {
            f"{plain}_{column.name}_key",
            f"ix_{plain}_{column.name}",
            f"uq_{plain}_{column.name}",
            f"{plain}_{column.name}_idx",
        }:
            table.dropped.append((KeyDraft((column.attribute,), column.place), place))
            table.add_column(replace(column, unique=False))
            return True
    return False
