"""What every engine does with a task: what is asked next, and what follows from the answer. Engines differ only in who calls this, and when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from roadworthy.fleet.failures import CRASHED, GIVEN_UP, may_pass, wait_before
from roadworthy.fleet.identity import review_id
from roadworthy.fleet.messages import Answer, Failure, Job
from roadworthy.fleet.store import MOST_BEGUN

if TYPE_CHECKING:
    from collections.abc import Callable

    from roadworthy.fleet.store import Store, Task


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a task."""

    next: Task | None = None  # its commit is known, and its review is what comes next
    failure: Failure | None = None
    wait: float | None = None  # seconds before the next attempt, where the failure may pass


DONE = Settled()


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of one owner's tasks. None of them counts when the task is no longer the owner's."""

    store: Store
    fleet: str
    ruleset: str
    owner: str
    wait: Callable[[int], float] = wait_before

    def begin(self, task: Task) -> Settled:
        """Settle a task that was just claimed without any work, where that is possible; else it comes next itself."""
        if task.begun > MOST_BEGUN:
            return self.fail(task, Failure(GIVEN_UP, f"begun {MOST_BEGUN} times and never ended"))
        if task.commit and self.store.join_review(task, self.owner, self.name(task, task.commit)):
            return DONE
        return Settled(next=task)

    def job(self, task: Task) -> Job:
        """The next question of a task."""
        return msgspec.structs.replace(task.job, commit=task.commit)

    def settle(self, task: Task, answer: Answer) -> Settled:
        """Note an answer."""
        if answer.review is not None and task.commit:
            self.store.finish(task, self.owner, self.name(task, task.commit), answer.review)
            return DONE
        if answer.commit and not task.commit:
            return self._found(task, answer.commit)
        return self.failed(task, answer.failure or Failure(CRASHED, "it answered another question"))

    def _found(self, task: Task, commit: str) -> Settled:
        review = self.name(task, commit)
        if not self.store.found_commit(task, self.owner, commit, review):
            return DONE
        if self.store.join_review(task, self.owner, review):
            return DONE
        return Settled(next=replace(task, commit=commit))

    def failed(self, task: Task, failure: Failure) -> Settled:
        """Put off what may pass, give up what did not, end what cannot."""
        tried = task.failures + 1
        if not may_pass(failure):
            return self.fail(task, failure)
        if tried >= task.job.limits.attempts:
            said = f"{failure.reason} (after {tried} attempt{'s' if tried > 1 else ''})"
            return self.fail(task, Failure(GIVEN_UP, said))
        seconds = self.wait(tried)
        self.store.put_off(task, self.owner, failure, seconds)
        return Settled(failure=failure, wait=seconds)

    def fail(self, task: Task, failure: Failure) -> Settled:
        """End a task without a review."""
        self.store.fail(task, self.owner, failure)
        return Settled(failure=failure)

    def name(self, task: Task, commit: str) -> str:
        """The name of the review of a commit."""
        return review_id(self.fleet, task.repository, commit, self.ruleset)
