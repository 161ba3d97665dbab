"""Placeholder until the library files are merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roadworthy.knowledge.index import Knowledge


def show_library(knowledge: Knowledge, name: str) -> str:
    """Say that nothing is known."""
    return f"No library file speaks of {name!r}.\n"
