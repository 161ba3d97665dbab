"""The report for a terminal of any width, with colour or as plain text."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from roadworthy.findings.finding import Finding, Review, Severity
from roadworthy.report.clean import brought_by, one_line, place
from roadworthy.report.markup import Code, Item, blocks, code_span, spans
from roadworthy.report.order import by_pillar, counted, counts_line, foremost, held_back_line, problems

if TYPE_CHECKING:
    from collections.abc import Iterator

_STYLE = {Severity.HIGH: "bold red", Severity.MEDIUM: "yellow", Severity.LOW: "blue"}
_LABELS = ("Issue", "Impact", "Fix", "Path", "Also at")
_WIDEST = 120  # longer lines of prose are hard to read
_NARROWEST = 30
_ROOM_FOR_LABELS = 60  # below this, a label stands on a line of its own


def render(review: Review, width: int = 100, color: bool = False) -> str:
    """Write the whole review for people; the counts stand at the end, where a terminal leaves the eye."""
    page = _Page(width, color)
    for pillar, findings in by_pillar(review):
        page.rule(pillar.value.capitalize(), counted(findings))
        for finding in findings:
            _show(page, finding)
        if not findings:
            page.lines(Text("No violations found."))
            page.gap()
    _closing(page, review)
    return page.text()


class _Page:
    """Lines of a given width; the only place that knows rich's console."""

    def __init__(self, width: int, color: bool) -> None:
        self.width = min(max(width, _NARROWEST), _WIDEST)
        self.color = color
        self._out = io.StringIO()
        self._console = Console(
            file=self._out,
            width=self.width,
            force_terminal=color,
            color_system="standard" if color else None,
            no_color=not color,
            legacy_windows=False,
            markup=False,
            emoji=False,
            highlight=False,
            soft_wrap=True,
            _environ={},
        )

    def rule(self, title: str, counts: dict[Severity, int]) -> None:
        """Write a pillar's heading across the page."""
        said = ", ".join(f"{count} {severity.value.lower()}" for severity, count in counts.items() if count)
        head = Text(f"── {title} ", style="bold")
        tail = Text(f" {said} ──" if said else "")
        if head.cell_len + tail.cell_len > self.width:
            tail = Text()
        line = "─" * (self.width - head.cell_len - tail.cell_len)
        self._console.print(Text.assemble(head, (line, "dim"), (tail.plain, "dim")))
        self.gap()

    def lines(self, text: Text, first: str = "", rest: str = "") -> None:
        """Wrap text, its first line after `first`, the others after `rest`."""
        prefix = first
        for line in text.wrap(self._console, max(self.width - max(len(first), len(rest)), 10)):
            line.rstrip()
            self._console.print(Text.assemble((prefix, "bold" if prefix.strip() else ""), line))
            prefix = rest
        if not text.plain:
            self._console.print(Text(first.rstrip(), style="bold"))

    def whole(self, text: Text) -> None:
        """Write a line that is never broken, so that a terminal can follow the place that it names."""
        self._console.print(text, no_wrap=True, overflow="ignore", crop=False)

    def gap(self) -> None:
        """Write an empty line."""
        self._console.print()

    def styled(self, line: str) -> Text:
        """Style one line of a finding's text; code loses its back-ticks where colour can show it."""
        text = Text()
        for span in spans(one_line(line)):
            if span.code and not self.color:
                text.append(code_span(span.text))
            else:
                text.append(span.text, style="cyan" if span.code else "")
        return text

    def text(self) -> str:
        """Return all that was written."""
        return self._out.getvalue()


def _show(page: _Page, finding: Finding) -> None:
    at = finding.at
    page.lines(_head(page, finding), "", "  ")
    where = Text.assemble((place(at.path, at.line), "bold" if page.color else ""))
    page.whole(Text("  ") + where)
    page.lines(Text(_about(finding), style="dim"), "  ", "  ")
    if finding.introduced is not None:
        page.lines(Text(brought_by(finding.introduced), style="dim"), "  ", "  ")
    for label, text in (("Issue", finding.issue), ("Impact", finding.impact)):
        _labelled(page, label, [page.styled(text)])
    _fix(page, finding.fix)
    if finding.steps:
        _labelled(page, "Path", _steps(page, finding), "→ ")
    if finding.related:
        places = [Text(place(p.path, p.line)) + _note(page, p.note) for p in finding.related]
        _labelled(page, "Also at", places)
    page.gap()


def _head(page: _Page, finding: Finding) -> Text:
    return Text.assemble((finding.severity.value, _STYLE[finding.severity]), " ", page.styled(finding.title))


def _about(finding: Finding) -> str:
    function = "" if finding.at.function == "<module>" else f"in {one_line(finding.at.function)} · "
    return f"{function}{one_line(finding.rule)} · {finding.confidence.value} confidence"


def _steps(page: _Page, finding: Finding) -> list[Text]:
    return [
        Text(place(step.path, step.line) + " ") + Text(one_line(step.function), style="bold") + _note(page, step.note)
        for step in finding.steps
    ]


def _note(page: _Page, note: str) -> Text:
    return Text(": ") + page.styled(note) if note.strip() else Text()


def _margins(page: _Page, label: str) -> tuple[str, str]:
    """Say what stands before the first line of a labelled part and before its other lines."""
    if page.width < _ROOM_FOR_LABELS:
        page.lines(Text(f"{label}:", style="bold"), "  ")
        return "    ", "    "
    column = max(len(name) for name in _LABELS) + 4
    return f"  {label}".ljust(column), " " * column


def _labelled(page: _Page, label: str, parts: list[Text], between: str = "") -> None:
    first, rest = _margins(page, label)
    for index, part in enumerate(parts):
        mark = between if index else ""
        page.lines(part, (rest if index else first) + mark, rest + " " * len(between))


def _fix(page: _Page, fix: str) -> None:
    first, rest = _margins(page, "Fix")
    for block in blocks(fix):
        if isinstance(block, Code):
            if first != rest:
                page.lines(Text(), first)
            for line in block.text.split("\n"):
                page.whole(Text.assemble(rest, ("│ ", "dim"), (line.expandtabs(4), "cyan")))
        else:
            mark = f"{block.marker} " if isinstance(block, Item) else ""
            page.lines(page.styled(block.text), first + mark, rest + " " * len(mark))
        first = rest


def _closing(page: _Page, review: Review) -> None:
    if len(review.findings) > 5:
        page.rule("Read first", {})
        for finding in foremost(review.findings):
            page.lines(_head(page, finding), "", "  ")
            page.whole(Text("  " + place(finding.at.path, finding.at.line)))
        page.gap()
    for line in _remarks(page, review):
        page.lines(line, "", "  ")
    page.lines(Text(counts_line(review), style="bold"))
    if held := held_back_line(review):
        page.lines(Text(held), "", "  ")


def _remarks(page: _Page, review: Review) -> Iterator[Text]:
    for path, line, message in problems(review):
        yield Text("Not reviewed: ", style="bold magenta") + Text(f"{place(path, line)}: ") + page.styled(message)
    for note in review.notes:
        yield Text("Note: ", style="bold") + page.styled(note)
