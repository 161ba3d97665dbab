"""What travels through Temporal: small values that name rows of the store, and the names of workflows and queues. No work and no secret."""

from __future__ import annotations

from dataclasses import dataclass

FLEET = "roadworthy-fleet"
REVIEW = "roadworthy-review"

WAITING = "waiting"
FIND_COMMIT = "find-commit"
REVIEW_COMMIT = "review"
GIVE_UP = "give-up"
END_RUN = "end-run"


@dataclass(frozen=True)
class Order:
    """A run of a fleet, as its workflow is told."""

    run: int
    fleet: str
    ruleset: str
    seconds: float  # the most that one repository may take
    heartbeat: float = 15.0  # seconds without a word after which a worker counts as lost
    window: int = 100  # repositories under way at once, far below what one workflow may have pending
    batch: int = 500  # after so many repositories the history begins anew
    after: str = ""  # those up to this name had their turn
    left: int = -1  # how many were left when the turn before this one ended


@dataclass(frozen=True)
class Step:
    """One repository of a run."""

    run: int
    repository: str
    fleet: str
    ruleset: str


@dataclass(frozen=True)
class Listed:
    """The next repositories, and how many are left in all."""

    names: list[str]
    left: int


@dataclass(frozen=True)
class Found:
    """Under which name a repository's review is kept; empty when there is nothing left to do for it."""

    review: str = ""


@dataclass(frozen=True)
class Lost:
    """A repository that Temporal gave up, and why."""

    step: Step
    reason: str


def queue_name(store: str, program: str) -> str:
    """A queue of one store and one version of the program: no worker takes work that it would do differently."""
    return f"roadworthy-{store[:12]}-{program[:12]}"


def fleet_id(fleet: str, run: int, queue: str) -> str:
    """The id of a run: whoever starts it again joins it."""
    return f"{FLEET}/{_short(fleet)}/{run}/{queue}"


def review_workflow_id(step: Step, review: str, queue: str) -> str:
    """The id of a review, by fleet, repository, commit and rules: `review` is the digest of these."""
    return f"{REVIEW}/{_short(step.fleet)}/{_short(step.repository)}/{review}/{queue}"


def _short(name: str) -> str:
    """For people; the digest beside it is what tells two apart."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)[:60]
