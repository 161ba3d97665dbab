"""What the rules said, before anything is held back."""

from __future__ import annotations

from dataclasses import dataclass

from roadworthy.findings.finding import Finding, Problem  # noqa: TC001 - read when findings are decoded


@dataclass(frozen=True, slots=True)
class Found:
    """Findings of the rules that ran to their end, and what became of the others."""

    findings: tuple[Finding, ...]
    crashes: tuple[Problem, ...]
    ran: frozenset[str]
