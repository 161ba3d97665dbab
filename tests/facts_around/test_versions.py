from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from facts_around.showing import facts_of
from roadworthy.project.versions import Known, Versions, build_versions


def versions(**files: str) -> Versions:
    return build_versions([facts_of(path, text) for path, text in files.items()])


def test_locked_beats_pinned_beats_lower_bound() -> None:
    files = {
        "pyproject.toml": '[project]\nname = "x"\ndependencies = ["redis>=4", "celery>=5", "httpx>=0.20,<1"]\n',
        "requirements.txt": "redis==4.5\ncelery==5.2\n",
        "uv.lock": '[[package]]\nname = "redis"\nversion = "5.0.1"\n',
    }
    found = versions(**files)
    assert (found.version_of("Redis"), found.place_of("redis")) == ("5.0.1", "uv.lock:2")
    assert (found.version_of("celery"), found.place_of("celery")) == ("5.2", "requirements.txt:2")
    assert (found.version_of("httpx"), found.place_of("httpx")) == ("0.20", "pyproject.toml:3")
    assert (found.version_of("django"), found.place_of("django")) == (None, None)


def test_the_project_around_the_file_comes_first() -> None:
    files = {
        "a/requirements.txt": "redis==1.0\n",
        "b/requirements.txt": "redis==2.0\n",
        "requirements.txt": "redis==3.0\n",
        "docs/requirements.txt": "redis==9.0\nsphinx==7\n",
    }
    found = versions(**files)
    assert found.version_of("redis") == "3.0"
    assert found.version_of("redis", near="b/src/x.py") == "2.0"
    assert found.version_of("redis", near="c/x.py") == "3.0"
    assert found.version_of("sphinx") == "7"


def test_the_highest_of_a_lock_counts() -> None:
    text = '[[package]]\nname = "numpy"\nversion = "1.26"\n\n[[package]]\nname = "numpy"\nversion = "2.1"\n'
    found = versions(**{"uv.lock": text})
    assert (found.version_of("numpy"), found.place_of("numpy")) == ("2.1", "uv.lock:6")


@pytest.mark.parametrize(
    ("requirement", "specifier", "expected"),
    [
        ("redis==5.0.1", ">=5", True),
        ("redis==5.0.1", "<5", False),
        ("redis==6.0b1", ">=5", True),
        ("redis>=4", ">=6", True),
        ("redis>=4", "<6", False),
        ("redis>=4,<6", ">=6", False),
        ("redis>=4,<6", ">=5,<6", True),
        ("redis<=5.2", ">=5.2", True),
        ("redis~=4.5", ">=5", False),
        ("redis~=4.5", ">=4.9", True),
        ("redis~=4.5.1", ">=4.6", False),
        ("redis==4.*", "<5", True),
        ("redis<5.0", ">=5", False),
        ("redis<4.0.1", ">=4.0.1", False),
        ("redis", ">=99", True),
        ("other", ">=99", True),
        ("other", "<99", False),
        ("redis==1", "", True),
        ("redis==1", "nonsense", True),
    ],
)
def test_satisfies(requirement: str, specifier: str, expected: bool) -> None:
    assert versions(**{"requirements.txt": requirement + "\n"}).satisfies("redis", specifier) is expected


def test_python_itself() -> None:
    found = versions(
        **{
            "pyproject.toml": '[project]\nname = "x"\nrequires-python = ">=3.10"\n',
            "Dockerfile": "FROM docker.io/library/python:3.12-slim\n",
        }
    )
    assert (found.version_of("python"), found.place_of("python")) == ("3.12", "Dockerfile:1")


RELEASES = st.lists(st.integers(0, 12), min_size=1, max_size=3).map(lambda numbers: ".".join(map(str, numbers)))
CLAUSES = st.tuples(st.sampled_from(["<", "<=", "==", ">=", ">", "!="]), RELEASES).map("".join)


@given(st.lists(CLAUSES, max_size=3).map(",".join))
def test_the_newest_of_a_range_does_not_break_its_upper_bounds(text: str) -> None:
    newest = Known("x", 1, text, locked=False).newest
    for part in SpecifierSet(text):
        if part.operator in ("<", "<=") and part.version.strip("0.") and "==" not in text:
            assert part.contains(newest), (text, newest)
    assert newest <= Version("99999")


def test_each_project_of_a_repository_has_a_home() -> None:
    files = {
        "api/pyproject.toml": '[project]\ndependencies = ["django"]',
        "requirements.txt": "click",
        "jobs/requirements/base.txt": "rq",
    }
    known = versions(**files)
    assert known.home("api/shop/views.py") == "api"
    assert known.home("jobs/send.py") == "jobs"
    assert known.home("tools/release.py") == ""
