"""The map for a terminal: a table below each entry, the sums at the end, where a terminal leaves the eye."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from roadworthy.report.clean import one_line, place, shorten
from roadworthy.report.map_words import COLUMNS, LEGEND, NO_MAP, SUMS, about, alarms, by_kind, cells, others, said, sums
from roadworthy.report.order import number, problems
from roadworthy.report.page import Page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roadworthy.findings.finding import Review
    from roadworthy.findings.servicemap import Deed, MapEntry

_TABLE = 96  # below this width each thing stands on lines of its own
_WIDTHS = (15, 24, 12, 14, 13, 8, 12)  # of COLUMNS


def render(review: Review, width: int = 100, color: bool = False) -> str:
    """Write the whole map for people."""
    page = Page(width, color)
    found = review.map or NO_MAP
    for kind, entries in by_kind(found).items():
        page.rule(kind, number(len(entries), "entry", "entries"))
        for entry in entries:
            _entry(page, entry)
    if not found.entries:
        page.lines(Text("No entry points found."))
        page.gap()
    _closing(page, review)
    return page.text()


def _entry(page: Page, entry: MapEntry) -> None:
    page.lines(Text(one_line(entry.name), style="bold"), "", "  ")
    page.whole(Text("  " + place(entry.path, entry.line)))
    page.lines(Text(one_line(about(entry)), style="dim"), "  ", "  ")
    wide = page.width >= _TABLE
    if entry.deeds and wide:
        page.whole(Text("  " + _line(COLUMNS), style="dim"))
    for deed in entry.deeds:
        if wide:
            _row(page, deed, alarms(entry, deed))
        else:
            _stack(page, deed)
    page.gap()


def _line(texts: Sequence[str]) -> str:
    return "".join(shorten(text, width - 1).ljust(width) for text, width in zip(texts, _WIDTHS, strict=True)).rstrip()


def _row(page: Page, deed: Deed, alarm: frozenset[str]) -> None:
    text = Text("  ")
    for words, width in zip(cells(deed), _WIDTHS, strict=True):
        text.append(shorten(words, width - 1).ljust(width), style="bold red" if words in alarm else "")
    text.rstrip()
    page.whole(text)
    page.whole(Text("    " + _where(deed), style="dim"))


def _stack(page: Page, deed: Deed) -> None:
    effect, target, *rest = cells(deed)
    page.lines(Text.assemble((one_line(effect), "bold"), f" {one_line(target)}"), "  ", "    ")
    told = [f"{name.lower()} {words}" for name, words in zip(COLUMNS[2:], rest, strict=True) if words not in {"", "-"}]
    if told:
        page.lines(Text(one_line(", ".join(told))), "    ", "    ")
    page.whole(Text("    " + _where(deed), style="dim"))


def _where(deed: Deed) -> str:
    more = f" and {len(deed.places) - 1} more" if len(deed.places) > 1 else ""
    also = "; ".join(said(found) for found in others(deed))
    return place(deed.path, deed.line) + more + (f"  ({one_line(also)})" if also else "")


def _closing(page: Page, review: Review) -> None:
    found = review.map or NO_MAP
    page.rule("Sums")
    rows = [(kind, sums(entries)) for kind, entries in by_kind(found).items()]
    rows.append(("total", sums(found.entries)))
    if page.width >= _TABLE:
        page.whole(Text(" " * 16 + "".join(f"{name:>{len(name) + 2}}" for name in SUMS), style="dim"))
        for kind, values in rows:
            cells_ = "".join(f"{value:>{len(name) + 2},}" for name, value in zip(SUMS, values, strict=True))
            page.whole(Text(f"{kind:<16}{cells_}", style="bold" if kind == "total" else ""))
    else:
        for kind, values in rows:
            told = ", ".join(f"{value:,} {name}" for name, value in zip(SUMS, values, strict=True))
            page.lines(Text(f"{kind}: {told}"), "", "  ")
    page.gap()
    for line in LEGEND:
        page.lines(Text(line, style="dim"), "", "  ")
    for path, line_number, message in problems(review):
        page.lines(Text(f"Not read: {place(path, line_number)}: {one_line(message)}"), "", "  ")
    page.lines(Text(f"{number(len(found.entries), 'entry point')} in {number(review.files, 'file')}.", style="bold"))
