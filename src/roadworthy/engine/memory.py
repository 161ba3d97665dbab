"""Sources that lie in memory: for tests, documentation examples and editors. No disk, no processes, no cache."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from roadworthy.config import Settings
from roadworthy.engine.run import judge
from roadworthy.engine.stages import STAGES, Stages
from roadworthy.engine.survey import Ground, Project, know, understand
from roadworthy.facts.load import Loaded
from roadworthy.text.discover import Tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from roadworthy.findings.finding import Review
    from roadworthy.project.model import Model

_EVERYTHING = Settings(pedantic=True)


def review_sources(
    files: Mapping[str, str], *, rules: Sequence[str] = (), settings: Settings = _EVERYTHING, stages: Stages = STAGES
) -> Review:
    """Review files given as path -> text; by default everything is shown. `rules` limits the rules by name."""
    settings = replace(settings, select=tuple(rules) or settings.select)
    return judge(survey_sources(files, settings=settings, stages=stages), settings, stages)


def survey_sources(files: Mapping[str, str], *, settings: Settings = _EVERYTHING, stages: Stages = STAGES) -> Project:
    """Understand files given as path -> text; all count as production."""
    packed = {path: files[path].encode("utf-8", "surrogatepass") for path in sorted(files)}
    python = tuple(stages.python(path, data) for path, data in packed.items() if path.endswith(".py"))
    others = (
        stages.around(path, data) for path, data in packed.items() if not path.endswith(".py") and stages.wants(path)
    )
    loaded = Loaded(python, tuple(facts for facts in others if facts is not None), {}, ())
    return understand(Ground(Tree(".", ()), loaded, know(settings, stages), (), packed.__getitem__), stages)


def model_of(files: Mapping[str, str], *, stages: Stages = STAGES) -> Model:
    """Build the model of files given as path -> text. Raises RuntimeError when that fails."""
    project = survey_sources(files, stages=stages)
    if project.model is None:
        raise RuntimeError("; ".join(problem.message for problem in project.problems))
    return project.model
