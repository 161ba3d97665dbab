"""The two workflows: a fleet, and a repository of it. They decide what comes next and nothing else, so that a replay decides the same.

No clock, no chance, no store, no file: those are the activities'. `tests/fleet/histories` holds recorded runs that must replay.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)

with workflow.unsafe.imports_passed_through():
    from dataclasses import replace

    from roadworthy.fleet.temporal.orders import (
        END_RUN,
        FIND_COMMIT,
        FLEET,
        GIVE_UP,
        REVIEW,
        REVIEW_COMMIT,
        WAITING,
        Found,
        Listed,
        Lost,
        Order,
        Step,
        review_workflow_id,
    )

_QUICK = timedelta(minutes=2)  # a statement or two of the store
_ELSEWHERE = timedelta(seconds=20)  # before asking again whether another run's review is done
_TURNS_APART = timedelta(seconds=30)

# The store ends a task after its own number of failures; these bounds are for a store or workers that are gone.
_STORE = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))
_WORK = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=2), maximum_attempts=60)


@workflow.defn(name=FLEET)
class FleetWorkflow:
    """Every repository of a run gets its turn, so many at once."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    @workflow.run
    async def run(self, order: Order) -> int:
        """Return how many repositories are left: none, unless something outside ended their reviews again and again."""
        try:
            left = await self._turn(order)
        except asyncio.CancelledError:
            await self._cleaned()
            raise
        if left and left != order.left:
            await workflow.sleep(_TURNS_APART)
            workflow.continue_as_new(replace(order, after="", left=left))
        await workflow.execute_activity(END_RUN, order.run, start_to_close_timeout=_QUICK, retry_policy=_STORE)
        return left

    async def _turn(self, order: Order) -> int:
        """Begin all that waits, in the order of their names; how many are left at its end."""
        begun, after = 0, order.after
        while (listed := await self._listed(order, after)).names:
            for name in listed.names:
                await workflow.wait_condition(lambda: len(self._running) < order.window)
                task = asyncio.create_task(self._repository(order, name))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            begun, after = begun + len(listed.names), listed.names[-1]
            if begun >= order.batch or workflow.info().is_continue_as_new_suggested():
                await workflow.wait_condition(lambda: not self._running)
                workflow.continue_as_new(replace(order, after=after))
        await workflow.wait_condition(lambda: not self._running)
        return (await self._listed(order, "")).left

    async def _listed(self, order: Order, after: str) -> Listed:
        listed: Listed = await workflow.execute_activity(
            WAITING,
            args=[order.run, after, order.window],
            result_type=Listed,
            start_to_close_timeout=_QUICK,
            retry_policy=_STORE,
        )
        return listed

    async def _cleaned(self) -> None:
        """Cancel what runs and wait until its processes are ended and its tasks given back."""
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _repository(self, order: Order, name: str) -> None:
        """One repository, to its end. What fails is a row in the store, and the run goes on."""
        step = Step(order.run, name, order.fleet, order.ruleset)
        while (found := await self._found(order, step)).review:
            try:
                await workflow.execute_child_workflow(
                    ReviewWorkflow.run,
                    args=[order, step],
                    id=review_workflow_id(step, found.review, workflow.info().task_queue),
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                    parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
                )
            except WorkflowAlreadyStartedError:  # of another run: its review will be ours, too
                await workflow.sleep(_ELSEWHERE)
            except ChildWorkflowError:  # cancelled, with us or by hand: if by hand, it has another turn
                return
            else:
                return

    async def _found(self, order: Order, step: Step) -> Found:
        try:
            found: Found = await workflow.execute_activity(
                FIND_COMMIT,
                step,
                result_type=Found,
                start_to_close_timeout=timedelta(seconds=order.seconds),
                heartbeat_timeout=timedelta(seconds=order.heartbeat),
                retry_policy=_WORK,
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
        except ActivityError as error:
            await give_up(step, error)
            return Found()
        return found


@workflow.defn(name=REVIEW)
class ReviewWorkflow:
    """One repository at one commit."""

    @workflow.run
    async def run(self, order: Order, step: Step) -> str:
        """Return how it ended, for people who look at Temporal's own pages."""
        try:
            ended: str = await workflow.execute_activity(
                REVIEW_COMMIT,
                step,
                result_type=str,
                start_to_close_timeout=timedelta(seconds=order.seconds),
                heartbeat_timeout=timedelta(seconds=order.heartbeat),
                retry_policy=_WORK,
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
        except ActivityError as error:
            return await give_up(step, error)
        return ended


async def give_up(step: Step, error: ActivityError) -> str:
    """End a task that Temporal tries no more; how it ended. A failure that cannot pass is in the store already."""
    if is_cancelled_exception(error):
        raise error
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.non_retryable:
        return f"failed: {cause.message}"
    reason = str(cause or error)
    await workflow.execute_activity(GIVE_UP, Lost(step, reason), start_to_close_timeout=_QUICK, retry_policy=_STORE)
    return f"given up: {reason}"
