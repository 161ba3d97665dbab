"""Placeholder until the around branch is merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roadworthy.facts.schema import AuxFacts


class Deployment:
    """Nothing is started."""


def build_deployment(around: Sequence[AuxFacts]) -> Deployment:
    """Nothing is known."""
    return Deployment()
