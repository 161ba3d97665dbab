"""The JSON report: the contract for other programs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from roadworthy.findings.finding import Finding, Location, Review, Severity, Step
from roadworthy.report.clean import visible
from roadworthy.report.order import by_pillar, counted, ordered, problems
from roadworthy.report.tool import NAME, SCHEMA_VERSION, VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = str | int | bool | None | list["Json"] | dict[str, "Json"]

_UNSAFE = re.compile(
    "[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff\U000e0000-\U000e007f]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")


def render(review: Review) -> str:
    """Write the whole review as one JSON document, keys and findings in a fixed order."""
    return dump(
        {
            "schema_version": SCHEMA_VERSION,
            "tool": {"name": NAME, "version": VERSION},
            "root": review.root,
            "summary": _summary(review),
            "findings": [_finding(finding) for finding in ordered(review)],
            "held_back": {reason: review.held_back[reason] for reason in sorted(review.held_back)},
            "errors": [{"path": path, "line": line, "message": message} for path, line, message in problems(review)],
            "notes": list(review.notes),
        }
    )


def dump(document: Mapping[str, Json] | list[Json]) -> str:
    """Write JSON that any parser takes and any terminal survives.

    Characters that could steer a terminal are escaped as JSON allows. A lone surrogate (a byte that was not UTF-8) has
    no place in JSON and becomes `\\xNN` in the text.
    """
    text = json.dumps(document, ensure_ascii=False, indent=2)
    text = _SURROGATE.sub(lambda match: "\\" + visible(match[0]), text)
    return _UNSAFE.sub(_escaped, text) + "\n"


def _escaped(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def _summary(review: Review) -> Json:
    return {
        "findings": len(review.findings),
        "by_severity": _counts(counted(review.findings)),
        "by_pillar": {pillar.value: _counts(counted(findings)) for pillar, findings in by_pillar(review)},
        "held_back": sum(review.held_back.values()),
        "errors": len(problems(review)),
        "files": review.files,
        "lines": review.lines,
        "complete": review.complete,
    }


def _counts(counts: dict[Severity, int]) -> Json:
    return {severity.value: counts[severity] for severity in Severity}


def _finding(finding: Finding) -> Json:
    at = finding.at
    brought = finding.introduced
    since: dict[str, Json] = {}
    if brought is not None:
        since = {
            "introduced": {
                "commit": brought.commit,
                "date": brought.date,
                "age_days": brought.age,
                "summary": brought.summary,
            }
        }
    return {
        "rule": finding.rule,
        "anti_pattern": finding.anti_pattern,
        "pillar": finding.pillar.value,
        "severity": finding.severity.value,
        "confidence": finding.confidence.value,
        "path": at.path,
        "line": at.line,
        "end_line": at.end_line,
        "column": at.column,
        "function": at.function,
        "title": finding.title,
        "issue": finding.issue,
        "impact": finding.impact,
        "fix": finding.fix,
        "fingerprint": finding.fingerprint,
        "origin": finding.origin,
        "related": [_related(place) for place in finding.related],
        "steps": [_step(step) for step in finding.steps],
        **since,
    }


def _related(place: Location) -> Json:
    entry: dict[str, Json] = {"path": place.path, "line": place.line}
    if place.end_line > place.line:
        entry["end_line"] = place.end_line
    return entry | {"note": place.note}


def _step(step: Step) -> Json:
    return {"path": step.path, "line": step.line, "function": step.function, "note": step.note}
