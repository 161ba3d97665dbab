"""Ignore files mean what git says they mean; hostile patterns cost no time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.text.discover import discover
from roadworthy.text.ignore import PathPatterns, compile_patterns, is_pattern

from .test_git import git

if TYPE_CHECKING:
    from pathlib import Path

PATTERNS = """
# a comment
*.log.py
!keep.log.py
/only_top.py
deep/**/leaf.py
folder/
!folder/kept.py
a?c.py
[xyz].py
sp\\ ace.py
**/anywhere/
some/path
trailing.py@@
\\#hash.py
"""

FILES = [
    "a.log.py", "keep.log.py", "sub/a.log.py", "sub/keep.log.py", "only_top.py", "sub/only_top.py", "deep/leaf.py",
    "deep/x/y/leaf.py", "folder/a.py", "folder/kept.py", "sub/folder/a.py", "abc.py", "abbc.py", "x.py", "w.py", "sp ace.py",
    "q/anywhere/a.py", "anywhere.py", "some/path/a.py", "x/some/path/a.py", "trailing.py", "#hash.py", "sub/tracked.log.py",
    "folder/tracked.py", "nested/mine.py", "nested/yours.py", "nested/deeper/mine.py", "nested/a.log.py",
]  # fmt: skip


def test_the_walk_sees_what_git_sees(tmp_path: Path) -> None:
    """Nested files, negations, and tracked files that a pattern would ignore: the same list as `git ls-files`."""
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_text(PATTERNS.replace("@@", "   "))
    for name in FILES:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x = 1\n")
    (tmp_path / "nested" / ".gitignore").write_text("mine.py\n!a.log.py\n/yours.py\n!/yours.py\n")
    (tmp_path / ".git" / "info" / "exclude").write_text("w.py\n")
    git(tmp_path, "add", "-f", "sub/tracked.log.py", "folder/tracked.py")
    listed = git(tmp_path, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    expected = sorted(name for name in listed if name.endswith(".py"))
    assert [file.path for file in discover(tmp_path, wants=lambda _: False).files] == expected
    assert 8 < len(expected) < len(FILES)


def test_patterns_that_are_none() -> None:
    """Git ignores them; so do we."""
    assert [line for line in ("!", "\\", "a\\", "ok*.py") if is_pattern(line)] == ["ok*.py"]
    assert compile_patterns(["!", "a.py"]).match_file("a.py")


@given(st.lists(st.text(alphabet="ab*?[]!/\\# .", max_size=12), max_size=6), st.text(alphabet="ab/. ", max_size=20))
def test_any_pattern_is_survived(lines: list[str], path: str) -> None:
    """No text raises."""
    PathPatterns(tuple(lines)).match(path)


def test_patterns_that_explode_are_no_patterns() -> None:
    """`*a*a*a…` against a long name of `a` would take years."""
    start = time.monotonic()
    patterns = PathPatterns(("*a" * 30 + "b", "/".join(["**", "a"] * 20)))
    assert not patterns.match("a" * 250)
    assert time.monotonic() - start < 2


@pytest.mark.parametrize(("path", "expected"), [("svc/legacy/a.py", True), ("legacy/a.py", False), ("svc/a.py", False)])
def test_patterns_hold_below_their_file(path: str, expected: bool) -> None:
    """A configuration file in a folder speaks of that folder."""
    assert PathPatterns(("/legacy/",), base="svc").match(path) is expected
