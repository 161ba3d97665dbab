"""Where one transient failure of a remote call costs work: it is attempted once, and nobody will do it again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, EntryKind
from roadworthy.project import flow
from roadworthy.project.schedules import scheduled_jobs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.failures import LoopAt, Outcome
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

How = Literal["job", "loop", "poll", "batch", "connection"]
"""job: the only run of a job ends. loop: a loop that should live as long as the process ends. poll: a loop that waits for something
remote ends. batch: a scheduled run or command stops. connection: opened once before an endless loop that needs it."""

REMOTE = frozenset({
    Effect.HTTP_REQUEST, Effect.RPC, Effect.PUBLISH, Effect.OBJECT_WRITE, Effect.OBJECT_READ, Effect.EMAIL, Effect.SMS, Effect.CHARGE,
    Effect.LLM, Effect.VECTOR_UPSERT, Effect.VECTOR_INSERT, Effect.START_DURABLE, Effect.CONNECT,
})  # fmt: skip
_LIVING = frozenset({
    *REMOTE, Effect.CONSUME, Effect.ACK, Effect.SQL, Effect.SQL_READ, Effect.SQL_INSERT, Effect.SQL_UPDATE, Effect.SQL_UPSERT,
    Effect.SQL_DELETE, Effect.CACHE_READ, Effect.CACHE_WRITE,
})  # fmt: skip
_STORES = frozenset({"sql-driver", "orm", "cache", "store"})
"""What a service cannot live without: when it is away everything fails, and nobody retries statement by statement."""
_PACES = frozenset({Effect.SLEEP, Effect.WAIT, Effect.CONSUME})
_HANDLES = frozenset({"id", "name", "uuid", "key", "arn", "handle", "uid", "pk", "url", "self_link"})


@dataclass(frozen=True, slots=True)
class Loss:
    """One call whose single failure costs work."""

    how: How
    effect: EffectAt
    outcome: Outcome
    loop: LoopAt | None = None
    entries: tuple[Entry, ...] = ()  # batch: all that it stops
    own_retry: bool = False  # the client repeats by itself, for a while

    @property
    def entry(self) -> Entry | None:
        """The entry that ends."""
        return self.outcome.entry

    def site_in(self, function: Function) -> CallSite:
        """The call in `function` through which the failure comes; the effect's own when it is there."""
        for edge in self.outcome.path:
            if edge.caller is function:
                return edge.spawner or edge.site
        return self.effect.site


@dataclass
class Losses:
    """Finds them. One `Losses` per review."""

    model: Model
    _scheduled: frozenset[Function] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        """Schedules are read once."""
        self._scheduled = scheduled_jobs(self.model)

    def all(self) -> Iterator[Loss]:
        """Every loss of every remote call of reviewed code."""
        for effect in self.model.effects_of(*_LIVING):
            if effect.secondary or self._in_handler(effect.site):
                continue
            own = self.model.client_retry(effect).repeats
            single = effect.effect in REMOTE and not own and not self._is_store(effect)
            for outcome in self.model.failures.of(effect.site, effect.row.raises):
                if outcome.kind != "retried":
                    yield from self._judge(effect, outcome, own, single)

    def _judge(self, effect: EffectAt, outcome: Outcome, own: bool, single: bool) -> Iterator[Loss]:
        for left in outcome.left:
            if self.lives_on(left) and outcome.kind == "fails":
                yield Loss("loop", effect, outcome, left, own_retry=own)
                return
            if single and self._polls(left, effect, outcome):
                yield Loss("poll", effect, outcome, left)
                return
        if not single or outcome.kind != "fails" or outcome.entry is None:
            return
        entry = outcome.entry
        if entry.kind is EntryKind.JOB and entry.row is not None and entry.function not in self._scheduled:
            yield Loss("job", effect, outcome)
        elif entry.kind in {EntryKind.SCHEDULED, EntryKind.COMMAND, EntryKind.JOB} and self._is_batch(entry):
            yield Loss("batch", effect, outcome)

    def is_scheduled(self, entry: Entry) -> bool:
        """Does a schedule run it again anyway?"""
        return entry.kind is EntryKind.SCHEDULED or entry.function in self._scheduled

    # --- calls --------------------------------------------------------------------------------------------------------

    def _is_store(self, effect: EffectAt) -> bool:
        library = self.model.knowledge.library_of(effect.name)
        roles = set(library.role) if library is not None else set()
        return bool(roles & _STORES) or roles <= {"stdlib"}

    def _in_handler(self, site: CallSite) -> bool:
        """Cleaning up after a failure is not the work."""
        scope = site.function.scope
        return any(scope.regions[r].kind in {"except", "finally"} for r in flow.ancestors(scope, site.fact.region))

    # --- loops --------------------------------------------------------------------------------------------------------

    def lives_on(self, left: LoopAt) -> bool:
        """A loop meant to run for as long as the process: endless, paced, and no generator of pages."""
        if left.loop.kind != "worker" or left.function.scope.is_generator:
            return False
        return any(
            effect.effect in _PACES
            for call in flow.calls_in(left.function.scope, left.loop.region)
            for effect in self.model.effects_at(left.function.site(call))
        )

    def _polls(self, left: LoopAt, effect: EffectAt, outcome: Outcome) -> bool:
        """Asks the same question again and again, with a pause, until the answer is there."""
        function, region = left.function, left.loop.region
        scope = function.scope
        if scope.regions[region].kind != "while" and left.loop.kind != "other":
            return False
        pauses = any(
            e.effect is Effect.SLEEP and flow.loop_of(scope, call.region) == region
            for call in flow.calls_in(scope, region)
            for e in self.model.effects_at(function.site(call))
        )
        site = Loss("poll", effect, outcome).site_in(function)
        return pauses and site.function is function and flow.loop_of(scope, site.fact.region) == region and self._same_question(site, region)  # fmt: skip

    def _same_question(self, site: CallSite, region: int) -> bool:
        """Nothing that the call is given changes from round to round, but for the handle of what it asks about."""
        scope = site.function.scope
        changed = {
            a.target.id for a in scope.assigns if isinstance(a.target, f.Name) and flow.within(scope, a.region, region)
        }
        for expr in (*site.fact.args, *(v for _, v in site.fact.kwargs)):
            for part in flow.walk(expr):
                if isinstance(part, f.Name) and part.id in changed and not _is_handle(expr, part):
                    return False
        return True

    # --- batches ------------------------------------------------------------------------------------------------------

    def _is_batch(self, entry: Entry) -> bool:
        """A run that works through something by itself; not a program that serves, nor a module tried out by hand."""
        if self.model.is_script(entry.function.path):
            return False
        return entry.source != "__main__" or not entry.function.module.classes


def _is_handle(expr: f.Expr, name: f.Name) -> bool:
    """`execution.name`: the identity of what is polled."""
    return any(
        isinstance(part, f.Attr)
        and part.value == name
        and (part.name in _HANDLES or part.name.endswith(("_id", "_name")))
        for part in flow.walk(expr)
    )


def lone_connections(model: Model) -> Iterator[tuple[EffectAt, int]]:
    """(connection, endless loop) where a function opens a raw connection once and then works with it for ever."""
    for effect in model.effects_of(Effect.CONNECT):
        function = effect.function
        library = model.knowledge.library_of(effect.name)
        if library is None or not {"sql-driver", "rpc"} & set(library.role):
            continue
        if flow.loops_of(function.scope, effect.site.fact.region) or effect.site.fact.use not in {
            "assigned",
            "context",
        }:
            continue
        for index, region in enumerate(function.scope.regions):
            endless = region.kind == "while" and region.start > effect.site.fact.order
            if endless and model.guards.loop(function, index).kind == "worker":
                opens_again = any(
                    e.effect is Effect.CONNECT
                    for call in flow.calls_in(function.scope, index)
                    for e in model.effects_through(function.site(call), Effect.CONNECT)
                )
                if not opens_again:
                    yield effect, index
