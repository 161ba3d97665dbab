"""Whatever stands in a finding, no format raises, breaks its own syntax or steers a terminal."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from report.test_markdown import check_structure
from report.test_sarif import SCHEMA
from roadworthy.findings.finding import (
    Audience,
    Confidence,
    Finding,
    Location,
    Pillar,
    Problem,
    Review,
    RuleInfo,
    Severity,
    Step,
)
from roadworthy.report import FORMATS, render

PIECES = (
    "`", "``", "```", "\n```\n", "~~~", "|", "||", "<b>", "</script>", "<!--", "]]>", "&amp;", "&#x41;", "\n", "\r\n", "\r",
    "\n\n", "\n# ", "\n---\n", "\n===\n", "- ", "\n1. ", "\n> ", "**", "__", "*", "_", "~~", "[a](b)", "![a](b)", "\n[a]: b\n",
    "<http://a.b>", "\\", "\\[", "%0A", "::error::", "\x1b[2J", "\x9b", "\x00", "\u202e", "\u2028", "\udcff", "\ud800",
    "@user", "{0}", "{", "a", "word ", " ", "\t", "    x", "ü", "界", "\U0001f469\u200d\U0001f4bb", "\ufffe", '"', "'", "f()",
)  # fmt: skip
TEXT = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
    st.text(st.characters(exclude_categories=()), max_size=30),
)
LINE = st.integers(0, 10**6)
LOCATION = st.builds(Location, TEXT, LINE, LINE, st.integers(0, 500), TEXT, TEXT)
FINDING = st.builds(
    Finding,
    rule=TEXT,
    anti_pattern=TEXT,
    pillar=st.sampled_from(Pillar),
    severity=st.sampled_from(Severity),
    confidence=st.sampled_from(Confidence),
    at=LOCATION,
    title=TEXT,
    issue=TEXT,
    impact=TEXT,
    fix=TEXT,
    related=st.lists(LOCATION, max_size=2).map(tuple),
    steps=st.lists(st.builds(Step, TEXT, LINE, TEXT, TEXT), max_size=3).map(tuple),
    audience=st.sampled_from(Audience),
    subject=TEXT,
    fingerprint=TEXT,
    origin=TEXT,
    weight=st.integers(0, 99),
)
REVIEWS = st.builds(
    Review,
    root=TEXT,
    findings=st.lists(FINDING, max_size=3).map(tuple),
    held_back=st.dictionaries(TEXT, st.integers(0, 9), max_size=2),
    problems=st.lists(st.builds(Problem, TEXT, LINE, TEXT), max_size=2).map(tuple),
    files=st.integers(0, 9999),
    lines=st.integers(0, 10**7),
    rules=st.lists(st.builds(RuleInfo, TEXT, TEXT, st.sampled_from(Pillar), TEXT, TEXT), max_size=2).map(tuple),
    notes=st.lists(TEXT, max_size=2).map(tuple),
)
often = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

SGR = re.compile("\x1b\\[[0-9;]*m")
VALIDATOR = jsonschema.Draft4Validator(SCHEMA)


@pytest.mark.parametrize("format_name", FORMATS)
@given(review=REVIEWS, width=st.integers(-5, 300), color=st.booleans())
@often
def test_text_that_is_safe_to_write_and_to_print(format_name: str, review: Review, width: int, color: bool) -> None:
    text = render(review, format_name, width=width, color=color)
    text.encode("utf-8")
    assert text.endswith("\n")
    if color and format_name == "terminal":
        text = SGR.sub("", text)
    assert re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029]", text) == []


@given(review=REVIEWS)
@often
def test_markdown_keeps_its_structure(review: Review) -> None:
    check_structure(review)


@given(review=REVIEWS)
@often
def test_a_github_summary_holds_only_our_html(review: Review) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(render(review, "github-summary"))
    html = "".join(token.content for token in tokens if token.type == "html_block")
    tags = Tags()
    tags.feed(html)
    assert tags.open == []
    assert set(tags.seen) <= {"details", "summary", "b", "code"}
    assert tags.seen.count("details") == len(review.findings)
    inner = [child.type for token in tokens for child in token.children or ()]
    assert {"html_inline", "link_open", "image", "em_open"} & set(inner) == set()
    headings = [tokens[i + 1].content for i, token in enumerate(tokens) if token.type == "heading_open"]
    assert headings == ["Roadworthiness review", "Resilience", "Idempotency", "Durability"]


@given(review=REVIEWS)
@often
def test_machine_formats_parse(review: Review) -> None:
    assert len(json.loads(render(review, "json"))["findings"]) == len(review.findings)
    assert len(json.loads(render(review, "gitlab"))) >= len(review.findings)
    root = ElementTree.fromstring(render(review, "junit"))
    assert len(list(root.iter("failure"))) == len(review.findings)
    log = json.loads(render(review, "sarif"))
    assert [error.message for error in VALIDATOR.iter_errors(log)] == []
    assert len(log["runs"][0]["results"]) == len(review.findings)


@given(review=REVIEWS)
@often
def test_github_commands_stay_on_their_lines(review: Review) -> None:
    commands = [line for line in render(review, "github").splitlines() if line.startswith("::")]
    assert len(commands) == len(review.findings) + len({(p.path, p.line, p.message) for p in review.problems})
    for command in commands:
        assert re.fullmatch(r"::(error|warning|notice) ([a-zA-Z]+=[^,:]*)(,[a-zA-Z]+=[^,:]*)*::.*", command)


class Tags(HTMLParser):
    """Checks that elements nest, and collects what a hostile text would add."""

    VOID = frozenset({"meta", "input", "rect", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.ids: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)


@given(review=REVIEWS)
@often
def test_html_holds_only_our_elements(review: Review) -> None:
    tags = Tags()
    tags.feed(render(review, "html"))
    tags.close()
    assert tags.open == []
    assert [tags.seen.count(tag) for tag in ("script", "style", "img", "iframe", "b")] == [1, 1, 0, 0, 9]
    assert tags.seen.count("article") == len(review.findings)
    assert {name for name in tags.attributes if name.startswith("on") or name in {"src", "style"}} == set()
