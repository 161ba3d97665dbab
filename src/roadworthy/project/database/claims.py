"""Finds work that is picked by a state and marked afterwards, without a condition on that state; and guards whose answer nobody reads."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, Repeat
from roadworthy.project import flow
from roadworthy.project.database.access import READ, UPDATE
from roadworthy.project.database.conditions import Match
from roadworthy.project.database.due import is_due
from roadworthy.project.database.presence import Presence
from roadworthy.project.database.unread import unread_answers
from roadworthy.project.values import Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.database.access import Access, Through
    from roadworthy.project.database.tables import Column, Table
    from roadworthy.project.database.unread import UnreadAnswer
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_STATE = re.compile(
    r"(^|_)(status|state|stage|phase|processed|processing|sent|send|done|claimed|locked|picked|started|running|taken|finished|completed|handled|"
    r"delivered|notified|published|queued|scheduled|executed|redeemed|consumed|used|accepted|paid|charged|refunded|emailed|exported|synced)(_|$)"
)
_ACTS = (
    Effect.HTTP_REQUEST, Effect.RPC, Effect.EMAIL, Effect.SMS, Effect.NOTIFY, Effect.CHARGE, Effect.PUBLISH, Effect.ENQUEUE, Effect.START_DURABLE,
    Effect.LLM,
)  # fmt: skip


_ONCE = (Effect.EMAIL, Effect.SMS, Effect.CHARGE)  # once for each row, also when two runs look at one row only


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """Rows are chosen by a state, something is done for each, and the state is set without asking whether it still held."""

    function: Function
    read: Through
    table: Table
    column: str  # attribute
    line: int  # where the state is set
    end_line: int
    acts: EffectAt  # what is done for each row
    write: CallSite | None
    first: bool  # set before the work (a claim), not after it (a mark)
    conditional: bool = False  # the mark names the old state, but comes after the work
    asked: bool = False  # one row is loaded by its key, and its state is asked afterwards
    rows: tuple[str, ...] = ()  # variables that hold one of the rows, or all


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the state of a row is set."""

    order: int
    line: int
    end_line: int
    write: CallSite | None
    conditional: bool = False
    stored: CallSite | None = None  # in the function that is given the row


class Claims:
    """All such places of the project."""

    def __init__(self, model: Model) -> None:
        """Accesses and effects are asked of the model."""
        self._model = model

    @cached_property
    def _acting(self) -> frozenset[Function]:
        """Functions that do something outside, themselves or through calls."""
        return self._model.reach.functions_with((*_ACTS, Effect.SQL_INSERT))

    def of(self, function: Function) -> Iterator[Claim]:
        """One for each lookup of rows by a state that this function then sets."""
        if function.kind not in {"function", "module"} or function not in self._acting:
            return
        for site in function.calls:
            for read in self._model.accesses.through(site):
                if read.access.kind == READ and read.access.table is not None and not read.access.locked:
                    yield from self._of_read(function, read)
                    break

    def _of_read(self, function: Function, read: Through) -> Iterator[Claim]:
        states = [match for match in read.access.lookup if self._is_state(match, read.access)]
        if not states:
            yield from self._of_row(function, read)
            return
        presence = Presence(function, read.site)
        rows = self._rows(function, presence)
        for match in states:
            for found in (
                self._set_on_row(function, read, match, rows),
                self._set_below(function, read, match, rows),
                self._set_by_key(function, read, match),
            ):
                claim = self._claim(function, read, match, rows, found) if found is not None else None
                if claim is not None:
                    yield claim
                    break

    def _of_row(self, function: Function, read: Through) -> Iterator[Claim]:
        """`invite = get(code=code)`, `if invite.used: return`, something that is done once, `invite.used = True`."""
        table = read.access.table
        if table is None or not read.access.looks_for_one:
            return
        rows = set(Presence(function, read.site).names)
        for name, index in _asked(function, read.site, rows):
            column = table.column(name)
            if column is None or not _names_state(column):
                continue
            match = Match(column.name, None, function)
            found = self._set_on_row(function, read, match, rows) or self._set_below(function, read, match, rows)
            if found is None or not _decides(function, index, found.order):
                continue
            claim = self._claim(function, read, match, None, found, _ONCE)
            if claim is not None and _decides(function, index, self._place(function, claim.acts)):
                yield replace(claim, asked=True, rows=tuple(sorted(rows)))
                return

    def _claim(
        self,
        function: Function,
        read: Through,
        match: Match,
        rows: set[str] | None,
        found: Mark,
        words: tuple[Effect, ...] = _ACTS,
    ) -> Claim | None:
        table = read.access.table
        if match.sign:  # whose time has come: what is made of them is made twice, too
            words = (*words, Effect.SQL_INSERT)
        acts = self._acts(function, read, found.order, rows, words)
        if acts is None or table is None:
            return None
        first = found.order < self._place(function, acts) or self._first_inside(found, acts)
        if first and found.conditional:
            return None
        column = table.column(match.column)
        name = column.attribute if column is not None else match.column
        return Claim(
            function, read, table, name, found.line, found.end_line, acts, found.write, first, found.conditional,
            rows=tuple(sorted(rows or ())),
        )  # fmt: skip

    def _first_inside(self, found: Mark, acts: EffectAt) -> bool:
        """One call does both: is the row stored in it before the work is done there?"""
        stored = found.stored
        return stored is not None and stored.fact.order < self._place(stored.function, acts)

    def _is_state(self, match: Match, access: Access) -> bool:
        """`status="new"`, `sent=False`, `processed_at=None`."""
        table = access.table
        column = table.column(match.column) if table is not None else None
        if column is not None and is_due(match, column):
            return True
        if column is None or not _names_state(column):
            return False
        if match.op == "null":
            return True
        return match.op in {"eq", "in"} and match.value is not None and self._is_constant(match)

    def _is_constant(self, match: Match) -> bool:
        value = match.value
        if isinstance(value, f.Const | f.Str):
            return True
        if isinstance(value, f.Attr):  # Status.NEW, self.Status.NEW
            return value.name.isupper() or any(
                isinstance(v, Literal) for v in self._model.values(value, match.scope, match.order)
            )
        if isinstance(value, f.Seq):
            return bool(value.items) and all(
                isinstance(i, f.Str | f.Const) or (isinstance(i, f.Attr) and i.name.isupper()) for i in value.items
            )
        return isinstance(value, f.Name) and value.id.isupper()

    # --- rows ---------------------------------------------------------------------------------------------------------

    def _rows(self, function: Function, presence: Presence) -> set[str]:
        """Names that hold one of the rows: `for row in rows`, `row = query.first()`."""
        names = set(presence.names)
        for assign in function.scope.assigns:
            if assign.op == "for" and isinstance(assign.target, f.Name) and presence.depends(assign.value):
                names.add(assign.target.id)
        return names

    def _set_on_row(self, function: Function, read: Through, match: Match, rows: set[str]) -> Mark | None:
        """`row.status = "running"` and the call that stores it."""
        column = read.access.table.column(match.column) if read.access.table is not None else None
        for assign in function.scope.assigns:
            target = assign.target
            if not isinstance(target, f.Attr) or not isinstance(target.value, f.Name) or target.value.id not in rows:
                continue
            if (
                column is None
                or target.name not in {column.attribute, column.name}
                or assign.order < read.site.fact.order
                or _after_failure(function.scope, assign.region)
            ):
                continue
            write = self._stored(function, target.value.id, assign.order)
            return Mark(assign.order, assign.line, assign.end_line, write)
        return None

    def _set_below(self, function: Function, read: Through, match: Match, rows: set[str]) -> Mark | None:
        """`row.mark_running()`, `process(row)`: a function that is given the row sets its state."""
        column = read.access.table.column(match.column) if read.access.table is not None else None
        for site in function.calls:
            if column is None or site.fact.order <= read.site.fact.order or not _mentions(site, rows):
                continue
            if _ends_if_so(function.scope, site) or _after_failure(function.scope, site.fact.region):
                continue
            for callee in self._model.accesses.callees(site):
                sets = (self._sets(callee, assign, column.attribute) for assign in callee.scope.assigns)
                stored = next((found for found in sets if found is not None), None)
                if stored is not None:
                    return Mark(site.fact.order, site.line, site.fact.end_line, site, stored=stored)
        return None

    def _sets(self, callee: Function, assign: f.Assign, attribute: str) -> CallSite | None:
        """`self.status = …` in a method of the row, `row.status = …` of a parameter, and the call that stores the row there."""
        target = assign.target
        if not isinstance(target, f.Attr) or target.name != attribute or not isinstance(target.value, f.Name):
            return None
        name = target.value.id
        return self._stored(callee, name, assign.order) if name in callee.parameters else None

    def _stored(self, function: Function, name: str, order: int) -> CallSite | None:
        for site in function.calls:
            func = site.fact.func
            if (
                site.fact.order > order
                and isinstance(func, f.Attr)
                and func.name in {"save", "asave", "commit", "flush", "add"}
            ):
                on_row = func.name not in {"save", "asave"} or flow.text_of(func.value, function.scope) == name
                if on_row:
                    return site
        return None

    def _set_by_key(self, function: Function, read: Through, match: Match) -> Mark | None:
        """`Order.objects.filter(pk=row.pk).update(status="running")`; with the old state among its conditions it is a claim."""
        for site in function.calls:
            if site.fact.order < read.site.fact.order or _after_failure(function.scope, site.fact.region):
                continue
            for write in self._model.accesses.through(site):
                access = write.access
                if access.kind != UPDATE or access.table is not read.access.table or match.column not in access.columns:
                    continue
                if access.method in {"save", "asave"} or not access.lookup:
                    continue
                asks = any(other.column == match.column for other in access.lookup) or not access.exact
                return Mark(site.fact.order, site.line, site.fact.end_line, site, asks)
        return None

    # --- what is done -------------------------------------------------------------------------------------------------

    def _acts(
        self, function: Function, read: Through, order: int, rows: set[str] | None, words: tuple[Effect, ...]
    ) -> EffectAt | None:
        """Something outside that is done for a row, after the lookup, on one path with the mark."""
        scope = function.scope
        region = flow.region_at(scope, order)
        for site in function.calls:
            if (
                site.fact.order < read.site.fact.order
                or site is read.site
                or not flow.on_one_path(scope, *_in_turn((site.fact.order, site.fact.region), (order, region)))
                or _in_another_loop(scope, site.fact.region, region)
            ):
                continue
            if rows is not None and not _mentions(site, rows):
                continue
            for effect in self._model.effects_through(site, *words):
                if not (effect.secondary or effect.effect.word.telemetry or _does_no_harm_twice(effect)):
                    return effect
        return None

    def _place(self, function: Function, acts: EffectAt) -> int:
        """The order of the call in this function that leads to the effect."""
        for site in function.calls:
            if any(effect is acts for effect in self._model.effects_through(site, acts.effect)):
                return site.fact.order
        return 0

    def unread(self) -> Iterator[UnreadAnswer]:
        """Answers of claims that nobody reads."""
        return unread_answers(self._model)


def _does_no_harm_twice(effect: EffectAt) -> bool:
    """A read, or a message that says the same the second time: a job is called off, a worker told to stop."""
    return effect.repeat is Repeat.SAFE and effect.effect is not Effect.LLM


def _after_failure(scope: f.Scope, region: int) -> bool:
    """In a handler: the work has failed, and the state that is set there says so."""
    return any(scope.regions[each].kind == "except" for each in flow.ancestors(scope, region))


def _in_another_loop(scope: f.Scope, first: int, second: int) -> bool:
    """Do two loops, one after the other, go over different rows?"""
    outer, inner = (_loop_of(scope, region) for region in (first, second))
    if outer is None or inner is None or flow.within(scope, first, inner) or flow.within(scope, second, outer):
        return False
    tests = [flow.text_of(scope.regions[loop].test, scope) for loop in (outer, inner)]
    return tests[0] != tests[1]


def _ends_if_so(scope: f.Scope, site: CallSite) -> bool:
    """`if ignore(row): return`: where the call has set the state, nothing else is done."""
    return any(
        region.kind == "if" and region.test == f.CallRef(site.index) and region.exits in {"return", "raise", "continue"}
        for region in scope.regions
    )


def _loop_of(scope: f.Scope, region: int) -> int | None:
    return next((each for each in flow.ancestors(scope, region) if scope.regions[each].kind in flow.LOOPS), None)


def _names_state(column: Column) -> bool:
    """By its name; a relation only where it leads to a list of states (`job_status`), not to who did it (`sent_by`)."""
    relation = bool(column.target) and not column.attribute.removesuffix("_id").endswith(("status", "state"))
    return not relation and bool(_STATE.search(column.attribute))


def _asked(function: Function, read: CallSite, rows: set[str]) -> Iterator[tuple[str, int]]:
    """(attribute of a row, branch) for each branch that asks for it after the row was read."""
    for index, region in enumerate(function.scope.regions):
        if region.kind != "if" or region.test is None or region.start < read.fact.order:
            continue
        for part in flow.walk(region.test):
            if isinstance(part, f.Attr) and isinstance(part.value, f.Name) and part.value.id in rows:
                yield part.name, index


def _decides(function: Function, index: int, order: int) -> bool:
    """Does a branch decide whether an event happens: it encloses it, or leaves before it?"""
    scope = function.scope
    here = flow.region_at(scope, order)
    if flow.within(scope, here, index):
        return True
    region = scope.regions[index]
    return (
        region.exits in {"return", "raise", "continue"}
        and order >= region.end
        and flow.within(scope, here, region.parent)
    )


def _mentions(site: CallSite, names: set[str]) -> bool:
    """Is one of the names given to a call, or its receiver?"""
    scope = site.function.scope
    for expr in (site.fact.func, *site.fact.args, *(value for _, value in site.fact.kwargs)):
        if any(_occurs(expr, name, scope, 0) for name in names):
            return True
    return False


def _occurs(expr: f.Expr, name: str, scope: f.Scope, depth: int) -> bool:
    for part in flow.walk(expr):
        if isinstance(part, f.Name) and part.id == name:
            return True
        if isinstance(part, f.CallRef) and depth < 3:
            call = scope.calls[part.index]
            if any(
                _occurs(inner, name, scope, depth + 1)
                for inner in (call.func, *call.args, *(v for _, v in call.kwargs))
            ):
                return True
    return False


def _in_turn(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """The regions of two events (order, region), the earlier first."""
    first, second = sorted((one, other))
    return first[1], second[1]
