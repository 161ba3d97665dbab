"""Stages that tests put in place of the real ones: facts from a few regular expressions, a rule that reads comments.

`# BAD rule [subject]` is a finding of that rule; the comment's line is its place. Used by the tests of everything
around the stages, so that these do not depend on what extractor, model and rules can do today.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from roadworthy.engine.stages import Rule, Stages
from roadworthy.facts.schema import AuxFacts, Comment, FileFacts, Problem, Scope
from roadworthy.findings.finding import Audience, Confidence, Finding, Location, Pillar, RuleInfo, Severity, Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from roadworthy.knowledge.index import Knowledge
    from roadworthy.project.model import Model


def scope(
    index: int, kind: str, name: str, line: int, end: int, doc: str = "", decorators: tuple[int, ...] = ()
) -> Scope:
    """A scope that holds nothing."""
    return Scope(
        index=index, parent=-1, kind=kind, name=name.rpartition(".")[2], qualname=name, line=line, end_line=end, column=0,
        is_async=False, is_generator=False, decorators=(), decorator_lines=decorators, bases=(), keywords=(), params=(),
        returns=None, doc=doc, region_in_parent=0, order_in_parent=0, regions=(), calls=(), assigns=(), leaves=(), tests=(),
        imports=(), globals=(), last_read={},
    )  # fmt: skip


def python(path: str, data: bytes) -> FileFacts:
    """Functions at the left margin end where the next begins; comments; a line `BROKEN` cannot be read."""
    lines = data.decode("utf-8", "replace").split("\n")
    starts = [number for number, line in enumerate(lines, start=1) if re.match(r"def \w+", line)]
    ends = [*(start - 1 for start in starts[1:]), len(lines)]
    scopes = [scope(0, "module", "<module>", 1, len(lines))]
    for start, end in zip(starts, ends, strict=False):
        name = lines[start - 1].removeprefix("def ").partition("(")[0]
        doc = re.search(r'"""(.*)"""', lines[start]) if start < len(lines) else None
        above = start - 1
        while above and lines[above - 1].startswith("@"):
            above -= 1
        decorators = tuple(range(above + 1, start))
        scopes.append(scope(len(scopes), "function", name, start, end, doc[1] if doc else "", decorators))
    comments = tuple(Comment(n, line.partition("#")[2].strip()) for n, line in enumerate(lines, start=1) if "#" in line)
    problems = tuple(Problem(n, "could not be parsed") for n, line in enumerate(lines, start=1) if line == "BROKEN")
    return FileFacts(path, len(lines), tuple(scopes), comments, problems)


def around(path: str, data: bytes) -> AuxFacts | None:
    """A file of settings."""
    return AuxFacts(path, "config", data.count(b"\n"))


def build(
    files: Sequence[FileFacts], others: Sequence[AuxFacts], knowledge: Knowledge, roles: Mapping[str, str]
) -> Model:
    """The files are the model."""
    return cast("Model", tuple(files))


@dataclass(frozen=True)
class CommentRule:
    """Reports `# BAD <id> [subject]`."""

    info: RuleInfo
    severity: Severity = Severity.HIGH
    confidence: Confidence = Confidence.HIGH
    audience: Audience = Audience.REGULAR
    steps: tuple[Step, ...] = ()
    related: tuple[Location, ...] = ()

    def run(self, model: Model) -> Iterable[Finding]:
        """Read the comments."""
        for file in cast("tuple[FileFacts, ...]", model):
            for comment in file.comments:
                words = comment.text.split()
                if words[:1] == ["BAD"] and words[1:2] == [self.info.id]:
                    yield self.finding(file, comment.line, words[2] if len(words) > 2 else "")

    def finding(self, file: FileFacts, line: int, subject: str) -> Finding:
        """One finding at a line."""
        inside = [scope for scope in file.scopes if scope.line <= line <= scope.end_line]
        at = Location(file.path, line, line, function=inside[-1].qualname)
        return Finding(
            self.info.id, self.info.anti_pattern, self.info.pillar, self.severity, self.confidence, at,
            f"{self.info.id} at {subject or 'work'}", "issue", "impact", "fix", self.related, self.steps, self.audience, subject,
        )  # fmt: skip


@dataclass(frozen=True)
class CrashingRule:
    """Fails after its first look."""

    info: RuleInfo
    error: Exception = field(default_factory=lambda: KeyError("line one\nline two"))

    def run(self, model: Model) -> Iterable[Finding]:
        """Crash."""
        raise self.error


def info(name: str, pillar: Pillar = Pillar.RESILIENCE, anti_pattern: str = "") -> RuleInfo:
    """A rule's card."""
    return RuleInfo(name, anti_pattern or f"{name}-pattern", pillar, f"summary of {name}", f"doc of {name}")


HANG = CommentRule(info("hang"))
TWICE = CommentRule(info("twice", Pillar.IDEMPOTENCY), severity=Severity.MEDIUM)
LOST = CommentRule(info("lost", Pillar.DURABILITY), severity=Severity.LOW)
GUESS = CommentRule(info("guess"), confidence=Confidence.LOW)
FUSS = CommentRule(info("fuss"), audience=Audience.PEDANTIC)


def wants(path: str) -> bool:
    """Settings files."""
    return path.endswith(".cfg")


def stages(*rules: object) -> Stages:
    """Fake stages with these rules, or with all the comment rules."""
    chosen = cast("tuple[Rule, ...]", rules or (HANG, TWICE, LOST, GUESS, FUSS))
    return Stages(python, around, wants, lambda extra: cast("Knowledge", None), build, lambda: chosen)
