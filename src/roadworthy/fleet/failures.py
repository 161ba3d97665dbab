"""Which failures may pass and which cannot, and how long to wait before the next attempt."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from roadworthy.fleet.messages import Failure

if TYPE_CHECKING:
    from collections.abc import Callable

GONE = "gone"  # no such repository or revision, or not for us
CORRUPT = "corrupt"  # git objects that are missing or no git objects
TOO_LARGE = "too-large"
LIMIT = "limit"  # of time or memory
REFUSED = "refused"  # an address or a setting that we do not follow
NETWORK = "network"
CRASHED = "crashed"  # the process ended without an answer
GIVEN_UP = "given-up"  # of what may pass, after the last attempt

PERMANENT = frozenset({GONE, CORRUPT, TOO_LARGE, LIMIT, REFUSED, GIVEN_UP})
TRANSIENT = frozenset({NETWORK, CRASHED})

_FIRST_WAIT = 2.0
_LONGEST_WAIT = 120.0


class RefusalError(Exception):
    """A repository is not looked at; carries the failure to report."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.failure = Failure(kind, reason)


def may_pass(failure: Failure) -> bool:
    """Tell whether another attempt has a chance. What we do not know is not repeated."""
    return failure.kind in TRANSIENT


def wait_before(attempt: int, dice: Callable[[], float] = random.random) -> float:
    """Seconds before the attempt after number `attempt` (from 1): doubling, at most two minutes, the second half of it by chance."""
    full = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(attempt - 1, 10))
    return float(full * (0.5 + dice() / 2))
