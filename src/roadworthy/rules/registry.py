"""Placeholder until the rules are merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from roadworthy.findings.finding import Finding, RuleInfo
    from roadworthy.project.model import Model


class Rule(Protocol):
    """What the engine needs of a rule."""

    @property
    def info(self) -> RuleInfo:
        """Return what a report may say about it."""

    def run(self, model: Model) -> Iterable[Finding]:
        """Judge."""


def load_rules() -> tuple[Rule, ...]:
    """Return no rules."""
    return ()
