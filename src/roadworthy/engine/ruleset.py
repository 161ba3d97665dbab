"""The version of everything in this program that decides what is found."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

_PARTS = ("text", "facts", "knowledge", "project", "rules", "findings", "engine", "advice", "config")
FLEET_PARTS = (*_PARTS, "fleet")


@cache
def ruleset_version() -> str:
    """Digest of everything in this program that decides what is found: 16 hexadecimal digits."""
    return version_of(_PARTS)


def version_of(parts: tuple[str, ...]) -> str:
    """Digest of these parts of the program."""
    here = Path(__file__).parent.parent
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        for file in sorted((here / part).rglob("*")):
            if file.suffix in (".py", ".toml"):
                digest.update(f"{file.relative_to(here).as_posix()}\0".encode())
                digest.update(hashlib.blake2b(file.read_bytes()).digest())
    return digest.hexdigest()
