"""Finds where code looks for a row and inserts one when there is none, in one function or through the functions that it calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.database.access import INSERT, READ, UPDATE, Through
from roadworthy.project.database.conditions import Match, same_value
from roadworthy.project.database.presence import Presence
from roadworthy.project.phrases import is_log_owner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.database.access import Access, Accesses
    from roadworthy.project.database.tables import Table
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, Function


_NESTED = 30  # functions that are looked into at once
_OF_ONE_ROW = frozenset(
    {"save", "asave", "add", "merge", "bulk_update", "abulk_update"}
)  # updates that say nothing of how many rows


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """A row is looked for by some columns, and inserted when it is not there."""

    function: Function
    read: Through
    write: Through
    table: Table
    keys: tuple[str, ...]  # columns that are looked up for a value
    others: tuple[str, ...]  # columns with other conditions, or with a literal
    rejects: bool  # a row that is there is an error; otherwise it is used
    told_apart: bool = False  # many are read at once, and each is looked for among them

    @property
    def model_name(self) -> str:
        """What the code calls the rows."""
        return self.table.model.name if self.table.model is not None else self.table.name

    @property
    def by_identity(self) -> bool:
        """Not by a limit, a range of time, some of the states, a surrogate id or columns that are none: the row itself is looked for."""
        if any(m.op == "other" or (m.op == "in" and m.column not in self.keys) for m in self.read.access.lookup):
            return False
        if any(self.table.column(name) is None for name in self.keys):
            return False  # a column of a base that is not known: the row is looked for by more than what is known
        surrogate = set(self.keys) & set(self.table.primary) - self.write.access.columns
        return bool(self.keys) and not surrogate


class Checks:
    """All such pairs of the project."""

    def __init__(self, accesses: Accesses, evaluator: Evaluator) -> None:
        """Computed function by function on demand."""
        self._accesses = accesses
        self._evaluator = evaluator
        self._known: dict[Function, tuple[Check, ...]] = {}
        self._busy: set[Function] = set()

    def of(self, function: Function) -> tuple[Check, ...]:
        """The pairs of which both halves begin in this function."""
        known = self._known.get(function)
        if known is None:
            if function in self._busy or len(self._busy) > _NESTED:
                return ()
            self._busy.add(function)
            known = self._known[function] = tuple(self._find(function))
            self._busy.discard(function)
        return known

    def _find(self, function: Function) -> Iterator[Check]:
        if function not in self._accesses.inserting:
            return
        writes = [w for site in function.calls for w in self._accesses.through(site) if self._is_insert(w)]
        new = ((site, self._accesses.new_one(site)) for site in function.calls)
        writes += [Through(access, site) for site, access in new if access is not None]
        if not writes:
            return
        reads = [r for site in function.calls for r in _whole(self._accesses.through(site)) if _looks(r.access)]
        seen: set[tuple[int, int]] = set()
        for read in reads:
            for write in writes:
                pair = (id(read.site), id(write.site))
                if pair in seen or read.site is write.site or read.access.table is not write.access.table:
                    continue
                check = self._check(function, read, write)
                if check is not None:
                    seen.add(pair)
                    yield check

    def _is_insert(self, write: Through) -> bool:
        """An insert that the function of the write does not itself guard by a check of its own."""
        if write.access.kind != INSERT or write.access.table is None:
            return False
        if write.path and _notes_failure(write.access.site):
            return False
        return all(check.write.access is not write.access for function in write.path for check in self.of(function))

    def _check(self, function: Function, read: Through, write: Through) -> Check | None:
        there = write.access.made or write.site
        if not dominated(function, read.site, there) or not self._answers(read):
            return None
        presence = Presence(function, read.site)
        found = presence.absent_at(there)
        if found is None or not self._same_row(read.access, write.access):
            return None
        table = read.access.table
        assert table is not None
        keys, others = _columns(read.access, membership=presence.by_membership)
        if presence.by_membership or presence.mapped is not None:
            keys = _with_members(keys, read.access, presence.mapped, table)
        only_joins = all(match.op == "join" for match in read.access.lookup if match.column in keys)
        if not keys or (only_joins and presence.mapped is None and not presence.by_membership):
            return None
        told_apart = presence.by_membership or presence.mapped is not None
        return Check(function, read, write, table, keys, others, found == "reject", told_apart)

    def _answers(self, read: Through) -> bool:
        """Does the call give what was read back to the asking function?"""
        below = read.access.site
        for function in reversed(read.path):
            if not _returns(function, below):
                return False
            below = next((s for s in _sites_to(read.path, function, self._accesses) if s is not None), below)
        return True

    def _same_row(self, read: Access, write: Access) -> bool:
        """May the row that is inserted be the one that was looked for?"""
        keys = [match for match in read.lookup if match.op in {"eq", "in"}]
        if write.filled and write.values and read.table is not None and _all_known(write):
            filled = write.columns
            if any(
                match.column not in filled and match.column not in read.table.primary
                for match in keys
                if match.op == "eq" and not self._is_default(match, read.table)
            ):
                return False
        answers = [self._same(match, write) for match in keys]
        return True in answers or not any(answer is False for answer in answers)

    def _is_default(self, match: Match, table: Table) -> bool:
        """Is a literal looked for that the column has where nothing fills it?"""
        column = table.column(match.column)
        if column is None or column.default is None or column.default_scope is None:
            return False
        default = Match(column.name, column.default, column.default_scope)
        return isinstance(match.value, f.Const | f.Str | f.Attr) and same_value(match, default, self._evaluator) is True

    def _same(self, match: Match, write: Access) -> bool | None:
        value = write.value_of(match.column)
        if value is None or match.op == "in":
            return None
        same = same_value(match, value, self._evaluator)
        if same is None and match.scope is value.scope and _is_given(match) and _is_given(value):
            return False  # two parameters, or two attributes of them
        return same


def _notes_failure(site: CallSite) -> bool:
    """A row that a helper stores in a handler which raises again tells of a failure; it is not the one that was missing."""
    scope = site.function.scope
    handlers = (r for r in flow.ancestors(scope, site.fact.region) if scope.regions[r].kind == "except")
    return any(scope.regions[r].exits == "raise" for r in handlers)


def _all_known(write: Access) -> bool:
    """Is everything that is filled a column? A property of the model (`email`) may fill another one (`normalised_email`)."""
    table = write.table
    columns = [table.column(name) for name in write.columns] if table is not None else [None]
    return all(column is not None and not column.attribute.startswith("_") for column in columns)


def _looks(access: Access) -> bool:
    """Does an access tell whether the row is there: a read, or an update by conditions that tells how many rows it found?"""
    if access.table is None:
        return False
    return access.kind == READ or (access.kind == UPDATE and access.method not in _OF_ONE_ROW and bool(access.keys))


def _is_given(match: Match) -> bool:
    """A parameter or a dotted path that begins with one: not computed from anything else here."""
    expr = match.value
    while isinstance(expr, f.Attr):
        expr = expr.value
    return isinstance(expr, f.Name) and expr.id in match.scope.parameters and expr.id not in match.scope.bindings


def _whole(found: tuple[Through, ...]) -> Iterator[Through]:
    """Of a query that a helper narrows step by step by what it is given the last one: `query = query.filter_by(…)`, then `query.first()`."""
    for one in found:
        if not any(_goes_on_from(other.access, one.access) for other in found if not one.direct):
            yield one


def _goes_on_from(later: Access, access: Access) -> bool:
    lookup = access.lookup
    more = later.lookup[len(lookup) :]
    same = later.function is access.function and later.table is access.table and later.kind == access.kind == READ
    given = (isinstance(m.value, f.Name) and m.value.id in later.function.parameters for m in more)
    return same and later.lookup[: len(lookup)] == lookup and any(given)


def _columns(read: Access, *, membership: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(columns that identify the row, columns of other conditions)."""
    keys: dict[str, None] = {}
    others: dict[str, None] = {}
    for match in read.lookup:
        if match.op in {"eq", "join"} or (match.op == "in" and membership):
            keys[match.column] = None
        else:
            others[match.column] = None
    return tuple(keys), tuple(others)


def _with_members(keys: tuple[str, ...], read: Access, mapped: tuple[str, ...] | None, table: Table) -> tuple[str, ...]:
    """The columns of the lookup and those by which its rows are told apart afterwards; () when these are not known."""
    listed = mapped or read.listed
    if any(table.column(name) is None for name in listed):
        return ()
    if not listed:
        return keys if any(match.op == "in" for match in read.lookup) and mapped is None else ()
    return tuple(
        dict.fromkeys((*keys, *(column.name for name in listed if (column := table.column(name)) is not None)))
    )


def _returns(function: Function, site: CallSite) -> bool:
    """Is what this call gives part of what the function returns (or the condition of what it returns)?"""
    presence = Presence(function, site)
    return any(leave.kind in {"return", "yield"} and presence.depends(leave.value) for leave in function.scope.leaves)


def _sites_to(path: tuple[Function, ...], function: Function, accesses: Accesses) -> Iterator[CallSite]:
    """The call in the function above that leads to this one."""
    index = path.index(function)
    if index == 0:
        return
    above = path[index - 1]
    for site in above.calls:
        if function in accesses.callees(site):
            yield site


def dominated(function: Function, first: CallSite, second: CallSite) -> bool:
    """May both calls happen in one run, in this order?"""
    return first.fact.order < second.fact.order and flow.on_one_path(
        function.scope, first.fact.region, second.fact.region
    )


def refusal(check: Check) -> f.Leave | None:
    """How the function ends when the row is there, between the look and the insert: with an error, or with nothing."""
    scope = check.function.scope
    presence = Presence(check.function, check.read.site)
    first, last = check.read.site.fact.order, check.write.site.fact.order
    for leave in scope.leaves:
        region = scope.regions[leave.region]
        ends = leave.kind == "raise" or (leave.kind == "return" and leave.value is None)
        if ends and first <= leave.order < last and region.kind == "if" and presence.sign(region.test) == 1:
            return leave if leave.kind == "raise" or not _works(check.function, leave.region) else None
    return None


def work_where_found(check: Check) -> tuple[int, int] | None:
    """First and last line of what is done to a row that is there, in place of the insert: `if alias: alias.add(x)`."""
    scope = check.function.scope
    presence = Presence(check.function, check.read.site)
    for index, region in enumerate(scope.regions):
        written = check.write.site.fact.region
        beside = region.parent < 0 or flow.within(
            scope, written, region.parent
        )  # decided in the block of the insert, not elsewhere
        later = region.line >= check.read.site.line and beside and not flow.within(scope, written, index)
        if later and region.kind == "if" and presence.sign(region.test) == 1 and _works(check.function, index):
            return region.line, region.end_line
    return None


def _works(function: Function, index: int) -> bool:
    """Does a branch do something for its own sake, beyond logging and answering?"""
    scope = function.scope
    inside = (call for call in flow.calls_in(scope, index) if call.use == "discarded")
    return any(not is_log_owner(flow.text_of(call.func, scope).rpartition(".")[0]) for call in inside)
