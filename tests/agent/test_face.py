"""The words of the command line that concern the agent."""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from agent.project import write_project
from roadworthy.config import UsageError
from roadworthy.faces.agent import AgentRequest, named_model
from roadworthy.faces.reviewing import Request, perform
from test_cli import run

if TYPE_CHECKING:
    from pathlib import Path


def test_no_model_is_chosen_for_you(tmp_path: Path) -> None:
    """Code goes to no company that nobody named; said before any work."""
    done = run("review", "--agent", cwd=write_project(tmp_path / "shop"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "--agent needs a model" in done.stderr


def test_the_model_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line is stronger."""
    monkeypatch.setenv("ROADWORTHY_MODEL", "a:b")
    assert named_model(AgentRequest()) == "a:b"
    assert named_model(AgentRequest("c:d")) == "c:d"


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install."""
    monkeypatch.setitem(sys.modules, "roadworthy.agent.run", None)
    request = Request((write_project(tmp_path / "shop"),), agent=AgentRequest("test"), jobs=1)
    with pytest.raises(UsageError, match=r"pip install 'roadworthy\[agent\]'"):
        perform(request)


@pytest.mark.parametrize("amount", ["abc", "-1", "0", "NaN", "inf"])
def test_money_is_an_amount(amount: str) -> None:
    """Above zero."""
    from roadworthy.faces.agent import _money

    with pytest.raises(UsageError, match="--max-cost"):
        _money(amount)
    assert _money("$2.50") == Decimal("2.50")
    assert _money("") is None


def test_words_reach_the_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Model, budget and state folder; the report is the usual one, and the status says that not all was reviewed."""
    pytest.importorskip("pydantic_ai")
    monkeypatch.setenv("ROADWORTHY_STATE", str(tmp_path / "state"))
    root = write_project(tmp_path / "shop")
    request = Request((root,), format="markdown", agent=AgentRequest("test", tokens=1), jobs=1)
    assert perform(request) == 3
    out = capsys.readouterr().out
    assert "**Not reviewed**" in out
    assert "the budget of 1 tokens is used up" in out
    assert [path.suffix for path in (tmp_path / "state" / "agent").iterdir()] == [".sqlite"]


def test_a_wrong_model_is_a_wrong_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No such provider, or no key for it."""
    pytest.importorskip("pydantic_ai")
    monkeypatch.setenv("ROADWORTHY_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    root = write_project(tmp_path / "shop")
    for name in ("nobody:x", "nonsense", "anthropic:x"):
        with pytest.raises(UsageError, match=f"--model {name}"):
            perform(Request((root,), agent=AgentRequest(name), jobs=1))


def test_the_definition_is_printed() -> None:
    """Without any extra."""
    done = run("agent-definition")
    assert done.returncode == 0
    assert done.stdout.startswith("---\nname: production-hardening-reviewer\n")
