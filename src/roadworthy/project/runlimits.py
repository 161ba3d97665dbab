"""Limits that a framework puts around each run of its jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import GuardKind
from roadworthy.project.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model

_BEFORE_LONG = 3600.0  # seconds after which a hanging job has done its harm


def run_limits(model: Model, entry: Entry) -> Iterator[Guard]:
    """The limit after which what a run awaits is cancelled, if it comes before long."""
    row = entry.row
    if row is None or row.cancelled_after is None:
        return
    told = model.settings.seconds(row.cancelled_setting) if row.cancelled_setting else None
    seconds = row.cancelled_after if told is None else told
    if 0 < seconds <= _BEFORE_LONG:
        function = entry.function
        yield Guard(
            GuardKind.TIMEOUT, "framework", entry.source, function.path, function.line, function, seconds=seconds
        )
