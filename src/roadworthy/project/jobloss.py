"""Jobs that their framework acknowledges before they run, and what is lost with a worker that is killed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import EntryKind
from roadworthy.project.boundaries import acks_late_everywhere, is_self_retry, late_setting
from roadworthy.project.cutoff import answered, is_bookkeeping, is_done_again, is_telemetry, lost_with
from roadworthy.project.schedules import is_sent_again

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.cutoff import Loss
    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_COMES_ROUND = frozenset({EntryKind.SCHEDULED, EntryKind.WORKER_LOOP, EntryKind.STARTUP})


@dataclass(frozen=True, slots=True)
class Unsaved:
    """One job whose message is gone when its body begins."""

    entry: Entry
    sent: CallSite  # where somebody is told of work that this job is to do
    loss: Loss
    late: str  # the option of one job that would keep its message until the work is done
    setting: str  # that of all jobs, "" where there is none


def unsaved_jobs(model: Model) -> list[Unsaved]:
    """Those that somebody counts on, whose work nothing does again; by source order."""
    early = [e for e in _jobs(model) if e.acks == "before" and not acks_late_everywhere(model, e)]
    return _counted_on(model, [(entry, _options(entry)) for entry in early])


def killed_jobs(model: Model) -> list[Unsaved]:
    """The same of jobs that acknowledge late, where a process that is killed in the middle acknowledges for them."""
    late = [e for e in _jobs(model) if e.acks == "after" or _is_set_for(model, e)]
    options = [(e, e.row.survives_kill_if) for e in late if e.row is not None and e.row.survives_kill_if]
    return _counted_on(model, [(e, names) for e, names in options if not _chosen(model, e, names)])


def _is_set_for(model: Model, entry: Entry) -> bool:
    """The setting stands in the same part of the repository: that of a second worker says nothing of this one's jobs."""
    setting = late_setting(model, entry)
    return setting is not None and setting.path.partition("/")[0] == entry.function.path.partition("/")[0]


def _jobs(model: Model) -> Iterator[Entry]:
    for entry in model.entries.all:
        if entry.kind is EntryKind.JOB and _options(entry) and model.is_reviewed(entry.function.path):
            yield entry


def _options(entry: Entry) -> tuple[str, ...]:
    return entry.row.acks_after_if if entry.row is not None else ()


def _chosen(model: Model, entry: Entry, names: tuple[str, ...]) -> bool:
    """The option is named, whatever it is set to: somebody has thought of it."""
    own = {name for name, _ in entry.site.fact.kwargs} if entry.site is not None else set()
    cls = entry.function.cls
    inherited = {name for c in cls.mro for name in c.body.bindings} if cls is not None else set()
    return bool((own | inherited) & set(names)) or bool(model.settings.get(*names))


def _counted_on(model: Model, jobs: list[tuple[Entry, tuple[str, ...]]]) -> list[Unsaved]:
    found: list[Unsaved] = []
    for entry, options in jobs:
        function = entry.function
        sent = None if is_bookkeeping(function.name) or is_telemetry(function.name) else _told(model, entry)
        lost = [loss for loss in lost_with(model, [function]) if loss.is_data] if sent is not None else []
        lost.sort(key=lambda loss: is_self_retry(model, loss.effect.site))  # the work before the asking for it
        if sent is not None and lost and lost[0].effect.effect.word.persists:
            setting = next((name for name in options[1:] if name.islower()), "")
            found.append(Unsaved(entry, sent, lost[0], options[0], setting))
    return sorted(found, key=lambda job: (job.entry.function.path, job.entry.function.line))


def _told(model: Model, entry: Entry) -> CallSite | None:
    """A request that answers and leaves the work to this job, which no schedule, loop or start-up sends as well."""
    if is_sent_again(model, entry.function):
        return None
    edges = [edge for edge in model.edges_to(entry.function) if edge.kind == "job"]
    if any(r.entry.kind in _COMES_ROUND for r in model.exposure(entry.function).entries) or is_done_again(
        model, [entry.function]
    ):
        return None
    return next((edge.site for edge in edges if _is_answered(model, edge.caller)), None)


def _is_answered(model: Model, caller: Function) -> bool:
    kinds = {entry.kind for entry in answered(model, caller)}
    return bool(kinds & {EntryKind.HTTP_HANDLER, EntryKind.WEBHOOK_HANDLER})
