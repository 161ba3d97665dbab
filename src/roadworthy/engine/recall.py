"""What the rules found on the same facts before: a review of an unchanged tree needs no model.

Findings depend on facts, roles, knowledge, the rules that run and this program, on nothing else; the digest of these is the
name under which they are kept, beside the facts. Like those they are never needed and never believed blindly.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from roadworthy.engine.found import Found
from roadworthy.engine.ruleset import infos_of, ruleset_version
from roadworthy.engine.sift import wanted
from roadworthy.engine.stages import STAGES
from roadworthy.facts.cache import FactsCache
from roadworthy.text.places import cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from roadworthy.config import Settings
    from roadworthy.engine.stages import Stages
    from roadworthy.facts.load import Loaded

_PACK = msgspec.msgpack.Encoder().encode
_UNPACK = msgspec.msgpack.Decoder(Found).decode


class Recall:
    """The findings on one set of facts, under one choice of rules."""

    def __init__(self, loaded: Loaded, settings: Settings, stages: Stages) -> None:
        """Nothing is kept where there is no cache, where a file could not be read, or where the stages are not our own."""
        usable = settings.cache and bool(loaded.key) and stages is STAGES
        self._cache = FactsCache(cache_folder() if usable else None)
        self._key = _key(loaded.key, settings, stages) if self._cache.works else b""

    def found(self) -> Found | None:
        """Return what was found before, or None."""
        if not self._cache.works:
            return None
        for _, payload in self._cache.get([self._key]):
            try:
                return _UNPACK(payload)
            except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
                return None
        return None

    def keep(self, found: Found) -> None:
        """Remember what was found, unless a rule crashed."""
        if self._cache.works and not found.crashes:
            self._cache.put([(self._key, _PACK(found))])


def _key(facts: bytes, settings: Settings, stages: Stages) -> bytes:
    digest = hashlib.blake2b(facts, digest_size=20, person=b"findings")
    digest.update(ruleset_version().encode())
    for info in infos_of(stages):
        if wanted(info, settings):
            digest.update(info.id.encode() + b"\0")
    for file in _files(settings.libraries):
        digest.update(hashlib.blake2b(file.read_bytes()).digest())
    return digest.digest()


def _files(paths: Iterable[Path]) -> Iterable[Path]:
    for path in paths:
        yield from sorted(path.rglob("*.toml")) if path.is_dir() else (path,)
