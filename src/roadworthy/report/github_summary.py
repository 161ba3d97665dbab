"""The step summary of a GitHub workflow run: Markdown that folds each finding, within GitHub's limit of size."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from roadworthy.report.clean import place
from roadworthy.report.markdown import cell, counts_table, head_lines, inline, remainder, tail_lines
from roadworthy.report.markup import code_span, inline_html
from roadworthy.report.order import by_pillar, counts_line, foremost, number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.findings.finding import Finding, Review

_LIMIT = 900_000  # bytes; GitHub refuses a summary of more than 1 MiB


def render(review: Review) -> str:
    """Write the whole review as Markdown; findings that do not fit are counted."""
    above, below = "\n".join(_overview(review)), "\n".join(remainder(review))
    room = _LIMIT - _size(above) - _size(below)
    chunks: list[str] = []
    left_out = 0
    for pillar, findings in by_pillar(review):
        chunks.append(f"\n## {pillar.value.capitalize()}\n" + ("" if findings else "\nNo violations found.\n"))
        for finding in findings:
            chunk = "\n".join(_folded(finding))
            if left_out or _size(chunk) > room:
                left_out += 1
            else:
                room -= _size(chunk)
                chunks.append(chunk)
    if left_out:
        chunks.append(f"\n**{number(left_out, 'finding')} more** did not fit into this summary.\n")
    return "\n".join([above, *chunks, "", below]).rstrip("\n") + "\n"


def _overview(review: Review) -> Iterator[str]:
    yield from ("# Roadworthiness review", "", counts_line(review), "", *counts_table(review), "")
    if review.findings:
        yield from ("| Read first | | |", "|---|---|---|")
        for finding in foremost(review.findings):
            where = code_span(place(finding.at.path, finding.at.line))
            yield f"| {finding.severity.value} | {cell(inline(finding.title))} | {cell(where)} |"


def _folded(finding: Finding) -> Iterator[str]:
    where = escape(place(finding.at.path, finding.at.line))
    head = f"<b>{finding.severity.value}</b> {inline_html(finding.title)} <code>{where}</code>"
    yield from (f"<details><summary>{head}</summary>", "")
    for line in head_lines(finding):
        yield from (line, "")
    yield from tail_lines(finding)
    yield from (f"{code_span(finding.rule)}, {finding.confidence.value} confidence", "", "</details>")


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
