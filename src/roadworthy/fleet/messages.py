"""What passes between the engine of a fleet and the process that looks at one repository. Both ends decode strictly: one is hostile."""

from __future__ import annotations

import msgspec

MAX_ANSWER_BYTES = 64_000_000
"""A process whose answer is larger is not believed."""


class Limits(msgspec.Struct, frozen=True):
    """What one repository may use."""

    seconds: float = 600.0  # of one review, by the clock
    fetch_seconds: float = 300.0  # of one download
    memory: int = 4_000_000_000  # bytes of address space
    files: int = 100_000
    tree: int = 1_000_000_000  # bytes of what is written out to be read
    attempts: int = 4  # of what may pass; what cannot is tried once


class Job(msgspec.Struct, frozen=True):
    """What a process is asked: the commit of a revision, or, where `commit` is given, its review."""

    source: str
    limits: Limits
    revision: str = ""
    commit: str = ""
    areas: tuple[str, ...] = ()
    settings: str = "{}"  # a table of roadworthy.toml, as JSON
    settings_folder: str = ""  # what its paths are relative to


class Failure(msgspec.Struct, frozen=True):
    """Why there is no answer."""

    kind: str  # one of failures.PERMANENT or failures.TRANSIENT
    reason: str


class StoredFinding(msgspec.Struct, frozen=True, order=True):
    """A finding as the portfolio needs it."""

    fingerprint: str
    rule: str
    pillar: str
    severity: str
    confidence: str
    path: str
    line: int
    function: str
    title: str
    issue: str
    impact: str
    fix: str
    subject: str = ""
    code: str = ""  # digest of the lines, whatever the file and however set in: equal in copies


class Reviewed(msgspec.Struct, frozen=True):
    """A whole review."""

    findings: tuple[StoredFinding, ...] = ()
    problems: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()  # importable at the top of the repository
    files: int = 0
    lines: int = 0


class Answer(msgspec.Struct, frozen=True):
    """What a process says: exactly one of these is given."""

    commit: str = ""
    review: Reviewed | None = None
    failure: Failure | None = None


def encode(message: Job | Answer | Reviewed) -> bytes:
    """Write a message as one line of JSON."""
    return msgspec.json.encode(message)


def decode_job(data: bytes) -> Job:
    """Read a job. Raises ValueError."""
    return msgspec.json.decode(data, type=Job)


def decode_answer(data: bytes) -> Answer:
    """Read an answer. Raises ValueError."""
    return msgspec.json.decode(data, type=Answer)
