"""GitHub, GitLab and JUnit: what their readers require."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

from report.sample import EMPTY, NASTY_FINDING, REVIEW, RULES, TIMEOUT, many
from roadworthy.report import render

COMMAND = re.compile(r"::(error|warning|notice) ((?:[a-zA-Z]+=[^,:]*,?)+)::(.*)")


def decoded(text: str) -> str:
    for code, character in (("%2C", ","), ("%3A", ":"), ("%0A", "\n"), ("%0D", "\r"), ("%25", "%")):
        text = text.replace(code, character)
    return text


def test_github_annotations_are_one_line_each_and_decode_to_what_was_meant() -> None:
    *commands, sums, held = render(REVIEW, "github").splitlines()
    assert sums == "4 findings: 2 HIGH, 1 MEDIUM, 1 LOW in 120 files (35,210 lines)."
    assert held == "Held back: 5 findings (4 low confidence, 1 suppressed inline)."
    matches = [COMMAND.fullmatch(command) for command in commands]
    assert None not in matches
    kinds = [match[1] for match in matches if match]
    assert kinds == ["warning", "warning", "error", "error", "warning", "notice"]
    nasty = matches[3]
    assert nasty
    properties = dict(pair.split("=", 1) for pair in nasty[2].split(","))
    assert decoded(properties["file"]) == "app/we`ird|<name>\\xe9 %,:\n.py"
    assert list(properties) == ["file", "line", "endLine", "title"]
    assert decoded(properties["title"]).startswith("Idempotency: x | <script>")
    assert "\nImpact: " in decoded(nasty[3])


def test_github_columns_only_where_the_annotation_stays_on_one_line() -> None:
    text = render(replace(EMPTY, findings=(replace(TIMEOUT, at=replace(TIMEOUT.at, end_line=12)),)), "github")
    assert ",col=16," in text
    assert "endLine" not in text


def test_a_github_summary_stays_under_the_limit_and_counts_what_it_leaves_out() -> None:
    big = replace(TIMEOUT, impact="many words " * 2000)
    review = replace(EMPTY, findings=tuple(replace(big, fingerprint=str(n)) for n in range(60)))
    text = render(review, "github-summary")
    assert 800_000 < len(text.encode()) < 1_000_000
    left_out = re.search(r"\*\*(\d+) findings more\*\* did not fit", text)
    assert left_out
    assert int(left_out[1]) == 60 - text.count("<details>") > 0


def test_gitlab_has_what_gitlab_requires() -> None:
    issues = json.loads(render(REVIEW, "gitlab"))
    assert len(issues) == 6
    for issue in issues:
        assert {"description", "check_name", "fingerprint", "severity", "location"} <= set(issue)
        assert issue["severity"] in {"info", "minor", "major", "critical", "blocker"}
        assert issue["location"]["lines"]["begin"] >= 1
        assert not issue["location"]["path"].startswith("./")


def test_gitlab_fingerprints_are_unique_and_stable() -> None:
    same = replace(TIMEOUT, fingerprint="")
    review = replace(REVIEW, findings=(same, replace(same, at=replace(same.at, line=99)), TIMEOUT, NASTY_FINDING))
    prints = [issue["fingerprint"] for issue in json.loads(render(review, "gitlab"))]
    assert len(set(prints)) == len(prints) == 6
    assert prints == [issue["fingerprint"] for issue in json.loads(render(review, "gitlab"))]


def test_junit_counts_agree() -> None:
    root = ElementTree.fromstring(render(REVIEW, "junit"))
    suites = root.findall("testsuite")
    assert [suite.get("name") for suite in suites] == ["resilience", "idempotency", "durability", "not reviewed"]
    for suite in suites:
        assert int(suite.get("tests", "")) == len(suite.findall("testcase"))
        assert int(suite.get("failures", "")) == len(suite.findall("testcase/failure"))
        assert int(suite.get("errors", "")) == len(suite.findall("testcase/error"))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("7", "4", "2")


def test_junit_passes_quiet_rules_only_in_a_complete_review() -> None:
    def passed(review: object) -> list[str | None]:
        root = ElementTree.fromstring(render(review, "junit"))  # type: ignore[arg-type]
        return [case.get("name") for case in root.iter("testcase") if not len(case)]

    quiet = replace(EMPTY, findings=(TIMEOUT,), rules=RULES)
    assert passed(quiet) == ["random-key", "No violations found."]
    assert passed(replace(quiet, problems=REVIEW.problems)) == ["No violations found.", "No violations found."]
    assert len(passed(many(0))) == 3
