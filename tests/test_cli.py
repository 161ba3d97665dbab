"""The command line as a program: what it prints where, and with which status it ends."""

from __future__ import annotations

import atexit
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import roadworthy

TESTS = Path(__file__).parent
SRC = TESTS.parent / "src"


CACHE = Path(tempfile.mkdtemp(prefix="roadworthy-tests-"))
"""Shared by all runs of this process: library files are compiled once."""
atexit.register(shutil.rmtree, CACHE, ignore_errors=True)


def environment(**more: str) -> dict[str, str]:
    """The environment of a run: our source, nothing of the user's taste."""
    unwanted = {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM", "ROADWORTHY_DEBUG", "PYTHONIOENCODING"}
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {**kept, "PYTHONPATH": f"{SRC}{os.pathsep}{TESTS}", "ROADWORTHY_CACHE": str(CACHE), **more}


def run(*words: str, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the real command."""
    command = [sys.executable, "-m", "roadworthy", *words]
    return subprocess.run(
        command, cwd=cwd, env=environment(**more), capture_output=True, text=True, timeout=60, check=False
    )


def drive(*words: str, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[bytes]:
    """Run `review` with the fake stages."""
    command = [sys.executable, str(TESTS / "cli_driver.py"), *words]
    return subprocess.run(command, cwd=cwd, env=environment(**more), capture_output=True, timeout=60, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """One HIGH and one LOW finding of the fake rules."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "app.py").write_text("get()  # BAD hang →\nspawn()  # BAD lost\n", encoding="utf-8")
    (tmp_path / "safe.py").write_text("x = 1  # BAD lost\n")
    return tmp_path


# --- words -----------------------------------------------------------------------------------------------------------


def test_version() -> None:
    """And quickly: the engine is not loaded for it."""
    run("--version")
    start = time.monotonic()
    done = run("--version")
    taken = time.monotonic() - start
    assert (done.stdout, done.returncode) == (f"roadworthy {roadworthy.__version__}\n", 0)
    assert taken < 1.0  # 0.06 s on an idle machine


def test_version_is_that_of_the_package() -> None:
    """Written in two places, the same in both."""
    assert f'version = "{roadworthy.__version__}"' in (TESTS.parent / "pyproject.toml").read_text()


def test_version_and_help_load_no_engine() -> None:
    """Start-up stays short because of this."""
    code = "import sys, roadworthy.faces.cli; print([m for m in sys.modules if m.startswith(('roadworthy.', 'msgspec', 'rich', 'sqlite3'))])"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert (
        done.stdout
        == "['roadworthy.faces', 'roadworthy.faces.guard', 'roadworthy.faces.fleet_cli', 'roadworthy.faces.cli']\n"
    )


def test_help_in_any_locale() -> None:
    """Plain letters only."""
    done = run("review", "--help", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")


def test_help_names_every_command() -> None:
    """And each option of `review`."""
    assert [
        word for word in ("review", "map", "model", "rules", "explain", "library") if word not in run("--help").stdout
    ] == []
    told = run("review", "--help").stdout
    options = ("--area", "--format", "--output", "--fail-on", "--pedantic", "--jobs", "--no-cache")
    assert [option for option in options if option not in told] == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["review", "nowhere"], "roadworthy: error: nowhere: no such file or folder\n"),
        (["review", "--format", "pdf"], "roadworthy: error: --format pdf: one of terminal, markdown, json"),
        (["review", "--fail-on", "now"], "roadworthy: error: --fail-on now: one of HIGH, MEDIUM, LOW, never\n"),
        (["review", "--area", "no such thing"], "roadworthy: error: the area 'no such thing' fits no file"),
        (
            ["review", "--output", "missing/report.md"],
            "roadworthy: error: cannot write missing/report.md: there is no folder missing\n",
        ),
        (["review", "--output", "report.xyz"], "roadworthy: error: --output report.xyz: its name tells no format"),
        (["review", "--output", "."], "roadworthy: error: "),
        (["explain", "no-such-rule"], "roadworthy: error: there is no rule no-such-rule"),
        (["review", "--no-such-option"], "Usage: "),
        (["no-such-command"], "Usage: "),
        (["review", "--jobs", "-1"], "Usage: "),
    ],
)
def test_misuse(tmp_path: Path, words: list[str], message: str) -> None:
    """Status 2, one line on stderr, nothing on stdout."""
    (tmp_path / "app.py").write_text("x = 1\n")
    done = run(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(message)


def test_wrong_configuration(tmp_path: Path) -> None:
    """Status 2, with file, line, key."""
    (tmp_path / "roadworthy.toml").write_text("selct = []\n")
    done = run("review", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "roadworthy: error: roadworthy.toml:1: key selct: is unknown; did you mean select?\n"


def test_library() -> None:
    """An unknown one is an answer, too."""
    done = run("library", "no-such-library")
    assert (done.returncode, done.stderr) == (0, "")
    assert "no-such-library" in done.stdout


def test_rules_are_listed() -> None:
    """Status 0."""
    done = run("rules")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_a_clean_project(tmp_path: Path) -> None:
    """Status 0, the report on stdout, nothing on stderr."""
    (tmp_path / "app.py").write_text("x = 1\n")
    done = run("review", "--format", "json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["findings"] == []


def test_model(tmp_path: Path) -> None:
    """Prints something about a function."""
    (tmp_path / "app.py").write_text("def f():\n    pass\n")
    done = run("model", "app.f", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "app.f" in done.stdout


# --- status ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ([], 1),
        (["fail_on=high"], 1),
        (["fail_on=LOW"], 1),
        (["fail_on=never"], 0),
        (["area=safe.py"], 0),
        (["area=safe.py", "fail_on=low"], 1),
        (["--broken"], 3),
        (["--broken", "fail_on=never"], 3),
    ],
)
def test_status(project: Path, words: list[str], status: int) -> None:
    """0 nothing at or above the level, 1 findings, 3 incomplete whatever was found."""
    assert drive(".", *words, cwd=project).returncode == status


def test_fail_on_from_configuration(project: Path) -> None:
    """The command line is stronger."""
    (project / "roadworthy.toml").write_text('fail-on = "never"\n')
    assert drive(".", cwd=project).returncode == 0
    assert drive(".", "fail_on=low", cwd=project).returncode == 1


def test_incomplete_comes_first(project: Path) -> None:
    """What was not looked at may hold anything."""
    (project / "bad.py").write_text("BROKEN\n")
    done = drive(".", cwd=project)
    assert done.returncode == 3
    assert b"hang at" in done.stdout


# --- output ----------------------------------------------------------------------------------------------------------


def test_several_outputs(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each in the format of its name, beside the report on stdout; nothing else is left in the folder."""
    folder = tmp_path_factory.mktemp("out")
    done = drive(
        ".", f"output={folder / 'r.json'},{folder / 'r.md'},{folder / 'r.any'}", "format=markdown", cwd=project
    )
    assert sorted(path.name for path in folder.iterdir()) == ["r.any", "r.json", "r.md"]
    assert len(json.loads((folder / "r.json").read_text(encoding="utf-8"))["findings"]) == 3
    assert (folder / "r.md").read_bytes() == (folder / "r.any").read_bytes() == done.stdout
    assert "→" in (folder / "r.md").read_text(encoding="utf-8")


def test_an_output_is_replaced_whole(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Readers of the old file keep it; permissions and links stay."""
    folder = tmp_path_factory.mktemp("out")
    target = folder / "real.json"
    target.write_text("old")
    target.chmod(0o640)
    (folder / "link.json").symlink_to(target)
    with target.open() as reader:
        drive(".", f"output={folder / 'link.json'}", cwd=project)
        assert reader.read() == "old"
    assert (folder / "link.json").is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    assert json.loads(target.read_text(encoding="utf-8"))


def test_an_output_that_is_a_device(project: Path) -> None:
    """It is written to, not replaced."""
    assert drive(".", "output=/dev/null", "format=json", cwd=project).returncode == 1
    assert Path("/dev/null").is_char_device()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk at hand")
def test_a_full_disk(project: Path) -> None:
    """Said in one line, for stdout and for files."""
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        command = [sys.executable, str(TESTS / "cli_driver.py"), "."]
        done = subprocess.run(command, cwd=project, env=environment(), stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        b"roadworthy: error: cannot write to standard output: No space left on device\n",
    )
    done2 = drive(".", "output=/dev/full", "format=json", cwd=project)
    assert (done2.returncode, done2.stderr) == (
        2,
        b"roadworthy: error: cannot write /dev/full: No space left on device\n",
    )


def test_a_reader_that_leaves(project: Path) -> None:
    """`| head`: no complaint, and the status of the review."""
    for number in range(300):
        (project / f"m{number}.py").write_text("get()  # BAD hang\n" * 20)
    command = [sys.executable, str(TESTS / "cli_driver.py"), "."]
    process = subprocess.Popen(command, cwd=project, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(30) == 1
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()


def test_no_standard_output(project: Path) -> None:
    """Closed from the start."""
    command = f"exec {sys.executable} {TESTS / 'cli_driver.py'} . >&-"
    done = subprocess.run(
        ["/bin/sh", "-c", command], cwd=project, env=environment(), stderr=subprocess.PIPE, check=False
    )
    assert (done.returncode, done.stderr) == (2, b"roadworthy: error: there is no standard output to write to\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_encoding(project: Path, encoding: str) -> None:
    """A terminal's report is in the locale's encoding as far as that goes; a machine's is UTF-8 always."""
    done = drive(".", cwd=project, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (1, b"")
    done.stdout.decode(encoding)
    done = drive(".", "format=json", cwd=project, PYTHONIOENCODING=encoding)
    assert len(json.loads(done.stdout.decode("utf-8"))["findings"]) == 3


def on_terminal(words: list[str], cwd: Path, **more: str) -> bytes:
    """What the driver writes to a terminal."""
    leader, follower = pty.openpty()
    command = [sys.executable, str(TESTS / "cli_driver.py"), *words]
    process = subprocess.Popen(
        command, cwd=cwd, env=environment(TERM="xterm", **more), stdout=follower, stderr=follower
    )
    os.close(follower)
    written = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:
            break
        if not piece:
            break
        written += piece
    process.wait(30)
    os.close(leader)
    return written


def test_no_colour_where_none_is_wanted(project: Path) -> None:
    """NO_COLOR, or no terminal."""
    assert b"\x1b[" not in on_terminal(["."], project, NO_COLOR="1")
    assert b"\x1b[" not in drive(".", cwd=project).stdout


def test_no_progress_for_what_is_quick(project: Path) -> None:
    """On a terminal a short review writes its report and nothing else."""
    assert b"reading" not in on_terminal(["."], project)


def test_progress_for_what_is_slow(project: Path) -> None:
    """On a terminal, after a second, and only on stderr."""
    for number in range(30):
        (project / f"m{number}.py").write_text("x = 1\n")
    leader, follower = pty.openpty()
    command = [sys.executable, str(TESTS / "cli_driver.py"), "--crawl", "."]
    done = subprocess.run(
        command, cwd=project, env=environment(TERM="xterm"), stdout=subprocess.PIPE, stderr=follower, check=False
    )
    os.close(follower)
    told = os.read(leader, 65536)
    os.close(leader)
    assert b"reading" in told
    assert b"reading" not in done.stdout


# --- the end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_interrupt(project: Path, jobs: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Ctrl-C reaches the whole group: one line, status 130, no child left, on the terminal no ruin."""
    for number in range(200):
        (project / f"m{number}.py").write_text("x = 1\n" * 100)
    started = tmp_path_factory.mktemp("mark") / "started"
    command = [sys.executable, str(TESTS / "cli_driver.py"), "--slow", ".", f"jobs={jobs}"]
    process = subprocess.Popen(
        command,
        cwd=project,
        env=environment(STARTED=str(started)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.default_int_handler
        ),  # a background job of a shell ignores it
    )
    deadline = time.monotonic() + 20
    while not started.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (130, b"", b"roadworthy: interrupted\n")
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_an_error_of_ours(tmp_path: Path) -> None:
    """Even then one line, and status 3."""
    code = "from roadworthy.faces import guard\nimport typer\n@guard.guarded\ndef f(): raise KeyError('a\\nb')\ntry: f()\nexcept typer.Exit as e: print(e.exit_code)"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout == "3\n"
    assert done.stderr.startswith("roadworthy: internal error: KeyError: 'a\\nb' (ROADWORTHY_DEBUG=1 shows where")
