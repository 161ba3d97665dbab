"""What a started function is given: `pool.submit(send, client)`, `Thread(target=send, args=(client,))` call `send(client)` elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from roadworthy.facts import schema as f
from roadworthy.project.arguments import arguments
from roadworthy.project.symbols import CallSite
from roadworthy.project.values import FunctionValue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.knowledge.schema import SpawnerRow
    from roadworthy.project.evaluate import Evaluator

_ITEMS = frozenset({"args"})
_PAIRS = frozenset({"kwargs", "kwds"})


def started_calls(
    site: CallSite, name: str, row: SpawnerRow, evaluator: Evaluator
) -> Iterator[tuple[FunctionValue, CallSite]]:
    """(function, the call as it will be made) of each function of the project that a spawner is handed with its arguments."""
    if row.receiver or row.runs.argument == "*":
        return
    for expr in arguments(site.fact, row.runs):
        if not isinstance(expr, f.Name | f.Attr):
            continue
        given = _given(site.fact, expr, makes_object=name.rpartition(".")[2][:1].isupper())
        if given is None:
            continue
        call = CallSite(site.function, msgspec.structs.replace(site.fact, args=given[0], kwargs=given[1]), site.index)
        for value in evaluator.evaluate(expr, site.function, site.fact.order):
            if isinstance(value, FunctionValue):
                yield value, call


def _given(
    call: f.Call, function: f.Expr, *, makes_object: bool
) -> tuple[tuple[f.Expr, ...], tuple[tuple[str, f.Expr], ...]] | None:
    """Positional and keyword arguments for the function: gathered in `args=` and `kwargs=`, or after it; None where that is not seen."""
    items = next((value for key, value in call.kwargs if key in _ITEMS), None)
    pairs = next((value for key, value in call.kwargs if key in _PAIRS), None)
    if items is not None or pairs is not None:
        if not isinstance(items, f.Seq | None) or not isinstance(pairs, f.Dict | None):
            return None
        named = pairs.items if pairs is not None else ()
        return items.items if items is not None else (), tuple(
            (key.value, value) for key, value in named if isinstance(key, f.Str)
        )
    place = next((index for index, arg in enumerate(call.args) if arg is function), None)
    if makes_object or place is None:
        return None
    return call.args[place + 1 :], call.kwargs
