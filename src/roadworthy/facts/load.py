"""The facts of all files of a tree: what is cached is read, the rest is extracted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

import msgspec

from roadworthy.facts.cache import FactsCache, facts_key
from roadworthy.facts.pool import run
from roadworthy.facts.schema import AuxFacts, FileFacts
from roadworthy.facts.worker import Result, Task
from roadworthy.text.roles import content_role
from roadworthy.text.source import GiantError, Kind, Role, SourceFile, UnreadableError, read_file

_FLUSH = 16_000_000
_ONLY_GENERATED = 10

_FILES = msgspec.msgpack.Decoder(FileFacts)
_AROUND = msgspec.msgpack.Decoder(AuxFacts | None)

Progress = Callable[[str, int, int], None]
"""(stage, done, total)."""


def no_progress(stage: str, done: int, total: int) -> None:
    """Show nothing."""


@dataclass(frozen=True, slots=True)
class Extractor:
    """Reads one file and packs what its reader says of it. Sent to child processes."""

    python: Callable[[str, bytes], FileFacts]
    around: Callable[[str, bytes], AuxFacts | None]

    def __call__(self, kind: str, path: str, full: str) -> bytes:
        """Packed facts of the file at `full`, called `path`."""
        data = read_file(full)
        read = self.python if kind == Kind.PYTHON.value else self.around
        return msgspec.msgpack.encode(read(path, data))


@dataclass(frozen=True, slots=True)
class Loaded:
    """All facts in the order of the files, and what could not be read."""

    python: tuple[FileFacts, ...]
    around: tuple[AuxFacts, ...]
    roles: dict[str, Role]
    problems: tuple[tuple[str, str], ...]  # path, message
    notes: tuple[str, ...] = ()
    key: bytes = b""  # the same whenever all facts and roles are; empty where that is not known


@dataclass(slots=True)
class _Job:
    """One file on its way to facts."""

    file: SourceFile
    size: int
    key: bytes
    facts: FileFacts | AuxFacts | None = None
    done: bool = False


@dataclass(slots=True)
class _Load:
    """State of one load."""

    cache: FactsCache
    version: bytes
    progress: Progress
    problems: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def load_facts(
    files: Sequence[SourceFile],
    extract: Extractor,
    *,
    cache: FactsCache,
    version: bytes,
    jobs: int,
    progress: Progress = no_progress,
) -> Loaded:
    """Facts of every reviewed file. A file that cannot be read is a problem, never an exception."""
    load = _Load(cache, version, progress)
    looked = _look(load, files)
    work = _only_reviewed(looked)
    _from_cache(load, work)
    _from_files(load, [job for job in work if not job.done], extract, jobs)
    facts = [job.facts for job in work]
    return Loaded(
        python=tuple(one for one in facts if isinstance(one, FileFacts)),
        around=tuple(one for one in facts if isinstance(one, AuxFacts)),
        roles={job.file.path: job.file.role for job in looked},
        problems=tuple(sorted(load.problems)),
        notes=tuple(load.notes),
        key=_key(load, looked),
    )


def _key(load: _Load, looked: Sequence[_Job]) -> bytes:
    """Digest of all files and their roles. What could not be read this time may be read the next: then there is none."""
    if load.problems or not all(job.key for job in looked):
        return b""
    digest = hashlib.blake2b(digest_size=20)
    for job in looked:
        digest.update(job.key)
        digest.update(job.file.role.value.encode() + b"\0")
    return digest.digest()


def _look(load: _Load, files: Sequence[SourceFile]) -> list[_Job]:
    """Read each file once for its key and for the role that its content tells."""
    jobs: list[_Job] = []
    for number, file in enumerate(files):
        if not file.role.reviewed:
            continue
        load.progress("reading", number, len(files))
        try:
            data = read_file(file.full)
        except UnreadableError as error:
            if isinstance(error, GiantError) and file.kind is Kind.AROUND:
                load.notes.append(f"{file.path} {error} and was not read")  # a dump of data, hardly a schema
            else:
                load.problems.append((file.path, str(error)))
            continue
        if file.kind is Kind.PYTHON and not file.named:
            file = replace(file, role=content_role(file.path, file.role, data))
        key = facts_key(load.version, file.kind.value, file.path, data) if load.cache.works else b""
        jobs.append(_Job(file, len(data), key))
    return jobs


def _only_reviewed(jobs: list[_Job]) -> list[_Job]:
    """Leave generated code out, unless the project is little else: then that is what runs."""
    roles = [job.file.role for job in jobs if job.file.kind is Kind.PYTHON]
    if roles.count(Role.GENERATED) > _ONLY_GENERATED * roles.count(Role.PRODUCTION):
        for job in jobs:
            if job.file.role is Role.GENERATED:
                job.file = replace(job.file, role=Role.PRODUCTION)
    return [job for job in jobs if job.file.role.reviewed]


def _from_cache(load: _Load, work: list[_Job]) -> None:
    """Fill in what is known already."""
    by_key = {job.key: job for job in work if job.key}
    for key, payload in load.cache.get(list(by_key)):
        job = by_key.get(key)
        if job is not None:
            _unpack(job, payload)


def _unpack(job: _Job, payload: bytes) -> bool:
    """Put packed facts into the job; False when they are not facts."""
    try:
        job.facts = _FILES.decode(payload) if job.file.kind is Kind.PYTHON else _AROUND.decode(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False
    job.done = True
    return True


def _from_files(load: _Load, work: list[_Job], extract: Extractor, jobs: int) -> None:
    """Extract what is not known, and keep it for the next time."""
    tasks = [Task(job.file.kind.value, job.file.path, job.file.full, job.size) for job in work]
    fresh: list[tuple[bytes, bytes]] = []
    waiting = 0
    with closing(_results(tasks, extract, jobs)) as results:
        for number, result in enumerate(results):
            load.progress("reading", number, len(tasks))
            job = work[result.index]
            if result.problem:
                load.problems.append((job.file.path, result.problem))
            elif not _unpack(job, result.payload):
                load.problems.append((job.file.path, "could not be read (its facts are too deep or broken)"))
            elif job.key:
                fresh.append((job.key, result.payload))
                waiting += len(result.payload)
            if waiting > _FLUSH:
                load.cache.put(fresh)
                fresh, waiting = [], 0
    if fresh:
        load.cache.put(fresh)


def _results(tasks: Sequence[Task], extract: Extractor, jobs: int) -> Generator[Result]:
    yield from run(tasks, extract, jobs=jobs)
