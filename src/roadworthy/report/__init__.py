"""Reports: pure functions from a review to text, one module for each format."""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, cast

from roadworthy.report.clean import encodable

if TYPE_CHECKING:
    from collections.abc import Callable

    from roadworthy.findings.finding import Review

__all__ = ["FORMATS", "MAP_FORMATS", "encodable", "format_of", "render", "render_map"]

FORMATS: tuple[str, ...] = (
    "terminal",
    "markdown",
    "json",
    "sarif",
    "github",
    "github-summary",
    "gitlab",
    "junit",
    "html",
)

MAP_FORMATS: tuple[str, ...] = ("terminal", "markdown", "json", "html")

_BY_NAME: tuple[tuple[str, str], ...] = (
    (r"(gl-)?code-?quality.*\.json", "gitlab"),
    (r"step_summary.*", "github-summary"),
    (r".*\.sarif(\.json)?", "sarif"),
    (r".*\.json", "json"),
    (r".*\.(md|markdown)", "markdown"),
    (r".*\.html?", "html"),
    (r".*\.xml", "junit"),
    (r".*\.(txt|text|log)", "terminal"),
)


def render(review: Review, format: str, *, width: int = 100, color: bool = False) -> str:  # noqa: A002 - the word users know
    """Write the review in this format; `width` and `color` matter to the terminal only.

    Raises ValueError for a format that is not in `FORMATS`.
    """
    if format not in FORMATS:
        raise ValueError(f"unknown report format {format!r}: one of {', '.join(FORMATS)}")
    # Imported on demand: a run pays only for the format that it writes.
    module = importlib.import_module(f"roadworthy.report.{format.replace('-', '_')}")
    if format == "terminal":
        return cast("Callable[[Review, int, bool], str]", module.render)(review, width, color)
    return cast("Callable[[Review], str]", module.render)(review)


def render_map(review: Review, format: str, *, width: int = 100, color: bool = False) -> str:  # noqa: A002 - as above
    """Write the map of a review in this format. Raises ValueError for a format that is not in `MAP_FORMATS`."""
    if format not in MAP_FORMATS:
        raise ValueError(f"unknown map format {format!r}: one of {', '.join(MAP_FORMATS)}")
    if format == "html":  # the same page, with nothing but the map on it
        return render(review, format)
    module = importlib.import_module(f"roadworthy.report.map_{format}")
    if format == "terminal":
        return cast("Callable[[Review, int, bool], str]", module.render)(review, width, color)
    return cast("Callable[[Review], str]", module.render)(review)


def format_of(filename: str) -> str | None:
    """Return the format that a file's name asks for, or None."""
    name = re.split(r"[/\\]", filename)[-1].lower()
    return next((word for pattern, word in _BY_NAME if re.fullmatch(pattern, name)), None)
