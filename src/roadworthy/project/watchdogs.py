"""Servers that kill the worker of a request which takes too long: uWSGI's harakiri, gunicorn's timeout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.knowledge.programs import load_programs
from roadworthy.knowledge.vocabulary import EntryKind
from roadworthy.project.deployment.launch import HOLE
from roadworthy.project.once import once

if TYPE_CHECKING:
    from roadworthy.project.entry import Reached
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function

_ANSWERS = frozenset({EntryKind.HTTP_HANDLER, EntryKind.WEBHOOK_HANDLER, EntryKind.MIDDLEWARE})
_SOON = 300.0  # seconds; behind a longer limit all workers are taken long before the first comes back
_OWN_CONFIGURATION = "gunicorn.conf.py"  # read without being named

Served = tuple[tuple[str, ...], float | None]  # folder of what starts a server, and its limit


def killed_after(model: Model, function: Function) -> float | None:
    """Seconds after which the server ends each request that comes to the function, if only requests come to it."""
    serving = [reached for reached in model.exposure(function).entries if reached.entry.serves_others]
    if not serving or not all(_is_answer(reached) for reached in serving):
        return None
    limits = [_limit_of(model, reached.entry.function.path) for reached in serving]
    known = [limit for limit in limits if limit is not None]
    return max(known) if len(known) == len(limits) and max(known) <= _SOON else None


def _is_answer(reached: Reached) -> bool:
    """Does the worker that answers a request wait itself, and nothing else?"""
    entry = reached.entry
    return reached.inline and entry.kind in _ANSWERS and not entry.function.is_async and not entry.on_loop


def _limit_of(model: Model, path: str) -> float | None:
    """The limit of the servers that are started nearest to the file, if each of them has one."""
    servers = _servers(model)
    folders = tuple(path.split("/")[:-1])
    near = [(_common(folders, folder), limit) for folder, limit in servers]
    nearest = [limit for common, limit in near if common == max(c for c, _ in near)]
    known = [limit for limit in nearest if limit is not None]
    return max(known) if known and len(known) == len(nearest) else None


@once
def _servers(model: Model) -> tuple[Served, ...]:
    """What is started in production, by folder; a file of settings stands for the server that reads it."""
    rows = [row for row in load_programs().rows.program if row.request_limit]
    keys = {row.request_limit_setting for row in rows if row.request_limit_setting}
    configured = {
        _folder(facts.path): _seconds(setting.value)
        for facts in model.around
        for setting in facts.settings
        if setting.key in keys
    }
    found: list[Served] = list(configured.items())
    hidden = {_folder(path) for path in model.symbols.by_path if path.endswith(_OWN_CONFIGURATION)}
    serving = [p for p in model.deployment.processes if p.kind == "server" and p.role == "prod"]
    hosted = {_folder(process.path) for process in serving if process.host != "script"}
    for process in serving:
        folder = _folder(process.path)
        loose = process.host == "script" and folder in hosted  # nothing starts it
        if folder not in configured and not loose:
            unsure = HOLE in process.argv or any(_common(folder, other) == len(other) for other in hidden)
            found.append((folder, None if unsure else process.request_limit))
    return tuple(found)


def _seconds(text: str) -> float | None:
    return float(text) if text.strip().isdigit() and int(text) else None


def _folder(path: str) -> tuple[str, ...]:
    return tuple(path.split("/")[:-1])


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many folders two paths have in common, from the top."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count
