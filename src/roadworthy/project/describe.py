"""Placeholder until the project model is merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roadworthy.project.model import Model


def describe(model: Model, name: str) -> str:
    """Say that nothing is known."""
    return f"{name}: no model yet\n"
