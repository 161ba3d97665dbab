"""The report for a terminal of any width, with colour or as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from roadworthy.findings.finding import Finding, Review, Severity
from roadworthy.report.clean import brought_by, one_line, place
from roadworthy.report.markup import Code, Item, blocks
from roadworthy.report.order import by_pillar, counted, counts_line, foremost, held_back_line, problems
from roadworthy.report.page import Page

if TYPE_CHECKING:
    from collections.abc import Iterator

_STYLE = {Severity.HIGH: "bold red", Severity.MEDIUM: "yellow", Severity.LOW: "blue"}
_LABELS = ("Issue", "Impact", "Fix", "Path", "Also at")
_ROOM_FOR_LABELS = 60  # below this, a label stands on a line of its own


def render(review: Review, width: int = 100, color: bool = False) -> str:
    """Write the whole review for people; the counts stand at the end, where a terminal leaves the eye."""
    page = Page(width, color)
    for pillar, findings in by_pillar(review):
        counts = counted(findings).items()
        said = ", ".join(f"{count} {severity.value.lower()}" for severity, count in counts if count)
        page.rule(pillar.value.capitalize(), said)
        for finding in findings:
            _show(page, finding)
        if not findings:
            page.lines(Text("No violations found."))
            page.gap()
    _closing(page, review)
    return page.text()


def _show(page: Page, finding: Finding) -> None:
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


def _head(page: Page, finding: Finding) -> Text:
    return Text.assemble((finding.severity.value, _STYLE[finding.severity]), " ", page.styled(finding.title))


def _about(finding: Finding) -> str:
    function = "" if finding.at.function == "<module>" else f"in {one_line(finding.at.function)} · "
    return f"{function}{one_line(finding.rule)} · {finding.confidence.value} confidence"


def _steps(page: Page, finding: Finding) -> list[Text]:
    return [
        Text(place(step.path, step.line) + " ") + Text(one_line(step.function), style="bold") + _note(page, step.note)
        for step in finding.steps
    ]


def _note(page: Page, note: str) -> Text:
    return Text(": ") + page.styled(note) if note.strip() else Text()


def _margins(page: Page, label: str) -> tuple[str, str]:
    """Say what stands before the first line of a labelled part and before its other lines."""
    if page.width < _ROOM_FOR_LABELS:
        page.lines(Text(f"{label}:", style="bold"), "  ")
        return "    ", "    "
    column = max(len(name) for name in _LABELS) + 4
    return f"  {label}".ljust(column), " " * column


def _labelled(page: Page, label: str, parts: list[Text], between: str = "") -> None:
    first, rest = _margins(page, label)
    for index, part in enumerate(parts):
        mark = between if index else ""
        page.lines(part, (rest if index else first) + mark, rest + " " * len(between))


def _fix(page: Page, fix: str) -> None:
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


def _closing(page: Page, review: Review) -> None:
    if len(review.findings) > 5:
        page.rule("Read first")
        for finding in foremost(review.findings):
            page.lines(_head(page, finding), "", "  ")
            page.whole(Text("  " + place(finding.at.path, finding.at.line)))
        page.gap()
    for line in _remarks(page, review):
        page.lines(line, "", "  ")
    page.lines(Text(counts_line(review), style="bold"))
    if held := held_back_line(review):
        page.lines(Text(held), "", "  ")


def _remarks(page: Page, review: Review) -> Iterator[Text]:
    for path, line, message in problems(review):
        yield Text("Not reviewed: ", style="bold magenta") + Text(f"{place(path, line)}: ") + page.styled(message)
    for note in review.notes:
        yield Text("Note: ", style="bold") + page.styled(note)
