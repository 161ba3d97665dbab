"""The index and the pointers of git are read as git writes them, and broken ones are survived."""

from __future__ import annotations

import struct
import subprocess
from typing import TYPE_CHECKING

import pytest

from roadworthy.text.git import git_dir, submodules, tracked

if TYPE_CHECKING:
    from pathlib import Path


def git(folder: Path, *arguments: str) -> str:
    """Run git without the user's configuration. Tests may; the product never does."""
    environment = {"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with names of many lengths, so that the padding of entries takes every value."""
    git(tmp_path, "init", "-q")
    for length in range(1, 25):
        file = tmp_path / "pack" / ("n" * length + ".py")
        file.parent.mkdir(exist_ok=True)
        file.write_text("x = 1\n")
    (tmp_path / "ünïcode name.py").write_text("x = 1\n")
    git(tmp_path, "add", "-A")
    return tmp_path


@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_tracked_is_what_git_lists(repository: Path, version: str) -> None:
    """Every version of the index, extended entries included."""
    git(repository, "add", "-N", ".")
    (repository / "intended.py").write_text("x")
    git(repository, "add", "-N", "intended.py")  # an intent to add needs the extended flags of version 3
    git(repository, "update-index", "--index-version", version)
    listed = git(repository, "ls-files", "-z").split("\0")
    assert tracked(repository) == frozenset(listed) - {""}


def test_sha256_repositories(tmp_path: Path) -> None:
    """Their digests are longer."""
    try:
        git(tmp_path, "init", "-q", "--object-format=sha256")
    except subprocess.CalledProcessError:
        pytest.skip("this git knows only SHA-1")
    (tmp_path / "a.py").write_text("x")
    git(tmp_path, "add", "a.py")
    assert tracked(tmp_path) == frozenset({"a.py"})


def test_worktree_has_its_own_index(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A `.git` file points to it."""
    git(repository, "commit", "-qm", "x")
    other = tmp_path_factory.mktemp("trees") / "other"
    git(repository, "worktree", "add", "-q", str(other))
    (other / "more.py").write_text("x")
    git(other, "add", "more.py")
    assert (other / ".git").is_file()
    assert tracked(other) == (tracked(repository) or frozenset()) | {"more.py"}


def test_no_repository(tmp_path: Path) -> None:
    """Nothing is known then."""
    assert git_dir(tmp_path) is None
    assert tracked(tmp_path) is None
    assert submodules(tmp_path) == frozenset()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"DIRC",
        b"JUNK" * 40,
        b"DIRC" + struct.pack(">II", 2, 1_000_000),
        b"DIRC" + struct.pack(">II", 4, 3) + b"\x00" * 100,
        b"DIRC" + struct.pack(">II", 4, 3) + b"\xff" * 5000,
        b"DIRC" + struct.pack(">II", 99, 0),
    ],
)
def test_broken_index(tmp_path: Path, data: bytes) -> None:
    """A broken index tells nothing, quickly."""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "index").write_bytes(data)
    assert tracked(tmp_path) is None


@pytest.mark.parametrize("pointer", [b"", b"gitdir: ", b"gitdir: /no/such/place\n", b"\xff\xfe\x00", b"gitdir: a\x00b"])
def test_broken_pointer(tmp_path: Path, pointer: bytes) -> None:
    """A `.git` file that points nowhere is no repository."""
    (tmp_path / ".git").write_bytes(pointer)
    assert tracked(tmp_path) is None


def test_submodules_are_those_of_the_file(tmp_path: Path) -> None:
    """Both ways of writing a path."""
    (tmp_path / ".gitmodules").write_text(
        '[submodule "a"]\n\tpath = libs/a\n\turl = x\n[submodule "b"]\n\tpath = "libs/b/"\n'
    )
    assert submodules(tmp_path) == {"libs/a", "libs/b"}
