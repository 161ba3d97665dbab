"""Finds stored numbers that are read, changed in Python and written back: on a loaded row, through an update, in a cache."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.database.access import UPDATE
from roadworthy.project.database.expressions import last_name
from roadworthy.project.database.presence import Presence
from roadworthy.project.values import Instance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.database.tables import Column, Table
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, ClassInfo, Function

_NUMBER = re.compile(r"int|decimal|float|numeric|number|money|amount|serial|real|double", re.IGNORECASE)
_MOMENT = re.compile(r"(^|_)(date|time|at|modified|updated|seen|timestamp)(_|$)", re.IGNORECASE)
_SAVES = frozenset({"save", "asave"})
_WRITES = _SAVES | {"add", "merge", "commit", "flush", "update", "bulk_update", "abulk_update", "put", "upsert"}
_TAKES_AWAY = re.compile(r"^(h|z|s|l)?(del|rem)|delete|remove|discard")
_ARITHMETIC = frozenset({"+", "-", "*"})
_STEPS = frozenset({"+=", "-=", "*="})


@dataclass(frozen=True, slots=True, eq=False)
class Mutation:
    """One stored value that depends on what was read of it before."""

    function: Function
    line: int
    end_line: int
    order: int
    owner: str  # the row as written: `self`, `voucher`; the key for a cache
    attribute: str
    model: ClassInfo | None
    table: Table | None
    write: CallSite | None  # the call that stores it; None where the mapper writes at the next commit
    kind: str  # "row" "update" "cache"
    typed: bool = True  # False: the row's model is told by the name of its column only
    read: CallSite | None = None  # the call that read it, where known
    via: Function | None = None  # the method of the row that changes it and leaves the rest to its callers


class Mutations:
    """All such places of the project."""

    def __init__(self, model: Model) -> None:
        """Columns are looked up in the schema."""
        self._model = model
        self._columns: dict[str, list[tuple[Table, Column]]] | None = None

    def of(self, function: Function) -> Iterator[Mutation]:
        """In source order: assignments, updates, caches."""
        scope = function.scope
        if scope.kind not in {"function", "module"}:
            return
        for assign in scope.assigns:
            if isinstance(assign.target, f.Attr):
                yield from self._assigned(function, assign, assign.target)
        for site in function.calls:
            yield from self._by_method(function, site)
        for access in self._model.accesses.of(function):
            if access.kind == UPDATE and access.method in {"update", "aupdate", "execute"}:
                yield from self._updated(function, access.site)
        yield from self._cached(function)

    # --- rows ---------------------------------------------------------------------------------------------------------

    def _assigned(self, function: Function, assign: f.Assign, target: f.Attr) -> Iterator[Mutation]:
        if not (assign.op in _STEPS or (assign.op == "=" and self._steps(assign.value, target, function))):
            return
        owner = flow.text_of(target.value, function.scope)
        cls, fresh = self._row(target.value, function, assign.order)
        if fresh or self._is_time_passed(assign.value, target, function, cls):
            return
        write = self._stored_by(function, owner, assign.order, cls)
        if cls is not None:
            table = self._model.schema.table_like(cls)
            column = table.column(target.name) if table is not None else None
            if (
                table is not None
                and column is not None
                and _is_number(column)
                and (write is not None or self._mapper_writes(cls))
            ):
                yield Mutation(
                    function,
                    assign.line,
                    assign.end_line,
                    assign.order,
                    owner,
                    column.attribute,
                    cls,
                    table,
                    write,
                    "row",
                )
            return
        if (
            write is not None
            and last_name(write.fact.func) in _SAVES
            and not self._known(target.value, function, assign.order)
        ):
            named = self._named(target.name)
            if named:
                table = _nearest(named, owner)
                yield Mutation(
                    function, assign.line, assign.end_line, assign.order, owner, target.name, table.model if table else None, table, write, "row",
                    typed=False,
                )  # fmt: skip

    def _by_method(self, function: Function, site: CallSite) -> Iterator[Mutation]:
        """`counter.add_vote()` where that method counts and leaves it to its caller to store: `counter.save()`."""
        func = site.fact.func
        resolution = self._model.graph.resolutions.get(site)
        if not isinstance(func, f.Attr) or resolution is None or resolution.libraries or len(resolution.functions) != 1:
            return
        method = resolution.functions[0]
        if method.cls is None or method is function or not self._model.schema.is_model(method.cls):
            return
        steps = self._left_to_store(method)
        cls, fresh = self._row(func.value, function, site.fact.order) if steps else (None, True)
        if fresh or cls is None:
            return
        owner = flow.text_of(func.value, function.scope)
        write = self._stored_by(function, owner, site.fact.order, cls)
        for table, column in steps if write is not None else ():
            fact = site.fact
            yield Mutation(
                function, fact.line, fact.end_line, fact.order, owner, column.attribute, cls, table, write, "row",
                via=method,
            )  # fmt: skip

    def _left_to_store(self, method: Function) -> list[tuple[Table, Column]]:
        """The numbers that a method of a row counts on and does not store itself."""
        found: list[tuple[Table, Column]] = []
        if method.cls is None or self._mapper_writes(method.cls):
            return found
        for assign in method.scope.assigns:
            target = assign.target
            own = isinstance(target, f.Attr) and isinstance(target.value, f.Name) and target.value.id == "self"
            if not own or not isinstance(target, f.Attr):
                continue
            if not (assign.op in _STEPS or (assign.op == "=" and self._steps(assign.value, target, method))):
                continue
            table = self._model.schema.table_like(method.cls)
            column = table.column(target.name) if table is not None else None
            kept = self._stored_by(method, "self", assign.order, method.cls) is not None
            if table is not None and column is not None and _is_number(column) and not kept:
                found.append((table, column))
        return found

    def _known(self, expr: f.Expr, function: Function, order: int) -> bool:
        """Is the owner something that is known not to be a row?"""
        return bool(self._model.values(expr, function, order))

    def _steps(self, value: f.Expr | None, target: f.Attr, function: Function, depth: int = 0) -> bool:
        """Is `value` computed from the very attribute: `x.n + 1`, `(x.n or 0) + 1`, a name that holds such?"""
        if value is None or depth > 2:
            return False
        if isinstance(value, f.Name):
            assigns = function.bindings.get(value.id, ())
            if assigns and any(a.op in _STEPS for a in assigns) and self._holds(assigns[0].value, target):
                return True
            return len(assigns) == 1 and self._steps(assigns[0].value, target, function, depth + 1)
        return isinstance(value, f.Bin) and value.op in _ARITHMETIC and self._holds(value, target)

    def _holds(self, expr: f.Expr | None, target: f.Attr) -> bool:
        return any(part == target for part in flow.walk(expr))

    def _is_time_passed(
        self, value: f.Expr | None, target: f.Attr, function: Function, cls: ClassInfo | None, depth: int = 0
    ) -> bool:
        """Is what is added the time since a moment that the same row holds? Two at once read the same moment, and write the same sum."""
        table = self._model.schema.table_like(cls) if cls is not None else None
        if value is None or depth > 2:
            return False
        for part in flow.walk(value):
            if isinstance(part, f.Bin) and part.op == "-" and self._reads_moment(part.right, target, function, table):
                return True
            assigns = function.bindings.get(part.id, []) if isinstance(part, f.Name) else []
            if len(assigns) == 1 and self._is_time_passed(assigns[0].value, target, function, cls, depth + 1):
                return True
        return False

    def _reads_moment(self, expr: f.Expr, target: f.Attr, function: Function, table: Table | None) -> bool:
        """`counter.date_modified.date()` of the row `counter`."""
        for part in flow.walk(expr):
            inner = function.scope.calls[part.index].func if isinstance(part, f.CallRef) else part
            for attr in flow.walk(inner):
                if isinstance(attr, f.Attr) and attr.value == target.value:
                    column = table.column(attr.name) if table is not None else None
                    told = column.type.lower() if column is not None else ""
                    if "date" in told or "time" in told or (table is None and _MOMENT.search(attr.name)):
                        return True
        return False

    def _row(self, expr: f.Expr, function: Function, order: int) -> tuple[ClassInfo | None, bool]:
        """(model class of a row, was it made just now) of an expression."""
        found: list[Instance] = [
            v
            for v in self._model.values(expr, function, order)
            if isinstance(v, Instance) and self._model.schema.is_model(v.cls)
        ]
        if not found:
            return None, False
        fresh = all(v.site is not None and self._constructs(v.site) for v in found)
        return found[0].cls, fresh

    def _constructs(self, site: CallSite) -> bool:
        resolution = self._model.graph.resolutions.get(site)
        return resolution is not None and bool(resolution.classes)

    def _stored_by(self, function: Function, owner: str, order: int, cls: ClassInfo | None) -> CallSite | None:
        """The call that writes the row afterwards in the same function."""
        for site in function.calls:
            func = site.fact.func
            if site.fact.order < order or not isinstance(func, f.Attr) or func.name not in _WRITES:
                continue
            on_row = flow.text_of(func.value, function.scope) == owner
            given = any(flow.text_of(arg, function.scope) in {owner, f"[{owner}]"} for arg in site.fact.args[:1])
            if (on_row and func.name in _SAVES) or (given and func.name not in _SAVES):
                return site
            if cls is not None and func.name in {"commit", "flush"} and self._mapper_writes(cls):
                return site
        return None

    def _mapper_writes(self, cls: ClassInfo) -> bool:
        """Are changed rows written at the next commit without being asked to (mapped classes without a `save` of their own)?"""
        return (
            not any(self._model.knowledge.knows(f"{base}.save") for base in cls.library_bases)
            and cls.find_method("save") is None
        )

    def _named(self, name: str) -> list[tuple[Table, Column]]:
        """Numeric columns of this name."""
        if self._columns is None:
            self._columns = {}
            for table in self._model.schema.tables:
                for column in table.columns:
                    if table.model is not None and _is_number(column) and column.type:
                        self._columns.setdefault(column.attribute, []).append((table, column))
        return self._columns.get(name, [])

    # --- updates ------------------------------------------------------------------------------------------------------

    def _updated(self, function: Function, site: CallSite) -> Iterator[Mutation]:
        """`Order.objects.filter(pk=order.pk).update(total=order.total + 1)`."""
        for access in self._model.accesses.at(site):
            for match in access.values:
                column = access.table.column(match.column) if access.table is not None else None
                if match.value is None or column is None or not _is_number(column):
                    continue
                owner = self._step_owner(match.value, column, function)
                if owner:
                    fact = site.fact
                    yield Mutation(
                        function, fact.line, fact.end_line, fact.order, owner, column.attribute, access.model, access.table, site, "update"
                    )  # fmt: skip

    def _step_owner(self, value: f.Expr, column: Column, function: Function) -> str:
        if any(
            _is_column(function.scope.calls[part.index], column)
            for part in flow.walk(value)
            if isinstance(part, f.CallRef)
        ):
            return ""  # `F("stock") - order.stock`: the database computes it
        for part in flow.walk(value):
            if isinstance(part, f.Bin) and part.op in _ARITHMETIC:
                for inner in flow.walk(part):
                    if (
                        isinstance(inner, f.Attr)
                        and inner.name in {column.attribute, column.name}
                        and isinstance(inner.value, f.Name)
                    ):
                        cls, fresh = self._row(inner.value, function, 1 << 60)
                        if cls is not None and not fresh:
                            return inner.value.id
        return ""

    # --- caches -------------------------------------------------------------------------------------------------------

    def _cached(self, function: Function) -> Iterator[Mutation]:
        """`cache.set(key, cache.get(key, 0) + 1)`."""
        reads = [
            e.site for site in function.calls for e in self._model.effects_at(site) if e.effect is Effect.CACHE_READ
        ]
        if not reads:
            return
        for site in function.calls:
            writes = any(e.effect is Effect.CACHE_WRITE for e in self._model.effects_at(site))
            if len(site.fact.args) < 2 or not writes or _TAKES_AWAY.search(last_name(site.fact.func)):
                continue
            for read in reads:
                if read is site or not read.fact.args or read.fact.order > site.fact.order:
                    continue
                same = flow.text_of(read.fact.args[0], function.scope) == flow.text_of(
                    site.fact.args[0], function.scope
                )
                if (
                    same
                    and not _is_stated(function, read)
                    and self._steps_from(site.fact.args[1], read, site, function)
                ):
                    key = flow.text_of(site.fact.args[0], function.scope)
                    fact = site.fact
                    yield Mutation(
                        function, fact.line, fact.end_line, fact.order, key, key, None, None, site, "cache", True, read
                    )
                    break

    def _may_hold(self, assign: f.Assign, write: CallSite) -> bool:
        """May the value that is written be the one that was assigned here?"""
        here = write.fact
        before = assign.order < here.order or flow.loop_of(write.function.scope, here.region) is not None
        return before and flow.on_one_path(write.function.scope, assign.region, here.region)

    def _steps_from(self, value: f.Expr, read: CallSite, write: CallSite, function: Function) -> bool:
        if any(isinstance(part, f.Str) for part in read.fact.args[1:]):
            return False  # its default is a text
        presence = Presence(function, read)
        for part in flow.walk(value):
            if isinstance(part, f.Bin) and part.op in _ARITHMETIC and presence.depends(part):
                return True
            if isinstance(part, f.Name):
                assigns = [
                    a
                    for a in function.bindings.get(part.id, ())
                    if self._may_hold(a, write)
                    and a.op != "for"
                    and (a.op in _STEPS or not re.search(rf"\b{part.id}\b", flow.deep_text(a.value, function.scope)))
                ]  # `value = value.strip()` tells nothing new
                if any(a.op in _STEPS for a in assigns) and any(presence.depends(a.value) for a in assigns):
                    return True
                if any(
                    isinstance(a.value, f.Bin) and a.value.op in _ARITHMETIC and presence.depends(a.value)
                    for a in assigns
                ):
                    return True
        return False


def _is_stated(function: Function, read: CallSite) -> bool:
    """`if offset != stored: raise Conflict`: whoever writes says what he takes for the old value, and is sent away where it is another."""
    presence = Presence(function, read)
    for region in function.scope.regions:
        test = region.test
        if region.kind != "if" or region.exits not in {"return", "raise"} or not isinstance(test, f.Compare):
            continue
        sides = (test.left, *test.rights)
        told = test.ops == ("!=",) and not any(isinstance(side, f.Const | f.Str) for side in sides)
        if told and any(presence.depends(side) for side in sides):
            return True
    return False


def _nearest(named: list[tuple[Table, Column]], owner: str) -> Table | None:
    """The table whose model is called like the variable; the only one there is; else unknown."""
    plain = owner.rpartition(".")[2].replace("_", "").lower()
    for table, _ in named:
        name = table.model.name.lower() if table.model is not None else ""
        if name and (name in plain or plain in name):
            return table
    return named[0][0] if len(named) == 1 else None


def _is_column(call: f.Call, column: Column) -> bool:
    """Does the call stand for this column in the statement (`F("stock")`)?"""
    name = call.args[0].value if len(call.args) == 1 and isinstance(call.args[0], f.Str) else ""
    return last_name(call.func) == "F" and name in {column.attribute, column.name}


def _is_number(column: Column) -> bool:
    return not column.type or bool(_NUMBER.search(column.type))
