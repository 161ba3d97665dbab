"""The engine that needs nothing started: a loop over processes, all of its memory in the store.

It may be killed at any moment. Whoever runs the same fleet next goes on from the store; two at once share the work.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.fleet.failures import CRASHED, GIVEN_UP, may_pass, wait_before
from roadworthy.fleet.identity import review_id
from roadworthy.fleet.messages import Answer, Failure, Job
from roadworthy.fleet.process import PROGRAM, Process
from roadworthy.fleet.store import MOST_BEGUN, Store, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from roadworthy.fleet.plan import Fleet

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

    def __init__(self, store: Store, fleet: Fleet, ruleset: str, options: Options) -> None:
        self._store, self._fleet, self._ruleset, self._options = store, fleet, ruleset, options
        self._by_name = {repository.name: repository for repository in fleet.repositories}
        self._owner = uuid.uuid4().hex
        self._running: list[_Running] = []
        self._look_at = 0.0

    def work(self, run: int, progress: Callable[[str, int, int], None], stop: Stop) -> bool:
        """Return True when every task of the run is done or failed, whoever did it."""
        total = len(self._by_name)
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
            with suppress(sqlite3.Error):  # a store that fails is why we leave, and the lease ends by itself
                self._store.release(running.task, self._owner)
        self._running.clear()

    def _fill(self, run: int) -> None:
        while len(self._running) < self._options.processes and time.monotonic() >= self._look_at:
            task = self._store.claim(run, self._owner, self._options.lease)
            if task is None:
                self._look_at = time.monotonic() + _LOOK
            elif task.begun > MOST_BEGUN:
                self._store.fail(task, self._owner, Failure(GIVEN_UP, f"begun {MOST_BEGUN} times and never ended"))
            elif not (task.commit and self._store.join_review(task, self._owner, self._name(task, task.commit))):
                self._start(task)

    def _name(self, task: Task, commit: str) -> str:
        return review_id(self._fleet.name, task.repository, commit, self._ruleset)

    def _start(self, task: Task) -> None:
        """Begin the next step of a task."""
        repository = self._by_name[task.repository]
        job = Job(
            source=repository.source,
            limits=self._fleet.limits,
            revision=repository.revision,
            commit=task.commit,
            areas=repository.areas,
            settings=self._fleet.settings_text,
            settings_folder=str(self._fleet.file.resolve().parent),
        )
        try:
            process = Process(job, self._options.folder, self._options.program)
        except OSError as error:
            self._failed(task, Failure(CRASHED, f"no process could be started: {error.strerror or error}"))
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
        self._note(running.task, answer)

    def _end(self, running: _Running) -> None:
        running.process.close()
        self._running.remove(running)

    def _note(self, task: Task, answer: Answer) -> None:
        if answer.review is not None and task.commit:
            self._store.finish(task, self._owner, self._name(task, task.commit), answer.review)
        elif answer.commit and not task.commit:
            self._note_commit(task, answer.commit)
        else:
            self._failed(task, answer.failure or Failure(CRASHED, "it answered another question"))

    def _note_commit(self, task: Task, commit: str) -> None:
        review = self._name(task, commit)
        if not self._store.found_commit(task, self._owner, commit, review):
            return
        if not self._store.join_review(task, self._owner, review):
            self._start(Task(task.run, task.repository, task.begun, task.failures, commit))

    def _failed(self, task: Task, failure: Failure) -> None:
        """Put off what may pass, give up what did not, end what cannot."""
        tried = task.failures + 1
        if not may_pass(failure):
            self._store.fail(task, self._owner, failure)
        elif tried >= self._fleet.limits.attempts:
            said = f"{failure.reason} (after {tried} attempt{'s' if tried > 1 else ''})"
            self._store.fail(task, self._owner, Failure(GIVEN_UP, said))
        else:
            self._store.put_off(task, self._owner, failure, self._options.wait(tried))
