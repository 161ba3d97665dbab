"""Markdown has the mission's shape, and a parser sees in it only what we meant."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from markdown_it import MarkdownIt

from report.sample import CREATED, EMPTY, NASTY, REVIEW, many
from roadworthy.report import render
from roadworthy.report.markdown import inline

if TYPE_CHECKING:
    from roadworthy.findings.finding import Review

PILLARS = ["Resilience", "Idempotency", "Durability"]
LABELS = {
    "Total",
    "Read first",
    "File",
    "Issue",
    "Impact",
    "Fix",
    "Path",
    "Also at",
    "Not reviewed",
    "Held back",
    "Note",
}


def check_structure(review: Review) -> None:
    """What CommonMark makes of the report: our headings and labels, no links, images, HTML or emphasis of others."""
    tokens = MarkdownIt("commonmark").enable("table").parse(render(review, "markdown"))
    headings: list[tuple[str, str]] = []
    strong: list[str] = []
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            headings.append((token.tag, tokens[number + 1].content))
        assert token.type != "html_block", token.content
        for index, child in enumerate(token.children or ()):
            assert child.type not in {"html_inline", "link_open", "image", "em_open", "s_open"}, token.content
            if child.type == "strong_open":
                strong.append((token.children or ())[index + 1].content)
    assert [title for tag, title in headings if tag == "h2"] == PILLARS
    titles = [title for tag, title in headings if tag == "h3"]
    assert len(titles) == len(review.findings)
    assert all(re.match(r"\[Severity: (HIGH|MEDIUM|LOW)\] ?", title) for title in titles)
    assert [title for tag, title in headings if tag not in {"h2", "h3"}] == ["Roadworthiness review"]
    kinds = [token.type for token in tokens]
    assert kinds.count("table_open") == 1
    assert kinds.count("hr") <= 1
    assert {"blockquote_open", "code_block"} & set(kinds) == set()
    depths = [token.level for token in tokens if token.type.endswith("list_open")]
    assert set(depths) <= {0}, "a list inside of a list"
    assert set(strong) <= LABELS


@pytest.mark.parametrize("review", [REVIEW, EMPTY, many(30)], ids=["sample", "empty", "many"])
def test_structure(review: Review) -> None:
    check_structure(review)


def test_the_shape_of_the_mission() -> None:
    text = render(REVIEW, "markdown")
    shape = (
        r"## Resilience\n\n### \[Severity: HIGH\] [^\n]+\n\*\*File\*\*: `app/clients/billing\.py:12`\n"
        r"\*\*Issue\*\*: [^\n]+\n\*\*Impact\*\*: [^\n]+\n\*\*Fix\*\*: [^\n]+\n"
    )
    assert re.search(shape, text)
    assert text.index("## Resilience") < text.index("## Idempotency") < text.index("## Durability")
    assert "## Durability\n\nNo violations found.\n" in text


def test_the_summary_is_above_and_the_remainder_below() -> None:
    text = render(REVIEW, "markdown")
    above, below = text.split("\n## Resilience\n")[0], text.split("\n## Durability\n")[1]
    assert "| Resilience | 1 | 1 | 0 | 2 |" in above
    assert len(re.findall(r"^\d\. (HIGH|MEDIUM|LOW) ", above, re.MULTILINE)) == 4
    assert "**Not reviewed**" in below
    assert "**Held back**: 5 findings (4 low confidence, 1 suppressed inline)." in below


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a `x|y` b", "a `x|y` b"),
        ("call `f()` of @app.task", "call `f()` of `@app.task`"),
        ("one_two and dict[str, int]", "one_two and dict[str, int]"),
        ("5 * 3 * 2", "5 * 3 * 2"),
        ("**kwargs", "\\*\\*kwargs"),
        ("_lock", "\\_lock"),
        ("**both**", "\\*\\*both\\*\\*"),
        ("__init__", "\\_\\_init\\_\\_"),
        ("a ` b", "a \\` b"),
        ("<b>", "\\<b>"),
        ("[x](y)", "[x]\\(y)"),
        ("c:\\dir", "c:\\dir"),
        ("\\[", "\\\\["),
        ("&amp;", "\\&amp;"),
        ("R&D", "R&D"),
    ],
)
def test_inline(text: str, expected: str) -> None:
    assert inline(text) == expected


def test_a_fix_without_text_keeps_its_label() -> None:
    assert "**Fix**:\n" in render(replace(EMPTY, findings=(CREATED,)), "markdown")


def test_forged_structure_in_a_fix_stays_text() -> None:
    forged = "text\n---\n\n# head\n\n> quote\n\n| a | b |\n|---|---|\n\n- item\n- # no head\n1. one\n\n    indented\n\n[x]: http://evil.test\n\n===\n"
    review = replace(EMPTY, findings=(replace(CREATED, fix=forged), replace(CREATED, fix="```\n" + NASTY)))
    check_structure(review)
