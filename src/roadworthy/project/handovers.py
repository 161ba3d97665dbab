"""Rows that wait for one message: written in a waiting state, committed, and only then handed to a queue or an engine.

A crash between the commit and the message leaves the row in that state; only a sweep over the state finds it again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, EntryKind
from roadworthy.project import flow
from roadworthy.project.cutoff import HANDOFFS
from roadworthy.project.database.access import DELETE, INSERT, READ, UPDATE
from roadworthy.project.producers import sweeps
from roadworthy.project.values import Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.database.access import Through
    from roadworthy.project.database.conditions import Match
    from roadworthy.project.database.tables import Column, Table
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function
    from roadworthy.project.transactions import Transactions

_WAITS = re.compile(
    r"(queued|enqueued|in_?queue|pending|scheduled|waiting|awaiting_processing|to_?send|unsent|not_?started|submitted)",
    re.IGNORECASE,
)
_STATE = re.compile(r"(^|_)(status|state|stage|phase)$", re.IGNORECASE)
_SWEEPING = frozenset({EntryKind.SCHEDULED, EntryKind.WORKER_LOOP, EntryKind.STARTUP})
_NEAR = 4  # calls between the message's receiver and the write that moves the row on
_SAME_DATABASE = frozenset({"orm", "sql-driver", "store", "stdlib"})


@dataclass(frozen=True, slots=True, eq=False)
class Handover:
    """A row in a waiting state, and the message that alone moves it on."""

    write: Through
    table: Table
    column: str  # attribute
    state: str  # as written: `"pending"`, `Status.QUEUED`
    sent: EffectAt
    site: CallSite  # the call in the writing function that leads to `sent`
    deferred: bool  # an on-commit hook sends
    receivers: tuple[Function, ...]  # what the message runs
    moved: tuple[str, int] | None  # where a receiver sets the state: (path, line)

    @property
    def function(self) -> Function:
        """Where the row is written and the message sent."""
        return self.site.function

    @property
    def owner(self) -> str:
        """The model's name, or the table's."""
        return self.table.model.name if self.table.model is not None else self.table.name


class Handovers:
    """Finds them; one value for each model."""

    def __init__(self, model: Model, transactions: Transactions) -> None:
        """Everything is asked of the model."""
        self._model = model
        self._transactions = transactions
        self._swept: dict[Table, bool] = {}

    def all(self) -> Iterator[Handover]:
        """At most one for each row that is written."""
        handing = self._model.reach.functions_with(HANDOFFS)
        for function in self._model.functions:
            if function in handing or any(edge.kind == "hook:on-commit" for edge in self._model.edges_from(function)):
                yield from self._of(function)

    def _of(self, function: Function) -> Iterator[Handover]:
        for site in function.calls:
            for write in self._model.accesses.through(site):
                table = write.access.table
                found = self._waiting(write) if table is not None and write.access.kind in {INSERT, UPDATE} else None
                if table is None or found is None:
                    continue
                handover = self._handover(write, table, *found)
                if handover is not None:
                    yield handover
                    break

    # --- the state ----------------------------------------------------------------------------------------------------

    def _waiting(self, write: Through) -> tuple[str, str] | None:
        """(column, state) that the write fills with a word of waiting, itself or by the column's default."""
        access = write.access
        table = access.table
        if table is None:
            return None
        for column in table.columns:
            if not _STATE.search(column.attribute):
                continue
            match = access.value_of(column.name) or access.value_of(column.attribute)
            if match is not None:
                text = self._word(match)
            elif access.kind == INSERT and access.filled and access.fresh is not False:
                text = self._default(column)
            else:
                continue
            if text:
                return column.attribute, text
        return None

    def _word(self, match: Match) -> str:
        return self._said(match.value, match.scope, match.order) if match.value is not None else ""

    def _default(self, column: Column) -> str:
        if column.default is None or column.default_scope is None:
            return ""
        return self._said(column.default, column.default_scope, None)

    def _said(self, expr: f.Expr, scope: Function, order: int | None) -> str:
        text = flow.text_of(expr, scope.scope)
        last = text.removesuffix(".value").rpartition(".")[2].strip("\"'")
        if isinstance(expr, f.Str | f.Attr) and _WAITS.fullmatch(last):
            return text
        for value in self._model.values(expr, scope, order):
            if isinstance(value, Literal) and isinstance(value.value, str) and _WAITS.fullmatch(value.value):
                return text
        return ""

    # --- the message --------------------------------------------------------------------------------------------------

    def _handover(self, write: Through, table: Table, column: str, state: str) -> Handover | None:
        function = write.site.function
        names = rows_of(function, write)
        for site in function.calls:
            if site.fact.order <= write.site.fact.order or not flow.on_one_path(
                function.scope, write.site.fact.region, site.fact.region
            ):
                continue
            sent, deferred = self._sent(site)
            if sent is None or not (deferred or self._is_committed(write, site)) or not self._carries(site, names):
                continue
            receivers = tuple(
                edge.callee for edge in self._model.edges_at(sent.site) if edge.kind in {"job", "durable"}
            )
            moved = next((place for r in receivers if (place := self._moves(r, table, column)) is not None), None)
            return Handover(write, table, column, state, sent, site, deferred, receivers, moved)
        return None

    def _sent(self, site: CallSite) -> tuple[EffectAt | None, bool]:
        """What a call hands over at once, or by an on-commit hook."""
        for edge in self._model.edges_at(site):
            if edge.kind == "hook:on-commit":
                found = self._model.effects_under(edge.callee, *HANDOFFS)
                if found and self._leaves_the_database(found[0]):
                    return found[0], True
        found = [effect for effect in self._model.effects_through(site, *HANDOFFS) if self._leaves_the_database(effect)]
        return (found[0], self._transactions.is_deferred(found[0].site)) if found else (None, False)

    def _leaves_the_database(self, effect: EffectAt) -> bool:
        """A queue that is a table of the same database is written with the row."""
        library = self._model.knowledge.library_of(effect.name)
        return not effect.row.secondary and (library is None or not _SAME_DATABASE & set(library.role))

    def _is_committed(self, write: Through, site: CallSite) -> bool:
        """No transaction is open any more: the store commits each write, or a commit stands between the two."""
        model = self._model
        if self._transactions.around(site) is not None or model.transaction_over(site) is not None:
            return False
        if any(model.request_transaction(reached.entry) for reached in model.exposure(site.function).entries):
            return False
        if not self._needs_commit(write.access.effect):
            return True
        return any(
            write.site.fact.order <= other.fact.order < site.fact.order
            and flow.on_one_path(site.function.scope, other.fact.region, site.fact.region)
            and model.reach.site_reaches(other, {Effect.COMMIT})
            for other in site.function.calls
        )

    def _needs_commit(self, effect: EffectAt) -> bool:
        """Does the project commit sessions of this library anywhere?"""
        library = self._model.knowledge.library_of(effect.name)
        if library is None:
            return True
        own = set(library.distributions) or {library.library}
        for commit in self._model.reach.all:
            if commit.effect is Effect.COMMIT:
                other = self._model.knowledge.library_of(commit.name)
                if other is not None and own & (set(other.distributions) or {other.library}):
                    return True
        return False

    def _carries(self, site: CallSite, names: frozenset[str]) -> bool:
        """Is the row, or a part of it, in what is sent?"""
        return any(_speaks_of(expr, site.function.scope, names, 0) for expr in _given(site.fact)) or any(
            _speaks_of(expr, edge.callee.scope, _with_local(names, edge.callee.scope), 0)
            for edge in self._model.edges_at(site)
            if edge.kind == "hook:on-commit"
            for inner in edge.callee.calls
            for expr in _given(inner.fact)
        )

    def _moves(self, receiver: Function, table: Table, column: str) -> tuple[str, int] | None:
        """The place where the receiver, or something near below it, sets the state of such a row."""
        tree = self._model.reach.tree_from(receiver)
        depth = {receiver: 0}
        for function, edge in tree.items():
            if edge is not None:
                depth[function] = depth[edge.caller] + 1
            if depth[function] > _NEAR:
                continue
            for access in self._model.accesses.of(function):
                if (
                    access.kind == UPDATE
                    and access.table is table
                    and (column in access.columns or table.names((column,)) <= access.columns)
                ):
                    return access.site.path, access.site.line
            for assign in function.scope.assigns:
                if isinstance(assign.target, f.Attr) and assign.target.name == column:
                    return function.path, assign.line
        return None

    # --- sweeps -------------------------------------------------------------------------------------------------------

    def is_swept(self, handover: Handover) -> bool:
        """Does something that comes round by itself look such rows up, or send the same message again?"""
        table = handover.table
        if table not in self._swept:
            self._swept[table] = any(
                access.table is table
                and self._looks_around(access.lookup, access.exact, table)
                and self._comes_round(access.function)
                for access in self._model.accesses.all(READ, UPDATE, DELETE)
            )
        return self._swept[table] or any(
            self._comes_round(edge.caller)
            for receiver in handover.receivers
            for edge in self._model.edges_to(receiver)
            if edge.kind in {"job", "durable"}
        )

    def _looks_around(self, lookup: tuple[Match, ...], exact: bool, table: Table) -> bool:
        """Any question but for one row by its key."""
        keys = {match.column for match in lookup if match.op == "eq"}
        return not (exact and lookup and table.unique_over(keys, partial=False) is not None)

    def _comes_round(self, function: Function) -> bool:
        reached = self._model.exposure(function).entries
        return any(r.entry.kind in _SWEEPING or sweeps(r.entry) for r in reached)


def rows_of(function: Function, write: Through) -> frozenset[str]:
    """Names that hold the written row or something taken from it: `job = create(…)`, `key = str(job.id)`."""
    scope = function.scope
    names: set[str] = set()
    written = write.access.object
    if write.direct and isinstance(written, f.Name):
        names.add(written.id)
    if (
        isinstance(write.site.fact.func, f.Attr)
        and isinstance(write.site.fact.func.value, f.Name)
        and write.access.method in {"save", "asave"}
    ):
        names.add(write.site.fact.func.value.id)
    for match in (*write.access.lookup, *write.access.values) if write.direct else ():
        if match.column in {"id", "pk", *write.access.table.primary} if write.access.table is not None else ():
            names.update(part.id for part in flow.walk(match.value) if isinstance(part, f.Name))
    for _ in range(2):
        for assign in scope.assigns:
            if assign.value is None or not isinstance(assign.target, f.Name):
                continue
            made = any(
                isinstance(part, f.CallRef) and part.index == write.site.index for part in flow.walk(assign.value)
            )
            taken = assign.order > write.site.fact.order and _speaks_of(assign.value, scope, frozenset(names), 0)
            if made or taken:
                names.add(assign.target.id)
    return frozenset(names)


def _with_local(names: frozenset[str], scope: f.Scope) -> frozenset[str]:
    """And what a hook inside makes of them: `arguments = (key, options)`."""
    return names | {
        a.target.id
        for a in scope.assigns
        if isinstance(a.target, f.Name) and a.value is not None and _speaks_of(a.value, scope, names, 0)
    }


def _given(call: f.Call) -> tuple[f.Expr, ...]:
    func = call.func
    return (*call.args, *(value for _, value in call.kwargs), *((func.value,) if isinstance(func, f.Attr) else ()))


def _speaks_of(expr: f.Expr, scope: f.Scope, names: frozenset[str], depth: int) -> bool:
    for part in flow.walk(expr):
        if isinstance(part, f.Name) and part.id in names:
            return True
        if (
            isinstance(part, f.CallRef)
            and depth < 3
            and any(_speaks_of(inner, scope, names, depth + 1) for inner in _given(scope.calls[part.index]))
        ):
            return True
    return False
