"""What is written out of a hostile repository, and what a process gets to know of us."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pygit2
import pytest

from fleet.fleets import commit
from roadworthy.fleet.failures import RefusalError
from roadworthy.fleet.messages import Job, Limits
from roadworthy.fleet.process import Process, clean_environment
from roadworthy.fleet.source import _remote_failure, commit_of, fetch_by_name, write_tree

if TYPE_CHECKING:
    from pathlib import Path


def _everything(_: str) -> bool:
    return True


def _tree(repository: pygit2.Repository, *entries: tuple[str, bytes, pygit2.Oid]) -> pygit2.Oid:
    data = b"".join(mode.encode() + b" " + name + b"\0" + bytes(oid.raw) for mode, name, oid in entries)
    return repository.odb.write(pygit2.enums.ObjectType.TREE, data)


def _commit(repository: pygit2.Repository, tree: pygit2.Oid) -> str:
    data = f"tree {tree}\nauthor a <a@example.org> 1 +0000\ncommitter a <a@example.org> 1 +0000\n\nm\n".encode()
    return str(repository.odb.write(pygit2.enums.ObjectType.COMMIT, data))


def test_nothing_is_written_outside(tmp_path: Path) -> None:
    """No way up, no link, no `.git`; what is harmless beside them is written."""
    repository = pygit2.init_repository(tmp_path / "r", bare=True)
    blob = repository.create_blob(b"x = 1\n")
    inner = _tree(repository, ("100644", b"evil.py", blob))
    top = _tree(
        repository,
        ("40000", b"..", inner),
        ("40000", b".GIT", inner),
        ("100644", b"a/../../b.py", blob),
        ("100644", b"good.py", blob),
        ("120000", b"link.py", blob),
        ("160000", b"module", blob),
    )
    write_tree(
        repository,
        _commit(repository, top),
        tmp_path / "tree",
        _everything,
        Limits(),
    )
    written = sorted(p.relative_to(tmp_path).as_posix() for p in (tmp_path / "tree").rglob("*"))
    assert written == ["tree/.git", "tree/good.py"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r", "tree"]


@pytest.mark.parametrize(
    ("limits", "said"), [(Limits(files=2), "more than 2 files"), (Limits(tree=1_000_000), "more than 1 MB")]
)
def test_what_is_too_large_is_refused(tmp_path: Path, limits: Limits, said: str) -> None:
    """By number and by size."""
    name = commit(tmp_path / "r", {f"f{i}.py": "#" * 400_000 for i in range(3)})
    with pytest.raises(RefusalError, match=said) as caught:
        write_tree(pygit2.Repository(tmp_path / "r"), name, tmp_path / "tree", _everything, limits)
    assert caught.value.failure.kind == "too-large"


def test_a_folder_that_names_itself_often_has_an_end(tmp_path: Path) -> None:
    """Ten trees of ten of ten: a few objects, and more entries than anybody reads."""
    repository = pygit2.init_repository(tmp_path / "r", bare=True)
    tree = _tree(repository, ("100644", b"a.txt", repository.create_blob(b"")))
    for _ in range(8):
        tree = _tree(repository, *(("40000", b"%d" % i, tree) for i in range(10)))
    with pytest.raises(RefusalError, match="entries"):
        write_tree(repository, _commit(repository, tree), tmp_path / "t", lambda _: False, Limits(files=100))


def test_revisions(tmp_path: Path) -> None:
    """A branch, HEAD, and what is not there."""
    name = commit(tmp_path / "r", {"a.py": ""})
    assert commit_of(str(tmp_path / "r"), "") == commit_of(str(tmp_path / "r"), "main") == name
    for source, revision, kind in (("r", "other", "gone"), ("none", "", "gone"), (".", "", "corrupt")):
        with pytest.raises(RefusalError) as caught:
            commit_of(str(tmp_path / source), revision)
        assert caught.value.failure.kind == kind


def test_a_server_that_gives_only_names(tmp_path: Path) -> None:
    """The commit comes by the branch that names it, and by everything when the branch went on."""
    old = commit(tmp_path / "r", {"a.py": ""})
    for name, more in ((old, {}), (old, {"b.py": ""})):
        if more:
            commit(tmp_path / "r", more)
        copy = pygit2.init_repository(tmp_path / f"copy{len(more)}", bare=True)
        fetch_by_name(copy.remotes.create_anonymous(str(tmp_path / "r")), name, depth=0)
        assert name in copy


def test_only_https_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ssh may run a program, and the rest may be changed on the way."""
    monkeypatch.chdir(tmp_path)
    for source in ("ssh://example.org/x/y", "git://example.org/x/y", "http://example.org/x/y", "ext::sh -c id://x"):
        with pytest.raises(RefusalError, match="only https://"):
            commit_of(source, "main")


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("unexpected http status code: 404", "gone"),
        ("remote authentication required but no callback set", "gone"),
        ("failed to write to pack: File too large", "too-large"),
        ("unexpected http status code: 503", "network"),
        ("failed to connect to example.org: Connection refused", "network"),
    ],
)
def test_failures_of_a_remote(said: str, kind: str) -> None:
    """What libgit2 says decides whether another attempt has a chance."""
    assert _remote_failure(pygit2.GitError(said)).failure.kind == kind


@pytest.mark.parametrize("memory", [60_000_000, 130_000_000])
def test_memory_has_a_limit(tmp_path: Path, memory: int) -> None:
    """Whether the interpreter cannot even load or the review grows too large: said as a limit, and not tried again."""
    name = commit(tmp_path / "r", {"a.py": "x = 1\n"})
    process = Process(Job(str(tmp_path / "r"), Limits(memory=memory), commit=name), tmp_path)
    end = time.monotonic() + 20
    while (answer := process.answer()) is None:
        assert time.monotonic() < end
        time.sleep(0.02)
    process.close()
    assert answer.failure is not None
    assert answer.failure.kind == "limit", answer.failure


def test_the_environment_holds_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what a process needs to run."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    kept = clean_environment()
    assert "AWS_SECRET_ACCESS_KEY" not in kept
    assert kept["HOME"] == os.devnull
