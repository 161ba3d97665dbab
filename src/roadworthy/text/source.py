"""A file of the reviewed tree, before anybody has read it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from enum import Enum

MAX_BYTES = 5_000_000
"""Larger files are not read: hand-written code ends long before, and what is larger is data."""


class Role(Enum):
    """What a file is to the project; only some roles are reviewed."""

    PRODUCTION = "production"
    TEST = "test"
    MIGRATION = "migration"
    EXAMPLE = "example"
    SCRIPT = "script"
    GENERATED = "generated"

    @property
    def reviewed(self) -> bool:
        """True when facts are extracted: migrations hold the schema, scripts count one step less."""
        return self in (Role.PRODUCTION, Role.MIGRATION, Role.SCRIPT)


class Kind(Enum):
    """Which extractor reads the file."""

    PYTHON = "python"
    AROUND = "around"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file: `path` is what people read, `full` is what the system opens."""

    path: str  # relative to the root, forward slashes, always printable as UTF-8
    full: str
    kind: Kind
    role: Role
    named: bool = False  # lies in a folder that was asked for by name: its content does not change its role


class UnreadableError(Exception):
    """A file that cannot be reviewed; the message says why in a few words."""


class GiantError(UnreadableError):
    """A file too large to be anything that people wrote."""


def read_file(full: str, limit: int = MAX_BYTES) -> bytes:
    """Return the bytes of a regular file; a pipe, a device or a giant raises `UnreadableError` instead of hanging."""
    try:
        descriptor = os.open(full, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        raise UnreadableError(f"cannot be read: {reason(error)}") from error
    with os.fdopen(descriptor, "rb") as stream:
        try:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode):
                raise UnreadableError("is not a regular file")
            if about.st_size > limit:
                raise GiantError(f"is larger than {limit // 1_000_000} MB ({about.st_size // 1_000_000} MB)")
            return stream.read(limit + 1)
        except OSError as error:
            raise UnreadableError(f"cannot be read: {reason(error)}") from error


def reason(error: OSError | ValueError) -> str:
    """Return the cause of a failed system call without the path, which the caller names itself."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def printable(path: str) -> str:
    """`path` with forward slashes and without bytes that no encoding can print."""
    return os.fsencode(path.replace(os.sep, "/")).decode("utf-8", "backslashreplace")
