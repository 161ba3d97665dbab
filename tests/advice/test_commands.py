"""`roadworthy patterns` and `roadworthy explain FINGERPRINT`, as a person calls them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from advice.projects import SERVICE

SOURCES = str(Path(__file__).parents[2] / "src")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("service")
    (root / "pyproject.toml").write_text('[project]\nname = "service"\n')
    for path, text in SERVICE.items():
        file = root / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return root


def roadworthy(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": SOURCES, "NO_COLOR": "1"}
    command = [sys.executable, "-m", "roadworthy", *words, "--no-cache", "--jobs", "1"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_patterns(project: Path) -> None:
    done = roadworthy("patterns", str(project))
    assert (done.returncode, done.stderr) == (0, "")
    assert "2  run_in_background()  app/background.py:5" in done.stdout


def test_patterns_for_machines(project: Path) -> None:
    done = roadworthy("patterns", str(project), "--format", "json")
    assert json.loads(done.stdout)["schema_version"] == 1


def test_an_unknown_format_is_a_usage_error(project: Path) -> None:
    done = roadworthy("patterns", str(project), "--format", "xml")
    assert done.returncode == 2
    assert "choose from terminal, markdown, json" in done.stderr


def test_a_finding_is_explained_by_its_fingerprint(project: Path) -> None:
    done = roadworthy("review", str(project), "--format", "json", "--fail-on", "never")
    finding = json.loads(done.stdout)["findings"][0]
    told = roadworthy("explain", finding["fingerprint"][:10], str(project))
    assert told.returncode == 0, told.stderr
    for part in (
        finding["path"],
        "**Fix**",
        f"## What is known of `{finding['function']}`",
        "## When the rule is silent",
    ):
        assert part in told.stdout


def test_no_such_finding(project: Path) -> None:
    done = roadworthy("explain", "0123456789abcdef", str(project))
    assert done.returncode == 2
    assert "there is no such finding" in done.stderr
