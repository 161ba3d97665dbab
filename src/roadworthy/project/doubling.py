"""What an entry does that is not safe to do twice, and that nothing on the way keeps from being done twice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.dedup import dedup_before
from roadworthy.project.meanings import meant
from roadworthy.project.repeats import in_handler, not_repeatable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

UNSAFE = (Effect.CHARGE, Effect.SMS, Effect.EMAIL, Effect.SQL_INCREMENT)
"""Effects that hurt when they are done twice, worst first."""

_REQUESTS = (Effect.HTTP_REQUEST, Effect.RPC)
_SAVES = frozenset({Effect.SQL_UPDATE, Effect.SQL_UPSERT, Effect.COMMIT})
_VALUABLE = re.compile(
    r"balance|credit|stock|quantity|inventor|point|wallet|amount|quota|seat|coin|token|paid|total", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Raised:
    """A number of a loaded row that is raised in Python, and the write that stores it."""

    name: str
    function: Function
    line: int
    end_line: int
    stored: EffectAt


def raised_in_place(model: Model, function: Function) -> Iterator[Raised]:
    """`wallet.balance += amount; wallet.save()`."""
    for assign in function.scope.assigns:
        target = assign.target
        if assign.op not in {"+=", "-="} or not isinstance(target, f.Attr) or not isinstance(target.value, f.Name):
            continue
        if _loaded(model, target.value.id, function, assign.order):
            later = (site for site in function.calls if site.fact.order > assign.order)
            stored = next((e for site in later for e in model.effects_at(site) if e.effect in _SAVES), None)
            if stored is not None:
                yield Raised(target.name, function, assign.line, assign.end_line, stored)


def _loaded(model: Model, name: str, function: Function, order: int) -> bool:
    """Does a name hold what a query found?"""
    for assign in flow.reaching(function.scope, function.bindings.get(name, []), order)[0]:
        for part in flow.walk(assign.value):
            if isinstance(part, f.CallRef) and model.effects_through(
                function.calls[part.index], Effect.SQL_READ, Effect.SQL
            ):
                return True
    return False


@dataclass(frozen=True, slots=True)
class Doubled:
    """An unsafe effect, what it is by its names, and the nested calls that lead to it."""

    effect: EffectAt
    word: Effect
    sites: tuple[CallSite, ...]
    raised: Raised | None = None  # a number that is raised in Python before it is stored

    @property
    def rank(self) -> tuple[int, str, int]:
        """Orders the worst first."""
        return (UNSAFE.index(self.word), self.effect.site.path, self.effect.site.line)


def unguarded_effects(model: Model, entry: Entry, *, in_place: bool) -> list[Doubled]:
    """The unsafe effects of an entry that neither a key nor a check of earlier work guards, worst first.

    `in_place`: numbers of loaded rows that are raised in Python count too. What is done about failures does not.
    """
    found = [*_direct(model, entry), *(_raised_numbers(model, entry) if in_place else ())]
    return sorted((d for d in found if dedup_before(model, entry, d.effect) is None), key=lambda d: d.rank)


def _direct(model: Model, entry: Entry) -> Iterator[Doubled]:
    for effect in model.effects_under(entry.function, *UNSAFE, *_REQUESTS):
        if not model.is_reviewed(effect.site.path) or not not_repeatable(effect):
            continue
        sites = _way(model, entry, effect)
        word = meant(model, effect, [site.function for site in sites[-2:-1]])
        if (
            word in UNSAFE
            and not in_handler(model, sites)
            and not effect.name.endswith(("mail_admins", "mail_managers"))
        ):
            yield Doubled(effect, word, sites)


def _raised_numbers(model: Model, entry: Entry) -> Iterator[Doubled]:
    """Numbers of stored rows, of those that matter, that are raised in Python and written back."""
    for function in dict.fromkeys(
        [entry.function, *(e.function for e in model.effects_under(entry.function, *_SAVES))]
    ):
        for raised in raised_in_place(model, function):
            if _VALUABLE.search(raised.name):
                yield Doubled(raised.stored, Effect.SQL_INCREMENT, _way(model, entry, raised.stored), raised)


def _way(model: Model, entry: Entry, effect: EffectAt) -> tuple[CallSite, ...]:
    """The nested calls from the entry down to the effect."""
    return (*(edge.site for edge in model.entries.path(entry, effect.function)), effect.site)


def raises_value(model: Model, doubled: Doubled) -> bool:
    """Is the number that is raised one that matters: money, stock, credits?"""
    if doubled.raised is not None:
        return True
    fact = doubled.effect.site.fact
    words = [doubled.effect.sql, *(keyword for keyword, _ in fact.kwargs)]
    words += [model.text(arg, doubled.effect.function) for arg in fact.args]
    return bool(_VALUABLE.search(" ".join(words)))
