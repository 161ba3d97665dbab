"""The tools of the agent: Glob, Grep, Read, Git, and questions to the engine. None of them writes, runs anything or leaves the root."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic_ai import FunctionToolset, Tool

from roadworthy.agent.files import Files
from roadworthy.agent.history import History
from roadworthy.engine.questions import finding_line, model_text, page, paths_text, patterns_text
from roadworthy.engine.survey import Project
from roadworthy.findings.finding import Finding

NAMES = ("Glob", "Grep", "Read", "Git", "Findings", "Model", "Patterns", "Paths")


@dataclass(frozen=True)
class ReadOnlyTools:
    """What the tools look at. Answers are pages of at most about 8,000 tokens."""

    project: Project
    findings: Sequence[Finding]
    files: Files
    history: History

    def glob(self, pattern: str) -> str:
        """Find files by a pattern like `app/**/*.py`."""
        return page(self.files.glob(pattern))

    def grep(self, pattern: str, glob: str = "", ignore_case: bool = False) -> str:
        """Search lines with a regular expression, in the files that `glob` names or in all."""
        return page(self.files.grep(pattern, glob, ignore_case))

    def read(self, path: str, line: int = 1, count: int = 400) -> str:
        """Read numbered lines of a file, from `line`."""
        return page(self.files.read(path, line, count))

    def git(
        self,
        command: Literal["log", "blame", "diff"],
        path: str = "",
        revision: str = "",
        other: str = "",
        line: int = 1,
        count: int = 20,
        cursor: int = 0,
    ) -> str:
        """Ask the history: `log` (newest commits, of `path`), `blame` (`count` lines of `path` from `line`), `diff` (`revision` to `other` or the working tree)."""
        return page(self.history.answer(command, path, revision, other, line, count), cursor)

    def known(self, path: str = "", cursor: int = 0) -> str:
        """List the findings of the static engine, one a line, all or those at or below a path."""
        inside = path.rstrip("/")
        chosen = [f for f in self.findings if not inside or f"{f.at.path}/".startswith(f"{inside}/")]
        return page("".join(f"{finding_line(f)}\n" for f in chosen) or "no findings there\n", cursor)

    def model(self, function: str, cursor: int = 0) -> str:
        """Say what the engine believes of a function (dotted name, its end, or file.py:line): callers, calls, effects, guards, entries."""
        return page(model_text(self.project, function), cursor)

    def patterns(self, kind: str = "", cursor: int = 0) -> str:
        """List what this code base does right already (retry, timeout, durable, on-commit, upsert …), with places."""
        return page(patterns_text(self.project, kind), cursor)

    def paths(self, function: str, cursor: int = 0) -> str:
        """Say who calls a function and how each entry point reaches it, step by step."""
        return page(paths_text(self.project, function), cursor)

    def toolset(self) -> FunctionToolset[None]:
        """The same as the model sees it; one after the other, since neither git's library nor the model's caches are made for threads."""
        functions: tuple[Callable[..., str], ...] = (
            self.glob, self.grep, self.read, self.git, self.known, self.model, self.patterns, self.paths,
        )  # fmt: skip
        return FunctionToolset(
            [Tool(f, name=name, takes_ctx=False, sequential=True) for name, f in zip(NAMES, functions, strict=True)]
        )
