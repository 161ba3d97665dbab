"""Which locks are held when something happens: on the way to it in the function, in a helper that it called, in every caller."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, GuardKind
from roadworthy.project import flow
from roadworthy.project.database.presence import Presence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from roadworthy.project.database.access import Access
    from roadworthy.project.database.conditions import Match
    from roadworthy.project.database.tables import Table
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_LOCK_NAME = re.compile(r"(^|_)(lock|locked|locks|mutex|semaphore|advisory)(_|$)|[a-z]Lock$")
_NO_LOCK = re.compile(r"^_?(is|has|are|was|release|un|check|clear|free|drop|delete|remove)_")
_ASKED = re.compile(r"lock|for_update")
_ADDS = frozenset({"add", "aadd", "setnx"})
_IF_ABSENT = frozenset({"nx", "if_not_exists"})
_FOR_UPDATE = frozenset({"select_for_update", "with_for_update"})
_BRANCHES = frozenset({"if", "else", "case", "except"})
_DATABASES = frozenset({"postgresql", "postgres", "sqlite", "sqlite3", "mysql", "mariadb", "oracle", "mssql"})
_STATEMENTS = ("advisory", "for update", "lock table")
_DEPTH = 3  # helpers that take a lock for their caller, one below the other; foreign keys from a row to the one that is locked
_WAYS = 400  # functions above the one that is asked about


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that two runs must not touch at once."""

    table: Table | None  # None: not known, and any lock counts
    keys: tuple[str, ...] = ()  # columns that name them; () where that is not known
    lookup: tuple[Match, ...] = ()
    there: bool = False  # a lock of these very rows counts; it holds nothing of a row that is not there yet


@dataclass(frozen=True, slots=True, eq=False)
class Lock:
    """A lock that a call of a function takes, itself or through the functions that it runs."""

    site: CallSite
    access: Access | None = (
        None  # the query that locks rows; None: a lock that is not of rows, or whose query is not known
    )
    table: Table | None = None  # the table whose rows it locks
    block: int = -1  # the only block in which it is held: `if cache.add(key, 1): …`


class Locks:
    """Questions about locks; what a function leaves locked is kept."""

    def __init__(self, model: Model) -> None:
        """Guards, effects and accesses are asked of the model."""
        self._model = model
        self._taken: dict[Function, tuple[Lock, ...]] = {}
        self._busy: set[Function] = set()

    def held(self, site: CallSite, rows: Rows) -> bool:
        """Is a lock that keeps two runs for these rows apart held when a call runs?"""
        if any(guard.kind is GuardKind.LOCK for guard in self._model.guards.on_site(site)):
            return True
        return self.held_at(site.function, site.fact.order, site.fact.region, rows)

    def held_at(self, function: Function, order: int, region: int, rows: Rows) -> bool:
        """As `held`, for any event of a function: its order, and the region in which it lies."""
        if any(guard.kind is GuardKind.LOCK for guard in self._model.guards.on_function(function)):
            return True
        return self._before(function, order, region, rows) or self._on_every_way(function, rows)

    # --- in the function ----------------------------------------------------------------------------------------------

    def _before(self, function: Function, order: int, region: int, rows: Rows) -> bool:
        """Is a lock taken before an event, on every path that leads to it, and not yet given back?"""
        taken = [lock for lock in self._locks_of(function) if lock.site.fact.order < order]
        fitting = [lock for lock in taken if self._concerns(lock, rows) and not _in_conditional(lock.site)]
        regions = [lock.site.fact.region for lock in fitting]
        return any(
            _is_passed(function.scope, lock.site.fact.region, region, regions) and self._lasts(lock, region)
            for lock in fitting
        )

    def _lasts(self, lock: Lock, region: int) -> bool:
        """A lock of a `with` ends with it; one of rows ends with the transaction, where no other is open around it."""
        scope = lock.site.function.scope
        if lock.site.fact.use == "context":
            held = _with_regions(scope, lock.site.index)
            return not held or any(flow.within(scope, region, each) for each in held)
        if lock.block >= 0:
            return flow.within(scope, region, lock.block)
        if lock.access is None and lock.table is None:
            return True
        blocks = [
            guard.region
            for guard in self._model.guards.on_site(lock.site)
            if guard.kind is GuardKind.TRANSACTION and guard.region is not None
        ]
        return (
            not blocks
            or any(flow.within(scope, region, each) for each in blocks)
            or self._in_transaction(lock.site.function)
        )

    def _in_transaction(self, function: Function) -> bool:
        """May a transaction be open when this function begins?"""
        if self._model.coverage_of(function, lambda guard: guard.kind is GuardKind.TRANSACTION).somewhere:
            return True
        entries = (reached.entry for reached in self._model.exposure(function).entries)
        return any(self._model.request_transaction(entry) is not None for entry in entries)

    def _locks_of(self, function: Function, depth: int = 0) -> tuple[Lock, ...]:
        known = self._taken.get(function)
        if known is None:
            if function in self._busy or depth > _DEPTH:
                return ()
            self._busy.add(function)
            known = tuple(lock for site in function.calls for lock in self._locks_at(site, depth))
            self._busy.discard(function)
            if not depth:
                self._taken[function] = known
        return known

    def _locks_at(self, site: CallSite, depth: int) -> Iterator[Lock]:
        """The locks that one call takes."""
        name = flow.last_name(site.fact.func)
        found = [access for access in self._model.accesses.at(site) if access.locked]
        asked = name in _FOR_UPDATE and not self._model.library_names(site)  # on a query of which nothing is known
        if asked or (_LOCK_NAME.search(name) and not _NO_LOCK.search(name)):
            yield Lock(site)
        yield from self._claimed(site, name)
        yield from (Lock(site, access, access.table) for access in found)
        for effect in self._model.effects_at(site):
            if effect.effect is Effect.LOCK and not found:
                table = self._model.schema.table_of(effect.model)
                if table is None or not any(a.locked and a.table is table for a in self._accesses(site.function)):
                    yield Lock(site, None, table)
            elif effect.sql and any(word in effect.sql.lower() for word in _STATEMENTS):
                yield Lock(site)
        for edge in self._model.edges_at(site):
            if edge.runs_here and edge.kind != "callback":
                asked = _asks_for_lock(site)
                left = self._locks_of(edge.callee, depth + 1) if asked else self._left_by(edge.callee, depth + 1)
                yield from (replace(lock, site=site) for lock in left)

    def _claimed(self, site: CallSite, name: str) -> Iterator[Lock]:
        """A key that only one may add to a store: `if not cache.add(key, 1): return`, `if store.set(key, 1, nx=True): …`."""
        if name not in _ADDS and not any(keyword in _IF_ABSENT for keyword, _ in site.fact.kwargs):
            return
        if not any(effect.effect is Effect.CACHE_WRITE for effect in self._model.effects_at(site)):
            return
        scope, presence = site.function.scope, Presence(site.function, site)
        for index, region in enumerate(scope.regions):
            sign = presence.sign(region.test) if region.kind == "if" else 0
            if sign < 0 and region.exits:
                yield Lock(site)
            elif sign > 0:
                yield Lock(site, block=index)

    def _accesses(self, function: Function) -> tuple[Access, ...]:
        return self._model.accesses.of(function)

    def _left_by(self, function: Function, depth: int) -> Iterator[Lock]:
        """Locks that are held when a function returns, whichever way it took; those of a generator while it waits in its `yield`."""
        scope = function.scope
        locks = self._locks_of(function, depth)
        regions = [lock.site.fact.region for lock in locks]
        waits = [leave.region for leave in scope.leaves if leave.kind == "yield"]
        for lock in locks:
            region = lock.site.fact.region
            if (
                lock.block >= 0
                or _in_conditional(lock.site)
                or any(_returns_before(leave, lock) for leave in scope.leaves)
            ):
                continue
            blocks = _with_regions(scope, lock.site.index) if lock.site.fact.use == "context" else ()
            kept = not blocks or any(flow.within(scope, wait, block) for wait in waits for block in blocks)
            if kept and any(_is_passed(scope, region, end, regions) for end in waits or [0]):
                yield lock

    # --- above the function -------------------------------------------------------------------------------------------

    def _on_every_way(self, function: Function, rows: Rows) -> bool:
        """Does some caller hold a lock, and none that serves others come here without one?"""
        found = False
        queue: deque[Function] = deque([function])
        seen = {function}
        while queue and len(seen) < _WAYS:
            here = queue.popleft()
            if any(entry.serves_others for entry in self._model.entries.at(here)):
                return False
            for edge in self._model.edges_to(here):
                if not edge.runs_here:
                    continue
                if self._guards_edge(edge.site, edge.caller, rows) or any(
                    guard.kind is GuardKind.LOCK for guard in self._model.guards.on_edge(edge)
                ):
                    found = True
                elif edge.caller not in seen:
                    seen.add(edge.caller)
                    queue.append(edge.caller)
        return found

    def _guards_edge(self, site: CallSite, caller: Function, rows: Rows) -> bool:
        if any(guard.kind is GuardKind.LOCK for guard in self._model.guards.on_function(caller)):
            return True
        return self._before(caller, site.fact.order, site.fact.region, rows)

    # --- whose lock ---------------------------------------------------------------------------------------------------

    def _concerns(self, lock: Lock, rows: Rows) -> bool:
        """Would two runs for the same rows ask for the same lock? A lock that is not of rows is taken to be the right one."""
        if rows.table is None or (lock.table is None and lock.access is None):
            return True
        if lock.table is None:
            return True
        if lock.table is rows.table:
            return rows.there
        access = lock.access
        if access is not None and _is_for_all(access):
            return True
        return self._is_kin(rows, lock.table) or (access is not None and self._shares_value(lock, access, rows))

    def _is_kin(self, rows: Rows, locked: Table) -> bool:
        """Do the columns that name the rows lead to the locked row, through one foreign key after the other?"""
        assert rows.table is not None
        names = rows.keys or tuple(column.name for column in rows.table.columns)
        reached = [column for name in names if (column := rows.table.column(name)) is not None]
        for _ in range(_DEPTH):
            tables = [t for column in reached if (t := self._model.schema.table_like(column.target_model)) is not None]
            if any(_is_same(table, locked) for table in tables):
                return True
            reached = [column for table in tables for column in table.columns if column.target_model is not None]
        if not rows.there:
            return False
        return any(  # the one row that belongs to these
            column.unique and self._model.schema.table_like(column.target_model) is rows.table
            for column in locked.columns
        )

    def _shares_value(self, lock: Lock, access: Access, rows: Rows) -> bool:
        """`Shop…get(code=code)`, and rows that are looked up by `code` or by something of the shop."""
        presence = Presence(lock.site.function, lock.site)
        asked = [match.value for match in access.lookup if match.value is not None]
        for match in rows.lookup:
            if match.value is None or isinstance(match.value, f.Const | f.Str):
                continue
            if match.value in asked:
                return True
            if match.scope is lock.site.function and presence.depends(match.value):
                return True
        return False


def _asks_for_lock(site: CallSite) -> bool:
    """`load(key, for_update=True)`: a helper that locks when it is told to."""
    return any(
        _ASKED.search(keyword) and not (isinstance(value, f.Const) and not value.value)
        for keyword, value in site.fact.kwargs
    )


def _returns_before(leave: f.Leave, lock: Lock) -> bool:
    """Does the function give its answer on a way that takes no lock? A bare `return` gives none."""
    empty = leave.value is None or (isinstance(leave.value, f.Const) and leave.value.kind == "none")
    return leave.kind == "return" and not empty and leave.order < lock.site.fact.order


def _in_conditional(site: CallSite) -> bool:
    """`rows.get() if plain else rows.select_for_update().get()`: one side of it takes the lock, the other does not."""
    scope = site.function.scope
    chain = {site.index}
    outer = site.fact.outer
    while outer >= 0:
        chain.add(outer)
        outer = scope.calls[outer].outer
    values = (*(leave.value for leave in scope.leaves), *(assign.value for assign in scope.assigns))
    return any(
        isinstance(inner, f.CallRef) and inner.index in chain
        for value in values
        for part in flow.walk(value)
        if isinstance(part, f.IfExp)
        for side in (part.body, part.orelse)
        for inner in flow.walk(side)
    )


def _is_same(table: Table, locked: Table) -> bool:
    if table is locked:
        return True
    ours, theirs = table.model, locked.model
    return ours is not None and theirs is not None and (ours in theirs.mro or theirs in ours.mro)


def _is_for_all(access: Access) -> bool:
    """One row that is named by literals, or the whole table: the same lock whoever asks."""
    return access.exact and all(isinstance(match.value, f.Const | f.Str) for match in access.lookup)


def _with_regions(scope: f.Scope, index: int) -> list[int]:
    """The blocks of the `with` that is given the call with this index."""
    return [
        number
        for number, region in enumerate(scope.regions)
        if region.kind == "with"
        and any(isinstance(p, f.CallRef) and p.index == index for item, _ in region.items for p in flow.walk(item))
    ]


def _is_passed(scope: f.Scope, first: int, second: int, others: Iterable[int]) -> bool:
    """Does every path to the second region come through the first, or through one of the others that do the same in its place?

    The body of a loop or a `try` counts as passed: without a row to lock there is none to change. So does a branch on the kind of the
    database: it is the same one in every run.
    """
    here = first
    while not flow.within(scope, second, here):
        region = scope.regions[here]
        if region.kind in _BRANCHES and not _asks_database(region.test) and not _in_each_branch(scope, here, others):
            return False
        here = region.parent
    return True


def _asks_database(test: f.Expr | None) -> bool:
    """`if connection.vendor == "postgresql": …`: the others do not know such locks."""
    return test is not None and any(isinstance(part, f.Str) and part.value in _DATABASES for part in flow.walk(test))


def _in_each_branch(scope: f.Scope, here: int, others: Iterable[int]) -> bool:
    kind = scope.regions[here].kind
    siblings = [r for r in flow.siblings(scope, here) if r != here and scope.regions[r].kind in {*_BRANCHES, "try"}]
    if kind == "if" and not siblings:
        return False
    return all(bool(scope.regions[r].exits) or any(flow.within(scope, other, r) for other in others) for r in siblings)
