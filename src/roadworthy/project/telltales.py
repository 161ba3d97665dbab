"""Objects of libraries whose making is not seen, told by methods that hardly anything else has, or by what they are usually called.

A session comes out of a package of the house, a connection out of a registry: without its type every effect behind it is lost, and whole
services do their work through such an object. Only libraries that the project imports are thought of, and no method that a class of the
project has as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.values import Library, LibraryObject

if TYPE_CHECKING:
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, Function

_ANYBODYS = frozenset({
    "get", "delete", "close", "put", "post", "patch", "request", "send", "update", "copy", "items", "keys", "values", "pop", "clear", "add",
    "remove", "count", "index", "set", "run", "start", "stop", "connect", "merge",
})  # fmt: skip
"""Methods of dictionaries, sets and clients of all kinds: the usual name of an object alone does not tell whose they are."""


class Telltales:
    """Asked for each call whose receiver nothing is known of."""

    def __init__(self, evaluator: Evaluator) -> None:
        """Nothing is looked at before the first question."""
        self._evaluator = evaluator
        self._knowledge = evaluator.knowledge
        self._roots: frozenset[str] | None = None
        self._own: frozenset[str] = frozenset()
        self._types: dict[str, tuple[str, ...]] = {}
        self._told: dict[Function, dict[str, tuple[str, ...]]] = {}

    def callee(self, site: CallSite) -> tuple[Library, ...]:
        """The method that this call must be; empty when nothing tells."""
        func = site.fact.func
        if not isinstance(func, f.Attr):
            return ()
        names = self._by_method(func.name) or self._by_name(func) or self._by_neighbour(func, site)
        found = self._chosen(names, func.name, site)
        if not found:
            return ()
        self._evaluator.doubt = True  # a caller that is read later may give the object itself
        return (Library(self._knowledge.member(found, func.name), LibraryObject(found)),)

    def _by_method(self, method: str) -> tuple[str, ...]:
        known = self._types.get(method)
        if known is None:
            named = self._knowledge.tables.told_by.get(method, ())
            known = self._types[method] = self._imported(named) if named and method not in self._methods() else ()
        return known

    def _by_name(self, func: f.Attr) -> tuple[str, ...]:
        if func.name in _ANYBODYS:
            return ()
        return self._called(func.value)

    def _called(self, receiver: f.Expr | None) -> tuple[str, ...]:
        match receiver:
            case f.Name(id=name) | f.Attr(name=name):
                usual = name.strip("_").lower()
            case _:
                return ()
        return self._imported(self._knowledge.tables.called.get(usual, ()))

    def _by_neighbour(self, func: f.Attr, site: CallSite) -> tuple[str, ...]:
        """Another call of the same name in the same function tells: `session.add(row)` beside `session.scalars(…)`."""
        if not isinstance(func.value, f.Name | f.Attr):
            return ()
        told = self._told.get(site.function)
        if told is None:
            told = self._told[site.function] = self._told_in(site.function)
        return told.get(flow.text_of(func.value, site.function.scope), ()) if told else ()

    def _told_in(self, function: Function) -> dict[str, tuple[str, ...]]:
        """What the calls of a function tell of their receivers, as they are written."""
        found: dict[str, tuple[str, ...]] = {}
        for site in function.calls:
            func = site.fact.func
            if not isinstance(func, f.Attr) or not isinstance(func.value, f.Name | f.Attr):
                continue
            types = self._by_method(func.name) or tuple(
                name for name in self._by_name(func) if self._has(name, func.name)
            )
            if types:
                found.setdefault(flow.text_of(func.value, function.scope), types)
        return found

    def _chosen(self, names: tuple[str, ...], method: str, site: CallSite) -> str:
        """The type that has the method, of one library only; the one whose calls are awaited where this one is."""
        fitting = [name for name in names if self._has(name, method)]
        if len({name.partition(".")[0] for name in fitting}) > 1:
            return ""
        for name in fitting:
            rows = self._knowledge.calls(self._knowledge.member(name, method))
            if site.fact.awaited == any(row.awaitable for row in rows):
                return name
        return fitting[0] if fitting and not site.fact.awaited else ""

    def _has(self, name: str, method: str) -> bool:
        return self._knowledge.member(name, method) in self._knowledge.tables.call.names

    def imports(self, modules: tuple[str, ...]) -> bool:
        """Does the project import any of these?"""
        return any(module.partition(".")[0] in self._imports() for module in modules)

    def _imported(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if name.partition(".")[0] in self._imports())

    def _imports(self) -> frozenset[str]:
        if self._roots is None:
            modules = self._evaluator.symbols.modules
            self._roots = frozenset(
                item.module.partition(".")[0]
                for module in modules
                for scope in module.facts.scopes
                for item in scope.imports
                if item.level == 0
            )
        return self._roots

    def _methods(self) -> frozenset[str]:
        """Names of the project's own methods."""
        if not self._own:
            self._own = frozenset(
                function.name for function in self._evaluator.symbols.functions if function.cls is not None
            )
        return self._own
