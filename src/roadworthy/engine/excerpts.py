"""Lines of the reviewed files for reports that show code."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from roadworthy.text.source import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.engine.survey import Project
    from roadworthy.findings.finding import Finding, Review

_LONGEST = 200


def with_excerpts(judged: Review, project: Project) -> Review:
    """Add the line of each place that a finding names; a file that has gone meanwhile has none."""
    files: dict[str, list[str]] = {}
    found: dict[tuple[str, int], str] = {}
    for path, line in (place for finding in judged.findings for place in _places(finding)):
        if path not in files:
            files[path] = _lines(project, path)
        if 0 < line <= len(files[path]) and (text := files[path][line - 1].strip()):
            found[path, line] = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return replace(judged, excerpts=found)


def _places(finding: Finding) -> Iterator[tuple[str, int]]:
    yield finding.at.path, finding.at.line
    yield from ((step.path, step.line) for step in finding.steps)
    yield from ((other.path, other.line) for other in finding.related)


def _lines(project: Project, path: str) -> list[str]:
    try:
        return project.read(path).decode("utf-8", "replace").split("\n")
    except (UnreadableError, KeyError):
        return []
