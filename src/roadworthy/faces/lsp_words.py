"""Findings in the words of the Language Server Protocol: diagnostics, hover texts, code actions. Asks nobody, keeps nothing."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lsprotocol import types

from roadworthy.findings.answering import suppression
from roadworthy.findings.finding import Finding, Problem, RuleInfo, Severity
from roadworthy.report.markdown import head_lines, inline, tail_lines
from roadworthy.report.markup import plain
from roadworthy.rules.registry import page_of

SOURCE = "roadworthy"
NOT_REVIEWED = "not-reviewed"

_SEVERITIES = {
    Severity.HIGH: types.DiagnosticSeverity.Error,
    Severity.MEDIUM: types.DiagnosticSeverity.Warning,
    Severity.LOW: types.DiagnosticSeverity.Information,
}
_LINE_END = re.compile(r"\r\n|\n|\r")


def split_lines(text: str) -> list[str]:
    """Lines as the protocol counts them; `str.splitlines` knows more line ends."""
    return _LINE_END.split(text)


@dataclass(frozen=True, slots=True)
class Ground:
    """What positions and links are made from."""

    uri: Callable[[str], str]  # of a path of the project
    lines: Callable[[str], Sequence[str]]  # of a path, as the editor has it; none when it cannot be read
    units: Callable[[str], int]  # length of a text in the units that client and server agreed on
    rules: Mapping[str, RuleInfo]
    relates: bool  # the client shows related locations


def diagnostic(finding: Finding, ground: Ground) -> types.Diagnostic:
    """A finding where it lies, with its path and related places."""
    title = plain(finding.title)
    if not finding.title.startswith("`"):
        title = title[:1].upper() + title[1:]
    at = finding.at
    info = ground.rules.get(finding.rule)
    return types.Diagnostic(
        range=_range(at.path, at.line, at.column, ground),
        message=f"{title}\n{plain(finding.impact)}",
        severity=_SEVERITIES[finding.severity],
        code=finding.rule,
        code_description=types.CodeDescription(page_of(info).as_uri()) if info is not None else None,
        source=SOURCE,
        related_information=list(_related(finding, ground)) if ground.relates else None,
        data=finding.fingerprint,
    )


def unread(problem: Problem, ground: Ground) -> types.Diagnostic:
    """Something that was not reviewed: silence there means nothing."""
    return types.Diagnostic(
        range=_range(problem.path, max(problem.line, 1), 0, ground),
        message=f"Not reviewed: {plain(problem.message)}",
        severity=types.DiagnosticSeverity.Information,
        code=NOT_REVIEWED,
        source=SOURCE,
    )


def hover(findings: Sequence[Finding]) -> types.Hover | None:
    """Everything that the findings of one line say: issue, impact, fix, path."""
    texts = [_told(finding) for finding in findings]
    if not texts:
        return None
    return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, "\n\n---\n\n".join(texts)))


def actions(findings: Iterable[Finding], ground: Ground) -> list[types.CodeAction]:
    """For each finding the comment that suppresses it. It takes effect once somebody has written why."""
    found = []
    for finding in findings:
        at = finding.at
        lines = ground.lines(at.path)
        put = suppression(at.path, lines, at.line, finding.rule)
        if put is None:
            continue
        place = types.Position(put.line - 1, ground.units(lines[put.line - 1][: put.column]))
        edit = types.TextEdit(types.Range(place, place), put.text)
        how = "the reason there answers for it, too" if put.joins else "write the reason after it"
        found.append(
            types.CodeAction(
                title=f"Suppress {finding.rule} here ({how})",
                kind=types.CodeActionKind.QuickFix,
                diagnostics=[diagnostic(finding, ground)],
                edit=types.WorkspaceEdit(changes={ground.uri(at.path): [edit]}),
            )
        )
    return found


def on_lines(findings: Iterable[Finding], path: str, first: int, last: int) -> list[Finding]:
    """The findings that touch these lines (1-based) of a file."""
    return [f for f in findings if f.at.path == path and f.at.line <= last and first <= max(f.at.line, f.at.end_line)]


def _told(finding: Finding) -> str:
    head = (
        f"**{finding.severity.value}: {inline(finding.title)}** ({finding.rule}, {finding.confidence.value} confidence)"
    )
    return "\n\n".join((head, *head_lines(finding)[1:])) + "\n\n" + "\n".join(tail_lines(finding)).rstrip()


def _related(finding: Finding, ground: Ground) -> Iterable[types.DiagnosticRelatedInformation]:
    for number, step in enumerate(finding.steps, 1):
        note = f"{number}. {step.function}" + (f": {plain(step.note)}" if step.note else "")
        yield _information(step.path, step.line, note, ground)
    for place in finding.related:
        yield _information(place.path, place.line, plain(place.note) or "Also here", ground)


def _information(path: str, line: int, note: str, ground: Ground) -> types.DiagnosticRelatedInformation:
    return types.DiagnosticRelatedInformation(types.Location(ground.uri(path), _range(path, line, 0, ground)), note)


def _range(path: str, line: int, column: int, ground: Ground) -> types.Range:
    """From the place (line 1-based, column in characters) to the end of its line; without a column from the first character."""
    lines = ground.lines(path)
    number = max(line, 1) - 1
    text = lines[number] if number < len(lines) else ""
    before = text[:column]
    if not before.strip():
        before = text[: len(text) - len(text.lstrip())]
    start, end = ground.units(before), ground.units(text.rstrip())
    return types.Range(types.Position(number, start), types.Position(number, max(start, end)))
