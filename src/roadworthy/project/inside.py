"""What a transaction does beside what leaves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.project import flow
from roadworthy.project.transactions import WRITES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite
    from roadworthy.project.transactions import Open


def writes(model: Model, found: Open, chain: Sequence[CallSite]) -> bool:
    """Does anything write on one way with what leaves? A transaction that only reads has nothing to be out of step with.

    `chain`: the calls from the transaction down to what leaves, each in the function that the one above calls.
    """
    if found.kind in {"session", "signal"}:
        return True
    first = chain[0]
    for other in first.function.calls:
        inside = found.region is None or flow.within(first.function.scope, other.fact.region, found.region)
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


def _may_write(model: Model, other: CallSite, first: CallSite) -> bool:
    """`instance.document.mark_deleted()` before it, of which nothing is known: a statement, so that it is there for what it does."""
    resolution = model.graph.resolutions.get(other)
    named = resolution is not None and (resolution.functions or resolution.classes)
    names = model.library_names(other)
    unknown = not named and not any(name.startswith("builtins.") or model.knowledge.knows(name) for name in names)
    return unknown and other.fact.use == "discarded" and flow.may_precede(first.function.scope, other.fact, first.fact)
