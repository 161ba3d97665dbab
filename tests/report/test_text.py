"""Cleaning and the light markup."""

from __future__ import annotations

import pytest

from roadworthy.report.clean import one_line, place, shorten, visible
from roadworthy.report.markup import (
    Code,
    Heading,
    Item,
    Paragraph,
    Span,
    blocks,
    code_span,
    inline_html,
    plain,
    plain_text,
    spans,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain ü → text\n\ttab", "plain ü → text\n\ttab"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\r\nb\rc", "a\nb\\x0dc"),
        ("\x9b2J\x7f", "\\x9b2J\\x7f"),
        ("abc\u202edef", "abc\\u202edef"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("bad\udcff", "bad\\xff"),
        ("half\ud83d", "half\\ud83d"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("\ufffe\U0001ffff", "\\ufffe\\U0001ffff"),
        ("family \U0001f469 e\u0301", "family \U0001f469 e\u0301"),
    ],
)
def test_visible(text: str, expected: str) -> None:
    assert visible(text) == expected


def test_lines_and_places() -> None:
    assert one_line(" a\n\n b\tc ") == "a b c"
    assert shorten("abcdef ghij", 8) == "abcdef…"
    assert shorten("short", 8) == "short"
    assert place("a\n\tb.py", 3) == "a\\n\\tb.py:3"
    assert place("a.py") == "a.py"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a `b` c", (Span("a "), Span("b", True), Span(" c"))),
        ("``a`b``", (Span("a`b", True),)),
        ("a ` b", (Span("a ` b"),)),
        ("`a`` b", (Span("`a`` b"),)),
        ("`` ` ``", (Span("`", True),)),
        ("", ()),
    ],
)
def test_spans(text: str, expected: tuple[Span, ...]) -> None:
    assert spans(text) == expected


@pytest.mark.parametrize("text", ["", "a", "`", "``", "a`b", "`a`", "` `", "```x``", "\n"])
def test_a_code_span_shows_its_text(text: str) -> None:
    assert [span.text for span in spans(code_span(text))] == [one_line(text) or "  "]


def test_blocks() -> None:
    text = "First\nline.\n- one\n  more\n2) two\n\n  ```py\n  a = 1\n\n    b\n  ```\nafter\n# not a heading\n~~~\nopen ```\n"
    assert blocks(text) == (
        Paragraph("First line."),
        Item("-", "one more"),
        Item("2.", "two"),
        Code("a = 1\n\n  b", "py"),
        Paragraph("after # not a heading"),
        Code("open ```", ""),
    )


def test_headings_are_read_where_asked_for() -> None:
    assert blocks("## Why `x` ##\ntext\n```\n# code\n```", headings=True) == (
        Heading(2, "Why `x`"),
        Paragraph("text"),
        Code("# code", ""),
    )


def test_plain_forms() -> None:
    assert plain("a `b`\n``c`d``") == "a b c`d"
    assert plain_text("Do `x`:\n```\na\n b\n```\n- y") == "Do x:\n    a\n     b\n- y"
    assert inline_html('`<b>` & "c"') == "<code>&lt;b&gt;</code> &amp; &quot;c&quot;"
