"""Fixtures of the tests against a provider; what needs the model library is imported inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.project import write_project
from roadworthy.config import Settings
from roadworthy.engine import STAGES, Project, survey
from roadworthy.engine.run import judge

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from roadworthy.findings.finding import Review


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small service, surveyed."""
    return survey([write_project(tmp_path_factory.mktemp("shop") / "shop")])


@pytest.fixture(scope="session")
def static(project: Project) -> Review:
    """Its static review: one finding."""
    found = judge(project, Settings(), STAGES)
    assert [f.rule for f in found.findings] == ["call-without-timeout"]
    return found


@pytest.fixture
def ask(project: Project, static: Review, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Review]:
    """Review with a provider; the journal lasts for the test."""
    from agent.reviewer import asking

    return asking(project, static, tmp_path, monkeypatch)
