"""The portfolio: causes that repositories share, and reports that survive hostile text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from fleet.fleets import jobs
from roadworthy.fleet.causes import shared_causes
from roadworthy.fleet.messages import Failure, Reviewed, StoredFinding
from roadworthy.fleet.portfolio import Portfolio, portfolio
from roadworthy.fleet.rendering import FORMATS, render
from roadworthy.fleet.store import Store

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "`<script>alert(1)</script>` | \x1b[31m **bold**"


def _finding(**given: str) -> StoredFinding:
    words = {"fingerprint": "f", "rule": "r", "pillar": "durability", "severity": "HIGH", "path": "a.py", **given}
    usual = {"confidence": "high", "function": "f", "title": "t", "issue": "i", "impact": "i", "fix": "x"}
    return StoredFinding(line=1, **{**usual, **words})


def test_a_library_of_the_fleet_is_one_cause() -> None:
    """Calls into a package of another repository of the fleet have one cause there; other libraries are nobody's here."""
    house, other = _finding(subject="house.Client.get"), _finding(subject="requests.get")
    found = [(name, f) for name in ("a", "b", "home") for f in (house, other)]
    (cause,) = shared_causes(found, {"home": ("house",), "a": ("web",), "b": ("web",)})
    assert (cause.kind, cause.source, cause.repositories) == ("called", "home", 2)


def test_copied_code_is_one_cause() -> None:
    """Equal code in equal functions of different files; not within one repository, not by the function's name alone."""
    one, two = _finding(code="c1", severity="LOW"), _finding(code="c1", path="lib/b.py", severity="MEDIUM")
    assert shared_causes([("a", one), ("a", two), ("b", _finding(code="c2"))], {}) == ()
    (cause,) = shared_causes([("a", one), ("b", two)], {})
    assert (cause.kind, cause.severity) == ("copied", "MEDIUM")


@pytest.fixture
def hostile(place: Path | str) -> Portfolio:
    """A fleet in which every text is bad."""
    store = Store(place)
    run, _ = store.open_run("fl", "plan", "rules", jobs("a", HOSTILE))
    while task := store.claim(run, "me", 60):
        if task.repository == "a":
            found = Reviewed((_finding(title=HOSTILE, path=HOSTILE),), problems=(HOSTILE,))
            store.finish(task, "me", "id", found)
        else:
            store.fail(task, "me", Failure("gone", HOSTILE))
    state = portfolio(store, "fl", {"a": (HOSTILE,)})
    store.close()
    assert state is not None
    return state


@pytest.mark.parametrize("form", FORMATS)
def test_hostile_text_is_shown_and_does_nothing(hostile: Portfolio, form: str) -> None:
    """No markup, no control character, no broken table."""
    text = render(hostile, form, width=80, color=False)
    assert "\x1b" not in text
    if form == "html":
        assert "<script" not in text and "&lt;script&gt;" in text
    elif form == "markdown":
        headings = [line for line in text.splitlines() if line.startswith("| severity")]
        assert headings or "| repository" in text
        assert "| **bold**" not in text
    elif form == "json":
        assert json.loads(text)["findings"][0]["title"] == HOSTILE
    else:
        assert "This is not the whole fleet: 1 incomplete, 1 not reviewed." in text
