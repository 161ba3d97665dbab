"""Calls that take a message and confirm it in one: nobody else holds it any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project.once import once

if TYPE_CHECKING:
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite


def takes(model: Model, site: CallSite) -> bool:
    """Is the call one of them? Asked of every call of the project and of all that it calls."""
    return site in _all_that_take(model)


@once
def _all_that_take(model: Model) -> frozenset[CallSite]:
    asked = (
        (site, {e.effect for e in found if Effect.CONSUME.value in e.row.effects})
        for site, found in model.effects.at.items()
    )
    return frozenset(site for site, words in asked if {Effect.CONSUME, Effect.ACK} <= words)
