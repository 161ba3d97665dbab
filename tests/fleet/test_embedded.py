"""The embedded engine: killed, asked to stop, doubled, with repositories that hang, crash or lie."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from fleet.driver import work
from fleet.fleets import fleet_file, rows, states

HERE = Path(__file__).parent
SOURCES = HERE.parent.parent / "src"

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="signals")]


def _start(file: Path, store: Path | str, *words: str, takes: str = "0.2") -> subprocess.Popen[bytes]:
    (file.parent / "takes").write_text(takes)
    environment = {**os.environ, "PYTHONPATH": f"{SOURCES}{os.pathsep}{HERE.parent}"}
    return subprocess.Popen([sys.executable, str(HERE / "driver.py"), str(file), str(store), *words], env=environment)


def _wait_until_done(store: Path | str, count: int) -> None:
    end = time.monotonic() + 15
    while time.monotonic() < end:
        if _count(store) >= count:
            return
        time.sleep(0.02)
    raise AssertionError("nothing happens")


def _count(store: Path | str) -> int:
    try:
        return len(rows(store, "SELECT 1 FROM tasks WHERE state = 'done'"))
    except Exception:  # the tables are not there yet
        return 0


def _log(folder: Path) -> Counter[str]:
    return Counter((folder / "log").read_text().splitlines())


def test_a_killed_run_goes_on_and_reviews_nothing_twice(tmp_path: Path, place: Path | str) -> None:
    """kill -9 in the middle: what was done stays as it was, what was in flight is done once more, and the result is the same."""
    names = [f"r{i}" for i in range(5)]
    file, store = fleet_file(tmp_path, names), place
    first = _start(file, store, "1")
    _wait_until_done(store, 2)
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    before = rows(store, "SELECT id, finished_at FROM reviews ORDER BY id")
    assert 2 <= len(before) < 5

    assert _start(file, store, "2", takes="0").wait(20) == 0

    assert set(states(store).values()) == {("done", "")}
    assert set(before) <= set(rows(store, "SELECT id, finished_at FROM reviews"))
    assert len(rows(store, "SELECT number FROM runs")) == 1
    log = _log(tmp_path)
    done = [str(name) for (name,) in rows(store, "SELECT repository FROM reviews ORDER BY finished_at")][: len(before)]
    assert {log[f"review {name}"] for name in done} == {1}
    assert sum(log[f"review {name}"] for name in names) <= len(names) + 1
    assert rows(store, "SELECT fingerprint FROM findings ORDER BY 1") == [(name,) for name in names]
    assert [n for (n,) in rows(store, "SELECT begun FROM tasks") if n != 1] in ([], [2])


def test_the_processes_of_a_killed_run_end() -> None:
    """Nobody is left behind that still works for a run that is gone."""
    program = "import os, sys, time; sys.stdin.buffer.readline(); from roadworthy.fleet import child; import threading;"
    program += "threading.Thread(target=child.end_with_the_starter, daemon=True).start(); time.sleep(30)"
    held = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, env={"PYTHONPATH": str(SOURCES)})
    assert held.stdin is not None
    held.stdin.write(b"{}\n")
    held.stdin.close()
    assert held.wait(10) == 1


def test_two_runs_at_once_share_the_work(tmp_path: Path, place: Path | str) -> None:
    """Both end with success, each repository was reviewed by one of them, and there is one run."""
    names = [f"r{i}" for i in range(6)]
    file, store = fleet_file(tmp_path, names), place
    both = [_start(file, store, "2", takes="0.1") for _ in range(2)]
    assert [process.wait(20) for process in both] == [0, 0]
    log = _log(tmp_path)
    assert {log[f"review {name}"] for name in names} == {1}
    assert len(rows(store, "SELECT number FROM runs")) == 1
    assert len(rows(store, "SELECT DISTINCT owner FROM tasks")) == 2


def test_a_repository_that_hangs_is_one_line(tmp_path: Path, place: Path | str) -> None:
    """The clock ends it, it is not tried again, and the others are reviewed."""
    file, store = fleet_file(tmp_path, ["hang", "good"], "[limits]\nminutes = 0.02\n"), place
    assert work(file, store, 2)
    assert states(store) == {"good": ("done", ""), "hang": ("failed", "limit")}
    assert _log(tmp_path)["review hang"] == 1
    assert not list((tmp_path / "work").iterdir())


def test_what_may_pass_is_retried_to_an_end(tmp_path: Path, place: Path | str) -> None:
    """A network that comes back costs two attempts, a process that always crashes is given up, and a lie is a crash."""
    file, store = fleet_file(tmp_path, ["flaky", "crash", "lies"], "[limits]\nattempts = 3\n"), place
    assert work(file, store, 3)
    assert states(store) == {
        "crash": ("failed", "given-up"),
        "flaky": ("done", "network"),
        "lies": ("failed", "given-up"),
    }
    assert dict(rows(store, "SELECT repository, begun FROM tasks")) == {"crash": 3, "flaky": 3, "lies": 3}
    reason = rows(store, "SELECT reason FROM tasks WHERE repository = 'crash'")
    assert reason == [("the process ended with status 7: out of luck (after 3 attempts)",)]


def test_sigterm_drains(tmp_path: Path, place: Path | str) -> None:
    """What runs is ended and kept, nothing new begins, and the next start does the rest."""
    names = [f"r{i}" for i in range(6)]
    file, store = fleet_file(tmp_path, names), place
    first = _start(file, store, "2")
    _wait_until_done(store, 1)
    first.terminate()
    assert first.wait(10) == 3
    done = _count(store)
    assert 1 <= done < 6
    log = _log(tmp_path)
    assert log.total() and all(log[f"review {name}"] == log[f"reviewed {name}"] for name in names)
    assert rows(store, "SELECT 1 FROM tasks WHERE state = 'waiting' AND lease_until > 0") == []

    assert _start(file, store, "2", takes="0").wait(20) == 0
    assert {_log(tmp_path)[f"review {name}"] for name in names} == {1}


def test_draining_has_an_end(tmp_path: Path, place: Path | str) -> None:
    """What does not end in time is ended and given back as if it had not begun."""
    file, store = fleet_file(tmp_path, ["hang"]), place
    first = _start(file, store, "1", "0.2")
    end = time.monotonic() + 10
    while "review hang" not in ((tmp_path / "log").read_text() if (tmp_path / "log").exists() else ""):
        assert time.monotonic() < end
        time.sleep(0.02)
    first.terminate()
    assert first.wait(10) == 3
    assert rows(store, "SELECT state, begun, lease_until FROM tasks") == [("waiting", 0, 0.0)]


def test_the_same_commit_is_not_reviewed_by_a_later_run(tmp_path: Path, place: Path | str) -> None:
    """Reviews are named by fleet, repository, commit and rules, so a later run joins the one that is there."""
    file, store = fleet_file(tmp_path, ["a", "b"]), place
    assert work(file, store, 2)
    assert work(file, store, 2)
    assert states(store, 2) == {"a": ("done", ""), "b": ("done", "")}
    assert _log(tmp_path) == Counter(
        {"commit a": 2, "commit b": 2, "review a": 1, "review b": 1, "reviewed a": 1, "reviewed b": 1}
    )
