"""Placeholder until the library loader is merged."""

from __future__ import annotations


class Knowledge:
    """Nothing is known."""
