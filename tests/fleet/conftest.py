"""Stores of both kinds: every test that takes `place` runs against a file and against a PostgreSQL server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fleet.postgres_server import Server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """One server for all tests of this process."""
    if os.name != "posix":
        pytest.skip("sockets and signals")
    from fleet.postgres_server import Server, missing

    if why := missing():
        pytest.skip(why)
    server = Server()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a new store is."""
    if request.param == "sqlite":
        return tmp_path / "s.sqlite"
    server: Server = request.getfixturevalue("postgres")
    return server.database()
