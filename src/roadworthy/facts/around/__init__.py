"""Placeholder until the readers of files around Python are merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roadworthy.facts.schema import AuxFacts


def wants(path: str) -> bool:
    """Tell whether the file is read."""
    return path.endswith(".sql")


def extract_around(path: str, data: bytes) -> AuxFacts | None:
    """Return nothing."""
    return None
