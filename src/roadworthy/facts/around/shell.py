"""Shell scripts: entrypoints, start scripts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts.around.commands import SHELLS
from roadworthy.facts.around.shelltree import read_script
from roadworthy.facts.schema import Process

if TYPE_CHECKING:
    from roadworthy.facts.around.found import Found, Source

_SHEBANG = re.compile(r"#!\s*(\S+)(.*)")


def read(source: Source, found: Found) -> str | None:
    """Read a script. A file without extension counts only with a shell's `#!` line."""
    interpreter = _interpreter(source)
    if interpreter is None:
        return None
    script = read_script(source.text)
    if source.text.startswith("#!"):
        found.setting(1, "shell.shebang", source.lines[0][2:].strip())
    for command in script.commands:
        found.process(
            Process(
                line=command.line,
                end_line=command.end_line,
                argv=command.words,
                form="script",
                role="run",
                replaces_shell=command.replaces,
                background=command.background,
                is_last=command.last,
                shell=interpreter,
                cases=command.cases,
                wrapped=command.wrapped,
            )
        )
    for line, key, value in script.settings:
        found.setting(line, key, value)
    for line, message in script.problems:
        found.problem(line, message)
    return "shell"


def _interpreter(source: Source) -> tuple[str, ...] | None:
    match = _SHEBANG.match(source.text)
    if match is None:
        return ("/bin/sh",) if "." in source.name else None
    words = (match[1], *match[2].split())[:4]
    programs = [word.rpartition("/")[2] for word in words]
    if programs[0] == "env":
        words = tuple(w for w in words[1:] if not w.startswith("-"))
        programs = [word.rpartition("/")[2] for word in words]
    if not programs:
        return None
    if programs[0] in SHELLS or programs[0] == "with-contenv":
        return words
    return None
