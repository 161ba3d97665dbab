"""Exceptions of the project that come out of a call because somebody below writes `raise`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project.phrases import words_of

if TYPE_CHECKING:
    from roadworthy.project.handler import Handler
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_FOR_ALL = re.compile(
    r"abort\w*|exit\w*|quit|stop\w*|cancel\w*|interrupt\w*|shutdown|fatal|critical|break|done|finish\w*|terminat\w*|config\w*|settings?|setup|improperly"
    r"|auth\w*|credentials?|login|permission|forbidden|limit\w*|rate|ratelimit\w*|toomany|quota|throttl\w*|budget|retry|retries|implemented|unsupported|connection|unavailable"
    r"|usage|programming|internal|assertion|lock\w*|maintenance|command|skip\w*|signal|warning|timeout"
)
"""Words of errors that are no fault of one item, or that end a loop on purpose."""
_MANY = 60  # raises that are followed from one call


@dataclass(frozen=True, slots=True)
class Raised:
    """One `raise` of an exception of the project."""

    name: str  # dotted
    function: Function
    line: int


class Raises:
    """What can come out of functions, a few calls down; asked where a loop stands, nothing is computed ahead."""

    def __init__(self, model: Model) -> None:
        """Everything is asked of the model."""
        self._model = model
        self._known: dict[tuple[Function, int], tuple[Raised, ...]] = {}

    def at(self, site: CallSite, depth: int) -> tuple[Raised, ...]:
        """What comes out of a call, before any handler around it: a fault of what the call was handed, by its name."""
        found: dict[str, Raised] = {}
        for edge in self._model.edges_at(site):
            if self._model.escapes.follows(edge):
                for raised in self._of(edge.callee, depth):
                    found.setdefault(raised.name, raised)
        return tuple(found.values())

    def _of(self, function: Function, depth: int) -> tuple[Raised, ...]:
        key = (function, depth)
        known = self._known.get(key)
        if known is None:
            self._known[key] = ()  # a cycle
            known = self._known[key] = self._collect(function, depth)
        return known

    def _collect(self, function: Function, depth: int) -> tuple[Raised, ...]:
        model, found = self._model, dict[str, Raised]()
        if model.escapes.stopped(model.guards.on_function(function)):
            return ()
        for leave in function.scope.leaves:
            if leave.kind != "raise" or leave.value is None:
                continue
            for name in self._names(leave.value, function):
                if not self._is_caught(function, leave.region, name):
                    found.setdefault(name, Raised(name, function, leave.line))
        for site in function.calls if depth > 1 else ():
            for raised in self.at(site, depth - 1):
                if len(found) < _MANY and not self._is_caught(function, site.fact.region, raised.name):
                    found.setdefault(raised.name, raised)
        return tuple(found.values())

    def _names(self, expr: f.Expr, function: Function) -> list[str]:
        made = function.scope.calls[expr.index].func if isinstance(expr, f.CallRef) else expr
        names = self._model.exceptions.types((made,), function)
        return [n for n in names if self._model.exceptions.is_own(n) and _is_about_data(n)]

    def _is_caught(self, function: Function, region: int, name: str) -> bool:
        around = self._model.exceptions.handlers_around(function, region)
        return any(may_hold(self._model, handler, name) for handlers in around for handler in handlers)


def may_hold(model: Model, handler: Handler, name: str) -> bool:
    """Does a handler catch this error, as far as we know? One of the same name that we could not follow is taken for it."""
    last = name.rpartition(".")[2]
    return model.exceptions.catches(handler, name) is not False or any(
        one.rpartition(".")[2] == last for one in handler.types
    )


def _is_about_data(name: str) -> bool:
    return not any(_FOR_ALL.fullmatch(word) for word in words_of(name.rpartition(".")[2]))
