"""What covers one effect on the way from an entry: time limits, retries, transactions, keys. Helps `mapping`; every answer is kept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.findings.servicemap import Ends, Protection
from roadworthy.knowledge.vocabulary import Effect, GuardKind, Repeat
from roadworthy.project.calls import DELIVERED, DETACHED
from roadworthy.project.dedup import is_guarded, is_keyed
from roadworthy.project.transactions import WRITES, Transactions
from roadworthy.project.values import FunctionValue, Instance

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from roadworthy.project.calls import Edge
    from roadworthy.project.database.access import Access
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.guard import Guard
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_SHOWN = (
    GuardKind.TIMEOUT, GuardKind.RETRY, GuardKind.CATCH, GuardKind.TRANSACTION, GuardKind.ON_COMMIT, GuardKind.LOCK, GuardKind.DEDUP,
    GuardKind.IDEMPOTENCY_KEY, GuardKind.BREAKER, GuardKind.BULKHEAD,
)  # fmt: skip
_LOCAL = frozenset({Effect.FILE_WRITE, Effect.FILE_REPLACE})
_ROWS = WRITES | {Effect.SQL, Effect.SQL_READ}
_TABLE = re.compile(r"\b(?:into|update|from|join)\s+[\"'`]?([A-Za-z_][\w.]*)", re.IGNORECASE)


class Covering:
    """Questions about single calls and edges; one value for each model."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._transactions = Transactions(model)
        self._edges: dict[Function, tuple[Edge, ...]] = {}
        self._kinds: dict[Edge, frozenset[GuardKind]] = {}
        self._own: dict[EffectAt, tuple[Protection, ...]] = {}
        self._before: dict[CallSite, tuple[Protection, ...]] = {}
        self._ends: dict[EffectAt, Ends] = {}
        self._targets: dict[EffectAt, str] = {}

    # --- the walk -----------------------------------------------------------------------------------------------------

    def edges(self, function: Function) -> tuple[Edge, ...]:
        """Edges below a function inside this process: waited for, or started and left alone."""
        known = self._edges.get(function)
        if known is None:
            known = self._edges[function] = tuple(
                edge
                for edge in self._model.edges_from(function)
                if (edge.runs_here and edge.kind != "callback") or edge.kind in DETACHED
                if not self._model.graph.is_passed_in(edge)
            )
        return known

    def of_function(self, function: Function) -> frozenset[GuardKind]:
        """Kinds of guards that decorators put around a function."""
        return self._of(self._model.guards.on_function(function))

    def of_site(self, site: CallSite) -> frozenset[GuardKind]:
        """Kinds of guards around a call in its own function."""
        return self._of(self._model.guards.on_site(site))

    def of_edge(self, edge: Edge) -> frozenset[GuardKind]:
        """Kinds of guards that an edge puts around its callee."""
        known = self._kinds.get(edge)
        if known is None:
            guards = self._model.guards
            known = self._of(guards.on_edge(edge) if edge.runs_here else guards.on_function(edge.callee))
            self._kinds[edge] = known
        return known

    def _of(self, guards: Iterable[Guard]) -> frozenset[GuardKind]:
        return frozenset(guard.kind for guard in guards if self._counts(guard))

    def _counts(self, guard: Guard) -> bool:
        """Does it protect whatever it lies around? A handler that raises again does not, nor one for some errors; a limit may be None."""
        if guard.kind is GuardKind.CATCH and guard.handlers:
            return any(h.stops and h.broad for h in guard.handlers)
        return guard.kind in _SHOWN and not self._model.guards.never_ends(guard)

    # --- one effect ---------------------------------------------------------------------------------------------------

    def of_effect(
        self, effect: EffectAt, chain: list[Edge], everywhere: frozenset[GuardKind], request: Guard | None
    ) -> tuple[Protection, ...]:
        """All that covers an effect at the end of a chain of edges, in the order of the vocabulary."""
        found: dict[tuple[str, str, str, int], Protection] = {}
        for guard in self._on_way(effect, chain, request):
            if (self._counts(guard) or self._catches(guard, effect)) and self._concerns(guard, effect):
                always = guard.kind in everywhere or guard.function is effect.function
                told = Protection(guard.kind.value, _text(guard), guard.path, guard.line, always)
                found.setdefault((told.kind, told.text, told.path, told.line), told)
        for told in (*self._of_itself(effect), *self._earlier(effect, chain)):
            found.setdefault((told.kind, told.text, told.path, told.line), told)
        order = {kind.value: number for number, kind in enumerate(_SHOWN)}
        return tuple(sorted(found.values(), key=lambda p: (order.get(p.kind, len(order)), p.path, p.line, p.text)))

    def _on_way(self, effect: EffectAt, chain: list[Edge], request: Guard | None) -> Iterator[Guard]:
        guards = self._model.guards
        yield from guards.on_site(effect.site)
        below = True  # a task that is left alone takes nothing along of what stands around its start
        for edge in reversed(chain):
            yield from (
                guards.on_edge(edge) if edge.runs_here and below else guards.on_function(edge.callee) if below else ()
            )
            below = below and edge.runs_here
        if below:
            yield from guards.on_function(chain[0].caller if chain else effect.function)
        if request is not None:
            yield request

    def _catches(self, guard: Guard, effect: EffectAt) -> bool:
        """Does a handler end what this very call raises when it fails?"""
        exceptions = self._model.exceptions
        return guard.kind is GuardKind.CATCH and any(
            h.stops and any(exceptions.catches(h, name) for name in effect.row.raises) for h in guard.handlers
        )

    def _concerns(self, guard: Guard, effect: EffectAt) -> bool:
        """A transaction matters to rows and to what leaves in the middle of it; a limit only to what can hang."""
        if guard.kind is GuardKind.TRANSACTION:
            return effect.effect in _ROWS or (effect.effect.word.persists and effect.effect not in _LOCAL)
        return True

    def _of_itself(self, effect: EffectAt) -> tuple[Protection, ...]:
        known = self._own.get(effect)
        if known is None:
            known = self._own[effect] = (
                *self._limits(effect),
                *self._client_retry(effect),
                *self._keys(effect),
                *self._session(effect),
            )
        return known

    def _limits(self, effect: EffectAt) -> Iterator[Protection]:
        verdict = self._model.timeout(effect)
        if verdict.bound == "bounded":
            text = f"{verdict.seconds:g} s" if verdict.seconds is not None else "set"
            at = verdict.cause
            default = verdict.reason in {"absent", "default"}
            path, line = (at.path, at.line) if at is not None and not default else ("", 0)
            yield Protection(GuardKind.TIMEOUT.value, f"{text} (default)" if default else text, path, line)

    def _client_retry(self, effect: EffectAt) -> Iterator[Protection]:
        verdict = self._model.client_retry(effect)
        if not verdict.repeats:
            return
        often = f"{verdict.attempts}x (client)" if isinstance(verdict.attempts, int) else "by the client"
        reads = "" if verdict.writes or verdict.key or effect.repeat is Repeat.SAFE else ", no writes"
        path, line = (verdict.site.path, verdict.site.line) if verdict.site is not None else ("", 0)
        yield Protection(GuardKind.RETRY.value, often + reads, path, line)

    def _keys(self, effect: EffectAt) -> Iterator[Protection]:
        """What makes a repetition harmless by itself: a key that the other side knows, a unique key that the row runs into."""
        if effect.repeat is Repeat.SAFE:
            return
        if is_keyed(self._model, effect):
            yield Protection(GuardKind.IDEMPOTENCY_KEY.value, "passed", effect.site.path, effect.site.line)
        for access in self._accesses(effect):
            key = access.table.unique_over(access.columns) if access.table is not None else None
            if key is not None and key.kind != "primary":
                yield Protection("unique-key", ", ".join(key.columns), key.place.path, key.place.line)

    def _session(self, effect: EffectAt) -> Iterator[Protection]:
        """A session between the first write and the commit is a transaction, too."""
        if effect.effect in WRITES:
            found = self._transactions.around(effect.site)
            if found is not None and found.kind == "session":
                yield Protection(GuardKind.TRANSACTION.value, "session", found.path, found.line)

    def _earlier(self, effect: EffectAt, chain: list[Edge]) -> Iterator[Protection]:
        """Checks of earlier work on the way, for what must not be done twice."""
        if effect.repeat is not Repeat.SAFE:
            for site in (*(edge.site for edge in chain), effect.site):
                yield from self._at_site(site)

    def _at_site(self, site: CallSite) -> tuple[Protection, ...]:
        known = self._before.get(site)
        if known is None:
            found = is_guarded(self._model, site)
            known = ()
            if found is not None and found.kind == "conflict":
                known = (Protection(GuardKind.DEDUP.value, "the unique violation is handled", found.path, found.line),)
            elif found is not None and found.kind == "condition":
                known = (Protection("condition", "may look for earlier work", found.path, found.line),)
            self._before[site] = known
        return known

    # --- naming -------------------------------------------------------------------------------------------------------

    def ends(self, effect: EffectAt) -> Ends:
        """May the call wait for ever by itself?"""
        known = self._ends.get(effect)
        if known is None:
            bound = self._model.timeout(effect).bound
            local = not effect.effect.word.external or effect.effect in _LOCAL
            known = self._ends[effect] = Ends.PLAIN if local and bound == "unknown" else Ends(bound)
        return known

    def target(self, effect: EffectAt) -> str:
        """What the effect is about: a table or model, else the library call."""
        known = self._targets.get(effect)
        if known is None:
            known = self._targets[effect] = self._target(effect)
        return known

    def _target(self, effect: EffectAt) -> str:
        if effect.effect in _ROWS and (named := self._rows_of(effect)):
            return named
        return effect.short_name

    def handed(self, effect: EffectAt) -> frozenset[str]:
        """What a hand-over may start."""
        if effect.effect not in {Effect.ENQUEUE, Effect.START_DURABLE}:
            return frozenset()
        edges = self._model.edges_from(effect.function)
        started = {e.callee for e in edges if effect.site in (e.site, e.spawner) and e.kind in DELIVERED}
        asked = [library.receiver for library in self._model.graph.resolutions[effect.site].libraries]
        started |= {receiver.function for receiver in asked if isinstance(receiver, FunctionValue)}
        return frozenset(function.qualname for function in started)

    def _rows_of(self, effect: EffectAt) -> str:
        """The model or table that an effect on rows is about; empty where it is not known."""
        models = self._model.schema.models
        accesses = list(self._accesses(effect))
        given = effect.site.fact.args[0] if effect.site.fact.args else None
        values = self._model.values(given, effect.function, effect.site.fact.order) if given is not None else ()
        named = [
            effect.model,
            *(access.model for access in accesses),
            *(v.cls for v in values if isinstance(v, Instance)),
        ]
        for cls in named:
            if cls is not None and cls in models:
                return cls.name
        table = next((access.table.name for access in accesses if access.table is not None), "")
        found = _TABLE.search(effect.sql)
        return table or (found.group(1) if found else "")

    def _accesses(self, effect: EffectAt) -> Iterator[Access]:
        if effect.effect in _ROWS:
            yield from (access for access in self._model.accesses.at(effect.site) if access.effect.name == effect.name)


def _text(guard: Guard) -> str:
    """A guard in a few words."""
    name = guard.name.rpartition(".")[2] or guard.name
    match guard.kind:
        case GuardKind.RETRY:
            often = "no end" if guard.attempts == "forever" or not guard.capped else "some"
            if isinstance(guard.attempts, int):
                often = f"{guard.attempts}x"
            delay = {"none": ", at once", "fixed": ", fixed delay", "exponential": ", growing delay"}.get(
                guard.delay, ""
            )
            return f"{often}{delay} ({name})"
        case GuardKind.TIMEOUT:
            return f"{guard.seconds:g} s ({name})" if guard.seconds is not None else name
        case GuardKind.CATCH:
            types = dict.fromkeys(
                t.rpartition(".")[2] for h in guard.handlers if h.stops for t in h.types or ("anything",)
            )
            return ", ".join(list(types)[:3]) or name
    return name
