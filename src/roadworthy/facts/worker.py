"""Extracting one file safely, and the life of a child process that does nothing else."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from roadworthy.text.source import UnreadableError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

if sys.platform != "win32":
    import resource

_MEMORY = 4 << 30  # that a child may take beyond what it starts with

Extract = Callable[[str, str, str], bytes]
"""(kind, path, full path) -> packed facts. Raises for a file that cannot be read; the exception's text is the report."""


@dataclass(frozen=True, slots=True)
class Task:
    """One file to extract."""

    kind: str
    path: str
    full: str
    size: int


@dataclass(frozen=True, slots=True)
class Result:
    """What became of task number `index`: packed facts, or why there are none."""

    index: int
    payload: bytes = b""
    problem: str = ""


def attempt(index: int, task: Task, extract: Extract) -> Result:
    """Extract one file here and now; whatever it raises becomes a sentence."""
    try:
        return Result(index, extract(task.kind, task.path, task.full))
    except Exception as error:  # a file may be as hostile as it likes: the review goes on without it
        if os.environ.get("ROADWORTHY_DEBUG"):
            traceback.print_exc()
        return Result(index, problem=_sentence(error))


def _sentence(error: Exception) -> str:
    """Return what went wrong with a file, on one line."""
    if isinstance(error, RecursionError):
        return "nested too deeply to be read"
    if isinstance(error, MemoryError):
        return "needs too much memory to be read"
    text = " ".join(str(error).split())[:200]
    return (
        text
        if isinstance(error, UnreadableError)
        else f"could not be read ({type(error).__name__}{': ' + text if text else ''})"
    )


def serve(
    connection: Connection, parents_end: Connection, extract: Extract, tasks: Sequence[Task], parent: int
) -> None:
    """Answer chunks until the parent closes the connection or dies."""
    parents_end.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    die_with(parent)
    _limit_memory()
    gc.disable()  # facts hold no cycles: one look after each chunk is enough …
    gc.freeze()  # … and what came from the parent needs none
    while True:
        try:
            chunk = msgspec.msgpack.decode(connection.recv_bytes(), type=list[int])
        except (EOFError, OSError):
            return
        for index in chunk:
            result = attempt(index, tasks[index], extract)
            connection.send_bytes(msgspec.msgpack.encode((result.index, result.payload, result.problem)))
        gc.collect()


def die_with(parent: int) -> None:
    """On Linux, have the kernel end this process when its parent ends, even by SIGKILL."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it ended before we asked
        os._exit(0)


def _limit_memory() -> None:
    """One hostile file must not take the machine: beyond the limit this child fails, not its neighbours."""
    if sys.platform != "linux":
        return
    try:
        with Path("/proc/self/statm").open("rb") as stream:
            now = int(stream.read().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = now + _MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
    except (OSError, ValueError):
        return
