"""The one place that knows the order of the stages."""

from roadworthy.engine.charting import chart, with_map
from roadworthy.engine.memory import model_of, review_sources
from roadworthy.engine.run import review
from roadworthy.engine.stages import STAGES, Stages
from roadworthy.engine.survey import Project, locate, project_settings, survey

__all__ = [
    "STAGES",
    "Project",
    "Stages",
    "chart",
    "locate",
    "model_of",
    "project_settings",
    "review",
    "review_sources",
    "survey",
    "with_map",
]
