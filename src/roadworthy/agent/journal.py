"""Every answer of a model, on disk before anybody acts on it: a killed run goes on where it was and pays for nothing twice.

An answer is found by the digest of the whole question (model, conversation so far, tools), so what changed in the tree is asked anew and
the rest is not. One process at a time: the first to come holds the lock until it ends, however it ends.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_VERSION = 1
_KEPT_SECONDS = 90 * 24 * 3600

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    question TEXT PRIMARY KEY,
    model TEXT NOT NULL,
    answer BLOB NOT NULL,
    answered_at REAL NOT NULL
) WITHOUT ROWID
"""


class JournalError(Exception):
    """The journal cannot be used; the message says why in a few words."""


class Journal:
    """Answers by the digest of their question."""

    def __init__(self, file: Path, *, fresh: bool = False, clock: Callable[[], float] = time.time) -> None:
        """Open or make the file, and hold it. `fresh` forgets what it knows. Raises JournalError."""
        self._clock = clock
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))  # answers quote code: nobody else's business
            # used from threads of the event loop, by one conversation at a time
            self._connection = sqlite3.connect(file, timeout=0, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise JournalError(f"{file}: {error}") from error
        try:
            self._prepare(fresh)
        except sqlite3.Error as error:
            self._connection.close()
            if "locked" in str(error):
                raise JournalError("another agent review of this project is running") from error
            raise JournalError(f"{file}: {error}; move it away to begin anew") from error

    def _prepare(self, fresh: bool) -> None:
        run = self._connection.execute
        run("PRAGMA locking_mode = EXCLUSIVE")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")  # an acknowledged answer survives a power cut, too
        with closing(run("PRAGMA user_version")) as rows:
            version = rows.fetchone()[0]
        run("BEGIN IMMEDIATE")
        if version not in (0, _VERSION) or fresh:
            run("DROP TABLE IF EXISTS answers")
        run(_SCHEMA)
        run(f"PRAGMA user_version = {_VERSION}")
        run("DELETE FROM answers WHERE answered_at < ?", (self._clock() - _KEPT_SECONDS,))
        run("COMMIT")

    def recall(self, question: str) -> bytes | None:
        """The recorded answer to a question, if there is one."""
        with closing(self._connection.execute("SELECT answer FROM answers WHERE question = ?", (question,))) as rows:
            row = rows.fetchone()
        return None if row is None else bytes(row[0])

    def record(self, question: str, model: str, answer: bytes) -> None:
        """Write an answer; it is on disk when this returns. Raises JournalError, and then the answer must not be used."""
        try:
            self._connection.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", (question, model, answer, self._clock())
            )
        except sqlite3.Error as error:
            raise JournalError(f"an answer could not be written: {error}") from error

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
