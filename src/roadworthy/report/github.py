"""Annotations of a GitHub workflow run: one command line for each finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.findings.finding import Finding, Review, Severity
from roadworthy.report.clean import one_line, place, shorten, visible
from roadworthy.report.markup import plain, plain_text
from roadworthy.report.order import counts_line, foremost, held_back_line, problems

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMMAND = {Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "notice"}


def render(review: Review) -> str:
    """Write the annotations, what matters most first: GitHub shows only the first ten of a kind for each step."""
    return "\n".join(_lines(review)) + "\n"


def _lines(review: Review) -> Iterator[str]:
    for path, line, message in problems(review):
        properties = {"file": path, "line": str(line) if line else "", "title": "roadworthy: not reviewed"}
        yield _command("warning", properties, one_line(message))
    for finding in foremost(review.findings, len(review.findings)):
        yield _command(_COMMAND[finding.severity], _properties(finding), _message(finding))
    yield counts_line(review)
    if held := held_back_line(review):
        yield held


def _properties(finding: Finding) -> dict[str, str]:
    at = finding.at
    properties = {"file": at.path, "line": str(at.line)}
    if at.end_line > at.line:
        properties["endLine"] = str(at.end_line)
    else:  # a column is allowed only where the annotation stays on one line
        properties["col"] = str(at.column + 1)
    return properties | {"title": shorten(f"{finding.pillar.value.capitalize()}: {plain(finding.title)}", 250)}


def _message(finding: Finding) -> str:
    parts = [plain(finding.issue), f"Impact: {plain(finding.impact)}"]
    if fix := plain_text(finding.fix):
        parts.append(f"Fix: {fix}")
    if finding.steps:
        parts.append("Path: " + " → ".join(place(step.path, step.line) for step in finding.steps))
    return "\n".join([*parts, f"({finding.rule}, {finding.confidence.value} confidence)"])


def _command(command: str, properties: dict[str, str], message: str) -> str:
    said = ",".join(f"{name}={_property(value)}" for name, value in properties.items() if value)
    return f"::{command} {said}::{_data(message)}"


def _data(text: str) -> str:
    return visible(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
