"""The option `--agent`: from words to the agent's options."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from roadworthy.config import Settings, UsageError
from roadworthy.engine import Project
from roadworthy.findings.finding import Review
from roadworthy.text.places import state_folder

MODEL_VARIABLE = "ROADWORTHY_MODEL"
_NEEDED = "the agent needs an extra: pip install 'roadworthy[agent]'"


@dataclass(frozen=True, slots=True)
class AgentRequest:
    """What the command line says of the agent; empty words were not written."""

    model: str = ""
    tokens: int | None = None
    dollars: str = ""
    minutes: float | None = None
    fresh: bool = False


def named_model(request: AgentRequest) -> str:
    """The model to ask. Raises UsageError when nobody named one: there is no default that sends code to a company."""
    name = request.model or os.environ.get(MODEL_VARIABLE, "")
    if not name:
        raise UsageError(
            f"--agent needs a model: --model PROVIDER:NAME (or {MODEL_VARIABLE}), such as anthropic:NAME or openai-chat:NAME"
        )
    return name


def agent_review(
    project: Project,
    review: Review,
    settings: Settings,
    request: AgentRequest,
    progress: Callable[[str, int, int], None],
) -> Review:
    """Let the agent judge and complete a static review."""
    try:
        from roadworthy.agent.budget import Limits
        from roadworthy.agent.run import Options, review_with_agent
    except ImportError as error:
        raise UsageError(_NEEDED) from error
    state = state_folder()
    if state is None:
        raise UsageError("the agent needs a folder for its journal: set ROADWORTHY_STATE")
    given = Limits()
    limits = Limits(
        tokens=given.tokens if request.tokens is None else request.tokens,
        dollars=_money(request.dollars),
        seconds=given.seconds if request.minutes is None else 60 * request.minutes,
    )
    options = Options(named_model(request), state, limits, fresh=request.fresh)
    return review_with_agent(project, review, settings, options, progress)


def _money(text: str) -> Decimal | None:
    if not text:
        return None
    try:
        amount = Decimal(text.removeprefix("$"))
    except InvalidOperation:
        raise UsageError(f"--max-cost {text}: an amount in US dollars, such as 2.50") from None
    if not amount.is_finite() or amount <= 0:
        raise UsageError(f"--max-cost {text}: an amount above zero")
    return amount
