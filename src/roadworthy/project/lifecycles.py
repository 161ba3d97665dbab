"""Classes with a way to stop: which of their members it takes care of, which it forgets, and which stops do nothing."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.shutdown import CLOSERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.model import Model
    from roadworthy.project.shutdown import Resource, Shutdown
    from roadworthy.project.symbols import CallSite, ClassInfo, Function

STOPS = (
    "shutdown", "close", "aclose", "stop", "terminate", "dispose", "teardown", "cleanup", "on_shutdown", "disconnect", "__exit__", "__aexit__",
)  # fmt: skip
STARTS = ("start", "run", "serve", "start_async", "on_start", "__aenter__", "__enter__", "setup", "connect", "open")
FLUSHES = ("flush", "force_flush", "flush_all", "drain")


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A member that the stop of its class leaves as it is."""

    cls: ClassInfo
    stop: Function
    members: tuple[str, ...]
    handled: tuple[str, ...]  # members that the stop does take care of
    flush: Function | None = None  # the method that takes care of the forgotten ones
    resource: Resource | None = None  # the forgotten member, where it is a library's object


@dataclass(frozen=True, slots=True)
class InertStop:
    """A class whose start makes something run, and whose stop is an inherited method that does nothing."""

    cls: ClassInfo
    start: Function
    stop: Function  # the inherited one
    site: CallSite  # the call that makes it run
    example: Function | None  # how a sibling overrides the stop


class Lifecycles:
    """Asks each class."""

    def __init__(self, model: Model, shutdown: Shutdown) -> None:
        """`shutdown` knows the library objects that must be closed."""
        self._model = model
        self._shutdown = shutdown

    # --- members ------------------------------------------------------------------------------------------------------

    def closure(self, method: Function) -> dict[Function, None]:
        """The method and what it calls of its own object, functions inside included."""
        queue = deque([method])
        seen = dict.fromkeys(queue)
        family = set(method.cls.mro) | set(method.cls.descendants) if method.cls is not None else set()
        while queue:
            here = queue.popleft()
            inner = [child for children in here.children.values() for child in children if child.kind == "function"]
            own = [edge.callee for edge in self._model.edges_from(here) if edge.callee.cls in family]
            for function in (*inner, *own):
                if function not in seen:
                    seen[function] = None
                    queue.append(function)
        return seen

    def mentioned(self, method: Function) -> frozenset[str]:
        """Members that the method reads, itself or through its own object's methods."""
        return frozenset(
            path.split(".")[1]
            for function in self.closure(method)
            for path in function.scope.last_read
            if path.startswith(("self.", "cls.")) and path.count(".") >= 1
        )

    def closed_members(self, method: Function) -> dict[str, None]:
        """Members on which the method calls something that flushes, joins or closes."""
        found: dict[str, None] = {}
        for function in self.closure(method):
            for site in function.calls:
                func = site.fact.func
                if isinstance(func, f.Attr) and func.name in CLOSERS:
                    member = _member(func.value, function)
                    if member:
                        found[member] = None
        return found

    # --- what is forgotten --------------------------------------------------------------------------------------------

    def forgotten(self) -> Iterator[Forgotten]:
        """Members of reviewed classes that their stop forgets."""
        for cls in self._model.symbols.classes:
            if not self._model.is_reviewed(cls.path):
                continue
            stops = [
                cls.methods[name] for name in STOPS if name in cls.methods and not flow.is_stub(cls.methods[name].scope)
            ]
            if stops:
                yield from self._beside_flush(cls, stops)
                yield from self._siblings(cls, stops)

    def _beside_flush(self, cls: ClassInfo, stops: list[Function]) -> Iterator[Forgotten]:
        """`shutdown()` repeats a part of what `flush()` does, and leaves out the rest."""
        flush = next((cls.methods[name] for name in FLUSHES if name in cls.methods), None)
        if flush is None or "write" in cls.methods:  # a stream: its `flush()` hands on what its writer sees at once
            return
        flushed = self.closed_members(flush)
        reached = {function for stop in stops for function in self.closure(stop)}
        if not flushed or flush in reached:
            return
        for stop in stops:
            known = self.mentioned(stop)
            handled = tuple(member for member in flushed if member in self.closed_members(stop))
            missing = tuple(member for member in flushed if member not in known)
            if handled and missing:
                yield Forgotten(cls, stop, missing, handled, flush)
                return

    def _siblings(self, cls: ClassInfo, stops: list[Function]) -> Iterator[Forgotten]:
        """One member is closed, another one of the same nature is not."""
        held = [
            r
            for r in self._shutdown.resources
            if r.holder == "attribute" and r.cls is cls and self._shutdown.carries(r)
        ]
        closed = {member: None for stop in stops for member in self.closed_members(stop)}
        known = {member for stop in stops for member in self.mentioned(stop)}
        for resource in held:
            member = resource.name.partition(".")[2] or resource.name
            if closed and member not in known and not self._shutdown.is_closed(resource):
                yield Forgotten(cls, stops[0], (member,), tuple(closed), None, resource)

    # --- stops that do nothing ----------------------------------------------------------------------------------------

    def inert_stops(self, starts: dict[Function, CallSite]) -> Iterator[InertStop]:
        """`starts`: functions that make something run until it is stopped, and the call that does."""
        for cls in self._model.symbols.classes:
            if not self._model.is_reviewed(cls.path):
                continue
            found = self._inert(cls, starts)
            if found is not None:
                yield found

    def _inert(self, cls: ClassInfo, starts: dict[Function, CallSite]) -> InertStop | None:
        start = next((cls.methods[name] for name in STARTS if name in cls.methods), None)
        stop = next((m for name in STOPS for m in [cls.find_method(name)] if m is not None), None)
        if start is None or stop is None or stop.cls in {None, cls} or not _does_nothing(stop):
            return None
        site = next((starts[function] for function in self.closure(start) if function in starts), None)
        if site is None:
            return None
        assert stop.cls is not None
        others = [c.methods[stop.name] for c in stop.cls.descendants if stop.name in c.methods and c is not cls]
        example = next((o for o in sorted(others, key=lambda o: (o.path, o.line)) if not _does_nothing(o)), None)
        return InertStop(cls, start, stop, site, example) if example is not None else None


def _does_nothing(method: Function) -> bool:
    """Nothing but pass, a docstring or `return`: there to be overridden, and silent where it is not."""
    scope = method.scope
    return not scope.calls and not scope.assigns and not any(leave.kind in {"raise", "yield"} for leave in scope.leaves)


def _member(expr: f.Expr, function: Function, depth: int = 0) -> str:
    """`x` for `self.x`, `self.x.y`, and for a local name that stands for one of its items or for itself."""
    if depth > 4:
        return ""
    match expr:
        case f.Attr(value=f.Name(id="self"), name=name):
            return name
        case f.Attr() | f.Sub() | f.Await():
            return _member(expr.value, function, depth + 1)
        case f.CallRef():
            call = function.scope.calls[expr.index]
            if isinstance(call.func, f.Attr):
                return _member(call.func.value, function, depth + 1)
            return _member(call.args[0], function, depth + 1) if call.args else ""
        case f.Name():
            for assign in function.bindings.get(expr.id, ())[:3]:
                if assign.value is not None and assign.op in {"=", "for", ":="}:
                    found = _member(assign.value, function, depth + 1)
                    if found:
                        return found
    return ""
