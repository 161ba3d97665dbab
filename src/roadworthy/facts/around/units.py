"""Process managers: systemd units, supervisord programs, Procfiles."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts.around.commands import Start, add_argv, add_shell_text, split_words
from roadworthy.facts.around.found import HOLE, MARK
from roadworthy.facts.around.helm import fill
from roadworthy.facts.around.ini import Entry, entries, without_comment

if TYPE_CHECKING:
    from roadworthy.facts.around.found import Found, Source

_SYSTEMD_ROLES = {
    "ExecStart": "service",
    "ExecStartPre": "run",
    "ExecStartPost": "run",
    "ExecStop": "prestop",
}
_SYSTEMD_KEYS = frozenset(
    {
        "TimeoutStopSec",
        "TimeoutSec",
        "KillMode",
        "KillSignal",
        "Restart",
        "RestartSec",
        "Type",
        "SendSIGKILL",
        "WatchdogSec",
    }
)
_PREFIXES = re.compile(r"[-@:+!|]+")
_PROCESS = re.compile(r"^([A-Za-z0-9_\-]+):\s*(.+)$")
_PROGRAM = re.compile(r"^\s*\[(program|fcgi-program|eventlistener):[^\]]+\]", re.MULTILINE)


def read_systemd(source: Source, found: Found) -> str:
    """Read the service section of a unit."""
    text = fill(source.text)
    for entry in entries(text.split("\n"), continued="backslash"):
        if entry.section != "Service":
            continue
        role = _SYSTEMD_ROLES.get(entry.key)
        if role is not None:
            command = _PREFIXES.sub("", entry.value, count=1) if entry.value[:1] in "-@:+!|" else entry.value
            _add(found, split_words(command.replace(MARK, HOLE)), entry, Start(role, source.name))
        elif entry.key in _SYSTEMD_KEYS:
            found.setting(entry.line, f"unit.{entry.key}", entry.value)
        elif entry.key == "Environment":
            for word in split_words(entry.value):
                name, _, value = word.partition("=")
                found.setting(entry.line, f"unit.env.{name}", value)
    return "systemd"


def is_supervisor(text: str) -> bool:
    """Tell whether it describes programs of supervisord."""
    return _PROGRAM.search(text) is not None or "[supervisord]" in text


def read_supervisor(source: Source, found: Found) -> str | None:
    """Read the programs of a supervisord configuration."""
    if not is_supervisor(source.text):
        return None
    for entry in entries(fill(source.text).split("\n")):
        kind, _, program = entry.section.partition(":")
        value = without_comment(entry.value).replace("\n", " ").replace(MARK, HOLE)
        if kind in ("program", "fcgi-program", "eventlistener") and entry.key == "command":
            words = split_words(re.sub(r"%\([^)]*\)[sd]", lambda _: HOLE, value).replace("%%", "%"))
            _add(found, words, entry, Start("service", program))
        elif kind in ("program", "supervisord", "fcgi-program"):
            found.setting(entry.line, f"{entry.section}.{entry.key}", value)
    return "supervisor"


def read_procfile(source: Source, found: Found) -> str:
    """Read the process types. Each line runs in a shell."""
    for number, line in enumerate(source.lines, start=1):
        match = _PROCESS.match(line.strip())
        if match and not line.lstrip().startswith("#"):
            role = "run" if match[1] == "release" else "service"
            add_shell_text(found, match[2], ("/bin/sh", "-c"), Start(role, match[1], number, number))
    return "procfile"


def _add(found: Found, words: tuple[str, ...], entry: Entry, start: Start) -> None:
    add_argv(found, words, Start(start.role, start.owner, entry.line, entry.end_line))
