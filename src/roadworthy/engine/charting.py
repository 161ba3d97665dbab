"""The map of a surveyed project, and the review that carries it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from roadworthy.engine.excerpts import with_excerpts
from roadworthy.engine.run import judge
from roadworthy.engine.stages import STAGES, Stages
from roadworthy.engine.survey import Project, crashed, project_settings, survey
from roadworthy.facts.load import Progress, no_progress
from roadworthy.findings.servicemap import MapEntry, ServiceMap

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from roadworthy.config import Settings
    from roadworthy.facts.area import Area
    from roadworthy.findings.finding import Review


def chart(
    paths: Sequence[str | Path] = (),
    settings: Settings | None = None,
    *,
    stages: Stages = STAGES,
    progress: Progress = no_progress,
    findings: bool = False,
) -> Review:
    """Map the project that holds `paths`; with `findings`, review it too. Raises UsageError for a senseless request."""
    settings = project_settings(paths, stages) if settings is None else settings
    project = survey(paths, settings, stages=stages, progress=progress)
    judged = judge(project, settings, stages if findings else replace(stages, rules=tuple), progress)
    return charted(judged, project)


def charted(judged: Review, project: Project) -> Review:
    """Add the map, and the code of the places that the report names."""
    return with_excerpts(with_map(judged, project), project)


def with_map(judged: Review, project: Project) -> Review:
    """Add the map: entries that lie in the areas or pass through them. A map that cannot be drawn is a problem of the review."""
    if project.model is None:
        return judged
    from roadworthy.project.mapping import map_of

    try:
        found = map_of(project.model)
    except Exception as error:  # the findings must not be lost with it
        return replace(judged, problems=(*judged.problems, crashed("the map", error)))
    return replace(judged, map=ServiceMap(tuple(entry for entry in found.entries if _touches(entry, project.areas))))


def _touches(entry: MapEntry, areas: Sequence[Area]) -> bool:
    """Does it lie in every area, or pass through it?"""
    places = [(entry.path, entry.line), *((step.path, step.line) for deed in entry.deeds for step in deed.steps)]
    return all(any(area.holds(path, line) for path, line in places) for area in areas)
