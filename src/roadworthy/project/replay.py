"""Code that a durable engine runs again from its history: which functions, through which calls, and what they do there."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Delivery, EntryKind
from roadworthy.project import flow
from roadworthy.project.bindings import argument_for
from roadworthy.project.calls import DELIVERED
from roadworthy.project.uses import fallback_for
from roadworthy.project.values import FunctionValue

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from roadworthy.project.calls import Edge
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_ASKS_WHERE = re.compile(r"replay|sandbox|in_workflow|within_workflow|inside_workflow|is_workflow", re.IGNORECASE)
_NOT_FOLLOWED = frozenset(
    {*DELIVERED, "thread", "process", "hook:signal", "hook:startup", "hook:shutdown", "hook:atexit"}
)
_LIMIT = 600  # functions followed from one workflow


@dataclass(frozen=True, slots=True)
class Replayed:
    """One effect in replayed code."""

    effect: EffectAt
    entries: tuple[Entry, ...]  # the workflows whose replay passes it, in source order
    path: tuple[Edge, ...]  # from the first of them


def replayed_effects(model: Model) -> Iterator[Replayed]:
    """Every effect that the replay of some workflow passes, once, outside of steps and of code that asks the engine first."""
    found: dict[int, list[tuple[Entry, tuple[Edge, ...]]]] = {}
    effects: dict[int, EffectAt] = {}
    for entry in model.entries.all:
        if is_replayed(entry) and model.is_reviewed(entry.function.path):
            passed = dict(_replayed_functions(model, entry))
            for function, path in passed.items():
                for effect in _own_effects(model, function, passed):
                    effects[id(effect)] = effect
                    found.setdefault(id(effect), []).append((entry, path))
    for key, ways in found.items():
        ways.sort(key=lambda way: (len(way[1]), way[0].function.path, way[0].function.line))
        yield Replayed(effects[key], tuple(dict.fromkeys(entry for entry, _ in ways)), ways[0][1])


def _own_effects(model: Model, function: Function, passed: Container[Function]) -> Iterator[EffectAt]:
    for site in function.calls:
        own = model.effects_at(site)
        if own and not asks_the_engine(model, site) and not _always_given(model, site, passed):
            yield from own


def _always_given(model: Model, site: CallSite, passed: Container[Function]) -> bool:
    """A value that is made only where a parameter is missing, and every replayed caller passes it."""
    name = fallback_for(site)
    if name not in site.function.parameters:
        return False
    edges = [edge for edge in model.edges_to(site.function) if edge.caller in passed]
    return bool(edges) and all(
        argument_for(edge.callee, name, edge.site, model.graph.resolutions[edge.site].implicit) is not None
        for edge in edges
    )


def is_replayed(entry: Entry) -> bool:
    """Does an engine run this code again from its history?"""
    return entry.kind is EntryKind.DURABLE_WORKFLOW and entry.delivery is Delivery.REPLAYED


def _replayed_functions(model: Model, entry: Entry) -> Iterator[tuple[Function, tuple[Edge, ...]]]:
    """The workflow and what it calls, breadth first; steps and activities are not replayed."""
    queue: deque[tuple[Function, tuple[Edge, ...]]] = deque([(entry.function, ())])
    seen = {entry.function}
    while queue and len(seen) < _LIMIT:
        here, path = queue.popleft()
        yield here, path
        for edge in model.edges_from(here):
            if edge.callee in seen or edge.kind in _NOT_FOLLOWED or edge.kind == "callback":
                continue
            if any(at.kind is not EntryKind.DURABLE_WORKFLOW for at in model.entries.at(edge.callee)):
                continue  # a step, an activity, a handler: the engine records its result
            if asks_the_engine(model, edge.site) or not _passed_here(model, edge, path):
                continue
            seen.add(edge.callee)
            queue.append((edge.callee, (*path, edge)))


def _passed_here(model: Model, edge: Edge, path: tuple[Edge, ...]) -> bool:
    """A parameter that is called is the function that this very path passes, not what other callers pass."""
    func = edge.site.fact.func
    if not path or not isinstance(func, f.Name) or func.id not in edge.caller.parameters:
        return True
    above = path[-1]
    expr = argument_for(edge.caller, func.id, above.site, model.graph.resolutions[above.site].implicit)
    if expr is None:
        return True
    found = model.values(expr, above.caller, above.site.fact.order)
    return not found or any(isinstance(value, FunctionValue) and value.function is edge.callee for value in found)


def asks_the_engine(model: Model, site: CallSite) -> bool:
    """Does the code around a call find out first whether it runs inside a workflow, or lift the engine's restrictions on purpose?"""
    scope = site.function.scope
    around = set(flow.ancestors(scope, site.fact.region))
    for index, region in enumerate(scope.regions):
        if region.kind == "if" and region.test is not None and region.start <= site.fact.order:
            group = set(flow.siblings(scope, index))
            leaves_first = (
                region.exits in {"return", "raise"} and region.parent in around and region.end <= site.fact.order
            )
            if (group & around or leaves_first) and _names_engine(model, region.test, site.function):
                return True
        lifts = region.kind == "with" and index in around
        if lifts and any(_names_engine(model, expr, site.function) for expr, _ in region.items):
            return True
        if region.kind == "except" and index in around and _tries_engine(model, site.function, index):
            return True
    return _in_conditional(model, site)


def _in_conditional(model: Model, site: CallSite) -> bool:
    """`workflow.uuid4() if in_workflow() else uuid4()`."""
    scope = site.function.scope
    exprs = [a.value for a in scope.assigns] + [leave.value for leave in scope.leaves]
    exprs += [e for call in scope.calls for e in (*call.args, *(value for _, value in call.kwargs))]
    for expr in exprs:
        for part in flow.walk(expr):
            if isinstance(part, f.IfExp) and _names_engine(model, part.test, site.function):
                inner = (*flow.walk(part.body), *flow.walk(part.orelse))
                if any(isinstance(p, f.CallRef) and _inside(p.index, site) for p in inner):
                    return True
    return False


def _inside(index: int, site: CallSite) -> bool:
    """Is the call with this index the site or a call around it?"""
    here = site.index
    for _ in range(8):
        if here == index:
            return True
        here = site.function.scope.calls[here].outer
        if here < 0:
            return False
    return False


def _tries_engine(model: Model, function: Function, handler: int) -> bool:
    """`try: return workflow.now() except …: return datetime.now()`."""
    scope = function.scope
    tried = flow.sibling_of_kind(scope, handler, "try")
    return tried is not None and any(is_engine_call(model, function.site(call)) for call in flow.calls_in(scope, tried))


def _names_engine(model: Model, expr: f.Expr, function: Function) -> bool:
    for part in flow.walk(expr):
        if isinstance(part, f.CallRef):
            site = function.calls[part.index]
            if is_engine_call(model, site) or _ASKS_WHERE.search(model.callee_text(site)):
                return True
        if isinstance(part, f.Name | f.Attr) and _ASKS_WHERE.search(flow.text_of(part, function.scope)):
            return True
    return False


def is_engine_call(model: Model, site: CallSite) -> bool:
    """Does the call go to a durable engine's own library?"""
    for name in model.library_names(site):
        library = model.knowledge.library_of(name)
        if library is not None and "durable" in library.role:
            return True
    return False
