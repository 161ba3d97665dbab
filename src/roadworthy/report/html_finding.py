"""One finding as HTML: what is wrong, the path drawn as a chain, the other places."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from roadworthy.findings.finding import Confidence, Finding
from roadworthy.report.clean import brought_by, one_line, place
from roadworthy.report.markup import Block, Code, Heading, Item, blocks, inline_html

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


def anchors(findings: Iterable[Finding]) -> dict[Finding, str]:
    """Give each finding an id in the page, the same in each report as long as its fingerprint is."""
    ids: dict[Finding, str] = {}
    taken: set[str] = set()
    for finding in findings:
        stem = f"f-{_slug(finding.fingerprint or finding.rule)}"
        name, ordinal = stem, 2
        while name in taken:
            name, ordinal = f"{stem}-{ordinal}", ordinal + 1
        taken.add(name)
        ids.setdefault(finding, name)
    return ids


def rule_anchor(rule: str) -> str:
    """Return the id of a rule's documentation in the page."""
    return f"rule-{_slug(rule)}"


def article(
    finding: Finding, anchor: str, badge: str, documented: bool, excerpts: Mapping[tuple[str, int], str]
) -> Iterator[str]:
    """Write one finding, folded; everything that a filter asks for stands in its attributes."""
    at = finding.at
    yield (
        f'<article class="finding" id="{anchor}" data-severity="{finding.severity.value}" '
        f'data-pillar="{finding.pillar.value}" data-rule="{escape(one_line(finding.rule))}">'
    )
    unsure = (
        ""
        if finding.confidence is Confidence.HIGH
        else f' <span class="unsure">{finding.confidence.value} confidence</span>'
    )
    yield f'<details><summary>{badge}<h3 class="title">{inline_html(finding.title)}</h3>'
    yield f'<span class="where">{escape(place(at.path, at.line))}{unsure}</span></summary>\n<div class="body">'
    if not finding.steps and (code := _excerpt(excerpts, at.path, at.line)):
        yield f"<h4>Code</h4>{code}"
    yield f"<h4>Issue</h4><p>{inline_html(finding.issue)}</p>"
    yield f"<h4>Impact</h4><p>{inline_html(finding.impact)}</p>"
    if fix := blocks(finding.fix):
        yield from ("<h4>Fix</h4>", *blocks_html(fix))
    if finding.introduced is not None:
        yield f"<p>{escape(brought_by(finding.introduced))}</p>"
    yield from _chain(finding, excerpts)
    yield from _also_at(finding, excerpts)
    yield from _meta(finding, anchor, documented)
    yield "</div></details></article>"


def blocks_html(parts: Iterable[Block]) -> Iterator[str]:
    """Write paragraphs, lists, code and headings."""
    in_list = ""
    for part in parts:
        kind = ("ul" if part.marker == "-" else "ol") if isinstance(part, Item) else ""
        if in_list and kind != in_list:
            yield f"</{in_list}>"
        if kind and kind != in_list:
            yield f"<{kind}>"
        in_list = kind
        if isinstance(part, Item):
            yield f"<li>{inline_html(part.text)}</li>"
        elif isinstance(part, Code):
            yield f'<pre tabindex="0"><code>{escape(part.text)}</code></pre>'
        elif isinstance(part, Heading):
            yield f"<h4>{inline_html(part.text)}</h4>"
        else:
            yield f"<p>{inline_html(part.text)}</p>"
    if in_list:
        yield f"</{in_list}>"


def _chain(finding: Finding, excerpts: Mapping[tuple[str, int], str]) -> Iterator[str]:
    if not finding.steps:
        return
    last = len(finding.steps) - 1
    yield '<h4>Path</h4>\n<ol class="chain">'
    for number, step in enumerate(finding.steps):
        role = "effect" if number == last else "entry" if number == 0 else "call"
        note = f' <span class="note">{inline_html(step.note)}</span>' if step.note.strip() else ""
        yield f'<li class="{role}"><code>{escape(one_line(step.function))}</code>{note}'
        yield f'<span class="where">{escape(place(step.path, step.line))}</span>{_excerpt(excerpts, step.path, step.line)}</li>'
    yield "</ol>"


def _also_at(finding: Finding, excerpts: Mapping[tuple[str, int], str]) -> Iterator[str]:
    if not finding.related:
        return
    yield '<h4>Also at</h4>\n<ul class="places">'
    for other in finding.related:
        note = f' <span class="note">{inline_html(other.note)}</span>' if other.note.strip() else ""
        yield f'<li><span class="where">{escape(place(other.path, other.line))}</span>{note}{_excerpt(excerpts, other.path, other.line)}</li>'
    yield "</ul>"


def _excerpt(excerpts: Mapping[tuple[str, int], str], path: str, line: int) -> str:
    """The code of a place; nothing where it is not at hand."""
    code = excerpts.get((path, line))
    return f'<code class="excerpt">{escape(one_line(code))}</code>' if code else ""


def _meta(finding: Finding, anchor: str, documented: bool) -> Iterator[str]:
    rule = escape(one_line(finding.rule))
    linked = f'<a href="#{rule_anchor(finding.rule)}">{rule}</a>' if documented else rule
    yield f'<p class="meta">Rule {linked}'
    if finding.at.function != "<module>":
        yield f"· in <code>{escape(one_line(finding.at.function))}</code>"
    yield f"· {finding.confidence.value} confidence"
    if finding.origin != "static":
        yield f"· found by {escape(one_line(finding.origin))}"
    yield f'· <a href="#{anchor}">link to this finding</a></p>'


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-") or "x"
