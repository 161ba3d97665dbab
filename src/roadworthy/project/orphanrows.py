"""Stored objects that are deleted before the row that points to them: when the row's delete fails, the row points to nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, EntryKind
from roadworthy.project import flow
from roadworthy.project.boundaries import comes_again
from roadworthy.project.carried import Carried
from roadworthy.project.cutoff import is_bookkeeping
from roadworthy.project.reach import unwind
from roadworthy.project.transactions import Transactions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_GONE = frozenset({Effect.OBJECT_DELETE})
_ROWS = frozenset({Effect.SQL_DELETE})
_ABANDONED = frozenset({"except", "finally"})
_RERUN = frozenset({EntryKind.SCHEDULED, EntryKind.COMMAND, EntryKind.WORKER_LOOP, EntryKind.STARTUP})
"""What starts again by itself or by hand over the same rows, and then deletes the rest."""
_INFRASTRUCTURE = re.compile(
    r"(^|_)(self|cls|db|session|conn|connection|cursor|cur|tx|transaction|engine|request|client|storage|s3|bucket|config|settings|context|ctx|app|"
    r"repo|repository|store|service|uow|manager|dao|crud|user|current_user|kwargs|args|info|logger)$",
    re.IGNORECASE,
)
_PASSING = re.compile(
    r"(^|[^a-z])te?mp|temporary|cached?(?![a-z])|thumb|preview|staging|scratch|derived|lock|part(s|ial)?(?![a-z])",
    re.IGNORECASE,
)
_DELETES = re.compile(r"(^|_)(delete|remove|destroy|purge|erase|unlink|drop|del|rm)(_|$)", re.IGNORECASE)
_MARKED = re.compile(
    r"(^|[._])(\w*_)?(deleted|deleting|deletion|trashed|expired|expires|purged)(_\w+)?\b", re.IGNORECASE
)
"""A mark that the row got before: whoever looks at it knows that it is going."""
_ON_PURPOSE = re.compile(
    r"\b(first|before|order|so that|otherwise|in case|orphan\w*|idempotent|retr(y|ies|ied)|again|best[- ]effort|must)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class DeletedFirst:
    """An object that is gone before its row is."""

    site: CallSite  # by which the object goes
    effect: EffectAt
    row: CallSite  # by which the row goes
    commit: CallSite | None  # what makes that final; None: it does so itself, or the caller
    entry: Entry | None


class OrphanRows:
    """Finds them in one model."""

    def __init__(self, model: Model) -> None:
        """Everything is found on demand."""
        self._model = model
        self._transactions = Transactions(model)

    def all(self) -> Iterator[DeletedFirst]:
        """The first of each function."""
        for function in self._model.functions:
            if function.kind == "function" and not is_bookkeeping(function.name) and self._may(function):
                found = next(self._of(function), None)
                if found is not None:
                    yield found

    def _may(self, function: Function) -> bool:
        return self._model.reach.has(function, _GONE) and self._model.reach.has(function, _ROWS)

    def _of(self, function: Function) -> Iterator[DeletedFirst]:
        rows = [site for site in function.calls if self._deletes_row(site)]
        for site in function.calls:
            if not rows or not self._deletes_object(site):
                continue
            for row in rows:
                if self._follows(site, row) and self._same(site, row):
                    yield from self._judged(site, row)

    # --- the two deletes ----------------------------------------------------------------------------------------------

    def _deletes_row(self, site: CallSite) -> bool:
        """Only that: what deletes an object as well has its own order."""
        reach = self._model.reach
        if _is_abandoned(site) or not reach.site_reaches(site, _ROWS) or reach.site_reaches(site, _GONE):
            return False
        return any(e.effect is Effect.SQL_DELETE for e in self._model.effects_at(site)) or self._really_deletes(site)

    def _really_deletes(self, site: CallSite) -> bool:
        """Not with `soft=True` as it is: such a delete only marks the row."""
        model = self._model
        for edge in model.edges_at(site):
            tree = model.reach.tree_from(edge.callee) if edge.runs_here else {}
            for effect in model.effects_under(edge.callee, Effect.SQL_DELETE) if tree else ():
                path = unwind(tree, effect.function)
                if path is not None and model.switches.lets((edge, *path), effect.site):
                    return True
        return False

    def _deletes_object(self, site: CallSite) -> bool:
        reach = self._model.reach
        if _is_abandoned(site) or not reach.site_reaches(site, _GONE) or reach.site_reaches(site, _ROWS):
            return False
        named = any(e.effect is Effect.OBJECT_DELETE for e in self._model.effects_at(site))
        if not named and not _DELETES.search(flow.last_name(site.fact.func)):
            return False  # deep inside something else an object is replaced
        return not self._transactions.is_deferred(site) and not _is_passing(site)

    def _follows(self, site: CallSite, row: CallSite) -> bool:
        return flow.may_precede(site.function.scope, site.fact, row.fact)

    def _same(self, site: CallSite, row: CallSite) -> bool:
        """Is the object named by something of the row that is deleted, or of what that is found by?"""
        scope, function = site.function.scope, site.function
        local = set(function.bindings) | set(function.parameters)
        named = {n for n in _names(_row_parts(row), scope) if n in local and not _INFRASTRUCTURE.search(n)}
        for assign in scope.assigns:
            if isinstance(assign.target, f.Name) and assign.target.id in named and assign.order < row.fact.order:
                found = _names([assign.value], scope)
                named |= {n for n in found if n in local and not _INFRASTRUCTURE.search(n)}
        if self._is_row(function) and any(isinstance(e, f.Name) and e.id == "self" for e in _row_parts(row)):
            named.add("self")
        if self._is_row(function) and flow.text_of(row.fact.func, scope).startswith("super()"):
            named.add("self")
        carried = Carried(scope, named)
        carried.spread()
        return bool(named) and carried.takes(site)

    def _is_row(self, function: Function) -> bool:
        return function.cls is not None and self._model.evaluator.orm.is_model(function.cls)

    # --- what makes it a fault ----------------------------------------------------------------------------------------

    def _judged(self, site: CallSite, row: CallSite) -> Iterator[DeletedFirst]:
        model = self._model
        if self._transactions.around(site) or model.transaction_over(site) or self._is_meant(site, row):
            return  # inside an open transaction, another rule tells of it
        entries = [reached.entry for reached in model.exposure(site.function).entries]
        again = {e.function for e in entries if e.kind in _RERUN or comes_again(model, e)}
        left = [e for e in entries if e.function not in again]
        effect = next(iter(model.effects_through(site, Effect.OBJECT_DELETE)), None)
        if effect is None or (entries and not left) or _is_passing(effect.site) or _is_sweep(row):
            return
        if Effect.SQL_UPDATE.value in effect.row.effects and not _leaves_row(effect.site):
            return  # `file.blob.delete()` of the mapper takes the name out of the row, too
        if _asks_for_mark(site.function):
            return
        every = self._transactions.commits(site.function)
        if any(self._follows(c, row) for c in every):
            return  # the row was told of it before: `file.state = "deleting"; commit()`
        commits = [c for c in every if self._follows(row, c)]
        yield DeletedFirst(site, effect, row, commits[0] if commits else None, left[0] if left else None)

    def _is_meant(self, site: CallSite, row: CallSite) -> bool:
        """A comment at one of the two says why it comes first."""
        near = (self._model.comments_near(s.path, s.line - 3, s.fact.end_line) for s in (site, row))
        return any(_ON_PURPOSE.search(text) for text in near)


def _is_abandoned(site: CallSite) -> bool:
    scope = site.function.scope
    return any(scope.regions[r].kind in _ABANDONED for r in flow.ancestors(scope, site.fact.region))


def _asks_for_mark(function: Function) -> bool:
    """`if file.hard_deleted_at is None: return`, `filter(deleted=True)`: the row was marked before, and is not shown any more."""
    scope = function.scope
    tests = " ".join(flow.every_text(r.test, scope) for r in scope.regions if r.kind in {"if", "while"})
    keys = (f"{k}" for call in scope.calls for k, _ in call.kwargs)
    return bool(_MARKED.search(tests)) or any(_MARKED.search(key) for key in keys)


def _leaves_row(site: CallSite) -> bool:
    """`save=False`."""
    return any(key == "save" and isinstance(value, f.Const) and value.value is False for key, value in site.fact.kwargs)


def _is_sweep(row: CallSite) -> bool:
    """Rows that a function without parameters finds by itself, one by one: the next run finds the rest."""
    given = set(row.function.parameters) - {"self", "cls"}
    return not given and flow.loop_of(row.function.scope, row.fact.region) is not None


def _is_passing(site: CallSite) -> bool:
    """An object that is there for a while, or can be made again."""
    scope = site.function.scope
    given = (site.fact.func, *site.fact.args, *(value for _, value in site.fact.kwargs))
    return any(_PASSING.search(flow.every_text(expr, scope)) for expr in given) or bool(
        _PASSING.search(site.function.name)
    )


def _row_parts(row: CallSite) -> list[f.Expr]:
    """What says which row: the arguments and the receiver of the call."""
    func = row.fact.func
    receiver = [func.value] if isinstance(func, f.Attr) else []
    return [*receiver, *row.fact.args, *(value for _, value in row.fact.kwargs)]


def _names(exprs: list[f.Expr | None] | list[f.Expr], scope: f.Scope, depth: int = 0) -> set[str]:
    """Every name in them, the arguments of their calls included."""
    found: set[str] = set()
    for expr in exprs:
        for part in flow.walk(expr):
            if isinstance(part, f.Name):
                found.add(part.id)
            elif isinstance(part, f.CallRef) and depth < 6:
                call = scope.calls[part.index]
                found |= _names([call.func, *call.args, *(v for _, v in call.kwargs)], scope, depth + 1)
    return found
