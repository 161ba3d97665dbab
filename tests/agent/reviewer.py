"""What the tests of the agent share: minds that behave, and a review with little patience."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from agent.project import candidates, refutation, verdict
from agent.provider import Asked, Calls, Fault, Provider, call, report
from roadworthy.agent.budget import Limits
from roadworthy.agent.calls import Patience
from roadworthy.agent.run import Options, review_with_agent
from roadworthy.config import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from roadworthy.engine import Project
    from roadworthy.findings.finding import Review

QUICK = Patience(attempts=3, first_wait=0.01, longest_wait=0.3, answer_within=5)
PATIENT = Limits(seconds=20)
FLAVOURS = ("openai-chat:scripted", "anthropic:scripted")


def good(asked: Asked) -> Calls:
    """Confirms the finding, finds one more, stands by it."""
    answers = {"triage": verdict(), "explore": candidates(), "refute": refutation()}
    return report(answers[asked.kind])


def careful(asked: Asked) -> Calls:
    """As good, but looks before it judges."""
    return good(asked) if asked.results else call("Read", path="app/main.py")


def once(fault: Fault, at: int = 0) -> Callable[[Asked], Calls | Fault]:
    """Good, but for one request."""
    return lambda asked: fault if asked.number == at else good(asked)


def asking(project: Project, static: Review, state: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Review]:
    """A function that reviews with a provider; the journal is in `state`."""

    def run(provider: Provider, model: str = FLAVOURS[0], **more: object) -> Review:
        for name, value in provider.environment.items():
            monkeypatch.setenv(name, value)
        options = Options(model, state, PATIENT, QUICK)
        return review_with_agent(project, static, Settings(), replace(options, **more))

    return run
