"""From paths to a model of the whole project that holds them."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from roadworthy import __version__
from roadworthy.config import Settings, UsageError, load_settings
from roadworthy.engine.ruleset import infos_of
from roadworthy.engine.stages import STAGES, Stages
from roadworthy.facts.area import Area, area_of_paths, find_area
from roadworthy.facts.cache import FactsCache, extractor_version
from roadworthy.facts.load import Extractor, Loaded, Progress, load_facts, no_progress
from roadworthy.facts.pool import processors
from roadworthy.findings.finding import Problem
from roadworthy.knowledge.load import KnowledgeError
from roadworthy.text.discover import Tree, discover, find_root
from roadworthy.text.places import cache_folder
from roadworthy.text.source import printable, read_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from roadworthy.knowledge.index import Knowledge
    from roadworthy.project.model import Model
    from roadworthy.text.source import Role


@dataclass(frozen=True, slots=True)
class Ground:
    """A project as it was read, before anything of it is understood."""

    tree: Tree
    loaded: Loaded
    knowledge: Knowledge
    areas: tuple[Area, ...]
    read: Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Project:
    """A project as far as it is understood; `model` is None when building it failed, or when nobody needed it."""

    root: Path
    tree: Tree
    loaded: Loaded
    knowledge: Knowledge
    model: Model | None
    areas: tuple[Area, ...]  # of paths, of `--area`: what is reported lies in each of them
    problems: tuple[Problem, ...]
    read: Callable[[str], bytes]  # the bytes of a file of the tree; raises UnreadableError or KeyError


def locate(paths: Sequence[str | Path]) -> tuple[Path, tuple[Path, ...]]:
    """Find the root of the project and the named paths, resolved. No path: the current folder's project, all of it."""
    named = tuple(_resolved(path) for path in paths)
    root = find_root(named or (_resolved("."),))
    return root, tuple(path for path in named if path != root)


def _resolved(path: str | Path) -> Path:
    try:
        return Path(path).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise UsageError(f"{path}: no such file or folder") from None


def project_settings(paths: Sequence[str | Path] = (), stages: Stages = STAGES) -> Settings:
    """Read the configuration that holds for these paths. Raises UsageError when it is wrong."""
    root, named = locate(paths)
    start = Path(os.path.commonpath(named)) if named else root
    return load_settings(start if start.is_dir() else start.parent, root, infos_of(stages))


def survey(
    paths: Sequence[str | Path] = (),
    settings: Settings | None = None,
    *,
    stages: Stages = STAGES,
    progress: Progress = no_progress,
) -> Project:
    """Read the whole project that holds `paths` and build its model. Raises UsageError for a senseless request."""
    settings = project_settings(paths, stages) if settings is None else settings
    with collector_paused():
        ground = take_in(paths, settings, stages=stages, progress=progress)
        progress("understanding", 0, 1)
        return understand(ground, stages)


def take_in(paths: Sequence[str | Path], settings: Settings, *, stages: Stages, progress: Progress) -> Ground:
    """Read the whole project that holds `paths`. Raises UsageError for a senseless request."""
    root, named = locate(paths)
    knowledge = know(settings, stages)
    tree = discover(root, wants=stages.wants, named=named, exclude=settings.exclude, assign=_roles(settings))
    loaded = _load(tree, settings, stages, progress)
    areas = _areas(root, named, settings, tree, loaded)
    fulls = {file.path: file.full for file in tree.files}
    return Ground(tree, loaded, knowledge, areas, lambda path: read_file(fulls[path]))


def understand(ground: Ground, stages: Stages) -> Project:
    """Build the model from facts."""
    project = not_modelled(ground)
    loaded = ground.loaded
    try:
        roles = {path: role.value for path, role in loaded.roles.items()}
        return replace(project, model=stages.model(loaded.python, loaded.around, ground.knowledge, roles))
    except Exception as error:  # a review that fails says so; it never ends in a traceback
        return replace(project, problems=(*project.problems, crashed("building the model", error)))


def not_modelled(ground: Ground) -> Project:
    """Make a project of which nothing is understood, for those who know already what the rules found there."""
    problems = tuple(_unread(ground.tree, ground.loaded))
    return Project(
        Path(ground.tree.root), ground.tree, ground.loaded, ground.knowledge, None, ground.areas, problems, ground.read
    )


def crashed(what: str, error: Exception) -> Problem:
    """Report a stage that failed; `ROADWORTHY_DEBUG=1` shows where."""
    if os.environ.get("ROADWORTHY_DEBUG"):
        traceback.print_exception(error, file=sys.stderr)
    text = " ".join(str(error).split())[:200]
    return Problem(".", 0, f"{what} failed ({type(error).__name__}{': ' + text if text else ''}); please report it")


def know(settings: Settings, stages: Stages) -> Knowledge:
    """Load the library files, the project's own included."""
    try:
        return stages.knowledge(settings.libraries)
    except KnowledgeError as error:
        raise UsageError(str(error)) from error


def _roles(settings: Settings) -> Callable[[str], Role | None]:
    """Make the function that says which role the configuration gives a path; the last entry that fits wins."""
    given = [(rule.paths, rule.role) for rule in reversed(settings.paths) if rule.role is not None]

    def assign(path: str) -> Role | None:
        return next((role for patterns, role in given if patterns.match(path)), None)

    return assign


def _load(tree: Tree, settings: Settings, stages: Stages, progress: Progress) -> Loaded:
    folder = cache_folder() if settings.cache else None
    return load_facts(
        tree.files,
        Extractor(stages.python, stages.around),
        cache=FactsCache(folder),
        version=extractor_version(__version__) if folder is not None else b"",
        jobs=settings.jobs or processors(),
        progress=progress,
    )


def _areas(root: Path, named: tuple[Path, ...], settings: Settings, tree: Tree, loaded: Loaded) -> tuple[Area, ...]:
    """List the areas in which a finding must lie to be reported."""
    areas = []
    if named:
        prefixes = [printable(path.relative_to(root).as_posix()) for path in named]
        areas.append(area_of_paths(prefixes, [file.path for file in tree.files]))
    if settings.area:
        area = find_area(settings.area, loaded.python, [facts.path for facts in loaded.around])
        if not area.ranges:
            raise UsageError(f"the area {settings.area!r} fits no file, function or docstring of this project")
        areas.append(area)
    if settings.since:
        from roadworthy.engine.changes import area_of_changes

        areas.append(area_of_changes(root, settings.since))
    return tuple(areas)


def within(project: Project, settings: Settings) -> Project:
    """See the whole of a surveyed project, or what lies in the area or the change that these settings name. Raises UsageError
    when nothing lies there."""
    return replace(project, areas=_areas(project.root, (), settings, project.tree, project.loaded))


def _unread(tree: Tree, loaded: Loaded) -> Iterator[Problem]:
    """Say what could not be read, whole files and parts of them."""
    for path, message in (*tree.problems, *loaded.problems):
        yield Problem(path, 0, message)
    for facts in loaded.python:
        yield from (Problem(facts.path, problem.line, problem.message) for problem in facts.problems)
    for around in loaded.around:
        yield from (Problem(around.path, problem.line, problem.message) for problem in around.problems)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Facts and model are many values that all stay: looking for garbage among them only costs time, now and later."""
    enabled = gc.isenabled()
    gc.unfreeze()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()
