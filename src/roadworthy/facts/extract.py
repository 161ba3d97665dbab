"""From the bytes of a Python file to its facts. The only door to the parser of Python."""

from __future__ import annotations

import codecs
import re
from typing import Final

from roadworthy.facts.python import (
    aliases,
    calls,
    compound,
    comprehensions,
    hints,
    imports,
    literals,
    names,
    operators,
    patterns,
    simple,
)
from roadworthy.facts.python.parsing import parse
from roadworthy.facts.python.problems import find_problems
from roadworthy.facts.python.repair import blanked
from roadworthy.facts.python.scopes import read_scopes
from roadworthy.facts.python.state import FileWalk
from roadworthy.facts.schema import FileFacts, Problem, Region, Scope

MAX_BYTES: Final = 5_000_000

_HANDLERS: Final = (
    aliases,
    calls,
    comprehensions,
    compound,
    hints,
    imports,
    literals,
    names,
    operators,
    patterns,
    simple,
)
"""Imported for what they register."""

_MAX_CONTINUED: Final = 200
_CONTINUED: Final = re.compile(rb"\\\n(?:[ \t]*\\\n){%d,}" % _MAX_CONTINUED)
"""Backslashes on lines of their own: the parser's time grows with the square of their number."""

_COOKIE: Final = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_BLANK: Final = re.compile(rb"^[ \t\f]*(?:#[^\n]*)?$")


def extract_python(path: str, data: bytes) -> FileFacts:
    """The facts of one Python file. Never raises: what cannot be read is said in `problems`."""
    if len(data) > MAX_BYTES:
        return _empty(path, data, "file too large")
    try:
        return _extract(path, data)
    except Exception as error:
        return _empty(path, data, f"could not read: {type(error).__name__}")


def _extract(path: str, data: bytes) -> FileFacts:
    source, remarks = to_utf8(data)
    root = parse(source)
    if root is None:
        return _empty(path, data, "could not parse: too tangled")
    file = FileWalk(source)
    file.problems.extend(remarks)
    if root.has_error:
        find_problems(file, root)
        repaired = blanked(file.text).encode("latin-1")
        better = parse(repaired) if repaired != source else None
        if better is not None:
            root = better
            file.replace(repaired)
            find_problems(file, root)
    read_scopes(file, root)
    return FileFacts(
        path,
        _line_count(source),
        tuple(scope for scope in file.scopes if scope is not None),
        tuple(comment for _, comment in sorted(file.comments.items())),
        tuple(sorted(file.problems, key=lambda p: p.line)),
    )


def to_utf8(data: bytes) -> tuple[bytes, list[Problem]]:
    """The source as UTF-8 with line feeds only, and what had to be replaced."""
    problems: list[Problem] = []
    data = data.removeprefix(codecs.BOM_UTF8)
    if b"\0" in data:
        problems.append(Problem(data[: data.index(b"\0")].count(b"\n") + 1, "holds NUL bytes"))
        data = data.replace(b"\0", b" ")
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if data.count(b"\\") > _MAX_CONTINUED and (run := _CONTINUED.search(data)):
        problems.append(Problem(data[: run.start()].count(b"\n") + 1, "too many continued lines without text"))
        data = _CONTINUED.sub(lambda match: match.group().replace(b"\\", b" "), data)
    if data.isascii():
        return data, problems
    encoding = _declared_encoding(data)
    try:
        return data.decode(encoding).encode("utf-8"), problems
    except UnicodeError as error:
        start = error.start if isinstance(error, UnicodeDecodeError) else 0
        problems.append(Problem(data[:start].count(b"\n") + 1, f"is not {encoding}"))
        return data.decode("utf-8", "replace").encode("utf-8"), problems


def _declared_encoding(data: bytes) -> str:
    """The encoding that a comment in the first two lines names (PEP 263), or UTF-8."""
    lines = data[:2000].split(b"\n", 2)[:2]
    for line in lines:
        match = _COOKIE.match(line)
        if match:
            return _known_encoding(match.group(1).decode("ascii", "replace"))
        if not _BLANK.match(line):
            break
    return "utf-8"


def _known_encoding(name: str) -> str:
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        return "utf-8"
    # hex, zip and their like are codecs, but no encodings of text
    is_text = getattr(info, "_is_text_encoding", True)
    return info.name if is_text and not info.name.startswith(("utf-16", "utf-32")) else "utf-8"


def _line_count(data: bytes) -> int:
    return data.count(b"\n") + (0 if data.endswith(b"\n") or not data else 1)


def _empty(path: str, data: bytes, message: str) -> FileFacts:
    lines = _line_count(data)
    body = Region("body", -1, 1, max(1, lines), 0, 0, 0, "")
    module = Scope(
        0, -1, "module", "<module>", "<module>", 1, max(1, lines), 0, False, False, (), (), (), (), (), None, "", 0, 0,
        (body,), (), (), (), (), (), (), {},
    )  # fmt: skip
    return FileFacts(path, lines, (module,), (), (Problem(1, message),))
