"""The store: claims, leases, and steps that count only for whoever holds the task."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from fleet.fleets import jobs, rows
from roadworthy.fleet.failures import wait_before
from roadworthy.fleet.identity import review_id
from roadworthy.fleet.messages import Failure, Reviewed, StoredFinding
from roadworthy.fleet.store import Store, StoreError

if TYPE_CHECKING:
    from pathlib import Path

FOUND = Reviewed((StoredFinding("f1", "r", "resilience", "HIGH", "high", "a.py", 1, "f", "t", "i", "i", "f"),))


class Clock:
    """A clock that the test moves."""

    now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The store's clock."""
    return Clock()


def test_a_task_belongs_to_one_until_its_lease_ends(place: Path | str, clock: Clock) -> None:
    """Two stores on one file never hold the same task; when a lease runs out, the late result counts for nothing."""
    one, two = Store(place, clock), Store(place, clock)
    run, joined = one.open_run("fleet", "plan", "rules", jobs("a"))
    assert not joined
    assert two.open_run("fleet", "plan", "rules", jobs("a")) == (run, True)
    task = one.claim(run, "one", 10)
    assert task is not None
    assert two.claim(run, "two", 10) is None

    clock.now += 9
    assert one.renew(task, "one", 10)
    clock.now += 9
    assert two.claim(run, "two", 10) is None
    clock.now += 2
    again = two.claim(run, "two", 10)
    assert again is not None and again.begun == 2

    assert not one.renew(task, "one", 10)
    assert not one.finish(task, "one", "review", FOUND)
    assert not one.fail(task, "one", Failure("gone", "late"))
    assert not one.put_off(task, "one", Failure("network", "late"), 5)
    assert rows(place, "SELECT * FROM reviews") == []
    assert two.finish(again, "two", "review", FOUND)
    assert not two.finish(again, "two", "review", FOUND)
    assert rows(place, "SELECT review, fingerprint FROM findings") == [("review", "f1")]
    assert two.reviewed("review") == FOUND
    one.close()
    two.close()


def test_what_is_put_off_is_not_due(place: Path | str, clock: Clock) -> None:
    """It comes back after its wait and not before."""
    store = Store(place, clock)
    run, _ = store.open_run("fleet", "plan", "rules", jobs("a"))
    task = store.claim(run, "me", 10)
    assert task is not None and store.put_off(task, "me", Failure("network", "x"), 5)
    assert store.claim(run, "me", 10) is None
    clock.now += 5
    again = store.claim(run, "me", 10)
    assert again is not None and (again.begun, again.failures) == (2, 1)
    store.close()


def test_another_plan_closes_an_old_run_that_nobody_works_at(place: Path | str, clock: Clock) -> None:
    """And leaves one alone that is being worked at."""
    store = Store(place, clock)
    old, _ = store.open_run("fleet", "old", "rules", jobs("a"))
    assert store.claim(old, "someone", 10) is not None
    new, _ = store.open_run("fleet", "new", "rules", jobs("a"))
    assert [run.number for run in store.runs("fleet")] == [new, old]
    clock.now += 11
    assert store.open_run("fleet", "new", "rules", jobs("a")) == (new, True)
    assert [run.number for run in store.runs("fleet")] == [new]
    store.close()


def test_a_run_with_work_left_is_not_ended(place: Path | str, clock: Clock) -> None:
    """Whoever says so."""
    store = Store(place, clock)
    run, _ = store.open_run("fleet", "plan", "rules", jobs("a"))
    store.end_run(run)
    assert store.runs("fleet")[0].ended_at is None
    task = store.claim(run, "me", 10)
    assert task is not None and store.fail(task, "me", Failure("gone", "x"))
    store.end_run(run)
    assert store.runs("fleet")[0].ended_at == clock.now
    store.close()


def test_a_store_that_is_none(tmp_path: Path) -> None:
    """Another file, or one of another version, is said and left as it is."""
    (tmp_path / "s").write_bytes(b"something else, and long enough to be looked at" * 10)
    with pytest.raises(StoreError, match="not a database"):
        Store(tmp_path / "s")
    Store(tmp_path / "t").close()
    connection = sqlite3.connect(tmp_path / "t")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="another version"):
        Store(tmp_path / "t")


def test_both_kinds_list_alike(place: Path | str, clock: Clock) -> None:
    """By bytes, page by page, whatever language the server speaks."""
    store = Store(place, clock)
    run, _ = store.open_run("fleet", "plan", "rules", jobs("b", "B", "a-1", "a/1", "é"))
    assert store.waiting(run, "", 3) == ("B", "a-1", "a/1")
    assert store.waiting(run, "a/1", 3) == ("b", "é")
    task = store.claim(run, "me", 10)
    assert task is not None and task.repository == "B" and task.job.source == "/nowhere/B"
    assert store.fail(task, "me", Failure("gone", "a \0 and a \ud800"))
    assert store.outcomes(run)[0].reason == "a \N{REPLACEMENT CHARACTER} and a ?"
    assert store.waiting(run, "", 1) == ("a-1",)
    store.close()


def test_an_engine_that_knows_of_a_loss_takes_over(place: Path | str, clock: Clock) -> None:
    """Without waiting for the lease; whoever had the task before can note nothing any more."""
    store = Store(place, clock)
    run, _ = store.open_run("fleet", "plan", "rules", jobs("a"))
    first = store.take(run, "a", "one", 10)
    second = store.take(run, "a", "two", 10)
    assert first is not None and second is not None and second.begun == 2
    assert not store.finish(first, "one", "review", FOUND)
    assert store.finish(second, "two", "review", FOUND)
    assert store.take(run, "a", "three", 10) is None
    store.close()


def test_what_is_written_twice_is_there_once(place: Path | str, clock: Clock) -> None:
    """Two runs that review the same at the same time keep one review; a plan that is said again changes no task that is done."""
    store = Store(place, clock)
    for plan in ("one", "two"):
        run, _ = store.open_run("fleet", plan, "rules", jobs("a"))
        task = store.take(run, "a", plan, 10)
        assert task is not None and store.finish(task, plan, "review", FOUND)
        store.open_run("fleet", plan, "rules", jobs("a", "b"))
    assert rows(place, "SELECT id FROM reviews") == [("review",)]
    assert rows(place, "SELECT fingerprint FROM findings") == [("f1",)]
    one = FOUND.findings[0]
    assert store.counts(run) == {(one.pillar, one.severity): 1}
    assert rows(place, f"SELECT repository, state FROM tasks WHERE run = {run} ORDER BY 1") == [
        ("a", "done"),
        ("b", "waiting"),
    ]
    assert store.identity() == store.identity()
    store.close()


def test_a_store_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    """With all that it holds; who opens it next changes nothing."""
    from roadworthy.fleet.schema import MIGRATIONS, VERSION

    words = {"number": "INTEGER PRIMARY KEY", "integer": "INTEGER", "real": "REAL", "text": "TEXT", "keyed": ""}
    connection = sqlite3.connect(tmp_path / "s")
    for statement in MIGRATIONS[0]:
        connection.execute(statement.format(**words))
    connection.execute("INSERT INTO runs VALUES (7, 'fleet', 'plan', 'rules', 1, NULL, 0)")
    connection.execute("INSERT INTO tasks (run, repository) VALUES (7, 'a')")
    connection.execute("INSERT INTO reviews VALUES ('r', 'a', 'c', 1, 1, 1, '[]', '[]')")
    connection.execute("INSERT INTO findings VALUES ('r', 'f', 'HIGH', '{\"pillar\": \"durability\"}')")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    for _ in range(2):
        store = Store(tmp_path / "s")
        assert store.open_run("fleet", "plan", "rules", jobs("a")) == (7, True)
        store.close()
    assert rows(tmp_path / "s", "PRAGMA user_version") == [(VERSION,)]
    assert rows(tmp_path / "s", "SELECT pillar FROM findings") == [("durability",)]
    assert b"/nowhere/a" in str(rows(tmp_path / "s", "SELECT job FROM tasks")).encode()


def test_many_open_a_new_store_at_once(place: Path | str) -> None:
    """The tables are made once, nobody fails, and all join one run of one store."""
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(_opened, [place] * 8))
    assert len(found) == 1


def _opened(place: Path | str) -> tuple[int, str]:
    store = Store(place)
    run, _ = store.open_run("fleet", "plan", "rules", jobs("a"))
    name = store.identity()
    store.close()
    return run, name


def test_stores_of_one_process_do_not_lose_sight_of_the_others(tmp_path: Path) -> None:
    """A second store that was opened and closed took the first one's locks with it; another process then put a new log in place of ours."""
    first = Store(tmp_path / "s")
    run, _ = first.open_run("fleet", "plan", "rules", jobs("a"))
    Store(tmp_path / "s").close()
    start = "import sys; from pathlib import Path; from roadworthy.fleet.store import Store; store = Store(Path(sys.argv[1]));"
    work = "task = store.take(1, 'a', 'x', 1); from roadworthy.fleet.messages import Failure;"
    work += "store.fail(task, 'x', Failure('gone', 'x')); print('done', flush=True); sys.stdin.read()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", start, str(tmp_path / "s")], env=environment, check=True)
    command = [sys.executable, "-c", start + work, str(tmp_path / "s")]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"done\n"
        left = first.left(run)
        other.communicate()
    assert left == 0
    first.close()


def test_a_server_that_is_not_there_is_said_without_its_password() -> None:
    """In one line."""
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError, match=r"the database shop at 127\.0\.0\.1: ") as caught:
        Store("postgresql://user:secret@127.0.0.1:1/shop")
    assert "secret" not in str(caught.value) and "\n" not in str(caught.value)


def test_names_and_waits() -> None:
    """A review has one name; waits grow, vary and end."""
    assert review_id("f", "r", "c", "v") == review_id("f", "r", "c", "v")
    assert len({review_id("f", "r", "c", "v"), review_id("fr", "", "c", "v"), review_id("f", "r", "c", "w")}) == 3
    assert [wait_before(n, lambda: 1.0) for n in (1, 2, 3, 50)] == [2.0, 4.0, 8.0, 120.0]
    assert wait_before(3, lambda: 0.0) == 4.0
