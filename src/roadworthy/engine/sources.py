"""Reviews of sources held in memory: what tests, documentation examples and editors use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.engine.stages import STAGES, Stages
from roadworthy.findings.finding import Problem, Review
from roadworthy.findings.fingerprint import with_fingerprints

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from roadworthy.project.model import Model


def model_of(files: Mapping[str, str], *, stages: Stages = STAGES) -> Model:
    """The model of some sources, by path; all of them count as production code."""
    python = [stages.python(path, text.encode()) for path, text in sorted(files.items()) if path.endswith(".py")]
    around = [
        facts
        for path, text in sorted(files.items())
        if not path.endswith(".py") and (facts := stages.around(path, text.encode())) is not None
    ]
    return stages.model(python, around, stages.knowledge(()), {})


def review_sources(files: Mapping[str, str], *, rules: Sequence[str] | None = None, stages: Stages = STAGES) -> Review:
    """Review sources with all rules, or those named. Nothing is held back; a rule that crashes raises."""
    model = model_of(files, stages=stages)
    chosen = [rule for rule in stages.rules() if rules is None or rule.id in rules]
    found = with_fingerprints([finding for rule in chosen for finding in rule.run(model)])
    problems = [Problem(m.path, p.line, p.message) for m in model.symbols.modules for p in m.facts.problems]
    return Review(".", tuple(found), {}, tuple(problems), len(files), rules=tuple(rule.info for rule in chosen))
