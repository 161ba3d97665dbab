"""Placeholder until the project model is merged."""

from __future__ import annotations


class Model:
    """An empty model."""
