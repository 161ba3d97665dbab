"""Which failures of the outside can come out of a call: effects whose exceptions no handler on the way up stops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import GuardKind
from roadworthy.project import flow
from roadworthy.project.calls import DETACHED
from roadworthy.project.switches import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from roadworthy.project.calls import Edge
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.guard import Guard
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function


class Escapes:
    """Failures that leave calls and functions, to a fixpoint over the call graph."""

    def __init__(self, model: Model, *, untold: bool = False) -> None:
        """One closure over all functions. `untold`: only failures that no handler on the way has logged or reported."""
        self._model = model
        self._untold = untold
        self._detached: dict[Function, frozenset[Function]] = {}
        self._bits = model.reach.closure(self._passes_up, self._leaves_function)

    def of(self, function: Function) -> list[EffectAt]:
        """Effects whose failure comes out of a function."""
        return list(self._model.reach.effects(self._bits.get(function, 0)))

    def at(self, site: CallSite) -> list[EffectAt]:
        """Effects whose failure comes out of a call, before any handler around the call."""
        found = {id(effect): effect for effect in self._model.effects_at(site) if not effect.row.never_raises}
        for edge in self._model.edges_at(site):
            if self.follows(edge) and not self._shielded(edge.callee):
                below = self._model.reach.effects(self._bits.get(edge.callee, 0))
                found.update((id(effect), effect) for effect in below if self._comes_up(edge, effect))
        return list(found.values())

    def _comes_up(self, edge: Edge, effect: EffectAt) -> bool:
        """Not where the caller switches it off: `note.save(notify=False)`, and the mail is sent under `if notify:`."""
        if not self._model.switches.into(edge, NOTHING):
            return True
        path = self._model.reach.path_between(edge.callee, effect.function)
        return path is None or self._model.switches.lets((edge, *path), effect.site)

    def within(self, function: Function, region: int) -> list[tuple[CallSite, EffectAt]]:
        """(call, effect) of every failure that reaches the edge of a block: handlers inside the block were asked."""
        scope = function.scope
        found: list[tuple[CallSite, EffectAt]] = []
        for call in flow.calls_in(scope, region):
            site = function.site(call)
            inner = [
                guard
                for guard in self._model.guards.on_site(site)
                if guard.region is None or (guard.region != region and flow.within(scope, guard.region, region))
            ]
            found.extend((site, effect) for effect in self.at(site) if not self.stopped(inner, effect))
        return found

    def stopped(self, guards: Iterable[Guard], effect: EffectAt | None = None) -> bool:
        """Does one of the guards keep the failure from going further? Without an effect: any failure of the outside."""
        return any(guard.kind is GuardKind.CATCH and self._stops(guard, effect) for guard in guards)

    def _stops(self, guard: Guard, effect: EffectAt | None) -> bool:
        if not guard.handlers:
            return self._answers(guard.on, effect)
        first = next((h for h in guard.handlers if h.broad or self._answers(h.types, effect)), None)
        return first is not None and (first.stops or (self._untold and first.tells))

    def _answers(self, types: tuple[str, ...], effect: EffectAt | None) -> bool:
        """Are these types meant for the failures of the effect?"""
        exceptions = self._model.exceptions
        if not exceptions.foresees(types):
            return False
        if effect is None or not effect.row.raises or any(exceptions.is_own(name) for name in types):
            return True  # what the library raises may have been translated on the way
        answers = [exceptions.is_of_family(raised, base) for raised in effect.row.raises for base in types]
        return any(answer is not False for answer in answers)

    def _leaves_function(self, effect: EffectAt) -> bool:
        site = effect.site
        return not effect.row.never_raises and not self.stopped(
            (*self._model.guards.on_site(site), *self._model.guards.on_function(site.function)), effect
        )

    def _passes_up(self, edge: Edge) -> bool:
        if not self.follows(edge):
            return False
        guards = (*self._model.guards.on_edge(edge), *self._model.guards.on_function(edge.caller))
        return not self.stopped(guards)

    def follows(self, edge: Edge) -> bool:
        """Does what the callee raises come out of the call?"""
        if (
            not edge.runs_here
            or edge.kind == "callback"
            or self._model.keeps_failures(edge)
            or self._model.graph.is_ambiguous(edge)
            or self._model.graph.is_passed_in(edge)  # whoever gave it what it runs has an edge of his own
        ):
            return False
        caller = edge.caller
        detached = self._detached.get(caller)
        if detached is None:
            others = self._model.graph.outgoing.get(caller, ())
            left = (other.callee for other in others if other.kind in DETACHED and not other.waited)
            detached = self._detached[caller] = frozenset(left)
        return edge.callee not in detached

    def _shielded(self, callee: Function) -> bool:
        return self.stopped(self._model.guards.on_function(callee))
