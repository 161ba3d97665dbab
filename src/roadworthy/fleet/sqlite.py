"""A database that is one file on a local disk."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from roadworthy.fleet.database import Dialect, StoreError, Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_BUSY_SECONDS = 30.0


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch the log. SQLite does not wait for its busy timeout here when another process is just switching. Raises sqlite3.Error."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        else:
            return
        time.sleep(random.uniform(0.005, 0.05))


class Sqlite:
    """For one thread; a writer has the file for itself."""

    dialect = Dialect(
        "INTEGER PRIMARY KEY", "INTEGER", "REAL", "TEXT", " WITHOUT ROWID", "", "json_extract(finding, '$.pillar')"
    )

    def __init__(self, file: Path) -> None:
        """Open or make the file. Raises StoreError."""
        self._file = file
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make(file)
            self._connection = sqlite3.connect(file, timeout=_BUSY_SECONDS, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{file}: {error}") from error
        try:
            with self._failures():
                _write_ahead(self._connection)
                self._connection.execute("PRAGMA synchronous = FULL")
        except StoreError:
            self._connection.close()
            raise

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"{self._file}: {error}") from error

    def now(self) -> float:
        """Return the time of this machine: the only one that has the file."""
        return time.time()

    def version(self) -> int:
        """Kept in the head of the file."""
        return int(str(self.all("PRAGMA user_version")[0][0]))

    def set_version(self, version: int) -> None:
        """Part of the transaction, as the tables are."""
        self.changes(f"PRAGMA user_version = {version:d}")

    def changes(self, statement: str, *values: Value) -> int:
        """Run a statement; how many rows it changed."""
        with self._failures(), closing(self._connection.execute(statement, values)) as done:
            return done.rowcount

    def all(self, statement: str, *values: Value) -> list[tuple[object, ...]]:
        """Run a statement; its rows."""
        with self._failures(), closing(self._connection.execute(statement, values)) as rows:
            return rows.fetchall()

    def many(self, statement: str, rows: Sequence[tuple[Value, ...]]) -> None:
        """Run a statement for each row."""
        with self._failures():
            self._connection.executemany(statement, rows)

    @contextmanager
    def writing(self, alone: bool = False) -> Iterator[None]:
        """A writer is always alone."""
        with self._failures():
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        with self._failures():
            self._connection.execute("COMMIT")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def _make(file: Path) -> None:
    """Make the file for nobody else: findings say where others are weak.

    One that is there is not touched: closing it would end the locks of every other connection of this process, and SQLite rely on them still.
    """
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
