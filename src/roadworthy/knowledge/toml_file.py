"""One TOML file in, one checked `Library` out, or an error that names file, line and key."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import msgspec

from roadworthy.knowledge.schema import Library

if TYPE_CHECKING:
    from pathlib import Path

LARGEST_FILE = 2_000_000
"""Bytes. A library file is a few kilobytes; anything larger is not one."""

_AT = re.compile(r" - at `(?:key in )?(\$[^`]*)`")
_FIELD = re.compile(r"field `([^`]*)`")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_SYNTAX_LINE = re.compile(r"\(at line (\d+), column \d+\)")


class KnowledgeError(Exception):
    """A library file is wrong. The message says where: `file:line: key: what`."""

    def __init__(self, file: str, line: int, key: str, message: str) -> None:
        self.file = file
        self.line = line
        self.key = key
        place = f"{file}:{line}" if line else file
        super().__init__(f"{place}: {key}: {message}" if key else f"{place}: {message}")


def read_library(path: Path, label: str) -> tuple[Library, str]:
    """The library of a file and the file's text; `label` is how errors name the file."""
    text = _read_text(path, label)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _SYNTAX_LINE.search(str(error))
        raise KnowledgeError(label, int(found[1]) if found else 0, "", f"not TOML: {error}") from None
    except RecursionError:
        raise KnowledgeError(label, 0, "", "nested too deeply") from None
    try:
        return msgspec.convert(data, Library), text
    except msgspec.ValidationError as error:
        raise _located(error, text, label) from None


def _read_text(path: Path, label: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise KnowledgeError(label, 0, "", f"cannot be read: {error.strerror or error}") from None
    if len(data) > LARGEST_FILE:
        raise KnowledgeError(label, 0, "", f"larger than {LARGEST_FILE} bytes")
    try:
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise KnowledgeError(label, line, "", "not UTF-8") from None


def _located(error: msgspec.ValidationError, text: str, label: str) -> KnowledgeError:
    """The error with the line of the row or key that it is about."""
    message = str(error)
    at = _AT.search(message)
    path = at[1].removeprefix("$").removeprefix(".") if at else ""
    field = _FIELD.search(message)
    if field:
        path = f"{path}.{field[1]}" if path else field[1]
    return KnowledgeError(label, line_of(text, path), path, _AT.sub("", message))


def line_of(text: str, path: str) -> int:
    """The line of a key such as `call[3].timeout.absent`: as near as the text shows it; 0 when it does not."""
    steps = [(name, int(index) if index else None) for name, index in _STEP.findall(f".{path}")]
    keys = [name for name, _ in steps if name]
    lines = text.split("\n")
    first, last = 0, len(lines)
    row = steps[1][1] if len(steps) > 1 else None
    if row is not None:
        headers = _headers(lines, keys[0])
        if row >= len(headers):
            return 0
        first = headers[row]
        last = next((n for n in range(first + 1, last) if lines[n].lstrip().startswith("[[")), last)
        keys = keys[1:]
    for key in reversed(keys):
        pattern = re.compile(rf"(^|[\s{{,\[.]){re.escape(key)}\s*(=|\])")
        for number in range(first, last):
            if pattern.search(lines[number]):
                return number + 1
    return first + 1 if row is not None else 0


def _headers(lines: list[str], table: str) -> list[int]:
    pattern = re.compile(rf"\s*\[\[\s*{re.escape(table)}\s*\]\]")
    return [number for number, line in enumerate(lines) if pattern.match(line)]
