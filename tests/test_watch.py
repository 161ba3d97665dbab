"""`review --watch` reports again when a file is saved, and survives a wrong configuration."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

ROOT = Path(__file__).parents[1]
NET = "import requests\n\n\ndef fetch(url):\n    return requests.get(url)\n"


@contextmanager
def _command(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "roadworthy", "review", "--watch", "--jobs", "1", *words, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _lines(stream: IO[str] | None) -> Iterator[str]:
    """What comes within thirty seconds, line by line."""
    heard: queue.Queue[str] = queue.Queue()
    assert stream is not None
    threading.Thread(target=lambda: [heard.put(line) for line in stream], daemon=True).start()
    while True:
        yield heard.get(timeout=60)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="interrupts by a signal")
def test_a_save_is_reviewed(tmp_path: Path) -> None:
    """A finding comes and goes with what is saved; a new file counts; Ctrl-C ends it."""
    (tmp_path / "pyproject.toml").write_text("[tool.roadworthy]\nselect = ['call-without-timeout']\n")
    (tmp_path / "net.py").write_text(NET)
    with _command(tmp_path) as process:
        lines = _lines(process.stdout)
        assert any("net.py:5" in line for line in lines)
        (tmp_path / "net.py").write_text("\n" + NET)
        assert any("net.py:6" in line for line in lines)
        (tmp_path / "other.py").write_text("\n\n\n" + NET)
        assert any("other.py:8" in line for line in lines)
        (tmp_path / "pyproject.toml").write_text("[tool.roadworthy]\nselekt = []\n")
        assert any("pyproject.toml:2: key tool.roadworthy.selekt" in line for line in lines)
        (tmp_path / "pyproject.toml").write_text("[tool.roadworthy]\nselect = ['call-without-timeout']\n\n")
        assert any("other.py:8" in line for line in lines)
        process.send_signal(signal.SIGINT)
        assert any("interrupted" in line for line in lines)
        assert process.wait(10) == 130


def test_what_needs_one_review_is_refused(tmp_path: Path) -> None:
    """A report in a file, or for a machine, is of one review."""
    with _command(tmp_path, "--format", "json") as process:
        told, _ = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "--watch writes to the terminal only" in told
