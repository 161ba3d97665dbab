"""Placeholder until the reports are merged: counts only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roadworthy.findings.finding import Review

FORMATS: tuple[str, ...] = ("terminal", "markdown", "json")


def render(review: Review, format: str, *, width: int = 100, color: bool = False) -> str:  # noqa: A002 - the word users know
    """Write the findings, one a line, or as JSON."""
    rows = [[f.rule, f.at.path, f.at.line, f.title, f.severity.value, f.fingerprint] for f in review.findings]
    if format == "json":
        errors = [[p.path, p.line, p.message] for p in review.problems]
        return json.dumps({"findings": rows, "held_back": review.held_back, "errors": errors, "notes": review.notes}) + "\n"
    return "".join(f"{row[1]}:{row[2]}: {row[3]}\n" for row in rows) + f"{len(rows)} findings in {review.files} files…\n"


def format_of(filename: str) -> str | None:
    """Return the format that a file's name asks for."""
    return {"json": "json", "md": "markdown", "txt": "terminal"}.get(filename.rpartition(".")[2])


def encodable(text: str, encoding: str) -> str:
    """Return what the encoding can carry."""
    return text.encode(encoding, "backslashreplace").decode(encoding)
