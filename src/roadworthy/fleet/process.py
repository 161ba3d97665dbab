"""One repository, one process: started without our environment, watched by the clock, and its end understood whatever it was."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from roadworthy.fleet import child
from roadworthy.fleet.failures import CRASHED, LIMIT, NETWORK
from roadworthy.fleet.messages import MAX_ANSWER_BYTES, Answer, Failure, Job, decode_answer, encode
from roadworthy.fleet.source import is_remote
from roadworthy.text.places import CACHE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "SSL_CERT_FILE", "SSL_CERT_DIR", CACHE_VARIABLE)
_NO_MEMORY = ("MemoryError", "memory allocation", "Cannot allocate memory", "failed to map segment")
_OUT_OF_TIME = getattr(signal, "SIGXCPU", 0)
_REAPING = 10.0
_LAST_WORDS = 2000  # bytes
PROGRAM = (sys.executable, "-P", "-m", "roadworthy.fleet.child")


def clean_environment() -> dict[str, str]:
    """What a process needs to run, without anything that could be a secret."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return {**kept, "PYTHONPATH": str(Path(__file__).parent.parent.parent), "HOME": os.devnull}


class Process:
    """A job that is being done. Whoever started it calls `answer` until it gives one, or `stop`; then `close`."""

    def __init__(self, job: Job, folder: Path, program: Sequence[str] = PROGRAM) -> None:
        """Start it in a new folder below `folder`. Raises OSError when the system has no room for it."""
        self._job = job
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # another run may have removed it, since it was empty
        self._folder = Path(tempfile.mkdtemp(dir=folder))
        self._began = time.monotonic()
        self._said = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by close()
        try:
            self._process = self._started(program)
        except BaseException:
            self._said.close()
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def _started(self, program: Sequence[str]) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*program, str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
            env=clean_environment(),
            start_new_session=True,
        )
        assert process.stdin is not None
        with suppress(OSError):  # it may have ended already; then its exit status says more
            process.stdin.write(encode(self._job) + b"\n")
            process.stdin.flush()
        return process

    def answer(self) -> Answer | None:
        """What it said, or why it said nothing; None while it works."""
        if self._process.poll() is None:
            return self._overdue()
        file = self._folder / child.ANSWER
        try:
            if file.stat().st_size <= MAX_ANSWER_BYTES:
                return decode_answer(file.read_bytes())
        except (OSError, ValueError):
            return Answer(failure=self._fallen())
        return Answer(failure=Failure(LIMIT, f"its answer has more than {MAX_ANSWER_BYTES // 1_000_000} MB"))

    def _overdue(self) -> Answer | None:
        limits, took = self._job.limits, time.monotonic() - self._began
        if is_remote(self._job.source) and not (self._folder / child.PHASE).exists():
            if took <= limits.fetch_seconds:
                return None
            self.stop()
            return Answer(failure=Failure(NETWORK, f"not fetched after {limits.fetch_seconds:,.0f} s"))
        most = limits.seconds + (limits.fetch_seconds if is_remote(self._job.source) else 0)
        if took <= most:
            return None
        self.stop()
        return Answer(failure=Failure(LIMIT, f"not reviewed after {most:,.0f} s"))

    def _fallen(self) -> Failure:
        """Tell a limit that struck before it could say so from what may pass."""
        tail, limits = self._tail(), self._job.limits
        if self._process.returncode == -_OUT_OF_TIME:
            return Failure(LIMIT, f"used more processor time than {limits.seconds:,.0f} s")
        if any(words in tail for words in _NO_MEMORY):  # not always last: an interpreter without memory ends badly, too
            return Failure(LIMIT, f"needs more than {limits.memory // 1_000_000:,} MB")
        return Failure(CRASHED, self._last_words(tail))

    def _tail(self) -> str:
        self._said.seek(max(0, self._said.seek(0, os.SEEK_END) - _LAST_WORDS))
        return self._said.read(_LAST_WORDS).decode("utf-8", "replace")

    def _last_words(self, tail: str) -> str:
        """How it ended and the last line that it wrote."""
        code = self._process.returncode
        how = f"signal {-code}" if code < 0 else f"status {code}"
        lines = tail.strip().splitlines()
        return f"the process ended with {how}" + (f": {lines[-1][:300]}" if lines else "")

    def stop(self) -> None:
        """End it and all that it started, and wait for that."""
        with suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        with suppress(subprocess.TimeoutExpired):  # stuck in the kernel: it holds nothing of ours but its folder
            self._process.wait(_REAPING)

    def close(self) -> None:
        """End it if it still runs, and remove its folder."""
        if self._process.poll() is None:
            self.stop()
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        self._said.close()
        shutil.rmtree(self._folder, ignore_errors=True)
