"""Where one transient failure of a remote call costs work: it is attempted once, and nobody will do it again."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, EntryKind, GuardKind
from roadworthy.project import flow
from roadworthy.project.calls import DETACHED
from roadworthy.project.once import listed_once, once
from roadworthy.project.purpose import is_typed
from roadworthy.project.schedules import names_of_job, scheduled_jobs, senders_by_name
from roadworthy.project.watched import is_started_again

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.calls import Edge
    from roadworthy.project.clients import RetryVerdict
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.failures import LoopAt, Outcome
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

How = Literal["job", "loop", "poll", "batch"]
"""job: the only run of a job ends. loop: a loop that should live as long as the process ends. poll: the wait for something remote
ends. batch: a scheduled run or command stops."""

REMOTE = frozenset({
    Effect.HTTP_REQUEST, Effect.RPC, Effect.PUBLISH, Effect.OBJECT_WRITE, Effect.OBJECT_READ, Effect.EMAIL, Effect.SMS, Effect.CHARGE,
    Effect.LLM, Effect.VECTOR_UPSERT, Effect.VECTOR_INSERT, Effect.START_DURABLE, Effect.CONNECT, Effect.SQL_UPSERT,
})  # fmt: skip
_LIVING = frozenset({
    *REMOTE, Effect.CONSUME, Effect.ACK, Effect.SQL, Effect.SQL_READ, Effect.SQL_INSERT, Effect.SQL_UPDATE, Effect.SQL_DELETE,
    Effect.CACHE_READ, Effect.CACHE_WRITE,
})  # fmt: skip
_STORES = frozenset({"sql-driver", "orm", "cache", "store"})
"""What a service cannot live without: when it is away everything fails, and nobody retries statement by statement."""
_PACES = frozenset({Effect.SLEEP, Effect.WAIT, Effect.CONSUME})
_HANDLES = frozenset({"id", "name", "uuid", "key", "arn", "handle", "uid", "pk", "url", "self_link"})
_TELEMETRY = re.compile(
    r"telemetry|metrics?(?![a-z])|analytics|posthog|statsd|sentry|report_uptime|usage_report", re.IGNORECASE
)
_WORKS = re.compile(
    r"sync|fetch|import|export|(?<!up)load|extract|ingest|poll|nightly|daily|hourly|cron|batch|job|task|report|refresh|update|send|scrap|crawl"
    r"|harvest|mirror|backup|archive|index|push|pull|process|collect|worker|notif|remind|cleanup|clean_up|renew",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Loss:
    """One call whose single failure costs work."""

    how: How
    effect: EffectAt
    outcome: Outcome
    loop: LoopAt | None = None
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
class Attempts:
    """Finds calls that are attempted once. One per review."""

    model: Model
    _scheduled: frozenset[Function] = field(default_factory=frozenset)
    _by_name: dict[str, tuple[Function, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Schedules are read once."""
        self._scheduled = scheduled_jobs(self.model)
        self._by_name = senders_by_name(self.model)

    def losses(self) -> Iterator[Loss]:
        """Every loss of every remote call of reviewed code."""
        for effect in self.model.effects_of(*_LIVING):
            site = effect.site
            if in_handler(site) or is_telemetry_name(effect.function) or self.model.is_script(site.path):
                continue
            verdict = self.model.client_retry(effect)
            patient = _covers_timeouts(verdict.on) or _library(effect.name) in patient_libraries(self.model)
            repeats = repeats_failures(verdict) and (patient or not self._searches(effect))
            single = effect.effect in REMOTE and not repeats and not is_infrastructure(self.model, effect)
            if effect.row.never_raises or (effect.secondary and not self._searches(effect)):
                continue
            for outcome in self.model.failures.of(site, effect.row.raises):
                if (
                    outcome.kind != "retried"
                    and self.is_plausible(outcome)
                    and not self.has_retried_twin(outcome, site)
                ):
                    yield from self._judge(effect, outcome, verdict.repeats, single)

    def _judge(self, effect: EffectAt, outcome: Outcome, own: bool, single: bool) -> Iterator[Loss]:
        for left in outcome.left:
            if outcome.kind == "fails" and self.lives_on(left) and not _is_guarded(left, effect, outcome):
                if is_started_again(self.model, left.function):
                    return
                yield Loss("loop", effect, outcome, left, own)
                return
            if single and self._polls(left, effect, outcome) and not _is_guarded(left, effect, outcome):
                yield Loss("poll", effect, outcome, left)
                return
        if not single or outcome.kind != "fails" or outcome.entry is None:
            return
        entry = outcome.entry
        if self.is_lost_job(entry):
            if not self._is_of_another_job(outcome):
                yield Loss("job", effect, outcome)
        elif self._is_batch(entry):
            yield Loss("batch", effect, outcome)

    def _searches(self, effect: EffectAt) -> bool:
        """Filling a search index is the purpose of the batch that does it."""
        library = self.model.knowledge.library_of(effect.name)
        return library is not None and "search" in library.role and effect.effect is Effect.SQL_UPSERT

    # --- entries ------------------------------------------------------------------------------------------------------

    def is_lost_job(self, entry: Entry) -> bool:
        """A job of a queue that is neither scheduled nor retried, and whose declaration does not say that once is enough."""
        if entry.kind is not EntryKind.JOB or entry.row is None or entry.function in self._scheduled:
            return False
        if self.model.retries.entry_attempts(entry, declared=True) == 1:
            return False  # said so on purpose
        senders = [edge.caller for edge in self.model.edges_to(entry.function) if edge.kind == "job"]
        named = names_of_job(entry.function, entry.site, self.model)
        senders.extend(sender for name in named for sender in self._by_name.get(name, ()))
        return not senders or not all(self._comes_round(sender) for sender in senders)

    def _is_of_another_job(self, outcome: Outcome) -> bool:
        """On the way stands a job that this one calls as an ordinary function: the failure is that job's, and told there."""
        return any(
            entry is not outcome.entry and entry.kind is EntryKind.JOB
            for edge in outcome.path
            for entry in self.model.entries.at(edge.callee)
        )

    def _comes_round(self, sender: Function) -> bool:
        """Sent by a sweep that will send it again: of whatever has not been done, also where a person may send it between two rounds."""
        return any(
            r.entry.kind in {EntryKind.SCHEDULED, EntryKind.WORKER_LOOP} or r.entry.function in self._scheduled
            for r in self.model.exposure(sender).entries
        )

    def _is_batch(self, entry: Entry) -> bool:
        """A run that works through something by itself; not a program that serves, nor a module tried out by hand."""
        if entry.kind is EntryKind.SCHEDULED or (entry.kind is EntryKind.JOB and entry.function in self._scheduled):
            return True
        if entry.kind is not EntryKind.COMMAND or (entry.source == "__main__" and entry.function.module.classes):
            return False
        if self.model.is_script(entry.function.path) and not _is_installed(entry.function.path):
            return False
        if is_typed(entry.function):
            return False
        name = f"{entry.function.qualname} {entry.function.path.rpartition('/')[2]}"
        return _WORKS.search(name) is not None or entry.source == "__main__"

    def is_plausible(self, outcome: Outcome) -> bool:
        """A call of an abstract method reaches all its overrides; believe those whose class is made on the way. What only reports a
        failure from its handler is not the work that failed."""
        if any(in_handler(edge.site) for edge in outcome.path):
            return False
        for position, edge in enumerate(outcome.path):
            cls = edge.callee.cls
            targets = [fn for fn in self.model.graph.resolutions[edge.site].functions if not flow.is_stub(fn.scope)]
            if len(targets) < 4 or cls is None or edge.callee.name == "__init__":
                continue
            above = [outcome.entry.function] if outcome.entry is not None else []
            above += [e.caller for e in outcome.path[: position + 1]]
            family: set[object] = set() | {cls, *cls.mro, *cls.descendants} - set(
                (edge.caller.cls or cls).mro if edge.caller.cls else ()
            )
            if not any(self._makes(function, family) for function in above):
                return False
        return True

    def has_retried_twin(self, outcome: Outcome, site: CallSite) -> bool:
        """The same call stands under a retry in another branch: this one is for who asked for none."""
        for here in (site, *(edge.spawner or edge.site for edge in outcome.path)):
            for other in here.function.calls:
                if (
                    other is not here
                    and other.fact.func == here.fact.func
                    and any(guard.kind is GuardKind.RETRY for guard in self.model.guards.on_site(other))
                ):
                    return True
        return False

    def _makes(self, function: Function, family: set[object]) -> bool:
        """Is one of the classes made in the function, or in a factory that it calls?"""
        around = [function, *(edge.callee for edge in self.model.edges_from(function) if edge.runs_here)]
        return any(
            value.cls in family
            for scope in around
            for site in scope.calls
            for value in self.model.graph.resolutions[site].classes
        )

    # --- loops --------------------------------------------------------------------------------------------------------

    def lives_on(self, left: LoopAt) -> bool:
        """A loop meant to run for as long as the process: endless, paced, and no generator of pages."""
        function = left.function
        if left.loop.kind != "worker" or function.scope.is_generator or is_telemetry_name(function):
            return False
        return any(
            self.model.effects_through(function.site(call), *_PACES)
            for call in flow.calls_in(function.scope, left.loop.region)
        )

    def _polls(self, left: LoopAt, effect: EffectAt, outcome: Outcome) -> bool:
        """Asks the same question again and again, with a pause each time, until the answer is there."""
        function, region = left.function, left.loop.region
        scope = function.scope
        if left.loop.kind not in {"poll", "other"} or scope.regions[region].kind == "comprehension":
            return False
        pauses = any(
            e.effect is Effect.SLEEP and _each_round(scope, call.region, region)
            for call in flow.calls_in(scope, region)
            for e in self.model.effects_at(function.site(call))
        )
        site = Loss("poll", effect, outcome).site_in(function)
        asks = site.function is function and flow.loop_of(scope, site.fact.region) == region
        return pauses and asks and _same_question(site, region)


def _is_installed(path: str) -> bool:
    """`bin/` holds the programs of the project itself, not its developers' helpers."""
    return path.split("/", 1)[0] == "bin"


def _each_round(scope: f.Scope, inner: int, loop: int) -> bool:
    """Does a block run in every round: nothing between it and the loop but `try`, `with` and `else`?"""
    for index in flow.ancestors(scope, inner):
        if index == loop:
            return True
        if scope.regions[index].kind not in {"try", "with", "else", "try_else", "finally"}:
            return False
    return False


def _is_guarded(left: LoopAt, effect: EffectAt, outcome: Outcome) -> bool:
    """The loop goes on after other failures of this call: somebody thought of it."""
    site = Loss("loop", effect, outcome).site_in(left.function)
    return any(flow.within(left.function.scope, site.fact.region, tried) for tried in left.loop.tries)


def _same_question(site: CallSite, region: int) -> bool:
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


def _is_handle(expr: f.Expr, name: f.Name) -> bool:
    """`execution.name`: the identity of what is polled."""
    return any(
        isinstance(part, f.Attr)
        and part.value == name
        and (part.name in _HANDLES or part.name.endswith(("_id", "_name")))
        for part in flow.walk(expr)
    )


def repeats_failures(verdict: RetryVerdict) -> bool:
    """Does the client try again by itself at more than a connection that was never made?"""
    return verdict.repeats and verdict.on != ("connect",)


@once
def patient_libraries(model: Model) -> frozenset[str]:
    """Libraries of which the project makes its clients with `retry_on_timeout=True`, wherever they are handed to."""
    return frozenset(
        _library(library.name)
        for site in model.sites()
        if any(key == "retry_on_timeout" and isinstance(v, f.Const) and v.value is True for key, v in site.fact.kwargs)
        for library in model.graph.resolutions[site].libraries
    )


def _library(name: str) -> str:
    """`opensearchpy` of `opensearchpy.helpers.bulk`."""
    return name.partition(".")[0]


def _covers_timeouts(on: tuple[str, ...]) -> bool:
    return not on or any("timeout" in name.lower() for name in on)


def is_infrastructure(model: Model, effect: EffectAt) -> bool:
    """What we do not count: the service's own stores, plain sockets, and clients of which nobody said what they repeat."""
    if effect.effect in {Effect.EMAIL, Effect.SMS}:
        return False
    library = model.knowledge.library_of(effect.name)
    roles = set(library.role) if library is not None else set()
    if effect.effect is not Effect.CONNECT and effect.row.retry is None:
        return True
    return bool(roles & _STORES) or roles <= {"stdlib"}


def is_remote(model: Model, effect: EffectAt) -> bool:
    """A call to somebody else's service."""
    return effect.effect in REMOTE and not is_infrastructure(model, effect)


def is_telemetry_name(function: Function) -> bool:
    """Told by where it stands: what it sends may be lost."""
    return _TELEMETRY.search(f"{function.path} {function.qualname}") is not None


def in_handler(site: CallSite) -> bool:
    """Cleaning up after a failure is not the work."""
    scope = site.function.scope
    return any(scope.regions[r].kind in {"except", "finally"} for r in flow.ancestors(scope, site.fact.region))


@once
def attempts_of(model: Model) -> Attempts:
    """Its schedules are read once for all who ask."""
    return Attempts(model)


@listed_once
def all_losses(model: Model) -> Iterator[Loss]:
    """Every loss of reviewed code."""
    yield from attempts_of(model).losses()


def lone_connections(model: Model) -> Iterator[tuple[EffectAt, int, bool]]:
    """(connection, endless loop, is it given to a task) where a function opens a raw connection once and works with it for ever."""
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
            if endless and model.guards.loop(function, index).kind == "worker" and not _opens(model, function, index):
                yield effect, index, _feeds_task(model, function, effect.site)
                break


def _feeds_task(model: Model, function: Function, site: CallSite) -> bool:
    """The connection is handed to a task or thread, whose end nobody notices."""
    names = {
        a.target.id
        for a in function.scope.assigns
        if isinstance(a.target, f.Name)
        and any(isinstance(p, f.CallRef) and p.index == site.index for p in flow.walk(a.value))
    }
    return any(
        edge.kind in DETACHED and any(isinstance(a, f.Name) and a.id in names for a in edge.site.fact.args)
        for edge in model.edges_from(function)
    )


def _opens(model: Model, function: Function, region: int) -> bool:
    return any(
        model.effects_through(function.site(call), Effect.CONNECT) for call in flow.calls_in(function.scope, region)
    )


def edges_down(loss: Loss) -> tuple[Edge, ...]:
    """The calls from the top of a loss to its effect."""
    return loss.outcome.path


def passed_by(losses: list[Loss]) -> list[CallSite]:
    """The calls between the entry and what fails, outermost first: a retry around any of them would do."""
    passed = [edge.spawner or edge.site for loss in losses[:4] for edge in reversed(loss.outcome.path)]
    return list(dict.fromkeys(passed))[:12]
