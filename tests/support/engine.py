"""The engine as the tests call it. The only test helper that runs the tool in memory."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roadworthy.findings.finding import Review
    from support.cases import Case
    from support.stages import Model

needs_engine = pytest.mark.skipif(
    importlib.util.find_spec("roadworthy.engine") is None,
    reason="src/roadworthy/engine.py is not there yet",
)


def review_case(case: Case, rules: Sequence[str]) -> Review:
    """Review the case's files in memory with these rules, what is for the pedantic included."""
    from roadworthy.engine import review_sources

    return review_sources(case.files, rules=rules)


def model_of_case(case: Case) -> Model:
    """The project model of the case's files."""
    from roadworthy.engine import model_of

    return model_of(case.files)
