"""`roadworthy fleet`: the whole way, with real processes and real repositories."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fleet.fleets import SHOP, commit, fleet_file, states
from roadworthy.config import UsageError
from roadworthy.faces.fleet import report, run
from roadworthy.faces.fleet_request import FleetRequest

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCES = Path(__file__).parent.parent.parent / "src"


def _fleet(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(SOURCES), "API_TOKEN": "secret"}
    command = [sys.executable, "-P", "-m", "roadworthy", "fleet", *words, "--store", str(folder / "s.sqlite")]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.slow
def test_a_fleet_and_what_changes_in_it(tmp_path: Path) -> None:
    """Bad repositories are a line each; a second run says what is gone; what two share has one cause."""
    commit(tmp_path / "a", SHOP)
    commit(tmp_path / "b", SHOP)
    commit(tmp_path / "corrupt", {"x.py": "x = 1\n"})
    shutil.rmtree(tmp_path / "corrupt/.git/objects")
    (tmp_path / "corrupt/.git/objects").mkdir()
    file = fleet_file(tmp_path, ["a", "b", "corrupt", "gone"])
    done = _fleet(tmp_path, "run", file.name, "-p", "2", "-o", "p.json")
    assert done.returncode == 3, done.stderr
    assert states(tmp_path / "s.sqlite") == {
        "a": ("done", ""),
        "b": ("done", ""),
        "corrupt": ("failed", "corrupt"),
        "gone": ("failed", "gone"),
    }
    assert "This is not the whole fleet: 2 not reviewed." in done.stdout
    first = json.loads((tmp_path / "p.json").read_text())
    (cause,) = first["causes"]
    assert {place["repository"] for place in cause["places"]} == {"a", "b"}
    assert [f["new"] for f in first["findings"]] == [False, False]
    assert not list(tmp_path.glob("s.work"))

    commit(tmp_path / "a", {"shop/http.py": SHOP["shop/http.py"].replace("get(url)", "get(url, timeout=3)")})
    more = SHOP["shop/http.py"].replace("fetch", "again").replace("import requests\n", "")
    commit(
        tmp_path / "b",
        {"shop/http.py": SHOP["shop/http.py"] + more, "shop/web.py": SHOP["shop/web.py"].replace("fetch", "again")},
    )
    file = fleet_file(tmp_path, ["a", "b"])
    second = _fleet(tmp_path, "run", file.name, "--only-new", "-o", "p.json", "-o", "p.html")
    assert second.returncode == 1, second.stderr
    state = json.loads((tmp_path / "p.json").read_text())
    assert state["complete"] and not state["causes"]
    assert [(f["repository"], f["function"]) for f in state["findings"] if f["new"]] == [("b", "again")]
    assert [f["repository"] for f in state["gone"]] == ["a", "b"]
    for run_of_trend in state["trend"]:
        for severity, count in run_of_trend["by_severity"].items():
            assert sum(pillar[severity] for pillar in run_of_trend["by_pillar"].values()) == count
    assert any(sum(p.values()) for p in state["trend"][0]["by_pillar"].values())
    assert "<script" not in (tmp_path / "p.html").read_text()

    again = tmp_path / "again.json"
    assert report(FleetRequest(file, str(tmp_path / "s.sqlite"), outputs=(again,), fail_on="never")) == 0
    assert again.read_text() == (tmp_path / "p.json").read_text()


@pytest.mark.parametrize(
    ("command", "given", "said"),
    [
        (report, {}, "there is no run of demo yet"),
        (run, {"engine": "other"}, "--engine other: one of embedded, temporal"),
        (run, {"address": "localhost:1"}, "belong to --engine temporal"),
        (run, {"format": "pdf"}, "--format pdf: one of terminal, markdown, json, html"),
        (run, {"outputs": (Path("x.pdf"),)}, "its name tells no format"),
        (run, {"fail_on": "bad"}, "one of HIGH, MEDIUM, LOW, never"),
        (run, {"file": Path("nothing.toml")}, "nothing.toml: "),
    ],
)
def test_wrong_use_is_said(
    tmp_path: Path, command: Callable[[FleetRequest], int], given: dict[str, object], said: str
) -> None:
    """Before any work."""
    request = FleetRequest(fleet_file(tmp_path, ["a"]), str(tmp_path / "s.sqlite"))
    with pytest.raises(UsageError, match=said):
        command(replace(request, **given))
    assert not list(tmp_path.glob("s.work"))
