"""Placeholder until the project model is merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.project.model import Model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from roadworthy.facts.schema import AuxFacts, FileFacts
    from roadworthy.knowledge.index import Knowledge


def build_model(
    files: Sequence[FileFacts], around: Sequence[AuxFacts], knowledge: Knowledge, roles: Mapping[str, str] | None = None
) -> Model:
    """Build an empty model."""
    return Model()
