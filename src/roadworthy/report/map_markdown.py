"""The map as Markdown: sums by kind, then a table for each entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.report.clean import one_line, place
from roadworthy.report.map_words import COLUMNS, LEGEND, NO_MAP, SUMS, about, by_kind, cells, others, said, sums
from roadworthy.report.markdown import cell, inline
from roadworthy.report.markup import code_span
from roadworthy.report.order import number, problems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.findings.finding import Review
    from roadworthy.findings.servicemap import Deed, MapEntry, ServiceMap


def render(review: Review) -> str:
    """Write the whole map as Markdown."""
    return "\n".join(_document(review, review.map or NO_MAP)).rstrip("\n") + "\n"


def _document(review: Review, found: ServiceMap) -> Iterator[str]:
    yield "# Map\n"
    yield f"{number(len(found.entries), 'entry point')} in {number(review.files, 'file')} ({number(review.lines, 'line')}).\n"
    yield "| kind | " + " | ".join(SUMS) + " |"
    yield "|---|" + "---:|" * len(SUMS)
    for kind, entries in by_kind(found).items():
        yield f"| {kind} | " + " | ".join(f"{value:,}" for value in sums(entries)) + " |"
    yield "| **Total** | " + " | ".join(f"{value:,}" for value in sums(found.entries)) + " |\n"
    yield from (f"- {inline(line)}" for line in LEGEND)
    for kind, entries in by_kind(found).items():
        yield f"\n## {kind}"
        for entry in entries:
            yield from _entry(entry)
    missing = problems(review)
    if missing:
        yield "\n## Not read\n"
        yield from (f"- {code_span(place(path, line))}: {inline(message)}" for path, line, message in missing)


def _entry(entry: MapEntry) -> Iterator[str]:
    yield f"\n### {code_span(entry.name)}\n"
    yield f"{code_span(place(entry.path, entry.line))}, {code_span(entry.function)}: {inline(about(entry))}.\n"
    if not entry.deeds:
        yield "Does nothing to the world, as far as is known."
        return
    yield "| " + " | ".join((*COLUMNS, "Also", "Where")) + " |"
    yield "|" + "---|" * (len(COLUMNS) + 2)
    yield from (_row(deed) for deed in entry.deeds)


def _row(deed: Deed) -> str:
    effect, target, *rest = cells(deed)
    more = f" and {len(deed.places) - 1} more" if len(deed.places) > 1 else ""
    also = "; ".join(said(found) for found in others(deed))
    where = code_span(place(deed.path, deed.line)) + more
    return (
        "| "
        + " | ".join(
            cell(text)
            for text in (inline(effect), code_span(one_line(target)), *map(inline, rest), inline(also), where)
        )
        + " |"
    )
