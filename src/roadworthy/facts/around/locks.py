"""Lock files: names and versions, by their line-regular layout.

They are written by machines and may have hundreds of thousands of lines; a full toml parse of 10 MB takes many seconds
and gives no line numbers. What is needed stands on lines of its own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from roadworthy.facts.around.requirements import normal
from roadworthy.facts.schema import Requirement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.facts.around.found import Found, Source

_HEADER = re.compile(r"^\[\[?([^\]\n]+)\]\]?", re.MULTILINE)
_NAME = re.compile(r"^name\s*=\s*[\"']([^\"'\n]+)[\"']", re.MULTILINE)
_VERSION = re.compile(r"^version\s*=\s*[\"']([^\"'\n]+)[\"']", re.MULTILINE)
_TABLES = frozenset({"package", "packages"})


class _Pinned(msgspec.Struct):
    version: str = ""


class _PipfileLock(msgspec.Struct):
    default: dict[str, _Pinned] = {}
    develop: dict[str, _Pinned] = {}


def read_toml_lock(source: Source, found: Found) -> str:
    """`uv.lock`, `poetry.lock`, `pdm.lock`, `pylock.toml`."""
    for start, block in _blocks(source.text):
        name = _NAME.search(block)
        version = _VERSION.search(block)
        if name and version:
            line = source.line_at(start + name.start())
            found.requirement(Requirement(line=line, name=normal(name[1]), version=f"=={version[1]}", locked=True))
    return "requirements"


def _blocks(text: str) -> Iterator[tuple[int, str]]:
    """The text of each `[[package]]` table up to the next header, with its offset."""
    headers = list(_HEADER.finditer(text))
    for index, match in enumerate(headers):
        if match[1].strip() in _TABLES and match[0].startswith("[["):
            end = headers[index + 1].start() if index + 1 < len(headers) else len(text)
            yield match.end(), text[match.end() : end]


def read_pipfile_lock(source: Source, found: Found) -> str:
    """`Pipfile.lock`."""
    try:
        lock = msgspec.json.decode(source.text, type=_PipfileLock)
    except (msgspec.MsgspecError, RecursionError):
        found.problem(1, "not a valid Pipfile.lock")
        return "requirements"
    at = 0
    for packages in (lock.default, lock.develop):
        for name, pinned in packages.items():
            index = source.text.find(f'"{name}": {{', at)
            at = index if index >= 0 else at
            line = source.line_at(max(index, 0))
            found.requirement(Requirement(line=line, name=normal(name), version=pinned.version, locked=True))
    return "requirements"
