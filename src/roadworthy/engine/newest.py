"""A thread that does the newest of the jobs it is given: those that waited are forgotten, the one that runs can ask and give up."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Job = TypeVar("Job")


class Superseded(Exception):  # noqa: N818 - not an error
    """A newer job waits: this one is to end."""


class Newest(Generic[Job]):
    """One thread, one job at a time, the newest first and last."""

    def __init__(
        self, work: Callable[[Job, Callable[[], None]], None], rest: Callable[[], None], *, quiet: float, idle: float
    ) -> None:
        """Begin to wait. `work` gets the job and a function that raises Superseded when the job is no longer the newest.

        A job begins when none came for `quiet` seconds; `rest` is called when none came for `idle` seconds after the last.
        """
        self._work = work
        self._rest = rest
        self._quiet = quiet
        self._idle = idle
        self._changed = threading.Condition()
        self._waiting: list[Job] = []
        self._thread = threading.Thread(target=self._run, name="review", daemon=True)
        self._thread.start()

    def ask(self, job: Job) -> None:
        """Put this job in the place of all others."""
        with self._changed:
            self._waiting = [job]
            self._changed.notify()

    def _run(self) -> None:
        rested = True
        while True:
            job = self._next(None if rested else self._idle)
            rested = job is None
            if job is None:
                self._rest()
                continue
            try:
                self._work(job, self._still_newest)
            except Superseded:
                continue

    def _next(self, patience: float | None) -> Job | None:
        """The next job; None when none came in time."""
        with self._changed:
            if self._changed.wait_for(lambda: bool(self._waiting), patience):
                return self._settled()
            return None

    def _settled(self) -> Job:
        """Wait until nothing came for a moment: each keystroke is a job."""
        while True:
            job = self._waiting[0]
            self._changed.wait(self._quiet)
            if self._waiting[0] is job:
                self._waiting = []
                return job

    def _still_newest(self) -> None:
        with self._changed:
            if self._waiting:
                raise Superseded
