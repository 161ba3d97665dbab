"""The command `map`: from words to settings, from a map to reports and an exit status."""

from dataclasses import replace
from pathlib import Path

from roadworthy.config import UsageError
from roadworthy.engine import STAGES, Stages, chart
from roadworthy.faces.guard import INCOMPLETE, silence
from roadworthy.faces.output import check_writable, color, print_text, width, write_file
from roadworthy.faces.progress import ProgressBar
from roadworthy.faces.reviewing import Request, settings_of, use_no_cache
from roadworthy.findings.finding import Review
from roadworthy.findings.servicemap import ServiceMap
from roadworthy.report import MAP_FORMATS, format_of, render_map

_FOR_PEOPLE = "terminal"


def perform(request: Request, *, exposed: bool, stages: Stages = STAGES) -> int:
    """Map, write every report, return the exit status: 0, or 3 when something could not be read."""
    if request.format and request.format not in MAP_FORMATS:
        raise UsageError(f"--format {request.format}: one of {', '.join(MAP_FORMATS)}")
    formats = {path: _format(path, request) for path in request.outputs}
    for path in formats:
        check_writable(path)
    use_no_cache(request)
    with ProgressBar() as bar:
        outcome = chart(request.paths, settings_of(request, stages), stages=stages, progress=bar)
    if exposed:
        outcome = _exposed(outcome)
    for path, form in formats.items():
        write_file(path, render_map(outcome, form, width=100, color=False))
    form = request.format or _FOR_PEOPLE
    try:
        print_text(render_map(outcome, form, width=width(), color=color()), machine=form != _FOR_PEOPLE)
    except BrokenPipeError:
        silence()
    return 0 if outcome.complete else INCOMPLETE


def _format(path: Path, request: Request) -> str:
    form = format_of(path.name) or request.format
    if form not in MAP_FORMATS:
        raise UsageError(f"--output {path}: a map is written as .txt, .md, .json or .html")
    return form


def _exposed(outcome: Review) -> Review:
    entries = outcome.map.entries if outcome.map is not None else ()
    return replace(outcome, map=ServiceMap(tuple(entry for entry in entries if entry.open)))
