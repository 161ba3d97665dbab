"""The engine for several machines: the same results as the embedded one, whatever is killed; started twice, cancelled, drained, replayed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fleet import temporal_server
from fleet.fleets import SHOP, commit, fleet_file, rows, states

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fleet.postgres_server import Server

HERE = Path(__file__).parent
SOURCES = HERE.parent.parent / "src"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="signals"),
    pytest.mark.skipif(bool(temporal_server.missing()), reason=temporal_server.missing() or "-"),
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[temporal_server.DevServer]:
    """One server for the tests that do not kill it."""
    server = temporal_server.DevServer(tmp_path_factory.mktemp("temporal"))
    yield server
    server.close()


def _program(*words: object) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": f"{SOURCES}{os.pathsep}{HERE.parent}"}
    command = [sys.executable, "-P", "-m", "fleet.temporal_driver", *map(str, words)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)


@contextmanager
def _worker(
    place: Path | str, address: str, folder: Path, processes: int = 2, drain: float = 20
) -> Iterator[subprocess.Popen[bytes]]:
    process = _program("worker", place, address, folder / "work", processes, drain)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def _fleet(folder: Path, names: list[str], takes: str = "0", more: str = "") -> Path:
    (folder / "takes").write_text(takes)
    return fleet_file(folder, names, more)


def _log(folder: Path) -> Counter[str]:
    return Counter((folder / "log").read_text().splitlines())


def _wait_until(folder: Path, word: str, count: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if (folder / "log").exists() and sum(line.startswith(word) for line in _log(folder).elements()) >= count:
            return
        time.sleep(0.02)
    raise AssertionError("nothing happens")


def test_good_and_bad_repositories_end_as_with_the_embedded_engine(
    tmp_path: Path, place: Path | str, shared: temporal_server.DevServer
) -> None:
    """What may pass is tried again and given up in the end, what cannot is tried once, and the next run takes reviews over."""
    names = ["crash", "flaky", "good", "hang", "lies"]
    file = _fleet(tmp_path, names, more="[limits]\nattempts = 3\nminutes = 0.02\n")
    with _worker(place, shared.address, tmp_path):
        assert _program("run", file, place, shared.address).wait(40) == 0
        assert _program("run", file, place, shared.address).wait(40) == 0
    first, second = sorted(number for (number,) in rows(place, "SELECT number FROM runs"))
    assert states(place, first) == {
        "crash": ("failed", "given-up"),
        "flaky": ("done", "network"),
        "good": ("done", ""),
        "hang": ("failed", "limit"),
        "lies": ("failed", "given-up"),
    }
    assert [state for state, _ in states(place, second).values()].count("done") == 2
    reason = rows(place, f"SELECT reason FROM tasks WHERE repository = 'crash' AND run = {first}")
    assert reason == [("the process ended with status 7: out of luck (after 3 attempts)",)]
    log = _log(tmp_path)
    assert log["reviewed good"] == log["reviewed flaky"] == log["commit good"] - 1 == 1
    assert log["review hang"] == 2  # once a run
    assert not list((tmp_path / "work").iterdir())


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_second_start_joins_the_first(tmp_path: Path, place: Path | str, shared: temporal_server.DevServer) -> None:
    """Both see the same end of the one run; a small window and a history that begins anew change nothing."""
    names = [f"r{i}" for i in range(7)]
    file = _fleet(tmp_path, names, takes="0.1")
    both = [_program("run", file, place, shared.address, 2, 3) for _ in range(2)]
    with _worker(place, shared.address, tmp_path):
        assert [process.wait(40) for process in both] == [0, 0]
    assert len(rows(place, "SELECT 1 FROM runs")) == 1
    log = _log(tmp_path)
    assert {log[f"review {name}"] for name in names} == {log[f"commit {name}"] for name in names} == {1}


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_a_worker_drains(tmp_path: Path, place: Path | str, shared: temporal_server.DevServer) -> None:
    """SIGTERM: what runs is ended and kept; what has not ended in time is given back and done by another."""
    names = ["a", "b", "c", "d"]
    file = _fleet(tmp_path, names, takes="0.6")
    run = _program("run", file, place, shared.address)
    with _worker(place, shared.address, tmp_path, 1) as worker:
        _wait_until(tmp_path, "review ", 1)
        worker.terminate()
        assert worker.wait(15) == 0
    log = _log(tmp_path)
    assert log.total() and all(log[f"review {name}"] == log[f"reviewed {name}"] for name in names)
    before = sum(log[f"reviewed {name}"] for name in names)
    assert 1 <= before < 4

    (tmp_path / "takes").write_text("5")
    with _worker(place, shared.address, tmp_path, 1, 0.2) as worker:
        _wait_until(tmp_path, "review ", before + 1)
        worker.terminate()
        assert worker.wait(15) == 0
    assert rows(place, "SELECT count(*) FROM tasks WHERE lease_until > 0") == [(0,)]

    (tmp_path / "takes").write_text("0")
    with _worker(place, shared.address, tmp_path):
        assert run.wait(40) == 0
    assert {_log(tmp_path)[f"reviewed {name}"] for name in names} == {1}
    assert max(number for (number,) in rows(place, "SELECT begun FROM tasks")) == 1


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_cancelling_cleans_up(tmp_path: Path, place: Path | str, shared: temporal_server.DevServer) -> None:
    """Processes are ended, tasks given back, what is done is kept, and the same command goes on from there."""
    file = _fleet(tmp_path, ["good", "hang", "x", "y"])
    with _worker(place, shared.address, tmp_path):
        run = _program("run", file, place, shared.address)
        _wait_until(tmp_path, "review hang", 1)
        _wait_until(tmp_path, "reviewed", 1)
        ((number,),) = rows(place, "SELECT number FROM runs")
        assert _program("cancel", place, shared.address, number).wait(30) == 0
        assert run.wait(30) == 2
        assert rows(place, "SELECT state, begun FROM tasks WHERE repository = 'hang'") == [("waiting", 0)]
        assert rows(place, "SELECT count(*) FROM tasks WHERE lease_until > 0") == [(0,)]
        assert not list((tmp_path / "work").iterdir())
        assert _program("cancel", place, shared.address, number).wait(30) == 1
        assert rows(place, "SELECT ended_at FROM runs") == [(None,)]


def test_whatever_is_killed_the_findings_are_the_same(
    tmp_path: Path, place: Path | str, request: pytest.FixtureRequest
) -> None:
    """kill -9 of a worker, of Temporal's server, of the database and of whoever waits, each in the middle: nothing lost, nothing doubled."""
    names = [f"r{i:02}" for i in range(12)]
    file = _fleet(tmp_path, names, takes="0.25")
    server = temporal_server.DevServer(tmp_path)
    try:
        run = _program("run", file, place, server.address)
        with _worker(place, server.address, tmp_path):
            _wait_until(tmp_path, "reviewed", 2)
        with _worker(place, server.address, tmp_path) as worker:
            _wait_until(tmp_path, "reviewed", 4)
            server.kill()
            server.start()
            run.send_signal(signal.SIGKILL)
            run.wait(10)
            _wait_until(tmp_path, "reviewed", 7)
            hold = tmp_path / "hold"  # the run does not end before somebody has joined it, however slow the machine
            hold.touch()
            if isinstance(place, str):
                postgres: Server = request.getfixturevalue("postgres")
                postgres.kill()
                postgres.start()
            again = _program("run", file, place, server.address)
            _wait_until(tmp_path, "run joined", 1)
            hold.unlink()
            assert again.wait(60) == 0
            assert worker.poll() is None
    finally:
        server.close()
    assert set(states(place).values()) == {("done", "")}
    assert rows(place, "SELECT fingerprint FROM findings ORDER BY 1") == [(name,) for name in names]
    assert len(rows(place, "SELECT 1 FROM runs")) == 1
    log = _log(tmp_path)
    # Each fault may hit the end of what both slots review: of the worker, of Temporal's server, and of the database where there is one.
    faults = 3 if isinstance(place, str) else 2
    assert max(log[f"reviewed {name}"] for name in names) <= 1 + faults
    assert sum(log[f"reviewed {name}"] for name in names) <= len(names) + 2 * faults


def test_the_commands(tmp_path: Path, shared: temporal_server.DevServer) -> None:
    """`fleet worker`, `fleet run --engine temporal` and `fleet cancel`, with real processes: the portfolio is that of the embedded engine."""
    commit(tmp_path / "a", SHOP)
    file = fleet_file(tmp_path, ["a", "gone"])
    assert _command(tmp_path, "run", file.name, "--store", "e.sqlite", "-o", "e.json").wait(60) == 3
    there = ("--store", "t.sqlite", "--address", shared.address)
    worker = _command(tmp_path, "worker", *there, "-p", "1")
    try:
        assert _command(tmp_path, "run", file.name, *there, "--engine", "temporal", "-o", "t.json").wait(60) == 3
        assert _command(tmp_path, "cancel", file.name, *there).wait(30) == 0
    finally:
        worker.terminate()
    assert worker.wait(30) == 0
    embedded, temporal = (json.loads((tmp_path / name).read_text()) for name in ("e.json", "t.json"))
    assert embedded["findings"] and embedded["findings"] == temporal["findings"]
    assert embedded["repositories"] == temporal["repositories"]
    assert not list(tmp_path.glob("*.work"))


def _command(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    command = [sys.executable, "-P", "-m", "roadworthy", "fleet", *words]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)


def test_recorded_runs_replay() -> None:
    """Today's workflow code decides as that which made these histories: a run that is under way survives an update of the workers.

    `python -m fleet.temporal_driver record ADDRESS FOLDER` writes them; new ones are added when the code takes new ways.
    """
    histories = sorted((HERE / "histories").glob("*.json"))
    assert len(histories) >= 4
    assert _program("replay", *histories).wait(60) == 0
