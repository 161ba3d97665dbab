"""Finds good patterns in the model, one miner for each kind. Concepts only; no library is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.advice.mining import clients, data, work
from roadworthy.advice.mining.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from roadworthy.project.model import Model

__all__ = ["MINERS", "Seen"]

MINERS: tuple[Callable[[Model], Iterator[Seen]], ...] = (
    clients.timeouts, clients.retries, clients.client_retries, clients.breakers, work.jobs, work.launchers, work.off_loop, work.kept_tasks,
    work.bulkheads, work.shutdowns, work.loggers, data.on_commit, data.upserts, data.dedups, data.deterministic_ids, data.keys, data.locks,
    data.atomic_writes, data.unique_migrations,
)  # fmt: skip
