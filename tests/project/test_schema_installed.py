"""The same sources read by us and loaded by the frameworks themselves give the same unique keys."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from project.sources import DJANGO, SQLALCHEMY
from project.support_schema import all_keys, keys_of, schema_of

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.installed


def _django_keys(model) -> set[tuple[str, ...]]:
    meta = model._meta
    keys = {(field.column,) for field in meta.local_fields if field.unique}
    for group in meta.unique_together:
        keys.add(tuple(sorted(meta.get_field(name).column for name in group)))
    for constraint in meta.constraints:
        names = list(getattr(constraint, "fields", ()))
        for expression in getattr(constraint, "expressions", ()):
            parts = expression.flatten() if hasattr(expression, "flatten") else [expression]
            names += [part.name for part in parts if hasattr(part, "name")]
        key = tuple(sorted(meta.get_field(name).column for name in names))
        keys.add((*key, "partial") if constraint.condition else key)
    return keys


CONTRIB = ("auth", "contenttypes", "sessions", "sites", "redirects", "admin", "flatpages")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Our made-up models as packages that can be imported."""
    folder = tmp_path_factory.mktemp("made_up")
    for package, text in (("store", DJANGO), ("mapped", SQLALCHEMY)):
        (folder / package).mkdir()
        (folder / package / "__init__.py").write_text("")
        (folder / package / "models.py").write_text(text)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def apps(sources: Path):
    """The framework's registry with its own applications and ours."""
    django = pytest.importorskip("django")
    from django.apps import apps
    from django.conf import settings

    installed = [*(f"django.contrib.{name}" for name in CONTRIB), "store"]
    settings.configure(INSTALLED_APPS=installed, DEFAULT_AUTO_FIELD="django.db.models.AutoField", SECRET_KEY="x")
    django.setup()
    return apps


def test_django(apps) -> None:
    """Our made-up models."""
    models = [model for model in apps.get_app_config("store").get_models() if not model._meta.proxy]
    assert all_keys({"store/models.py": DJANGO}) == {m._meta.db_table: _django_keys(m) for m in models}


@pytest.mark.parametrize("app", CONTRIB)
def test_applications_of_django(apps, app: str) -> None:
    """Models and migrations of the framework's own applications, each source for itself and both together."""
    import django

    folder = Path(django.__file__).parent / "contrib" / app
    texts = {
        f"{app}/{file.relative_to(folder).as_posix()}": file.read_text()
        for file in folder.rglob("*.py")
        if "/locale/" not in str(file)
    }
    expected = {m._meta.db_table: _django_keys(m) for m in apps.get_app_config(app).get_models()}
    only_chain = {path: text for path, text in texts.items() if "/migrations/" in path}
    for files in (texts, only_chain):
        schema = schema_of(files)
        assert {name: keys_of(table) for name in expected if (table := schema.table(name)) is not None} == expected


def test_sqlalchemy(sources: Path) -> None:
    """Our made-up mapped classes."""
    sqlalchemy = pytest.importorskip("sqlalchemy")
    base = importlib.import_module("mapped.models").Base
    expected = {}
    for table in base.metadata.tables.values():
        keys = {tuple(sorted(table.primary_key.columns.keys()))}
        for constraint in table.constraints:
            if isinstance(constraint, sqlalchemy.UniqueConstraint):
                keys.add(tuple(sorted(column.name for column in constraint.columns)))
        for index in table.indexes:
            if index.unique:
                names = {
                    c.name
                    for e in index.expressions
                    for c in sqlalchemy.sql.visitors.iterate(e)
                    if isinstance(c, sqlalchemy.Column)
                }
                partial = index.dialect_options["postgresql"]["where"] is not None
                keys.add((*sorted(names), "partial") if partial else tuple(sorted(names)))
        expected[table.name] = keys
    assert all_keys({"store/models.py": SQLALCHEMY}) == expected
