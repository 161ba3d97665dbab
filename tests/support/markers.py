"""Markers: comments of a case that say what is expected on their line. Reads them and takes them out of the source.

They are taken out so that the tool never sees them: a rule may read comments, and `# finding: …` must not explain an empty handler.
"""

from __future__ import annotations

import io
import re
import tokenize
from dataclasses import dataclass

RULE_KINDS = ("finding", "missed", "false-alarm")
STAGE_KINDS = ("calls", "effect", "guard", "entry")
KINDS = (*RULE_KINDS, *STAGE_KINDS, "problem")
SEVERITIES = ("HIGH", "MEDIUM", "LOW")

_START = re.compile(rf"(?:#|--)\s*({'|'.join(KINDS)}):")
_TYPO = re.compile(
    r"(?:#|--)\s*(findings?|finds|miss(?:es|ing|ed)?|false[ _-]?alarms?|false[ _-]?positives?|calls?|effects?|guards?|entry|entries|problems?)\s*:",
    re.IGNORECASE,
)
_RULE = re.compile(r'([a-z][a-z0-9-]*)(?:\s+(HIGH|MEDIUM|LOW))?(?:\s+"([^"]+)")?')
_PROBLEM = re.compile(r'"([^"]+)"')
_WORDS = re.compile(r"[\w.:<>*-]+(?:\s*,\s*[\w.:<>*-]+)*")


_EMPTY_COMMENT = {
    "py": "",
    "sql": "--",
}  # what stands for a line that held nothing but markers: not empty where that would end a statement


class MarkerError(ValueError):
    """A marker that cannot be read; the test file is wrong, not the tool."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Marker:
    """One expectation: a finding of rule `word`, or a stage's `word`, at `line` of `path`."""

    kind: str
    word: str
    path: str
    line: int
    text: str = ""
    severity: str = ""

    def __str__(self) -> str:
        parts = [self.word, self.severity, f'"{self.text}"' if self.text else ""]
        return " ".join(part for part in parts if part)


def take_markers(path: str, source: str) -> tuple[str, tuple[Marker, ...]]:
    """The source without its markers, and the markers. Lines keep their numbers."""
    lines = source.split("\n")
    markers: list[Marker] = []
    for line, column in _comments(path, source):
        text = lines[line - 1]
        start = _first_marker(text, column, line)
        if start is None:
            continue
        kept = text[:start].rstrip()
        target = _next_line_with_content(lines, line) if _is_bare(kept) else line
        markers += _parse(text[start:], path, line, target)
        lines[line - 1] = kept or _EMPTY_COMMENT.get(path.rpartition(".")[2], "#")
    return "\n".join(lines), tuple(markers)


def _first_marker(text: str, column: int, line: int) -> int | None:
    match = _START.search(text, column)
    typo = _TYPO.search(text, column)
    if typo is not None and (match is None or typo.start() < match.start()):
        raise MarkerError(line, f"`{typo[1]}:` is no marker; there are {', '.join(KINDS)}")
    return match.start() if match else None


def _comments(path: str, source: str) -> list[tuple[int, int]]:
    """Line and column of each comment, last line first so that stand-alone markers above each other find their target."""
    found: list[tuple[int, int]] = []
    if path.endswith(".py"):
        try:
            tokens = tokenize.generate_tokens(io.StringIO(source).readline)
            return [token.start for token in tokens if token.type == tokenize.COMMENT][::-1]
        except (tokenize.TokenError, SyntaxError):
            pass  # a case about a broken file: search it as text
    for number, line in enumerate(source.split("\n"), 1):
        if match := _START.search(line) or _TYPO.search(line):
            found.append((number, match.start()))
    return found[::-1]


def _next_line_with_content(lines: list[str], line: int) -> int:
    """A marker that stands alone speaks of the next line that holds more than a comment."""
    for number in range(line + 1, len(lines) + 1):
        if not _is_bare(lines[number - 1]):
            return number
    raise MarkerError(line, "nothing follows this marker")


def _is_bare(line: str) -> bool:
    """Nothing but space and perhaps a comment."""
    return not line.strip() or line.lstrip().startswith(("#", "--"))


def _parse(comment: str, path: str, line: int, target: int) -> list[Marker]:
    starts = list(_START.finditer(comment))
    ends = [match.start() for match in starts[1:]] + [len(comment)]
    markers: list[Marker] = []
    for match, end in zip(starts, ends, strict=True):
        body = comment[match.end() : end].strip()
        markers += _markers(match[1], body, path, target, line)
    return markers


def _markers(kind: str, body: str, path: str, target: int, line: int) -> list[Marker]:
    if kind in RULE_KINDS and (rule := _RULE.fullmatch(body)):
        return [Marker(kind, rule[1], path, target, rule[3] or "", rule[2] or "")]
    if kind == "problem" and (problem := _PROBLEM.fullmatch(body)):
        return [Marker(kind, "problem", path, target, problem[1])]
    if kind in STAGE_KINDS and _WORDS.fullmatch(body):
        return [Marker(kind, word.strip(), path, target) for word in body.split(",")]
    raise MarkerError(line, f"cannot read `{kind}: {body}`")
