"""The light markup of findings: `code` in a line, and in a fix also paragraphs, list items and fenced code.

Reading never fails: what does not close is text (a back-tick) or reaches to the end (a fence).
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.report.clean import one_line, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

_FENCE = re.compile(r"^(\s*)(`{3,}|~{3,})\s*([\w+.-]*)[^`]*$")
_HEADING = re.compile(r"^(#{1,6})\s+(\S.*?)\s*#*\s*$")
_ITEM = re.compile(r"^\s*([-*+]|\d{1,3}[.)])\s+(\S.*)$")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a line: code or prose."""

    text: str
    code: bool = False


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One line of prose, however it was broken."""

    text: str


@dataclass(frozen=True, slots=True)
class Item:
    """A list item; `marker` is `-` or a number with a full stop."""

    marker: str
    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """A fenced block, without its fence."""

    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; only a rule's documentation has them."""

    level: int
    text: str


Block = Paragraph | Item | Code | Heading


def spans(text: str) -> tuple[Span, ...]:
    """Split into the stretches of one line of text."""
    runs = [(m.start(), m.end()) for m in re.finditer("`+", text)]
    last_of_length = {end - start: index for index, (start, end) in enumerate(runs)}
    found: list[Span] = []
    position = index = 0
    while index < len(runs):
        start, end = runs[index]
        if last_of_length[end - start] == index:  # nothing closes it
            index += 1
            continue
        closing = index + 1
        while runs[closing][1] - runs[closing][0] != end - start:
            closing += 1
        if start > position:
            found.append(Span(text[position:start]))
        found.append(Span(_unpadded(text[end : runs[closing][0]]), code=True))
        position = runs[closing][1]
        index = closing + 1
    if position < len(text):
        found.append(Span(text[position:]))
    return tuple(found)


def code_span(text: str) -> str:
    """Write a code span that shows this text, whatever back-ticks it holds."""
    text = one_line(text)
    fence = fence_for(text, 1)
    padding = " " if not text or text[0] == "`" or text[-1] == "`" else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def fence_for(text: str, shortest: int) -> str:
    """Return a fence of at least so many back-ticks that the text does not close."""
    lengths = {len(run) for run in re.findall("`+", text)}
    length = shortest
    while length in lengths or (shortest > 1 and any(other >= length for other in lengths)):
        length += 1
    return "`" * length


def inline_html(text: str) -> str:
    """Write one line as HTML: code spans as `<code>`, everything else escaped."""
    parts = ((span, html.escape(span.text)) for span in spans(one_line(text)))
    return "".join(f"<code>{escaped}</code>" if span.code else escaped for span, escaped in parts)


def plain(text: str) -> str:
    """Return one line without its markup."""
    return "".join(span.text for span in spans(one_line(text)))


def plain_text(text: str) -> str:
    """Return a longer text without its markup: paragraphs and items on a line each, code set in by four spaces."""
    lines: list[str] = []
    for block in blocks(text):
        if isinstance(block, Code):
            lines += (f"    {line}".rstrip() for line in block.text.split("\n"))
        else:
            lines.append((f"{block.marker} " if isinstance(block, Item) else "") + plain(block.text))
    return "\n".join(lines)


def blocks(text: str, headings: bool = False) -> tuple[Block, ...]:
    """Split into the paragraphs, list items and fenced code of a longer text, cleaned.

    Headings are read only where asked for: in a finding, `# …` at the start of a line is no heading.
    """
    return tuple(_blocks(visible(text).split("\n"), headings))


def _blocks(lines: list[str], headings: bool) -> Iterator[Block]:
    open_block: Paragraph | Item | None = None
    index = 0
    while index < len(lines):
        line = lines[index]
        index += 1
        start = _start(line, headings)
        if start is None and line.strip():
            open_block = _continued(open_block, one_line(line))
            continue
        if open_block:
            yield open_block
        open_block = None
        if isinstance(start, re.Match):
            code, index = _fenced(lines, index, start)
            yield code
        elif isinstance(start, Item):
            open_block = start
        elif start:
            yield start
    if open_block:
        yield open_block


def _start(line: str, headings: bool) -> re.Match[str] | Item | Heading | None:
    """Return what begins at this line: a fence, an item, a heading or nothing new."""
    if fence := _FENCE.match(line):
        return fence
    if item := _ITEM.match(line):
        return Item(item[1][:-1] + "." if item[1][0].isdigit() else "-", one_line(item[2]))
    if headings and (heading := _HEADING.match(line)):
        return Heading(len(heading[1]), one_line(heading[2]))
    return None


def _continued(block: Paragraph | Item | None, line: str) -> Paragraph | Item:
    if block is None:
        return Paragraph(line)
    if isinstance(block, Item):
        return Item(block.marker, f"{block.text} {line}")
    return Paragraph(f"{block.text} {line}")


def _fenced(lines: list[str], index: int, fence: re.Match[str]) -> tuple[Code, int]:
    """Return the code after an opening fence and the index after its closing one."""
    indent, marks, language = fence[1], fence[2], fence[3]
    code: list[str] = []
    while index < len(lines):
        line = lines[index]
        index += 1
        bare = line.strip()
        if len(bare) >= len(marks) and bare == marks[0] * len(bare):
            break
        code.append(line.removeprefix(indent).rstrip())
    return Code("\n".join(code).strip("\n"), language), index


def _unpadded(code: str) -> str:
    padded = len(code) > 2 and code[0] == code[-1] == " " and code.strip()
    return code[1:-1] if padded else code
