"""Findings that are remembered: the same bytes, and never for anything else than what they were found on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from roadworthy.config import Settings
from roadworthy.engine import run
from roadworthy.engine.recall import Recall
from roadworthy.engine.run import review
from roadworthy.engine.stages import STAGES
from roadworthy.findings.finding import Problem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from roadworthy.engine.survey import Ground, Project
    from roadworthy.findings.finding import Review

NET = "import requests\n\n\ndef fetch(url):\n    return requests.get(url)\n\n\nif __name__ == '__main__':\n    fetch('http://a')\n"
RULE = "call-without-timeout"
LIBRARY = 'library = "{name}"\nmodules = ["{name}"]\ndocs = "https://example.org"\nchecked = 2026-01-01\nchecked_version = "1.0"\n'


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("ROADWORTHY_CACHE", str(folder))
    return folder


@pytest.fixture
def project(tmp_path: Path, cache: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "net.py").write_text(NET)
    return tmp_path


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many models were built."""
    built: list[int] = []
    real = run.understand

    def counted(ground: Ground, stages: run.Stages) -> Project:
        built.append(1)
        return real(ground, stages)

    monkeypatch.setattr(run, "understand", counted)
    return lambda: len(built)


def look(project: Path, **more: object) -> Review:
    return review([project], replace(Settings(jobs=1), **more))  # type: ignore[arg-type]


def test_an_unchanged_tree_needs_no_model(project: Path, models: Callable[[], int]) -> None:
    """The second review says the same, whatever part of it is asked for and however it is to be shown."""
    first = look(project)
    assert RULE in [finding.rule for finding in first.findings]
    assert look(project) == first
    assert look(project, cache=False) == first
    assert models() == 2
    assert look(project, area="net.fetch").findings == first.findings
    assert look(project, pedantic=True).findings[0] == first.findings[0]
    assert models() == 2


def test_another_tree_or_another_choice_of_rules_is_judged(project: Path, models: Callable[[], int]) -> None:
    """An edit, a new file, a file of another role, other rules: each is another question."""
    look(project)
    (project / "net.py").write_text(NET.replace("(url)\n\n", "(url, timeout=3)\n\n"))
    assert RULE not in [finding.rule for finding in look(project).findings]
    (project / "more.py").write_text(NET)
    assert [finding.at.path for finding in look(project).findings if finding.rule == RULE] == ["more.py"]
    (project / "tests").mkdir()
    (project / "more.py").rename(project / "tests" / "test_more.py")
    assert RULE not in [finding.rule for finding in look(project).findings]
    (project / "net.py").write_text(NET)
    assert {finding.rule for finding in look(project, select=(RULE,)).findings} == {RULE}
    assert RULE not in [finding.rule for finding in look(project, ignore=(RULE,)).findings]
    assert models() == 5  # the tree without `more.py` was known


def test_a_library_file_of_the_project_counts(project: Path, models: Callable[[], int]) -> None:
    """Its text, not its name, is part of the question."""
    own = project / "libs"
    own.mkdir()
    (own / "inhouse.toml").write_text(LIBRARY.format(name="inhouse"))
    look(project, libraries=(own,))
    look(project, libraries=(own,))
    assert models() == 1
    (own / "inhouse.toml").write_text(LIBRARY.format(name="outhouse"))
    look(project, libraries=(own / "inhouse.toml",))
    assert models() == 2


def test_what_could_not_be_read_is_said_again(project: Path, models: Callable[[], int]) -> None:
    """A review that was incomplete stays so."""
    (project / "odd.py").write_text("def f(:\n    pass\n")
    first = look(project)
    assert not first.complete
    assert look(project) == first
    assert models() == 1


def test_a_damaged_memory_is_no_memory(
    project: Path, models: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not read as findings is found again."""
    with monkeypatch.context() as patch:
        patch.setattr("roadworthy.engine.recall._PACK", lambda _: b"\x93\x01")
        first = look(project)
    assert look(project) == first
    assert look(project) == first
    assert models() == 2


def test_a_crash_is_not_kept(project: Path) -> None:
    """Checked on the memory itself: our rules do not crash on request."""
    from roadworthy.engine.found import Found
    from roadworthy.engine.survey import take_in

    settings = Settings(jobs=1)
    loaded = take_in([project], settings, stages=STAGES, progress=lambda *_: None).loaded
    recall = Recall(loaded, settings, STAGES)
    recall.keep(Found((), (Problem(".", 0, "the rule failed"),), frozenset()))
    assert recall.found() is None
    whole = Found((), (), frozenset({"one"}))
    recall.keep(whole)
    assert recall.found() == whole
