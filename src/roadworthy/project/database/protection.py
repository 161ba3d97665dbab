"""What keeps two runs of a check and a write apart: a unique key, a handled conflict, a lock."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, EntryKind, GuardKind
from roadworthy.project import flow
from roadworthy.project.database.locks import Locks, Rows
from roadworthy.project.database.nulls import null_in
from roadworthy.project.database.presence import Presence
from roadworthy.project.origins import Origin
from roadworthy.project.values import FunctionValue, Instance, Library

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from roadworthy.findings.finding import Location
    from roadworthy.project.database.access import Access, Through
    from roadworthy.project.database.conditions import Match
    from roadworthy.project.database.tables import Column, Table, UniqueKey
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_CONFLICTS = (
    "integrityerror", "uniqueviolation", "duplicatekey", "duplicateentry", "alreadyexists", "uniqueconstraint", "databaseerror", "dbapierror", "sqlalchemyerror",
)  # fmt: skip
_REQUESTS = frozenset({EntryKind.HTTP_HANDLER, EntryKind.WEBHOOK_HANDLER, EntryKind.MIDDLEWARE})
_REGISTERS = frozenset(
    {"exception_handler", "errorhandler", "app_errorhandler", "add_exception_handler", "register_error_handler"}
)
_DERIVED = frozenset(
    {"hash", "digest", "sha", "sha1", "sha256", "md5", "normalised", "normalized", "lower", "slug", "key", "canonical"}
)
_MADE_UP = re.compile(
    r"random|uuid|token_|secret|nanoid|ulid|generate_(public_)?(id|key|code|token)|shortuuid", re.IGNORECASE
)
_SET_UP = re.compile(
    r"^_?(init|setup|bootstrap|seed|populate|provision|migrate|backfill|load_fixtures?|create_(fake|dummy|demo|test|default))(_|$)"
)
_SET_UP_FILE = re.compile(r"(^|/)(factories|fixtures?|seeds?|bootstrap|random_data|demo|scripts?|cli)(/|\.py$)")
_CALLERS = 8  # that are asked what they know of a value
_SECRET = re.compile(r"(^|_)(token|secret|uuid|guid|nonce|otp|api_key|session_key|password)(_|$)")


class Protection:
    """Questions of the rules about races."""

    def __init__(self, model: Model) -> None:
        """Everything is answered from the model."""
        self._model = model

    # --- keys ---------------------------------------------------------------------------------------------------------

    def guarding_key(
        self, table: Table, columns: Collection[str], write: Access | None, lookup: tuple[Match, ...] = ()
    ) -> UniqueKey | None:
        """A unique key that stops a second row: over the columns, or over them and others that the write fills as well.

        `lookup`: with what the columns are compared. A key does not count where one of them may be NULL: two NULLs are no equals.
        """
        if self.nullable_key(table, columns, write, lookup) is not None:
            return None
        return self._key_over(table, columns, write)

    def nullable_key(
        self, table: Table, columns: Collection[str], write: Access | None, lookup: tuple[Match, ...]
    ) -> tuple[UniqueKey, Column] | None:
        """The key that would guard, and the column whose NULL it lets by."""
        found = self._key_over(table, columns, write)
        column = null_in(self._model, table, found, lookup, write) if found is not None else None
        if found is None or column is None:
            return None
        rest = table.names(columns) - {column.name}
        also = any(key.in_force and key.kind != "primary" and rest.issuperset(key.columns) for key in table.keys)
        return None if also else (found, column)

    def _key_over(self, table: Table, columns: Collection[str], write: Access | None) -> UniqueKey | None:
        known = [column.name for name in columns if (column := table.column(name)) is not None]
        if not known:
            return None
        found = table.unique_over(known)
        if found is not None and not _is_surrogate(found, write):
            return found
        wanted = frozenset(known)
        for key in table.keys:
            if (
                key.in_force
                and wanted < set(key.columns)
                and (write is None or not write.filled or set(key.columns) <= write.columns)
            ):
                return key
        if write is not None and self.gives_primary_key(table, write):
            return next((key for key in table.keys if key.kind == "primary"), None)
        return _derived_key(table, known) or (self._filled_key(table, write) if write is not None else None)

    def _filled_key(self, table: Table, write: Access) -> UniqueKey | None:
        """A key that the write fills with what a repetition fills in again: the same input a second time is refused."""
        for key in table.keys:
            whole = key.in_force and key.kind != "primary" and set(key.columns) <= write.columns
            if whole and not key.partial and all(self.is_stable(write, name) for name in key.columns):
                return key
        return None

    def is_refused_beside(self, table: Table, access: Access) -> bool:
        """Does `get_or_create(user=user, defaults={"number": n})` fill another key? The second insert is refused then, and the first row found."""
        key = self._filled_key(table, access)
        if key is None or table.names(access.keys).issuperset(key.columns):
            return False
        return null_in(self._model, table, key, access.lookup, access) is None

    def gives_primary_key(self, table: Table, write: Access) -> bool:
        """Does the write itself give the primary key, from something that is the same in a repetition?"""
        primary = table.primary
        if not primary or not set(primary) <= write.columns:
            return False
        return all(self.is_stable(write, name) for name in primary)

    def is_stable(self, write: Access, column: str) -> bool:
        """Is a column filled with something that a repetition fills in again?"""
        match = write.value_of(column)
        if match is None or match.value is None:
            return False
        origins = list(self._model.origin(match.value, match.scope, match.order))
        name = match.value.id if isinstance(match.value, f.Name) else ""
        if name in match.scope.parameters and not match.scope.bindings.get(name):
            for edge in self._model.edges_to(match.scope)[:_CALLERS]:
                passed = self._model.argument_passed(edge, name)
                origins.extend(self._model.origin(passed, edge.caller, edge.site.fact.order))
        return not any(origin.kind in {"random", "clock", "process-hash"} for origin in origins)

    def is_made_up(self, table: Table, name: str) -> bool:
        """Is a column filled with something random by default, so that two rows hardly share it?"""
        column = table.column(name)
        if column is not None and _SECRET.search(column.attribute):
            return True
        if column is None or column.default is None or column.default_scope is None:
            return False
        if _MADE_UP.search(flow.text_of(column.default, column.default_scope.scope)):
            return True
        found = self._model.origin(column.default, column.default_scope)
        for value in self._model.values(column.default, column.default_scope):
            if isinstance(value, FunctionValue):
                returns = [leave for leave in value.function.scope.leaves if leave.kind == "return"]
                found = (
                    *found,
                    *(o for leave in returns for o in self._model.origin(leave.value, value.function, leave.order)),
                )
            elif isinstance(value, Library):
                found = (*found, *self._by_effect(value))
        return any(origin.kind == "random" for origin in found)

    def _by_effect(self, value: Library) -> list[Origin]:
        rows = self._model.knowledge.calls(value.name)
        return [Origin("random") for row in rows if Effect.RANDOM_VALUE.value in row.effects]

    # --- conflicts ----------------------------------------------------------------------------------------------------

    def is_conflict(self, name: str) -> bool:
        """Is an exception the one of a unique key that was there already?"""
        last = name.rpartition(".")[2].lower()
        return self._model.exceptions.nature(name) == "conflict" or any(word in last for word in _CONFLICTS)

    def conflict_handled(self, function: Function, write: Through, *, by_name: bool = False) -> bool:
        """Is the error of a second insert caught: in the function, between it and the write, in a caller, or by the framework?

        `by_name`: a handler for any error counts only where it goes back to the database; one that notes it leaves the row as it was.
        """
        if self._catches(function, write.site, by_name) or any(
            self._catches(here, None, by_name) for here in write.path
        ):
            return True
        if write.direct and any(self._model.handlers_around(write.site)):
            # a new row that is handed over counts as inserted there, though the helper may make an error of its own of the conflict
            helpers = self._model.graph.resolutions[write.site].functions
            if any(self.conflict_named(helper) for helper in helpers):
                return True
        covered = self._model.coverage_of(
            function,
            lambda guard: (
                guard.kind in {GuardKind.CATCH, GuardKind.RETRY} and any(self.is_conflict(name) for name in guard.on)
            ),
        )
        return covered.somewhere or (self._has_conflict_handler and self._in_requests_only(function))

    def conflict_named(self, function: Function) -> bool:
        """Does a handler in the function name the error of a second insert?"""
        indexes = (i for i, region in enumerate(function.scope.regions) if region.kind == "except")
        handlers = (self._model.exceptions.handler(function, i) for i in indexes)
        return any(self.is_conflict(name) for handler in handlers for name in handler.types)

    def _in_requests_only(self, function: Function) -> bool:
        """Do only requests come here? A handler of the web framework sees no error of a job."""
        entries = [reached.entry for reached in self._model.exposure(function).entries if reached.entry.serves_others]
        return all(entry.kind in _REQUESTS for entry in entries)

    def _catches(self, function: Function, write: CallSite | None = None, by_name: bool = False) -> bool:
        """Does the function handle a conflict? A handler that itself makes the write handles another one."""
        for index, region in enumerate(function.scope.regions):
            if region.kind != "except":
                continue
            if write is not None and flow.within(function.scope, write.fact.region, index):
                continue
            handler = self._model.exceptions.handler(function, index)
            named = any(self.is_conflict(name) for name in handler.types)
            if named or (
                handler.broad and not handler.may_raise and not (by_name and self._only_notes(function, index))
            ):
                return True
        return False

    def _only_notes(self, function: Function, handler: int) -> bool:
        """Does a handler leave the database alone?"""
        calls = (function.site(call) for call in flow.calls_in(function.scope, handler))
        return not any(self._model.accesses.through(site) for site in calls)

    @cached_property
    def _has_conflict_handler(self) -> bool:
        """Does the application register a handler for conflicts with its framework?"""
        for site in self._model.sites():
            if _last(site.fact.func) in _REGISTERS:
                types = self._model.exceptions.types(site.fact.args[:1], site.function)
                if any(self.is_conflict(name) for name in types):
                    return True
        return False

    # --- locks --------------------------------------------------------------------------------------------------------

    @cached_property
    def _locks(self) -> Locks:
        return Locks(self._model)

    def lock_held(self, site: CallSite, table: Table, keys: tuple[str, ...], lookup: tuple[Match, ...]) -> bool:
        """Does a lock keep two runs apart that insert a row of this table when a call runs? Locks of its own rows do not count.

        `keys`: the columns by which the row is looked for; `lookup`: with what they are compared.
        """
        return self._locks.held(site, Rows(table, keys, lookup))

    def rows_locked(self, site: CallSite, table: Table | None, lookup: tuple[Match, ...] = ()) -> bool:
        """Are rows of this table that are there locked when a call runs, or something that stands for them?"""
        return self._locks.held(site, Rows(table, (), lookup, there=True))

    def rows_locked_at(self, function: Function, order: int, table: Table | None) -> bool:
        """As `rows_locked`, for any event of a function."""
        region = flow.region_at(function.scope, order)
        return self._locks.held_at(function, order, region, Rows(table, there=True))

    # --- gates --------------------------------------------------------------------------------------------------------

    def gated(self, site: CallSite) -> bool:
        """Does a branch on what is stored decide whether a call runs: an early return, an enclosing `if`, a state of a row?"""
        function = site.function
        scope = function.scope
        asked = [other for other in function.calls if other.fact.order < site.fact.order and self._asks(other)]
        presences = [Presence(function, other) for other in asked]
        for index, region in enumerate(scope.regions):
            if region.kind not in {"if", "while"} or region.test is None or region.start > site.fact.order:
                continue
            encloses = flow.within(scope, site.fact.region, index) or any(
                flow.within(scope, site.fact.region, r)
                for r in flow.siblings(scope, index)
                if scope.regions[r].kind == "else"
            )
            leaves = region.exits in {"return", "raise", "continue", "break", "mixed"} and flow.within(
                scope, site.fact.region, region.parent
            )
            if not (encloses or leaves):
                continue
            if any(presence.depends(region.test) for presence in presences) or self._is_state(region.test, function):
                return True
        return self._claimed_by_error(site, asked)

    def _asks(self, site: CallSite) -> bool:
        """Does a call read, claim or change something stored?"""
        if self._model.accesses.through(site):
            return True
        words = (
            Effect.CACHE_READ,
            Effect.CACHE_WRITE,
            Effect.SQL_READ,
            Effect.SQL_UPSERT,
            Effect.SQL_UPDATE,
            Effect.OBJECT_READ,
        )
        return bool(self._model.effects_through(site, *words))

    def _is_state(self, test: f.Expr, function: Function) -> bool:
        """`if order.status == "paid"`: the state of a row."""
        for part in flow.walk(test):
            if isinstance(part, f.Attr):
                values = self._model.values(part.value, function)
                if any(isinstance(v, Instance) and self._model.schema.is_model(v.cls) for v in values):
                    return True
        return False

    def _claimed_by_error(self, site: CallSite, asked: list[CallSite]) -> bool:
        """`try: Seen.objects.create(…) except IntegrityError: return` before the call; a handler for every failure is no claim."""
        scope = site.function.scope
        for other in asked:
            for _, handlers in flow.try_regions(scope, other.fact.region):
                if any(self._refuses(site.function, h) for h in handlers):
                    return True
        return False

    def _refuses(self, function: Function, index: int) -> bool:
        if function.scope.regions[index].exits not in {"return", "raise", "continue"}:
            return False
        handler = self._model.exceptions.handler(function, index)
        return not handler.broad or any(self.is_conflict(name) for name in handler.types)

    # --- who runs it --------------------------------------------------------------------------------------------------

    def is_set_up(self, function: Function) -> bool:
        """Work that is done once, by a person or while the process starts: seeds, fixtures, initial data, scripts."""
        if self._model.exposure(function).serves:
            return False
        return self._model.is_script(function.path) or bool(
            _SET_UP.search(function.name) or _SET_UP_FILE.search(function.path)
        )

    # --- places -------------------------------------------------------------------------------------------------------

    def place_of_table(self, table: Table, note: str = "") -> Location:
        """Where a table is declared: its class, or the step that made it."""
        return self._model.place_of_lines_in(
            table.place.path, table.place.line, table.place.end_line, table.model.name if table.model else "", note
        )

    def places_of(self, table: Table, columns: Iterable[str]) -> list[Location]:
        """Where a table and these of its columns are declared."""
        found = [self.place_of_table(table, "no unique key over them here")]
        for name in columns:
            column = table.column(name)
            if column is not None and column.place.path == table.place.path:
                owner = table.model.name if table.model else ""
                found.append(
                    self._model.place_of_lines_in(
                        column.place.path, column.place.line, column.place.end_line, owner, f"`{column.attribute}`"
                    )
                )
        return found


def _derived_key(table: Table, columns: list[str]) -> UniqueKey | None:
    """A unique column that is made of one of these: `abi_hash` of `abi`, `normalised_name` of `name`."""
    for key in table.keys:
        if key.in_force and len(key.columns) == 1 and key.kind != "primary":
            words = key.columns[0].split("_")
            if any(_DERIVED.intersection(words) and set(name.split("_")) < set(words) for name in columns):
                return key
    return None


def _is_surrogate(key: UniqueKey, write: Access | None) -> bool:
    """A key that the database makes up for each row keeps nothing apart, unless the write gives it."""
    return key.kind == "primary" and write is not None and not set(key.columns) <= write.columns


def _last(expr: f.Expr) -> str:
    if isinstance(expr, f.Name):
        return expr.id
    return expr.name if isinstance(expr, f.Attr) else ""
