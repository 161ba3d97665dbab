"""`--since`: only what a branch brings, the whole project still modelled."""

from dataclasses import replace

import pygit2
import pytest

from roadworthy.config import Settings, UsageError
from roadworthy.engine import review

OLD = "import requests\n\ndef old(url):\n    return requests.get(url)\n"
NEW = OLD + "\n\ndef new(url):\n    return requests.get(url)\n"
SETTINGS = Settings(pedantic=True, cache=False, jobs=1, select=("call-without-timeout",))


@pytest.fixture
def repository(tmp_path):
    repo = pygit2.init_repository(tmp_path, initial_head="main")
    (tmp_path / "app.py").write_text(OLD)
    _commit(repo)
    return tmp_path


def _commit(repo: pygit2.Repository) -> None:
    repo.index.add_all()
    repo.index.write()
    who = pygit2.Signature("a", "a@example.org", 1, 0)
    parents = [] if repo.head_is_unborn else [repo.head.target]
    repo.create_commit("HEAD", who, who, "m", repo.index.write_tree(), parents)


def _lines(folder, since: str) -> list[int]:
    return [f.at.line for f in review([folder], replace(SETTINGS, since=since)).findings]


def test_only_what_is_new(repository):
    (repository / "app.py").write_text(NEW)

    assert _lines(repository, "HEAD") == [8]


def test_nothing_changed(repository):
    assert _lines(repository, "main") == []


def test_untracked_files_are_new(repository):
    (repository / "more.py").write_text(OLD)

    assert _lines(repository, "HEAD") == [4]


def test_a_branch_is_compared_with_where_it_left(repository):
    repo = pygit2.Repository(repository)
    repo.branches.local.create("feature", repo[repo.head.target])
    (repository / "app.py").write_text(NEW)
    _commit(repo)
    repo.checkout("refs/heads/feature")
    (repository / "more.py").write_text(OLD)

    found = review([repository], replace(SETTINGS, since="main")).findings

    assert [(f.at.path, f.at.line) for f in found] == [("more.py", 4)]


def test_an_unknown_revision_is_a_usage_error(repository):
    with pytest.raises(UsageError, match="--since nowhere"):
        review([repository], replace(SETTINGS, since="nowhere"))
