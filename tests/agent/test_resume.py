"""A run that is killed goes on where it was; the provider's log shows that nothing is asked twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("pydantic_ai")

from agent.project import candidates, refutation, verdict, write_project
from agent.provider import Asked, Calls, Fault, Provider, call, report, serving
from roadworthy.agent.journal import Journal
from roadworthy.agent.run import Options, journal_file, review_with_agent
from roadworthy.config import Settings, UsageError
from roadworthy.engine import STAGES, survey
from roadworthy.engine.run import judge

if TYPE_CHECKING:
    from roadworthy.findings.finding import Review

MODEL = "openai-chat:scripted"


def careful(asked: Asked) -> Calls:
    """Looks, confirms the finding, finds one more, stands by it."""
    if not asked.results:
        return call("Read", path="app/main.py")
    return report({"triage": verdict(), "explore": candidates(), "refute": refutation()}[asked.kind])


def review(root: Path, state: Path) -> Review:
    """In this process."""
    project = survey([root])
    return review_with_agent(project, judge(project, Settings(), STAGES), Settings(), Options(MODEL, state))


def start(root: Path, provider: Provider, state: Path) -> subprocess.Popen[str]:
    """The command, as a person would give it."""
    paths = {"ROADWORTHY_STATE": str(state), "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    command = [sys.executable, "-m", "roadworthy", "review", "--agent", "--model", MODEL, "--jobs", "1"]
    environment = {**os.environ, **provider.environment, **paths}
    return subprocess.Popen(
        command,
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


@pytest.mark.slow
def test_a_killed_run_goes_on_and_repeats_no_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed at the second question, interrupted at the fourth: what was answered is never asked again."""
    root, state = write_project(tmp_path / "shop"), tmp_path / "state"
    hanging = {1, 4}  # by number of the request: the second, and the fifth, which is the fourth question

    with serving(lambda asked: Fault(hang=30) if asked.number in hanging else careful(asked)) as provider:
        for count, blow, end in ((2, signal.SIGKILL, -signal.SIGKILL), (5, signal.SIGINT, 130)):
            process = start(root, provider, state)
            provider.wait_for(count)
            process.send_signal(blow)
            process.communicate(timeout=20)
            assert process.returncode == end
        for name, value in provider.environment.items():
            monkeypatch.setenv(name, value)
        outcome = review(root, state)
        bodies = [asked.body for asked in provider.log]
    assert outcome.complete
    assert [f.origin for f in outcome.findings] == ["both", "agent"]
    assert len(bodies) == 8
    assert (bodies[2], bodies[5]) == (bodies[1], bodies[4])  # only what was not answered
    assert len(set(bodies)) == 6


def test_an_edit_costs_only_what_it_touches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Conversations that saw the old text are asked anew from there, the others not at all."""
    root = write_project(tmp_path / "shop")
    (root / "app" / "other.py").write_text("import requests\n\n\ndef other():\n    requests.get('https://x.example')\n")

    def mind(asked: Asked) -> Calls:
        if asked.kind == "explore":
            return report({"findings": []})
        path = "app/other.py" if "app/other.py" in asked.task else "app/main.py"
        line = {"path": path, "line": 1, "quote": "import requests"}
        return report(verdict("confirmed", line)) if asked.results else call("Read", path=path)

    with serving(mind) as provider:
        for name, value in provider.environment.items():
            monkeypatch.setenv(name, value)
        assert len(review(root, tmp_path / "state").findings) == 2
        before = len(provider.log)
        main = root / "app" / "main.py"
        main.write_text(main.read_text().replace('"paid"', '"settled"'))
        review(root, tmp_path / "state")
        anew = provider.log[before:]
    assert before == 5
    assert [(asked.kind, len(asked.results)) for asked in anew] == [("triage", 1)]
    assert "settled" in anew[0].results[0]


def test_two_at_once_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second is told that another is at work, and asks nothing."""
    root = write_project(tmp_path / "shop")
    held = Journal(journal_file(tmp_path / "state", root))
    with serving(careful) as provider:
        for name, value in provider.environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(UsageError, match="another agent review"):
            review(root, tmp_path / "state")
        assert provider.log == []
    held.close()


def test_what_cannot_be_recorded_is_not_acted_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, say: the run stops there, and says what it did not review."""
    monkeypatch.setattr("roadworthy.agent.journal.Journal.record", _full)
    root = write_project(tmp_path / "shop")
    with serving(careful) as provider:
        for name, value in provider.environment.items():
            monkeypatch.setenv(name, value)
        outcome = review(root, tmp_path / "state")
    assert len(provider.log) == 1
    assert [f.origin for f in outcome.findings] == ["static"]
    assert "disk is full" in outcome.problems[0].message


def _full(*_: object) -> None:
    from roadworthy.agent.journal import JournalError

    raise JournalError("an answer could not be written: disk is full")
