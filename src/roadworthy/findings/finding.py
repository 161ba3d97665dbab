"""A finding and its parts: what the tool says, not how it was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from roadworthy.findings.servicemap import ServiceMap


class Severity(Enum):
    """HIGH: one ordinary fault loses or duplicates data, money or messages, or stalls the service. MEDIUM: it takes a rarer
    fault, or the harm is bounded. LOW: hardening."""

    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"

    @property
    def rank(self) -> int:
        """0 for HIGH, 1 for MEDIUM, 2 for LOW."""
        return ("HIGH", "MEDIUM", "LOW").index(self.value)

    def lowered(self) -> Severity:
        """One step down; LOW stays LOW."""
        return (Severity.MEDIUM, Severity.LOW, Severity.LOW)[self.rank]


class Confidence(Enum):
    """The weakest link of the reasoning."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """0 for high, 1 for medium, 2 for low."""
        return ("high", "medium", "low").index(self.value)

    @staticmethod
    def weakest(*links: Confidence) -> Confidence:
        """The lowest of the given; high for none."""
        return max(links, key=lambda c: c.rank, default=Confidence.HIGH)


class Pillar(Enum):
    """The three pillars, in the order of the report."""

    RESILIENCE = "resilience"
    IDEMPOTENCY = "idempotency"
    DURABILITY = "durability"


class Audience(Enum):
    """Who should see it without asking: everybody, or those who asked for `--pedantic`."""

    REGULAR = "regular"
    PEDANTIC = "pedantic"


@dataclass(frozen=True, slots=True)
class Location:
    """A place in the reviewed tree."""

    path: str
    line: int
    end_line: int
    column: int = 0  # 0-based; of a rule's finding in bytes of UTF-8, of a review's in characters
    function: str = "<module>"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the path from an entry point to the effect."""

    path: str
    line: int
    function: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Introduced:
    """The commit that brought a finding's lines."""

    commit: str  # the first 12 digits of its name
    date: str  # of the commit, ISO 8601
    age: int  # days from there to HEAD's commit
    summary: str  # first line of its message


@dataclass(frozen=True, slots=True)
class Finding:
    """One root cause."""

    rule: str
    anti_pattern: str
    pillar: Pillar
    severity: Severity
    confidence: Confidence
    at: Location
    title: str  # one fact about this code in its own names: lower case start, no full stop
    issue: str  # what the code does wrong
    impact: str  # which entry, which fault, which harm
    fix: str  # what to write; may hold fenced code
    related: tuple[Location, ...] = ()
    steps: tuple[Step, ...] = ()
    audience: Audience = Audience.REGULAR
    subject: str = ""  # stable text for the fingerprint: the callee, key or table concerned
    fingerprint: str = ""
    origin: str = "static"
    introduced: Introduced | None = None  # read from history on request
    weight: int = 0  # blast radius: orders findings of the same severity, larger first


@dataclass(frozen=True, slots=True)
class RuleInfo:
    """What a report may say about a rule."""

    id: str
    anti_pattern: str
    pillar: Pillar
    summary: str  # first line of the documentation
    doc: str
    since: str = "0.1"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that was not reviewed, and why."""

    path: str
    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Review:
    """The whole outcome of one review."""

    root: str
    findings: tuple[Finding, ...]
    held_back: dict[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    files: int = 0
    lines: int = 0
    rules: tuple[RuleInfo, ...] = ()
    notes: tuple[str, ...] = ()
    map: ServiceMap | None = None  # only when asked for
    excerpts: Mapping[tuple[str, int], str] = field(
        default_factory=dict
    )  # path, line -> that line; only when asked for
    suppressed: tuple[
        tuple[Finding, str], ...
    ] = ()  # held back on purpose, and where that stands: "inSource", "external"

    @property
    def complete(self) -> bool:
        """False when anything could not be read or run."""
        return not self.problems
