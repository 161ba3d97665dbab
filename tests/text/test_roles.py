"""What a file is to its project: by place, by name, by content."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from roadworthy.text.discover import discover
from roadworthy.text.roles import content_role
from roadworthy.text.source import Role, read_file

if TYPE_CHECKING:
    from pathlib import Path

TEST = b"import pytest\ndef test_a():\n    assert 1\n"


def roles(root: Path, files: dict[str, bytes]) -> dict[str, str]:
    """Write the files, walk, look at the content as the loader does."""
    for name, data in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    found = discover(root, wants=lambda _: False).files
    return {file.path: content_role(file.path, file.role, read_file(file.full)).value for file in found}


def test_by_place(tmp_path: Path) -> None:
    """Folders decide, unless a package inside a package merely has such a name."""
    files = [
        "app/__init__.py", "app/views.py", "app/tests/__init__.py", "app/tests/helpers.py", "app/testing/fakes.py",
        "app/test_utils/x.py", "tests/unit/a.py", "conftest.py", "app/pytest_plugin.py", "app/migrations/0001_initial.py", "alembic/env.py",
        "app/build/__init__.py", "app/build/steps.py", "app/docs/__init__.py", "app/docs/api.py", "docs/conf.py",
        "examples/a.py", "benchmarks/b.py", "scripts/c.py", "app/scripts/__init__.py", "app/scripts/d.py", "tools/e.py",
        "toolkit/tools/__init__.py", "toolkit/tools/f.py", "setup.py", "app/setup.py", "app/api_pb2.py", "app/generated/g.py",
        "integration_tests/h.py", "load-tests/i.py", "app/ab_tests/__init__.py", "app/ab_tests/j.py", "test_stuff/test_k.py",
        "test_stuff/base.py", "k8s_itests/k.py", "docker/itest/l.py", "build_tools/m.py",
    ]  # fmt: skip
    found = roles(tmp_path, dict.fromkeys(files, b"x = 1\n"))
    by_role: dict[str, list[str]] = {}
    for path, role in found.items():
        by_role.setdefault(role, []).append(path)
    assert {role: sorted(paths) for role, paths in by_role.items()} == {
        "test": [
            "app/pytest_plugin.py", "app/test_utils/x.py", "app/testing/fakes.py", "app/tests/__init__.py", "app/tests/helpers.py", "conftest.py",
            "docker/itest/l.py", "integration_tests/h.py", "k8s_itests/k.py", "load-tests/i.py", "test_stuff/base.py", "test_stuff/test_k.py", "tests/unit/a.py",
        ],
        "migration": ["alembic/env.py", "app/migrations/0001_initial.py"],
        "example": ["benchmarks/b.py", "docs/conf.py", "examples/a.py"],
        "script": ["build_tools/m.py", "scripts/c.py", "setup.py", "tools/e.py"],
        "generated": ["app/api_pb2.py", "app/generated/g.py"],
        "production": [
            "app/__init__.py", "app/ab_tests/__init__.py", "app/ab_tests/j.py", "app/build/__init__.py", "app/build/steps.py",
            "app/docs/__init__.py", "app/docs/api.py", "app/scripts/__init__.py", "app/scripts/d.py", "app/setup.py",
            "app/views.py", "toolkit/tools/__init__.py", "toolkit/tools/f.py",
        ],
    }  # fmt: skip


def test_a_domain_called_cookbook(tmp_path: Path) -> None:
    """A kitchen's package `cookbook` is in service when its tables are migrated; a folder of recipes is not."""
    found = roles(
        tmp_path,
        {
            "cookbook/__init__.py": b"",
            "cookbook/models.py": b"",
            "cookbook/views.py": b"",
            "cookbook/migrations/__init__.py": b"",
            "samples/__init__.py": b"",
            "samples/models.py": b"",
            "samples/views.py": b"",
            "notebooks/plot.py": b"",
        },
    )
    assert {path: role for path, role in found.items() if "__init__" not in path} == {
        "cookbook/models.py": "production",
        "cookbook/views.py": "production",
        "samples/models.py": "example",
        "samples/views.py": "example",
        "notebooks/plot.py": "example",
    }


def test_a_domain_called_docs(tmp_path: Path) -> None:
    """An application about documents is in service; a book with a sample application in it is not."""
    found = roles(
        tmp_path,
        {
            "docs/models.py": b"",
            "docs/views.py": b"",
            "docs/tasks.py": b"",
            "documentation/conf.py": b"",
            "documentation/models.py": b"",
            "documentation/views.py": b"",
            "documentation/tasks.py": b"",
            "doc/views.py": b"",
        },
    )
    assert {path for path, role in found.items() if role == "production"} == {
        "docs/models.py",
        "docs/views.py",
        "docs/tasks.py",
    }


def test_a_domain_called_tests(tmp_path: Path) -> None:
    """A laboratory tests blood: its package has the files of an application and no test file."""
    found = roles(
        tmp_path,
        {
            "lab/__init__.py": b"",
            "lab/tests/__init__.py": b"",
            "lab/tests/models.py": b"",
            "lab/tests/views.py": b"",
            "shop/__init__.py": b"",
            "shop/tests/__init__.py": b"",
            "shop/tests/models.py": b"",
            "shop/tests/views.py": b"",
            "shop/tests/test_views.py": TEST,
        },
    )
    assert found["lab/tests/models.py"] == "production"
    assert found["shop/tests/models.py"] == "test"


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("app/test_connection.py", b"def test_connection(host):\n    return ping(host)\n", "production"),
        ("app/views_test.py", TEST, "test"),
        ("app/tests.py", b"from django.test import Client\n", "test"),
        ("app/tests.py", b"class Result:\n    pass\n", "production"),
        ("app/test_it.py", b"def test_it():\n    assert it()\n", "test"),
        ("app/client.py", b"# Code generated by tool. DO NOT EDIT.\nx = 1\n", "generated"),
        ("app/client.py", b'"""This file was auto-generated from the API."""\n', "generated"),
        ("app/ids.py", b'"""Correlation ids: auto-generated when absent."""\n', "production"),
        ("app/checks.py", b'"""Finds files that say DO NOT EDIT."""\n', "production"),
        ("app/late.py", b"x = 1\n# DO NOT EDIT below\n", "production"),
        ("app/migrations/0001.py", b"# Generated by Django 5.0\n", "migration"),
        ("db/revisions/versions/1.py", b"revision = '1'\ndown_revision = None\n", "migration"),
        ("db/versions/1.py", b"VERSION = 1\n", "production"),
    ],
)
def test_by_content(tmp_path: Path, name: str, data: bytes, expected: str) -> None:
    """Names mislead; the first lines tell."""
    assert roles(tmp_path, {name: data})[name] == expected


def test_reviewed_roles() -> None:
    """Migrations hold the schema, scripts weigh less; the rest is out."""
    assert [role.value for role in Role if role.reviewed] == ["production", "migration", "script"]


def test_a_behave_suite(tmp_path: Path) -> None:
    """Scenarios in Gherkin with their steps are tests; a package of features is not."""
    files = [
        "features/environment.py",
        "features/steps/api.py",
        "features/backup.feature",
        "app/features/steps/a.py",
        "locustfile.py",
    ]
    found = roles(tmp_path, dict.fromkeys(files, b"x = 1\n"))
    assert found == {
        "features/environment.py": "test",
        "features/steps/api.py": "test",
        "app/features/steps/a.py": "production",
        "locustfile.py": "test",
    }
