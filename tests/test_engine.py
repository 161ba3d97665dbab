"""The engine: order of the stages, what is held back and why, crashes, and the same answer every time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from engine_fakes import FUSS, GUESS, HANG, LOST, TWICE, CrashingRule, info, python, stages
from roadworthy.config import Settings, UsageError
from roadworthy.engine import model_of, project_settings, review, review_sources, survey
from roadworthy.findings.finding import Confidence, Finding, Location, Review, Severity, Step

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APP = """\
def fetch():
    get()  # BAD hang get

def store():
    insert()  # BAD twice orders
    insert()  # BAD twice orders
    spawn()  # BAD lost
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with production code, a script, a migration, a test."""
    (tmp_path / ".git").mkdir()
    for name, text in {
        "app/work.py": APP,
        "app/other.py": "def other():\n    get()  # BAD hang get\n",
        "scripts/once.py": "get()  # BAD hang get\n",
        "app/migrations/0001.py": "get()  # BAD hang get\n",
        "tests/test_work.py": "import pytest\nget()  # BAD hang get\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def told(outcome: Review) -> list[tuple[str, str, int]]:
    """Rule, path, line of the findings."""
    return [(one.rule, one.at.path, one.at.line) for one in outcome.findings]


NO_CACHE = Settings(cache=False)


def test_a_review(project: Path) -> None:
    """All stages: pillars in order, scripts one step less, migrations for the pedantic, tests not at all."""
    outcome = review([project], NO_CACHE, stages=stages())
    assert told(outcome) == [
        ("hang", "app/other.py", 2),
        ("hang", "app/work.py", 2),
        ("hang", "scripts/once.py", 1),
        ("twice", "app/work.py", 5),
        ("twice", "app/work.py", 6),
        ("lost", "app/work.py", 7),
    ]
    assert [one.severity.value for one in outcome.findings] == ["HIGH", "HIGH", "MEDIUM", "MEDIUM", "MEDIUM", "LOW"]
    assert len({one.fingerprint for one in outcome.findings}) == 6
    assert outcome.held_back == {"pedantic": 1}
    assert (outcome.files, outcome.complete, outcome.problems) == (4, True, ())
    assert [rule.id for rule in outcome.rules] == ["hang", "twice", "lost", "guess", "fuss"]
    assert outcome.notes == ("not reviewed: 1 test files",)


def test_the_same_every_time(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the number of processes, the warmth of the cache, the order of rules and the place on disk."""
    monkeypatch.setenv("ROADWORTHY_CACHE", str(tmp_path_factory.mktemp("cache")))
    for number in range(200):
        (project / f"app/m{number}.py").write_text(APP)
    monkeypatch.chdir(project)
    first = review([], Settings(jobs=3), stages=stages())
    assert first.root == "."
    assert len(first.findings) == 806
    assert review([], Settings(jobs=1), stages=stages()) == first
    assert review([], Settings(jobs=3, cache=False), stages=stages()) == first
    shuffled = review([], NO_CACHE, stages=stages(FUSS, LOST, GUESS, HANG, TWICE))
    assert replace(shuffled, rules=first.rules) == first


def test_area_and_paths(project: Path) -> None:
    """The whole project is modelled; only what lies in the area is reported, the rest is counted."""
    outcome = review([project / "app/other.py"], NO_CACHE, stages=stages())
    assert told(outcome) == [("hang", "app/other.py", 2)]
    assert outcome.held_back == {"outside the area": 6}
    assert outcome.files == 4
    outcome = review([project], replace(NO_CACHE, area="app.work.store"), stages=stages())
    assert [line for _, _, line in told(outcome)] == [5, 6, 7]
    both = review([project / "app/other.py"], replace(NO_CACHE, area="app.work.store"), stages=stages())
    assert told(both) == []


def test_passing_through_the_area_counts(project: Path) -> None:
    """A step or a related place in the area is enough."""
    step = replace(HANG, steps=(Step("app/work.py", 5, "store"),))
    related = replace(LOST, related=(Location("app/other.py", 1, 2),))
    outcome = review([project], replace(NO_CACHE, area="app.work.store"), stages=stages(step))
    assert {path for _, path, _ in told(outcome)} == {"app/other.py", "app/work.py", "scripts/once.py"}
    outcome = review([project / "app/other.py"], NO_CACHE, stages=stages(related))
    assert told(outcome) == [("lost", "app/work.py", 7)]


def test_an_area_that_fits_nothing(project: Path) -> None:
    """A typing error must not look like a clean bill."""
    with pytest.raises(UsageError, match="the area 'no such thing' fits no file, function or docstring"):
        review([project], replace(NO_CACHE, area="no such thing"), stages=stages())


def test_a_path_that_is_not_there(project: Path) -> None:
    """Said by name."""
    with pytest.raises(UsageError, match="nowhere: no such file or folder"):
        review([project / "nowhere"], NO_CACHE, stages=stages())


def test_who_sees_what() -> None:
    """Guesses and fuss are for those who ask."""
    files = {"a.py": "# BAD guess\n# BAD fuss\n# BAD hang\n"}
    few = review_sources(files, settings=Settings(), stages=stages())
    assert (told(few), few.held_back) == ([("hang", "a.py", 3)], {"low confidence": 1, "pedantic": 1})
    assert len(review_sources(files, settings=Settings(pedantic=True), stages=stages()).findings) == 3


def test_suppressions() -> None:
    """With a reason they hold back and are counted; without, or stale, they are noted."""
    files = {
        "a.py": "get()  # BAD hang\n# roadworthy: ignore[hang] behind a proxy\nget()  # BAD hang\n",
        "b.py": "# roadworthy: ignore[hang]\n# roadworthy: ignore[lost] fixed long ago\n",
        "c.py": "# roadworthy: ignore[guess] not sure either\n# BAD guess\n",
    }
    outcome = review_sources(files, settings=Settings(), stages=stages())
    assert told(outcome) == [("hang", "a.py", 1)]
    assert outcome.held_back == {"suppressed inline": 2}
    assert [(f.at.path, f.at.line, kind) for f, kind in outcome.suppressed] == [("a.py", 3, "inSource")]
    assert outcome.notes == (
        "b.py:1: the suppression of hang gives no reason and does nothing",
        "b.py:2: the suppression of lost holds nothing back and can go",
    )


def test_suppressions_around_python() -> None:
    """A Dockerfile has comments, too."""
    text = "x\n# roadworthy: ignore[lost] started by hand\nBAD\nBAD\ny -- roadworthy: ignore[lost]\n"

    @dataclass(frozen=True)
    class Around:
        info = LOST.info

        def run(self, model: object) -> Iterator[Finding]:
            (file,) = [python("run.cfg", text.encode())]
            yield from (LOST.finding(file, line, "") for line in (3, 4))

    outcome = review_sources({"run.cfg": text}, stages=stages(Around()))
    assert told(outcome) == [("lost", "run.cfg", 4)]
    assert outcome.notes == ("run.cfg:5: the suppression of lost gives no reason and does nothing",)


def test_a_suppression_on_the_def() -> None:
    """It covers the function and nothing beyond."""
    files = {
        "a.py": "@deco\ndef f():  # roadworthy: ignore[hang] all of it\n    x\n    get()  # BAD hang\n\ndef g():\n    get()  # BAD hang\n"
    }
    assert told(review_sources(files, stages=stages())) == [("hang", "a.py", 7)]


CONFIG = """
[tool.roadworthy]
ignore = ["lost"]
exclude = ["app/other.py"]

[tool.roadworthy.severity]
idempotency = "LOW"
twice = "HIGH"

[[tool.roadworthy.paths]]
path = "scripts/"
ignore = ["hang-pattern"]

[[tool.roadworthy.paths]]
path = "app/"
severity = { hang = "LOW" }
"""


def test_configuration(project: Path) -> None:
    """Rules left out do not run; the more precise name and the path decide the severity; paths can ignore."""
    (project / "pyproject.toml").write_text(CONFIG)
    settings = replace(project_settings([project], stages()), cache=False)
    outcome = review([project], settings, stages=stages())
    assert [(one.rule, one.at.path, one.severity.value) for one in outcome.findings] == [
        ("hang", "app/work.py", "LOW"),
        ("twice", "app/work.py", "HIGH"),
        ("twice", "app/work.py", "HIGH"),
    ]
    assert outcome.held_back == {"ignored by configuration": 1, "pedantic": 1}
    assert "1 excluded paths" in outcome.notes[0]


def test_select() -> None:
    """By rule, anti-pattern or pillar."""
    files = {"a.py": "# BAD hang\n# BAD twice\n# BAD lost\n"}
    assert [
        rule for rule, _, _ in told(review_sources(files, rules=["idempotency", "lost-pattern"], stages=stages()))
    ] == ["twice", "lost"]


def test_a_rule_that_crashes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs its own findings and completeness, not the others'; the trace is there for those who ask."""
    crashing = stages(CrashingRule(info("bad-rule")), HANG, CrashingRule(info("deep"), RecursionError()))
    outcome = review_sources({"a.py": "# BAD hang\n"}, stages=crashing)
    assert told(outcome) == [("hang", "a.py", 1)]
    assert [(problem.path, problem.message) for problem in outcome.problems] == [
        (".", "the rule bad-rule failed (KeyError: 'line one\\nline two'); please report it"),
        (".", "the rule deep failed (RecursionError); please report it"),
    ]
    assert not outcome.complete
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("ROADWORTHY_DEBUG", "1")
    review_sources({"a.py": ""}, stages=crashing)
    assert "in run" in capsys.readouterr().err


def test_a_model_that_cannot_be_built() -> None:
    """No findings, one problem."""

    def broken(*_: object) -> object:
        raise MemoryError

    outcome = review_sources({"a.py": "# BAD hang\n"}, stages=replace(stages(), model=broken))
    assert (outcome.findings, len(outcome.problems)) == ((), 1)
    assert outcome.problems[0].message == "building the model failed (MemoryError); please report it"
    with pytest.raises(RuntimeError, match="building the model failed"):
        model_of({"a.py": ""}, stages=replace(stages(), model=broken))


def test_what_cannot_be_read_is_said(project: Path) -> None:
    """A broken region, with its line; outside the area only as a note."""
    (project / "app/work.py").write_text("x = 1\nBROKEN\n")
    outcome = review([project], NO_CACHE, stages=stages())
    assert [(problem.path, problem.line) for problem in outcome.problems] == [("app/work.py", 2)]
    outcome = review([project / "app/other.py"], NO_CACHE, stages=stages())
    assert (outcome.problems, outcome.notes[0]) == ((), "1 file outside the area could not be read in full")


def test_equal_findings_are_one() -> None:
    """Two paths to the same fact."""
    doubled = stages(HANG, replace(HANG, info=HANG.info))
    assert len(review_sources({"a.py": "# BAD hang\n"}, stages=doubled).findings) == 1


def test_no_path_is_the_current_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From any folder of it, and all of it."""
    monkeypatch.chdir(project / "app/migrations")
    outcome = review([], NO_CACHE, stages=stages())
    assert outcome.root == "../.."
    assert ("hang", "app/work.py", 2) in told(outcome)


def test_survey_gives_the_model(project: Path) -> None:
    """For questions about a function."""
    surveyed = survey([project], NO_CACHE, stages=stages())
    assert surveyed.model is not None
    assert surveyed.root == project.resolve()


def test_a_current_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A usage error like any other."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(UsageError):
        review([], NO_CACHE, stages=stages())


def test_public_names() -> None:
    """What the package promises, and nothing that is not there."""
    import roadworthy

    assert (roadworthy.review, roadworthy.Review, roadworthy.Finding) == (review, Review, Finding)
    assert roadworthy.Severity is Severity
    assert sorted(roadworthy.__all__) == list(roadworthy.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        roadworthy.nothing  # noqa: B018


def test_confidence_of_the_fakes() -> None:
    """The fakes themselves: a guess is a guess."""
    (finding,) = GUESS.run([python("a.py", b"# BAD guess x")])  # type: ignore[arg-type]
    assert (finding.confidence, finding.subject) == (Confidence.LOW, "x")
