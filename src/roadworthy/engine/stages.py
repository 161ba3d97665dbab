"""The stages as functions, so that tests and tools can put others in their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from roadworthy.facts.around import extract_around, wants
from roadworthy.facts.extract import extract_python
from roadworthy.knowledge.load import load_knowledge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from roadworthy.facts.schema import AuxFacts, FileFacts
    from roadworthy.findings.finding import Finding, RuleInfo
    from roadworthy.knowledge.index import Knowledge
    from roadworthy.project.model import Model


class Rule(Protocol):
    """What the engine asks of a rule."""

    @property
    def info(self) -> RuleInfo:
        """Return what a report may say about it."""

    def run(self, model: Model, /) -> Iterable[Finding]:
        """Judge the model."""


def _model(
    python: Sequence[FileFacts], around: Sequence[AuxFacts], knowledge: Knowledge, roles: Mapping[str, str]
) -> Model:
    """Imported when it is needed: half of the start-up, and a review of an unchanged tree does without a model."""
    from roadworthy.project.build import build_model

    return build_model(python, around, knowledge, roles)


def _rules() -> Sequence[Rule]:
    """Imported when they are needed, as the model is."""
    from roadworthy.rules.registry import load_rules

    return load_rules()


@dataclass(frozen=True, slots=True)
class Stages:
    """What turns files into findings."""

    python: Callable[[str, bytes], FileFacts] = extract_python
    around: Callable[[str, bytes], AuxFacts | None] = extract_around
    wants: Callable[[str], bool] = wants
    knowledge: Callable[[tuple[Path, ...]], Knowledge] = load_knowledge
    model: Callable[[Sequence[FileFacts], Sequence[AuxFacts], Knowledge, Mapping[str, str]], Model] = _model
    rules: Callable[[], Sequence[Rule]] = _rules


STAGES = Stages()
