"""A PostgreSQL of our own for tests and benches: in a new folder, on a socket in it, reachable by nobody else; gone when it is closed."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path


def missing() -> str:
    """Why there can be no server here; empty if there can."""
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "psycopg is not installed"
    if _program("initdb") is None:
        return "PostgreSQL's server is not installed"
    if os.geteuid() == 0 and _other_user() is None:
        return "PostgreSQL's server does not run as root, and there is no user to become"
    return ""


def _program(name: str) -> str | None:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, folders)]))


def _other_user() -> pwd.struct_passwd | None:
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    return None


class Server:
    """May be killed and started again."""

    def __init__(self, *, fsync: bool = False) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self._user = _other_user() if os.geteuid() == 0 else None
        self._fsync = fsync
        self._databases = 0
        if self._user:
            os.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
        words = ["-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        self._run(_program("initdb"), "-D", str(self._folder / "data"), *words).wait(60)
        self.start()

    def _run(self, *command: str | None) -> subprocess.Popen[bytes]:
        user = {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []} if self._user else {}
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                [str(word) for word in command],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                start_new_session=True,
                **user,
            )

    def start(self) -> None:
        """Start it and wait until it answers."""
        words = [
            "-c",
            "listen_addresses=",
            "-c",
            f"unix_socket_directories={self._folder}",
            "-c",
            "shared_buffers=16MB",
        ]
        words += ["-c", f"fsync={'on' if self._fsync else 'off'}"]
        self._process = self._run(_program("postgres"), "-D", str(self._folder / "data"), *words)
        import psycopg

        end = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
                return
            except psycopg.Error:
                if time.monotonic() > end or self._process.poll() is not None:
                    raise
                time.sleep(0.05)

    def url(self, database: str) -> str:
        """How a client finds it."""
        return f"postgresql:///{database}?host={self._folder}&user=tester"

    def database(self) -> str:
        """The URL of a new, empty database."""
        import psycopg

        self._databases += 1
        name = f"d{self._databases}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def kill(self) -> None:
        """All of it, at once, with `kill -9`, and wait until its children are gone, too."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(30)
        end = time.monotonic() + 10
        while _group_lives(self._process.pid) and time.monotonic() < end:
            time.sleep(0.02)

    def close(self) -> None:
        """End it and remove its folder."""
        with suppress(ProcessLookupError):
            self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
