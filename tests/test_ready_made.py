"""What others take as it is: the pre-commit hook, the GitHub Action, the GitLab template, the container file, completion, the schema.

Their commands are run on a clean clone, as far as a machine without those services can.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest

from engine_fakes import info
from roadworthy.config.schema import schema
from roadworthy.findings.finding import Pillar
from test_cli import environment, run
from test_config import FULL

ROOT = Path(__file__).parents[1]
OLD = "import requests\n\n\ndef fetch(url):\n    return requests.get(url)\n"
NEW = "\n\ndef again(url):\n    return requests.post(url)\n"


def git(folder: Path, *words: str) -> str:
    """Run git without anybody's configuration."""
    base = [
        "git",
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "-c",
        "init.defaultBranch=main",
        "-c",
        "protocol.file.allow=always",
    ]
    kept = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(
        [*base, *words], cwd=folder, env=kept, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clean clone, on a branch that brings one violation to a code base that has another."""
    origin = tmp_path / "origin"
    origin.mkdir()
    git(origin, "init", "-q")
    (origin / "app.py").write_text(OLD)
    (origin / "pyproject.toml").write_text("")
    git(origin, "add", "-A")
    git(origin, "commit", "-qm", "old")
    git(origin, "checkout", "-qb", "feature")
    (origin / "app.py").write_text(OLD + NEW)
    git(origin, "commit", "-qam", "new")
    git(tmp_path, "clone", "-q", "--branch", "feature", str(origin), "clone")
    return tmp_path / "clone"


@pytest.fixture
def command(tmp_path: Path) -> Path:
    """The command `roadworthy` of this source, in a folder of its own."""
    path = tmp_path / "bin" / "roadworthy"
    path.parent.mkdir()
    path.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m roadworthy "$@"\n')
    path.chmod(0o755)
    return path


def shell(script: str, cwd: Path, command: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a script where `roadworthy` is at hand."""
    kept = {"GITHUB_BASE_REF": "", "GITHUB_STEP_SUMMARY": ""} | environment(
        PATH=f"{command.parent}{os.pathsep}{os.environ['PATH']}", **more
    )
    return subprocess.run(
        ["sh", "-c", script], cwd=cwd, env=kept, capture_output=True, text=True, timeout=120, check=False
    )


# --- GitHub ----------------------------------------------------------------------------------------------------------


def test_the_action_is_pinned_and_asks_for_nothing() -> None:
    """Other people's code by its commit; no token, no permission; what a caller writes reaches the shell in variables only."""
    text = (ROOT / "action.yml").read_text()
    uses = re.findall(r"uses: (\S+)", text)
    assert uses
    assert [one for one in uses if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", one)] == []
    assert [
        word
        for word in ("permissions", "token", "secrets", "write")
        if re.search(rf"\b{word}\b", text.partition("runs:")[2])
    ] == []
    scripts = re.findall(r"run: (?:\|\n)?((?: {8}.*\n)+|.*\n)", text)
    assert scripts
    assert [script for script in scripts if "${{" in script] == []
    declared = set(re.findall(r"^  ([\w-]+):$", text.partition("inputs:")[2].partition("runs:")[0], re.MULTILINE))
    assert {name.replace("-", "_").upper() for name in declared} == set(re.findall(r"INPUT_(\w+): ", text))
    assert set(re.findall(r"INPUT_(\w+)", (ROOT / "ci/github.sh").read_text())) == set(
        re.findall(r"INPUT_(\w+): ", text)
    )


def test_the_action_on_a_pull_request(clone: Path, command: Path, tmp_path: Path) -> None:
    """Annotations and summary hold only what the branch brings; SARIF and HTML are written where they are asked for."""
    summary = tmp_path / "step_summary_1"
    done = shell(
        f"sh {ROOT}/ci/github.sh", clone, command, GITHUB_BASE_REF="main", GITHUB_STEP_SUMMARY=str(summary),
        INPUT_SARIF="out.sarif", INPUT_HTML="out.html", INPUT_FAIL_ON="LOW",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")
    assert [
        line for line in done.stdout.splitlines() if re.match(r"::(error|warning|notice) .*file=app\.py,.*line=9", line)
    ]
    assert "line=5" not in done.stdout
    assert "1 finding: 1 MEDIUM in 1 file" in summary.read_text()
    assert json.loads((clone / "out.sarif").read_text())["version"] == "2.1.0"
    assert 'id="map"' in (clone / "out.html").read_text()


def test_the_action_outside_of_a_pull_request(clone: Path, command: Path) -> None:
    """Everything is reported; what a caller writes stays one word."""
    done = shell(f"sh {ROOT}/ci/github.sh", clone, command, INPUT_FAIL_ON="never")
    assert (done.returncode, done.stderr) == (0, "")
    assert "line=5" in done.stdout
    hostile = shell(f"sh {ROOT}/ci/github.sh", clone, command, INPUT_SINCE="$(touch hacked); --fail-on never")
    assert hostile.returncode == 2
    assert not (clone / "hacked").exists()


def test_the_action_in_a_shallow_clone_says_that_it_cannot_compare(clone: Path, command: Path) -> None:
    """And reports everything rather than nothing."""
    done = shell(f"sh {ROOT}/ci/github.sh", clone, command, GITHUB_BASE_REF="release", INPUT_FAIL_ON="never")
    assert done.returncode == 0
    assert "::warning::roadworthy: origin/release is not in this clone" in done.stdout
    assert "line=5" in done.stdout


# --- GitLab and containers -------------------------------------------------------------------------------------------


def test_the_gitlab_job(clone: Path, command: Path) -> None:
    """Its command writes each report in the format that GitLab expects under that name."""
    text = (ROOT / "ci/gitlab.yml").read_text()
    script = " ".join(text.partition(">-\n")[2].partition("  artifacts:")[0].split())
    script = script.replace("/tmp/roadworthy/bin/roadworthy", "roadworthy")
    base = git(clone, "merge-base", "HEAD", "origin/main")
    done = shell(script, clone, command, CI_MERGE_REQUEST_DIFF_BASE_SHA=base)
    assert done.returncode in {0, 1}, done.stderr
    quality = json.loads((clone / "gl-code-quality-report.json").read_text())
    assert [one["location"]["lines"]["begin"] for one in quality] == [9]
    assert (clone / "roadworthy-junit.xml").read_text().startswith("<?xml")
    assert (clone / "roadworthy.html").read_text().startswith("<!doctype html>")
    for name in ("gl-code-quality-report.json", "roadworthy-junit.xml", "roadworthy.html"):
        assert text.count(name) == 2
    everything = shell(script, clone, command)
    assert everything.returncode in {0, 1}
    assert len(json.loads((clone / "gl-code-quality-report.json").read_text())) >= 1


def test_versions_agree() -> None:
    """The template installs the version that it came with."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f'ROADWORTHY_VERSION: "{version}"' in (ROOT / "ci/gitlab.yml").read_text()


def test_the_container_file() -> None:
    """What it copies is there and is not ignored; it does not run as root."""
    text = (ROOT / "Dockerfile").read_text()
    copied = [word for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE) for word in line.split()[:-1]]
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert [name for name in copied if not (ROOT / name).exists() or name.removeprefix("./") not in allowed] == []
    assert re.findall(r"^USER (\S+)$", text, re.MULTILINE) == ["65534:65534"]
    assert 'ENTRYPOINT ["roadworthy"]' in text


# --- pre-commit ------------------------------------------------------------------------------------------------------


def test_the_hook(clone: Path, command: Path) -> None:
    """Its command lets a commit pass that brings nothing, and stops one that does, although the old findings are still there."""
    text = (ROOT / ".pre-commit-hooks.yaml").read_text()
    entry = re.findall(r"^  entry: (.*)$", text, re.MULTILINE)[0]
    words = re.findall(r"^  args: \[(.*)\]$", text, re.MULTILINE)[0].replace(",", "")
    assert "pass_filenames: false" in text
    (clone / "app.py").write_text(OLD + NEW + "\n\nVERSION = 1\n")
    git(clone, "add", "-A")
    assert shell(f"{entry} {words}", clone, command).returncode == 0
    (clone / "app.py").write_text(OLD + NEW + "\n\ndef third(url):\n    return requests.put(url)\n")
    git(clone, "add", "-A")
    stopped = shell(f"{entry} {words} --fail-on LOW", clone, command)
    assert stopped.returncode == 1
    assert "app.py:13" in stopped.stdout


# --- completion and schema -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bash", "zsh", "fish", "powershell"])
def test_completion_scripts(name: str) -> None:
    """One for each shell."""
    done = run("completion", name)
    assert (done.returncode, done.stderr) == (0, "")
    assert "_ROADWORTHY_COMPLETE" in done.stdout
    assert run("completion", "dos").stderr == "roadworthy: error: completion dos: one of bash, zsh, fish, powershell\n"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("re", ["review"]),
        ("review --out", ["--output"]),
        ("review --format sa", ["sarif"]),
        ("review --fail-on M", ["MEDIUM"]),
    ],
)
def test_completion_in_bash(written: str, expected: list[str]) -> None:
    """What the script asks, and what it is told."""
    words = f"roadworthy {written}"
    done = run(_ROADWORTHY_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(len(words.split()) - 1))
    assert (done.returncode, done.stderr, done.stdout.split()) == (0, "", expected)


def test_the_bash_script_is_one_that_bash_takes(tmp_path: Path) -> None:
    """Sourced without a complaint, and registered for the command."""
    (tmp_path / "complete.sh").write_text(run("completion", "bash").stdout)
    done = subprocess.run(
        ["bash", "--norc", "-c", "source ./complete.sh && complete -p roadworthy"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "_roadworthy_completion roadworthy" in done.stdout


RULES = [
    info("hang", Pillar.RESILIENCE, "missing-timeout"),
    info("twice", Pillar.IDEMPOTENCY),
    info("lost", Pillar.DURABILITY),
]


def faults(text: str) -> list[str]:
    """What the schema has against a configuration."""
    validator = jsonschema.Draft202012Validator(schema(RULES))
    return [error.message for error in validator.iter_errors(tomllib.loads(text))]


def test_the_schema_takes_what_the_tool_takes() -> None:
    """Everything that may be said."""
    jsonschema.Draft202012Validator.check_schema(schema(RULES))
    assert faults(FULL) == []
    assert faults("extend = 'base.toml'\nbaseline = 'b.txt'\nselect = 'hang'\n") == []


@pytest.mark.parametrize(
    "text",
    [
        "selct = []", "select = ['hagn']", "select = 3", "ignore = ['hang', 3]", "exclude = ['']", "pedantic = 'yes'", "fail-on = 'Hihg'",
        "severity = 'LOW'", "[severity]\ntwcie = 'LOW'", "[severity]\nhang = 'low'", "paths = 1", "[[paths]]\nrole = 'test'",
        "[[paths]]\npath = 'a'\nrole = 'prod'", "[[paths]]\npat = 'a'", "[[paths]]\npath = 'a'\n[paths.severity]\nhagn = 'LOW'", "baseline = 1",
    ],
)  # fmt: skip
def test_the_schema_refuses_what_the_tool_refuses(text: str) -> None:
    """As far as one can tell without looking at the disk."""
    assert faults(text) != []


def test_the_schema_is_printed_with_the_real_rules() -> None:
    """For editors."""
    done = run("schema")
    assert (done.returncode, done.stderr) == (0, "")
    assert "call-without-timeout" in json.loads(done.stdout)["properties"]["select"]["anyOf"][0]["enum"]
