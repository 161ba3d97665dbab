"""A TOML table whose errors say file, line, key and the nearest valid name."""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.config.settings import ConfigError
from roadworthy.text.ignore import is_pattern
from roadworthy.text.source import UnreadableError, read_file

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

_MAX_BYTES = 1_000_000
_SYNTAX_LINE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)")

Key = tuple[str | int, ...]


def read_toml(path: Path, label: str) -> tuple[dict[str, object], str]:
    """Read a file as data and as text; `label` is how errors name it."""
    try:
        text = read_file(str(path), _MAX_BYTES).decode("utf-8-sig").replace("\r\n", "\n")
    except UnreadableError as error:
        raise ConfigError(f"{label}: {error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{label}: is not UTF-8") from None
    try:
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as error:
        found = _SYNTAX_LINE.search(str(error))
        line = (found and found[1]) or text.count("\n") + 1
        raise ConfigError(f"{label}:{line}: is not TOML: {_SYNTAX_LINE.sub('', str(error))}") from None
    except RecursionError:
        raise ConfigError(f"{label}: is nested too deeply") from None


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a file; `prefix` is the way to it from the top."""

    label: str
    text: str
    data: Mapping[str, object]
    prefix: Key = ()

    def error(self, key: str, message: str) -> ConfigError:
        """Make the error about `key` of this table."""
        where = (*self.prefix, key)
        return ConfigError(f"{self.label}:{line_of(self.text, where)}: key {dotted(where)}: {message}")

    def allow(self, known: Collection[str]) -> None:
        """Refuse any key that is not known."""
        for key in self.data:
            if key not in known:
                where = (*self.prefix, key)
                raise ConfigError(
                    f"{self.label}:{line_of(self.text, where)}: key {dotted(where)}: is unknown{did_you_mean(key, known)}"
                )

    def boolean(self, key: str) -> bool:
        """Read true or false; false when absent."""
        value = self.data.get(key, False)
        if not isinstance(value, bool):
            raise self.error(key, f"must be true or false, not {shown(value)}")
        return value

    def string(self, key: str) -> str:
        """Read a text that must be there."""
        value = self.data.get(key)
        if not isinstance(value, str):
            raise self.error(key, f"must be a string, not {shown(value)}")
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        """Read a list of strings, or one string; empty when absent."""
        value = self.data.get(key, [])
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list):
            raise self.error(key, f"must be a list of strings, not {shown(value)}")
        for item in items:
            if not isinstance(item, str) or not item:
                raise self.error(key, f"must hold non-empty strings, not {shown(item)}")
        return tuple(str(item) for item in items)

    def names(self, key: str, known: Collection[str], what: str) -> tuple[str, ...]:
        """Read a list of names out of `known`."""
        for name in (found := self.strings(key)):
            if name not in known:
                raise self.error(key, f"{shown(name)} is no {what}{did_you_mean(name, known)}")
        return found

    def patterns(self, key: str) -> tuple[str, ...]:
        """Read a list of path patterns."""
        for pattern in (found := self.strings(key)):
            if not is_pattern(pattern):
                raise self.error(key, f"{shown(pattern)} is no path pattern")
        return found

    def choice(self, key: str, known: Collection[str]) -> str:
        """Read one of a few words."""
        value = self.data[key]
        if value not in known:
            raise self.error(
                key, f"must be one of {', '.join(known)}, not {shown(value)}{did_you_mean(str(value), known)}"
            )
        return str(value)

    def table(self, key: str) -> Table:
        """Read an inner table; empty when absent."""
        value = self.data.get(key, {})
        if not isinstance(value, dict):
            raise self.error(key, f"must be a table, not {shown(value)}")
        return Table(self.label, self.text, value, (*self.prefix, key))

    def tables(self, key: str) -> tuple[Table, ...]:
        """Read an array of tables; empty when absent."""
        value = self.data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.error(key, f"must be tables, written [[{dotted((*self.prefix, key))}]]")
        return tuple(Table(self.label, self.text, item, (*self.prefix, key, index)) for index, item in enumerate(value))


def dotted(key: Key) -> str:
    """Write a key as TOML does, with the number of a table in brackets."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return text


def shown(value: object) -> str:
    """Show a wrong value, cut to fit a line."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Add the nearest valid name, or all of them when there are few."""
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    if near:
        return f"; did you mean {near[0]}?"
    return f" (known: {', '.join(sorted(known))})" if 0 < len(known) <= 12 else ""


def line_of(text: str, key: Key) -> int:
    """Find the line of a key, or of the nearest thing above it that the text shows."""
    for length in range(len(key), 0, -1):
        if line := _find(text, key[:length]):
            return line
    return 1


def _find(text: str, key: Key) -> int:
    """Look for `key` as a table header or as a key below one; 0 when it stands nowhere as such."""
    here: Key = ()
    seen: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if header := re.match(r"(\[\[?)\s*([^\[\]]+?)\s*\]", stripped):
            here = _header(header[1] == "[[", _parts(header[2]), seen)
            if here == key:
                return number
        elif assigned := re.match(r"([\w\-.\"' ]+?)\s*=", stripped):
            full = (*here, *_parts(assigned[1]))
            if full[: len(key)] == key:
                return number
    return 0


def _parts(dotted_key: str) -> Key:
    return tuple(part.strip().strip("\"'") for part in dotted_key.split("."))


def _header(is_array: bool, parts: Key, seen: dict[str, int]) -> Key:
    """Give the tables of an array numbers, so that `[[a.b]]` reads `a.b[0]`, then `a.b[1]`."""
    name = dotted(parts)
    if is_array:
        seen[name] = seen.get(name, -1) + 1
        return (*parts, seen[name])
    for length in range(len(parts) - 1, 0, -1):  # a table inside the latest table of an array
        outer = dotted(parts[:length])
        if outer in seen:
            return (*parts[:length], seen[outer], *parts[length:])
    return parts
