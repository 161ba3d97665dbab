"""The HTML report: one file without any network, readable without scripts, filtered with them."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from html import escape
from importlib import resources
from typing import TYPE_CHECKING

from roadworthy.findings.finding import Finding, Pillar, Review, Severity
from roadworthy.report.clean import one_line, place
from roadworthy.report.html_finding import anchors, article, blocks_html, rule_anchor
from roadworthy.report.html_map import section, summary
from roadworthy.report.markup import blocks, inline_html
from roadworthy.report.order import by_pillar, counted, counts_line, foremost, held_back, number, ordered, problems
from roadworthy.report.tool import NAME, VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_QUESTION = {
    Pillar.RESILIENCE: "What if this fails or hangs?",
    Pillar.IDEMPOTENCY: "What if this runs twice?",
    Pillar.DURABILITY: "What if the process dies right here?",
}


def render(review: Review) -> str:
    """Write the whole review as one HTML document."""
    ids = anchors(ordered(review))
    style, script = _asset("report.css"), _asset("report.js")
    if review.map is not None:
        style, script = f"{style}{_asset('map.css')}", f"{script}{_asset('map.js')}"
    # Should an escape ever be missing, the policy still lets nothing run or load but what stands here.
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    lines = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta name="generator" content="{NAME} {VERSION}">\n<title>Roadworthiness review</title>',
        f"<style>{style}</style>\n</head>\n<body>",
        '<a class="skip" href="#findings">Skip to the findings</a>',
        *_header(review),
        "<main>",
        *_reviewed(review, ids),
        *section(review),
        *_below(review),
        *_rules(review),
        f"</main>\n<footer><p>Written by {NAME} {VERSION}. It read the code; nothing was changed.</p></footer>",
        f"<script>{script}</script>\n</body>\n</html>",
    ]
    return "\n".join(lines) + "\n"


def _reviewed(review: Review, ids: Mapping[Finding, str]) -> Iterator[str]:
    """Write what the rules said; nothing where only a map was asked for."""
    if not review.rules and not review.findings and review.map is not None:
        return
    yield from _overview(review, ids)
    if review.map is not None:
        yield f'<p class="to-map"><a href="#map">Map</a>: {summary(review.map)}</p>'
    yield '<div class="reviewed">'  # the filters stay in sight as far as there are findings
    yield from _filters(review)
    yield '<div id="findings" tabindex="-1">'
    yield from _findings(review, ids)
    yield "</div></div>"


def _asset(name: str) -> str:
    return (resources.files("roadworthy.report") / "assets" / name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _header(review: Review) -> Iterator[str]:
    root = "" if review.root in ("", ".") else f" of <code>{escape(one_line(review.root))}</code>"
    yield '<header class="top">'
    yield f"<h1>Roadworthiness review{root}</h1>"
    yield '<button type="button" id="theme" class="js-only">Theme: auto</button>'
    yield f'<p class="sums">{escape(counts_line(review))}</p>'
    yield "</header>"
    if not review.complete:
        count = number(len(problems(review)), "place was", "places were")
        yield f'<p class="banner" role="note">This review is incomplete: <a href="#unread">{count} not reviewed</a>.</p>'


def _overview(review: Review, ids: Mapping[Finding, str]) -> Iterator[str]:
    yield '<section class="overview" aria-label="Overview">\n<div class="cards">'
    for pillar, findings in by_pillar(review):
        yield from _card(pillar, findings)
    yield "</div>"
    if review.findings:
        yield '<div class="first"><h2>Read first</h2>\n<ol>'
        for finding in foremost(review.findings):
            where = escape(place(finding.at.path, finding.at.line))
            yield (
                f'<li>{badge(finding.severity)} <a href="#{ids[finding]}">{inline_html(finding.title)}</a> '
                f'<span class="where">{where}</span></li>'
            )
        yield "</ol></div>"
    yield "</section>"


def badge(severity: Severity) -> str:
    """Write the severity as a word on its colour."""
    return f'<span class="badge {severity.value.lower()}">{severity.value}</span>'


def _card(pillar: Pillar, findings: tuple[Finding, ...]) -> Iterator[str]:
    name = pillar.value.capitalize()
    yield f'<div class="card"><h2><a href="#{pillar.value}">{name}</a> <span class="count">{len(findings):,}</span></h2>'
    yield f'<p class="question">{_QUESTION[pillar]}</p>'
    yield _bar(counted(findings))
    yield '<p class="split">'
    for severity, count in counted(findings).items():
        said = f"<b>{count:,}</b> {severity.value}"
        label = f"Show {number(count, severity.value + ' finding')} of {name} only"
        yield (
            f'<button type="button" class="pick {severity.value.lower()}" data-pillar="{pillar.value}" '
            f'data-severity="{severity.value}" aria-label="{label}"{"" if count else " disabled"}>{said}</button>'
        )
    yield "</p></div>"


def _bar(counts: dict[Severity, int]) -> str:
    """Draw the shares of the severities; the numbers beside it say the same, so it is hidden from screen readers."""
    total = sum(counts.values())
    position = 0.0
    parts = []
    for severity, count in counts.items():
        share = 100 * count / total if total else 0.0
        parts.append(f'<rect class="{severity.value.lower()}" x="{position:.2f}" width="{share:.2f}" height="4"/>')
        position += share
    return f'<svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">{"".join(parts)}</svg>'


def _filters(review: Review) -> Iterator[str]:
    if not review.findings:
        return
    rules = Counter(finding.rule for finding in review.findings)
    yield '<form id="filters" class="js-only" role="search" aria-label="Filter the findings">'
    yield '<input type="search" id="query" placeholder="Search findings" aria-label="Search findings" autocomplete="off">'
    for legend, key, values in (
        ("Severity", "severity", [severity.value for severity in Severity]),
        ("Pillar", "pillar", [pillar.value for pillar in Pillar]),
    ):
        yield f'<fieldset><legend class="unseen">{legend}</legend>'
        for value in values:
            text = value if key == "severity" else value.capitalize()
            yield f'<label class="chip {value.lower()}"><input type="checkbox" name="{key}" value="{value}" checked>{text}</label>'
        yield "</fieldset>"
    yield '<select id="rule" aria-label="Rule"><option value="">All rules</option>'
    for rule in sorted(rules):
        yield f'<option value="{escape(one_line(rule))}">{escape(one_line(rule))} ({rules[rule]:,})</option>'
    yield (
        '</select>\n<p class="keys">Keys: <kbd>/</kbd> search, <kbd>j</kbd> and <kbd>k</kbd> next and previous finding, '
        "<kbd>Enter</kbd> opens it, <kbd>Esc</kbd> shows all again</p>"
    )
    yield '<span class="tools"><output id="shown" aria-live="polite"></output>'
    yield '<button type="reset">Reset</button><button type="button" id="fold">Open all</button></span>\n</form>'


def _findings(review: Review, ids: Mapping[Finding, str]) -> Iterator[str]:
    documented = {rule.id for rule in review.rules}
    for pillar, findings in by_pillar(review):
        yield f'<section class="pillar" id="{pillar.value}" aria-labelledby="{pillar.value}-head">'
        yield f'<h2 id="{pillar.value}-head">{pillar.value.capitalize()} <span class="count">{len(findings):,}</span></h2>'
        if not findings:
            yield '<p class="none">No violations found.</p>'
        for finding in findings:
            yield from article(
                finding, ids[finding], badge(finding.severity), finding.rule in documented, review.excerpts
            )
        if findings:
            yield '<p class="none filtered" hidden>No finding of this pillar matches the filter.</p>'
        yield "</section>"


def _below(review: Review) -> Iterator[str]:
    missing, held = problems(review), held_back(review)
    if missing:
        yield '<section id="unread"><h2>Not reviewed</h2>\n<ul>'
        for path, line, message in missing:
            where = f"<code>{escape(place(path, line))}</code>: " if path else ""
            yield f"<li>{where}{inline_html(message)}</li>"
        yield "</ul></section>"
    if held or review.notes:
        yield '<section id="held"><h2>Held back, and notes</h2>\n<ul>'
        for reason, count in held:
            yield f"<li>{number(count, 'finding')} held back: {escape(one_line(reason))}</li>"
        for note in review.notes:
            yield f"<li>{inline_html(note)}</li>"
        yield "</ul></section>"


def _rules(review: Review) -> Iterator[str]:
    named = {finding.rule for finding in review.findings}
    rules = sorted((rule for rule in review.rules if rule.id in named), key=lambda rule: rule.id)
    if not rules:
        return
    yield '<section id="rules"><h2>Rules</h2>'
    for rule in rules:
        yield f'<details class="rule" id="{rule_anchor(rule.id)}"><summary><h3><code>{escape(one_line(rule.id))}</code> '
        yield f'<span class="title">{inline_html(rule.summary)}</span></h3></summary>\n<div class="body">'
        yield from blocks_html(blocks(rule.doc, headings=True))
        yield "</div></details>"
    yield "</section>"
