"""Children may hang, crash or be killed: every file has its answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from roadworthy.facts.pool import processors, run
from roadworthy.facts.worker import Result, Task
from roadworthy.text.source import UnreadableError

ROOT = Path(__file__).resolve().parents[2]


def tasks(*names: str) -> list[Task]:
    """One task for each name; the first is the biggest."""
    return [Task("python", name, name, 1000 - number) for number, name in enumerate(names)]


def extract(kind: str, path: str, full: str) -> bytes:
    """Do what the name says."""
    if path == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if path == "exit":
        os._exit(3)
    if path == "hang":
        time.sleep(60)
    if path == "deep":
        return extract(kind, path, full)
    if path == "raise":
        raise ValueError("no\ngood")
    if path == "unreadable":
        raise UnreadableError("is not a regular file")
    if path == "memory":
        raise MemoryError
    if path == "pid":
        return str(os.getpid()).encode()
    return path.encode()


def die_once(kind: str, path: str, full: str) -> bytes:
    """Die at the first try: a neighbour took the memory."""
    marker = Path(full)
    if path == "first" and not marker.exists():
        marker.write_text("x")
        os.kill(os.getpid(), signal.SIGKILL)
    return path.encode()


def answers(names: list[str], **options: object) -> dict[str, Result]:
    """Run in children; answers by name."""
    work = tasks(*names)
    return {names[result.index]: result for result in run(work, extract, few=0, **{"jobs": 2, **options})}  # type: ignore[arg-type]


def test_every_file_has_its_answer() -> None:
    """In any order."""
    names = [f"file{number}" for number in range(300)]
    found = answers(names)
    assert {name: result.payload for name, result in found.items()} == {name: name.encode() for name in names}


def test_what_raises_is_a_sentence() -> None:
    """One line each, and the others are read."""
    found = answers(["deep", "raise", "unreadable", "memory", "fine"])
    assert {name: result.problem for name, result in found.items()} == {
        "deep": "nested too deeply to be read",
        "raise": "could not be read (ValueError: no good)",
        "unreadable": "is not a regular file",
        "memory": "needs too much memory to be read",
        "fine": "",
    }


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_child_that_dies_costs_one_file() -> None:
    """Wherever in its chunk it dies."""
    names = [*(f"file{number}" for number in range(40)), "die", "exit", *(f"more{number}" for number in range(40))]
    found = answers(names)
    assert {name: result.problem for name, result in found.items() if result.problem} == {
        "die": "could not be read: its process died (killed, probably for want of memory)",
        "exit": "could not be read: its process died (exit status 3)",
    }
    assert found.keys() == set(names)


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_second_chance(tmp_path: Path) -> None:
    """A file at which a child died is tried again alone."""
    marker = tmp_path / "died"
    work = [Task("python", name, str(marker), 1) for name in ("first", "second")]
    found = {result.index: result for result in run(work, die_once, jobs=2, few=0)}
    assert (found[0].payload, found[1].payload) == (b"first", b"second")
    assert marker.exists()


def test_a_file_that_hangs() -> None:
    """It is given up after a while, twice."""
    found = answers(["hang", "fine"], patience=0.3)
    assert found["hang"].problem == "could not be read within 0 seconds"
    assert found["fine"].payload == b"fine"


def test_few_files_stay_here() -> None:
    """Starting processes costs more than it saves; many bytes are another matter."""
    here = str(os.getpid()).encode()
    assert [result.payload for result in run(tasks("pid"), extract, jobs=2)] == [here]
    large = [Task("python", "pid", "pid", 2_000_000)]
    assert [result.payload for result in run(large, extract, jobs=2)] != [here]
    assert [result.payload for result in run(large, extract, jobs=1)] == [here]


def test_beside_threads() -> None:
    """With another thread in the process nothing is forked, and it works all the same."""
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        assert answers(["a", "b"])["a"].payload == b"a"
    finally:
        stop.set()
        thread.join()


def test_leaving_early_leaves_no_child() -> None:
    """Whoever stops reading stops the children."""
    results = run(tasks("pid", "hang", "hang"), extract, jobs=3, few=0)
    pid = int(next(results).payload)
    results.close()  # type: ignore[attr-defined]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_processors() -> None:
    """At least one, and not more than is sensible."""
    assert 1 <= processors() <= 16


ORPHANS = """
import os, sys, time
from roadworthy.facts.pool import run
from roadworthy.facts.worker import Task

def extract(kind, path, full):
    os.write(1, b"%d\\n" % os.getpid())
    time.sleep(60)
    return b""

if __name__ == "__main__":
    list(run([Task("python", str(n), "", 1) for n in range(2)], extract, jobs=2, few=0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_children_die_with_the_parent(tmp_path: Path) -> None:
    """Even when it is killed and can tell them nothing."""
    script = tmp_path / "orphans.py"
    script.write_text(ORPHANS)
    parent = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}
    )
    assert parent.stdout is not None
    children = [int(parent.stdout.readline()) for _ in range(2)]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 5
    while any(_alive(child) for child in children) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [child for child in children if _alive(child)] == []


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
