"""Placeholder until the around branch is merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roadworthy.facts.schema import AuxFacts


class Versions:
    """Everything is the newest."""

    def satisfies(self, distribution: str, specifier: str) -> bool:
        """Open-ended rows hold."""
        return specifier.startswith(">=") and "<" not in specifier and bool(distribution or True)


def build_versions(around: Sequence[AuxFacts]) -> Versions:
    """Nothing is known."""
    return Versions()
