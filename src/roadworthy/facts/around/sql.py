"""`.sql` files cut into statements. No dialect is parsed here: only what may hide a semicolon is known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts.around.found import MAX_STATEMENTS
from roadworthy.facts.schema import Statement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.facts.around.found import Found, Source

MAX_SQL = 20_000
CUT = " …"

_STANDARD = r"""(?P<quoted>\b[eE]'(?:[^'\\]|\\.|'')*+'|'(?:[^']|'')*+'|"(?:[^"]|"")*+"|`[^`]*+`|\[[^\]\n]{0,128}\])"""
_BACKSLASH = r"""(?P<quoted>'(?:[^'\\]|\\.|'')*+'|"(?:[^"\\]|\\.|"")*+"|`[^`]*+`)"""
_OTHERS = r"""
  | (?P<skip>--[^\n]*|^[ \t]*\#[^\n]*)
  | (?P<block>/\*)
  | (?P<dollar>\$(?:[A-Za-z_]\w*)?\$)
  | (?P<end>;)
  | (?P<word>\b(?:BEGIN|CASE|END|CREATE|TRIGGER|PROCEDURE|FUNCTION)\b)
  | (?P<line>^\\[^\n]*$|^[ \t]*GO[ \t]*$)
  | (?P<copy>^COPY\b[^;\n]{0,4000}?\bFROM\s+stdin\b[^;\n]{0,500};)
"""
_FLAGS = re.VERBOSE | re.IGNORECASE | re.MULTILINE | re.DOTALL
_TOKEN = re.compile(_STANDARD + _OTHERS, _FLAGS)
_MYSQL_TOKEN = re.compile(_BACKSLASH + _OTHERS, _FLAGS)
_MYSQL = re.compile(r"`|\bENGINE\s*=|\bAUTO_INCREMENT\b|^\s*DELIMITER\b", re.IGNORECASE | re.MULTILINE)
_DELIMITER = re.compile(r"^[ \t]*DELIMITER[ \t]+(\S+)[ \t]*$", re.IGNORECASE | re.MULTILINE)
_COPY_END = re.compile(r"^\\\.[ \t]*$", re.MULTILINE)
_BLOCK_PART = re.compile(r"/\*|\*/")
_LEADING = re.compile(r"(?:\s+|--[^\n]*+|\#[^\n]*+)++")
_NOT_OF_BEGIN = frozenset({"IF", "LOOP", "WHILE", "REPEAT", "FOR"})


def read(source: Source, found: Found) -> str:
    """Read the statements of a file."""
    cutter = _Cutter(source.text)
    for start, end in cutter.pieces():
        if len(found.statements) >= MAX_STATEMENTS:
            found.problem(source.line_at(start), f"more than {MAX_STATEMENTS:,} statements: the rest is not read")
            break
        _add(source, cutter.behind_comments(start, end), end, found)
    if cutter.unclosed >= 0:
        found.problem(source.line_at(cutter.unclosed), "a string or comment of this SQL file is never closed")
    return "sql"


def _add(source: Source, start: int, end: int, found: Found) -> None:
    sql = source.text[start:end].rstrip()
    if not sql:
        return
    line = source.line_at(start)
    end_line = line + sql.count("\n")
    if len(sql) > MAX_SQL:
        sql = sql[:MAX_SQL] + CUT
    found.statement(Statement(line=line, end_line=end_line, sql=sql))


class _Cutter:
    """Finds where statements begin and end."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.token = _MYSQL_TOKEN if _MYSQL.search(text) else _TOKEN
        self.unclosed = -1
        self.nests = True  # block comments
        self.depth = 0  # of BEGIN … END in the body of a routine or trigger
        self.creates = False
        self.routine = False

    def pieces(self) -> Iterator[tuple[int, int]]:
        """Start and end of each statement."""
        start = 0
        mark = ";"
        for match in _DELIMITER.finditer(self.text):
            yield from self._segment(start, match.start(), mark)
            start, mark = match.end(), match[1]
        yield from self._segment(start, len(self.text), mark)

    def _segment(self, start: int, stop: int, mark: str) -> Iterator[tuple[int, int]]:
        """The statements of a stretch with one terminator."""
        if mark == ";":
            yield from self._standard(start, stop)
            return
        while start < stop:
            end = self.text.find(mark, start, stop)
            yield start, end if end >= 0 else stop
            start = end + len(mark) if end >= 0 else stop

    def _standard(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        at = start
        self._fresh()
        while at < stop:
            match = self.token.search(self.text, at, stop)
            if match is None:
                break
            kind = match.lastgroup or ""
            at = self._behind(match, kind)
            if kind == "line" or (kind in ("end", "copy") and not self.depth):
                yield start, match.start() if kind == "line" else match.end() - 1
                start = at
                self._fresh()
        yield start, stop

    def behind_comments(self, start: int, end: int) -> int:
        """Where a statement really begins."""
        while start < end:
            match = _LEADING.match(self.text, start, end)
            if match is not None:
                start = match.end()
            elif self.text.startswith("/*", start, end):
                start = self._after_comment(start)
            else:
                break
        return min(start, end)

    def _fresh(self) -> None:
        self.depth = 0
        self.creates = self.routine = False

    def _behind(self, match: re.Match[str], kind: str) -> int:
        """Where to go on reading."""
        if kind == "block":
            return self._after_comment(match.start())
        if kind == "dollar":
            end = self.text.find(match[0], match.end())
            if end >= 0:
                return end + len(match[0])
            self.unclosed = match.start()
            return len(self.text)
        if kind == "copy":
            data_end = _COPY_END.search(self.text, match.end())
            return data_end.end() if data_end else len(self.text)
        if kind == "word":
            self._word(match[0].upper(), match.end())
        return match.end()

    def _word(self, word: str, end: int) -> None:
        """`BEGIN` of a routine's body hides semicolons; `BEGIN;` and `BEGIN TRANSACTION` do not."""
        if word == "CREATE":
            self.creates = True
        elif word in ("TRIGGER", "PROCEDURE", "FUNCTION"):
            self.routine = self.routine or self.creates
        elif (word == "BEGIN" and self.routine) or (word == "CASE" and self.depth):
            self.depth += 1
        elif word == "END" and self.depth:
            following = self.text[end : end + 12].split()
            if not following or following[0].upper().rstrip(";") not in _NOT_OF_BEGIN:
                self.depth -= 1

    def _after_comment(self, start: int) -> int:
        """Comments nest in PostgreSQL; in a file where that never ends, the first close counts."""
        depth = 0
        if self.nests:
            for part in _BLOCK_PART.finditer(self.text, start):
                depth += 1 if part[0] == "/*" else -1
                if depth == 0:
                    return part.end()
            self.nests = False
        first = self.text.find("*/", start)
        if first >= 0:
            return first + 2
        self.unclosed = start
        return len(self.text)
