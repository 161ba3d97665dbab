"""The code quality report that GitLab shows in merge requests."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from roadworthy.findings.finding import Finding, Review, Severity
from roadworthy.report.clean import place
from roadworthy.report.json import Json, dump
from roadworthy.report.markdown import head_lines, tail_lines
from roadworthy.report.markup import plain
from roadworthy.report.order import ordered, problems

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEVERITY = {Severity.HIGH: "critical", Severity.MEDIUM: "major", Severity.LOW: "minor"}


def render(review: Review) -> str:
    """Write one JSON array with an issue for each finding and for each place that was not reviewed."""
    seen: set[str] = set()
    return dump([*(_issue(finding, seen) for finding in ordered(review)), *_unread(review, seen)])


def _issue(finding: Finding, seen: set[str]) -> Json:
    at = finding.at
    lines: dict[str, Json] = {"begin": max(at.line, 1), "end": max(at.line, at.end_line, 1)}
    return {
        "type": "issue",
        "check_name": finding.rule,
        "description": f"{plain(finding.title)}: {plain(finding.issue)}",
        "content": {"body": "\n\n".join(head_lines(finding)) + "\n\n" + "\n".join(tail_lines(finding)).rstrip()},
        "categories": ["Bug Risk"],
        "severity": _SEVERITY[finding.severity],
        "fingerprint": _unique(finding.fingerprint, (finding.rule, at.path, at.function, finding.title), seen),
        "location": {"path": place(at.path), "lines": lines},
    }


def _unread(review: Review, seen: set[str]) -> Iterator[Json]:
    for path, line, message in problems(review):
        yield {
            "type": "issue",
            "check_name": "not-reviewed",
            "description": f"not reviewed: {plain(message)}",
            "categories": ["Bug Risk"],
            "severity": "info",
            "fingerprint": _unique("", ("not-reviewed", path, message), seen),
            "location": {"path": place(path) or ".", "lines": {"begin": max(line, 1)}},
        }


def _unique(fingerprint: str, parts: tuple[str, ...], seen: set[str]) -> str:
    """Return the fingerprint, or one made of the parts where it is missing or taken: GitLab drops a second of the same."""
    ordinal = 0
    while not fingerprint or fingerprint in seen:
        text = "\0".join((*parts, str(ordinal)))
        fingerprint = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        ordinal += 1
    seen.add(fingerprint)
    return fingerprint
