"""The JSON report keeps the contract that other programs rely on."""

from __future__ import annotations

import json

import pytest

from report.sample import EMPTY, NASTY, REVIEW
from roadworthy.report import render

FINDING_KEYS = [
    "rule", "anti_pattern", "pillar", "severity", "confidence", "path", "line", "end_line", "column", "function",
    "title", "issue", "impact", "fix", "fingerprint", "origin", "related", "steps",
]  # fmt: skip


@pytest.mark.parametrize("review", [REVIEW, EMPTY], ids=["sample", "empty"])
def test_the_keys_of_the_document(review: object) -> None:
    document = json.loads(render(review, "json"))  # type: ignore[arg-type]
    expected = ["schema_version", "tool", "root", "summary", "findings", "held_back", "errors", "notes"]
    assert list(document) == expected
    assert document["schema_version"] == 1
    assert document["tool"] == {"name": "roadworthy", "version": "0.1.0"}
    assert document["root"] == "."


def test_the_keys_of_a_finding() -> None:
    findings = json.loads(render(REVIEW, "json"))["findings"]
    assert [list(finding) for finding in findings] == [FINDING_KEYS] * 4
    assert [finding["severity"] for finding in findings] == ["HIGH", "MEDIUM", "HIGH", "LOW"]
    assert [finding["pillar"] for finding in findings] == ["resilience"] * 2 + ["idempotency"] * 2
    assert [finding["confidence"] for finding in findings] == ["high", "medium", "low", "high"]


def test_related_places_have_an_end_only_where_they_span_lines() -> None:
    first = json.loads(render(REVIEW, "json"))["findings"][0]
    assert first["related"] == [
        {"path": "app/clients/billing.py", "line": 31, "end_line": 36, "note": "sends the charge"},
        {"path": "app/clients/billing.py", "line": 44, "note": "sends the refund"},
    ]
    assert list(first["steps"][0]) == ["path", "line", "function", "note"]


def test_what_was_not_shown_or_read() -> None:
    document = json.loads(render(REVIEW, "json"))
    assert document["held_back"] == {"baseline": 0, "low confidence": 4, "suppressed inline": 1}
    assert [list(error) for error in document["errors"]] == [["path", "line", "message"]] * 2
    assert document["summary"]["complete"] is False
    assert document["summary"]["by_severity"] == {"HIGH": 2, "MEDIUM": 1, "LOW": 1}


def test_text_survives_but_for_bytes_that_were_no_text() -> None:
    nasty = json.loads(render(REVIEW, "json"))["findings"][2]
    assert nasty["title"] == NASTY.replace("\udcff", "\\xff")
    assert nasty["path"] == "app/we`ird|<name>\\xe9 %,:\n.py"


def test_the_text_is_safe_to_print() -> None:
    text = render(REVIEW, "json")
    assert [c for c in text if not c.isprintable() and c != "\n"] == []
