"""Which files are worth a look, a few at a time: those where control comes in or that touch the world."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roadworthy.engine.survey import Project

_MOST_FILES = 6
_MOST_LINES = 25


@dataclass(frozen=True, slots=True)
class Slice:
    """Files of one folder that are looked at together, with what the engine knows of them."""

    paths: tuple[str, ...]
    outline: str
    entries: int


def slices(project: Project) -> list[Slice]:
    """The files of the area in groups, those with most entry points first."""
    outline: dict[str, list[str]] = defaultdict(list)
    entries: dict[str, int] = defaultdict(int)
    model = project.model
    if model is None:
        return []
    for entry in model.entries.all:
        function = entry.function
        if model.is_reviewed(function.path):
            entries[function.path] += 1
            outline[function.path].append(
                f"line {function.line}: {function.qualname} is {entry.kind.value} {entry.label} ({entry.delivery.value})"
            )
    for effect in model.effects_of():
        word = effect.effect.word
        if (word.external or word.persists) and not word.telemetry:
            site = effect.site
            outline[site.path].append(
                f"line {site.line}: {site.function.qualname} does {effect.effect.value} by {effect.name}"
            )
    wanted = [path for path in outline if all(area.concerns(path) for area in project.areas)]
    folders: dict[str, list[str]] = defaultdict(list)
    for path in sorted(wanted):
        folders[path.rpartition("/")[0]].append(path)
    groups = [paths[n : n + _MOST_FILES] for paths in folders.values() for n in range(0, len(paths), _MOST_FILES)]
    found = [Slice(tuple(g), "".join(_said(p, outline[p]) for p in g), sum(entries[p] for p in g)) for g in groups]
    return sorted(found, key=lambda one: (-one.entries, one.paths))


def _said(path: str, lines: Sequence[str]) -> str:
    unique = list(dict.fromkeys(lines))
    more = [f"… and {len(unique) - _MOST_LINES} more"] if len(unique) > _MOST_LINES else []
    return "".join(f"  {line}\n" for line in [f"{path}:", *(f"  {one}" for one in unique[:_MOST_LINES]), *more])
