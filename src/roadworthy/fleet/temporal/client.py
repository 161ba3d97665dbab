"""Starts a run, or joins it, and waits for its end. The run does not need whoever started it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import CancelledError
from temporalio.service import RPCError, RPCStatusCode

from roadworthy.fleet.temporal.connection import PASSING, Address, EngineError, connect
from roadworthy.fleet.temporal.orders import fleet_id
from roadworthy.fleet.temporal.workflows import FleetWorkflow

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from temporalio.client import Client, WorkflowHandle

    from roadworthy.fleet.temporal.orders import Order

Result = TypeVar("Result")

_START_SECONDS = 20.0
_SERVER_GONE_SECONDS = 300.0
_SAME_OUTAGE = 60.0  # seconds between two failures of one outage, at most
_LOOK = 0.2
_PAUSE = 1.0


def follow(address: Address, order: Order, queue: str, stopped: Callable[[], bool], say: Callable[[str], None]) -> bool:
    """Start the run or join it; True when it ended, False when we were asked to leave it. Raises EngineError."""
    return asyncio.run(_follow(address, order, queue, stopped, say))


def cancel(address: Address, fleet: str, run: int, queue: str, say: Callable[[str], None]) -> bool:
    """End a run and wait until it has cleaned up; False when it was not under way. Raises EngineError."""
    return asyncio.run(_cancel(address, fleet_id(fleet, run, queue), say))


async def _follow(
    address: Address, order: Order, queue: str, stopped: Callable[[], bool], say: Callable[[str], None]
) -> bool:
    client = await connect(address, _START_SECONDS, say)
    handle = await _patient(lambda: _started(client, order, queue))
    if not await _has_workers(client, queue):
        say("no worker is there yet: start `roadworthy fleet worker` with the same --store and --address")
    return await _ended(handle, stopped)


async def _started(client: Client, order: Order, queue: str) -> WorkflowHandle[FleetWorkflow, int]:
    """Whoever started it before: the id is the run's, and one that is under way is joined."""
    return await client.start_workflow(
        FleetWorkflow.run,
        order,
        id=fleet_id(order.fleet, order.run, queue),
        task_queue=queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,  # the store knows what is left
    )


async def _has_workers(client: Client, queue: str) -> bool:
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    )
    try:
        return bool((await client.workflow_service.describe_task_queue(request)).pollers)
    except RPCError:  # only a hint depends on it
        return True


async def _ended(handle: WorkflowHandle[FleetWorkflow, int], stopped: Callable[[], bool]) -> bool:
    result = asyncio.ensure_future(_patient(handle.result))
    try:
        while not result.done():
            if stopped():
                return False
            await asyncio.wait({result}, timeout=_LOOK)
        await result
    except WorkflowFailureError as error:
        said = "was cancelled" if isinstance(error.cause, CancelledError) else f"failed: {error.cause or error}"
        raise EngineError(f"the run {said}; the same command goes on from there") from error
    finally:
        result.cancel()
    return True


async def _cancel(address: Address, workflow: str, say: Callable[[str], None]) -> bool:
    client = await connect(address, _START_SECONDS, say)
    handle = client.get_workflow_handle(workflow)
    try:
        if (await _patient(handle.describe)).status != WorkflowExecutionStatus.RUNNING:
            return False
        await _patient(handle.cancel)
        await _patient(handle.result)
    except WorkflowFailureError:
        return True
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return False
        raise EngineError(f"cannot be cancelled: {error.message}") from error
    return False  # it ended before it was told


async def _patient(ask: Callable[[], Awaitable[Result]]) -> Result:
    """Ask again while the server is away: it keeps the run, and so do the workers."""
    gone_since = failed_at = -_SERVER_GONE_SECONDS
    while True:
        try:
            return await ask()
        except RPCError as error:
            if error.status not in PASSING:
                raise
            now = time.monotonic()
            if now - failed_at > _SAME_OUTAGE:
                gone_since = now
            failed_at = now
            if now - gone_since > _SERVER_GONE_SECONDS:
                raise EngineError(
                    f"the Temporal server does not answer: {error.message}; the same command goes on"
                ) from error
        await asyncio.sleep(_PAUSE)
