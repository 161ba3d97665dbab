"""Glob, Grep and Read over the files of one repository: bounded, inside the root, and nothing that git ignores or that holds secrets.

The files are listed once, links are not in the list, and only what is in it can be opened.
"""

from __future__ import annotations

import os
import posixpath
import time
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import regex
from pathspec import GitIgnoreSpec

from roadworthy.agent.secret import is_secret
from roadworthy.text.discover import discover
from roadworthy.text.ignore import is_pattern
from roadworthy.text.source import UnreadableError, read_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from roadworthy.text.ignore import PathPatterns

_MOST_LINES = 400
_MOST_CHARACTERS = 24_000
_LONGEST_LINE = 400
_MOST_NAMES = 200
_MOST_HITS = 100
_LARGEST = 1_000_000
_SECONDS = 5.0


class Files:
    """The files that may be looked at, by path from the root."""

    def __init__(
        self,
        root: Path,
        named: Sequence[Path] = (),
        exclude: Sequence[PathPatterns] = (),
        seconds: float = _SECONDS,
    ) -> None:
        """List them. A search takes at most `seconds`."""
        self._seconds = seconds
        self._root = os.path.realpath(root)
        tree = discover(root, wants=lambda _: True, named=named, exclude=exclude)
        self._full = {file.path: file.full for file in tree.files if not is_secret(file.path)}

    def glob(self, pattern: str) -> str:
        """Paths that match a pattern as git would read it."""
        spec = _spec(pattern)
        if spec is None:
            return f"error: {pattern!r} is no path pattern"
        found = [path for path in self._full if spec.match_file(path)]
        return _listed(found[:_MOST_NAMES], len(found) - _MOST_NAMES, f"no file matches {pattern!r}")

    def read(self, path: str, line: int = 1, count: int = _MOST_LINES) -> str:
        """Numbered lines of a file."""
        name = self._normal(path)
        text = self._text(name)
        if text is None:
            return f"error: {path!r} {self._why(name)}"
        lines = text.splitlines()
        first = max(line, 1)
        shown, room = [], _MOST_CHARACTERS
        for number, content in enumerate(lines[first - 1 : first - 1 + min(max(count, 1), _MOST_LINES)], first):
            row = f"{number:>5}\t{_cut(content)}"
            room -= len(row) + 1
            if room < 0:
                break
            shown.append(row)
        last = first + len(shown) - 1
        rest = f"\n({len(lines)} lines; read on from line {last + 1})" if last < len(lines) else ""
        return "\n".join(shown) + rest if shown else f"(the file has {len(lines)} lines)"

    def grep(self, pattern: str, glob: str = "", ignore_case: bool = False) -> str:
        """Lines that a regular expression matches, with their places."""
        spec = _spec(glob) if glob else None
        if glob and spec is None:
            return f"error: {glob!r} is no path pattern"
        try:
            wanted = regex.compile(pattern[:500], regex.IGNORECASE if ignore_case else 0)
            hits = list(self._hits(wanted, [p for p in self._full if spec is None or spec.match_file(p)]))
        except regex.error as error:
            return f"error: {pattern!r} is no regular expression: {error}"
        except TimeoutError:
            return "error: the search took too long; use a simpler expression or name the files with `glob`"
        return _listed(hits[:_MOST_HITS], len(hits) - _MOST_HITS, "no line matches")

    def _hits(self, wanted: regex.Pattern[str], paths: Sequence[str]) -> Iterator[str]:
        room = _MOST_HITS + 1
        deadline = time.monotonic() + self._seconds
        for path in paths:
            for number, line in enumerate((self._text(path) or "").splitlines(), 1):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                if wanted.search(line[: 4 * _LONGEST_LINE], timeout=left):
                    yield f"{path}:{number}: {_cut(line.strip())}"
                    room -= 1
                    if room == 0:
                        return

    def _normal(self, path: str) -> str:
        inside = path.removeprefix(f"{self._root}/") if path.startswith("/") else path
        return posixpath.normpath(inside)

    def _text(self, name: str) -> str | None:
        full = self._full.get(name)
        if full is None or not os.path.realpath(full).startswith(f"{self._root}{os.sep}"):
            return None
        try:
            data = read_file(full, _LARGEST)
        except UnreadableError:
            return None
        return None if b"\0" in data[:8000] else data.decode("utf-8", "backslashreplace")

    def _why(self, name: str) -> str:
        if name.startswith(("/", "../")) or name == "..":
            return "lies outside the repository and cannot be read"
        if is_secret(name):
            return "holds secrets by its name and is not read"
        if name in self._full:
            return "cannot be read: too large, binary or gone"
        folder = PurePosixPath(name).name
        near = [path for path in self._full if path.rpartition("/")[2] == folder][:5]
        return "is no file of the repository" + (f"; did you mean {', '.join(near)}?" if near else "")


def _spec(pattern: str) -> GitIgnoreSpec | None:
    wanted = pattern.removeprefix("./")
    return GitIgnoreSpec.from_lines([wanted]) if wanted and not wanted.startswith("!") and is_pattern(wanted) else None


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}… ({len(line)} characters)"


def _listed(found: Sequence[str], more: int, none: str) -> str:
    rest = [f"(and {more if more > 1 else 'some'} more: narrow the search)"] if more > 0 else []
    return "\n".join([*found, *rest]) or none
