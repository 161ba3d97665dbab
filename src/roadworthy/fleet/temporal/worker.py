"""`roadworthy fleet worker`: takes work of one store from a Temporal server until it is asked to stop."""

from __future__ import annotations

import asyncio
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from roadworthy.fleet.temporal.activities import Activities, Bench
from roadworthy.fleet.temporal.connection import Address, connect
from roadworthy.fleet.temporal.workflows import FleetWorkflow, ReviewWorkflow

if TYPE_CHECKING:
    from collections.abc import Callable

    from temporalio.client import Client

_START_SECONDS = 60.0
_LOOK = 0.1
_STICKY = 3.0  # so long the run waits for the worker that knows it; then another one replays its history

WORKFLOWS = [FleetWorkflow, ReviewWorkflow]


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How a worker works."""

    queue: str
    processes: int
    drain: float = 20.0  # seconds from being asked to stop to ending what runs


def sandbox() -> SandboxedWorkflowRunner:
    """Return the runner of workflow code: it may not see a clock, chance or a file."""
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default)


def serve(
    address: Address, bench: Bench, options: WorkerOptions, stopped: Callable[[], bool], say: Callable[[str], None]
) -> None:
    """Work until `stopped`; then take nothing new, end what runs within the time that is left. Raises EngineError."""
    asyncio.run(_serve(address, bench, options, stopped, say))


async def _serve(
    address: Address, bench: Bench, options: WorkerOptions, stopped: Callable[[], bool], say: Callable[[str], None]
) -> None:
    client = await connect(address, _START_SECONDS, say)
    with ThreadPoolExecutor(options.processes + 1, "activity") as threads:
        async with worker_of(client, bench, options, threads):
            say(f"works at {options.queue}, {options.processes} at once")
            while not stopped():
                await asyncio.sleep(_LOOK)
            say("stops: ends what runs")


def worker_of(client: Client, bench: Bench, options: WorkerOptions, threads: ThreadPoolExecutor) -> Worker:
    """A worker that was not started."""
    activities = Activities(bench)
    return Worker(
        client,
        task_queue=options.queue,
        workflows=WORKFLOWS,
        activities=[
            activities.waiting,
            activities.find_commit,
            activities.review,
            activities.give_up,
            activities.end_run,
        ],
        activity_executor=threads,
        max_concurrent_activities=options.processes,
        graceful_shutdown_timeout=timedelta(seconds=options.drain),
        workflow_runner=sandbox(),
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=_STICKY),
        identity=f"{socket.gethostname()}:{os.getpid()}",
    )
