"""Which lines of a project belong to the area that a person asked about: a path, a glob, a dotted name, or words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from roadworthy.facts.schema import FileFacts, Scope

_WHOLE = (1, 1 << 60)
_EMPTY_WORDS = frozenset(
    {
        "a",
        "all",
        "an",
        "and",
        "any",
        "area",
        "code",
        "everything",
        "for",
        "from",
        "function",
        "functions",
        "in",
        "into",
        "is",
    }
    | {
        "its",
        "module",
        "modules",
        "of",
        "on",
        "or",
        "our",
        "part",
        "parts",
        "that",
        "the",
        "their",
        "this",
        "to",
        "with",
    }
)


@dataclass(frozen=True, slots=True)
class Area:
    """Ranges of lines by path, and folders that were named as a whole."""

    ranges: dict[str, tuple[tuple[int, int], ...]]
    folders: tuple[str, ...] = ()

    def holds(self, path: str, line: int, end_line: int | None = None) -> bool:
        """Tell whether any of these lines belongs to the area."""
        last = line if end_line is None else end_line
        return any(start <= last and line <= end for start, end in self.ranges.get(path, ()))

    def concerns(self, path: str) -> bool:
        """Tell whether anything of the file or folder belongs to the area."""
        return path in self.ranges or any(f"{path}/".startswith(f"{folder}/") for folder in self.folders)


def area_of_paths(prefixes: Sequence[str], paths: Iterable[str]) -> Area:
    """Take whole files: those that are one of `prefixes` or lie below one ("." is the root)."""
    folders, exact = tuple(f"{prefix}/" for prefix in prefixes), frozenset(prefixes)
    ranges: dict[str, tuple[tuple[int, int], ...]] = {
        path: (_WHOLE,) for path in paths if "." in exact or path in exact or path.startswith(folders)
    }
    return Area(ranges, tuple(prefixes))


def find_area(text: str, files: Sequence[FileFacts], others: Sequence[str] = ()) -> Area:
    """Find what `text` means, trying in turn: a path, a glob, a dotted name, words. An empty area means nothing fits.

    `others` are paths of files that are not Python: paths and globs find them too.
    """
    paths = [*(file.path for file in files), *others]
    wanted = text.strip().removeprefix("./").rstrip("/")
    exact = area_of_paths([wanted], paths)
    if exact.ranges or not wanted:
        return exact
    if re.search(r"[*?\[]", wanted):
        glob = _glob(wanted)
        return Area({path: (_WHOLE,) for path in paths if glob is not None and glob.match_file(path)})
    named = _by_dotted_name(wanted.replace(":", "."), files) if re.fullmatch(r"[\w.]+(?::[\w.]+)?", wanted) else {}
    if named and re.search(r"[.:]", wanted):
        return Area(named)
    return Area(_by_words(wanted, files) or named)


def _glob(pattern: str) -> GitIgnoreSpec | None:
    if pattern.count("*") > 8:  # matching is exponential in the stars
        return None
    try:
        return GitIgnoreSpec.from_lines([pattern])
    except ValueError:
        return None


def _module_parts(path: str) -> tuple[str, ...]:
    parts = path.removesuffix(".py").split("/")
    return tuple(parts[:-1] if parts[-1] == "__init__" else parts)


def _by_dotted_name(name: str, files: Sequence[FileFacts]) -> dict[str, tuple[tuple[int, int], ...]]:
    """Find `package.module.Class.method`, or any part of it from the left; source folders before it do not count."""
    wanted = tuple(name.split("."))
    found: dict[str, tuple[tuple[int, int], ...]] = {}
    for file in files:
        ranges = _ranges_of(wanted, _module_parts(file.path), file)
        if ranges:
            found[file.path] = ranges
    return found


def _ranges_of(wanted: tuple[str, ...], module: tuple[str, ...], file: FileFacts) -> tuple[tuple[int, int], ...]:
    for start in range(len(module)):
        tail = module[start:]
        if tail[: len(wanted)] == wanted:
            return (_WHOLE,)
        if wanted[: len(tail)] == tail:
            rest = ".".join(wanted[len(tail) :])
            return tuple(_span(scope) for scope in file.scopes if scope.qualname == rest)
    if len(wanted) <= 2:  # `Class.method` or `function` without its module
        return tuple(_span(scope) for scope in file.scopes if scope.qualname == ".".join(wanted))
    return ()


def _span(scope: Scope) -> tuple[int, int]:
    return (min((scope.line, *scope.decorator_lines)), scope.end_line)


def _by_words(text: str, files: Sequence[FileFacts]) -> dict[str, tuple[tuple[int, int], ...]]:
    """Find scopes whose path, name and docstring together hold every word."""
    words = [_stem(word) for word in _words(text) if word not in _EMPTY_WORDS]
    if not words:
        return {}
    return {file.path: ranges for file in files if (ranges := tuple(_scopes_with(words, file)))}


def _scopes_with(words: list[str], file: FileFacts) -> Iterator[tuple[int, int]]:
    module = f"{file.path.removesuffix('.py')} {file.scopes[0].doc if file.scopes else ''}"
    if _holds_all(words, module):
        yield _WHOLE
        return
    for scope in file.scopes[1:]:
        if scope.kind != "lambda" and _holds_all(
            words, f"{file.path.removesuffix('.py')} {scope.qualname} {scope.doc}"
        ):
            yield _span(scope)


def _holds_all(words: list[str], text: str) -> bool:
    """Tell whether each word begins some word of the text."""
    spaced = f" {' '.join(_words(text))}"
    return all(f" {word}" in spaced for word in words)


def _words(text: str) -> list[str]:
    """Split into lower-case words, at case changes too: `sendInvoice_pdf` is three."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W_A-Z]+", text)]


def _stem(word: str) -> str:
    """Cut a plural, so that `payments` finds `payment`."""
    for ending, stem in (("ies", ""), ("ses", "s"), ("s", "")):
        if word.endswith(ending) and len(word) > len(ending) + 2 and not word.endswith("ss"):
            return word.removesuffix(ending) + stem
    return word
