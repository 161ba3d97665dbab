"""One project that changes under our hands: what has not changed stays in memory, what an editor holds unsaved counts as written.

Knows no protocol. One thread asks; whoever asks may give up half-way by raising from `progress`, and nothing is lost but the time.
"""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from roadworthy.engine.recall import Recall
from roadworthy.engine.run import find, reported
from roadworthy.engine.stages import STAGES, Stages
from roadworthy.engine.survey import (
    Ground,
    Project,
    collector_paused,
    not_modelled,
    project_settings,
    take_in,
    understand,
)
from roadworthy.facts.load import Progress, no_progress
from roadworthy.facts.schema import AuxFacts, FileFacts
from roadworthy.text.source import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from roadworthy.config import Settings
    from roadworthy.engine.found import Found
    from roadworthy.findings.finding import Review

_MOST_REPLACED = 8
"""Models that may wait for `rest`: each is some tens of megabytes for 100,000 lines."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The last review, and all that it depends on."""

    settings: Settings
    project: Project
    found: Found


class Live:
    """A project that is reviewed again and again."""

    def __init__(
        self, paths: Sequence[Path], stages: Stages = STAGES, configure: Callable[[], Settings] | None = None
    ) -> None:
        """Nothing is read before the first review. `configure` reads what holds for it; by default the project's configuration."""
        self._paths = tuple(paths)
        self._stages = stages
        self._configure = configure or (lambda: replace(project_settings(self._paths, self._stages), jobs=1))
        self._settings: Settings | None = None
        self._ground: Ground | None = None
        self._outcome: _Outcome | None = None
        self._extracted: dict[str, tuple[str, FileFacts | AuxFacts | None]] = {}
        self.rebuilt = 0  # how often a model was built
        self._replaced = 0  # since the last rest

    def review(self, buffers: Mapping[str, str], *, fresh: bool = False, progress: Progress = no_progress) -> Review:
        """Review the project with the texts of `buffers` (path -> text) in the place of its files.

        `fresh` reads configuration and files again. Raises UsageError when the configuration is wrong, and whatever `progress` raises.
        """
        with collector_paused():
            if self._settings is None or self._ground is None or fresh:
                settings = self._configure()
                ground = take_in(self._paths, settings, stages=self._stages, progress=progress)
                self._settings, self._ground = settings, ground
            ground = self._overlaid(self._ground, buffers)
            outcome = self._judged(self._settings, ground, progress)
            self._outcome = outcome
            return reported(outcome.project, outcome.settings, self._stages, outcome.found)

    def files(self) -> list[str]:
        """The files that were read, and the folders they lie in: a change of one of their times asks for a fresh review."""
        if self._ground is None:
            return []
        found = {file.full for file in self._ground.tree.files}
        return sorted(found | {os.path.dirname(full) for full in found} | {self._ground.tree.root})  # noqa: PTH120 - quick

    def rest(self) -> None:
        """Give back the memory of models that were replaced. Holds all threads for some tenths of a second."""
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        self._replaced = 0

    def _judged(self, settings: Settings, ground: Ground, progress: Progress) -> _Outcome:
        """Findings depend on facts, roles, knowledge and configuration: where these are as before, so are the findings."""
        last = self._outcome
        if last is not None and last.settings == settings and _same(last, ground):
            project = replace(
                last.project, tree=ground.tree, loaded=ground.loaded, areas=ground.areas, read=ground.read
            )
            return replace(last, project=project)
        recall = Recall(ground.loaded, settings, self._stages)
        known = recall.found()
        if known is not None:
            return _Outcome(settings, not_modelled(ground), known)
        progress("understanding", 0, 1)
        if self._replaced >= _MOST_REPLACED:
            self.rest()
        self.rebuilt += 1
        self._replaced += 1
        project = understand(ground, self._stages)
        found = find(project, settings, self._stages, progress)
        if project.model is not None:
            recall.keep(found)
        return _Outcome(settings, project, found)

    def _overlaid(self, ground: Ground, buffers: Mapping[str, str]) -> Ground:
        """Put what stands in buffers over what stands in files; a file that is not reviewed stays so."""
        python, around = ground.loaded.python, ground.loaded.around
        reviewed = ({one.path for one in python} | {one.path for one in around}) & buffers.keys()
        kinds = {file.path: file.kind for file in ground.tree.files if file.path in reviewed}
        facts = {path: self._facts(path, kind, buffers[path]) for path, kind in kinds.items()}
        self._extracted = {path: (buffers[path], one) for path, one in facts.items()}
        loaded = replace(
            ground.loaded,
            python=tuple(now for one in python if isinstance(now := facts.get(one.path, one), FileFacts)),
            around=tuple(now for one in around if isinstance(now := facts.get(one.path, one), AuxFacts)),
        )
        if not (_equal(python, loaded.python) and _equal(around, loaded.around)):
            loaded = replace(loaded, key=b"")

        def read(path: str) -> bytes:
            return _bytes(buffers[path]) if path in buffers else ground.read(path)

        return replace(ground, loaded=loaded, read=read)

    def _facts(self, path: str, kind: Kind, text: str) -> FileFacts | AuxFacts | None:
        known = self._extracted.get(path)
        if known is not None and known[0] == text:
            return known[1]
        return (self._stages.python if kind is Kind.PYTHON else self._stages.around)(path, _bytes(text))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _same(last: _Outcome, ground: Ground) -> bool:
    """Tell whether a model of `ground` would be the same, value by value; library files of the project's own may have changed."""
    if last.settings.libraries and last.project.knowledge is not ground.knowledge:
        return False
    before, now = last.project.loaded, ground.loaded
    return before.roles == now.roles and _equal(before.python, now.python) and _equal(before.around, now.around)


def _equal(last: Sequence[object], now: Sequence[object]) -> bool:
    try:
        return len(last) == len(now) and all(a is b or a == b for a, b in zip(last, now, strict=True))
    except RecursionError:  # facts that are nested very deeply: build anew
        return False
