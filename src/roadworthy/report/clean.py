"""Hostile text made harmless: what a report shows of control characters, escapes and broken encodings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roadworthy.findings.finding import Introduced

_INVISIBLE = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and newline, delete, C1: terminal control
    "\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # zero width, line ends, reordering
    "\ufffe\uffff\ud800-\udfff"  # no characters at all
    "\U000e0000-\U000e007f"  # tags: text that nobody sees
)
_HIDDEN = re.compile(f"[{_INVISIBLE}]|[\U0001fffe\U0001ffff\U0010fffe\U0010ffff]")
_ASCII = str.maketrans(
    {"→": "->", "─": "-", "│": "|", "·": "-", "…": "...", "–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"'}
)


def visible(text: str) -> str:
    """Return the text with every character that could steer a terminal, reorder a line or break an encoding written out.

    Newlines and tabs stay; bytes that were not UTF-8 (surrogate escapes) appear as `\\xNN`.
    """
    return _HIDDEN.sub(_written_out, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """Apply `visible` and make every run of white space one space."""
    return " ".join(visible(text).split())


def place(path: str, line: int = 0) -> str:
    """Write `path:line` on one line; without a line number, the path alone."""
    shown = visible(path).replace("\n", "\\n").replace("\t", "\\t")
    return f"{shown}:{line}" if line else shown


def shorten(text: str, limit: int) -> str:
    """Apply `one_line` and cut to so many characters with an ellipsis."""
    line = one_line(text)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def encodable(text: str, encoding: str) -> str:
    """Return the text as far as an output of this encoding can carry it: arrows and dashes in ASCII, the rest escaped."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_ASCII).encode(encoding, "backslashreplace").decode(encoding)
    return text


def _written_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def brought_by(introduced: Introduced) -> str:
    """`there since 2024-05-02 (f00ba4…, 3 days before HEAD): message`."""
    age = (
        "HEAD's day"
        if introduced.age == 0
        else f"{introduced.age:,} day{'' if introduced.age == 1 else 's'} before HEAD"
    )
    return f"there since {introduced.date} ({introduced.commit}, {age}): {shorten(introduced.summary, 100)}"
