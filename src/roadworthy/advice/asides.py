"""Fixes for side work whose failure is the failure of the main work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.advice.code import callee_text

if TYPE_CHECKING:
    from roadworthy.project.asides import Aside


def let_fail_alone(aside: Aside, log: str) -> str:
    """Catch and log the failure of the side work, with the module's own logger."""
    call = callee_text(aside.site)
    written = f"{'await ' if aside.site.fact.awaited else ''}{call}(…)"
    why, said = "the work above stands", "the work itself is done"
    if aside.how == "announced":
        why, said = "the row is what the caller came for", "the row is written"
    elif aside.how == "report":
        why, said = "the failure that it tells of has been dealt with", "nobody was told"
    queued = aside.family not in {"hook", "measurement"} and aside.how != "report"
    later = " Where it must not get lost, hand it to a job that is retried by itself." if queued else ""
    return (
        f"Let it fail alone: {why}, so log the failure and go on.{later}\n"
        f'```python\ntry:\n    {written}\nexcept Exception:\n    {log}.exception("{call} failed; {said}")\n```'
    )
