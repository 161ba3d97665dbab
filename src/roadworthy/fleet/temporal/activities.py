"""The work that workflows ask for. Each activity may run more than once, at the same time too: the store keeps what the last one of them says."""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, CancelledError

from roadworthy.fleet.database import StoreError
from roadworthy.fleet.failures import CRASHED, GIVEN_UP, wait_before
from roadworthy.fleet.messages import Answer, Failure
from roadworthy.fleet.process import PROGRAM, Process
from roadworthy.fleet.steps import Settled, Steps
from roadworthy.fleet.store import Store
from roadworthy.fleet.temporal.orders import (
    END_RUN,
    FIND_COMMIT,
    GIVE_UP,
    REVIEW_COMMIT,
    WAITING,
    Found,
    Listed,
    Lost,
    Step,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from roadworthy.fleet.store import Task

_POLL = 0.05
_BEAT = 2.0  # seconds between two signs of life; less where Temporal expects one sooner
STOPS = "worker-stops"
LEFT = "no-longer-ours"


@dataclass(frozen=True, slots=True)
class Bench:
    """What a worker works with."""

    place: str  # of the store; it may hold a password, so it never travels
    folder: Path
    program: Sequence[str] = PROGRAM
    wait: Callable[[int], float] = wait_before


class _Stopped(Exception):  # noqa: N818 - not an error
    """Someone wants this activity to end: whoever asked, the process is ended and the task given back."""


class Activities:
    """Methods run in threads, each with a connection of its own."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @activity.defn(name=WAITING)
    def waiting(self, run: int, after: str, most: int) -> Listed:
        """The next repositories that have no end yet."""
        with self._store() as store:
            return Listed(list(store.waiting(run, after, most)), store.left(run))

    @activity.defn(name=END_RUN)
    def end_run(self, run: int) -> None:
        """Close a run of which nothing is left."""
        with self._store() as store:
            store.end_run(run)

    @activity.defn(name=GIVE_UP)
    def give_up(self, lost: Lost) -> None:
        """Note that Temporal tries a repository no more."""
        with self._store() as store:
            steps = self._steps(store, lost.step)
            task = store.take(lost.step.run, lost.step.repository, steps.owner, 30.0)
            if task is not None:
                steps.fail(task, Failure(GIVEN_UP, lost.reason))

    @activity.defn(name=FIND_COMMIT, no_thread_cancel_exception=True)
    def find_commit(self, step: Step) -> Found:
        """Which commit is reviewed, and under which name; nothing if there is a review of it already."""
        with self._store() as store:
            steps = self._steps(store, step)
            task = self._taken(steps, step)
            if task is None:
                return Found()
            settled = steps.begin(task)
            if settled.next is not None and not task.commit:
                settled = steps.settle(task, self._answer(steps, task))
            if settled.next is None:
                _told(settled)
                return Found()
            store.release(task, steps.owner)  # the review takes it again
            return Found(steps.name(task, settled.next.commit))

    @activity.defn(name=REVIEW_COMMIT, no_thread_cancel_exception=True)
    def review(self, step: Step) -> str:
        """Review it and keep what was found; how it ended."""
        with self._store() as store:
            steps = self._steps(store, step)
            task = self._taken(steps, step)
            if task is None:
                return "ended before"
            settled = steps.begin(task)
            while settled.next is not None:
                settled = steps.settle(settled.next, self._answer(steps, settled.next))
            _told(settled)
            return "done"

    @contextmanager
    def _store(self) -> Iterator[Store]:
        store = Store(self._bench.place)
        try:
            yield store
        finally:
            store.close()

    def _steps(self, store: Store, step: Step) -> Steps:
        return Steps(store, step.fleet, step.ruleset, uuid.uuid4().hex, self._bench.wait)

    def _taken(self, steps: Steps, step: Step) -> Task | None:
        """Temporal runs one attempt at a time, so whoever had the task is lost or told to stop."""
        return steps.store.take(step.run, step.repository, steps.owner, _lease())

    def _answer(self, steps: Steps, task: Task) -> Answer:
        """Ask a process, and give signs of life until it answers."""
        job = steps.job(task)
        try:
            process = Process(job, self._bench.folder, self._bench.program)
        except OSError as error:
            return Answer(failure=Failure(CRASHED, f"no process could be started: {error.strerror or error}"))
        try:
            return self._watched(process, steps, task)
        except _Stopped:
            process.close()
            with suppress(StoreError):  # the lease ends by itself
                steps.store.release(task, steps.owner)
            raise _ending() from None
        finally:
            process.close()

    def _watched(self, process: Process, steps: Steps, task: Task) -> Answer:
        began = time.monotonic()
        said = began - _BEAT
        while (answer := process.answer()) is None:
            if activity.is_cancelled():
                raise _Stopped
            if time.monotonic() - said > min(_BEAT, _lease() / 8):
                said = time.monotonic()
                activity.heartbeat({"repository": task.repository, "commit": task.commit, "seconds": int(said - began)})
                if not steps.store.renew(task, steps.owner, _lease()):
                    raise ApplicationError("another attempt has this repository", type=LEFT)
            time.sleep(_POLL)
        return answer


def _lease() -> float:
    """As long as Temporal waits for a sign of life, twice."""
    timeout = activity.info().heartbeat_timeout
    return 2 * timeout.total_seconds() if timeout else 30.0


def _ending() -> Exception:
    """What Temporal is told: cancelled, or to be tried again at once by another worker."""
    details = activity.cancellation_details()
    if details is not None and details.cancel_requested:
        return CancelledError("cancelled; its process is ended and its task given back")
    return ApplicationError(
        "this worker stops",
        type=STOPS,
        next_retry_delay=timedelta(milliseconds=100),
        category=ApplicationErrorCategory.BENIGN,
    )


def _told(settled: Settled) -> None:
    """Say a failure in Temporal's words: when to try again, or that this would be in vain."""
    failure = settled.failure
    if failure is None:
        return
    raise ApplicationError(
        failure.reason,
        type=failure.kind,
        non_retryable=settled.wait is None,
        next_retry_delay=None if settled.wait is None else timedelta(seconds=settled.wait),
        category=ApplicationErrorCategory.BENIGN,  # a repository is bad, not we: no alarm, no traceback
    )
