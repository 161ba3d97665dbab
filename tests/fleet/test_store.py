"""The store: claims, leases, and steps that count only for whoever holds the task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fleet.fleets import rows
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


def test_a_task_belongs_to_one_until_its_lease_ends(tmp_path: Path, clock: Clock) -> None:
    """Two stores on one file never hold the same task; when a lease runs out, the late result counts for nothing."""
    one, two = Store(tmp_path / "s", clock), Store(tmp_path / "s", clock)
    run, joined = one.open_run("fleet", "plan", "rules", ["a"])
    assert not joined
    assert two.open_run("fleet", "plan", "rules", ["a"]) == (run, True)
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
    assert rows(tmp_path / "s", "SELECT * FROM reviews") == []
    assert two.finish(again, "two", "review", FOUND)
    assert not two.finish(again, "two", "review", FOUND)
    assert rows(tmp_path / "s", "SELECT review, fingerprint FROM findings") == [("review", "f1")]
    assert two.reviewed("review") == FOUND
    one.close()
    two.close()


def test_what_is_put_off_is_not_due(tmp_path: Path, clock: Clock) -> None:
    """It comes back after its wait and not before."""
    store = Store(tmp_path / "s", clock)
    run, _ = store.open_run("fleet", "plan", "rules", ["a"])
    task = store.claim(run, "me", 10)
    assert task is not None and store.put_off(task, "me", Failure("network", "x"), 5)
    assert store.claim(run, "me", 10) is None
    clock.now += 5
    again = store.claim(run, "me", 10)
    assert again is not None and (again.begun, again.failures) == (2, 1)
    store.close()


def test_another_plan_closes_an_old_run_that_nobody_works_at(tmp_path: Path, clock: Clock) -> None:
    """And leaves one alone that is being worked at."""
    store = Store(tmp_path / "s", clock)
    old, _ = store.open_run("fleet", "old", "rules", ["a"])
    assert store.claim(old, "someone", 10) is not None
    new, _ = store.open_run("fleet", "new", "rules", ["a"])
    assert [run.number for run in store.runs("fleet")] == [new, old]
    clock.now += 11
    assert store.open_run("fleet", "new", "rules", ["a"]) == (new, True)
    assert [run.number for run in store.runs("fleet")] == [new]
    store.close()


def test_a_run_with_work_left_is_not_ended(tmp_path: Path, clock: Clock) -> None:
    """Whoever says so."""
    store = Store(tmp_path / "s", clock)
    run, _ = store.open_run("fleet", "plan", "rules", ["a"])
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
    import sqlite3

    connection = sqlite3.connect(tmp_path / "t")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="another version"):
        Store(tmp_path / "t")


def test_names_and_waits() -> None:
    """A review has one name; waits grow, vary and end."""
    assert review_id("f", "r", "c", "v") == review_id("f", "r", "c", "v")
    assert len({review_id("f", "r", "c", "v"), review_id("fr", "", "c", "v"), review_id("f", "r", "c", "w")}) == 3
    assert [wait_before(n, lambda: 1.0) for n in (1, 2, 3, 50)] == [2.0, 4.0, 8.0, 120.0]
    assert wait_before(3, lambda: 0.0) == 4.0
