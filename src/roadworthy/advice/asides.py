"""Fixes for side work whose failure is the failure of the main work, the statement that is put into a `try`, and a timer that a failure leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.advice.code import GAP, WHOLE, call_text, callee_text, chain_text, statement_text, written
from roadworthy.advice.layout import broken
from roadworthy.facts import schema as f

if TYPE_CHECKING:
    from roadworthy.project.asides import Aside
    from roadworthy.project.symbols import CallSite


def let_fail_alone(aside: Aside, log: str) -> str:
    """Catch and log the failure of the side work, with the module's own logger."""
    call = callee_text(aside.site)
    why, said = "the work above stands", "the work itself is done"
    if aside.how == "announced":
        why, said = "the row is what the caller came for", "the row is written"
    elif aside.how == "request":
        why, said = "nobody who is waiting asked for it", "the request goes on"
    elif aside.how == "report":
        why, said = "the failure that it tells of has been dealt with", "nobody was told"
    code = _guarded(aside.site, f'{log}.exception("{call} failed; {said}")')
    queued = aside.family not in {"hook", "measurement"} and aside.how != "report"
    later = " Where it must not get lost, hand it to a job that is retried by itself." if queued else ""
    return f"Let it fail alone: {why}, so log the failure and go on.{later}\n```python\n{code}\n```"


def rearm(timer: CallSite, name: str, log: str) -> str:
    """Start the timer whatever happens to the work before it."""
    starter = (
        timer.function.calls[timer.fact.outer] if timer.fact.use == "receiver" and timer.fact.outer >= 0 else timer
    )
    started = chain_text(starter) + call_text(starter, width=WHOLE).removeprefix(callee_text(starter))
    known = timer.fact.use in {"receiver", "discarded"} and GAP not in started
    code = "\n".join([
        "try:",
        "    ...  # the work, as it is",
        "except Exception:",
        f'    {log}.exception("{name} failed; it is tried again")',
        "finally:",
        f"    {started if known else f'...  # line {timer.line}, as it is'}",
    ])  # fmt: skip
    return f"Start the timer whatever happens, and say what failed:\n```python\n{broken(code)}\n```"


def _guarded(site: CallSite, says: str) -> str:
    """The statement as it is, in a handler of its own."""
    call = f"{'await ' if site.fact.awaited else ''}{call_text(site, width=WHOLE)}"
    statement = next((text for text in (statement_text(site), call) if GAP not in text), "")
    body = f"    {statement or f'...  # line {site.line}, as it is'}"
    return broken("\n".join(["try:", body, "except Exception:", f"    {says}"]))


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
