"""The SARIF 2.1.0 report, for code scanning and editors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from roadworthy.findings.finding import Finding, Review, RuleInfo, Severity
from roadworthy.report.clean import one_line, visible
from roadworthy.report.json import Json, dump
from roadworthy.report.markdown import head_lines, inline, tail_lines
from roadworthy.report.markup import plain, plain_text
from roadworthy.report.order import ordered, place_key, problems
from roadworthy.report.tool import INFORMATION, NAME, VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "roadworthy/v1"
_ROOT = "%SRCROOT%"
_LEVEL = {Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note"}
_PLACEHOLDER = re.compile(r"\{(\d+)\}")


def render(review: Review) -> str:
    """Write the whole review as one SARIF log with one run."""
    findings = ordered(review)
    held = sorted(review.suppressed, key=lambda one: (place_key(one[0]), one[1]))
    rules = _rules(review.rules, (*findings, *(finding for finding, _ in held)))
    index = {rule.id: number for number, rule in enumerate(rules)}
    results = [_result(finding, index[finding.rule]) for finding in findings]
    if held:  # the standard wants the key at every result or at none
        results = [result | {"suppressions": []} for result in results]
    results += [_result(finding, index[finding.rule]) | {"suppressions": [{"kind": kind}]} for finding, kind in held]
    run: dict[str, Json] = {
        "tool": {"driver": _driver(rules)},
        "invocations": [_invocation(review)],
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the reviewed tree."}}},
        "columnKind": "unicodeCodePoints",
        "results": [*results],
        "properties": {
            "files": review.files,
            "lines": review.lines,
            "heldBack": {one_line(reason): review.held_back[reason] for reason in sorted(review.held_back)},
        },
    }
    return dump({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def uri(path: str) -> str:
    """Write a path as a relative URI reference; bytes that were not UTF-8 come out as they are on the disk."""
    raw = b"".join(_bytes(character) for character in path)
    return ("file://" if path.startswith("/") else "") + quote(raw, safe="/")


def _bytes(character: str) -> bytes:
    try:
        return character.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a surrogate pair: no file system gives it
        return b"\xef\xbf\xbd"


def _rules(known: Iterable[RuleInfo], findings: Iterable[Finding]) -> tuple[RuleInfo, ...]:
    """Return the rules by id; one that only a finding names (an agent's) is described by that finding."""
    rules = {rule.id: rule for rule in known}
    for finding in findings:
        words = f"Anti-pattern: {finding.anti_pattern}."
        rules.setdefault(finding.rule, RuleInfo(finding.rule, finding.anti_pattern, finding.pillar, words, words))
    return tuple(rules[name] for name in sorted(rules))


def _driver(rules: tuple[RuleInfo, ...]) -> Json:
    return {
        "name": NAME,
        "version": VERSION,
        "semanticVersion": VERSION,
        "informationUri": INFORMATION,
        "rules": [_descriptor(rule) for rule in rules],
    }


def _descriptor(rule: RuleInfo) -> Json:
    doc = visible(rule.doc).strip() or rule.summary
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in re.split(r"[^A-Za-z0-9]+", rule.id)) or "Rule",
        "shortDescription": {"text": _sentence(plain(rule.summary))},
        "fullDescription": {"text": _sentence(plain(doc.split("\n\n")[0]))},
        "help": {"text": _literal(plain_text(doc)), "markdown": doc},
        "properties": {
            "tags": [rule.pillar.value, rule.anti_pattern],
            "pillar": rule.pillar.value,
            "antiPattern": rule.anti_pattern,
            "since": rule.since,
        },
    }


def _result(finding: Finding, index: int) -> dict[str, Json]:
    at = finding.at
    result: dict[str, Json] = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "kind": "fail",
        "level": _LEVEL[finding.severity],
        "message": _message(finding),
        "locations": [_location(at.path, at.line, at.end_line, at.column, at.function)],
        "properties": {
            "severity": finding.severity.value,
            "confidence": finding.confidence.value,
            "pillar": finding.pillar.value,
            "antiPattern": finding.anti_pattern,
            "origin": finding.origin,
        },
    }
    if finding.introduced is not None:
        result["provenance"] = {"firstDetectionTimeUtc": f"{finding.introduced.date}T00:00:00Z"}
        properties = result["properties"]
        assert isinstance(properties, dict)
        properties["introducedBy"] = finding.introduced.commit
    if finding.fingerprint:
        result["partialFingerprints"] = {FINGERPRINT: finding.fingerprint}
    if finding.related:
        result["relatedLocations"] = [
            _numbered(number)
            | _location(
                place.path, place.line, place.end_line, place.column, place.function, place.note or "Also here."
            )
            for number, place in enumerate(finding.related, 1)
        ]
    if finding.steps:
        result["codeFlows"] = [{"threadFlows": [{"locations": _flow(finding)}]}]
    return result


def _flow(finding: Finding) -> list[Json]:
    last = len(finding.steps) - 1
    return [
        {
            "location": _location(step.path, step.line, step.line, -1, step.function, step.note or step.function),
            "importance": "essential" if number in (0, last) else "important",
        }
        for number, step in enumerate(finding.steps)
    ]


def _message(finding: Finding) -> Json:
    title = plain(finding.title)
    if not finding.title.startswith("`"):  # a name in the code keeps its spelling
        title = title[:1].upper() + title[1:]
    text = "\n".join(_sentence(part) for part in (title, plain(finding.issue), f"Impact: {plain(finding.impact)}"))
    fix = plain_text(finding.fix)
    markdown = [f"**{inline(finding.title)}**", *head_lines(finding)[1:], *tail_lines(finding)]
    return {
        "text": text + (f"\nFix: {_sentence(_literal(fix))}" if fix else ""),
        "markdown": "\n\n".join(markdown[:3]) + "\n\n" + "\n".join(markdown[3:]).rstrip(),
    }


def _location(
    path: str, line: int, end_line: int, column: int = -1, function: str = "", note: str = ""
) -> dict[str, Json]:
    artifact: dict[str, Json] = {"uri": uri(path)}
    if not path.startswith("/"):
        artifact["uriBaseId"] = _ROOT
    physical: dict[str, Json] = {"artifactLocation": artifact}
    if line > 0:
        region: dict[str, Json] = {"startLine": line}
        if column >= 0:
            region["startColumn"] = column + 1
        physical["region"] = region | {"endLine": max(line, end_line)}
    location: dict[str, Json] = {"physicalLocation": physical}
    if function and function != "<module>":
        location["logicalLocations"] = [{"fullyQualifiedName": one_line(function), "kind": "function"}]
    if note:
        location["message"] = {"text": _sentence(plain(note))}
    return location


def _numbered(number: int) -> dict[str, Json]:
    return {"id": number}


def _invocation(review: Review) -> Json:
    notices: list[Json] = []
    for path, line, message in problems(review):
        notice: dict[str, Json] = {"level": "error", "message": {"text": _sentence(plain(message))}}
        if path:
            notice["locations"] = [_location(path, line, line)]
        notices.append(notice)
    notices.extend({"level": "note", "message": {"text": _sentence(plain(note))}} for note in review.notes)
    return {"executionSuccessful": review.complete, "toolExecutionNotifications": notices}


def _literal(text: str) -> str:
    """Keep a viewer from taking the text for an embedded link or a placeholder."""
    return _PLACEHOLDER.sub(r"{{\1}}", text.replace("](", "] ("))


def _sentence(text: str) -> str:
    text = _literal(text)
    return text if text.endswith((".", "!", "?", ":", "`", "…")) else text + "."
