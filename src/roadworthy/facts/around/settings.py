"""Configuration files as dotted keys with literal values: ini, toml, env."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

from roadworthy.facts.around.commands import Start, add_argv, add_shell_text, split_words
from roadworthy.facts.around.found import MAX_SETTINGS, Source
from roadworthy.facts.around.helm import fill, is_template
from roadworthy.facts.around.ini import entries, without_comment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.facts.around.found import Found

MAX_DEPTH = 12
MAX_TOML = 1_000_000

_ENV = re.compile(r"^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*$")
# The parser takes quadratic time for these.
_LONG_KEY = re.compile(r"""(?<![\w\-])(?:(?:[\w\-]++|"[^"\n]*+"|'[^'\n]*+')\s*+\.\s*+){100}""")
_HEADER = re.compile(r"^\s*\[\[?\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[\w\-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w\-]+|"[^"]*"|'[^']*'))*)\s*=""")

Toml = dict[str, object]


def read_ini(source: Source, found: Found) -> str | None:
    """Ini and cfg files, uwsgi among them."""
    if not re.search(r"^\s*\[[^\]]+\]", source.text, re.MULTILINE):
        return None
    for entry in entries(source.lines):
        value = without_comment(entry.value)
        if "\n" not in value:
            found.setting(entry.line, f"{entry.section}.{entry.key}" if entry.section else entry.key, value)
            if entry.section == "uwsgi" and entry.key.startswith("attach-daemon"):
                add_argv(found, split_words(value), Start("service", entry.key, entry.line, entry.end_line))
    return "config"


def read_env(source: Source, found: Found) -> str:
    """`NAME=value` lines."""
    for number, line in enumerate(source.lines, start=1):
        match = _ENV.match(line)
        if match:
            found.setting(number, match[1], match[2].strip("\"'"))
    return "config"


def read_toml(source: Source, found: Found) -> str:
    """Any toml file that is no lock file; of Fly's the processes too."""
    table = load_toml(source, found)
    add_settings(table, source, found)
    processes = table.get("processes")
    if source.name == "fly.toml" and isinstance(processes, dict):
        lines = key_lines(source.lines)
        for name, text in processes.items():
            if isinstance(text, str):
                line = lines.get(f"processes.{name}", 1)
                add_shell_text(found, text, ("/bin/sh", "-c"), Start("service", str(name), line, line))
    return "config"


def load_toml(source: Source, found: Found) -> Toml:
    """The table, or an empty one and a problem."""
    if len(source.text) > MAX_TOML:
        found.problem(1, f"toml file of more than {MAX_TOML // 1_000_000} MB is not read")
        return {}
    if _LONG_KEY.search(source.text):
        found.problem(1, "toml file with very long dotted keys is not read")
        return {}
    try:
        return tomllib.loads(source.text)
    except ValueError as error:  # a bad document, or a number with more digits than Python converts
        if is_template(source.text):
            return load_toml(Source(source.path, fill(source.text)), found)
        match = re.search(r"line (\d+)", str(error))
        found.problem(int(match[1]) if match else 1, "not valid toml")
    except RecursionError:
        found.problem(1, "toml file with too deep nesting is not read")
    return {}


def add_settings(table: Toml, source: Source, found: Found) -> None:
    """All scalars of the table as settings."""
    lines = key_lines(source.lines)
    for count, (key, value) in enumerate(_flatten(table, "", 0)):
        if count > MAX_SETTINGS:
            break
        found.setting(lines.get(key, lines.get(key.rpartition(".")[0], 1)), key, value)


def _flatten(value: object, key: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > MAX_DEPTH:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flatten(inner, f"{key}.{name}" if key else str(name), depth + 1)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            if isinstance(inner, dict):
                yield from _flatten(inner, f"{key}.{index}", depth + 1)
    elif isinstance(value, bool):
        yield key, "true" if value else "false"
    else:
        yield key, str(value)


def key_lines(lines: list[str]) -> dict[str, int]:
    """Dotted key -> line of its first occurrence. Tables of arrays are numbered like `_flatten` does."""
    found: dict[str, int] = {}
    header = ""
    counts: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        match = _HEADER.match(line)
        if match:
            header = _plain(match[1])
            if line.lstrip().startswith("[["):
                counts[header] = counts.get(header, -1) + 1
                header = f"{header}.{counts[header]}"
            found.setdefault(header, number)
            continue
        match = _KEY.match(line)
        if match:
            key = _plain(match[1])
            found.setdefault(f"{header}.{key}" if header else key, number)
    return found


def _plain(dotted: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in dotted.split("."))
