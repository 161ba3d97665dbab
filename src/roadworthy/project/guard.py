"""One protection and where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from roadworthy.knowledge.schema import GuardRow
    from roadworthy.knowledge.vocabulary import GuardKind
    from roadworthy.project.exceptions import Handler
    from roadworthy.project.symbols import CallSite, Function

Attempts = int | Literal["forever"] | None


@dataclass(frozen=True, slots=True, eq=False)
class Guard:
    """One protection and where it stands."""

    kind: GuardKind
    form: str  # "with" "try" "loop" "wrapper" "decorator" "iterator" "client" "framework" "house"
    name: str  # what it is called there: `tenacity.retry`, `transaction.atomic`, `while True`
    path: str
    line: int
    function: Function | None = None  # the function in which it stands
    site: CallSite | None = None  # the call that makes it
    region: int | None = None  # try, loop, with: the region it covers
    attempts: Attempts = None  # retry: total attempts; None unknown
    delay: str = "unknown"  # retry: "none" "fixed" "exponential" "unknown"
    jitter: bool = False
    capped: bool = True  # retry: the number of attempts or the time is limited
    on: tuple[str, ...] = ()  # retry, catch: exceptions; ("Exception",) for all; () unknown
    seconds: float | None = None  # timeout: the limit where literal
    handlers: tuple[Handler, ...] = ()  # catch
    row: GuardRow | None = None
    through: Function | None = None  # the project's own decorator or context manager that holds the guard
    origin: int | None = None  # the region it covers in `function`, where that is not the function of `region`

    @property
    def home(self) -> int | None:
        """The region that it covers in the function in which it stands, wherever it is applied."""
        return self.region if self.through is None else self.origin


def moved(
    guard: Guard,
    form: str,
    through: Function | None,
    site: CallSite | None,
    region: int | None,
    line: int | None = None,
    path: str | None = None,
) -> Guard:
    """The same guard seen from where it is applied."""
    return Guard(
        guard.kind, form, guard.name, path or guard.path, line or guard.line, guard.function, guard.site or site, region, guard.attempts,
        guard.delay, guard.jitter, guard.capped, guard.on, guard.seconds, guard.handlers, guard.row, through or guard.through,
        guard.home,
    )  # fmt: skip
