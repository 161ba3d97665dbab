"""What a code base does right, as a list: for the terminal, as Markdown, as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from roadworthy.advice.code import GAP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.advice.patterns import Pattern, Patterns

KINDS: dict[str, dict[str, str]] = {
    "Resilience": {
        "timeout": "calls and clients with a time limit",
        "timeout-number": "names that carry time limits",
        "retry": "retries with a pause and an end",
        "job-retry": "jobs that the queue repeats",
        "retry-client": "clients that repeat by themselves",
        "breaker": "circuit breakers",
        "bulkhead": "limits on what runs at once",
        "off-loop": "blocking work moved off the event loop",
        "shutdown": "handlers of signals",
        "logger": "errors logged with their traceback",
    },
    "Idempotency": {
        "upsert": "writes that converge on a key",
        "dedup": "claims of an event or message",
        "deterministic-id": "ids derived from their input",
        "idempotency-key": "idempotency keys passed on",
        "row-lock": "rows held from check to write",
        "lock": "locks held over a block",
        "unique-migration": "indexes built without locking the table",
    },
    "Durability": {
        "durable": "ways to hand work to the durable system",
        "job": "functions that the durable system runs",
        "on-commit": "what is sent after the commit",
        "keep-task": "tasks kept until they are done",
        "atomic-write": "files written whole or not at all",
    },
}
"""Pillar -> kind of pattern -> what it is, in the order of the list."""

FORMATS = ("terminal", "markdown", "json")
_SHOWN = 8
_PLACES = 3
_WIDTH = 90


def listing(patterns: Patterns, form: str, root: str = ".") -> str:
    """All patterns in one of FORMATS; the list for machines is whole, the others show the most used of each kind."""
    if form == "json":
        return _json(patterns, root)
    return "".join(_markdown(patterns) if form == "markdown" else _terminal(patterns))


def _groups(patterns: Patterns) -> Iterator[tuple[str, str, str, list[Pattern]]]:
    for pillar, kinds in KINDS.items():
        for kind, meaning in kinds.items():
            found = patterns.by_kind.get(kind)
            if found:
                yield pillar, kind, meaning, found


def _terminal(patterns: Patterns) -> Iterator[str]:
    last = ""
    for pillar, _, meaning, found in _groups(patterns):
        if pillar != last:
            yield f"{'' if not last else chr(10)}{pillar}\n"
            last = pillar
        yield f"  {meaning}: {_count(found)}\n"
        for pattern in found[:_SHOWN]:
            yield f"    {len(pattern.uses):>4}  {_code(pattern)}  {_place(pattern)}\n"
        if len(found) > _SHOWN:
            yield f"          and {len(found) - _SHOWN} more\n"
    if not last:
        yield "No patterns found.\n"


def _markdown(patterns: Patterns) -> Iterator[str]:
    yield "# What this code base does right\n"
    last = ""
    for pillar, _, meaning, found in _groups(patterns):
        if pillar != last:
            yield f"\n## {pillar}\n"
            last = pillar
        yield f"\n**{meaning[0].upper()}{meaning[1:]}** ({_count(found)})\n\n"
        for pattern in found[:_SHOWN]:
            places = ", ".join(f"`{use.path}:{use.line}`" for use in pattern.uses[:_PLACES])
            more = f" and {len(pattern.uses) - _PLACES} more" if len(pattern.uses) > _PLACES else ""
            defined = f", defined in `{pattern.path}:{pattern.line}`" if pattern.definition is not None else ""
            yield f"- `{_code(pattern).replace('`', chr(39))}`{defined}: {places}{more}\n"
        if len(found) > _SHOWN:
            yield f"- and {len(found) - _SHOWN} more\n"
    if not last:
        yield "\nNo patterns found.\n"


def _count(found: list[Pattern]) -> str:
    uses = sum(len(pattern.uses) for pattern in found)
    return f"{uses:,} place{'s' if uses != 1 else ''}"


def _code(pattern: Pattern) -> str:
    """The helper or function by its name, a library's call as it is written at its first place."""
    if pattern.definition is not None or pattern.example:
        return pattern.name
    shape = pattern.uses[0].shape
    if pattern.kind == "timeout":
        shape = f"{pattern.name[:-2]}({GAP}, {shape})"
    shape = " ".join(shape.split()) if len(pattern.uses) == 1 or pattern.kind == "timeout" else pattern.name
    return shape if 0 < len(shape) <= _WIDTH else pattern.name


def _place(pattern: Pattern) -> str:
    return f"{pattern.path}:{pattern.line}"


def _json(patterns: Patterns, root: str) -> str:
    rows = [
        {
            "pillar": pillar.lower(),
            "kind": kind,
            "meaning": meaning,
            "name": pattern.name,
            "library": pattern.family,
            "path": pattern.path,
            "line": pattern.line,
            "defined": pattern.definition is not None,
            "uses": len(pattern.uses),
            "places": [{"path": use.path, "line": use.line, "code": use.shape} for use in pattern.uses],
        }
        for pillar, kind, meaning, found in _groups(patterns)
        for pattern in found
    ]
    return json.dumps({"schema_version": 1, "root": root, "patterns": rows}, ensure_ascii=False, indent=2) + "\n"
