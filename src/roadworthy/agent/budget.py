"""How much a review may cost, in tokens, money and time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class StopError(Exception):
    """No further question will be asked in this run; the message says why."""


class BudgetError(StopError):
    """The budget is used up."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be spent; None is no limit. Recorded answers count like new ones, except for time: the same answers give the same report."""

    tokens: int | None = 2_000_000
    dollars: Decimal | None = None
    seconds: float | None = 1800.0


@dataclass(slots=True)
class Budget:
    """What was spent, against the limits."""

    limits: Limits
    clock: Callable[[], float] = time.monotonic
    tokens: int = 0
    dollars: Decimal = Decimal(0)
    unpriced: int = 0  # answers of which nobody knows the price
    asked: int = 0  # answers that came from the provider in this run
    replayed: int = 0  # answers that were on disk
    _start: float = field(default=0.0)

    def __post_init__(self) -> None:
        """Time runs from here."""
        self._start = self.clock()

    def add(self, tokens: int, dollars: Decimal | None, *, replayed: bool) -> None:
        """Count one answer."""
        self.tokens += tokens
        if dollars is None:
            self.unpriced += 1
        else:
            self.dollars += dollars
        if replayed:
            self.replayed += 1
        else:
            self.asked += 1

    def seconds_left(self) -> float | None:
        """Time until the limit, never below zero; None without one."""
        if self.limits.seconds is None:
            return None
        return max(0.0, self.limits.seconds - (self.clock() - self._start))

    def check(self) -> None:
        """Raise BudgetError when no further question may be asked."""
        limits = self.limits
        if limits.tokens is not None and self.tokens >= limits.tokens:
            raise BudgetError(f"the budget of {limits.tokens:,} tokens is used up; a higher one goes on from here")
        if limits.dollars is not None and self.unpriced:
            raise BudgetError("the price of this model is not known, so a limit in money cannot be kept")
        if limits.dollars is not None and self.dollars >= limits.dollars:
            raise BudgetError(f"the budget of ${limits.dollars} is used up; a higher one goes on from here")

    def check_time(self) -> None:
        """Raise BudgetError when the time is up; asked before a call only, since what is on disk costs none."""
        if self.seconds_left() == 0.0:
            raise BudgetError(f"the {self.limits.seconds:g} seconds are over; the next run goes on from here")

    def said(self) -> str:
        """One line for the report, the same for the same answers."""
        money = "price unknown" if self.unpriced else f"${self.dollars.quantize(Decimal('0.01'))}"
        return f"{self.asked + self.replayed} answers, {self.tokens:,} tokens, {money}"
