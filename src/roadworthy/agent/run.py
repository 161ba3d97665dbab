"""One review by the agent: triage of each static finding, a look at the files, a second pass that tries to refute what is new.

One question after the other: the order is fixed, so the same tree and the same recorded answers give the same report.
"""

from __future__ import annotations

import asyncio
import hashlib
import warnings
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry, RunContext, ToolOutput, UsageLimits
from pydantic_ai.exceptions import (
    ModelAPIError,
    UnexpectedModelBehavior,
    UnsupportedSettingWarning,
    UsageLimitExceeded,
    UserError,
)
from pydantic_ai.models import Model, infer_model
from pydantic_ai.settings import ModelSettings

from roadworthy.agent.answers import Candidate, Candidates, Refutation, Verdict, cited
from roadworthy.agent.budget import Budget, Limits, StopError
from roadworthy.agent.calls import DurableModel, Patience
from roadworthy.agent.evidence import EvidenceCheck
from roadworthy.agent.files import Files
from roadworthy.agent.history import History
from roadworthy.agent.journal import Journal, JournalError
from roadworthy.agent.merge import UNVERIFIED, Tally, judged, proven, survives
from roadworthy.agent.prompt import INSTRUCTIONS, explore_task, refute_task, triage_task
from roadworthy.agent.slices import Slice, slices
from roadworthy.agent.tools import ReadOnlyTools
from roadworthy.config import Settings, UsageError
from roadworthy.engine.run import sift_more
from roadworthy.findings.finding import Finding, Problem, Review
from roadworthy.report.order import ordered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from roadworthy.engine.survey import Project

_Answer = TypeVar("_Answer", bound=BaseModel)

_TRIAGE_STEPS = 12
_EXPLORE_STEPS = 30
_REFUTE_STEPS = 15
_LONGEST_ANSWER = 8_000  # tokens
_MOST_PLACES = 8
_FINDINGS, _FILES, _NEW = "findings", "groups of files", "new findings of its own"
_RETRIES = 2  # of an answer or a tool call that does not fit its shape


@dataclass(frozen=True)
class Options:
    """What a person chooses."""

    model: Model | str  # `anthropic:claude-…`, `openai:gpt-…`
    state: Path  # the folder of the journals
    limits: Limits = field(default_factory=Limits)
    patience: Patience = field(default_factory=Patience)
    fresh: bool = False  # ask anew what was answered before


def connect(name: Model | str) -> Model:
    """The model of this name. Raises UsageError when there is none, or no key for it."""
    try:
        return infer_model(name)
    except (UserError, ImportError, ValueError) as error:
        raise UsageError(f"--model {name}: {' '.join(str(error).split())}") from error


def journal_file(state: Path, root: Path) -> Path:
    """Where the answers about one project are."""
    name = hashlib.blake2b(str(root.resolve()).encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
    return state / "agent" / f"{root.name or 'root'}-{name}.sqlite"


def review_with_agent(
    project: Project,
    review: Review,
    settings: Settings,
    options: Options,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> Review:
    """The static review, judged and completed. What the agent did not get to is a problem of the review.

    Raises UsageError when the model is not to be had or another process holds the journal.
    """
    model = connect(options.model)
    try:
        journal = Journal(journal_file(options.state, project.root), fresh=options.fresh)
    except JournalError as error:
        raise UsageError(str(error)) from error
    try:
        budget = Budget(options.limits)
        durable = DurableModel(model, journal, budget, options.patience)
        session = _Session(project, review, settings, durable, budget, progress)
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", UnsupportedSettingWarning
            )  # a client without a limit of its own: ours is around it
            return asyncio.run(session.review())
    finally:
        journal.close()


class _Session:
    """One run: what was answered, and what was not asked or not answered, and why."""

    def __init__(
        self,
        project: Project,
        review: Review,
        settings: Settings,
        model: DurableModel,
        budget: Budget,
        progress: Callable[[str, int, int], None],
    ) -> None:
        self._static = review
        self._project = project
        self._settings = settings
        self._model = model
        self._budget = budget
        self._progress = progress
        self._evidence = EvidenceCheck(project)
        named = [project.root / folder for area in project.areas for folder in area.folders]
        files = Files(project.root, [path for path in named if path.exists()], settings.exclude)
        self._toolset = ReadOnlyTools(project, review.findings, files, History(project.root)).toolset()
        self._tally = Tally()
        self._stopped = ""
        self._missed: dict[tuple[str, str], list[str]] = defaultdict(list)  # (what, why) -> where

    async def review(self) -> Review:
        """Ask everything, in order."""
        async with self._model:
            kept = await self._triage()
            groups = slices(self._project)
            new = await self._explore(groups, kept)
        sifted = sift_more(self._project, self._settings, new)
        held = Counter(self._static.held_back)
        held.update(self._tally.held)
        held.update(sifted.held_back)
        done = replace(
            self._static,
            findings=(*kept, *sifted.findings),
            held_back=dict(sorted(held.items())),
            problems=(*self._static.problems, *self._unreviewed(len(groups))),
            notes=(*self._static.notes, *self._notes(len(groups), len(sifted.findings))),
        )
        return replace(done, findings=ordered(done))

    async def _triage(self) -> list[Finding]:
        kept = []
        worst_first = sorted(self._static.findings, key=lambda finding: finding.severity.rank)
        for number, finding in enumerate(worst_first):
            self._progress("judging findings", number, len(worst_first))
            verdict = await self._ask(Verdict, triage_task(finding), _TRIAGE_STEPS, _FINDINGS, _place(finding))
            after = finding if verdict is None else judged(finding, verdict, self._evidence, self._tally)
            if after is not None:
                kept.append(after)
        return kept

    async def _explore(self, groups: Sequence[Slice], kept: Sequence[Finding]) -> list[Finding]:
        """New findings that survived; each group is finished before the next, so that a budget's end costs no more than one."""
        new: list[Finding] = []
        for number, group in enumerate(groups):
            self._progress("exploring", number, len(groups))
            known = [f for f in self._static.findings if f.at.path in group.paths]
            task = explore_task(group.paths, group.outline, known)
            answer = await self._ask(Candidates, task, _EXPLORE_STEPS, _FILES, ", ".join(group.paths))
            for candidate in answer.findings if answer is not None else ():
                finding = proven(candidate, self._evidence, [*kept, *new], self._tally)
                survived = await self._refute(candidate, finding) if finding is not None else None
                if survived is not None:
                    new.append(survived)
        return new

    async def _refute(self, candidate: Candidate, finding: Finding) -> Finding | None:
        answer = await self._ask(Refutation, refute_task(candidate), _REFUTE_STEPS, _NEW, _place(finding))
        if answer is None:
            self._tally.held[UNVERIFIED] += 1
            return None
        return survives(finding, answer, self._evidence, self._tally)

    async def _ask(self, shape: type[_Answer], task: str, steps: int, what: str, where: str) -> _Answer | None:
        """One conversation. None when there is no answer; what was asked about is remembered with the reason."""
        if not self._stopped:
            try:
                return await self._converse(shape, task, steps)
            except (StopError, JournalError) as error:
                self._stopped = why = str(error)
            except UsageLimitExceeded:
                why = f"no answer after {steps} steps"
            except UnexpectedModelBehavior as error:
                why = f"the answers made no sense: {_short(error)}"
            except ModelAPIError as error:
                why = f"the provider refused: {_short(error)}"
        else:
            why = self._stopped
        self._missed[what, why].append(where)
        return None

    async def _converse(self, shape: type[_Answer], task: str, steps: int) -> _Answer:
        agent = Agent(
            self._model,
            output_type=ToolOutput(shape, name="report", description=shape.__doc__),
            instructions=INSTRUCTIONS,
            toolsets=[self._toolset],
            retries=_RETRIES,
            model_settings=ModelSettings(
                max_tokens=_LONGEST_ANSWER,
                max_retries=0,  # ours are around it
                timeout=self._model.answer_within,
                cache=True,  # a conversation grows by a step at a time: without it each step pays for all before it
            ),
            name="roadworthy",
        )

        @agent.output_validator
        def quotes_stand(context: RunContext[None], answer: _Answer) -> _Answer:
            """A quote that does not stand may be a slip: once the model is told; after that, what it says is dropped."""
            wrong = [f"{c.path}:{c.line}" for c in cited(answer) if self._evidence.place(c) is None]
            if wrong and context.retry == 0:
                raise ModelRetry(
                    f"These quotes do not stand in the file or hold no code: {', '.join(wrong)}. Read the lines and quote exactly."
                )
            return answer

        return (await agent.run(task, usage_limits=UsageLimits(request_limit=steps))).output

    def _unreviewed(self, groups: int) -> list[Problem]:
        """What the agent did not do, with the reason: a review that stopped half-way is not a clean one."""
        totals = {_FINDINGS: len(self._static.findings), _FILES: groups}
        problems = []
        for (what, why), where in self._missed.items():
            of = f" of {totals[what]}" if what in totals else ""
            places = "; ".join(where[:_MOST_PLACES]) + (
                f"; and {len(where) - _MOST_PLACES} more" if len(where) > _MOST_PLACES else ""
            )
            problems.append(Problem(".", 0, f"the agent did not review {len(where)}{of} {what}: {why} ({places})"))
        return problems

    def _notes(self, groups: int, new: int) -> list[str]:
        tally = self._tally
        missed = sum(len(where) for (what, _), where in self._missed.items() if what == _FILES)
        unproven = (
            f", {tally.unproven} answers dropped for a quote that does not stand in the file" if tally.unproven else ""
        )
        dismissed = tally.judged - tally.confirmed - tally.changed - tally.unproven
        return [
            f"agent {self._model.model_id}: judged {tally.judged} of {len(self._static.findings)} findings ({tally.confirmed} confirmed, "
            f"{dismissed} dismissed, {tally.changed} of another severity{unproven}); explored {groups - missed} of {groups} groups of files, "
            f"{new} new findings; {self._budget.said()}",
            *tally.notes,
        ]


def _place(finding: Finding) -> str:
    return f"{finding.at.path}:{finding.at.line}"


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
