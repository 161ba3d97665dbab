"""Handlers that are meant to survive a failing request and let its most ordinary failures through."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import Effect, EntryKind
from roadworthy.project import flow
from roadworthy.project.partial import is_foreign, left_out, namesakes
from roadworthy.project.phrases import says_closing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.handler import Handler
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_ASKS = frozenset({Effect.HTTP_REQUEST, Effect.RPC})
_UNREACHED = re.compile(r"timeout|timedout|connect", re.IGNORECASE)
_PLAIN = frozenset({"ConnectionError", "TimeoutError", "ConnectionRefusedError", "ConnectionResetError"})
_NEAR = 2  # calls between the block and the request: further away other handlers translate


@dataclass(frozen=True, slots=True)
class HalfCaught:
    """One handler, the call that it is for, and what passes it."""

    handler: Handler
    site: CallSite
    effect: EffectAt
    missing: tuple[str, ...]  # dotted names
    namesake: bool  # the handler names an error of the language where the client raises its own of that name
    entry: Entry | None  # what ends


def half_caught(model: Model) -> Iterator[HalfCaught]:
    """All of reviewed code; the first call of each handler. Who names only answers (a status, a refused key) speaks of those alone."""
    for function in model.functions:
        for index, region in enumerate(function.scope.regions):
            if region.kind == "except" and region.types:
                found = _of(model, function, index)
                if found is not None:
                    yield found


def _of(model: Model, function: Function, region: int) -> HalfCaught | None:
    scope = function.scope
    tried = flow.sibling_of_kind(scope, region, "try")
    handler = model.exceptions.handler(function, region)
    if (
        tried is None
        or handler.broad
        or not handler.stops
        or not any(_UNREACHED.search(_last(c)) for c in handler.types)
    ):
        return None
    beside = [model.exceptions.handler(function, other) for other in flow.handlers_of(scope, tried)]
    for site, effect in model.escapes.within(function, tried):
        if effect.effect not in _ASKS or not effect.row.raises or len(model.reach.path_down(function, effect)) > _NEAR:
            continue
        own = _other_name(model, effect, handler)
        missing = own or tuple(n for n in left_out(model, effect, handler.types) if _UNREACHED.search(_last(n)))
        missing = tuple(n for n in missing if not any(model.exceptions.catches(h, n) is not False for h in beside))
        if missing:
            ends = [o.entry for o in model.failures.of(site, missing[:1]) if o.kind == "fails"]
            entry = next((e for e in ends if e is not None and e.kind is not EntryKind.COMMAND), None)
            if ends and (entry is not None or own or _tidies(function)):
                return HalfCaught(handler, site, effect, missing, bool(own), entry)
    return None


def _other_name(model: Model, effect: EffectAt, handler: Handler) -> tuple[str, ...]:
    """`except ConnectionError` around a client that raises its own error of that name, which is none of the language's."""
    plain = tuple(name for name in handler.types if name in _PLAIN)
    if not plain or not is_foreign(model, effect, plain):
        return ()
    return tuple(namesakes(model, effect, plain))


def _tidies(function: Function) -> bool:
    return function.name in {"__exit__", "__aexit__"} or says_closing(function.name)


def _last(name: str) -> str:
    return name.rpartition(".")[2]
