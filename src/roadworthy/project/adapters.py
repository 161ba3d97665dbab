"""Retries that are put on a client as an object, and which answers they repeat: statuses, or only connections that fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project.arguments import argument, has_spread
from roadworthy.project.repeats import requests_of
from roadworthy.project.values import Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.knowledge.schema import GuardRow
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

    _Listed = tuple[tuple[int, ...], tuple[Function, int] | None]

_TOO_MANY = 429
_FAULTS = range(500, 600)
_DEPTH = 3
_SENDS = frozenset({"post", "patch"})


@dataclass(frozen=True, slots=True)
class Narrow:
    """A retry of a client that leaves answers out which ask for another attempt."""

    site: CallSite  # where it is made
    row: GuardRow
    option: str = ""  # the argument that would name the statuses; "": it has none
    statuses: tuple[int, ...] = ()  # those that are named; (): none is repeated
    listed: tuple[Function, int] | None = None  # where they are listed, if not at the construction


@dataclass(frozen=True, slots=True)
class Unused:
    """A list of statuses for which no request of the client is repeated: all of them are of methods that the policy leaves out."""

    site: CallSite
    option: str  # names the methods
    effects: tuple[EffectAt, ...]


def unused_lists(model: Model) -> Iterator[Unused]:
    """Policies of reviewed code that name statuses and no methods, on clients that only send."""
    for function in model.functions:
        for site in function.calls if not model.is_script(function.path) else ():
            for name in dict.fromkeys(model.library_names(site)):
                for row in model.knowledge.guards(name):
                    named = row.retries_on
                    if not row.methods or named is None or argument(site.fact, named) is None or has_spread(site.fact):
                        continue
                    if any(keyword in row.methods for keyword, _ in site.fact.kwargs):
                        continue
                    if _only_sends(model, site):
                        yield Unused(site, row.methods[0], tuple(requests_of(model, site)))


def narrow_adapters(model: Model) -> Iterator[Narrow]:
    """Of reviewed code that is no script."""
    for function in model.functions:
        if model.is_script(function.path):
            continue
        for site in function.calls:
            for name in dict.fromkeys(library.name for library in model.graph.resolutions[site].libraries):
                for row in model.knowledge.guards(name):
                    if (
                        row.kind == "retry"
                        and "object" in row.form
                        and _asks_http(model, name)
                        and _is_on(model, row, site)
                    ):
                        for narrow in _narrow(model, row, site):
                            if narrow.statuses or not _only_sends(model, site):
                                yield narrow


def _only_sends(model: Model, site: CallSite) -> bool:
    """Every request of the client is a `POST` or `PATCH`: whether one whose answer was 502 may be made again a person decides."""
    effects = requests_of(model, site)
    return bool(effects) and all(effect.name.rpartition(".")[2] in _SENDS for effect in effects)


def _tries_once_more(model: Model, row: GuardRow, site: CallSite) -> bool:
    """`Retry(total=1, …)`: a single quick second attempt, which is of no use after "too many requests"."""
    expr = argument(site.fact, row.attempts) if row.attempts is not None else None
    value = model.values(expr, site.function, site.fact.order) if expr is not None else ()
    return len(value) == 1 and isinstance(value[0], Literal) and value[0].value == 1


def _asks_http(model: Model, name: str) -> bool:
    library = model.knowledge.library_of(name)
    return library is not None and "http-client" in library.role


def _is_on(model: Model, row: GuardRow, site: CallSite) -> bool:
    """A number of attempts is given, and not none; where that is all that can be given it is a number, and no object that says more."""
    if row.attempts is None or has_spread(site.fact):
        return False
    expr = argument(site.fact, row.attempts)
    if expr is None:
        return row.attempts_absent not in {None, 1}
    value = model.values(expr, site.function, site.fact.order)
    known = value[0].value if len(value) == 1 and isinstance(value[0], Literal) else None
    return bool(known) if row.retries_on is None else known is None or bool(known)


def _narrow(model: Model, row: GuardRow, site: CallSite) -> Iterator[Narrow]:
    named = row.retries_on
    if named is None:
        if row.retries_on_absent:
            yield Narrow(site, row)
        return
    if "status" not in (named.argument or ""):
        return
    expr = argument(site.fact, named)
    if expr is None:
        yield Narrow(site, row, named.argument or "")
        return
    found = _statuses(model, expr, site.function)
    if found is None or _tries_once_more(model, row, site):
        return
    if _TOO_MANY not in found[0] and any(status in _FAULTS for status in found[0]):
        yield Narrow(site, row, named.argument or "", found[0], found[1])


def _statuses(model: Model, expr: f.Expr | None, function: Function, depth: int = 0) -> _Listed | None:
    """The numbers of a display, and where it stands: here, at a constant, or as the default of a parameter."""
    if isinstance(expr, f.CallRef) and len(function.calls[expr.index].fact.args) == 1:
        return _statuses(model, function.calls[expr.index].fact.args[0], function, depth)  # `frozenset({500, 502})`
    if isinstance(expr, f.Seq):
        numbers = tuple(item.value for item in expr.items if isinstance(item, f.Const) and isinstance(item.value, int))
        return (numbers, None) if len(numbers) == len(expr.items) else None
    if not isinstance(expr, f.Name) or depth > _DEPTH:
        return None
    for param in function.scope.params:
        if param.name == expr.id:
            known = param.default is not None and function.parent is not None
            return _statuses(model, param.default, function.parent or function, depth + 1) if known else None
    assigns = function.bindings.get(expr.id, ())
    made = (function, assigns[0]) if len(assigns) == 1 else None
    made = made or model.evaluator.names.definition(expr.id, function.module)
    found = _statuses(model, made[1].value, made[0], depth + 1) if made is not None else None
    return (found[0], found[1] or (made[0], made[1].line)) if found is not None and made is not None else None
