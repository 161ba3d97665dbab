"""The engine that needs nothing started: a loop over processes, all of its memory in the store.

It may be killed at any moment. Whoever runs the same fleet next goes on from the store; two at once share the work.
"""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.fleet.database import StoreError
from roadworthy.fleet.failures import CRASHED, wait_before
from roadworthy.fleet.messages import Failure
from roadworthy.fleet.process import PROGRAM, Process
from roadworthy.fleet.steps import Settled, Steps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from roadworthy.fleet.store import Store, Task

_POLL = 0.05
_LOOK = 0.3  # how often a free place asks for work when there was none


@dataclass(slots=True)
class Stop:
    """Set by a signal: take nothing new, end what runs within the time that is left."""

    asked_at: float | None = None

    def ask(self) -> None:
        """Ask to stop; the first time counts."""
        if self.asked_at is None:
            self.asked_at = time.monotonic()


@dataclass(frozen=True, slots=True)
class Options:
    """How the engine works, apart from what."""

    processes: int
    folder: Path  # where repositories are written out while they are read
    lease: float = 30.0  # seconds; renewed long before
    drain: float = 20.0  # seconds from being asked to stop to ending what runs
    program: Sequence[str] = PROGRAM
    wait: Callable[[int], float] = wait_before


@dataclass(slots=True)
class _Running:
    task: Task
    process: Process
    renewed_at: float


class Engine:
    """Works at one run until nothing is left to do, or until it is asked to stop."""

    def __init__(self, store: Store, fleet: str, ruleset: str, options: Options) -> None:
        self._store, self._options = store, options
        self._owner = uuid.uuid4().hex
        self._steps = Steps(store, fleet, ruleset, self._owner, options.wait)
        self._running: list[_Running] = []
        self._look_at = 0.0

    def work(self, run: int, progress: Callable[[str, int, int], None], stop: Stop) -> bool:
        """Return True when every task of the run is done or failed, whoever did it."""
        total = self._store.size(run)
        try:
            while True:
                if stop.asked_at is None:
                    self._fill(run)
                for running in tuple(self._running):
                    self._advance(running)
                left = self._store.left(run)
                progress("reviewing", total - left, total)
                if not left or (stop.asked_at is not None and self._is_drained(stop.asked_at)):
                    break
                time.sleep(_POLL if self._running else _LOOK)
        finally:
            self._give_back()
        self._store.end_run(run)
        return not left

    def _is_drained(self, asked_at: float) -> bool:
        return not self._running or time.monotonic() - asked_at > self._options.drain

    def _give_back(self) -> None:
        """End what still runs; its tasks are free at once, for others or for the next run."""
        for running in self._running:
            running.process.close()
            with suppress(StoreError):  # a store that fails is why we leave, and the lease ends by itself
                self._store.release(running.task, self._owner)
        self._running.clear()

    def _fill(self, run: int) -> None:
        while len(self._running) < self._options.processes and time.monotonic() >= self._look_at:
            task = self._store.claim(run, self._owner, self._options.lease)
            if task is None:
                self._look_at = time.monotonic() + _LOOK
            else:
                self._follow(self._steps.begin(task))

    def _follow(self, settled: Settled) -> None:
        """Begin what comes next for a task, if anything does."""
        task = settled.next
        if task is None:
            return
        try:
            process = Process(self._steps.job(task), self._options.folder, self._options.program)
        except OSError as error:
            self._steps.failed(task, Failure(CRASHED, f"no process could be started: {error.strerror or error}"))
            return
        self._running.append(_Running(task, process, time.monotonic()))

    def _advance(self, running: _Running) -> None:
        """Look at one process: note its answer, or hold its task, or let go of what is no longer ours."""
        answer = running.process.answer()
        if answer is None:
            if time.monotonic() - running.renewed_at > self._options.lease / 4:
                running.renewed_at = time.monotonic()
                if not self._store.renew(running.task, self._owner, self._options.lease):
                    self._end(running)
            return
        self._end(running)
        self._follow(self._steps.settle(running.task, answer))

    def _end(self, running: _Running) -> None:
        running.process.close()
        self._running.remove(running)
