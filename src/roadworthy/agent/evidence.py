"""Does a quote stand where the model says? Compared with the file by this program; what does not match counts for nothing."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from roadworthy.agent.secret import is_secret
from roadworthy.findings.finding import Location
from roadworthy.text.source import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roadworthy.engine.survey import Project
    from roadworthy.facts.schema import FileFacts, Scope

_SHORTEST = 4
_REVIEWED = frozenset({"production", "migration", "script"})


class Claimed(Protocol):
    """A place and a quote, as a model gives them."""

    path: str
    line: int
    quote: str


@dataclass(frozen=True, slots=True)
class _Text:
    """A file as evidence: its lines, and which of them hold code."""

    lines: tuple[str, ...]
    code: frozenset[int]


class EvidenceCheck:
    """Compares quotes with the files of the surveyed project. Only what is reviewed is evidence: no tests, no documents."""

    def __init__(self, project: Project) -> None:
        """Files are read when a quote names them."""
        self._project = project
        self._facts = {facts.path: facts for facts in project.loaded.python}
        roles = project.loaded.roles
        reviewed = [f.path for f in project.tree.files if roles.get(f.path, f.role).value in _REVIEWED]
        self._paths = {path for path in reviewed if not is_secret(path)}
        self._texts: dict[str, _Text | None] = {}

    def places(self, claims: Sequence[Claimed]) -> tuple[Location, ...]:
        """Where the quotes stand; empty when any of them stands nowhere or holds no code."""
        found = [self.place(claim) for claim in claims]
        return tuple(place for place in found if place is not None) if all(found) else ()

    def place(self, claim: Claimed) -> Location | None:
        """Where a quote stands: at its line, or at the only other place in the file where the same text is."""
        path = posixpath.normpath(claim.path)
        text = self._text(path)
        wanted = [_plain(line) for line in claim.quote.strip().splitlines()]
        if text is None or len("".join(wanted)) < _SHORTEST:
            return None
        starts = [n for n in range(1, len(text.lines) + 1) if _stands(wanted, text.lines, n)]
        start = claim.line if claim.line in starts else starts[0] if len(starts) == 1 else None
        if start is None:
            return None
        end = start + len(wanted) - 1
        if not any(number in text.code for number in range(start, end + 1)):
            return None
        return Location(path, start, end, function=self.function_at(path, start))

    def function_at(self, path: str, line: int) -> str:
        """The qualified name of the innermost function or class around a line."""
        facts = self._facts.get(path)
        inside = (
            [s for s in facts.scopes if s.kind in ("function", "class") and s.line <= line <= s.end_line]
            if facts
            else []
        )
        return max(inside, key=lambda scope: scope.line).qualname if inside else "<module>"

    def _text(self, path: str) -> _Text | None:
        if path not in self._texts:
            self._texts[path] = self._read(path)
        return self._texts[path]

    def _read(self, path: str) -> _Text | None:
        if path not in self._paths:
            return None
        try:
            lines = self._project.read(path).decode("utf-8", "backslashreplace").splitlines()
        except (UnreadableError, KeyError):
            return None
        facts = self._facts.get(path)
        rows = enumerate(lines, 1)
        said = {n for n, line in rows if line.strip() and not line.lstrip().startswith(("#", "--", "//"))}
        code = said & set(_code_lines(facts)) if facts is not None else said
        return _Text(tuple(_plain(line) for line in lines), frozenset(code))


def _plain(line: str) -> str:
    return " ".join(line.split())


def _stands(wanted: Sequence[str], lines: Sequence[str], start: int) -> bool:
    """Tell whether each line of the quote is part of its line of the file; those in the middle must be all of it."""
    here = lines[start - 1 : start - 1 + len(wanted)]
    if len(here) < len(wanted):
        return False
    if len(wanted) == 1:
        return wanted[0] in here[0]
    whole = all(a == b for a, b in zip(wanted[1:-1], here[1:-1], strict=True))
    return whole and here[0].endswith(wanted[0]) and here[-1].startswith(wanted[-1])


def _code_lines(facts: FileFacts) -> Iterator[int]:
    """Lines on which code stands, as far as facts tell: a docstring or a comment is none."""
    for scope in facts.scopes:
        yield from _of_scope(scope)


def _of_scope(scope: Scope) -> Iterator[int]:
    if scope.kind != "module":
        yield from (scope.line, *scope.decorator_lines)
    yield from (region.line for region in scope.regions[1:])
    spans = [(c.line, c.end_line) for c in scope.calls] + [(a.line, a.end_line) for a in scope.assigns]
    for first, last in spans:
        yield from range(first, last + 1)
    yield from (leave.line for leave in scope.leaves)
    yield from (test.line for test in scope.tests)
    yield from (one.line for one in scope.imports)
