"""What a person may choose, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from roadworthy.findings.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from roadworthy.text.ignore import PathPatterns
    from roadworthy.text.source import Role


class UsageError(Exception):
    """The request makes no sense; the message says why in one line. Exit status 2."""


class ConfigError(UsageError):
    """A configuration file is wrong; the message says where: `file:line: key …`."""


@dataclass(frozen=True, slots=True)
class PathRule:
    """What holds for some paths only."""

    paths: PathPatterns
    ignore: tuple[str, ...] = ()
    severity: Mapping[str, Severity] = field(default_factory=dict)
    role: Role | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a review depends on besides the tree.

    Rules are named by id, by anti-pattern or by pillar.
    """

    area: str = ""
    blame: bool = False  # say since when each finding is there
    since: str = ""  # a revision: report what the working tree brings since it
    pedantic: bool = False
    fail_on: Severity | None = Severity.HIGH
    jobs: int = 0  # 0: as many as there are processors
    cache: bool = True
    select: tuple[str, ...] = ()  # empty: all rules
    ignore: tuple[str, ...] = ()
    severity: Mapping[str, Severity] = field(default_factory=dict)
    exclude: tuple[PathPatterns, ...] = ()
    paths: tuple[PathRule, ...] = ()
    libraries: tuple[Path, ...] = ()  # library files of the project's own
    baseline: Path | None = None  # findings that were there before the tool came
