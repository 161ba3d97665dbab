"""Calls that a condition keeps from running on one way: under `if save_consent:` where this caller passes False, under `else:` where
it passes True, or where the caller comes here only because the same attribute is true.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.arguments import has_spread
from roadworthy.project.bindings import argument_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roadworthy.project.calls import CallGraph, Edge
    from roadworthy.project.database.access import Through
    from roadworthy.project.entry import Reached
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function, Symbols

_LEAVES = frozenset({"return", "raise", "break", "continue"})
_DEEP = 4  # calls through which a flag is handed down

Truths = frozenset[tuple[str, bool]]
"""What is known to be true or false: names, and attributes of names (`invite.automatic`) that nothing changes."""

NOTHING: Truths = frozenset()


class Switches:
    """What callers decide for their callees."""

    def __init__(self, symbols: Symbols, graph: CallGraph) -> None:
        """Everything is found on demand."""
        self._symbols = symbols
        self._graph = graph
        self._needs: dict[CallSite, Truths] = {}
        self._constant: dict[str, bool] = {}
        self._changed: frozenset[str] | None = None
        self._into: dict[tuple[int, Truths], Truths] = {}

    def lets(self, path: Sequence[Edge], last: CallSite, known: Truths = NOTHING) -> bool:
        """Can control come along this path, from the top down, to the call `last`?"""
        for edge, site in zip(path, [*(edge.site for edge in path[1:]), last], strict=True):
            known = self.into(edge, known)
            if site.function is edge.callee and self.excludes(site, known):
                return False
        return True

    def excludes(self, site: CallSite, known: Truths) -> bool:
        """Does the call stand where what is known keeps control from?"""
        return bool(known) and any((path, not value) in known for path, value in self.needs(site))

    def into(self, edge: Edge, above: Truths) -> Truths:
        """What the callee of an edge may take for granted; `above`: what its caller may."""
        asked = self.asked.get(edge.callee)
        if asked is None:
            return NOTHING
        key = (id(edge), above)
        found = self._into.get(key)
        if found is None:
            found = self._into[key] = self._passed(edge, above, asked)
        return found

    def _passed(self, edge: Edge, above: Truths, asked: frozenset[str]) -> Truths:
        site, callee = edge.site, edge.callee
        resolution = self._graph.resolutions.get(site)
        if resolution is None or callee not in resolution.functions or edge.by is not None or has_spread(site.fact):
            return NOTHING
        if any(isinstance(arg, f.Star) for arg in site.fact.args):
            return NOTHING
        here = dict(above | self.needs(site))
        found: set[tuple[str, bool]] = set()
        for name in {path.partition(".")[0] for path in asked}:
            given = argument_for(callee, name, site, resolution.implicit)
            if given is None:
                given = callee.scope.params[callee.parameters[name]].default
            if isinstance(given, f.Const) and (given.value is None or isinstance(given.value, bool)):
                found.add((name, bool(given.value)))
            path = _path(given)
            if path in here:
                found.add((name, here[path]))
            if isinstance(given, f.Name):
                prefix = f"{path}."
                found.update((name + key[len(path) :], value) for key, value in here.items() if key.startswith(prefix))
        return frozenset(item for item in found if item[0] in asked)

    # --- what a call needs --------------------------------------------------------------------------------------------

    def needs(self, site: CallSite) -> Truths:
        """What must be true, and what false, for the call to run."""
        known = self._needs.get(site)
        if known is None:
            known = self._needs[site] = frozenset(self._needed(site))
        return known

    def _needed(self, site: CallSite) -> Iterator[tuple[str, bool]]:
        """Around it: `if flag:`, `else:`. Before it, in a block around it: `if not flag: return`."""
        scope = site.function.scope
        around = list(flow.ancestors(scope, site.fact.region))
        for index, region in enumerate(scope.regions):
            if region.kind not in {"if", "else"}:
                continue
            test = region.test if region.kind == "if" else _test_of(scope, index)
            inside = index in around
            left = region.exits in _LEAVES and region.parent in around and region.end <= site.fact.order
            if test is None or not (inside or left):
                continue
            for path in _decided(test, truth=(region.kind == "if") is inside):
                if self._stays(path[0], site.function):
                    yield path

    def _stays(self, path: str, function: Function) -> bool:
        """Is it the same thing wherever the function names it?"""
        root, _, attribute = path.partition(".")
        bound = len(function.bindings.get(root, ()))
        if bound > (0 if root in function.parameters else 1):
            return False
        return not attribute or self._is_constant(attribute)

    def _is_constant(self, attribute: str) -> bool:
        """An attribute that nothing assigns, and that is no method which looks at its object: what it says does not change on the way."""
        known = self._constant.get(attribute)
        if known is None:
            if self._changed is None:
                self._changed = frozenset(
                    assign.target.name
                    for function in self._symbols.functions
                    for assign in function.scope.assigns
                    if isinstance(assign.target, f.Attr)
                )
            methods = self._methods.get(attribute, ())
            known = attribute not in self._changed and bool(methods) and not any(map(_looks_at_itself, methods))
            self._constant[attribute] = known
        return known

    @cached_property
    def _methods(self) -> dict[str, list[Function]]:
        found: dict[str, list[Function]] = defaultdict(list)
        for function in self._symbols.functions:
            if function.is_method:
                found[function.name].append(function)
        return found

    # --- what a function asks -----------------------------------------------------------------------------------------

    @cached_property
    def asked(self) -> dict[Function, frozenset[str]]:
        """Parameters, and attributes of them, by which a function or one that it hands them to decides; only functions that ask."""
        found = {function: set(self._tests(function)) for function in self._symbols.functions}
        fresh = {function: set(paths) for function, paths in found.items() if paths}
        for _ in range(_DEEP):
            handed: dict[Function, set[str]] = {}
            for callee, paths in fresh.items():
                for edge in self._graph.incoming.get(callee, ()):
                    caller = edge.site.function
                    for path in self._handed(edge, paths):
                        if path not in found[caller]:
                            found[caller].add(path)
                            handed.setdefault(caller, set()).add(path)
            fresh = handed
        return {function: frozenset(paths) for function, paths in found.items() if paths}

    def _handed(self, edge: Edge, paths: set[str]) -> Iterator[str]:
        resolution, caller = self._graph.resolutions.get(edge.site), edge.site.function
        if resolution is None or edge.callee not in resolution.functions:
            return
        for path in sorted(paths):
            root, dot, attribute = path.partition(".")
            given = argument_for(edge.callee, root, edge.site, resolution.implicit)
            if isinstance(given, f.Name) and given.id in caller.parameters and given.id not in caller.bindings:
                yield given.id + dot + attribute

    def _tests(self, function: Function) -> set[str]:
        tests = (region.test for region in function.scope.regions if region.kind == "if" and region.test is not None)
        paths = {path for test in tests for truth in (True, False) for path, _ in _decided(test, truth=truth)}
        return {path for path in paths if path.partition(".")[0] in function.parameters and self._stays(path, function)}


def let_in(model: Model, reached: Sequence[Reached], site: CallSite) -> tuple[Reached, ...]:
    """The entries from which control comes to a call: not those that pass `dry_run=True` to what it stands behind. All, where it is none."""
    ways = [(r, model.entries.path(r.entry, site.function)) for r in reached]
    found = tuple(r for r, path in ways if not path or model.switches.lets(path, site))
    return found or tuple(reached)


def is_off_from(model: Model, through: Through) -> bool:
    """Does a call leave out what the write below it depends on: `export(form)` of a function that inserts `if value:`?"""
    edges: list[Edge] = []
    site = through.site
    for callee in through.path:
        edge = next((edge for edge in model.edges_at(site) if edge.callee is callee), None)
        if edge is None:
            return False
        edges.append(edge)
        following = through.path[len(edges)] if len(edges) < len(through.path) else None
        if following is not None:
            calls = (edge.site for edge in model.edges_to(following) if edge.site.function is callee)
            site = next(calls, site)
    return bool(edges) and not model.switches.lets(edges, through.access.site)


def _test_of(scope: f.Scope, index: int) -> f.Expr | None:
    first = flow.sibling_of_kind(scope, index, "if")
    return scope.regions[first].test if first is not None else None


def _decided(test: f.Expr, *, truth: bool) -> Iterator[tuple[str, bool]]:
    """What must be true, and what false, for the test to be `truth`."""
    match test:
        case f.Unary(op="not"):
            yield from _decided(test.value, truth=not truth)
        case f.BoolOp(op=op, items=items) if (op == "and") is truth:
            for item in items:
                yield from _decided(item, truth=truth)
        case f.Name() | f.Attr(value=f.Name()):
            yield _path(test), truth


def _path(expr: f.Expr | None) -> str:
    match expr:
        case f.Name():
            return expr.id
        case f.Attr(value=f.Name(id=root), name=name):
            return f"{root}.{name}"
    return ""


def _looks_at_itself(method: Function) -> bool:
    first = method.scope.params[0].name if method.scope.params else ""
    return first in method.scope.last_read
