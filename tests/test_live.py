"""A project under an editor's hands: what is reviewed anew, what is shown meanwhile, and which request wins."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from roadworthy.config import UsageError
from roadworthy.engine.live import Live
from roadworthy.engine.memory import review_sources
from roadworthy.engine.moved import edit_between, moved
from roadworthy.engine.newest import Newest, Superseded
from roadworthy.findings.answering import suppression

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NET = "import requests\n\n\ndef fetch(url):\n    return requests.get(url)\n\n\nif __name__ == '__main__':\n    fetch('http://a')\n"
RULE = "call-without-timeout"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    monkeypatch.setenv("ROADWORTHY_CACHE", str(tmp_path_factory.mktemp("cache")))
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "net.py").write_text(NET)
    return tmp_path


def _lines(live: Live, buffers: dict[str, str], *, fresh: bool = False) -> list[int]:
    return [finding.at.line for finding in live.review(buffers, fresh=fresh).findings if finding.rule == RULE]


def test_a_buffer_stands_in_for_its_file_until_it_is_closed(project: Path) -> None:
    """The text of the editor counts, with findings, suppressions and lines; without it the file does."""
    live = Live([project])
    assert _lines(live, {}) == [5]
    assert _lines(live, {"net.py": "\n" + NET}) == [6]
    assert _lines(live, {"net.py": NET.replace("(url)\n\n", "(url, timeout=3)\n\n")}) == []
    assert _lines(live, {}) == [5]


def test_a_buffer_of_what_is_not_reviewed_changes_nothing(project: Path) -> None:
    """A test file stays a test file while it is edited; a file that was never saved is none."""
    (project / "tests").mkdir()
    (project / "tests" / "test_net.py").write_text(NET)
    buffers = {"tests/test_net.py": "\n" + NET, "new.py": NET}
    assert {finding.at.path for finding in Live([project]).review(buffers).findings} == {"net.py"}


def test_what_was_found_before_a_restart_is_shown_without_a_model(project: Path) -> None:
    """An editor that is opened again on an unchanged project; the first edit then needs a model."""
    Live([project]).review({})
    again = Live([project])
    assert _lines(again, {"net.py": NET}) == [5]
    assert again.rebuilt == 0
    assert _lines(again, {"net.py": "\n" + NET}) == [6]
    assert again.rebuilt == 1
    assert _lines(Live([project]), {}) == [5]


def test_the_model_is_built_only_for_what_says_something_else(project: Path) -> None:
    """Same facts, same findings: a space, an undo, a save of what was reviewed unsaved."""
    live = Live([project])
    live.review({})
    assert _lines(live, {"net.py": NET.replace(":\n", ": \n")}) == [5]
    assert live.rebuilt == 1
    changed = "\n" + NET
    assert _lines(live, {"net.py": changed}) == [6]
    assert live.rebuilt == 2
    (project / "net.py").write_text(changed)
    assert _lines(live, {"net.py": changed}, fresh=True) == [6]
    assert live.rebuilt == 2


def test_a_fresh_review_reads_configuration_and_files(project: Path) -> None:
    """Without it neither is looked at again; a wrong configuration is a usage error each time."""
    (project / "roadworthy.toml").write_text(f"select = ['{RULE}']\n")
    live = Live([project])
    assert _lines(live, {}) == [5]
    (project / "roadworthy.toml").write_text(f"ignore = ['{RULE}']\n")
    assert _lines(live, {}) == [5]
    assert _lines(live, {}, fresh=True) == []
    (project / "roadworthy.toml").write_text("ignore = ['no-such-rule']\n")
    with pytest.raises(UsageError, match="no-such-rule"):
        live.review({}, fresh=True)


def test_giving_up_half_way_loses_nothing(project: Path) -> None:
    """Whoever raises from `progress` gets the exception, and the next review is right."""
    live = Live([project])

    def give_up(stage: str, done: int, total: int) -> None:
        if stage == "judging":
            raise Superseded

    with pytest.raises(Superseded):
        live.review({"net.py": "\n" + NET}, progress=give_up)
    assert _lines(live, {}) == [5]


@pytest.mark.parametrize(
    ("old", "new", "line", "now"),
    [
        ("a b c", "x a b c", 2, 3),  # inserted above
        ("a b c", "a b x c", 2, 2),  # inserted below
        ("a b c", "a x c", 2, 2),  # changed
        ("a b c", "a c", 2, 0),  # deleted
        ("a b b c", "a b c", 4, 3),  # one of two like lines deleted
        ("a b c", "a b c", 3, 3),
        ("a b c d", "x", 3, 1),
    ],
)
def test_lines_move_with_an_edit(old: str, new: str, line: int, now: int) -> None:
    """A line outside of the edit stays with its text; inside it stays as near as can be."""
    assert edit_between(old.split(), new.split()).line(line) == now


def test_findings_move_with_all_their_places() -> None:
    """Place, path and related places of the edited file move; a finding whose line is deleted goes."""
    [finding] = review_sources({"net.py": NET}, rules=[RULE]).findings
    finding = replace(finding, related=(replace(finding.at, line=9, end_line=9),))
    [now] = moved([finding], "net.py", edit_between(NET.split("\n"), ("\n\n" + NET).split("\n")))
    assert (now.at.line, now.at.end_line, now.related[0].line) == (7, 7, 11)
    assert [step.line for step in now.steps] == [step.line + 2 for step in finding.steps]
    gone = NET.replace("    return requests.get(url)\n", "")
    assert moved([finding], "net.py", edit_between(NET.split("\n"), gone.split("\n"))) == ()
    assert moved([finding], "other.py", edit_between([], ["x"])) == (finding,)


def test_the_newest_job_wins() -> None:
    """The running job is told to end, those that waited are never begun, rest comes after the last."""
    started, done, rested = threading.Event(), [], threading.Event()

    def work(job: int, still_newest: Callable[[], None]) -> None:
        if job == 1:
            started.set()
            while True:
                still_newest()
        done.append(job)

    newest = Newest[int](work, rested.set, quiet=0.01, idle=0.05)
    newest.ask(1)
    assert started.wait(5)
    for job in (2, 3, 4):
        newest.ask(job)
    assert rested.wait(5)
    assert done == [4]


def _with_reason(text: str, path: str, line: int) -> str:
    """Put the suppression in, and a reason after it."""
    lines = text.split("\n")
    put = suppression(path, lines, line, RULE)
    assert put is not None
    assert put.joins == ("ignore[" in text)
    before = lines[put.line - 1]
    lines[put.line - 1] = before[: put.column] + put.text.replace(" \n", " we wait on purpose\n") + before[put.column :]
    return "\n".join(lines)


def test_the_suppression_holds_once_it_has_a_reason() -> None:
    """The inserted comment does nothing by itself; with a reason it holds the finding back."""
    bare = NET.replace("    return", f"    # roadworthy: ignore[{RULE}] \n    return")
    assert len(review_sources({"net.py": bare}, rules=[RULE]).findings) == 1
    review = review_sources({"net.py": _with_reason(NET, "net.py", 5)}, rules=[RULE])
    assert (review.findings, review.held_back) == ((), {"suppressed inline": 1})


def test_a_suppression_joins_the_one_that_is_there() -> None:
    """Two comments above each other would part the first from its line."""
    there = NET.replace("    return", "    # roadworthy: ignore[random-key] nobody reads it\n    return")
    joined = _with_reason(there, "net.py", 6)
    assert f"ignore[random-key, {RULE}] nobody reads it" in joined
    assert review_sources({"net.py": joined}, rules=[RULE]).held_back == {"suppressed inline": 1}


def test_no_comment_is_offered_where_it_would_break_the_code() -> None:
    """A line that goes on with a backslash takes no comment before its second half; outside of the text there is none."""
    assert suppression("a.py", ["x = \\", "    get()"], 2, RULE) is None
    assert suppression("a.py", ["x"], 3, RULE) is None
    put = suppression("a.sql", ["  select 1"], 1, RULE)
    assert put is not None
    assert put.text == f"  -- roadworthy: ignore[{RULE}] \n"
