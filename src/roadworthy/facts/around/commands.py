"""Commands that a manifest starts: word lists, strings split like a shell does, and texts for a shell."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from roadworthy.facts.around.found import MAX_WORDS
from roadworthy.facts.around.shelltree import read_script
from roadworthy.facts.schema import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from roadworthy.facts.around.found import Found

SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh"})
_TAKES_TEXT = re.compile(r"-[a-zA-Z]*c")


@dataclass(frozen=True, slots=True)
class Start:
    """Where a command stands and for what."""

    role: str
    owner: str = ""
    line: int = 1
    end_line: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    line_of: Callable[[int], int] | None = None  # line of the file for a line of the shell text; None: all on `line`


def split_words(text: str) -> tuple[str, ...]:
    """Words of a command string that no shell sees (compose, supervisord, systemd)."""
    try:
        words = shlex.split(text)
    except ValueError:  # a quote that is never closed
        words = text.split()
    return tuple(words[:MAX_WORDS])


def add_argv(found: Found, argv: tuple[str, ...], start: Start) -> None:
    """Record a command given as words; a `sh -c TEXT` at its end is opened up."""
    at = _text_index(argv)
    if at is None:
        if argv:
            found.process(
                Process(
                    line=start.line,
                    end_line=start.end_line,
                    argv=argv[:MAX_WORDS],
                    form="exec",
                    role=start.role,
                    replaces_shell=True,
                    is_last=True,
                    owner=start.owner,
                )
            )
    else:
        add_shell_text(found, argv[at], argv[:at], start)


def add_shell_text(found: Found, text: str, shell: tuple[str, ...], start: Start) -> None:
    """Record every command of a text that `shell` runs."""
    script = read_script(text, start.environment)
    for command in script.commands:
        line, end_line = _lines(start, command.line, command.end_line)
        found.process(
            Process(
                line=line,
                end_line=end_line,
                argv=command.words,
                form="shell",
                role=start.role,
                replaces_shell=command.replaces,
                background=command.background,
                is_last=command.last,
                owner=start.owner,
                shell=shell,
                cases=command.cases,
                wrapped=command.wrapped,
                expands="$" in text,
            )
        )
    for line, key, value in script.settings:
        found.setting(_lines(start, line, line)[0], f"{start.owner}.{start.role}.{key}", value)
    for line, message in script.problems:
        found.problem(_lines(start, line, line)[0], message)


def _lines(start: Start, first: int, last: int) -> tuple[int, int]:
    if start.line_of is None:
        return start.line, start.end_line
    return start.line_of(first), start.line_of(last)


def split_text(first: tuple[str, ...], second: tuple[str, ...]) -> bool:
    """Tell whether `sh` stands in the entrypoint and its `-c` text in the command."""
    if not first or not second or _text_index(first) is not None or _text_index(second) is not None:
        return False
    return _text_index(first + second) is not None


def _text_index(argv: tuple[str, ...]) -> int | None:
    """Index of TEXT in `[wrapper …] sh [-flags] -c TEXT …`."""
    for index, word in enumerate(argv[:20]):
        if word.rpartition("/")[2] not in SHELLS:
            continue
        at = index + 1
        while at < len(argv) and argv[at][:1] in "-+":
            if _TAKES_TEXT.fullmatch(argv[at]):
                return at + 1 if at + 1 < len(argv) else None
            at += 2 if argv[at] in ("-o", "+o") else 1
        return None
    return None
