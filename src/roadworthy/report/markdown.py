"""The Markdown report: the shape that the mission gives, a summary above it, what was not reviewed below it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.findings.finding import Finding, Review, Severity
from roadworthy.report.clean import brought_by, one_line, place, shorten
from roadworthy.report.markup import Block, Code, Item, Paragraph, blocks, code_span, fence_for, spans
from roadworthy.report.order import by_pillar, counted, counts_line, foremost, held_back, number, ordered, problems

if TYPE_CHECKING:
    from collections.abc import Iterator

_PUNCTUATION = re.compile(r"\\(?=[!-/:-@\[-`{-~])")
_MENTION = re.compile(r"(?<![\w@`./])@[A-Za-z][\w.-]*\w")
_ENTITY = re.compile(r"&(?=#?\w{1,31};)")
_EMPHASIS = re.compile(r"(?<!\w)_+(?=\S)|(?<=\S)_+(?!\w)|\*+(?=\S)|(?<=\S)\*+|~~+")
_BLOCK_START = re.compile(r"^(?:[#>|\[]|[-=]+\s*$|[-+*](?=\s)|\d{1,9}(?=[.)]\s))")


def render(review: Review) -> str:
    """Write the whole review as Markdown."""
    return "\n".join(_document(review)).rstrip("\n") + "\n"


def inline(text: str) -> str:
    """Write one line of a finding's text: code spans stay, nothing else is taken for markup."""
    return "".join(code_span(span.text) if span.code else _prose(span.text) for span in spans(one_line(text)))


def cell(markdown: str) -> str:
    """Make a line of Markdown fit for a table."""
    return markdown.replace("|", "\\|")


def counts_table(review: Review) -> Iterator[str]:
    """Set pillars against severities, with sums."""
    yield "| | " + " | ".join(severity.value for severity in Severity) + " | total |"
    yield "|---|" + "---:|" * (len(Severity) + 1)
    rows = [(pillar.value.capitalize(), findings) for pillar, findings in by_pillar(review)]
    for name, findings in [*rows, ("**Total**", ordered(review))]:
        counts = counted(findings)
        yield f"| {name} | " + " | ".join(str(counts[s]) for s in Severity) + f" | {len(findings)} |"


def block_lines(block: Block) -> Iterator[str]:
    """Write one block of a fix; list items follow each other, everything else is set off by empty lines."""
    if isinstance(block, Code):
        fence = fence_for(block.text, 3)
        yield from (f"{fence}{block.language}", *block.text.split("\n"), fence)
    elif isinstance(block, Item):
        yield f"{block.marker} {_line_start(inline(block.text))}"
    else:
        yield _line_start(inline(block.text))


def remainder(review: Review) -> Iterator[str]:
    """Say what could not be read and what was held back; nothing if there is neither."""
    missing, held = problems(review), held_back(review)
    if missing:
        yield from ("**Not reviewed**:", "")
        for path, line, message in missing:
            yield f"- {code_span(place(path, line))}: {inline(message)}"
        yield ""
    if held:
        total = number(sum(count for _, count in held), "finding")
        yield f"**Held back**: {total} (" + ", ".join(f"{count:,} {inline(reason)}" for reason, count in held) + ")."
        yield ""
    for note in review.notes:
        yield from (f"**Note**: {inline(note)}", "")


def _document(review: Review) -> Iterator[str]:
    yield from ("# Roadworthiness review", "")
    yield counts_line(review)
    yield from ("", *counts_table(review), "")
    if review.findings:
        yield from ("**Read first**:", "")
        for rank, finding in enumerate(foremost(review.findings), 1):
            yield f"{rank}. {finding.severity.value} {inline(shorten(finding.title, 160))} ({code_span(place(finding.at.path, finding.at.line))})"
        yield ""
    for pillar, findings in by_pillar(review):
        yield from (f"## {pillar.value.capitalize()}", "")
        yield from _pillar(findings)
    below = tuple(remainder(review))
    if below:
        yield from ("---", "", *below)


def _pillar(findings: tuple[Finding, ...]) -> Iterator[str]:
    if not findings:
        yield from ("No violations found.", "")
    for finding in findings:
        yield f"### [Severity: {finding.severity.value}] {inline(finding.title)}"
        yield from (*head_lines(finding), *tail_lines(finding))


def head_lines(finding: Finding) -> tuple[str, str, str]:
    """Write where it is, what is wrong and what comes of it, one line each."""
    where = code_span(place(finding.at.path, finding.at.line))
    return (f"**File**: {where}", f"**Issue**: {inline(finding.issue)}", f"**Impact**: {inline(finding.impact)}")


def tail_lines(finding: Finding) -> Iterator[str]:
    """Write the fix, then the path and the other places where there are any."""
    yield from _fix(finding.fix)
    if finding.introduced is not None:
        yield from (f"**Since**: {inline(brought_by(finding.introduced))}", "")
    if finding.steps:
        yield from ("**Path**:", "")
        for rank, step in enumerate(finding.steps, 1):
            yield f"{rank}. {code_span(place(step.path, step.line))} {code_span(step.function)}{_note(step.note)}"
        yield ""
    if finding.related:
        yield from ("**Also at**:", "")
        for other in finding.related:
            yield f"- {code_span(place(other.path, other.line))}{_note(other.note)}"
        yield ""


def _fix(fix: str) -> Iterator[str]:
    rest = blocks(fix)
    if rest and isinstance(rest[0], Paragraph):
        yield f"**Fix**: {inline(rest[0].text)}"
        rest = rest[1:]
    else:
        yield "**Fix**:"
    was_item = False
    for block in rest:
        if not (was_item and isinstance(block, Item)):
            yield ""
        yield from block_lines(block)
        was_item = isinstance(block, Item)
    yield ""


def _note(note: str) -> str:
    return f": {inline(note)}" if note.strip() else ""


def _prose(text: str) -> str:
    text = _PUNCTUATION.sub(r"\\\\", text).replace("`", "\\`").replace("<", "\\<")
    text = _ENTITY.sub(r"\\&", text.replace("](", "]\\(").replace("][", "]\\["))
    text = _EMPHASIS.sub(lambda m: "".join("\\" + mark for mark in m[0]), text)
    return _MENTION.sub(r"`\g<0>`", text)  # a decorator must not call for a person of that name


def _line_start(line: str) -> str:
    start = _BLOCK_START.match(line)
    if not start:
        return line
    place = start.end() if line[0].isdigit() else 0
    return f"{line[:place]}\\{line[place:]}"
