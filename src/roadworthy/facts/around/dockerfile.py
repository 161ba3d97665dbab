"""Dockerfiles. The format is line-based by definition, and so is this reader.

(The published tree-sitter grammar left errors in 50 of 284 real files, in some of them at CMD itself.)
"""

from __future__ import annotations

import json
import posixpath
import re
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from roadworthy.facts.around.commands import Start, add_argv, add_shell_text, split_text
from roadworthy.facts.around.found import HOLE, MARK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from roadworthy.facts.around.found import Found, Source

DEFAULT_SHELL = ("/bin/sh", "-c")
MAX_INSTRUCTIONS = 5_000

_DIRECTIVE = re.compile(r"#\s*(\w+)\s*=\s*(\S+)")
_HEREDOC = re.compile(r"<<(-?)\s*([\"']?)([A-Za-z_]\w*)\2")
_VARIABLE = re.compile(r"\\(\$)|\$\{(\w+)(?:(:[-+])([^}]*))?\}|\$(\w+)")
_FROM = re.compile(r"(?:--\S+\s+)*(\S+)(?:\s+as\s+(\S+))?", re.IGNORECASE)
_PAIR = re.compile(r"([\w.\-]+)=(\"(?:[^\"\\]|\\.)*\"|'[^']*'|\S*)")
_FLAGS = re.compile(r"(?:--[\w\-]+(?:=\S+)?\s+)*")
_KEYWORD = re.compile(r"\s*([A-Za-z]+)(?:\s+(.*))?$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction with its lines joined; the line ends of the file stay in `text` (behind `\\`)."""

    line: int
    end_line: int
    keyword: str
    text: str


@dataclass
class _Stage:
    """A build stage while it is read."""

    name: str
    shell: tuple[str, ...] = DEFAULT_SHELL
    environment: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    entrypoint: tuple[str, ...] = ()
    entrypoint_at: Instruction | None = None
    command_at: Instruction | None = None


def read(source: Source, found: Found) -> str:
    """Read all stages. Each CMD and ENTRYPOINT belongs to its stage; the last of a stage counts."""
    stages: list[_Stage] = []
    arguments: dict[str, str] = {}
    for count, instruction in enumerate(instructions(source.lines)):
        if count >= MAX_INSTRUCTIONS:
            found.problem(instruction.line, f"more than {MAX_INSTRUCTIONS:,} instructions: the rest is not read")
            break
        if instruction.keyword == "FROM":
            _begin(instruction, stages, arguments, found)
        elif not stages:
            if instruction.keyword == "ARG":
                _argument(instruction, arguments, {})
        else:
            _in_stage(instruction, stages[-1], arguments, found)
    for stage in stages:
        _emit(stage, found)
    return "dockerfile"


def instructions(lines: list[str]) -> Iterator[Instruction]:
    """Instructions in order, comments and heredoc bodies left out."""
    escape = _escape(lines)
    ends: dict[str, list[int]] = {}
    at = 0
    while at < len(lines):
        first = at
        if not lines[at].strip() or lines[at].lstrip().startswith("#"):
            at += 1
            continue
        parts: list[str] = []
        while at < len(lines):
            line = lines[at].rstrip()
            at += 1
            if parts and (not line or line.lstrip().startswith("#")):
                parts.append("\\")  # comments and empty lines do not end a continued instruction
                continue
            if not line.endswith(escape):
                parts.append(line)
                break
            parts.append(line[:-1] + "\\")
        text = "\n".join(parts).rstrip("\\\n")
        match = _KEYWORD.match(text)
        if match is None:
            continue
        keyword = match[1].upper()
        if keyword in ("RUN", "COPY", "ADD"):
            at = _skip_heredocs(lines, ends, at, text)
        yield Instruction(first + 1, at, keyword, (match[2] or "").strip())


def _escape(lines: list[str]) -> str:
    """The `# escape=` directive, which stands before everything else."""
    for line in lines:
        match = _DIRECTIVE.match(line.strip())
        if match is None:
            break
        if match[1].lower() == "escape" and match[2] in ("\\", "`"):
            return match[2]
    return "\\"


def _skip_heredocs(lines: list[str], ends: dict[str, list[int]], at: int, text: str) -> int:
    """The line behind the heredocs that an instruction opens; one that never ends is ignored."""
    for match in _HEREDOC.finditer(text):
        if not ends:
            for index, line in enumerate(lines):
                ends.setdefault(line.lstrip("\t").rstrip("\r"), []).append(index)
        places = ends.get(match[3], [])
        where = bisect_left(places, at)
        if where == len(places):
            return at
        at = places[where] + 1
    return at


def _begin(instruction: Instruction, stages: list[_Stage], arguments: dict[str, str], found: Found) -> None:
    match = _FROM.match(instruction.text)
    if match is None:
        return
    image = substitute(match[1], arguments)
    stage = _Stage(name=match[2] or str(len(stages)))
    for base in stages:
        if base.name.lower() == image.lower():
            stage.shell = base.shell
            stage.environment = dict(base.environment)
            stage.workdir = base.workdir
            stage.entrypoint = base.entrypoint
    stages.append(stage)
    found.setting(instruction.line, f"stage.{stage.name}.from", image)


def _in_stage(instruction: Instruction, stage: _Stage, arguments: dict[str, str], found: Found) -> None:
    keyword = instruction.keyword
    prefix = f"stage.{stage.name}"
    if keyword == "ENTRYPOINT":
        stage.entrypoint_at = instruction
        stage.entrypoint = _json_words(instruction.text) or ()
    elif keyword == "CMD":
        stage.command_at = instruction
    elif keyword == "SHELL":
        stage.shell = _json_words(instruction.text) or stage.shell
    elif keyword == "ENV":
        for name, value in _pairs(instruction.text):
            stage.environment[name] = substitute(value, {**arguments, **stage.environment})
            found.setting(instruction.line, f"{prefix}.env.{name}", stage.environment[name])
    elif keyword == "ARG":
        _argument(instruction, arguments, stage.environment)
    elif keyword in ("USER", "STOPSIGNAL", "WORKDIR"):
        value = substitute(instruction.text, {**arguments, **stage.environment})
        found.setting(instruction.line, f"{prefix}.{keyword.lower()}", value)
        if keyword == "WORKDIR":
            stage.workdir = posixpath.join(stage.workdir, value)
    elif keyword == "HEALTHCHECK":
        found.setting(instruction.line, f"{prefix}.healthcheck", _joined(instruction.text))
    elif keyword in ("COPY", "ADD"):
        _copied(instruction, {**arguments, **stage.environment}, stage, found)


def _copied(instruction: Instruction, known: Mapping[str, str], stage: _Stage, found: Found) -> None:
    """`COPY one/file.sh /start`: the file has another name in the image."""
    text = _joined(instruction.text)
    flags = _FLAGS.match(text)
    if flags is not None:
        if "--from" in flags[0]:
            return
        text = text[flags.end() :]
    words = _json_words(text) or tuple(text.split())
    if len(words) == 2 and not words[1].endswith("/") and not any("<<" in word for word in words):
        target, origin = (substitute(words[index], known) for index in (1, 0))
        target = posixpath.normpath(posixpath.join(stage.workdir, target))
        found.setting(instruction.line, f"stage.{stage.name}.copy:{target}", origin)


def _argument(instruction: Instruction, arguments: dict[str, str], environment: Mapping[str, str]) -> None:
    for word in _joined(instruction.text).split():
        name, equals, value = word.partition("=")
        if equals:
            arguments[name] = substitute(value.strip("\"'"), {**arguments, **environment})


def _emit(stage: _Stage, found: Found) -> None:
    """The processes of a stage. `ENTRYPOINT ["sh", "-c"]` starts nothing by itself: CMD is its text."""
    words = _json_words(stage.command_at.text) if stage.command_at is not None else None
    joined = split_text(stage.entrypoint, words or ())
    open_shell = stage.entrypoint[-1:] and re.fullmatch(r"-\w*c", stage.entrypoint[-1])
    if stage.entrypoint_at is not None and not joined and not open_shell:
        _add(stage, stage.entrypoint_at, "entrypoint", (), found)
    if stage.command_at is not None:
        _add(stage, stage.command_at, "cmd", stage.entrypoint if joined else (), found)


def _add(stage: _Stage, at: Instruction, role: str, before: tuple[str, ...], found: Found) -> None:
    start = Start(
        role, stage.name, at.line, at.end_line, stage.environment, lambda line: min(at.line + line - 1, at.end_line)
    )
    words = _json_words(at.text)
    if words is not None:
        add_argv(found, (*before, *words), start)
    elif at.text:
        add_shell_text(found, at.text, stage.shell, start)


def _json_words(text: str) -> tuple[str, ...] | None:
    """The exec form, or None. Docker takes whatever is no JSON list of strings for the shell form."""
    joined = _joined(text)
    if not joined.startswith("["):
        return None
    try:
        value: object = json.loads(joined)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return tuple(str(word).replace(MARK, HOLE) for word in value)
    return None


def _joined(text: str) -> str:
    return text.replace("\\\n", " ").strip()


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """`ENV a=b c="d e"` and the old `ENV a b c`."""
    joined = _joined(text)
    first = joined.split(maxsplit=1)
    if len(first) == 2 and "=" not in first[0]:
        yield first[0], first[1].strip("\"'")
        return
    for match in _PAIR.finditer(joined):
        yield match[1], match[2].strip("\"'")


def substitute(text: str, known: Mapping[str, str]) -> str:
    """Docker's own variables: known value, default, or a hole."""
    text = text.replace(MARK, HOLE)
    if "$" not in text:
        return text

    def value(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        name = match[2] or match[5]
        if match[3] == ":+":
            return match[4] if known.get(name) else ""
        if name in known and (known[name] or not match[3]):
            return known[name]
        return match[4] if match[3] else HOLE

    return _VARIABLE.sub(value, text)
