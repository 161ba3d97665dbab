"""What runs again, and what it encloses: retries around a call and on its paths, entries whose input comes again.

A value that is made inside of what runs again is another one each time; made outside and carried in, it stays the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts.schema import Attr
from roadworthy.knowledge.vocabulary import Delivery, Effect, EntryKind, GuardKind
from roadworthy.project import flow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.calls import Edge
    from roadworthy.project.entry import Entry
    from roadworthy.project.guard import Guard
    from roadworthy.project.minting import Minted
    from roadworthy.project.model import Model
    from roadworthy.project.settings import SettingValue
    from roadworthy.project.symbols import CallSite, Function

_LIMIT = 300
GuardKey = tuple[str, int, str, int]


@dataclass(frozen=True, slots=True)
class RetryOver:
    """A retry that covers a place, and the calls that lead from it down to the place."""

    guard: Guard
    path: tuple[Edge, ...] = ()

    @property
    def key(self) -> GuardKey:
        """Tells retries apart: the same one seen from two places is one."""
        guard = self.guard
        return (guard.path, guard.line, guard.name, guard.region if guard.region is not None else -1)


def retries_over(model: Model, site: CallSite) -> list[RetryOver]:
    """Every retry that may repeat a call: around it, on its function, around any call that leads to it; nearest first."""
    found: dict[GuardKey, RetryOver] = {}

    def keep(guards: tuple[Guard, ...], path: tuple[Edge, ...]) -> None:
        for guard in guards:
            if guard.kind is GuardKind.RETRY and guard.attempts != 1:
                over = RetryOver(guard, path)
                found.setdefault(over.key, over)

    keep(model.guards_on(site), ())
    queue: list[tuple[Function, tuple[Edge, ...]]] = [(site.function, ())]
    seen = {site.function}
    while queue and len(seen) < _LIMIT:
        here, below = queue.pop(0)
        for edge in model.edges_to(here):
            if not edge.runs_here:
                continue
            path = (edge, *below)
            keep(model.guards.on_edge(edge), path)
            if edge.caller not in seen:
                seen.add(edge.caller)
                keep(model.guards.on_function(edge.caller), path)
                queue.append((edge.caller, path))
    return list(found.values())


def retries_around(model: Model, minted: Minted, use: CallSite) -> list[RetryOver]:
    """The retries that repeat both the making of a value and its use: each attempt has another value."""
    makes = {over.key for over in retries_over(model, minted.anchor)}
    return [over for over in retries_over(model, use) if over.key in makes] if makes else []


def entries_around(model: Model, minted: Minted, use: CallSite) -> list[Entry]:
    """The entries whose run holds both the making of a value and its use, worst first."""
    if minted.top.kind in {"module", "class"}:
        return []
    makes = {r.entry for r in model.exposure(minted.top).entries if r.inline}
    return [r.entry for r in model.exposure(use.function).entries if r.inline and r.entry in makes]


# --- entries ----------------------------------------------------------------------------------------------------------


def comes_again(model: Model, entry: Entry) -> bool:
    """May the same input come to the entry again without anybody's doing: redelivery, retry, replay?

    Settings of the whole application and retries that a job asks for itself are seen here, the declaration alone does not tell them.
    """
    if entry.repeats or takes_messages(model, entry):
        return True
    return entry.kind is EntryKind.JOB and (acks_late_everywhere(model, entry) or retries_itself(model, entry))


def takes_messages(model: Model, entry: Entry) -> bool:
    """An endless loop that takes messages from a broker: what it has not acknowledged is delivered again."""
    return entry.kind is EntryKind.WORKER_LOOP and bool(model.effects_under(entry.function, Effect.CONSUME))


def acks_late_everywhere(model: Model, entry: Entry) -> bool:
    """A setting makes every job be acknowledged after its work."""
    return late_setting(model, entry) is not None


def late_setting(model: Model, entry: Entry) -> SettingValue | None:
    """That setting; of several applications in one repository it may be the one of another."""
    row = entry.row
    names = tuple(
        name for name in (row.acks_after_if if row is not None else ()) if "_" in name and name != "acks_late"
    )
    setting = model.settings.is_true(*names) if names else None
    return setting if setting is not None and setting.known else None


def retries_itself(model: Model, entry: Entry) -> bool:
    """The body asks the queue to run the job again (`self.retry(…)`)."""
    return any(is_self_retry(model, site) for site in entry.function.calls)


def retries_every_failure(model: Model, entry: Entry) -> bool:
    """`except Exception: self.retry(…)` in the body of a job: whatever goes wrong, it is run again."""
    scope = entry.function.scope
    handlers = (
        region
        for site in entry.function.calls
        if is_self_retry(model, site)
        for region in flow.ancestors(scope, site.fact.region)
        if scope.regions[region].kind == "except"
    )
    return any(model.exceptions.handler(entry.function, region).broad for region in handlers)


def is_self_retry(model: Model, site: CallSite) -> bool:
    """A call by which a job asks to be run again: the queue's own, or `self.retry(…)` on the task that a job is bound to."""
    function, func = site.function, site.fact.func
    first = function.scope.params[0].name if function.scope.params and not function.is_method else ""
    if first and isinstance(func, Attr) and func.name == "retry" and model.callee_text(site) == f"{first}.retry":
        return True
    return any(
        e.effect is Effect.ENQUEUE and e.name.endswith((".retry", ".reschedule")) for e in model.effects_at(site)
    )


def entries_again(model: Model, function: Function) -> list[Entry]:
    """Entries that reach a function in their own run and to which the same input may come again by itself."""
    return [r.entry for r in model.exposure(function).entries if r.inline and comes_again(model, r.entry)]


def runs_over_again(entry: Entry) -> bool:
    """A person or a schedule runs it again over the same data: imports, syncs, start-up work."""
    return entry.delivery is Delivery.RERUN


def feeding_entries(model: Model, function: Function) -> Iterator[tuple[Edge, Entry]]:
    """The entries whose run hands this function to a queue or engine, with the call that does."""
    for edge in model.edges_to(function):
        if edge.kind in {"job", "durable"}:
            for reached in model.exposure(edge.caller).entries:
                yield edge, reached.entry
