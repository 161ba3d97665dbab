"""Each format has a snapshot of the same review; `UPDATE_SNAPSHOTS=1` writes them anew, for a person to read."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from report.sample import EMPTY, REVIEW
from roadworthy.findings.finding import Review
from roadworthy.report import FORMATS, render

SNAPSHOTS = Path(__file__).parent / "snapshots"

CASES = {
    "terminal.txt": (REVIEW, "terminal", 100, False),
    "terminal-narrow.txt": (REVIEW, "terminal", 44, False),
    "terminal-colour.txt": (REVIEW, "terminal", 100, True),
    "report.md": (REVIEW, "markdown", 100, False),
    "empty.md": (EMPTY, "markdown", 100, False),
    "report.json": (REVIEW, "json", 100, False),
    "report.sarif": (REVIEW, "sarif", 100, False),
    "github.txt": (REVIEW, "github", 100, False),
    "github-summary.md": (REVIEW, "github-summary", 100, False),
    "gl-code-quality-report.json": (REVIEW, "gitlab", 100, False),
    "junit.xml": (REVIEW, "junit", 100, False),
    "report.html": (REVIEW, "html", 100, False),
}


def without_assets(text: str) -> str:
    """HTML without its style, script and their digests: those are looked at in a browser."""
    text = re.sub(r"(<(style|script)>).*?(</\2>)", r"\1…\3", text, flags=re.DOTALL)
    return re.sub(r"'sha256-[^']*'", "'sha256-…'", text)


@pytest.mark.parametrize("name", CASES)
def test_snapshot(name: str) -> None:
    review, format_name, width, color = CASES[name]
    actual = render(review, format_name, width=width, color=color)
    if format_name == "html":
        actual = without_assets(actual)
    path = SNAPSHOTS / name
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(actual.encode())
    assert path.read_bytes().decode() == actual


def test_every_format_has_a_snapshot() -> None:
    assert {case[1] for case in CASES.values()} == set(FORMATS)


@pytest.mark.parametrize("format_name", FORMATS)
def test_the_order_in_which_findings_arrive_does_not_matter(format_name: str) -> None:
    backwards = Review(
        root=REVIEW.root,
        findings=tuple(reversed(REVIEW.findings)),
        held_back=dict(reversed(REVIEW.held_back.items())),
        problems=tuple(reversed(REVIEW.problems)),
        files=REVIEW.files,
        lines=REVIEW.lines,
        rules=tuple(reversed(REVIEW.rules)),
        notes=REVIEW.notes,
    )
    assert render(REVIEW, format_name) == render(backwards, format_name)
