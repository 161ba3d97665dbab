"""Caches never land in the reviewed tree by accident."""

from __future__ import annotations

import pwd
from pathlib import Path
from typing import TYPE_CHECKING

from engine_fakes import stages
from roadworthy.engine import review
from roadworthy.text.places import cache_folder

if TYPE_CHECKING:
    import pytest


def test_where_it_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The variable names another folder, or none."""
    monkeypatch.setenv("ROADWORTHY_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.setenv("ROADWORTHY_CACHE", "")
    assert cache_folder() is None
    monkeypatch.delenv("ROADWORTHY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "roadworthy"


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in containers that run with a random user number: no cache, and no folder called `~`."""

    def unknown(_: int) -> None:
        raise KeyError("no such user")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "XDG_CACHE_HOME", "ROADWORTHY_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    Path("app.py").write_text("x = 1\n")
    assert cache_folder() is None
    assert review([], stages=stages()).files == 1
    assert review([]).files == 1
    assert [path.name for path in tmp_path.iterdir()] == ["app.py"]
