"""The database schema that models, migrations, table calls and SQL declare."""

from __future__ import annotations

from textwrap import dedent

from project.sources import DJANGO, DJANGO_KEYS, SQLALCHEMY, SQLALCHEMY_KEYS
from project.support_schema import all_keys, keys_of, schema_of
from roadworthy.project.database.statements import Statements
from roadworthy.project.database.tables import Place

INITIAL = """
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", models.AutoField(primary_key=True)),
                ("shop", models.ForeignKey("store.Shop", on_delete=models.CASCADE)),
                ("number", models.CharField(max_length=9, unique=True)),
                ("reference", models.CharField(max_length=9)),
            ],
            options={"unique_together": {("shop", "reference")}},
        ),
    ]
"""


def _migration(name: str, operations: str, after: str = "0001_initial") -> dict[str, str]:
    body = f"""
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("store", "{after}")]
    operations = [{operations}]
"""
    return {f"store/migrations/{name}.py": body}


def _revision(number: int, body: str) -> dict[str, str]:
    before = f'"r{number - 1}"' if number > 1 else "None"
    head = f'from alembic import op\nimport sqlalchemy as sa\n\nrevision = "r{number}"\ndown_revision = {before}\n\n\n'
    # the file name says nothing of the order
    return {
        f"alembic/versions/{9 - number}_step.py": f"{head}def upgrade():\n{_indented(body)}\n\n\ndef downgrade():\n    op.drop_table('orders')\n"
    }


def _indented(body: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in dedent(body).strip().splitlines())


def test_model_classes_with_an_inner_meta() -> None:
    """Fields, options, constraints, abstract and proxy classes, inherited options."""
    assert all_keys({"store/models.py": DJANGO}) == DJANGO_KEYS


def test_mapped_classes_and_tables() -> None:
    """Mixins, computed attributes, annotations, single-table inheritance, indexes after the class, table calls."""
    assert all_keys({"store/models.py": SQLALCHEMY}) == SQLALCHEMY_KEYS


def test_columns_have_all_their_names() -> None:
    """A lookup may say the attribute, the column, the relation or `pk`."""
    table = schema_of({"store/models.py": DJANGO}).table("store_customer")
    assert table is not None
    assert table.names(["shop", "shop_id", "number", "nr", "pk", "elsewhere"]) == {"shop_id", "nr", "id", "elsewhere"}
    number, shop = table.column("number"), table.column("shop")
    assert number is not None and (number.name, number.attribute, number.type) == ("nr", "number", "CharField")
    assert shop is not None and shop.target_model is not None and shop.target_model.name == "Shop"


def test_a_key_inside_the_lookup_is_enough() -> None:
    """At most one row has given values of more columns than a key has; whole keys come before partial ones."""
    table = schema_of({"store/models.py": DJANGO}).table("store_customer")
    assert table is not None
    found = table.unique_over(["shop", "email", "number"])
    assert found is not None and found.name == "one_email"
    partial = table.unique_over(["shop_id", "number"])
    assert partial is not None and (partial.name, partial.condition_columns) == ("one_number", ("deleted_at",))
    assert table.unique_over(["shop_id", "number"], partial=False) is None
    assert table.unique_over(["shop"]) is None
    assert table.key_on(["email"]) is None


def test_sqlmodel_tables() -> None:
    """Only classes with `table=True`; a plain annotation is a column; keys through nested columns and mappings."""
    text = """
    from sqlalchemy import Column, String
    from sqlmodel import Field, SQLModel, UniqueConstraint

    class OrderBase(SQLModel):
        number: str
        shop_id: int | None = Field(default=None, foreign_key="shop.id")

    class Order(OrderBase, table=True):
        __table_args__ = (UniqueConstraint("shop_id", "number"),)
        id: int | None = Field(default=None, primary_key=True)
        code: str = Field(sa_column=Column("code", String, unique=True))
        mail: str = Field(sa_column_kwargs={"unique": True})
        paid: bool = False
    """
    schema = schema_of({"app/models.py": dedent(text)})
    assert {t.name: keys_of(t) for t in schema.tables} == {
        "order": {("id",), ("code",), ("mail",), ("number", "shop_id")}
    }
    assert [c.name for c in schema.tables[0].columns] == ["number", "shop_id", "id", "code", "mail", "paid"]


def test_tables_named_by_the_mapper_and_a_house_column_function() -> None:
    """`db.Model` of a subclass of the extension; `Column = partial(db.Column)`; a helper that makes the key."""
    text = """
    import functools
    from flask_sqlalchemy import SQLAlchemy

    class Database(SQLAlchemy):
        pass

    db = Database()
    Column = functools.partial(db.Column, nullable=False)

    def surrogate(**kwargs):
        return Column(db.Integer, primary_key=True, **kwargs)

    class OrderLine(db.Model):
        id = surrogate()
        order_id = Column(db.Integer)
        position = Column(db.Integer)
        __table_args__ = (db.UniqueConstraint("order_id", "position"),)
    """
    assert all_keys({"app/models.py": dedent(text)}) == {"order_line": {("id",), ("order_id", "position")}}


def test_a_model_under_a_base_of_a_library_that_no_file_describes() -> None:
    """Its fields tell whose model it is; unknown field classes count by the usual keywords."""
    text = """
    from django.db import models
    from somewhere.models import TimeStampedModel
    from somewhere.fields import PhoneNumberField

    class Contact(TimeStampedModel):
        name = models.CharField(max_length=9)
        phone = PhoneNumberField(unique=True)
    """
    assert all_keys({"people/models.py": dedent(text)}) == {"people_contact": {("id",), ("phone",)}}


def test_migrations_run_in_the_order_of_their_dependencies() -> None:
    """Keys come and go; what only the chain knows counts, and so does what a step drops from it."""
    files = {
        "store/migrations/__init__.py": "",
        "store/migrations/0001_initial.py": INITIAL,
        **_migration("0003_a", 'migrations.RemoveConstraint("order", "one_ref")', "0002_b"),
        **_migration(
            "0002_b",
            'migrations.AlterUniqueTogether("order", set()),'
            'migrations.AddConstraint("order", models.UniqueConstraint(fields=["reference"], name="one_ref")),'
            'migrations.RenameField("order", "number", "code"),'
            'migrations.AddField("order", "token", models.UUIDField(unique=True)),',
        ),
        **_migration(
            "0004_c",
            'migrations.AlterField("order", "token", models.UUIDField()),'
            'migrations.RunSQL("CREATE UNIQUE INDEX CONCURRENTLY one ON store_order (shop_id, lower(reference)) WHERE code IS NOT NULL"),'
            'migrations.RenameModel("Order", "Purchase"),',
            "0003_a",
        ),
    }
    schema = schema_of(files)
    assert {t.name: keys_of(t) for t in schema.tables} == {
        "store_purchase": {("id",), ("code",), ("reference", "shop_id", "partial")}
    }
    assert {key.place.source for key in schema.tables[0].keys} == {"migration"}


def test_the_model_and_the_chain_together() -> None:
    """A key says which sources declare it; one that a migration dropped is not in force although the model has it."""
    model = """
    from django.db import models

    class Order(models.Model):
        shop = models.ForeignKey("store.Shop", on_delete=models.CASCADE)
        number = models.CharField(max_length=9, unique=True)
        reference = models.CharField(max_length=9)

        class Meta:
            unique_together = [("shop", "reference")]
    """
    files = {
        "store/models.py": dedent(model),
        "store/migrations/0001_initial.py": INITIAL,
        **_migration("0002_b", 'migrations.AlterUniqueTogether("order", set())'),
    }
    table = schema_of(files).table("store_order")
    assert table is not None
    assert table.sources == ("model", "migration")
    number = table.unique_over(["number"])
    assert number is not None and number.sources == ("migration", "model")
    assert table.unique_over(["shop", "reference"]) is None
    dropped = table.dropped_over(["shop", "reference"])
    assert dropped is not None and dropped.dropped is not None and dropped.dropped.path.endswith("0002_b.py")


def test_a_squashed_migration_stands_for_those_it_replaces() -> None:
    """Where the old files are still there, they count and it does not."""
    squash = INITIAL.replace(
        "    initial = True\n", '    replaces = [("store", "0001_initial"), ("store", "0002_b")]\n'
    )
    files = {
        "store/migrations/0001_initial.py": INITIAL,
        **_migration("0002_b", 'migrations.AlterUniqueTogether("order", set())'),
        "store/migrations/0001_squashed_0002.py": squash,
    }
    assert all_keys(files) == {"store_order": {("id",), ("number",)}}


def test_revisions_run_by_their_links() -> None:
    """Batches, renames, raw statements; the way back is not taken; tables made before the chain begin where it meets them."""
    files = {
        **_revision(
            1,
            """
            op.create_table("orders", sa.Column("id", sa.Integer, primary_key=True), sa.Column("number", sa.String, unique=True),
                            sa.Column("shop_id", sa.Integer), sa.UniqueConstraint("shop_id", "number", name="one"))
            op.create_index("ix_old", "users", ["email"], unique=True)
            """,
        ),
        **_revision(
            2,
            """
            with op.batch_alter_table("orders") as batch:
                batch.drop_constraint("one", type_="unique")
                batch.add_column(sa.Column("token", sa.String(), nullable=False))
                batch.create_unique_constraint("one_token", ["shop_id", "token"])
            """,
        ),
        **_revision(
            3,
            """
            op.execute(sa.text("CREATE UNIQUE INDEX x ON orders (shop_id) WHERE token IS NULL"))
            op.alter_column("orders", "token", new_column_name="code")
            op.drop_constraint("orders_number_key", "orders")
            op.drop_index("ix_old")
            op.rename_table("orders", "purchases")
            """,
        ),
    }
    assert all_keys(files) == {"purchases": {("id",), ("code", "shop_id"), ("shop_id", "partial")}, "users": set()}


def test_sql_files() -> None:
    """Statements in the natural order of the files; several dialects; what does not parse is left alone."""
    files = {
        "db/2_more.sql": """
            ALTER TABLE ONLY orders ADD CONSTRAINT one UNIQUE (shop_id, number);
            CREATE UNIQUE INDEX i ON orders (token) WHERE deleted_at IS NULL;
            ALTER TABLE orders ADD CONSTRAINT t UNIQUE USING INDEX i;
            CREATE UNIQUE INDEX gone ON orders (shop_id);
            CREATE UNIQUE INDEX lost ON ((;
        """,
        "db/10_last.sql": "DROP INDEX gone; DROP TABLE old;",
        "db/1_first.sql": """
            CREATE TABLE orders (id bigserial PRIMARY KEY, shop_id int NOT NULL, number text, token text, deleted_at timestamptz);
            CREATE TABLE old (id int);
            CREATE TABLE `links` (a int NOT NULL, b int NOT NULL, c int, PRIMARY KEY (a, b), UNIQUE KEY k (c)) ENGINE=InnoDB;
        """,
    }
    assert all_keys(files) == {
        "orders": {("id",), ("number", "shop_id"), ("token", "partial")},
        "links": {("a", "b"), ("c",)},
    }


def test_tables_that_code_makes() -> None:
    """`execute("CREATE TABLE …")` in an application that keeps no migrations."""
    text = """
    import sqlite3

    def prepare():
        connection = sqlite3.connect("state.db")
        connection.execute("CREATE TABLE IF NOT EXISTS seen (event_id TEXT PRIMARY KEY, at REAL)")
        connection.execute(f"CREATE UNIQUE INDEX IF NOT EXISTS one ON {prepare} (x)")
    """
    assert all_keys({"app/state.py": dedent(text)}) == {"seen": {("event_id",)}}


def test_nothing_declares_a_schema() -> None:
    """A project without a database has an empty one."""
    schema = schema_of({"app/main.py": "class Order:\n    number = 1\n"})
    assert schema.tables == ()
    assert schema.table("orders") is None


def test_hostile_statements_are_skipped() -> None:
    """No text makes the reader fail, and a very long one is not parsed."""
    from roadworthy.project.database.operations import Tables

    tables = Tables()
    statements = Statements(tables)
    place = Place("x.sql", 1, 1, "sql")
    for text in (
        "CREATE TABLE", "CREATE TABLE (", "ALTER TABLE ADD", "DROP TABLE ?", "CREATE UNIQUE INDEX ON x",
        "CREATE TABLE t (" + "(" * 3000 + ")", "CREATE TABLE t AS SELECT 1", "alter table x drop constraint", "CREATE TABLE t (a int" + " " * 30_000 + ")",
    ):  # fmt: skip
        statements.run(text, place)
    assert all(not draft.keys for draft in tables.by_name.values())
