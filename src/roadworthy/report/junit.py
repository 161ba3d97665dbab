"""The JUnit report: a suite for each pillar, a failed case for each finding, a passed one for each quiet rule."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

from roadworthy.report.clean import one_line, place
from roadworthy.report.markup import plain, plain_text
from roadworthy.report.order import by_pillar, problems
from roadworthy.report.tool import NAME

if TYPE_CHECKING:
    from roadworthy.findings.finding import Finding, Pillar, Review


def render(review: Review) -> str:
    """Write the whole review as JUnit XML."""
    suites = [_pillar(review, pillar, findings) for pillar, findings in by_pillar(review)]
    if review.problems:
        suites.append(_unread(review))
    root = ElementTree.Element("testsuites", {"name": NAME, **_sums(suites)})
    root.extend(suites)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _pillar(review: Review, pillar: Pillar, findings: tuple[Finding, ...]) -> ElementTree.Element:
    cases = [_case(finding) for finding in findings]
    failed = {finding.rule for finding in findings}
    quiet = sorted(rule.id for rule in review.rules if rule.pillar is pillar and rule.id not in failed)
    if not review.complete:
        quiet = []  # what was not read cannot have passed
    if not cases and not quiet:
        quiet = ["No violations found."]  # some readers take a suite without cases for a failure
    for name in quiet:
        case = {"classname": f"{NAME}.{pillar.value}", "name": one_line(name), "time": "0"}
        cases.append(ElementTree.Element("testcase", case))
    return _suite(pillar.value, cases, failures=len(findings))


def _case(finding: Finding) -> ElementTree.Element:
    at = finding.at
    where = place(at.path, at.line)
    case = ElementTree.Element(
        "testcase",
        {
            "classname": f"{NAME}.{finding.pillar.value}.{one_line(finding.rule)}",
            "name": f"{where} {plain(finding.title)}",
            "file": place(at.path),
            "line": str(at.line),
            "time": "0",
        },
    )
    kind = {"type": finding.severity.value, "message": plain(finding.title)}
    failure = ElementTree.SubElement(case, "failure", kind)
    failure.text = _text(finding)
    return case


def _text(finding: Finding) -> str:
    lines = [
        f"[{finding.severity.value}] {plain(finding.title)}",
        f"File: {place(finding.at.path, finding.at.line)}",
        f"Issue: {plain(finding.issue)}",
        f"Impact: {plain(finding.impact)}",
        f"Fix: {plain_text(finding.fix)}".rstrip(),
    ]
    lines += [
        f"Path: {place(step.path, step.line)} {one_line(step.function)} {plain(step.note)}".rstrip()
        for step in finding.steps
    ]
    lines += [f"Also at: {place(other.path, other.line)} {plain(other.note)}".rstrip() for other in finding.related]
    return "\n".join(lines)


def _unread(review: Review) -> ElementTree.Element:
    cases = []
    for path, line, message in problems(review):
        case = ElementTree.Element("testcase", {"classname": f"{NAME}.review", "name": place(path, line), "time": "0"})
        ElementTree.SubElement(case, "error", {"type": "not-reviewed", "message": plain(message)})
        cases.append(case)
    return _suite("not reviewed", cases, errors=len(cases))


def _suite(name: str, cases: list[ElementTree.Element], failures: int = 0, errors: int = 0) -> ElementTree.Element:
    counts = {"tests": str(len(cases)), "failures": str(failures), "errors": str(errors), "skipped": "0", "time": "0"}
    suite = ElementTree.Element("testsuite", {"name": name, **counts})
    suite.extend(cases)
    return suite


def _sums(suites: list[ElementTree.Element]) -> dict[str, str]:
    return {key: str(sum(int(suite.get(key, "0")) for suite in suites)) for key in ("tests", "failures", "errors")} | {
        "time": "0"
    }
