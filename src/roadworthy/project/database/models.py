"""Tables that model classes declare: fields in a class body, with an inner `Meta`, or with `__table_args__`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.database.draft import KeyDraft, TableDraft
from roadworthy.project.database.reading import KEYS
from roadworthy.project.database.tables import MODEL, Column, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.database.apps import Apps
    from roadworthy.project.database.reading import Declared as Call
    from roadworthy.project.database.reading import Reader
    from roadworthy.project.symbols import ClassInfo, Function, Symbols

_NOT_MAPPED = frozenset({"ClassVar", "InitVar"})
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass
class Declared:
    """What the model classes declare."""

    drafts: list[TableDraft] = field(default_factory=list)
    by_model: dict[ClassInfo, TableDraft] = field(default_factory=dict)
    models: dict[ClassInfo, None] = field(default_factory=dict)


class ModelReader:
    """Reads every model class of the project."""

    def __init__(self, symbols: Symbols, reader: Reader, apps: Apps) -> None:
        """`apps` gives the prefix of table names that a framework makes up, and knows which files are migrations."""
        self._symbols = symbols
        self._reader = reader
        self._apps = apps
        self._styles: dict[str, str] = {}

    def read(self) -> Declared:
        """All tables of model classes; classes in migrations are snapshots and do not count."""
        found = Declared()
        keyword_tables = any(_keyword(cls, "table") for cls in self._symbols.classes)
        unnamed: list[ClassInfo] = []
        for cls in self._symbols.classes:
            style = self.style(cls)
            if not style or self._apps.is_migration(cls.module):
                continue
            found.models[cls] = None
            if style == "meta":
                self._meta_model(cls, found)
            elif not _own_flag(cls, "__abstract__"):
                name = self._own_name(cls, keyword_tables)
                if name:
                    self._declarative(cls, name, found)
                elif name is not None:
                    unnamed.append(cls)
        for cls in sorted(unnamed, key=lambda cls: len(cls.mro)):
            self._unnamed(cls, found)
        self._share_tables(found)
        return found

    def style(self, cls: ClassInfo) -> str:
        """ "meta" for fields with an inner Meta, "declarative" for mapped classes, "" for no model."""
        for base in cls.library_bases:
            style = self._styles.get(base)
            if style is None:
                style = self._styles[base] = self._style_of(base)
            if style:
                return style
        mapped = any("__tablename__" in c.body.bindings or "__table__" in c.body.bindings for c in cls.mro)
        return "declarative" if mapped else ""

    def _style_of(self, base: str) -> str:
        knowledge = self._reader.knowledge
        for known in (base, *knowledge.type_bases(base)):
            if any(row.construct == "model" for row in knowledge.schema_rows(known)):
                return "meta" if knowledge.schema_rows(f"{known}.Meta.db_table") else "declarative"
        return ""

    # --- classes with an inner Meta -----------------------------------------------------------------------------------

    def _meta_model(self, cls: ClassInfo, found: Declared) -> None:
        own = _inner(cls, "Meta")
        options = _options(own)
        if self._is_true(options, "abstract", inherited=False) or self._is_true(options, "proxy", inherited=False):
            return
        if own is None:
            options = next((_options(m) for c in cls.mro[1:] if (m := _inner(c, "Meta")) and self._is_abstract(m)), {})
        label = self._text(options, "app_label") or self._apps.label(cls.path)
        name = self._text(options, "db_table") or self._text(options, "table_name") or self._text(options, "table")
        draft = TableDraft(name or f"{label}_{cls.name.lower()}".lstrip("_"), _place(cls), cls)
        draft.managed = not self._is_false(options, "managed")
        self._add_columns(cls, draft, plain=False)
        if not any(column.primary for column in draft.columns.values()):
            draft.add_column(Column("id", "id", draft.place, "AutoField", False, primary=True, generated=True))
        for scope in dict.fromkeys(scope for scope, _ in options.values()):
            self._add_keys(scope, draft)
        self._add_meta_keys(options, draft)
        found.drafts.append(draft)
        found.by_model[cls] = draft

    def _is_abstract(self, meta: ClassInfo) -> bool:
        return self._is_true(_options(meta), "abstract", inherited=False)

    def _is_true(self, options: dict[str, tuple[Function, f.Assign]], name: str, *, inherited: bool) -> bool:
        found = options.get(name)
        return found is not None and (inherited or found[1].value is not None) and self._value(found) is True

    def _is_false(self, options: dict[str, tuple[Function, f.Assign]], name: str) -> bool:
        found = options.get(name)
        return found is not None and self._value(found) is False

    def _text(self, options: dict[str, tuple[Function, f.Assign]], name: str) -> str:
        found = options.get(name)
        value = self._value(found) if found else None
        return value.strip('"') if isinstance(value, str) else ""

    def _value(self, found: tuple[Function, f.Assign]) -> str | int | float | bool | None:
        return self._reader.literal(found[1].value, found[0])

    def _add_meta_keys(self, options: dict[str, tuple[Function, f.Assign]], draft: TableDraft) -> None:
        """`unique_together`, and `indexes = ((("a", "b"), True),)`, and a composite primary key."""
        for name in ("unique_together", "indexes", "primary_key"):
            found = options.get(name)
            value = found[1].value if found is not None else None
            if found is None or value is None:
                continue
            scope, assign = found
            place = Place(scope.path, assign.line, assign.end_line, MODEL)
            if name == "unique_together":
                for group in self._reader.groups(value, scope):
                    draft.add_key(KeyDraft(group, place))
            elif name == "indexes":
                for group in _flagged_groups(value):
                    draft.add_key(KeyDraft(group, place))
            elif isinstance(value, f.CallRef):
                names = [a.value for a in scope.scope.calls[value.index].args if isinstance(a, f.Str)]
                draft.add_key(KeyDraft(tuple(names), place, "primary"))

    # --- mapped classes -----------------------------------------------------------------------------------------------

    def _declarative(self, cls: ClassInfo, name: str, found: Declared) -> None:
        draft = TableDraft(name, _place(cls), cls)
        draft.complete = "__table__" not in cls.body.bindings
        self._add_columns(cls, draft, plain=True)
        self._add_declared_keys(cls, draft)
        draft.versioned = any(_mentions_version(c) for c in cls.mro)
        found.drafts.append(draft)
        found.by_model[cls] = draft

    def _unnamed(self, cls: ClassInfo, found: Declared) -> None:
        """A class without a table name: the mapper makes one up, unless it is a base, or a parent has the table."""
        if any(base in found.by_model for base in cls.mro[1:]):
            return
        draft = TableDraft("", _place(cls), cls)
        self._add_columns(cls, draft, plain=True)
        if any(column.primary for column in draft.columns.values()):
            self._declarative(cls, snake(cls.name), found)

    def _own_name(self, cls: ClassInfo, keyword_tables: bool) -> str | None:
        """The table's name; "" for one that is not written; None when the class has no table of its own."""
        if "__table__" in cls.body.bindings:
            return self._table_name_of_object(cls) or snake(cls.name)
        for ancestor in cls.mro:
            if "__tablename__" in ancestor.body.bindings:
                if ancestor is not cls and self.style(ancestor) and not _own_flag(ancestor, "__abstract__"):
                    return None  # rows of the parent's table
                value = self._reader.literal(ancestor.body.bindings["__tablename__"][-1].value, ancestor.body)
                return value if isinstance(value, str) else snake(cls.name)
            if "__tablename__" in ancestor.methods:
                return snake(cls.name) if cls is not ancestor or not self._is_base(cls) else ""
        if keyword_tables:
            return cls.name.lower() if _keyword(cls, "table") else None
        return ""

    def _is_base(self, cls: ClassInfo) -> bool:
        """The class that only gives its subclasses a way to name their tables."""
        return bool(cls.subclasses) and not any(
            self._reader.column_call(a[-1].value, cls.body) for a in cls.body.bindings.values()
        )

    def _table_name_of_object(self, cls: ClassInfo) -> str:
        site = self._reader.call_of(cls.body.bindings["__table__"][-1].value, cls.body)
        value = self._reader.literal(site.fact.args[0], site.function) if site is not None and site.fact.args else None
        return value if isinstance(value, str) else ""

    def _add_declared_keys(self, cls: ClassInfo, draft: TableDraft) -> None:
        """Constraints and indexes in `__table_args__` (also as a method), or written in the class body."""
        done = False
        for ancestor in cls.mro:
            method = ancestor.methods.get("__table_args__")
            if method is not None and not done:
                self._add_keys(method, draft)
                done = True
            if "__table_args__" in ancestor.body.bindings and done:
                continue
            done = done or "__table_args__" in ancestor.body.bindings
            self._add_keys(ancestor.body, draft)

    # --- both ---------------------------------------------------------------------------------------------------------

    def _add_keys(self, scope: Function, draft: TableDraft) -> None:
        for site in scope.calls:
            declared = self._reader.declared(site, *KEYS)
            key = self._reader.key(declared, MODEL) if declared is not None else None
            if key is not None:
                draft.add_key(key)

    def _add_columns(self, cls: ClassInfo, draft: TableDraft, *, plain: bool) -> None:
        """Columns of the class and its bases, nearest definition last. `plain`: an annotation alone makes a column."""
        for ancestor in reversed(cls.mro):
            for name, assigns in ancestor.body.bindings.items():
                column = self._column(name, assigns[-1], ancestor.body, plain) if not name.startswith("__") else None
                if column is not None:
                    draft.columns.pop(name, None)
                    draft.add_column(column)
                elif not plain and name in draft.columns and _is_none(assigns[-1].value):
                    del draft.columns[name]  # `field = None` takes an inherited field away
            for name, method in ancestor.methods.items():
                column = self._computed_column(name, method) if plain and method.scope.decorators else None
                if column is not None:
                    draft.add_column(column)

    def _column(self, name: str, assign: f.Assign, scope: Function, plain: bool) -> Column | None:
        found = self._reader.column_call(assign.value, scope)
        optional = _optional(assign.annotation) if assign.annotation is not None else None
        if found is not None:
            return self._reader.column(name, found, MODEL, assign.line, optional)
        if assign.annotation is not None and plain:
            return self._annotated(name, assign, scope, optional)
        if not plain and isinstance(assign.value, f.CallRef):
            site = scope.calls[assign.value.index]
            if self._reader.looks_like_column(site):
                return self._reader.plain_column(name, site, MODEL)
        return None

    def _annotated(self, name: str, assign: f.Assign, scope: Function, optional: bool | None) -> Column | None:
        """`name: Mapped[str]`, `id: Mapped[intpk]`, `name: str`."""
        inner = assign.annotation
        head = _head(inner)
        if head in _NOT_MAPPED or isinstance(assign.value, f.CallRef):
            return None
        if isinstance(inner, f.Sub):
            inner = inner.index
        if _head(inner).lower() in {"list", "set", "dict", "sequence"} and head in {"Mapped", "list", "List"}:
            return None
        place = Place(scope.path, assign.line, assign.end_line, MODEL)
        if isinstance(inner, f.Name | f.Attr):
            found = self._alias_column(inner, scope)
            if found is not None:
                return replace(self._reader.column(name, found, MODEL, assign.line, optional), place=place)
        return Column(name, name, place, _head(inner), optional)

    def _alias_column(self, expr: f.Expr, scope: Function) -> Call | None:
        """`intpk = Annotated[int, mapped_column(primary_key=True)]`."""
        if not isinstance(expr, f.Name):
            return None
        known = self._reader.evaluator.names.definition(expr.id, scope.module)
        if known is None or not isinstance(known[1].value, f.Sub):
            return None
        body, assign = known
        found = (
            self._reader.column_call(part, body) for part in flow.walk(assign.value) if isinstance(part, f.CallRef)
        )
        return next((call for call in found if call is not None), None)

    def _computed_column(self, name: str, method: Function) -> Column | None:
        """`@declared_attr def owner_id(cls): return Column(…)`."""
        for leave in method.scope.leaves:
            found = self._reader.column_call(leave.value, method) if leave.kind == "return" else None
            if found is not None:
                return self._reader.column(name, found, MODEL, method.line)
        return None

    def _share_tables(self, found: Declared) -> None:
        """Proxies and classes of single-table inheritance mean the table of the nearest parent that has one."""
        for cls in found.models:
            if cls in found.by_model:
                continue
            parent = next((base for base in cls.mro[1:] if base in found.by_model), None)
            if parent is None:
                continue
            draft = found.by_model[cls] = found.by_model[parent]
            if self.style(cls) == "declarative":
                for name, assigns in cls.body.bindings.items():
                    column = (
                        self._column(name, assigns[-1], cls.body, plain=False) if not name.startswith("__") else None
                    )
                    if column is not None and name not in draft.columns:
                        draft.add_column(column)


def _place(cls: ClassInfo) -> Place:
    return Place(cls.path, cls.line, cls.line, MODEL)


def snake(name: str) -> str:
    """`OrderLine` as `order_line`."""
    return _HUMP.sub("_", name).lower()


def _inner(cls: ClassInfo, name: str) -> ClassInfo | None:
    found = cls.body.children.get(name)
    return found[-1].cls if found and found[-1].kind == "class" else None


def _options(meta: ClassInfo | None) -> dict[str, tuple[Function, f.Assign]]:
    """Options of a Meta class and those that it inherits from another Meta, `abstract` not."""
    options: dict[str, tuple[Function, f.Assign]] = {}
    for cls in reversed(meta.mro) if meta is not None else ():
        for name, assigns in cls.body.bindings.items():
            if cls is meta or name not in {"abstract", "proxy"}:
                options[name] = (cls.body, assigns[-1])
    return options


def _flagged_groups(expr: f.Expr) -> Iterator[tuple[str, ...]]:
    """`((("a", "b"), True), …)`."""
    for item in expr.items if isinstance(expr, f.Seq) else ():
        if (
            isinstance(item, f.Seq)
            and len(item.items) == 2
            and isinstance(item.items[1], f.Const)
            and item.items[1].value is True
        ):
            names = tuple(part.value for part in flow.walk(item.items[0]) if isinstance(part, f.Str))
            if names:
                yield names


def _keyword(cls: ClassInfo, name: str) -> bool:
    """`class Order(SQLModel, table=True)`."""
    return any(k == name and isinstance(v, f.Const) and v.value is True for k, v in cls.body.scope.keywords)


def _own_flag(cls: ClassInfo, name: str) -> bool:
    assigns = cls.body.bindings.get(name)
    value = assigns[-1].value if assigns else None
    return isinstance(value, f.Const) and value.value is True


def _mentions_version(cls: ClassInfo) -> bool:
    assigns = cls.body.bindings.get("__mapper_args__")
    value = assigns[-1].value if assigns else None
    return value is not None and any(text == "version_id_col" for text in flow.strings_of(value))


def _is_none(expr: f.Expr | None) -> bool:
    return isinstance(expr, f.Const) and expr.kind == "none"


def _head(expr: f.Expr | None) -> str:
    if isinstance(expr, f.Sub):
        expr = expr.value
    if isinstance(expr, f.Name):
        return expr.id
    return expr.name if isinstance(expr, f.Attr) else ""


def _optional(expr: f.Expr) -> bool:
    """Does an annotation allow None?"""
    return any(
        (isinstance(part, f.Const) and part.kind == "none")
        or (isinstance(part, f.Name | f.Attr) and _head(part) == "Optional")
        for part in flow.walk(expr)
    )
