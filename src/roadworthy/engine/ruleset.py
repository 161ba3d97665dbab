"""Which rules there are, and the version of everything in this program that decides what is found."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from roadworthy.engine.stages import STAGES
from roadworthy.facts.cache import FactsCache
from roadworthy.findings.finding import RuleInfo
from roadworthy.text.places import cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.engine.stages import Stages

_PARTS = ("text", "facts", "knowledge", "project", "rules", "findings", "engine", "advice", "config")
FLEET_PARTS = (*_PARTS, "fleet")
_HERE = Path(__file__).parent.parent
_PACK = msgspec.msgpack.Encoder().encode


class _Known(msgspec.Struct, frozen=True):
    """What is kept of this program between two runs of it."""

    version: str
    infos: tuple[RuleInfo, ...]


def infos_of(stages: Stages) -> tuple[RuleInfo, ...]:
    """What reports may say about the rules. Our own are not imported for it where the cache knows them: with the model
    that they ask, they are most of the start-up."""
    return _known().infos if stages is STAGES else tuple(rule.info for rule in stages.rules())


def ruleset_version() -> str:
    """Digest of everything in this program that decides what is found: 16 hexadecimal digits."""
    return _known().version


def version_of(parts: tuple[str, ...]) -> str:
    """Digest of these parts of the program."""
    digest = hashlib.blake2b(digest_size=8)
    for name, path, _ in _files(parts):
        digest.update(f"{name}\0".encode())
        digest.update(hashlib.blake2b(Path(path).read_bytes()).digest())
    return digest.hexdigest()


@cache
def _known() -> _Known:
    """Kept in the cache under names, sizes and times of the program's files: to read them all takes longer."""
    kept = FactsCache(cache_folder())
    key = _stamp()
    for _, payload in kept.get([key]):
        try:
            return msgspec.msgpack.decode(payload, type=_Known)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            break  # never believed blindly
    known = _Known(version_of(_PARTS), tuple(rule.info for rule in STAGES.rules()))
    kept.put([(key, _PACK(known))])
    return known


def _stamp() -> bytes:
    digest = hashlib.blake2b(os.fsencode(_HERE), digest_size=20, person=b"program")
    for name, _, stat in _files(_PARTS):
        digest.update(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
    return digest.digest()


def _files(parts: tuple[str, ...]) -> Iterator[tuple[str, str, os.stat_result]]:
    """(name from the package, path, status) of code and data, in order."""
    for part in parts:
        found = sorted(_under(str(_HERE / part), part))
        yield from ((name, path, Path(path).stat()) for name, path in found)


def _under(folder: str, name: str) -> Iterator[tuple[str, str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            inner = f"{name}/{entry.name}"
            if entry.is_dir():
                yield from _under(entry.path, inner)
            elif entry.name.endswith((".py", ".toml")):
                yield inner, entry.path
