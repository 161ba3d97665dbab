"""Functions that an OpenAPI document names as what answers a request: `operationId: shop.orders.Orders.create`."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project.consolescripts import module_below
from roadworthy.project.values import ClassValue, FunctionValue, Instance, join

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roadworthy.facts.schema import AuxFacts
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import Function, Symbols
    from roadworthy.project.values import Values

_PREFIX = "operation."


def operations(symbols: Symbols, evaluator: Evaluator, around: Sequence[AuxFacts]) -> Iterator[tuple[str, Function]]:
    """(what it answers, the function); one that answers several requests goes by its own name."""
    found: dict[Function, list[str]] = {}
    for facts in around:
        for setting in facts.settings if facts.kind == "openapi" else ():
            if setting.key.startswith(_PREFIX):
                for function in _named(symbols, evaluator, posixpath.dirname(facts.path), setting.value):
                    found.setdefault(function, []).append(setting.key.removeprefix(_PREFIX))
    for function, routes in found.items():
        distinct = set(routes)
        yield routes[0] if len(distinct) == 1 else f"{len(distinct)} operations of {function.qualname}", function


def _named(symbols: Symbols, evaluator: Evaluator, folder: str, dotted: str) -> Iterator[Function]:
    """The longest part that is a module below the document's folder or one above, then attributes of it."""
    parts = dotted.split(".")
    for size in range(len(parts) - 1, 0, -1):
        values = _attribute(symbols, evaluator, folder, ".".join(parts[:size]), parts[size])
        for name in parts[size + 1 :]:
            values = join(*(evaluator.attribute(value, name) for value in values))
        functions = [value for value in values if isinstance(value, FunctionValue)]
        for value in functions:
            yield value.function
            yield from _left_to_subclasses(value)
        if functions:
            return


def _left_to_subclasses(value: FunctionValue) -> Iterator[Function]:
    """`def get(cls): return cls.answer(cls.handle_get)` of a base: the class that was named answers with a `handle_get` of its own.

    The base's method alone leads to those of all its subclasses, of which only the first few are followed.
    """
    function, owner = value.function, value.receiver
    if not isinstance(owner, ClassValue | Instance) or owner.cls is function.cls or not function.scope.params:
        return
    first = function.scope.params[0].name
    for call in function.scope.calls:
        for expr in (call.func, *call.args, *(given for _, given in call.kwargs)):
            if isinstance(expr, f.Attr) and isinstance(expr.value, f.Name) and expr.value.id == first:
                own = owner.cls.find_method(expr.name)
                if own is not None and own.cls is not None and function.cls in own.cls.mro[1:]:
                    yield own


def _attribute(symbols: Symbols, evaluator: Evaluator, folder: str, dotted: str, name: str) -> Values:
    while True:
        module = module_below(symbols, folder, dotted)
        if module is not None:
            return evaluator.evaluate(f.Name(name), module.body)
        if not folder:
            return ()
        folder = posixpath.dirname(folder)
