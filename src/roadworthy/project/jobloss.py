"""Jobs that their framework acknowledges before they run, and what is lost with a worker that is killed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import EntryKind
from roadworthy.project.boundaries import acks_late_everywhere
from roadworthy.project.cutoff import answered, is_bookkeeping, is_done_again, is_telemetry, lost_with

if TYPE_CHECKING:
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
    late: str  # the option of one job that would acknowledge after the work
    setting: str  # that of all jobs, "" where there is none


def unsaved_jobs(model: Model) -> list[Unsaved]:
    """Those that somebody counts on, whose work nothing does again; by source order."""
    found: list[Unsaved] = []
    for entry in model.entries.all:
        row, function = entry.row, entry.function
        if entry.kind is not EntryKind.JOB or entry.acks != "before" or row is None or not row.acks_after_if:
            continue
        if not model.is_reviewed(function.path) or acks_late_everywhere(model, entry):
            continue
        sent = None if is_bookkeeping(function.name) or is_telemetry(function.name) else _told(model, entry)
        lost = [loss for loss in lost_with(model, [function]) if loss.is_data] if sent is not None else []
        if sent is not None and lost and lost[0].effect.effect.word.persists:
            setting = next((name for name in row.acks_after_if[1:] if name.islower()), "")
            found.append(Unsaved(entry, sent, lost[0], row.acks_after_if[0], setting))
    return sorted(found, key=lambda job: (job.entry.function.path, job.entry.function.line))


def _told(model: Model, entry: Entry) -> CallSite | None:
    """A request that answers and leaves the work to this job, which no schedule, loop or start-up sends as well."""
    edges = [edge for edge in model.edges_to(entry.function) if edge.kind == "job"]
    for edge in edges:
        if any(reached.entry.kind in _COMES_ROUND for reached in model.exposure(edge.caller).entries):
            return None
    if any(r.entry.kind in _COMES_ROUND for r in model.exposure(entry.function).entries) or is_done_again(
        model, [entry.function]
    ):
        return None
    return next((edge.site for edge in edges if _is_answered(model, edge.caller)), None)


def _is_answered(model: Model, caller: Function) -> bool:
    kinds = {entry.kind for entry in answered(model, caller)}
    return bool(kinds & {EntryKind.HTTP_HANDLER, EntryKind.WEBHOOK_HANDLER})
