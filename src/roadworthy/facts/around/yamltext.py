"""YAML text before it is parsed: cut into documents, and what must not reach the grammar.

The grammar's scanner keeps its indentation stack in a fixed buffer and rows in 16 bits: beyond some 250 levels it
crashes the process, beyond 32,767 lines it is lost. Such documents are refused before they reach it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINES = 30_000
MAX_COLUMNS = 100

_BEGINNING = re.compile(r"([ \t]*+)((?:(?:[-?:]|[&!*][^\s,\[\]{}]*+)[ \t]++)*+)")
_INDICATOR = re.compile(r"\S++[ \t]++")


def split_documents(text: str) -> Iterator[tuple[int, list[str]]]:
    """Documents as lines, with the 1-based line of the first."""
    part: list[str] = []
    first = 1
    for number, line in enumerate(text.split("\n"), start=1):
        if (line.startswith("---") and line[3:4] in ("", " ", "\t", "\r")) or line.rstrip() == "...":
            if any(part):
                yield first, part
            part, first = [], number
            rest = line[3:]
            part.append("   " + rest if rest.strip() and not rest.lstrip().startswith(("#", "|", ">")) else "")
        else:
            part.append(line)
    if any(part):
        yield first, part


def refusal(lines: list[str]) -> str:
    """Why a document must not reach the grammar, or "".

    The scanner's stack holds at most two entries for each column at which a line, or what follows its `- ? :`
    indicators, begins. Counting these columns over the whole document bounds the depth whatever the context is.
    """
    if len(lines) > MAX_LINES:
        return f"YAML document of more than {MAX_LINES:,} lines is not read"
    columns: set[int] = set()
    for line in lines:
        match = _BEGINNING.match(line)
        if match is None or not line.strip():
            continue
        column = match.end(1)
        columns.add(column)
        for word in _INDICATOR.finditer(match[2]):
            columns.add(column + word.end())
        if len(columns) > MAX_COLUMNS:
            return "YAML document with too deep nesting is not read"
    return ""
