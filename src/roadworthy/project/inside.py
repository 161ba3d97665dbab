"""What a transaction does beside what leaves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.transactions import WRITES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite
    from roadworthy.project.transactions import Open


def writes(model: Model, found: Open, chain: Sequence[CallSite], *, to_people: bool = False) -> bool:
    """Does anything write on one way with what leaves? A transaction that only reads has nothing to be out of step with.

    `chain`: the calls from the transaction down to what leaves, each in the function that the one above calls.
    `to_people`: a message whose id is kept afterwards tells nothing that the transaction did.
    """
    if found.kind in {"session", "signal"}:
        return True
    first = chain[0]
    kept = to_people and _is_kept(first)
    for other in first.function.calls:
        inside = found.region is None or flow.within(first.function.scope, other.fact.region, found.region)
        if kept and other.fact.order > first.fact.order:
            continue  # it writes down what was sent: nothing has changed before
        if (
            inside
            and other is not first
            and (model.reach.site_reaches(other, WRITES) or _may_write(model, other, first))
        ):
            return True
    return any(
        other is not call
        and flow.on_one_path(call.function.scope, other.fact.region, call.fact.region)
        and model.reach.site_reaches(other, WRITES)
        for call in chain[1:]
        for other in call.function.calls
    )


def _is_kept(call: CallSite) -> bool:
    """`notice.message_id = send(…)`: what the call gives back is kept in a row, or handed to a call that may write it."""
    scope = call.function.scope
    names = {
        a.target.id
        for a in scope.assigns
        if isinstance(a.target, f.Name) and a.value == f.CallRef(call.index) and a.op == "="
    }
    stored = [a.value for a in scope.assigns if isinstance(a.target, f.Attr) and a.order >= call.fact.order]
    return any(
        part == f.CallRef(call.index) or (isinstance(part, f.Name) and part.id in names)
        for value in stored
        for part in flow.walk(value)
    )


def _may_write(model: Model, other: CallSite, first: CallSite) -> bool:
    """`instance.document.mark_deleted()` before it, of which nothing is known: a statement, so that it is there for what it does."""
    resolution = model.graph.resolutions.get(other)
    named = resolution is not None and (resolution.functions or resolution.classes)
    names = model.library_names(other)
    unknown = not named and not any(name.startswith("builtins.") or model.knowledge.knows(name) for name in names)
    return unknown and other.fact.use == "discarded" and flow.may_precede(first.function.scope, other.fact, first.fact)
