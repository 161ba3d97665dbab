"""What a reader is given and what it collects."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property

from roadworthy.facts.schema import AuxFacts, Problem, Process, Requirement, Setting, Statement

MAX_SETTINGS = 2_000
MAX_PROCESSES = 1_000
MAX_STATEMENTS = 5_000
MAX_REQUIREMENTS = 20_000
MAX_VALUE = 500
MAX_WORDS = 200

HOLE = "$…"
"""Stands for a part of a word or value that the file does not give literally."""

MARK = "__hole__"
"""Stands for a hole while a text is parsed: a plain word in every format."""


_SECRET = re.compile(r"(?i)secret|passw|token|credential|private|api_?key|access_?key|signing")
_USER_INFO = re.compile(r"(?<=://)([^\s/@:]*):[^\s/@]+@")
_HARMLESS = re.compile(r"(?i)[\d.]{1,10}[a-z]{0,2}|true|false|yes|no|none|")


@dataclass(frozen=True)
class Source:
    """One file: its path in the reviewed tree and its text with `\\n` line ends."""

    path: str
    text: str

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @cached_property
    def lines(self) -> list[str]:
        """The lines without their ends."""
        return self.text.split("\n")

    @property
    def line_count(self) -> int:
        """The number of lines; a last line end does not start another one."""
        return self.text.count("\n") + (not self.text.endswith("\n") if self.text else 0)

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        for line in self.lines:
            starts.append(starts[-1] + len(line) + 1)
        return starts

    def line_at(self, offset: int) -> int:
        """The 1-based line of a character offset."""
        return bisect_right(self._starts, offset)


@dataclass
class Found:
    """Facts of one file while it is read. Everything beyond the caps is dropped with one problem each."""

    processes: list[Process] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    requirements: list[Requirement] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    _full: set[str] = field(default_factory=set)

    def problem(self, line: int, message: str) -> None:
        """Note what could not be read."""
        if len(self.problems) < 20:
            self.problems.append(Problem(line=max(1, line), message=message))

    def process(self, process: Process) -> None:
        """Add a process."""
        if self._room("processes", len(self.processes), MAX_PROCESSES, process.line):
            self.processes.append(process)

    def setting(self, line: int, key: str, value: str) -> None:
        """Add a setting; long values are cut, secrets are not kept, variables that only have a hole say nothing."""
        if value == HOLE and ".env." in key:
            return
        value = _without_secret(key, value)
        if self._room("settings", len(self.settings), MAX_SETTINGS, line):
            self.settings.append(Setting(line=line, key=key, value=value[:MAX_VALUE]))

    def statement(self, statement: Statement) -> None:
        """Add an SQL statement."""
        if self._room("statements", len(self.statements), MAX_STATEMENTS, statement.line):
            self.statements.append(statement)

    def requirement(self, requirement: Requirement) -> None:
        """Add a requirement."""
        if self._room("requirements", len(self.requirements), MAX_REQUIREMENTS, requirement.line):
            self.requirements.append(requirement)

    def _room(self, what: str, count: int, limit: int, line: int) -> bool:
        if count < limit:
            return True
        if what not in self._full:
            self._full.add(what)
            self.problem(line, f"more than {limit:,} {what}: the rest of the file is not read")
        return False

    def facts(self, path: str, kind: str, lines: int) -> AuxFacts:
        """The frozen value."""
        return AuxFacts(
            path=path,
            kind=kind,
            lines=lines,
            processes=tuple(self.processes),
            settings=tuple(self.settings),
            statements=tuple(self.statements),
            requirements=tuple(self.requirements),
            problems=tuple(self.problems),
        )


def _without_secret(key: str, value: str) -> str:
    """Facts are kept in a cache: passwords and keys do not belong there. Numbers and flags of such keys may stay."""
    if _SECRET.search(key.rpartition(".")[2]) and not _HARMLESS.fullmatch(value):
        return "***"
    return _USER_INFO.sub(r"\1:***@", value)
