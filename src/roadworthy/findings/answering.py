"""Where a suppression comment goes, and what it says: the counterpart of `suppress`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_SUPPRESSION = re.compile(r"\s*(?:#|--)\s*roadworthy:\s*ignore\s*\[([^\]]*)\]", re.IGNORECASE)
_INDENT = re.compile(r"[ \t]*")


@dataclass(frozen=True, slots=True)
class Insertion:
    """Text to put into a line of a file."""

    line: int  # 1-based
    column: int  # 0-based, in characters
    text: str
    joins: bool = False  # becomes part of a comment that is there, and its reason answers for this rule too


def suppression(path: str, lines: Sequence[str], line: int, rule: str) -> Insertion | None:
    """Suppress `rule` at `line` of a file: a comment on the line above, whose reason is for a person to write.

    None where a comment would not be one: in the middle of a logical line that a backslash continues, or outside of the text.
    """
    if not 0 < line <= len(lines):
        return None
    above = lines[line - 2] if line > 1 else ""
    there = _SUPPRESSION.match(above)
    if there is not None:
        return Insertion(line - 1, there.end(1), f", {rule}" if there[1].strip() else rule, joins=True)
    if above.endswith("\\"):
        return None
    indent = _INDENT.match(lines[line - 1])
    mark = "--" if path.endswith(".sql") else "#"
    return Insertion(line, 0, f"{indent[0] if indent else ''}{mark} roadworthy: ignore[{rule}] \n")
