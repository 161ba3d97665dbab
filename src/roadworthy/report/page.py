"""Lines for a terminal of any width, with colour or as plain text."""

from __future__ import annotations

import io

from rich.console import Console
from rich.text import Text

from roadworthy.report.clean import one_line
from roadworthy.report.markup import code_span, spans

_WIDEST = 120  # longer lines of prose are hard to read
_NARROWEST = 30


class Page:
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

    def rule(self, title: str, said: str = "") -> None:
        """Write a heading across the page, with a few words at its end."""
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
