"""What a store asks of a database. Two speak it, SQLite and PostgreSQL; what differs between them in words stands in a dialect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

Value = str | float | int | None


class StoreError(Exception):
    """The store cannot be used; the message says why, without a password."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """The words in which the two differ."""

    number: str  # a key that counts by itself
    integer: str
    real: str
    text: str  # ordered by bytes, so that both list alike
    keyed: str  # of a table that is stored by its key
    skip_locked: str  # what another is just claiming is not waited for
    pillar: str  # of the finding in the column `finding`


class Database(Protocol):
    """One connection. Every failure of the driver is a StoreError. Placeholders are `?`, and no statement holds another `?`."""

    @property
    def dialect(self) -> Dialect:
        """Its words."""

    def now(self) -> float:
        """Seconds since 1970 on the one clock that all who use this database share."""

    def version(self) -> int:
        """How many migrations it has had."""

    def set_version(self, version: int) -> None:
        """Note that; within the transaction of the migration."""

    def changes(self, statement: str, *values: Value) -> int:
        """Run a statement; how many rows it changed."""

    def all(self, statement: str, *values: Value) -> list[tuple[object, ...]]:
        """Run a statement; its rows."""

    def many(self, statement: str, rows: Sequence[tuple[Value, ...]]) -> None:
        """Run a statement for each row."""

    def writing(self, alone: bool = False) -> AbstractContextManager[None]:
        """Run what is inside as one transaction; `alone`: one connection at a time is in such a block."""

    def close(self) -> None:
        """Let go of it."""
