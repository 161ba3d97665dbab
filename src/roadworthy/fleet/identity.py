"""Names that are the same whoever computes them and whenever: of the rule set and of a review."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

_PARTS = ("text", "facts", "knowledge", "project", "rules", "findings", "engine", "advice", "config")


@cache
def ruleset_version() -> str:
    """Digest of everything in this program that decides what is found: 16 hexadecimal digits."""
    here = Path(__file__).parent.parent
    digest = hashlib.blake2b(digest_size=8)
    for part in _PARTS:
        for file in sorted((here / part).rglob("*")):
            if file.suffix in (".py", ".toml"):
                digest.update(f"{file.relative_to(here).as_posix()}\0".encode())
                digest.update(hashlib.blake2b(file.read_bytes()).digest())
    return digest.hexdigest()


def digest_of(*words: str) -> str:
    """32 hexadecimal digits of these words, in this order."""
    text = "".join(f"{len(word)}:{word}" for word in words)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def review_id(fleet: str, repository: str, commit: str, ruleset: str) -> str:
    """The name of a review. Whoever asks for the same again gets the one that is there."""
    return digest_of(fleet, repository, commit, ruleset)
