"""The shapes in which the model answers. Everything else that it says is not looked at."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

Severities = Literal["HIGH", "MEDIUM", "LOW"]
Prose = Annotated[str, Field(min_length=10, max_length=1500)]


class Cited(BaseModel):
    """A place, and what stands there."""

    path: str = Field(max_length=1000, description="Relative to the root of the repository.")
    line: int = Field(ge=1, description="The first line of the quote.")
    quote: str = Field(min_length=1, max_length=2000, description="Copied exactly from there; may span lines.")


Evidence = Annotated[list[Cited], Field(min_length=1, max_length=8)]


class Verdict(BaseModel):
    """What is to be thought of one static finding."""

    verdict: Literal["confirmed", "dismissed", "severity-changed"]
    severity: Severities | None = Field(default=None, description="The right severity, when it changes.")
    reason: Prose
    evidence: Evidence


class Candidate(BaseModel):
    """A violation that no rule saw."""

    pillar: Literal["resilience", "idempotency", "durability"]
    severity: Severities
    anti_pattern: str = Field(
        pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=40, description="As `missing-compensation`."
    )
    title: str = Field(min_length=10, max_length=110)
    issue: Prose = Field(description="What the code does wrong.")
    impact: Prose = Field(description="Which fault at which entry causes which harm.")
    fix: Prose = Field(description="What to write here, with what this code base already has.")
    evidence: Evidence


class Candidates(BaseModel):
    """What was found in some files."""

    findings: list[Candidate] = Field(max_length=5)


class Refutation(BaseModel):
    """Whether a new finding survives somebody who tried to prove it wrong."""

    verdict: Literal["stands", "refuted"]
    reason: Prose
    evidence: Evidence


def cited(answer: BaseModel) -> list[Cited]:
    """Every piece of evidence in an answer."""
    if isinstance(answer, Verdict | Refutation):
        return answer.evidence
    return [c for candidate in answer.findings for c in candidate.evidence] if isinstance(answer, Candidates) else []
