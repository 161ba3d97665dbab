"""Glob, Grep and Read: what they find, and what they refuse."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from agent.project import write_project

pytest.importorskip("regex")

from roadworthy.agent.files import Files

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("top")
    (top / "outside.py").write_text("SECRET = 'outside'\n")
    (top / "out").mkdir()
    (top / "out" / "there.py").write_text("SECRET = 'there'\n")
    root = write_project(top / "shop")
    (root / "link.py").symlink_to(top / "outside.py")
    (root / "linked").symlink_to(top / "out")
    (root / "big.py").write_text("x = 1\n" * 400_000)
    (root / "wide.txt").write_text("y" * 100_000 + "\n")
    (root / "binary.dat").write_bytes(b"\0\1\2" * 100)
    (root / "many.txt").write_text("needle\n" * 1000)
    (root / ".gitignore").write_text("private/\n")
    (root / "private").mkdir()
    (root / "private" / "notes.py").write_text("SECRET = 'ignored'\n")
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("[remote]\n\turl = https://user:SECRET@example.com\n")
    os.mkfifo(root / "pipe")
    return root


@pytest.fixture(scope="module")
def files(root: Path) -> Files:
    return Files(root)


def test_read(files: Files, root: Path) -> None:
    """Numbered lines, by a path from the root, with `./` or absolute."""
    for path in ("app/main.py", "./app/main.py", str(root / "app" / "main.py")):
        assert files.read(path, 12, 1).splitlines()[0] == "   12\tdef pay(order_id: int):"
    assert "read on from line 13" in files.read("app/main.py", 12, 1)
    assert files.read("app/main.py", 999) == "(the file has 19 lines)"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("../outside.py", "outside the repository"),
        ("/etc/passwd", "outside the repository"),
        ("app/../../outside.py", "outside the repository"),
        ("link.py", "no file of the repository"),
        ("linked/there.py", "no file of the repository"),
        (".git/config", "no file of the repository"),
        ("private/notes.py", "no file of the repository"),
        (".env", "holds secrets"),
        ("pipe", "no"),
        ("big.py", "too large"),
        ("binary.dat", "binary"),
        ("db.py", "did you mean app/db.py?"),
        ("app", "no file"),
        ("", "no file"),
        ("a\0b", "no file"),
    ],
)
def test_what_is_not_read(files: Files, path: str, why: str) -> None:
    """Said in a few words, and nothing of the content."""
    answer = files.read(path)
    assert answer.startswith("error: ")
    assert why in answer
    assert "SECRET" not in answer


def test_a_file_that_becomes_a_link(tmp_path: Path) -> None:
    """After the files were listed: still not read."""
    (tmp_path / "root").mkdir()
    (tmp_path / "secret.txt").write_text("SECRET\n")
    target = tmp_path / "root" / "a.py"
    target.write_text("x = 1\n")
    files = Files(tmp_path / "root")
    target.unlink()
    target.symlink_to(tmp_path / "secret.txt")
    assert files.read("a.py").startswith("error: ")
    assert files.grep("SECRET") == "no line matches"


def test_answers_are_bounded(files: Files) -> None:
    """Long lines, many hits, many names."""
    assert len(files.read("wide.txt")) < 1000
    assert len(files.read("many.txt", 1, 10**9)) < 24_000
    assert files.grep("needle").splitlines()[-1] == "(and some more: narrow the search)"
    assert len(files.grep("y+")) < 30_000


def test_glob_and_grep(files: Files) -> None:
    """Over the listed files only."""
    assert files.glob("app/*.py") == "app/__init__.py\napp/db.py\napp/main.py"
    assert files.glob("**/nothing") == "no file matches '**/nothing'"
    assert files.glob("../*").startswith(("error", "no file"))
    assert files.grep("def pay", "app/**") == "app/main.py:12: def pay(order_id: int):"
    assert files.grep("DEF PAY", ignore_case=True).startswith("app/main.py:12")
    assert files.grep("SECRET") == "no line matches"
    assert files.grep("topsecret") == "no line matches"
    assert files.grep("(").startswith("error: ")


def test_an_expression_that_would_take_for_ever(tmp_path: Path) -> None:
    """Is given up."""
    (tmp_path / "a.txt").write_text("a" * 1500 + "!\n")
    assert "took too long" in Files(tmp_path, seconds=0.2).grep(r"^(a|aa)+$")
