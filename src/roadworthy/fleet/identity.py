"""Names that are the same whoever computes them and whenever: of a review, and of the program that works at it."""

from __future__ import annotations

import hashlib
from functools import cache

from roadworthy.engine.ruleset import FLEET_PARTS, version_of


@cache
def program_version() -> str:
    """Digest of what decides what is found and how a fleet is worked at."""
    return version_of(FLEET_PARTS)


def digest_of(*words: str) -> str:
    """32 hexadecimal digits of these words, in this order."""
    text = "".join(f"{len(word)}:{word}" for word in words)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def review_id(fleet: str, repository: str, commit: str, ruleset: str) -> str:
    """The name of a review. Whoever asks for the same again gets the one that is there."""
    return digest_of(fleet, repository, commit, ruleset)
