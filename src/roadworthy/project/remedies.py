"""What one repair mends: losses that end at the same job, loop or function are one cause."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from roadworthy.project.attempts import Loss


def by_repair(losses: Iterable[Loss]) -> Iterator[tuple[str, list[Loss]]]:
    """(how the work is lost, the losses that one repair mends); jobs of one module that end at the same calls are one."""
    causes: dict[tuple[str, object], list[Loss]] = {}
    for loss in losses:
        causes.setdefault(_cause(loss), []).append(loss)
    merged: dict[tuple[object, ...], tuple[str, list[Loss]]] = {}
    for (how, place), alike in causes.items():
        entry = alike[0].entry
        sites = frozenset(loss.effect.site for loss in alike)
        same = (how, entry.function.path, sites) if how == "job" and entry is not None else (how, place)
        merged.setdefault(same, (how, []))[1].extend(alike)
    yield from merged.values()


def _cause(loss: Loss) -> tuple[str, object]:
    if loss.how == "job" and loss.entry is not None:
        return "job", loss.entry.function
    if loss.loop is not None:
        return loss.how, (loss.loop.function, loss.loop.loop.region)
    return loss.how, loss.effect.function  # whose repetition is the repair
