"""The questions that may be asked of the project. Read-only; every answer is computed from facts and library knowledge."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from roadworthy.findings.finding import Confidence, Location, Step
from roadworthy.knowledge.vocabulary import Effect, EntryKind, GuardKind
from roadworthy.project import flow
from roadworthy.project.bindings import argument_for
from roadworthy.project.database.access import Accesses
from roadworthy.project.database.checks import Checks
from roadworthy.project.database.claims import Claims
from roadworthy.project.database.mutations import Mutations
from roadworthy.project.database.protection import Protection
from roadworthy.project.escapes import Escapes
from roadworthy.project.failures import Failures
from roadworthy.project.guard import Guard
from roadworthy.project.retries import Retries
from roadworthy.project.runlimits import run_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from roadworthy.facts.schema import AuxFacts, Expr
    from roadworthy.knowledge.index import Knowledge
    from roadworthy.project.calls import CallGraph, Edge
    from roadworthy.project.clients import Clients, RetryVerdict, TimeoutVerdict
    from roadworthy.project.database.tables import Schema
    from roadworthy.project.deployment import Deployment
    from roadworthy.project.effects import EffectAt, Effects
    from roadworthy.project.entries import Entries
    from roadworthy.project.entry import Entry, Reached
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.exceptions import Exceptions, Handler
    from roadworthy.project.guards import Guards
    from roadworthy.project.origins import Origin, Origins
    from roadworthy.project.reach import Reach
    from roadworthy.project.settings import ProjectSettings
    from roadworthy.project.switches import Switches
    from roadworthy.project.symbols import CallSite, ClassInfo, Function, Symbols
    from roadworthy.project.values import Values
    from roadworthy.project.versions import Versions

# Entries in the order in which a reader should hear of them: what hurts most people first.
_RANK = (
    EntryKind.WEBHOOK_HANDLER, EntryKind.HTTP_HANDLER, EntryKind.MIDDLEWARE, EntryKind.LAMBDA_HANDLER, EntryKind.QUEUE_CONSUMER,
    EntryKind.JOB, EntryKind.DURABLE_ACTIVITY, EntryKind.DURABLE_WORKFLOW, EntryKind.SIGNAL_RECEIVER, EntryKind.SCHEDULED,
    EntryKind.WORKER_LOOP, EntryKind.STARTUP, EntryKind.SHUTDOWN, EntryKind.COMMAND, EntryKind.IMPORT_TIME,
)  # fmt: skip
_DIRECTIVE = re.compile(r"\W*(noqa|pragma|type:|pylint|nosec|pyright|mypy|ruff|todo|fixme|xxx|hack)", re.IGNORECASE)
RANK = {kind: index for index, kind in enumerate(_RANK)}


@dataclass(frozen=True, slots=True)
class Coverage:
    """Is a place covered by a guard on the paths that lead to it?"""

    everywhere: bool  # on every path
    somewhere: bool  # on at least one
    guards: tuple[Guard, ...] = ()
    witness: tuple[Edge, ...] = ()  # an uncovered path, from its top down; meaningful unless `everywhere`


@dataclass(frozen=True, slots=True)
class Exposure:
    """From where a function is reached, worst first."""

    entries: tuple[Reached, ...]

    @property
    def worst(self) -> Entry | None:
        """The entry that a finding should name."""
        return self.entries[0].entry if self.entries else None

    @property
    def serves(self) -> bool:
        """Somebody or something else waits while this runs."""
        return any(r.entry.serves_others for r in self.entries)

    @property
    def repeats(self) -> tuple[Entry, ...]:
        """Entries on whose path the same input may come again by itself."""
        return tuple(r.entry for r in self.entries if r.entry.repeats)

    @property
    def only_commands(self) -> bool:
        """Reached, but only from the command line, at start-up or import."""
        quiet = {EntryKind.COMMAND, EntryKind.STARTUP, EntryKind.IMPORT_TIME, EntryKind.SHUTDOWN}
        return bool(self.entries) and all(r.entry.kind in quiet for r in self.entries)

    def of_kind(self, *kinds: EntryKind) -> tuple[Entry, ...]:
        """Entries of these kinds."""
        return tuple(r.entry for r in self.entries if r.entry.kind in kinds)


@dataclass(eq=False)
class Model:
    """Everything known about the reviewed project."""

    symbols: Symbols
    graph: CallGraph
    evaluator: Evaluator
    knowledge: Knowledge
    effects: Effects
    reach: Reach
    guards: Guards
    exceptions: Exceptions
    entries: Entries
    origins: Origins
    clients: Clients
    settings: ProjectSettings
    versions: Versions
    deployment: Deployment
    around: Sequence[AuxFacts]
    roles: dict[str, str]  # path -> role of the file
    schema: Schema
    switches: Switches
    answers: dict[object, object] = field(default_factory=dict)  # question about the whole project -> answer
    _exposures: dict[Function, Exposure] = field(default_factory=dict)
    _library_names: dict[CallSite, tuple[str, ...]] = field(default_factory=dict)

    # --- walking ------------------------------------------------------------------------------------------------------

    @cached_property
    def functions(self) -> tuple[Function, ...]:
        """Every scope with code of files that are reviewed (tests, examples and generated code are not)."""
        return tuple(fn for fn in self.symbols.functions if self.is_reviewed(fn.path))

    def is_reviewed(self, path: str) -> bool:
        """Production code and scripts; migrations are modelled but not judged."""
        return self.roles.get(path, "production") in {"production", "script"}

    def is_script(self, path: str) -> bool:
        """A script for developers or operators: a person watches it."""
        return self.roles.get(path) == "script"

    def sites(self) -> Iterator[CallSite]:
        """Every call of reviewed code."""
        for function in self.functions:
            yield from function.calls

    def effects_of(self, *words: Effect) -> Iterator[EffectAt]:
        """Every call of reviewed code that directly has one of these effects (all effects when none is named)."""
        wanted = set(words)
        for effect in self.reach.all:
            if (not wanted or effect.effect in wanted) and self.is_reviewed(effect.site.path):
                yield effect

    def effects_at(self, site: CallSite) -> tuple[EffectAt, ...]:
        """Direct effects of a call."""
        return self.effects.at.get(site, ())

    def effects_under(self, function: Function, *words: Effect) -> list[EffectAt]:
        """Effects of a function and of everything it calls and waits for."""
        return self.reach.under(function, words or None)

    def effects_through(self, site: CallSite, *words: Effect) -> list[EffectAt]:
        """Effects of one call, directly or through what it calls."""
        return self.reach.at_site(site, words or None)

    def edges_from(self, function: Function) -> tuple[Edge, ...]:
        """Calls that leave a function."""
        return tuple(self.graph.outgoing.get(function, ()))

    def edges_to(self, function: Function) -> tuple[Edge, ...]:
        """Calls that come to a function."""
        return tuple(self.graph.incoming.get(function, ()))

    def edges_at(self, site: CallSite) -> tuple[Edge, ...]:
        """Edges of one call."""
        return tuple(self.graph.at(site))

    def targets(self, site: CallSite) -> tuple[str, ...]:
        """Dotted names of what a call calls, project functions and library names."""
        resolution = self.graph.resolutions.get(site)
        if resolution is None:
            return ()
        functions = tuple(function.id for function in resolution.functions)
        classes = tuple(value.cls.id for value in resolution.classes)
        return (*functions, *classes, *(library.name for library in resolution.libraries))

    def library_names(self, site: CallSite) -> tuple[str, ...]:
        """Dotted library names of what a call calls."""
        known = self._library_names.get(site)
        if known is None:
            resolution = self.graph.resolutions.get(site)
            names = tuple([library.name for library in resolution.libraries]) if resolution else ()
            known = self._library_names[site] = names
        return known

    def sites_at(self, path: str, line: int) -> list[CallSite]:
        """Calls that start on a line."""
        module = self.symbols.by_path.get(path)
        return [site for function in module.functions for site in function.calls if site.line == line] if module else []

    # --- the database -------------------------------------------------------------------------------------------------

    @cached_property
    def accesses(self) -> Accesses:
        """Reads and writes of tables, by columns."""
        return Accesses(self.graph, self.effects, self.reach, self.evaluator, self.schema)

    @cached_property
    def checks(self) -> Checks:
        """Places that look for a row and insert one when there is none."""
        return Checks(self.accesses, self.evaluator)

    @cached_property
    def claims(self) -> Claims:
        """Places that choose rows by a state and set it without a condition."""
        return Claims(self)

    @cached_property
    def mutations(self) -> Mutations:
        """Places that read a stored value, change it in Python and write it back."""
        return Mutations(self)

    @cached_property
    def protection(self) -> Protection:
        """What keeps two runs of a check and a write apart."""
        return Protection(self)

    # --- values -------------------------------------------------------------------------------------------------------

    def values(self, expr: Expr, function: Function, order: int | None = None) -> Values:
        """What an expression may be."""
        return self.evaluator.evaluate(expr, function, order)

    def literal(self, expr: Expr | None, function: Function) -> str | int | float | bool | None:
        """The literal that an expression is worth, if it is one."""
        return self.evaluator.literal(expr, function)

    def origin(self, expr: Expr | None, function: Function, order: int | None = None) -> tuple[Origin, ...]:
        """Where a value comes from."""
        return self.origins.of(expr, function, order)

    def argument_passed(self, edge: Edge, parameter: str) -> Expr | None:
        """What a call passes for a parameter of its callee, where it is written there."""
        resolution = self.graph.resolutions.get(edge.site)
        if resolution is None or parameter not in edge.callee.parameters:
            return None
        return argument_for(edge.callee, parameter, edge.site, resolution.implicit)

    def keeps_failures(self, edge: Edge) -> bool:
        """Does what starts the callee turn its exceptions into values: `gather(…, return_exceptions=True)`?"""
        return edge.spawner is not None and any(row.never_raises for _, row, _ in self.effects.rows(edge.spawner))

    def text(self, expr: Expr | None, function: Function) -> str:
        """An expression as a reader would write it."""
        return flow.text_of(expr, function.scope)

    def callee_text(self, site: CallSite) -> str:
        """The callee as written."""
        return flow.text_of(site.fact.func, site.function.scope)

    def comments_near(self, path: str, first: int, last: int) -> str:
        """Comments on these lines, joined."""
        module = self.symbols.by_path.get(path)
        return " ".join(c.text for c in module.facts.comments if first <= c.line <= last) if module else ""

    def explains(self, path: str, first: int, last: int) -> bool:
        """Does a comment on these lines say something to a reader, not only to a linter?"""
        module = self.symbols.by_path.get(path)
        return module is not None and any(
            first <= c.line <= last and not _DIRECTIVE.match(c.text) for c in module.facts.comments
        )

    # --- guards -------------------------------------------------------------------------------------------------------

    @cached_property
    def escapes(self) -> Escapes:
        """Which failures of the outside come out of calls and functions."""
        return Escapes(self)

    @cached_property
    def untold(self) -> Escapes:
        """As `escapes`, of failures that no handler on the way has logged or reported before it raised them again."""
        return Escapes(self, untold=True)

    def guards_on(self, site: CallSite) -> tuple[Guard, ...]:
        """Guards around a call inside its function and by its decorators, innermost first."""
        return (*self.guards.on_site(site), *self.guards.on_function(site.function))

    def handlers_around(self, site: CallSite) -> list[list[Handler]]:
        """The handlers of each `try` around a call in its function, innermost first."""
        return self.exceptions.handlers_around(site.function, site.fact.region)

    def coverage(self, site: CallSite, accept: Callable[[Guard], bool]) -> Coverage:
        """Is the call covered by an accepted guard, here or in its callers, on every path?"""
        here = tuple(g for g in self.guards_on(site) if accept(g))
        if here:
            return Coverage(True, True, here)
        return self._coverage_of(site.function, accept, awaited=site.fact.awaited)

    def coverage_of(self, function: Function, accept: Callable[[Guard], bool]) -> Coverage:
        """Is every call of the function covered by an accepted guard in its decorators or callers?"""
        here = tuple(g for g in self.guards.on_function(function) if accept(g))
        if here:
            return Coverage(True, True, here)
        return self._coverage_of(function, accept)

    def _coverage_of(self, function: Function, accept: Callable[[Guard], bool], *, awaited: bool = False) -> Coverage:
        """Walks up the callers, breadth first, until every path is covered or one is not."""
        found: dict[Guard, None] = {}
        witness: tuple[Edge, ...] | None = None
        queue: list[tuple[Function, tuple[Edge, ...]]] = [(function, ())]
        seen = {function}
        while queue and len(seen) < 400:
            here, below = queue.pop(0)
            callers = [edge for edge in self.graph.incoming.get(here, ()) if edge.runs_here]
            entries = self.entries.at(here)
            limits = [limit for entry in entries if awaited for limit in run_limits(self, entry) if accept(limit)]
            found.update(dict.fromkeys(limits))
            if (not callers or entries) and len(limits) < max(1, len(entries)) and witness is None:
                witness = below
            for edge in callers:
                guards = [g for g in self.guards.on_edge(edge) if accept(g)]
                guards.extend(g for g in self.guards.on_function(edge.caller) if accept(g))
                if guards:
                    found.update(dict.fromkeys(guards))
                elif edge.caller not in seen:
                    seen.add(edge.caller)
                    queue.append((edge.caller, (edge, *below)))
        return Coverage(witness is None and bool(found), bool(found), tuple(found), witness or ())

    def transaction_over(self, site: CallSite) -> Guard | None:
        """A transaction that may be open when this call runs: a block, a decorator, a caller."""
        coverage = self.coverage(site, lambda guard: guard.kind is GuardKind.TRANSACTION)
        return coverage.guards[0] if coverage.somewhere else None

    def transaction_on_way(self, entry: Entry, site: CallSite) -> Guard | None:
        """The transaction that is open when this entry comes to the call: around it, or around a call on the way there."""
        guards, inline = self.guards_on_way(entry, site)
        held = next((g for g in guards if g.kind is GuardKind.TRANSACTION), None)
        served = inline and entry.kind in {EntryKind.HTTP_HANDLER, EntryKind.WEBHOOK_HANDLER}
        return held or (self.request_transaction(entry) if served else None)

    def guards_on_way(self, entry: Entry, site: CallSite) -> tuple[list[Guard], bool]:
        """Guards around the call on its way from this entry, innermost first, and whether the entry waits for it."""
        guards = list(self.guards_on(site))
        for edge in reversed(self.entries.path(entry, site.function)):
            if not edge.runs_here:
                return guards, False
            guards.extend((*self.guards.on_edge(edge), *self.guards.on_function(edge.caller)))
        return guards, True

    def request_transaction(self, entry: Entry) -> Guard | None:
        """The transaction that a framework or a setting puts around every run of an entry."""
        if entry.in_transaction:
            function = entry.function
            return Guard(GuardKind.TRANSACTION, "framework", entry.source, function.path, function.line, function)
        setting = self.settings.is_true("ATOMIC_REQUESTS", keyed=True)  # a variable of that name does nothing
        if setting is None or not entry.source.startswith(("django", "rest_framework", "ninja")):
            return None
        return Guard(GuardKind.TRANSACTION, "framework", "ATOMIC_REQUESTS", setting.path, setting.line)

    @cached_property
    def retries(self) -> Retries:
        """Every retry, and what it repeats."""
        return Retries(self)

    @cached_property
    def failures(self) -> Failures:
        """What becomes of calls that fail."""
        return Failures(self)

    def timeout(self, effect: EffectAt) -> TimeoutVerdict:
        """How long an external call may take by itself (guards not considered)."""
        return self.clients.timeout(effect)

    def client_retry(self, effect: EffectAt) -> RetryVerdict:
        """What the client repeats by itself."""
        return self.clients.retry(effect)

    # --- entries ------------------------------------------------------------------------------------------------------

    def exposure(self, function: Function) -> Exposure:
        """The entries that reach a function, worst first, inline before detached."""
        known = self._exposures.get(function)
        if known is None:
            reached = [r for r in self.entries.reaching(function) if self.is_reviewed(r.entry.function.path)]
            reached.sort(
                key=lambda r: (not r.inline, RANK[r.entry.kind], r.depth, r.entry.function.path, r.entry.function.line)
            )
            known = self._exposures[function] = Exposure(tuple(reached))
        return known

    def steps(
        self, entry: Entry | None, function: Function, last: CallSite | None = None, note: str = ""
    ) -> tuple[Step, ...]:
        """The path from an entry through calls to a function, and the call in it."""
        if entry is None:
            return ()
        path = self.entries.path(entry, function)
        first = Step(entry.function.path, entry.function.line, entry.function.qualname, entry.label)
        middle = [Step(e.site.path, e.site.line, e.caller.qualname, f"calls {e.callee.qualname}") for e in path]
        tail = (
            [Step(last.path, last.line, last.function.qualname, note or self.callee_text(last))]
            if last is not None
            else []
        )
        return (first, *middle, *tail)

    def chain(self, edges: Iterable[Edge]) -> tuple[Step, ...]:
        """A chain of edges as steps."""
        return tuple(Step(e.site.path, e.site.line, e.caller.qualname, f"calls {e.callee.qualname}") for e in edges)

    # --- places -------------------------------------------------------------------------------------------------------

    def place(self, site: CallSite, note: str = "") -> Location:
        """A call as a location."""
        fact = site.fact
        return Location(site.path, fact.line, fact.end_line, fact.column, site.function.qualname, note)

    def place_of_function(self, function: Function, note: str = "") -> Location:
        """The `def` line of a function."""
        return Location(function.path, function.line, function.line, function.scope.column, function.qualname, note)

    def place_of_class(self, cls: ClassInfo, note: str = "") -> Location:
        """The `class` line."""
        return Location(cls.path, cls.line, cls.line, cls.body.scope.column, cls.body.qualname, note)

    def place_of_region(self, function: Function, region: int, note: str = "") -> Location:
        """A block of a function; only its first line when it is long."""
        here = function.scope.regions[region]
        return Location(function.path, here.line, min(here.end_line, here.line + 12), 0, function.qualname, note)

    def place_of_lines(self, function: Function, line: int, end_line: int, note: str = "") -> Location:
        """Any lines of a function."""
        return Location(function.path, line, end_line, 0, function.qualname, note)

    def place_of_lines_in(self, path: str, line: int, end_line: int, function: str = "", note: str = "") -> Location:
        """Any lines of a file."""
        return Location(path, line, end_line, 0, function or "<module>", note)

    def place_of_guard(self, guard: Guard, note: str = "") -> Location:
        """Where a guard stands."""
        return Location(
            guard.path, guard.line, guard.line, 0, guard.function.qualname if guard.function else "<module>", note
        )

    def confidence_of(self, effect: EffectAt, exposure: Exposure | None = None) -> Confidence:
        """The weakest link: how the call was resolved; medium when nothing is known to reach it."""
        reached = Confidence.HIGH if exposure is None or exposure.entries else Confidence.MEDIUM
        return Confidence.weakest(effect.confidence, reached)
