"""One review: survey the project, let the rules judge, sift what they found."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from roadworthy.engine.characters import in_characters
from roadworthy.engine.comments import commented_files
from roadworthy.engine.found import Found
from roadworthy.engine.judging import judge_all
from roadworthy.engine.recall import Recall
from roadworthy.engine.ruleset import infos_of
from roadworthy.engine.sift import Sifted, sift, wanted
from roadworthy.engine.stages import STAGES, Stages
from roadworthy.engine.survey import (
    Project,
    collector_paused,
    not_modelled,
    project_settings,
    take_in,
    understand,
)
from roadworthy.facts.load import Progress, no_progress
from roadworthy.facts.pool import processors
from roadworthy.findings.finding import Finding, Problem, Review, RuleInfo
from roadworthy.text.source import Kind, Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roadworthy.config import Settings
    from roadworthy.findings.suppress import Commented

SMALL = 10_000
"""Lines of code up to which a second process costs more than it saves."""


def review(
    paths: Sequence[str | Path] = (),
    settings: Settings | None = None,
    *,
    stages: Stages = STAGES,
    progress: Progress = no_progress,
) -> Review:
    """Review the project that holds `paths`; report what lies in them. No path: the current folder's project.

    `settings` default to the configuration of the project. Raises UsageError for a senseless request, nothing else:
    what cannot be read or crashes becomes a problem of the review.
    """
    settings = project_settings(paths, stages) if settings is None else settings
    return examine(paths, settings, stages=stages, progress=progress)[1]


def examine(
    paths: Sequence[str | Path],
    settings: Settings,
    *,
    stages: Stages = STAGES,
    progress: Progress = no_progress,
    model: bool = False,
) -> tuple[Project, Review]:
    """Review, and return the project, too. Where all is as in a review before, the rules do not run again, and the model
    is built only for one who asks for it. Raises UsageError for a senseless request."""
    with collector_paused():
        ground = take_in(paths, settings, stages=stages, progress=progress)
        recall = Recall(ground.loaded, settings, stages)
        found = recall.found()
        if found is None or model:
            progress("understanding", 0, 1)
            project = understand(ground, stages)
        else:
            project = not_modelled(ground)
        if found is None or (model and project.model is None):
            found = find(project, settings, stages, progress)
            if project.model is not None:
                recall.keep(found)
    return project, reported(project, settings, stages, found)


def judge(project: Project, settings: Settings, stages: Stages, progress: Progress = no_progress) -> Review:
    """Let the rules judge a surveyed project."""
    return reported(project, settings, stages, find(project, settings, stages, progress))


def find(project: Project, settings: Settings, stages: Stages, progress: Progress = no_progress) -> Found:
    """Run the rules that the configuration lets run, on a surveyed project."""
    if project.model is None:
        return Found((), (), frozenset())
    rules = [rule for rule in stages.rules() if wanted(rule.info, settings)]
    lines = sum(facts.lines for facts in project.loaded.python)
    jobs = (settings.jobs or processors()) if lines > SMALL else 1
    return judge_all(project.model, rules, jobs, progress)


def reported(project: Project, settings: Settings, stages: Stages, found: Found) -> Review:
    """Sift what the rules found into the review that people read."""
    infos = infos_of(stages)
    sifted = sift(
        found.findings,
        files=_comments(project, found.findings),
        roles=project.loaded.roles,
        areas=project.areas,
        settings=settings,
        rules=infos,
        ran=found.ran,
    )
    problems, elsewhere = _in_area(project)
    findings = in_characters(sifted.findings, project.read)
    if settings.blame:
        from roadworthy.engine.history import introduced

        findings = introduced(project.root, findings)
    return Review(
        root=_shown(project.root),
        findings=findings,
        held_back=sifted.held_back,
        problems=(*problems, *found.crashes),
        files=len(project.loaded.python),
        lines=sum(facts.lines for facts in project.loaded.python),
        rules=infos,
        notes=(*elsewhere, *project.tree.notes, *project.loaded.notes, *_left_out(project), *sifted.notes),
        suppressed=sifted.suppressed,
    )


def sift_more(project: Project, settings: Settings, found: Sequence[Finding]) -> Sifted:
    """What is to be shown of findings that no rule made: suppressions, configuration and area hold for them, too."""
    infos = {f.rule: RuleInfo(f.rule, f.anti_pattern, f.pillar, f.anti_pattern, "") for f in found}
    chosen = [finding for finding in found if wanted(infos[finding.rule], settings)]
    return sift(
        chosen,
        files=_comments(project, chosen),
        roles=project.loaded.roles,
        areas=project.areas,
        settings=replace(settings, baseline=None),
        rules=tuple(infos.values()),
        ran=(),
    )


def _comments(project: Project, found: Sequence[Finding]) -> dict[str, Commented]:
    python = {facts.path for facts in project.loaded.python}
    others = {finding.at.path for finding in found} - python
    return commented_files(project.loaded.python, others, project.read)


def _shown(root: Path) -> str:
    """Write the root as seen from the current folder, so that a report does not depend on where the project lies."""
    here = Path.cwd()
    if here.is_relative_to(root) or root.is_relative_to(here):
        return Path(os.path.relpath(root, here)).as_posix()
    return root.as_posix()


def _in_area(project: Project) -> tuple[tuple[Problem, ...], tuple[str, ...]]:
    """Split problems into those of the area, which make the review incomplete, and a note on the others."""
    inside = [
        problem
        for problem in project.problems
        if problem.path == "." or all(area.concerns(problem.path) for area in project.areas)
    ]
    others = len({problem.path for problem in project.problems} - {problem.path for problem in inside})
    note = f"{others:,} file{'s' if others > 1 else ''} outside the area could not be read in full"
    return tuple(inside), (note,) if others else ()


def _left_out(project: Project) -> tuple[str, ...]:
    """Say in one line what was not reviewed, by design."""
    loaded = project.loaded
    counts: Counter[str] = Counter()
    for file in project.tree.files:
        role = loaded.roles.get(file.path, file.role)
        if file.kind is Kind.PYTHON and not role.reviewed:
            counts[_PLURALS[role]] += 1
    counts.update(project.tree.skipped)
    said = ", ".join(f"{count:,} {what}" for what, count in counts.items())
    return (f"not reviewed: {said}",) if said else ()


_PLURALS = {Role.TEST: "test files", Role.EXAMPLE: "example files", Role.GENERATED: "generated files"}
