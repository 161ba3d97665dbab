"""The agent with a model inside the process: no provider, no wire."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("pydantic_ai")

from pydantic_ai.messages import ModelMessage, ModelResponse, RetryFeedbackPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.usage import RequestUsage

from agent.project import COLUMN, candidates, refutation, verdict, write_project
from roadworthy.agent.budget import Limits
from roadworthy.agent.run import Options, review_with_agent
from roadworthy.agent.tools import NAMES
from roadworthy.config import Settings
from roadworthy.engine import STAGES, survey
from roadworthy.engine.run import judge
from test_cli import environment
from test_readonly import AUDIT, hostile_repository, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic_ai.models import Model

    from roadworthy.findings.finding import Review


def review(root: Path, model: Model, state: Path, settings: Settings | None = None, **limits: object) -> Review:
    settings = settings or Settings()
    project = survey([root], settings)
    options = Options(model, state, Limits(**limits))
    return review_with_agent(project, judge(project, settings, STAGES), settings, options)


def say(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Confirms, finds, stands by it; each answer costs a dollar."""
    task = str(messages[0].parts[0].content)
    answers = {"Judge this": verdict(), "Read these": candidates(), "Another re": refutation()}
    answer = answers[task[:10]]
    return ModelResponse([ToolCallPart("report", answer)], usage=RequestUsage(input_tokens=10, cost=Decimal(1)))


def elsewhere(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """As `say`, but all evidence of the new finding lies in another file."""
    if str(messages[0].parts[0].content).startswith("Read these"):
        return ModelResponse([ToolCallPart("report", candidates(COLUMN))])
    return say(messages, info)


def test_every_tool_may_be_called_and_nothing_is_written(tmp_path: Path) -> None:
    """pydantic-ai's TestModel calls all of them with made-up arguments and reports nonsense: none of it reaches the report."""
    root = write_project(tmp_path / "shop")
    before = snapshot(root)
    model = TestModel()
    outcome = review(root, model, tmp_path / "state")
    assert model.last_model_request_parameters is not None
    assert {tool.name for tool in model.last_model_request_parameters.function_tools} == set(NAMES)
    assert [f.origin for f in outcome.findings] == ["static"]
    assert snapshot(root) == before


def test_nothing_is_run_imported_or_written(tmp_path: Path) -> None:
    """The same trap as for a static review, with every tool called: no program, no connection, no write, no import."""
    root, mark, script = tmp_path / "tree", tmp_path / "mark", tmp_path / "audit.py"
    root.mkdir()
    script.write_text(AUDIT)
    hostile_repository(root, mark)
    (root / "app.py").write_text("import requests\n\n\ndef x(url):\n    return requests.get(url)\n")
    before = snapshot(root)
    command = [sys.executable, str(script), str(root), "review", "--agent", "--model", "test", "--fail-on", "never"]
    settings = environment(ROADWORTHY_STATE=str(tmp_path / "state"))
    done = subprocess.run(command, cwd=root, env=settings, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "judged 1 of 1 findings" in done.stdout
    assert not mark.exists()
    assert snapshot(root) == before


def test_what_each_tool_answers(tmp_path: Path) -> None:
    """As the model sees it."""
    root = write_project(tmp_path / "shop")
    asked = {
        "Glob": ({"pattern": "app/*.py"}, "app/main.py"),
        "Grep": ({"pattern": "requests.post"}, "app/main.py:15"),
        "Read": ({"path": "app/db.py", "line": 14}, "   14\t    __tablename__"),
        "Git": ({"command": "log"}, "error: this tree is in no git repository"),
        "Findings": ({"path": "app"}, "call-without-timeout"),
        "Model": ({"function": "pay"}, "app.main.pay  (function, app/main.py:12)"),
        "Patterns": ({}, ""),
        "Paths": ({"function": "pay"}, "from http-handler"),
    }
    seen: dict[str, str] = {}

    def ask_all(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        for part in messages[-1].parts:
            if isinstance(part, ToolReturnPart) and part.tool_name in asked:
                seen[part.tool_name] = str(part.content)
            assert not isinstance(part, RetryFeedbackPart)
        if len(messages) > 1:
            return say(messages, info)
        return ModelResponse([ToolCallPart(name, given) for name, (given, _) in asked.items()])

    review(root, FunctionModel(ask_all), tmp_path / "state")
    assert {name: expected in seen[name] for name, (_, expected) in asked.items()} == dict.fromkeys(asked, True)


def test_the_budget_in_money(tmp_path: Path) -> None:
    """Where the price is known, it stops in time and says what it did not review."""
    root = write_project(tmp_path / "shop")
    outcome = review(root, FunctionModel(say), tmp_path / "state", dollars=Decimal(2))
    assert [p.message.partition(": ")[2].partition(" (")[0] for p in outcome.problems] == [
        "the budget of $2 is used up; a higher one goes on from here"
    ]
    assert [f.origin for f in outcome.findings] == ["both"]
    assert review(root, FunctionModel(say), tmp_path / "state").complete


def test_configuration_holds_for_the_agent_too(tmp_path: Path) -> None:
    """Suppressed inline with a reason, ignored by pillar, outside the area."""
    root = write_project(tmp_path / "shop")
    ignored = review(root, FunctionModel(say), tmp_path / "a", Settings(ignore=("idempotency",)))
    assert [f.origin for f in ignored.findings] == ["both"]
    through = review(root, FunctionModel(say), tmp_path / "b", Settings(area="app/main.py"))
    assert [f.at.path for f in through.findings] == ["app/main.py", "app/db.py"]  # its evidence passes through the area
    outside = review(root, FunctionModel(elsewhere), tmp_path / "d", Settings(area="app/main.py"))
    assert (len(outside.findings), outside.held_back) == (1, {"outside the area": 1})
    db = root / "app" / "db.py"
    comment = (
        "order_id = Column(Integer)  # roadworthy: ignore[agent-missing-unique-constraint] one row for each attempt"
    )
    db.write_text(db.read_text().replace("order_id = Column(Integer)", comment))
    held = review(root, FunctionModel(say), tmp_path / "c")
    assert [f.origin for f in held.findings] == ["both"]
    assert held.held_back == {"suppressed inline": 1}
    assert not any("is no rule" in note for note in held.notes)
