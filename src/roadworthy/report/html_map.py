"""The map in the HTML report: one table of entry points to filter and sort, and below each what it does."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from roadworthy.report.clean import one_line, place
from roadworthy.report.map_words import COLUMNS, LEGEND, about, alarms, by_kind, cells, others, said, sums
from roadworthy.report.markup import inline_html
from roadworthy.report.order import number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.findings.finding import Review
    from roadworthy.findings.servicemap import Deed, MapEntry, ServiceMap

_HEADS = (
    ("Entry", "name"), ("Kind", "kind"), ("Effects", "effects"), ("No time limit", "hanging"), ("Happens twice", "doubled"),
    ("Lost with the process", "dropped"),
)  # fmt: skip
_MOST = 80
"""Rows below one entry: more of them nobody reads here, and they are in the JSON."""


def section(review: Review) -> Iterator[str]:
    """Write the map; nothing where there is none."""
    found = review.map
    if found is None:
        return
    yield '<section id="map" aria-labelledby="map-head" tabindex="-1">'
    yield f'<h2 id="map-head">Map <span class="count">{len(found.entries):,}</span></h2>'
    if not found.entries:
        yield '<p class="none">No entry points found.</p></section>'
        return
    yield f'<p class="lead">{summary(found)} Each entry opens to what it does to the world, and under which protection.</p>'
    yield from _filters(found)
    yield '<div class="scroll"><table class="entries"><caption class="unseen">Entry points</caption>\n<thead><tr>'
    for text, key in _HEADS:
        sort = ' aria-sort="none"'
        yield f'<th scope="col"{sort}><button type="button" class="sort" data-key="{key}" disabled>{text}</button></th>'
    yield "</tr></thead>"
    for entry in found.entries:
        yield from _entry(entry)
    yield '</table></div>\n<p class="none filtered" hidden>No entry matches the filter.</p>'
    yield '<ul class="legend">' + "".join(f"<li>{escape(line)}</li>" for line in LEGEND) + "</ul></section>"


def summary(found: ServiceMap) -> str:
    """The map in one sentence."""
    count, _, hanging, doubled, dropped = sums(found.entries)
    return (
        f"{number(count, 'entry point')}: on their ways {number(hanging, 'call')} without a time limit, "
        f"{number(doubled, 'effect')} open to repetition, {number(dropped, 'effect')} lost with the process."
    )


def _filters(found: ServiceMap) -> Iterator[str]:
    yield '<form id="map-filters" class="js-only" role="search" aria-label="Filter the map">'
    yield '<input type="search" id="map-query" placeholder="Search entries and effects" aria-label="Search the map" autocomplete="off">'
    yield '<select id="map-kind" aria-label="Kind"><option value="">All kinds</option>'
    for kind, entries in by_kind(found).items():
        yield f'<option value="{escape(kind)}">{escape(kind)} ({len(entries):,})</option>'
    yield '</select><label class="check"><input type="checkbox" id="map-open">Only where something is open</label>'
    yield '<span class="tools"><output id="map-shown" aria-live="polite"></output><button type="reset">Reset</button></span></form>'


def _entry(entry: MapEntry) -> Iterator[str]:
    effects = sum(len(deed.places) for deed in entry.deeds)
    counts = (("hanging", entry.hanging), ("doubled", entry.doubled), ("dropped", entry.dropped))
    name = escape(one_line(entry.name))
    where = escape(place(entry.path, entry.line))
    data = "".join(f' data-{key}="{value}"' for key, value in (("effects", effects), *counts))
    yield f'<tbody class="entry" data-name="{name}" data-kind="{escape(entry.kind)}"{data}><tr>'
    head = f'<button type="button" class="unfold" aria-expanded="true">{name}</button>' if entry.deeds else name
    yield f'<th scope="row">{head}<span class="where">{where}</span></th><td data-head="Kind">{escape(entry.kind)}</td>'
    yield f'<td class="num" data-head="Effects">{effects:,}</td>'
    for (text, _), (_, value) in zip(_HEADS[3:], counts, strict=True):
        yield f'<td class="num{" alarm" if value else ""}" data-head="{text}">{value:,}</td>'
    yield "</tr>"
    yield f'<tr class="detail"><td colspan="{len(_HEADS)}"><p class="about">{inline_html(about(entry))}</p>'
    yield from _deeds(entry)
    yield "</td></tr></tbody>"


def _deeds(entry: MapEntry) -> Iterator[str]:
    if not entry.deeds:
        yield '<p class="none">Does nothing to the world, as far as is known.</p>'
        return
    heads = "".join(f'<th scope="col">{text}</th>' for text in (*COLUMNS, "Where"))
    yield f'<table class="deeds"><thead><tr>{heads}</tr></thead><tbody>'
    for deed in entry.deeds[:_MOST]:
        yield _row(deed, alarms(entry, deed))
    yield "</tbody></table>"
    if len(entry.deeds) > _MOST:
        yield f'<p class="none">And {len(entry.deeds) - _MOST:,} more: `roadworthy map --format json` lists all.</p>'


def _row(deed: Deed, alarm: frozenset[str]) -> str:
    written = []
    for head, text in zip(COLUMNS, cells(deed), strict=True):
        shown = f"<code>{escape(one_line(text))}</code>" if head == "What" else escape(one_line(text))
        kind = ' class="alarm"' if text in alarm else ' class="nil"' if text in {"", "-"} else ""
        written.append(f'<td data-head="{head}"{kind}>{shown}</td>')
    more = f" and {len(deed.places) - 1} more" if len(deed.places) > 1 else ""
    also = "".join(f"<br>{escape(one_line(said(found)))}" for found in others(deed))
    way = " → ".join(one_line(step.function) for step in deed.steps)
    where = f'<span class="where" title="{escape(way)}">{escape(place(deed.path, deed.line))}</span>{more}{also}'
    return f'<tr>{"".join(written)}<td data-head="Where">{where}</td></tr>'
