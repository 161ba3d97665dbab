"""Fixes for side work whose failure is the failure of the main work, and the statement that is put into a `try`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.advice.code import callee_text, written
from roadworthy.facts import schema as f

if TYPE_CHECKING:
    from roadworthy.project.asides import Aside
    from roadworthy.project.symbols import CallSite


def let_fail_alone(aside: Aside, log: str) -> str:
    """Catch and log the failure of the side work, with the module's own logger."""
    call = callee_text(aside.site)
    statement = f"{'await ' if aside.site.fact.awaited else ''}{call}(…)"
    why, said = "the work above stands", "the work itself is done"
    if aside.how == "announced":
        why, said = "the row is what the caller came for", "the row is written"
    elif aside.how == "report":
        why, said = "the failure that it tells of has been dealt with", "nobody was told"
    queued = aside.family not in {"hook", "measurement"} and aside.how != "report"
    later = " Where it must not get lost, hand it to a job that is retried by itself." if queued else ""
    return (
        f"Let it fail alone: {why}, so log the failure and go on.{later}\n"
        f'```python\ntry:\n    {statement}\nexcept Exception:\n    {log}.exception("{call} failed; {said}")\n```'
    )


def statement_of(site: CallSite) -> str:
    """The statement in which the call stands, where it is the call alone or what it gives is bound to a name."""
    call = f"{'await ' if site.fact.awaited else ''}{written(f.CallRef(site.index), site.function)}"
    if site.fact.use == "discarded":
        return call
    if site.fact.use == "assigned":
        for assign in site.function.scope.assigns:
            value = assign.value.value if isinstance(assign.value, f.Await) else assign.value
            if isinstance(value, f.CallRef) and value.index == site.index and assign.op == "=":
                target = written(assign.target, site.function)
                return f"{target.strip('()') if target.startswith('(') else target} = {call}"
    return ""
