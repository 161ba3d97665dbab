"""Work that must be finished, whatever dies meanwhile: Temporal runs it."""

import logging
from collections.abc import Awaitable, Callable

from temporalio.client import Client
from temporalio.exceptions import WorkflowAlreadyStartedError

from orders.config import settings

log = logging.getLogger(__name__)

QUEUE = "orders"

_client: Client | None = None


async def temporal() -> Client:
    global _client
    if _client is None:
        _client = await Client.connect(settings.temporal_address)
    return _client


async def run_in_background(workflow: Callable[..., Awaitable[None]], arg: str, *, id: str) -> None:
    """Start the workflow once for this id; starting it again while it runs is no error."""
    client = await temporal()
    try:
        await client.start_workflow(workflow, arg, id=id, task_queue=QUEUE)
    except WorkflowAlreadyStartedError:
        log.info("%s is running already", id)
