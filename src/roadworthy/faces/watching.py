"""The command `review --watch`: the report again after each change, until somebody interrupts."""

import os
import sys
import time
from collections.abc import Iterable

from roadworthy.config import UsageError
from roadworthy.engine import STAGES, Stages
from roadworthy.engine.live import Live
from roadworthy.faces.output import color, print_text, width
from roadworthy.faces.progress import ProgressBar
from roadworthy.faces.reviewing import Request, settings_of, use_no_cache
from roadworthy.faces.reviewing import perform as perform_once
from roadworthy.report import render

__all__ = ["Request", "perform"]

_INTERVAL = 0.2
"""Seconds between two looks at the files' times."""

_TICK = 10_000_000
"""Nanoseconds by which a file's time may be behind the clock."""


def perform(request: Request, stages: Stages = STAGES) -> int:
    """Review, once or again and again; return the exit status."""
    if not request.watch:
        return perform_once(request, stages)
    if request.outputs or request.agent is not None or request.format not in ("", "terminal"):
        raise UsageError("--watch writes to the terminal only: leave --output, --format and --agent away")
    use_no_cache(request)
    live = Live(request.paths, stages, lambda: settings_of(request, stages))
    while True:
        began = time.time_ns() - _TICK
        _once(live)
        seen = _times(live.files())
        if any(began <= changed <= time.time_ns() for changed, _ in seen):  # while we read
            continue
        live.rest()
        while _times(live.files()) == seen:
            time.sleep(_INTERVAL)


def _once(live: Live) -> None:
    """One report; a configuration that is wrong is said, and may be mended."""
    try:
        with ProgressBar() as bar:
            review = live.review({}, fresh=True, progress=bar)
        text = render(review, "terminal", width=width(), color=color())
    except UsageError as error:
        if not live.files():  # the first review: nothing to watch
            raise
        print(f"roadworthy: error: {error}", file=sys.stderr, flush=True)
        return
    print_text(f"{text}\n")


def _times(files: Iterable[str]) -> list[tuple[int, int]]:
    """When each was changed, and its size; what is gone has none."""
    found = []
    for full in files:
        try:
            about = os.stat(full)  # noqa: PTH116 - thousands of them, five times a second
        except OSError:
            found.append((0, -1))
        else:
            found.append((about.st_mtime_ns, about.st_size))
    return found
