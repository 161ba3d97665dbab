"""Library files -> `Knowledge`, compiled once and kept in the user's cache folder."""

from __future__ import annotations

import gc
import hashlib
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from roadworthy.knowledge.index import Knowledge
from roadworthy.knowledge.tables import Tables, compile_tables
from roadworthy.knowledge.toml_file import KnowledgeError, read_library
from roadworthy.knowledge.validate import validate
from roadworthy.text.places import cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roadworthy.knowledge.schema import Library

__all__ = ["LIBRARIES", "KnowledgeError", "load_knowledge", "read_libraries"]

LIBRARIES = Path(__file__).parent / "libraries"
"""Where the built-in files lie."""

_KEPT = 8  # compiled files of other versions and projects that stay in the cache
_MOST_FILES = 1000  # in a project's own folder


def load_knowledge(extra: tuple[Path, ...] = ()) -> Knowledge:
    """All built-in libraries and a project's own (`extra`: files, or folders of `*.toml`). Raises KnowledgeError."""
    built_in = _files_of(LIBRARIES)
    theirs = [file for path in extra for file in _extra_files(path)]
    cache = _cache_file(built_in, theirs)
    tables = _read_cache(cache) if cache else None
    if tables is None:
        tables = compile_tables(
            [library for library, _ in read_libraries(built_in)],
            read_libraries(theirs),
        )
        if cache:
            _write_cache(cache, tables)
    return Knowledge(tables)


def read_libraries(files: Sequence[Path]) -> list[tuple[Library, str]]:
    """Each file's library with the label by which messages name it. Raises KnowledgeError."""
    found: list[tuple[Library, str]] = []
    names: dict[str, str] = {}
    for file in files:
        label = file.name if file.parent == LIBRARIES else str(file)
        library, text = read_library(file, label)
        validate(library, text, label)
        other = names.setdefault(library.library, label)
        if other != label:
            raise KnowledgeError(label, 1, "library", f"{library.library!r} is described by {other} already")
        found.append((library, label))
    return found


def _files_of(folder: Path) -> list[Path]:
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.name.endswith(".toml"))
    except OSError as error:
        raise KnowledgeError(str(folder), 0, "", f"cannot be read: {error.strerror or error}") from None
    if len(names) > _MOST_FILES:
        raise KnowledgeError(str(folder), 0, "", f"holds more than {_MOST_FILES} files")
    return [folder / name for name in names]


def _extra_files(path: Path) -> list[Path]:
    return _files_of(path) if path.is_dir() else [path]


# --- the cache: <digest of the payload> <payload>, in a file named after what it was made from -----------------------

_DIGEST = 16


def _cache_file(built_in: Sequence[Path], extra: Sequence[Path]) -> Path | None:
    """Named by path, size and time of every file it depends on, our own code included. None: no cache."""
    folder = cache_folder()
    if folder is None:
        return None
    digest = hashlib.blake2b(digest_size=_DIGEST)
    code = sorted(Path(__file__).parent.glob("*.py"))
    for file in (*code, *built_in, *extra):
        try:
            stat = file.stat()
        except OSError as error:
            raise KnowledgeError(str(file), 0, "", f"cannot be read: {error.strerror or error}") from None
        digest.update(f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode("utf-8", "surrogateescape"))
    return folder / f"knowledge-{digest.hexdigest()}.msgpack"


def _read_cache(file: Path) -> Tables | None:
    try:
        data = file.read_bytes()
    except OSError:
        return None
    payload = memoryview(data)[_DIGEST:]
    if _checksum(payload) != data[:_DIGEST]:
        return None
    with _collector_off():
        try:
            return msgspec.msgpack.decode(payload, type=Tables)
        except (msgspec.DecodeError, RecursionError):
            return None


def _write_cache(file: Path, tables: Tables) -> None:
    """Best effort: a cache that cannot be written only costs time."""
    payload = msgspec.msgpack.encode(tables)
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(_checksum(payload) + payload)
        part.replace(file)
        _drop_old(file.parent)
    with suppress(OSError):
        part.unlink(missing_ok=True)


def _drop_old(folder: Path) -> None:
    stored = sorted(folder.glob("knowledge-*.msgpack"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
    for file in stored[_KEPT:]:
        file.unlink(missing_ok=True)


def _checksum(payload: bytes | memoryview) -> bytes:
    return hashlib.blake2b(payload, digest_size=_DIGEST).digest()


@contextmanager
def _collector_off() -> Iterator[None]:
    """Decoding makes many values that all stay: looking for garbage among them only costs time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
