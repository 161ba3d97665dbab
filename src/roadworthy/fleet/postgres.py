"""A database that a team shares: PostgreSQL, through psycopg 3 (`pip install 'roadworthy[fleet]'`)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from roadworthy.fleet.database import Dialect, StoreError, Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SCHEMES = ("postgresql://", "postgres://")

_LOCK = 7_233_829_114_530_301  # any number that nobody else in this database takes


class Postgres:
    """For one thread. Nothing waits for ever: not the connection, not a statement, not a lock."""

    dialect = Dialect(
        number="BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        integer="BIGINT",
        real="DOUBLE PRECISION",
        text='TEXT COLLATE "C"',
        keyed="",
        skip_locked=" FOR UPDATE SKIP LOCKED",
        pillar="finding::json ->> 'pillar'",
    )

    def __init__(self, url: str) -> None:
        """Connect. Raises StoreError."""
        try:
            import psycopg
        except ImportError:
            raise StoreError("a store in PostgreSQL needs more: pip install 'roadworthy[fleet]'") from None
        from psycopg.conninfo import conninfo_to_dict

        self._driver = psycopg
        self._place = "the database"
        with self._failures():
            given = conninfo_to_dict(url)
            self._place = f"the database {given.get('dbname') or ''} at {given.get('host') or 'this machine'}"
            self._connection = psycopg.connect(
                url,
                autocommit=True,
                prepare_threshold=None,  # so that a pooler may stand between
                connect_timeout=10,
                keepalives_idle=30,
                tcp_user_timeout=60_000,
                options="-c statement_timeout=60000 -c lock_timeout=30000 -c idle_in_transaction_session_timeout=60000"
                f" {given.get('options') or ''}",
            )

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except self._driver.Error as error:
            raise StoreError(f"{self._place}: {' '.join(str(error).split())}") from error

    def now(self) -> float:
        """Return the server's time: clocks of workers differ."""
        return float(str(self.all("SELECT extract(epoch FROM clock_timestamp())::float8")[0][0]))

    def version(self) -> int:
        """Kept in a table of its own, which is not there in a new database."""
        # Asked of the catalogue itself: `to_regclass` may answer from before the lock that we waited for.
        if not self.all("SELECT 1 FROM pg_class WHERE relname = 'roadworthy_version' AND pg_table_is_visible(oid)"):
            return 0
        return int(str(self.all("SELECT max(version) FROM roadworthy_version")[0][0]))

    def set_version(self, version: int) -> None:
        """A row for each migration says when it was."""
        self.changes(
            "CREATE TABLE IF NOT EXISTS roadworthy_version (version BIGINT PRIMARY KEY, since TIMESTAMPTZ DEFAULT now())"
        )
        self.changes("INSERT INTO roadworthy_version (version) VALUES (?) ON CONFLICT DO NOTHING", version)

    def changes(self, statement: str, *values: Value) -> int:
        """Run a statement; how many rows it changed."""
        with self._failures():
            return self._connection.execute(_worded(statement), values).rowcount

    def all(self, statement: str, *values: Value) -> list[tuple[object, ...]]:
        """Run a statement; its rows."""
        with self._failures():
            return list(self._connection.execute(_worded(statement), values).fetchall())

    def many(self, statement: str, rows: Sequence[tuple[Value, ...]]) -> None:
        """Run a statement for each row."""
        with self._failures(), self._connection.cursor() as cursor:
            cursor.executemany(_worded(statement), rows)

    @contextmanager
    def writing(self, alone: bool = False) -> Iterator[None]:
        """Run what is inside as one transaction; the lock of those who want to be alone ends with it."""
        with self._failures(), self._connection.transaction():
            if alone:
                self._connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            yield

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()


def _worded(statement: str) -> bytes:
    return statement.replace("?", "%s").encode()
