"""One `except` region and what it does with the error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roadworthy.facts import schema as f
    from roadworthy.project.symbols import Function

_QUIET = frozenset({"", "debug", "adebug", "trace"})


@dataclass(frozen=True, slots=True)
class Handler:
    """One `except` region and what it does with the error."""

    function: Function
    region: int
    types: tuple[str, ...]  # dotted names of what it catches; empty for a bare handler
    broad: bool  # bare, Exception or BaseException
    log_level: (
        str  # "" when it does not log; the loudest method otherwise ("exception" "error" "warning" "info" "debug" …)
    )
    reports: bool  # tells an error tracker, a metric, a reporter of the project, stderr
    raises: bool  # every way out raises (possibly another exception)
    may_raise: bool  # some way out raises
    passes_on: bool  # the error object is used other than for logging: returned, stored, sent, compared
    records: bool  # changes state that outlives the handler: an attribute, an outer container, a row
    only_pass: bool  # nothing at all
    exits: str  # as Region.exits
    default: f.Expr | None  # the value returned from it, if any
    answers: bool = False  # returns something that says "failed": an error response, a message, a status
    alternative: bool = (
        False  # something else is tried instead: a fallback call, the next candidate, the code after the try
    )

    @property
    def line(self) -> int:
        """The line of `except`."""
        return self.function.scope.regions[self.region].line

    @property
    def end_line(self) -> int:
        """The last line of the handler."""
        return self.function.scope.regions[self.region].end_line

    @property
    def whispers(self) -> bool:
        """Logs, but so low that production does not show it."""
        return self.log_level != "" and self.log_level in _QUIET

    @property
    def tells(self) -> bool:
        """Notes the error somewhere, whatever becomes of it then."""
        return self.log_level != "" or self.reports or self.records

    @property
    def silent(self) -> bool:
        """Nobody will ever hear of the error: not logged (debug does not count), reported, raised, passed on, recorded or made up for."""
        heard = self.log_level not in _QUIET or self.reports or self.raises or self.may_raise
        return not (heard or self.passes_on or self.records or self.answers or self.alternative)

    @property
    def stops(self) -> bool:
        """What it catches goes no further on any way out."""
        return not (self.raises or self.may_raise)
