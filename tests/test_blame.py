"""`--blame`: since when a finding is there, read from the history of the repository."""

import json
from dataclasses import replace

import pygit2
import pytest

from roadworthy.config import Settings, UsageError
from roadworthy.engine import review
from roadworthy.report import FORMATS, render

CALL = "import requests\n\ndef get(url):\n    return requests.get(url)\n"
SETTINGS = Settings(pedantic=True, cache=False, jobs=1, select=("call-without-timeout",), blame=True)
DAY = 86_400


@pytest.fixture
def repository(tmp_path):
    pygit2.init_repository(tmp_path, initial_head="main")
    return tmp_path


def _commit(folder, text: str, day: int, message: str) -> str:
    repo = pygit2.Repository(folder)
    (folder / "app.py").write_text(text)
    repo.index.add_all()
    repo.index.write()
    who = pygit2.Signature("a", "a@example.org", day * DAY, 0)
    parents = [] if repo.head_is_unborn else [repo.head.target]
    return str(repo.create_commit("HEAD", who, who, message, repo.index.write_tree(), parents))


def _found(folder):
    return review([folder], SETTINGS).findings


def test_the_commit_that_brought_the_line(repository):
    brought = _commit(repository, CALL, 10, "fetch prices\n\nlonger text")
    _commit(repository, "# a comment\n" + CALL, 13, "say more")

    (finding,) = _found(repository)

    since = finding.introduced
    assert (since.commit, since.date, since.age, since.summary) == (brought[:12], "1970-01-11", 3, "fetch prices")


def test_a_changed_line_is_as_old_as_its_change(repository):
    _commit(repository, CALL, 10, "old")
    changed = _commit(repository, CALL.replace("get(url)\n", "get(url, params={})\n", 2), 12, "new")

    assert _found(repository)[0].introduced.commit == changed[:12]


def test_lines_that_moved_in_the_working_tree_are_followed(repository):
    brought = _commit(repository, CALL, 10, "old")
    (repository / "app.py").write_text("import os\n\n\n" + CALL)

    (finding,) = _found(repository)

    assert finding.at.line == 7
    assert finding.introduced.commit == brought[:12]


def test_uncommitted_lines_have_no_commit(repository):
    _commit(repository, "import requests\n", 10, "old")
    (repository / "app.py").write_text(CALL)
    (repository / "new.py").write_text(CALL)

    assert [f.introduced for f in _found(repository)] == [None, None]


def test_a_repository_without_commits(repository):
    (repository / "app.py").write_text(CALL)

    assert _found(repository)[0].introduced is None


def test_no_repository_is_a_usage_error(tmp_path):
    (tmp_path / "app.py").write_text(CALL)

    with pytest.raises(UsageError, match=r"--blame: .* is in no git repository"):
        _found(tmp_path)


def test_reports_tell_it(repository):
    commit = _commit(repository, CALL, 10, "fetch \x1b[31mprices")
    outcome = review([repository], SETTINGS)

    for form in ("terminal", "markdown", "html", "sarif"):
        text = render(outcome, form, width=160, color=False)
        assert commit[:12] in text
        assert "\x1b[31m" not in text
    (entry,) = json.loads(render(outcome, "json", width=100, color=False))["findings"]
    assert entry["introduced"] == {
        "commit": commit[:12],
        "date": "1970-01-11",
        "age_days": 0,
        "summary": "fetch \x1b[31mprices",
    }
    assert set(FORMATS) >= {"terminal", "markdown", "html", "sarif", "json"}


def test_without_the_option_history_is_not_read(repository):
    _commit(repository, CALL, 10, "old")

    (finding,) = review([repository], replace(SETTINGS, blame=False)).findings

    assert finding.introduced is None
