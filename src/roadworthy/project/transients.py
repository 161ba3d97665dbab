"""Which transient failures a remote call has, and which of them a list of exceptions leaves out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Repeat

if TYPE_CHECKING:
    from roadworthy.findings.finding import Location
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.guard import Guard
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function

_ORDINARY = re.compile(r"time_?d?_?out|connect|network|httpclienterror|unavailable", re.IGNORECASE)
_BEFORE = re.compile(r"^(Connect|Pool|Endpoint)")  # before anything was sent
_GENERAL = frozenset({"RuntimeError", "OSError", "ConnectionError", "TimeoutError", "asyncio.TimeoutError"})
_TIMEOUT = re.compile(r"time_?d?_?out", re.IGNORECASE)


@dataclass
class Transients:
    """Knows the families of exceptions."""

    model: Model
    _families: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def families(self, name: str) -> tuple[str, ...]:
        """The ordinary transient failures that `except name` stands for, the widest names of each; the name itself when it is one."""
        plain = self.model.exceptions.plain(name)
        known = self._families.get(plain)
        if known is None:
            known = self._families[plain] = self._find(plain)
        return known

    def _find(self, name: str) -> tuple[str, ...]:
        kinds = [n for n in (name, *self._below(name)) if self._nature(n) == "transient" and _is_ordinary(n)]
        return tuple(n for n in kinds if not any(other in self.model.knowledge.exception_bases(n) for other in kinds))

    def _below(self, name: str) -> list[str]:
        """Kinds of an exception in the same library; those of other libraries have nothing to do with the call."""
        knowledge, root = self.model.knowledge, name.split(".", 1)[0] if "." in name else ""
        return sorted(
            n
            for n in knowledge.tables.exceptions
            if n != name and (n.split(".", 1)[0] if "." in n else "") == root and name in knowledge.exception_bases(n)
        )

    def _nature(self, name: str) -> str:
        row = self.model.knowledge.exception(name)
        return row.nature if row is not None else "mixed"

    def missed(self, effect: EffectAt, caught: tuple[str, ...]) -> tuple[str, ...]:
        """What a retry on `caught` leaves out of the ordinary failures of a call; nothing when it is not about this call."""
        if not caught or any(name in {"Exception", "BaseException", "OSError"} for name in caught):
            return ()
        missed: dict[str, None] = {}
        about = self._own_timeouts(caught)
        for raised in effect.row.raises:
            about = (
                about
                or self._covers(caught, raised) is True
                or (raised not in _GENERAL and self._has_kind(caught, raised))
            )
            for family in self.families(raised) or ((raised,) if raised in _GENERAL else ()):
                answer = self._holds(caught, family, effect.repeat is Repeat.SAFE)
                if answer is None:
                    return ()
                about = about or answer
                if not answer:
                    missed[family] = None
        return tuple(missed) if about else ()

    def _holds(self, caught: tuple[str, ...], family: str, repeatable: bool) -> bool | None:
        """Is a family caught: as a whole, or for each side of it (timeouts, lost connections) by one kind at least?"""
        answer = self._covers(caught, family)
        if answer is not False:
            return answer
        kinds = [name for name in caught if self.model.exceptions.is_subclass(name, family)]
        if repeatable:  # who gives up on an answer that never came, though asking again is harmless, has forgotten it
            kinds = [kind for kind in kinds if not (_is_timeout(kind) and _BEFORE.search(kind.rpartition(".")[2]))]
        sides = {_is_timeout(kind) for kind in (family, *self._below(family)) if _is_ordinary(kind)}
        if _is_timeout(family):
            sides = {True}
        elif not any(_is_timeout(k) for k in self._below(family) if not _BEFORE.search(k.rpartition(".")[2])):
            sides = {False}
        return sides <= {_is_timeout(kind) for kind in kinds}

    def _covers(self, caught: tuple[str, ...], name: str) -> bool | None:
        answers = [self.model.exceptions.is_subclass(name, base) for base in caught]
        if True in answers:
            return True
        return None if None in answers else False

    def _has_kind(self, caught: tuple[str, ...], raised: str) -> bool:
        return any(self.model.exceptions.is_subclass(name, raised) is True for name in caught)

    def _own_timeouts(self, caught: tuple[str, ...]) -> bool:
        """Only timeouts, and by a name of the project's own: it wraps whatever client it has."""
        own = {cls.id for cls in self.model.symbols.classes}
        return all(name in own and _is_timeout(name) for name in caught)

    def definition(self, guard: Guard) -> Location | None:
        """Where the list of retried exceptions is written, when it is a constant elsewhere."""
        if guard.site is None or guard.row is None or guard.row.retries_on is None:
            return None
        where = guard.row.retries_on
        expr = next((v for k, v in guard.site.fact.kwargs if k == where.argument), None)
        if expr is None and where.position is not None and where.position < len(guard.site.fact.args):
            expr = guard.site.fact.args[where.position]
        return _assignment(expr, guard.site.function, self.model)


def _is_timeout(name: str) -> bool:
    return _TIMEOUT.search(name.rpartition(".")[2]) is not None


def _is_ordinary(name: str) -> bool:
    """A timeout or a lost connection by its own name; not a half-read chunk."""
    return _ORDINARY.search(name.rpartition(".")[2]) is not None


def _assignment(expr: f.Expr | None, function: Function, model: Model) -> Location | None:
    if isinstance(expr, f.Attr) and isinstance(expr.value, f.Name):
        scope: Function | None = function
        while scope is not None and scope.cls is None:
            scope = scope.parent
        for cls in scope.cls.mro if scope is not None and scope.cls is not None else ():
            for where, assign in cls.attribute_assigns.get(expr.name, ()):
                return model.place_of_lines(where, assign.line, assign.end_line)
    if isinstance(expr, f.Name):
        here: Function | None = function
        while here is not None:
            for assign in here.bindings.get(expr.id, ())[-1:]:
                return model.place_of_lines(here, assign.line, assign.end_line)
            here = here.parent
    return None
