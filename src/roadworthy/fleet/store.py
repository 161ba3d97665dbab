"""State and results of fleets in one database. Each step is kept before it counts, and each is one statement or one transaction.

A task belongs to whoever claimed it until its lease ends; every later step of it asks, in the same statement, whether that still holds.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from roadworthy.fleet.database import StoreError
from roadworthy.fleet.messages import Job, Reviewed, StoredFinding, decode_job, encode
from roadworthy.fleet.postgres import SCHEMES, Postgres
from roadworthy.fleet.schema import migrate
from roadworthy.fleet.sqlite import Sqlite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from roadworthy.fleet.database import Database, Value
    from roadworthy.fleet.messages import Failure

MOST_BEGUN = 20
"""A task that was begun so often and never ended is given up: it may be what ends us."""


@dataclass(frozen=True, slots=True)
class Task:
    """One repository of one run, as claimed."""

    run: int
    repository: str
    begun: int  # how often it was claimed, this time included
    failures: int
    commit: str  # empty as long as nobody looked
    job: Job  # what is to be done, without the commit


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far one repository of a run is."""

    repository: str
    state: str  # waiting, done, failed
    commit: str
    review: str
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Run:
    """One look at a fleet."""

    number: int
    started_at: float
    ended_at: float | None
    ruleset: str


def is_url(place: str) -> bool:
    """Tell a database server from a file."""
    return place.startswith(SCHEMES)


class Store:
    """One connection; for one thread."""

    def __init__(self, place: Path | str, clock: Callable[[], float] | None = None) -> None:
        """Open or make it: a file, or the URL of a PostgreSQL database. Raises StoreError."""
        shared = isinstance(place, str) and is_url(place)
        self._database: Database = Postgres(str(place)) if shared else Sqlite(Path(place))
        self._clock = clock or self._database.now
        self._skip_locked = self._database.dialect.skip_locked
        self._changes, self._all = self._database.changes, self._database.all
        try:
            migrate(self._database)
        except StoreError as error:
            self._database.close()
            raise error if shared or str(error).startswith(str(place)) else StoreError(f"{place}: {error}") from None

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def _one(self, statement: str, *values: Value) -> tuple[object, ...]:
        rows = self._all(statement, *values)
        if not rows:
            raise StoreError("a row that must be there is not")
        return rows[0]

    def identity(self) -> str:
        """A name that no other store has, made by whoever asks first."""
        self._changes("INSERT INTO identity (one, name) VALUES (1, ?) ON CONFLICT DO NOTHING", uuid.uuid4().hex)
        return str(self._one("SELECT name FROM identity")[0])

    # Runs.

    def open_run(self, fleet: str, plan: str, ruleset: str, jobs: Mapping[str, Job]) -> tuple[int, bool]:
        """The number of the open run of this plan, and whether it was there before; else a new one with all its tasks.

        Runs of an older plan or rule set that nobody works at are closed.
        """
        now = self._clock()
        with self._database.writing():
            self._changes(
                "UPDATE runs SET ended_at = ?, abandoned = 1 WHERE fleet = ? AND ended_at IS NULL AND (plan, ruleset) <> (?, ?)"
                " AND NOT EXISTS (SELECT 1 FROM tasks WHERE run = runs.number AND lease_until > ?)",
                *(now, fleet, plan, ruleset, now),
            )
            made = self._changes(
                "INSERT INTO runs (fleet, plan, ruleset, started_at) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (fleet, plan, ruleset) WHERE ended_at IS NULL DO NOTHING",
                *(fleet, plan, ruleset, now),
            )
            row = self._one(
                "SELECT number FROM runs WHERE (fleet, plan, ruleset) = (?, ?, ?) AND ended_at IS NULL",
                *(fleet, plan, ruleset),
            )
            number = int(str(row[0]))
            self._database.many(
                "INSERT INTO tasks (run, repository, job) VALUES (?, ?, ?)"
                " ON CONFLICT (run, repository) DO UPDATE SET job = excluded.job WHERE tasks.job <> excluded.job",
                [(number, repository, encode(jobs[repository]).decode()) for repository in sorted(jobs)],
            )
        return number, not made

    def end_run(self, run: int) -> None:
        """Close a run of which nothing is left to do; closing it twice is closing it once."""
        self._changes(
            "UPDATE runs SET ended_at = ? WHERE number = ? AND ended_at IS NULL"
            " AND NOT EXISTS (SELECT 1 FROM tasks WHERE run = runs.number AND state = 'waiting')",
            *(self._clock(), run),
        )

    def left(self, run: int) -> int:
        """How many tasks are neither done nor failed."""
        return int(str(self._one("SELECT count(*) FROM tasks WHERE run = ? AND state = 'waiting'", run)[0]))

    def size(self, run: int) -> int:
        """How many tasks there are."""
        return int(str(self._one("SELECT count(*) FROM tasks WHERE run = ?", run)[0]))

    # Tasks.

    def claim(self, run: int, owner: str, lease: float) -> Task | None:
        """Take one task that is due and nobody's, for so many seconds; None when there is none just now."""
        now = self._clock()
        rows = self._all(
            "UPDATE tasks SET owner = ?, lease_until = ?, begun = begun + 1 WHERE run = ? AND state = 'waiting'"
            " AND lease_until <= ? AND due_at <= ? AND repository = (SELECT repository FROM tasks WHERE run = ?"
            f" AND state = 'waiting' AND lease_until <= ? AND due_at <= ? ORDER BY due_at, repository LIMIT 1{self._skip_locked})"
            f" RETURNING {_TASK}",
            *(owner, now + lease, run, now, now, run, now, now),
        )
        return _task(run, rows[0]) if rows else None

    def take(self, run: int, repository: str, owner: str, lease: float) -> Task | None:
        """Take this task, whoever had it: for an engine that knows that the one before is lost. None when it has ended."""
        rows = self._all(
            "UPDATE tasks SET owner = ?, lease_until = ?, begun = begun + 1 WHERE run = ? AND repository = ?"
            f" AND state = 'waiting' RETURNING {_TASK}",
            *(owner, self._clock() + lease, run, repository),
        )
        return _task(run, rows[0]) if rows else None

    def waiting(self, run: int, after: str, most: int) -> tuple[str, ...]:
        """The next repositories, by name, that are neither done nor failed."""
        rows = self._all(
            "SELECT repository FROM tasks WHERE run = ? AND state = 'waiting' AND repository > ? ORDER BY repository LIMIT ?",
            *(run, after, most),
        )
        return tuple(str(row[0]) for row in rows)

    def renew(self, task: Task, owner: str, lease: float) -> bool:
        """Hold a task longer; False when it is no longer ours."""
        return self._step(task, owner, "lease_until = ?", self._clock() + lease)

    def found_commit(self, task: Task, owner: str, commit: str, review: str) -> bool:
        """Note which commit is reviewed and under which name; False when the task is no longer ours."""
        return self._step(task, owner, "commit_id = ?, review = ?", commit, review)

    def join_review(self, task: Task, owner: str, review: str) -> bool:
        """End a task with a review that is there already; False when there is none."""
        now = self._clock()
        done = self._changes(
            "UPDATE tasks SET state = 'done', review = ?, lease_until = 0, ended_at = ? WHERE run = ? AND repository = ?"
            " AND owner = ? AND state = 'waiting' AND EXISTS (SELECT 1 FROM reviews WHERE reviews.id = ?)",
            *(review, now, task.run, task.repository, owner, review),
        )
        return done == 1

    def finish(self, task: Task, owner: str, review: str, outcome: Reviewed) -> bool:
        """Keep a review and end its task, both or neither; False when the task is no longer ours."""
        now = self._clock()
        with self._database.writing():
            if not self._step(task, owner, "state = 'done', review = ?, lease_until = 0, ended_at = ?", review, now):
                return False
            made = self._changes(
                "INSERT INTO reviews (id, repository, commit_id, finished_at, files, lines, problems, packages)"
                " SELECT ?, repository, commit_id, ?, ?, ?, ?, ? FROM tasks WHERE run = ? AND repository = ?"
                " ON CONFLICT (id) DO NOTHING",
                *(review, now, outcome.files, outcome.lines, _text(outcome.problems), _text(outcome.packages)),
                *(task.run, task.repository),
            )
            if made:
                self._database.many(
                    "INSERT INTO findings (review, fingerprint, severity, pillar, finding) VALUES (?, ?, ?, ?, ?)"
                    " ON CONFLICT DO NOTHING",
                    [
                        (review, one.fingerprint, one.severity, one.pillar, msgspec.json.encode(one).decode())
                        for one in outcome.findings
                    ],
                )
        return True

    def put_off(self, task: Task, owner: str, failure: Failure, seconds: float) -> bool:
        """Note a failure that may pass, and when to try again."""
        return self._step(
            task,
            owner,
            "failures = failures + 1, kind = ?, reason = ?, lease_until = 0, due_at = ?",
            *(failure.kind, _storable(failure.reason), self._clock() + seconds),
        )

    def fail(self, task: Task, owner: str, failure: Failure) -> bool:
        """End a task without a review."""
        return self._step(
            task,
            owner,
            "state = 'failed', failures = failures + 1, kind = ?, reason = ?, lease_until = 0, ended_at = ?",
            *(failure.kind, _storable(failure.reason), self._clock()),
        )

    def release(self, task: Task, owner: str) -> bool:
        """Give a task back as if it had not been begun."""
        return self._step(task, owner, "lease_until = 0, begun = begun - 1")

    def _step(self, task: Task, owner: str, change: str, *values: Value) -> bool:
        statement = f"UPDATE tasks SET {change} WHERE run = ? AND repository = ? AND owner = ? AND state = 'waiting'"
        return self._changes(statement, *values, task.run, task.repository, owner) == 1

    # Questions of the portfolio.

    def runs(self, fleet: str, most: int = 12) -> tuple[Run, ...]:
        """The latest runs of a fleet, the newest first; none that was abandoned."""
        rows = self._all(
            "SELECT number, started_at, ended_at, ruleset FROM runs WHERE fleet = ? AND abandoned = 0"
            " ORDER BY number DESC LIMIT ?",
            *(fleet, most),
        )
        return tuple(Run(int(str(r[0])), _time(r[1]) or 0.0, _time(r[2]), str(r[3])) for r in rows)

    def outcomes(self, run: int) -> tuple[Outcome, ...]:
        """Every repository of a run, by name."""
        rows = self._all(
            "SELECT repository, state, commit_id, review, kind, reason FROM tasks WHERE run = ? ORDER BY repository",
            run,
        )
        return tuple(Outcome(*(str(value) for value in row)) for row in rows)

    def review_before(self, fleet: str, run: int, repository: str) -> str:
        """The review of a repository in the latest earlier run that has one; empty for none."""
        rows = self._all(
            "SELECT review FROM tasks JOIN runs ON runs.number = tasks.run WHERE fleet = ? AND run < ? AND repository = ?"
            " AND state = 'done' AND abandoned = 0 ORDER BY run DESC LIMIT 1",
            *(fleet, run, repository),
        )
        return str(rows[0][0]) if rows else ""

    def reviewed(self, review: str) -> Reviewed:
        """A whole review."""
        files, lines, problems, packages = self._one(
            "SELECT files, lines, problems, packages FROM reviews WHERE id = ?", review
        )
        rows = self._all("SELECT finding FROM findings WHERE review = ? ORDER BY fingerprint", review)
        return Reviewed(
            findings=tuple(sorted(msgspec.json.decode(str(row[0]), type=StoredFinding) for row in rows)),
            problems=msgspec.json.decode(str(problems), type=tuple[str, ...]),
            packages=msgspec.json.decode(str(packages), type=tuple[str, ...]),
            files=int(str(files)),
            lines=int(str(lines)),
        )

    def counts(self, run: int) -> dict[tuple[str, str], int]:
        """How many findings of each (pillar, severity) the reviews of a run hold."""
        rows = self._all(
            "SELECT findings.pillar, findings.severity, count(*) FROM tasks"
            " JOIN findings ON findings.review = tasks.review"
            " WHERE run = ? AND state = 'done' GROUP BY findings.pillar, findings.severity",
            run,
        )
        return {(str(pillar), str(severity)): int(str(count)) for pillar, severity, count in rows}


_TASK = "repository, begun, failures, commit_id, job"


def _task(run: int, row: tuple[object, ...]) -> Task:
    repository, begun, failures, commit, job = (str(value) for value in row)
    return Task(run, repository, int(begun), int(failures), commit, decode_job(job.encode()))


def _storable(words: str) -> str:
    """What another program said, without what a database refuses."""
    return words.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _text(words: Iterable[str]) -> str:
    return msgspec.json.encode(list(words)).decode()


def _time(value: object) -> float | None:
    return None if value is None else float(str(value))
