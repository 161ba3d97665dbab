"""One question to the provider, asked durably: recorded answers first, then tries with a limit, backoff and jitter, each answer on disk first.

The provider's own client makes one attempt only: retries inside retries multiply.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import TypeAdapter
from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelAuthenticationError,
    ModelHTTPError,
    ModelNotFoundError,
    ModelQuotaExceededError,
    ModelRequestRejectedError,
    UserError,
)
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.tools import ToolDefinition
from pydantic_core import to_json

from roadworthy.agent.budget import StopError

if TYPE_CHECKING:
    from decimal import Decimal

    from pydantic_ai.models import Model, ModelRequestParameters
    from pydantic_ai.settings import ModelSettings

    from roadworthy.agent.budget import Budget
    from roadworthy.agent.journal import Journal

_HOPELESS = (ModelAuthenticationError, ModelNotFoundError, ModelQuotaExceededError)
_TRANSIENT_STATUS = frozenset({408, 409, 425, 429})

_ANSWER = TypeAdapter(ModelResponse)
_TOOLS = TypeAdapter(list[ToolDefinition])
_VOLATILE = frozenset({"timestamp"})


class OutageError(StopError):
    """The provider does not answer, or not us; the message says how."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a provider. Seconds."""

    attempts: int = 5
    first_wait: float = 1.0
    longest_wait: float = 60.0
    answer_within: float = 180.0


class DurableModel(WrapperModel):
    """A model whose answers are recorded before they are acted on, and never asked for twice."""

    def __init__(self, wrapped: Model, journal: Journal, budget: Budget, patience: Patience) -> None:
        """Put journal, budget and patience around a model."""
        super().__init__(wrapped)
        self._journal = journal
        self._budget = budget
        self._patience = patience

    @property
    def answer_within(self) -> float:
        """Seconds that one attempt may take."""
        return self._patience.answer_within

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Answer from the journal, or ask and record. Raises StopError when nothing more can be asked."""
        self._budget.check()
        question = question_digest(f"{self.model_id} {self.base_url or ''}", messages, model_request_parameters)
        recorded = await asyncio.to_thread(self._journal.recall, question)
        if recorded is None:
            self._budget.check_time()
            answer = await self._ask(messages, model_settings, model_request_parameters)
            await asyncio.to_thread(self._journal.record, question, self.model_id, _ANSWER.dump_json(answer))
        else:
            answer = _ANSWER.validate_json(recorded)
        self._budget.add(answer.usage.total_tokens, _price(answer), replayed=recorded is not None)
        return answer

    async def _ask(
        self, messages: list[ModelMessage], settings: ModelSettings | None, parameters: ModelRequestParameters
    ) -> ModelResponse:
        for attempt in range(1, self._patience.attempts + 1):
            try:
                async with asyncio.timeout(self._allowed()):
                    return await super().request(messages, settings, parameters)
            except TimeoutError:
                self._budget.check_time()
                told, wait = f"no answer within {self._patience.answer_within:g} s", None
            except ModelAPIError as error:
                if isinstance(error, _HOPELESS):
                    raise OutageError(f"{self.model_id}: {_told(error)}") from error
                if not is_transient(error):
                    raise
                told, wait = _told(error), error.retry_after
            except UserError as error:
                raise OutageError(f"{self.model_id}: {_one_line(str(error))}") from error
            except (
                Exception
            ) as error:  # a body that is no answer (a proxy's page, a cut text): adapters raise whatever comes of it
                told, wait = f"no sensible answer ({type(error).__name__}: {_one_line(str(error))})", None
            if attempt < self._patience.attempts:
                await self._pause(attempt, wait, told)
        raise OutageError(f"{self.model_id} failed {self._patience.attempts} times, last: {told}")

    def _allowed(self) -> float:
        left = self._budget.seconds_left()
        return self._patience.answer_within if left is None else min(left, self._patience.answer_within)

    async def _pause(self, attempt: int, wanted: float | None, told: str) -> None:
        """Wait as long as the provider asks, else exponentially longer each time, never all clients at once."""
        longest = self._patience.longest_wait
        if wanted is not None and wanted > longest:
            raise OutageError(f"{self.model_id} asks to wait {wanted:g} s: {told}")
        step = min(longest, self._patience.first_wait * 2 ** (attempt - 1))
        seconds = (wanted or 0.0) + step * (0.5 + random.random() / 2)
        left = self._budget.seconds_left()
        await asyncio.sleep(seconds if left is None else min(seconds, left))
        self._budget.check_time()


def is_transient(error: ModelAPIError) -> bool:
    """Tell whether the same question may succeed a little later."""
    if isinstance(error, ModelHTTPError) and (error.status_code in _TRANSIENT_STATUS or error.status_code >= 500):
        return True
    return not isinstance(error, ModelHTTPError | ModelRequestRejectedError)


def question_digest(model: str, messages: list[ModelMessage], parameters: ModelRequestParameters) -> str:
    """The identity of a question: who is asked, all that was said so far, and the tools at hand. No clock, no run number."""
    said = [
        (message["kind"], message.get("instructions"), [_without_volatile(part) for part in message["parts"]])
        for message in ModelMessagesTypeAdapter.dump_python(messages, mode="json")
    ]
    tools = _TOOLS.dump_json([*parameters.function_tools, *parameters.output_tools])
    return hashlib.blake2b(to_json([model, said]) + tools, digest_size=20).hexdigest()


def _without_volatile(part: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in part.items() if key not in _VOLATILE}


def _price(answer: ModelResponse) -> Decimal | None:
    try:
        return answer.usage.cost if answer.usage.cost is not None else answer.cost().total_price
    except (LookupError, ValueError, AssertionError):
        return None


def _told(error: ModelAPIError) -> str:
    """The cause without the provider's whole page."""
    status = f"status {error.status_code}" if isinstance(error, ModelHTTPError) else type(error).__name__
    return f"{status}: {_one_line(error.message)}"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
