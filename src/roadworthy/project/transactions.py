"""Database transactions as they really run: which one is open when a call runs, and does it write?

Blocks and decorators, also the project's own; settings and frameworks that wrap every request; sessions between the first write and the
commit, in one function, over a call, or until a dependency or middleware commits; signals that the mapper sends in the middle of a write.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, EntryKind, GuardKind
from roadworthy.project import flow
from roadworthy.project.guard import Guard
from roadworthy.project.ownsaves import held_by_writers, is_own_save
from roadworthy.project.rowsignals import AT_SAVE, IN_WRITE, announces, registration
from roadworthy.project.values import Instance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, ClassInfo, Function

WRITES = frozenset({
    Effect.SQL_INSERT, Effect.SQL_UPDATE, Effect.SQL_UPSERT, Effect.SQL_INCREMENT, Effect.SQL_DELETE,
})  # fmt: skip
_REQUESTS = frozenset({EntryKind.HTTP_HANDLER, EntryKind.WEBHOOK_HANDLER})
_DATABASES = frozenset({"orm", "sql-driver", "store", "stdlib"})
_LOOKS_AND_WRITES = re.compile(
    r"(get|update)_or_create$"
)  # both steps, and the signal of the write, in one transaction of the call
_ABANDONED = frozenset({"except", "finally"})


_UNSIGNALLED = re.compile(r"(QuerySet|Manager)\.a?(update|delete|bulk_\w+)$")
"""Writes of the mapper that send no signal of a save."""


@dataclass(frozen=True, slots=True, eq=False)
class Open:
    """A transaction that is open when a call runs."""

    kind: Literal["block", "request", "session", "signal"]
    name: str  # `atomic`, `ATOMIC_REQUESTS`, `session.commit()`, `get_session`
    path: str
    line: int
    guard: Guard | None = None
    region: int | None = None  # of the call's own function: the block; None: all of the function
    ends: CallSite | None = None  # session: the commit that comes later


class Transactions:
    """Answers for call sites; one value for each model."""

    def __init__(self, model: Model) -> None:
        """Everything is found on demand and kept."""
        self._model = model
        self._around: dict[CallSite, Open | None] = {}
        self._commits: dict[Function, tuple[CallSite, ...]] = {}
        self._writes: dict[Function, tuple[CallSite, ...]] = {}
        self._dependency: dict[Function, Open | None] = {}
        self._signals: dict[CallSite | Function, Open | None] = {}

    def around(self, site: CallSite) -> Open | None:
        """The innermost transaction that the call's own function holds open, unless an on-commit hook defers the call."""
        if site not in self._around:
            self._around[site] = self._find(site)
        return self._around[site]

    def is_relay(self, found: Open, site: CallSite) -> bool:
        """Rows are locked, sent one by one and marked in one transaction: the sending end of an outbox."""
        scope = site.function.scope
        region = found.region or 0
        inside = [other for other in site.function.calls if flow.within(scope, other.fact.region, region)]
        loop = flow.loop_of(scope, site.fact.region)
        before = [other for other in inside if other.fact.order < site.fact.order]
        after = [other for other in inside if other.fact.order > site.fact.order]
        locks = any(self._model.reach.site_reaches(other, {Effect.LOCK}) for other in before)
        marks = any(self._model.reach.site_reaches(other, WRITES) for other in after)
        return found.kind == "block" and loop is not None and flow.within(scope, loop, region) and locks and marks

    # --- what leaves --------------------------------------------------------------------------------------------------

    def sends_at_once(self, effect: EffectAt) -> bool:
        """Does it leave when the call runs: not deferred by itself or by the project's own sender, nor a row in the same database?"""
        library = self._model.knowledge.library_of(effect.name)
        if library is not None and _DATABASES & set(library.role) and effect.effect in {Effect.ENQUEUE, Effect.PUBLISH}:
            return False
        return not self.is_deferred(effect.site) and not self._is_overridden(effect)

    def is_deferred(self, site: CallSite) -> bool:
        """A hook runs it after the commit."""
        return any(guard.kind is GuardKind.ON_COMMIT for guard in self._model.guards_on(site)) or any(
            guard.kind == GuardKind.ON_COMMIT.value and "wrapper" in guard.form
            for name in self._model.library_names(site)
            for guard in self._model.knowledge.guards(name)
        )

    def knows_of_commits(self, function: Function, effect: EffectAt) -> bool:
        """Does the function itself hand this effect to an on-commit hook as well: `if in_atomic_block: on_commit(send) else: send()`?"""
        return any(
            edge.kind == "hook:on-commit"
            and any(under is effect for under in self._model.effects_under(edge.callee, effect.effect))
            for edge in self._model.edges_from(function)
        )

    def _is_overridden(self, effect: EffectAt) -> bool:
        """The project's own job class sends in its own way, and that way knows of commits."""
        owner, _, method = effect.name.rpartition(".")
        for cls in self._model.symbols.classes:
            if owner in cls.library_bases:
                own = [cls.methods[name] for name in (method, "apply_async", "send") if name in cls.methods]
                if any("commit" in flow.text_of(site.fact.func, fn.scope).lower() for fn in own for site in fn.calls):
                    return True
        return False

    # --- one call -----------------------------------------------------------------------------------------------------

    def _find(self, site: CallSite) -> Open | None:
        guards = self._model.guards_on(site)
        if any(guard.kind is GuardKind.ON_COMMIT for guard in guards):
            return None
        for guard in guards:
            if guard.kind is GuardKind.TRANSACTION and self._is_database(guard):
                region = None if guard in self._model.guards.on_function(site.function) else guard.region
                return Open("block", guard.name.rpartition(".")[2], guard.path, guard.line, guard, region)
        return self._session(site) or self._framework(site)

    def _is_database(self, guard: Guard) -> bool:
        library = self._model.knowledge.library_of(guard.name)
        return library is None or not library.role or bool(_DATABASES & set(library.role))

    # --- sessions -----------------------------------------------------------------------------------------------------

    def _session(self, site: CallSite) -> Open | None:
        """A write before the call, and the commit of it after the call."""
        function = site.function
        if self._model.reach.site_reaches(site, {Effect.COMMIT}) or _is_abandoned(function, site):
            return None
        pending = self.pending_before(site)
        for commit in self.commits(function):
            later = commit.fact.order > site.fact.order and flow.on_one_path(
                function.scope, site.fact.region, commit.fact.region
            )
            if later and not _is_abandoned(function, commit) and self._belongs(pending, commit, site):
                name = f"{flow.text_of(commit.fact.func, function.scope)}()"
                return Open("session", name, commit.path, commit.line, None, None, commit)
        return None

    def pending_before(self, site: CallSite) -> list[CallSite]:
        """Calls of the function that wrote, or write in this very call, and whose writes no commit has ended before the call."""
        function, scope = site.function, site.function.scope
        commits = self.commits(function)
        found = []
        for write in self.written(function):
            if write.fact.order > site.fact.order or not flow.on_one_path(scope, write.fact.region, site.fact.region):
                continue
            ended = any(
                write.fact.order < commit.fact.order < site.fact.order
                and flow.on_one_path(scope, write.fact.region, commit.fact.region)
                and flow.on_one_path(scope, commit.fact.region, site.fact.region)
                for commit in commits
            )
            if not ended:
                found.append(write)
        return found

    def _belongs(self, pending: list[CallSite], commit: CallSite, site: CallSite) -> bool:
        """Is one of the writes, or an attribute of a row that was set, what the commit commits?"""
        function = site.function
        owner = _receiver(commit)
        families = self._families(commit, {Effect.COMMIT})
        for write in pending:
            if owner and (_receiver(write) == owner or _passes(write, owner)):
                return True
            own = self._families(write, WRITES)
            if families & own or not own:
                return True
        return self._is_dirty(function, site) if self._model.effects_at(commit) else False

    def _families(self, site: CallSite, words: frozenset[Effect] | set[Effect]) -> set[str]:
        found: set[str] = set()
        for effect in self._model.effects_through(site, *words)[:20]:
            library = self._model.knowledge.library_of(effect.name)
            found.update((library.distributions or (library.library,)) if library is not None else ())
        return found

    def _is_dirty(self, function: Function, site: CallSite) -> bool:
        """`order.status = "paid"` before the call, with nothing committed in between."""
        commits = [c.fact.order for c in self.commits(function) if c.fact.order < site.fact.order]
        last = max(commits, default=-1)
        for assign in function.scope.assigns:
            target = assign.target
            if not (
                last < assign.order < site.fact.order
                and isinstance(target, f.Attr)
                and isinstance(target.value, f.Name)
            ):
                continue
            if not flow.on_one_path(function.scope, assign.region, site.fact.region):
                continue
            for value in self._model.values(target.value, function, assign.order):
                if isinstance(value, Instance) and self._model.evaluator.orm.is_model(value.cls):
                    return True
        return False

    def commits(self, function: Function) -> tuple[CallSite, ...]:
        """Calls of the function that commit: directly, or by a helper that is named for it."""
        if function not in self._commits:
            self._commits[function] = tuple(site for site in function.calls if self._is_commit(site))
        return self._commits[function]

    def _is_commit(self, site: CallSite) -> bool:
        if any(effect.effect is Effect.COMMIT for effect in self._model.effects_at(site)):
            return True
        named = "commit" in flow.last_name(site.fact.func).lower()
        return named and self._model.reach.site_reaches(site, {Effect.COMMIT})

    def written(self, function: Function) -> tuple[CallSite, ...]:
        """Calls of the function that write and leave the commit to somebody else."""
        if function not in self._writes:
            self._writes[function] = tuple(
                site for site in function.calls if not _is_abandoned(function, site) and self._leaves_pending(site)
            )
        return self._writes[function]

    def _leaves_pending(self, site: CallSite) -> bool:
        """The call itself writes, or something that it calls writes and does not commit (one of several implementations suffices)."""
        if any(effect.effect in WRITES for effect in self._model.effects_at(site)):
            return True
        callees = [edge.callee for edge in self._model.edges_at(site) if edge.runs_here and edge.kind != "callback"]
        return any(self._writes_only(callee) for callee in callees) or self._template_writes(site, 3)

    def _writes_only(self, function: Function) -> bool:
        return self._model.reach.has(function, WRITES) and not self._model.reach.has(function, {Effect.COMMIT})

    def _template_writes(self, site: CallSite, depth: int) -> bool:
        """`self.process()` of a base class: what a subclass makes of it, or of a step inside it, writes."""
        func, cls = site.fact.func, site.function.cls
        if (
            depth == 0
            or cls is None
            or not (isinstance(func, f.Attr) and isinstance(func.value, f.Name) and func.value.id == "self")
        ):
            return False
        if any(func.name in sub.methods and self._writes_only(sub.methods[func.name]) for sub in cls.descendants):
            return True
        own = cls.find_method(func.name)
        return (
            own is not None
            and own is not site.function
            and any(self._template_writes(step, depth - 1) for step in own.calls)
        )

    # --- around requests ----------------------------------------------------------------------------------------------

    def _framework(self, site: CallSite) -> Open | None:
        function = site.function
        for entry in self._model.entries.at(function):
            if entry.kind in _REQUESTS:
                guard = self._model.request_transaction(entry)
                if guard is not None and not _opts_out(entry):
                    return Open("request", guard.name, guard.path, guard.line, guard)
            elif entry.kind is EntryKind.SIGNAL_RECEIVER:
                found = self._signal(entry, site)
                if found is not None:
                    return found
        return self._committed_later(site) or self._own_save(site)

    def _committed_later(self, site: CallSite) -> Open | None:
        """A dependency or middleware commits after the handler; the handler itself has written and not committed."""
        function = site.function
        found = self.dependency(function)
        if found is None or self._model.reach.site_reaches(site, {Effect.COMMIT}) or _is_abandoned(function, site):
            return None
        return found if self.pending_before(site) else None

    def dependency(self, function: Function) -> Open | None:
        """The dependency that opens a session for the handler and commits when the handler has returned."""
        if function not in self._dependency:
            self._dependency[function] = None
            if any(entry.kind in _REQUESTS for entry in self._model.entries.at(function)):
                self._dependency[function] = next(self._committing_dependencies(function, 4), None)
        return self._dependency[function]

    def _committing_dependencies(self, function: Function, depth: int) -> Iterator[Open]:
        for edge in self._model.edges_from(function):
            if edge.by is None or depth == 0:
                continue
            ends = self.commit_after_yield(edge.callee)
            if ends is not None:
                yield Open("request", edge.callee.name, edge.callee.path, ends, None)
            else:
                yield from self._committing_dependencies(edge.callee, depth - 1)

    def commit_after_yield(self, function: Function) -> int | None:
        """The line at which a generator commits what was done while it yielded: by a call after it, or a block around it."""
        if not function.scope.is_generator:
            return None
        for leave in function.scope.leaves:
            if leave.kind != "yield":
                continue
            for commit in self.commits(function):
                if commit.fact.order > leave.order and not _is_abandoned(function, commit):
                    return commit.line
            for guard in self._model.guards.on_region(function, leave.region):
                if guard.kind is GuardKind.TRANSACTION:
                    return guard.line
        return None

    # --- signals ------------------------------------------------------------------------------------------------------

    def _signal(self, entry: Entry, site: CallSite) -> Open | None:
        """A receiver of the mapper's signals runs inside the write: a delete holds a transaction of its own, a save that of its caller."""
        if site not in self._signals:
            self._signals[site] = None
            text, sender = registration(self._model, entry)
            in_write = IN_WRITE.search(text) or AT_SAVE.search(text)
            around = self._model.request_transaction(entry) if in_write else None
            if around is not None:
                self._signals[site] = Open("signal", around.name, around.path, around.line, around)
            elif IN_WRITE.search(text):
                place = entry.site or entry.function
                self._signals[site] = Open("signal", text, place.path, place.line)
            elif AT_SAVE.search(text) and sender is not None:
                self._signals[site] = self._atomic_save(sender, site)
        return self._signals[site]

    def _own_save(self, site: CallSite) -> Open | None:
        """Behind `super().save()` in the `save()` of a model: the transaction of whoever stores a row of it."""
        function = site.function
        if function not in self._signals:
            self._signals[function] = None
            guard = (
                held_by_writers(self._model, function.cls)
                if is_own_save(self._model, function) and function.cls
                else None
            )
            if guard is not None and self._is_database(guard):
                self._signals[function] = Open("signal", guard.name.rpartition(".")[2], guard.path, guard.line, guard)
        return self._signals[function] if self.pending_before(site) else None

    def _atomic_save(self, sender: ClassInfo, site: CallSite) -> Open | None:
        """A place where the project writes rows of this model inside a transaction: a block's, or the one of the writing call."""
        kinds = sorted(WRITES, key=lambda word: word.value)
        writes = [
            e
            for e in self._model.effects_of(*kinds)
            if e.model is not None
            and sender in e.model.mro
            and not _UNSIGNALLED.search(e.name)
            and announces(self._model, e, site)
        ]
        # What serves people tells more, and a change more than a creation, which many receivers let pass.
        writes.sort(key=lambda e: (self._model.exposure(e.function).only_commands, "create" in e.function.name))
        for effect in writes:
            guard = self._model.transaction_over(effect.site)
            if guard is not None and self._is_database(guard):
                return Open("signal", guard.name.rpartition(".")[2], guard.path, guard.line, guard)
        for own in (e for e in writes if _LOOKS_AND_WRITES.search(e.name)):
            guard = Guard(GuardKind.TRANSACTION, "call", own.name, own.site.path, own.site.line, own.site.function)
            return Open("signal", own.name.rpartition(".")[2], guard.path, guard.line, guard)
        return None


def _opts_out(entry: Entry) -> bool:
    """`@transaction.non_atomic_requests`."""
    outer = entry.function.parent
    if outer is None:
        return False
    return any("non_atomic" in flow.text_of(expr, outer.scope) for expr in entry.function.scope.decorators)


def _is_abandoned(function: Function, site: CallSite) -> bool:
    """In an error handler or clean-up: not on the way to success."""
    scope = function.scope
    return any(scope.regions[region].kind in _ABANDONED for region in flow.ancestors(scope, site.fact.region))


def _receiver(site: CallSite) -> str:
    func = site.fact.func
    return flow.text_of(func.value, site.function.scope) if isinstance(func, f.Attr) else ""


def _passes(site: CallSite, owner: str) -> bool:
    """Is the session an argument of the call?"""
    scope = site.function.scope
    exprs = (*site.fact.args, *(value for _, value in site.fact.kwargs))
    return any(
        isinstance(part, f.Name | f.Attr) and flow.text_of(part, scope) == owner
        for expr in exprs
        for part in flow.walk(expr)
    )
