"""The formats of a portfolio: for a terminal, as Markdown, as JSON, as one HTML file without scripts or network."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from html import escape
from importlib import resources
from textwrap import wrap
from typing import TYPE_CHECKING

from rich.text import Text

from roadworthy.findings.finding import Pillar
from roadworthy.fleet.document import Section, Table, sections, when
from roadworthy.report.json import dump
from roadworthy.report.markdown import cell, inline
from roadworthy.report.markup import inline_html
from roadworthy.report.page import Page
from roadworthy.report.tool import NAME, VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from roadworthy.fleet.messages import StoredFinding
    from roadworthy.fleet.portfolio import Portfolio, Row
    from roadworthy.report.json import Json

SCHEMA_VERSION = 1
_TERMINAL_ROWS = 15
_MARKDOWN_ROWS = 100
_HTML_ROWS = 5_000


def render(state: Portfolio, form: str, *, width: int, color: bool) -> str:
    """Write a portfolio; `form` is a key of FORMATS."""
    if form == "terminal":
        return _terminal(state, width, color)
    return FORMATS[form](state)


def _terminal(state: Portfolio, width: int, color: bool) -> str:
    page = Page(width, color)
    for section in sections(state, _TERMINAL_ROWS):
        if section.table is None and not section.sentences:
            continue
        page.rule(section.title)
        for sentence in section.sentences:
            page.lines(page.styled(sentence))
        if section.table is not None:
            for line in _columns(section.table, page.width):
                page.whole(Text(line))
        if section.left_out:
            page.lines(Text(f"… and {section.left_out:,} more (--format html or json has all)"))
        page.gap()
    return page.text()


def _columns(table: Table, width: int) -> Iterator[str]:
    """Columns as wide as they need; the last one gets what is left and goes on below itself."""
    lines = [tuple(heading.removeprefix("#") for heading in table.headings), *table.rows]
    widths = [max(Text(line[i]).cell_len for line in lines) for i in range(len(table.headings))]
    used = sum(widths[:-1]) + 2 * (len(widths) - 1)
    widths[-1] = min(widths[-1], max(width - used, 30))
    for line in lines:
        cells = []
        for text, heading, size in zip(line[:-1], table.headings, widths, strict=False):
            gap = " " * (size - Text(text).cell_len)
            cells.append(gap + text if heading.startswith("#") else text + gap)
        first, *rest = wrap(line[-1], widths[-1], break_on_hyphens=False) or [""]
        yield "  ".join([*cells, first.rjust(widths[-1]) if table.headings[-1].startswith("#") else first])
        yield from (" " * used + more for more in rest)


def _markdown(state: Portfolio) -> str:
    lines: list[str] = []
    for index, section in enumerate(sections(state, _MARKDOWN_ROWS)):
        if section.table is None and not section.sentences:
            continue
        lines += [f"{'##' if index else '#'} {inline(section.title)}", ""]
        lines += [line for sentence in section.sentences for line in (inline(sentence), "")]
        if section.table is not None:
            headings = section.table.headings
            lines.append("| " + " | ".join(heading.removeprefix("#") for heading in headings) + " |")
            lines.append("|" + "|".join("---:" if heading.startswith("#") else "---" for heading in headings) + "|")
            lines += ["| " + " | ".join(cell(inline(word)) for word in row) + " |" for row in section.table.rows]
            lines.append("")
        if section.left_out:
            lines += [f"… and {section.left_out:,} more.", ""]
    return "\n".join(lines)


def _html(state: Portfolio) -> str:
    style = (resources.files("roadworthy.fleet") / "portfolio.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    shown = [s for s in sections(state, _HTML_ROWS) if s.table is not None or s.sentences]
    lines = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(shown[0].title)}: roadworthiness</title>\n<style>{style}</style>\n</head>\n<body>\n<main>",
        *(line for level, section in enumerate(shown) for line in _html_section(section, 2 if level else 1)),
        f"</main>\n<footer>Written by {NAME} {VERSION}. It read the code; nothing was changed.</footer>\n</body>\n</html>",
    ]
    return "\n".join(lines) + "\n"


def _html_section(section: Section, level: int) -> Iterator[str]:
    yield f"<section><h{level}>{inline_html(section.title)}</h{level}>"
    yield from (f"<p>{inline_html(sentence)}</p>" for sentence in section.sentences)
    if section.table is not None:
        sides = [' class="n"' if heading.startswith("#") else "" for heading in section.table.headings]
        heads = zip(section.table.headings, sides, strict=True)
        cells = "".join(f'<th scope="col"{side}>{escape(heading.removeprefix("#"))}</th>' for heading, side in heads)
        yield f'<div class="wide"><table><thead><tr>{cells}</tr></thead><tbody>'
        for row in section.table.rows:
            yield "<tr>" + "".join(f"<td{s}>{inline_html(w)}</td>" for w, s in zip(row, sides, strict=True)) + "</tr>"
        yield "</tbody></table></div>"
    if section.left_out:
        yield f"<p>… and {section.left_out:,} more.</p>"
    yield "</section>"


def _json(state: Portfolio) -> str:
    owners = {row.name: row.owners for row in state.rows}
    document: dict[str, Json] = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": NAME, "version": VERSION},
        "fleet": state.fleet,
        "run": state.run.number,
        "started": when(state.run.started_at),
        "ruleset": state.run.ruleset,
        "rules_changed": state.rules_changed,
        "complete": state.complete,
        "repositories": [_json_row(row) for row in state.rows],
        "causes": [
            {
                "kind": cause.kind,
                "rule": cause.rule,
                "severity": cause.severity,
                "said": cause.said,
                "source": cause.source,
                "places": [{"repository": r, "path": p, "line": n, "fingerprint": f} for r, p, n, f in cause.places],
            }
            for cause in state.causes
        ],
        "findings": [
            {
                "repository": item.repository,
                "owners": [*owners[item.repository]],
                "new": item.new,
                **_json_finding(item.finding),
            }
            for item in state.items
        ],
        "gone": [{"repository": name, **_json_finding(finding)} for name, finding in state.gone],
        "trend": [
            {
                "run": run.number,
                "started": when(run.started_at),
                "by_severity": _counts(_severities(counts)),
                "by_pillar": {p.value: _counts(_severities(counts, p.value)) for p in Pillar},
            }
            for run, counts in state.trend
        ],
    }
    return dump(document)


def _json_row(row: Row) -> Json:
    return {
        "name": row.name,
        "owners": [*row.owners],
        "state": row.state,
        "commit": row.commit,
        "said": row.said,
        "by_severity": _counts(row.counts),
        "new": row.new if row.compared else None,
        "gone": row.gone if row.compared else None,
        "lines": row.lines,
    }


def _severities(counts: Mapping[tuple[str, str], int], pillar: str = "") -> Counter[str]:
    """Findings by severity, of one pillar when it is named."""
    found: Counter[str] = Counter()
    for (of, severity), number in counts.items():
        if not pillar or of == pillar:
            found[severity] += number
    return found


def _counts(counts: Mapping[str, int]) -> Json:
    return {severity: counts.get(severity, 0) for severity in ("HIGH", "MEDIUM", "LOW")}


def _json_finding(finding: StoredFinding) -> dict[str, Json]:
    return {
        "rule": finding.rule,
        "pillar": finding.pillar,
        "severity": finding.severity,
        "confidence": finding.confidence,
        "path": finding.path,
        "line": finding.line,
        "function": finding.function,
        "title": finding.title,
        "issue": finding.issue,
        "impact": finding.impact,
        "fix": finding.fix,
        "fingerprint": finding.fingerprint,
    }


FORMATS: dict[str, Callable[[Portfolio], str]] = {
    "terminal": lambda state: _terminal(state, 100, color=False),
    "markdown": _markdown,
    "json": _json,
    "html": _html,
}
SUFFIXES = {".txt": "terminal", ".md": "markdown", ".json": "json", ".html": "html"}
