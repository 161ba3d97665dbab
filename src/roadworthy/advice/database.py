"""Fixes in the database: unique keys in the form that is safe on a live one, and writes that need no look before."""

from __future__ import annotations

from textwrap import dedent, indent
from typing import TYPE_CHECKING

from roadworthy.advice.patterns import nearest

if TYPE_CHECKING:
    from roadworthy.project.database.claims import Claim
    from roadworthy.project.database.mutations import Mutation
    from roadworthy.project.database.tables import Table
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function


def unique_key(model: Model, table: Table, columns: tuple[str, ...], condition: str = "") -> str:
    """Declare a unique key, and build it without locking the table: the index first, then the constraint that uses it."""
    names = [column.name if (column := table.column(name)) else name for name in columns]
    attributes = [column.attribute if (column := table.column(name)) else name for name in columns]
    name = f"uq_{table.name.rpartition('.')[2]}_{'_'.join(names)}"[:60]
    where = f" WHERE {condition}" if condition else ""
    index = f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table.name} ({', '.join(names)}){where}"
    promote = f"ALTER TABLE {table.name} ADD CONSTRAINT {name} UNIQUE USING INDEX {name}"
    own = nearest(model, "unique", None)
    text = f"Remove the duplicates, then make ({', '.join(names)}) unique without locking `{table.name}`: the index first, concurrently"
    text += "." if condition else ", then the constraint that uses it."
    return _with(text, own, _migration(model, table, attributes, name, index, "" if condition else promote, condition))


def _migration(
    model: Model, table: Table, attributes: list[str], name: str, index: str, promote: str, condition: str
) -> str:
    style = style_of(model, table)
    if style == "meta" and table.model is not None:
        fields = ", ".join(f'"{a}"' for a in attributes)
        partial = f", condition=Q({condition})" if condition and " " not in condition else ""
        constraint = f'models.UniqueConstraint(fields=[{fields}], name="{name}"{partial})'
        lines = [f'migrations.RunSQL("{text}"),' for text in (index, promote) if text]
        body = indent("\n".join(lines), " " * 16)
        return f"""
    # Meta.constraints: {constraint}
    atomic = False
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.AddConstraint("{table.model.name.lower()}", {constraint})],
            database_operations=[\n{body}\n            ],
        ),
    ]"""
    if style == "declarative":
        listed = ", ".join(f'"{a}"' for a in attributes)
        lines = [f'op.execute("{index}")']
        tail = f'\n        op.execute("{promote}")' if promote else ""
        return f"""
    # __table_args__: UniqueConstraint({listed}, name="{name}")
    def upgrade() -> None:
        with op.get_context().autocommit_block():
            {lines[0]}{tail}"""
    return f"\n    {index};\n" + (f"    {promote};" if promote else "")


def insert_or_find(model: Model, table: Table, columns: tuple[str, ...], function: Function) -> str:
    """One statement that inserts or finds, in the style of the code at hand."""
    style = style_of(model, table)
    cls = table.model.name if table.model is not None else table.name
    attributes = [column.attribute if (column := table.column(name)) else name for name in columns]
    wait = "await " if function.is_async else ""
    given = ", ".join(f"{a}={a}" for a in attributes)
    own = nearest(model, "upsert", function)
    if style == "meta":
        call = "aget_or_create" if function.is_async else "get_or_create"
        snippet = f"row, created = {wait}{cls}.objects.{call}({given}, defaults={{…}})"
    elif style == "declarative":
        listed = ", ".join(f'"{a}"' for a in attributes)
        snippet = f"""
        {wait}session.execute(
            insert({cls}).values({given}, …).on_conflict_do_nothing(index_elements=[{listed}])
        )
        row = ({wait}session.execute(select({cls}).where(…))).scalar_one()
        """
    else:
        snippet = f"INSERT INTO {table.name} (…) VALUES (…) ON CONFLICT ({', '.join(columns)}) DO NOTHING"
    text = "Let the database decide in one statement instead of looking first"
    return _with(f"{text}; whoever comes second finds the row of the first.", own, snippet)


def in_one_statement(model: Model, mutation: Mutation) -> str:
    """Let the database compute the new number."""
    function = mutation.function
    own = nearest(model, "atomic-update", function)
    wait = "await " if function.is_async else ""
    if mutation.kind == "cache":
        snippet = f"{wait}….incr({mutation.owner})"
        return _with("Use the store's own increment, which is one step.", own, snippet)
    name, row = mutation.attribute, mutation.owner
    cls = mutation.model.name if mutation.model is not None else "…"
    style = style_of(model, mutation.table) if mutation.table is not None else "meta"
    if style == "declarative":
        snippet = f"{wait}session.execute(update({cls}).where({cls}.id == {row}.id).values({name}={cls}.{name} + …))"
        other = "or read the row with `with_for_update()` in the transaction that writes it"
    else:
        call = "aupdate" if function.is_async else "update"
        snippet = f'{wait}{cls}.objects.filter(pk={row}.pk).{call}({name}=F("{name}") + …)'
        other = "or read the row with `select_for_update()` in the transaction that saves it"
    return _with(f"Let the database compute `{name}` in the statement that writes it ({other}).", own, snippet)


def claim(model: Model, found: Claim) -> str:
    """Take rows in the statement that marks them."""
    function = found.function
    own = nearest(model, "claim", function)
    wait = "await " if function.is_async else ""
    cls = found.table.model.name if found.table.model is not None else found.table.name
    name = found.column
    if style_of(model, found.table) == "meta":
        snippet = f"""
        # {name}: the old state among the conditions, the new one as the value
        if not {wait}{cls}.objects.filter(pk=row.pk, {name}=…).{"aupdate" if function.is_async else "update"}({name}=…):
            continue  # somebody else has it
        """
    else:
        snippet = f"""
        rows = {wait}session.scalars(
            select({cls}).where({cls}.{name} == …).limit(50).with_for_update(skip_locked=True)
        )
        # set `{name}` and commit before the work is done
        """
    text = f"Mark the row before the work, in one statement that names the old `{name}`, and go on only where it changed a row"
    return _with(f"{text}; or read the rows with `FOR UPDATE SKIP LOCKED`.", own, snippet)


def style_of(model: Model, table: Table) -> str:
    """ "meta" for models with an inner Meta, "declarative" for mapped classes, "sql" for tables without a class."""
    if table.model is None:
        return "sql"
    for base in table.model.library_bases:
        for known in (base, *model.knowledge.type_bases(base)):
            if model.knowledge.schema_rows(f"{known}.Meta.db_table"):
                return "meta"
    return "declarative"


def _with(text: str, own: str, snippet: str) -> str:
    """The sentence, the place to copy from, the snippet."""
    body = dedent(snippet).strip("\n").rstrip()
    parts = [text, own] if own else [text]
    return " ".join(parts) + (f"\n```python\n{body}\n```" if body.strip() else "")
