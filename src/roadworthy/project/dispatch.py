"""Calls that no name at their place gives away: methods called by their name as a string, callables taken from a list."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.bindings import argument_for
from roadworthy.project.values import FunctionValue, Instance, Library, LibraryObject, Partial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.calls import Resolution
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, ClassInfo, Function, Symbols

_FEW = 12  # a name that more classes have says nothing
_ROUNDS = 4

Receivers = tuple["ClassInfo", ...]


class Dispatch:
    """Which parameters are names of methods, and on what: `run("order_paid", order)` where `run` ends in `getattr(plugin, name)(…)`."""

    def __init__(self, symbols: Symbols, evaluator: Evaluator, resolutions: dict[CallSite, Resolution]) -> None:
        """`resolutions` says what each call calls."""
        self._evaluator = evaluator
        self._resolutions = resolutions
        self._named: dict[tuple[Function, str], Receivers] = {}
        self._owners: dict[str, list[Function]] = defaultdict(list)
        for cls in symbols.classes:
            for name, method in cls.methods.items():
                self._owners[name].append(method)
        callers: dict[Function, list[CallSite]] = defaultdict(list)
        for site, resolution in resolutions.items():
            for function in resolution.functions:
                callers[function].append(site)
        for function in symbols.functions:
            self._find(function)
        for _ in range(_ROUNDS):
            if not self._pass_on(callers):
                break
        self._callers = callers

    def _find(self, function: Function) -> None:
        """`getattr(plugin, name)` with a parameter `name`, whose result is called or bound to a name that is."""
        for site in function.calls:
            call = site.fact
            if not (isinstance(call.func, f.Name) and call.func.id == "getattr" and len(call.args) >= 2):
                continue
            name = call.args[1]
            if (
                isinstance(name, f.Name)
                and name.id in function.parameters
                and name.id not in function.bindings
                and self._is_called(site)
            ):
                values = self._evaluator.evaluate(call.args[0], function, call.order)
                if values and all(isinstance(value, Library | LibraryObject) for value in values):
                    continue  # `getattr(requests, method)`: no method of this project
                self._named[function, name.id] = tuple(value.cls for value in values if isinstance(value, Instance))

    def _is_called(self, site: CallSite) -> bool:
        scope = site.function.scope
        bound = {
            a.target.id
            for a in scope.assigns
            if isinstance(a.target, f.Name) and isinstance(a.value, f.CallRef) and a.value.index == site.index
        }
        return any(
            (isinstance(call.func, f.CallRef) and call.func.index == site.index)
            or (isinstance(call.func, f.Name) and call.func.id in bound)
            for call in scope.calls
        )

    def _pass_on(self, callers: dict[Function, list[CallSite]]) -> bool:
        """A function that hands its own parameter on as the name dispatches too."""
        changed = False
        for (function, name), receivers in list(self._named.items()):
            for site in callers.get(function, ()):
                expr = argument_for(function, name, site, self._resolutions[site].implicit)
                caller = site.function
                if isinstance(expr, f.Name) and expr.id in caller.parameters and (caller, expr.id) not in self._named:
                    self._named[caller, expr.id] = receivers
                    changed = True
        return changed

    def edges(self) -> Iterator[tuple[CallSite, Function]]:
        """(call that gives the name as a literal, method of that name)."""
        for (function, name), receivers in self._named.items():
            for site in self._callers.get(function, ()):
                expr = argument_for(function, name, site, self._resolutions[site].implicit)
                if isinstance(expr, f.Str):
                    for method in self._methods(expr.value, receivers, site):
                        yield site, method

    def _methods(self, name: str, receivers: Receivers, site: CallSite) -> list[Function]:
        if receivers:
            family = [cls for receiver in receivers for cls in (receiver, *receiver.descendants)]
            found = [cls.methods[name] for cls in family if name in cls.methods]
        else:
            found = [method for method in self._owners.get(name, ()) if method.cls is not site.function.cls]
        unique = list(dict.fromkeys(found))
        return unique if len(unique) <= _FEW else []


class CallbackLists:
    """Callables that are put into a list and called from there: `g.setdefault("mails", []).append(fn)` … `for fn in g.pop("mails"): fn()`."""

    def __init__(self, symbols: Symbols, evaluator: Evaluator) -> None:
        """Lists are told apart by the attribute of their class, or by the literal key under which they are kept."""
        self._evaluator = evaluator
        self._put: dict[tuple[str, str], dict[Function, None]] = defaultdict(dict)
        for function in symbols.functions:
            for site in function.calls:
                self._collect(site)
        self._functions = symbols.functions

    def _collect(self, site: CallSite) -> None:
        call = site.fact
        if not (
            isinstance(call.func, f.Attr) and call.func.name in {"append", "add", "appendleft"} and len(call.args) == 1
        ):
            return
        arg = call.args[0]
        if not isinstance(arg, f.LambdaRef | f.Name | f.Attr):
            return
        key = self._key(call.func.value, site.function)
        if key is None:
            return
        for value in self._evaluator.evaluate(arg, site.function, call.order):
            target = value.target if isinstance(value, Partial) else value
            if isinstance(target, FunctionValue):
                self._put[key][target.function] = None

    def _key(self, expr: f.Expr, function: Function, depth: int = 0) -> tuple[str, str] | None:
        """Which list an expression is: (class, attribute), or (where it is kept, literal key)."""
        match expr:
            case f.Attr(value=f.Name(id="self" | "cls"), name=name) if function.cls is not None:
                return function.cls.mro[-1].id, name
            case f.Sub(index=f.Str(value=key)):
                return "key", key
            case f.CallRef(index=index):
                call = function.scope.calls[index]
                keyed = (
                    isinstance(call.func, f.Attr) and call.func.name in {"setdefault", "get", "pop"} and bool(call.args)
                )
                if keyed and isinstance(call.args[0], f.Str):
                    return "key", call.args[0].value
                if flow.last_name(call.func) in {"list", "tuple", "reversed", "copy"}:
                    inner = call.args[0] if call.args else call.func.value if isinstance(call.func, f.Attr) else None
                    return self._key(inner, function, depth + 1) if inner is not None and depth < 4 else None
            case f.Name(id=name) if depth < 4:
                for assign in reversed(function.bindings.get(name, ())):
                    if assign.value is not None and assign.op in {"=", ":="}:
                        return self._key(assign.value, function, depth + 1)
        return None

    def edges(self) -> Iterator[tuple[CallSite, Function]]:
        """(call of a loop's variable, callable that was put into the list)."""
        if not self._put:
            return
        for function in self._functions:
            for region in function.scope.regions:
                if region.kind != "for" or region.test is None or not isinstance(region.target, f.Name):
                    continue
                key = self._key(region.test, function)
                if key is None or key not in self._put:
                    continue
                for site in function.calls:
                    called = site.fact.func
                    if (
                        isinstance(called, f.Name)
                        and called.id == region.target.id
                        and region.start <= site.fact.order < region.end
                    ):
                        for target in self._put[key]:
                            yield site, target
