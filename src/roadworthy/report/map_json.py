"""The map as JSON: the contract for other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.findings.servicemap import is_open_to_repetition
from roadworthy.report.json import dump
from roadworthy.report.map_words import NO_MAP, SUMS, by_kind, sums
from roadworthy.report.order import problems
from roadworthy.report.tool import NAME, SCHEMA_VERSION, VERSION

if TYPE_CHECKING:
    from roadworthy.findings.finding import Review
    from roadworthy.findings.servicemap import Deed, MapEntry, Protection
    from roadworthy.report.json import Json


def render(review: Review) -> str:
    """Write the whole map as one JSON document, keys and entries in a fixed order."""
    found = review.map or NO_MAP
    kinds: dict[str, Json] = {kind: _sums(entries) for kind, entries in by_kind(found).items()}
    return dump(
        {
            "schema_version": SCHEMA_VERSION,
            "tool": {"name": NAME, "version": VERSION},
            "root": review.root,
            "summary": {
                **_sums(list(found.entries)),
                "files": review.files,
                "lines": review.lines,
                "complete": review.complete,
            },
            "kinds": kinds,
            "entries": [_entry(entry) for entry in found.entries],
            "errors": [{"path": path, "line": line, "message": message} for path, line, message in problems(review)],
            "notes": list(review.notes),
        }
    )


def _sums(entries: list[MapEntry]) -> dict[str, Json]:
    names = (name.replace(" ", "_") for name in SUMS)
    return dict(zip(names, sums(entries), strict=True))


def _entry(entry: MapEntry) -> Json:
    return {
        "kind": entry.kind,
        "name": entry.name,
        "path": entry.path,
        "line": entry.line,
        "function": entry.function,
        "source": entry.source,
        "delivery": entry.delivery,
        "repeats": entry.repeats,
        "attempts": entry.attempts,
        "survives_crash": entry.survives.value,
        "why": entry.why,
        "effects": [_deed(deed) for deed in entry.deeds],
    }


def _deed(deed: Deed) -> Json:
    return {
        "effect": deed.effect,
        "target": deed.target,
        "runs": deed.runs,
        "time_limit": deed.ends.value,
        "persists": deed.persists,
        "safe_to_repeat": deed.repeat,
        "may_hang": deed.may_hang,
        "open_to_repetition": is_open_to_repetition(deed),
        "places": [{"path": path, "line": line} for path, line in deed.places],
        "protections": [_protection(found) for found in deed.protections],
        "steps": [{"path": s.path, "line": s.line, "function": s.function, "note": s.note} for s in deed.steps],
    }


def _protection(found: Protection) -> Json:
    return {
        "kind": found.kind,
        "text": found.text,
        "path": found.path,
        "line": found.line,
        "everywhere": found.everywhere,
    }
