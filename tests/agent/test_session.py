"""The recorded session on the example service: what the documentation shows is what happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("pydantic_ai")

import agent_session
from agent.session import recorded

if TYPE_CHECKING:
    from pathlib import Path


def test_the_page_is_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New findings with their evidence, one refuted, one of another severity; every quote stands in the file."""
    with recorded(tmp_path, monkeypatch.setenv) as session:
        text = agent_session.page(session)
        review = session.review
    assert review.complete
    assert {f.origin for f in review.findings} == {"both", "agent"}
    assert review.held_back == {"the agent's, refuted by its second pass": 1}
    assert sorted(f.anti_pattern for f in review.findings if f.origin == "agent") == [
        "dual-write",
        "missing-compensation",
        "window-without-mark",
    ]
    assert text == agent_session.PAGE.read_text(encoding="utf-8"), "run `python tools/agent_session.py`"
