"""Many files to facts: in this process when there are few, else in children that may die without harm.

A child is given a chunk of files and answers file by file, so the parent always knows at which file one died or hangs.
That file is tried once more alone; if it kills its process again, it is reported and the review goes on.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from roadworthy.facts.worker import Extract, Result, Task, attempt, serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.context import ForkContext, SpawnContext
    from multiprocessing.process import BaseProcess

if sys.platform != "win32":
    pass

FEW = 150
"""Fewer files than this are not worth starting processes for …"""
SMALL = 1_500_000
"""… unless they are many bytes."""
PATIENCE = 120.0
"""Seconds that one file may take."""

_LARGEST_CHUNK = 64
_MOST_PROCESSES = 16


def processors() -> int:
    """Count the processors that this process may use, a container's share included."""
    count = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        count = min(count, max(1, round(int(quota) / int(period))))
    except (OSError, ValueError):
        pass
    return min(count, _MOST_PROCESSES)


def run(
    tasks: Sequence[Task], extract: Extract, *, jobs: int, few: int = FEW, patience: float = PATIENCE
) -> Iterator[Result]:
    """Extract every task, in no particular order."""
    if jobs == 1 or (len(tasks) < few and sum(task.size for task in tasks) < SMALL):
        for index, task in enumerate(tasks):
            yield attempt(index, task, extract)
    else:
        yield from _Pool(tasks, extract, jobs, patience).results()


@dataclass(slots=True)
class _Worker:
    """A child and what it is busy with."""

    process: BaseProcess
    connection: Connection
    chunk: deque[int]
    since: float


class _Pool:
    """The parent's side: hands out chunks, collects answers, replaces the dead."""

    def __init__(self, tasks: Sequence[Task], extract: Extract, jobs: int, patience: float) -> None:
        self.tasks = tasks
        self.extract = extract
        self.patience = patience
        self.chunks = _chunks(tasks, jobs)
        self.jobs = min(jobs, len(self.chunks))
        self.suspects: deque[int] = deque()
        self.context = _context()
        self.workers: list[_Worker] = []

    def results(self) -> Iterator[Result]:
        """Run until every task has its result."""
        try:
            for _ in range(self.jobs):
                self.start()
            while any(worker.chunk for worker in self.workers):
                yield from self.collect()
            yield from self.alone()
        finally:
            self.stop()

    def start(self) -> None:
        """Start a child, with its first chunk if one is left."""
        if not self.chunks:
            return
        self.give(self.hire())

    def hire(self) -> _Worker:
        """Start a child and write it down, without an interrupt in between: none may be forgotten."""
        with _uninterrupted():
            self.workers.append(_child(self.context, self.extract, self.tasks))
        return self.workers[-1]

    def give(self, worker: _Worker) -> None:
        """Hand the next chunk to an idle worker."""
        if self.chunks:
            worker.chunk = self.chunks.popleft()
            worker.since = time.monotonic()
            _send(worker, list(worker.chunk))

    def collect(self) -> Iterator[Result]:
        """Wait for answers and deaths, once."""
        ready = wait([worker.connection for worker in self.workers], timeout=1.0)
        for worker in list(self.workers):
            if worker.connection in ready:
                result = _receive(worker)
                if result is None:
                    self.bury(worker)
                    continue
                worker.chunk.popleft()
                worker.since = time.monotonic()
                yield result
                if not worker.chunk:
                    self.give(worker)
            elif worker.chunk and time.monotonic() - worker.since > self.patience:
                self.bury(worker)

    def bury(self, worker: _Worker) -> None:
        """Suspect the file at which a child died or hangs, give the rest of its chunk to others."""
        _end(worker)
        self.workers.remove(worker)
        if worker.chunk:
            self.suspects.append(worker.chunk.popleft())
        if worker.chunk:
            self.chunks.append(worker.chunk)
        self.start()

    def alone(self) -> Iterator[Result]:
        """Try each suspect again in a process of its own."""
        for index in self.suspects:
            worker = self.hire()
            _send(worker, [index])
            result = _receive(worker) if worker.connection.poll(self.patience) else Result(-1)
            if result is None:
                worker.process.join(5)
                yield Result(index, problem=f"could not be read: its process died ({_fate(worker.process.exitcode)})")
            elif result.index < 0:
                yield Result(index, problem=f"could not be read within {self.patience:.0f} seconds")
            else:
                yield result
            _end(worker)
            self.workers.remove(worker)

    def stop(self) -> None:
        """End the children, whatever they are doing."""
        for worker in self.workers:
            _end(worker)
        self.workers.clear()


def _chunks(tasks: Sequence[Task], jobs: int) -> deque[deque[int]]:
    """Order indices by size, biggest first, in chunks of about equal work."""
    order = sorted(range(len(tasks)), key=lambda index: (-tasks[index].size, tasks[index].path))
    share = sum(task.size for task in tasks) // (jobs * 16) + 1
    chunks: deque[deque[int]] = deque()
    weight = share
    for index in order:
        if weight >= share or len(chunks[-1]) >= _LARGEST_CHUNK:
            chunks.append(deque())
            weight = 0
        chunks[-1].append(index)
        weight += tasks[index].size
    return chunks


def _context() -> ForkContext | SpawnContext:
    """Forking is quick and shares what is loaded, but only safe on Linux and while there is one thread."""
    if sys.platform == "linux" and threading.active_count() == 1:
        return multiprocessing.get_context("fork")
    return multiprocessing.get_context("spawn")


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back for a moment. A child that starts in it never sees one: it ignores them before it looks."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _child(context: ForkContext | SpawnContext, extract: Extract, tasks: Sequence[Task]) -> _Worker:
    """Start a child that waits for chunks."""
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, ours, extract, tasks, os.getpid()), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours, deque(), time.monotonic())


def _send(worker: _Worker, chunk: list[int]) -> None:
    """Hand over a chunk; that a child is gone already is noticed when its answer is awaited."""
    try:
        worker.connection.send_bytes(msgspec.msgpack.encode(chunk))
    except OSError:
        return


def _receive(worker: _Worker) -> Result | None:
    """Return the next answer, or None when the child is dead."""
    try:
        index, payload, problem = msgspec.msgpack.decode(worker.connection.recv_bytes(), type=tuple[int, bytes, str])
    except (EOFError, OSError, msgspec.DecodeError):
        return None
    return Result(index, payload, problem)


def _end(worker: _Worker) -> None:
    """Kill and reap: a child holds nothing that needs an orderly end."""
    worker.connection.close()
    worker.process.kill()
    worker.process.join(5)


def _fate(code: int | None) -> str:
    if code == -signal.SIGKILL:
        return "killed, probably for want of memory"
    if code is not None and code < 0:
        return f"signal {-code}"
    return f"exit status {code}"
