"""Names that are the same whoever computes them and whenever: of a review."""

from __future__ import annotations

import hashlib


def digest_of(*words: str) -> str:
    """32 hexadecimal digits of these words, in this order."""
    text = "".join(f"{len(word)}:{word}" for word in words)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def review_id(fleet: str, repository: str, commit: str, ruleset: str) -> str:
    """The name of a review. Whoever asks for the same again gets the one that is there."""
    return digest_of(fleet, repository, commit, ruleset)
