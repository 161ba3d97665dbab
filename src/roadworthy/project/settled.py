"""Handles of started work that a helper of the project cancels or waits for, and messages of which the work is part."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import EntryKind
from roadworthy.project import flow
from roadworthy.project.bindings import argument_for
from roadworthy.project.handles import cancels_in, waits_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.handles import Fate
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_STREAM = re.compile(r"consumer|topic|subscription|kafka|queue", re.IGNORECASE)
_CALLERS = 10


def settled_by_helper(model: Model, function: Function, handle: str) -> Fate | None:
    """`await stop(self.watcher)`, `stopping.append(stop(self.watcher))`: the helper cancels the task that it is given, or waits for it."""
    owner, _, attribute = handle.rpartition(".")
    if not owner or function.cls is None:
        return None
    for module in {id(cls.module): cls.module for cls in function.cls.mro}.values():
        for other in module.functions:
            for site in other.calls:
                if any(isinstance(arg, f.Attr) and arg.name == attribute for arg in site.fact.args):
                    fate = next(_in_helpers(model, site, attribute), None)
                    if fate is not None:
                        return fate
    return None


def _in_helpers(model: Model, site: CallSite, attribute: str) -> Iterator[Fate]:
    resolution = model.graph.resolutions.get(site)
    for helper in resolution.functions if resolution is not None else ():
        for name in helper.parameters:
            given = argument_for(helper, name, site, resolution.implicit if resolution is not None else False)
            if isinstance(given, f.Attr) and given.name == attribute:
                if cancels_in(helper, {name}):
                    yield "cancelled"
                elif waits_in(helper, {name}):
                    yield "waited"


def is_fed_by_consumer(model: Model, function: Function, depth: int = 2) -> bool:
    """Is the function part of handling a message that a broker delivers: `async for message in self.consumer`?"""
    if any(reached.entry.kind is EntryKind.QUEUE_CONSUMER for reached in model.exposure(function).entries):
        return True
    scope = function.scope
    if any(
        region.kind == "for" and _STREAM.search(flow.text_of(region.test, scope))
        for region in scope.regions
        if region.is_async
    ):
        return True
    return depth > 0 and any(
        edge.runs_here and is_fed_by_consumer(model, edge.site.function, depth - 1)
        for edge in model.edges_to(function)[:_CALLERS]
    )
