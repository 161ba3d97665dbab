"""What holds data or work in memory, and who flushes, drains or closes it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.carried import Carried
from roadworthy.project.values import Instance, LibraryObject, Partial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.knowledge.schema import TypeRow
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, ClassInfo, Function

CLOSERS = frozenset({
    "flush", "force_flush", "close", "aclose", "stop", "astop", "shutdown", "drain", "join", "disconnect", "terminate", "dispose", "wait_closed",
    "loop_stop", "cleanup", "quit", "cancel", "commit",
})  # fmt: skip
_DATA = frozenset({
    "publish", "enqueue", "object-write", "vector-insert", "vector-upsert", "sql-insert", "sql-upsert", "email", "sms", "charge",
})  # fmt: skip
_ANSWERS = frozenset({"get", "result"})
_TAKES_OVER = frozenset({
    "closing", "aclosing", "enter_context", "enter_async_context", "push", "push_async_exit", "callback", "push_async_callback", "finalize",
    "addfinalizer", "register", "addCleanup", "call_on_close", "context",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Resource:
    """An object that must be flushed or closed, at the call that makes it."""

    site: CallSite
    type: str  # dotted name of the library type
    row: TypeRow
    holder: str  # "local" "attribute" "global" "context" "returned" "passed" "dropped"
    name: str = ""  # what it is bound to: `producer`, `self.producer`
    cls: ClassInfo | None = None  # attribute: the class that holds it
    outlives: bool = False  # local: the function hands it out or keeps it in something that lives on

    @property
    def short_type(self) -> str:
        """The last part of the type's name."""
        return self.type.rpartition(".")[2]


class Shutdown:
    """Finds resources and their closings."""

    def __init__(self, model: Model) -> None:
        """Nothing is computed before it is asked for."""
        self._model = model
        self._types: dict[str, TypeRow | None] = {}
        self._carriers: dict[str, bool] = {}

    # --- resources ----------------------------------------------------------------------------------------------------

    @cached_property
    def resources(self) -> tuple[Resource, ...]:
        """Objects of reviewed code that hold data or work of their own until they are closed, in source order."""
        return tuple(found for function in self._model.functions for found in self._made_in(function))

    def _made_in(self, function: Function) -> Iterator[Resource]:
        for site in function.calls:
            libraries = self._model.graph.resolutions[site].libraries
            if not any(self._may_hold(library.name) for library in libraries):
                continue
            for value in self._model.evaluator.call_result(site):
                kind = value.type if isinstance(value, LibraryObject) and value.site is site else ""
                row = self._row(kind) if kind else None
                if row is not None:
                    yield self._resource(site, kind, row)

    def _may_hold(self, name: str) -> bool:
        made = self._model.knowledge.type_from_call(name)
        return made is not None and self._row(made) is not None

    def _row(self, kind: str) -> TypeRow | None:
        """The row of a type that buffers data or runs work, and does not look after itself."""
        if kind not in self._types:
            row = self._model.knowledge.type(kind)
            holds = (
                row is not None
                and (row.buffers or row.runs_in_background)
                and bool(row.closes)
                and not row.self_closing
            )
            self._types[kind] = row if holds else None
        return self._types[kind]

    def carries(self, resource: Resource) -> bool:
        """Does such an object carry data that must not be lost: messages, jobs, objects, vectors; no files, no telemetry?"""
        if resource.type not in self._carriers:
            tables = self._model.knowledge.tables
            kinds = (resource.type, *self._model.knowledge.type_bases(resource.type))
            names = [name for name in tables.call.names if name.rpartition(".")[0] in kinds]
            words = {word for name in names for row in self._model.knowledge.calls(name) for word in row.effects}
            self._carriers[resource.type] = resource.row.buffers and bool(words & _DATA)
        return self._carriers[resource.type]

    def _resource(self, site: CallSite, kind: str, row: TypeRow) -> Resource:
        holder, name = self._holder(site)
        cls = site.function.cls if holder == "attribute" else None
        return Resource(site, kind, row, holder, name, cls, holder == "local" and _is_kept(name, site.function))

    def _holder(self, site: CallSite) -> tuple[str, str]:
        fact = site.fact
        if fact.use in {"context", "returned", "discarded"}:
            return {"context": "context", "returned": "returned", "discarded": "dropped"}[fact.use], ""
        for assign in site.function.scope.assigns:
            if assign.value is None or not any(
                isinstance(p, f.CallRef) and p.index == site.index for p in flow.walk(assign.value)
            ):
                continue
            text = flow.text_of(assign.target, site.function.scope)
            if isinstance(assign.target, f.Attr):
                return "attribute", text
            if isinstance(assign.target, f.Name):
                outside = site.function.kind == "module" or text in site.function.scope.globals
                return ("global" if outside else "attribute" if site.function.kind == "class" else "local"), text
        return "passed", ""

    # --- closings -----------------------------------------------------------------------------------------------------

    def closings(self, resource: Resource) -> tuple[CallSite, ...]:
        """Calls that flush or close the object, as far as values can be followed; also where it is handed to what closes it."""
        return tuple(self._closed_by_site.get(resource.site, ()))

    def is_closed(self, resource: Resource) -> bool:
        """Is it closed anywhere; or is something of the same name closed, where values cannot be followed?"""
        if resource.holder == "context" or self.closings(resource):
            return True
        last = resource.name.rpartition(".")[2].strip("_")
        return bool(last) and bool({(last, ""), (last, resource.type)} & self._closed_names)

    @cached_property
    def _closed_by_site(self) -> dict[CallSite, list[CallSite]]:
        found: dict[CallSite, list[CallSite]] = defaultdict(list)
        for function in self._model.functions:
            for site in function.calls:
                for expr in _closed_at(site):
                    for made in self._made(expr, site):
                        found[made].append(site)
            for region in function.scope.regions:
                for expr, _ in region.items:
                    if not isinstance(expr, f.CallRef):
                        for made in self._made_in_scope(expr, function, region.start):
                            found[made].append(made)
        return found

    def _made(self, expr: f.Expr, site: CallSite) -> Iterator[CallSite]:
        yield from self._made_in_scope(expr, site.function, site.fact.order)

    def _made_in_scope(self, expr: f.Expr, function: Function, order: int) -> Iterator[CallSite]:
        for value in self._model.values(expr, function, order):
            value = value.target if isinstance(value, Partial) else value
            if isinstance(value, LibraryObject | Instance) and value.site is not None:
                yield value.site

    @cached_property
    def _closed_names(self) -> frozenset[tuple[str, str]]:
        """(last name, type or "") of what is closed somewhere although nobody knows where it was made."""
        found: set[tuple[str, str]] = set()
        for function in self._model.functions:
            for site in function.calls:
                func = site.fact.func
                if isinstance(func, f.Attr) and func.name in CLOSERS:
                    last = flow.text_of(func.value, function.scope).rpartition(".")[2].strip("_")
                    values = self._model.values(func.value, function, site.fact.order)
                    if not values:
                        found.add((last, ""))
                    found.update((last, v.type) for v in values if isinstance(v, LibraryObject) and v.site is None)
        return frozenset(found)

    def escapes(self, resource: Resource) -> bool:
        """Is it handed to code that is not known, which may close it?"""
        function = resource.site.function
        outer = resource.site.fact.outer
        if resource.holder == "passed" and outer >= 0:
            return not self._is_own(function.calls[outer])
        if resource.holder != "local":
            return False
        return any(not self._is_own(site) for site in _given(resource))

    def _is_own(self, site: CallSite) -> bool:
        resolution = self._model.graph.resolutions[site]
        return bool(resolution.functions or resolution.classes)

    # --- use ----------------------------------------------------------------------------------------------------------

    def writes(self, resource: Resource) -> tuple[EffectAt, ...]:
        """Calls on the object that put data into it which is to persist."""
        return tuple(self._writes.get(resource.site, ()))

    def may_lose(self, resource: Resource) -> bool:
        """Is anything put into it whose own answer nobody waits for? What was answered has left the buffer; and nobody puts
        anything into one that never leaves the function which only listens on it."""
        writes = self.writes(resource)
        if not writes:
            return resource.holder != "local" or any(True for _ in _given(resource))
        return any(not _is_answered(effect.site) for effect in writes)

    @cached_property
    def _writes(self) -> dict[CallSite, list[EffectAt]]:
        wanted = {resource.site for resource in self.resources}
        found: dict[CallSite, list[EffectAt]] = defaultdict(list)
        for effect in self._model.effects_of():
            if not effect.effect.word.persists:
                continue
            for receiver in self._model.clients.receivers(effect):
                if (
                    isinstance(receiver, LibraryObject | Instance)
                    and receiver.site in wanted
                    and receiver.site is not None
                ):
                    found[receiver.site].append(effect)
        return found


def _is_kept(name: str, function: Function) -> bool:
    """`self._producers[key] = producer`, `return producer`: a local name of something that others go on to use."""
    scope = function.scope
    return any(
        assign.value == f.Name(name) and isinstance(assign.target, f.Attr | f.Sub) for assign in scope.assigns
    ) or any(leave.kind == "return" and leave.value == f.Name(name) for leave in scope.leaves)


def _given(resource: Resource) -> Iterator[CallSite]:
    """Calls that are given the object."""
    for site in resource.site.function.calls:
        given = (*site.fact.args, *(value for _, value in site.fact.kwargs))
        if any(isinstance(p, f.Name) and p.id == resource.name for e in given for p in flow.walk(e)):
            yield site


def _is_answered(site: CallSite) -> bool:
    """`producer.send(…).get(timeout=5)`, or the same by way of a name, a list of them, a loop over that."""
    made = Carried(site.function.scope, set(), {site.index})
    made.spread()
    return any(
        isinstance(other.fact.func, f.Attr)
        and other.fact.func.name in _ANSWERS
        and other.fact.order > site.fact.order
        and made.holds(other.fact.func.value)
        for other in site.function.calls
    )


def _closed_at(site: CallSite) -> Iterator[f.Expr]:
    """The objects that a call closes, or hands over to be closed: `x.close()`, `closing(x)`, `register(x.close)`."""
    func = site.fact.func
    if isinstance(func, f.Attr) and func.name in CLOSERS:
        yield func.value
    name = func.name if isinstance(func, f.Attr) else func.id if isinstance(func, f.Name) else ""
    for expr in (*site.fact.args, *(value for _, value in site.fact.kwargs)):
        if isinstance(expr, f.Attr) and expr.name in CLOSERS:
            yield expr.value
        elif name in _TAKES_OVER:
            yield expr
