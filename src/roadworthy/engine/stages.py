"""The stages as functions, so that tests and tools can put others in their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts.around import extract_around, wants
from roadworthy.facts.extract import extract_python
from roadworthy.knowledge.load import load_knowledge
from roadworthy.project.build import build_model
from roadworthy.rules.registry import load_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from roadworthy.facts.schema import AuxFacts, FileFacts
    from roadworthy.knowledge.index import Knowledge
    from roadworthy.project.model import Model
    from roadworthy.rules.api import Rule


@dataclass(frozen=True, slots=True)
class Stages:
    """What turns files into findings."""

    python: Callable[[str, bytes], FileFacts] = extract_python
    around: Callable[[str, bytes], AuxFacts | None] = extract_around
    wants: Callable[[str], bool] = wants
    knowledge: Callable[[tuple[Path, ...]], Knowledge] = load_knowledge
    model: Callable[[Sequence[FileFacts], Sequence[AuxFacts], Knowledge, Mapping[str, str]], Model] = build_model
    rules: Callable[[], tuple[Rule, ...]] = load_rules


STAGES = Stages()
