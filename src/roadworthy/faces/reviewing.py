"""The command `review`: from words to settings, from a review to reports and an exit status."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from roadworthy.config import Settings, UsageError
from roadworthy.config.load import parse_fail_on
from roadworthy.engine import STAGES, Stages, project_settings
from roadworthy.engine.charting import charted
from roadworthy.engine.run import examine
from roadworthy.faces.agent import AgentRequest, agent_review, named_model
from roadworthy.faces.guard import INCOMPLETE, silence
from roadworthy.faces.output import check_writable, color, print_text, width, write_file
from roadworthy.faces.progress import ProgressBar
from roadworthy.findings.finding import Review, Severity
from roadworthy.report import FORMATS, format_of, render
from roadworthy.text.places import CACHE_VARIABLE

_FOR_PEOPLE = "terminal"


@dataclass(frozen=True, slots=True)
class Request:
    """The command line as it was written; empty words were not."""

    paths: tuple[Path, ...] = ()
    area: str = ""
    format: str = ""
    outputs: tuple[Path, ...] = ()
    fail_on: str = ""
    pedantic: bool = False
    jobs: int = 0
    no_cache: bool = False
    since: str = ""
    blame: bool = False
    agent: AgentRequest | None = None
    watch: bool = False


def perform(request: Request, stages: Stages = STAGES) -> int:
    """Review, write every report, return the exit status."""
    if request.format and request.format not in FORMATS:
        raise UsageError(f"--format {request.format}: one of {', '.join(FORMATS)}")
    formats = {path: _format(path, request) for path in request.outputs}
    for path in formats:
        check_writable(path)
    use_no_cache(request)
    settings = settings_of(request, stages)
    if request.agent is not None:
        named_model(request.agent)  # said before the work, not after it
    with ProgressBar() as bar:
        mapped = "html" in {request.format, *formats.values()}  # only that report shows the map and the code of paths
        asked = mapped or request.agent is not None
        project, outcome = examine(request.paths, settings, stages=stages, progress=bar, model=asked)
        if request.agent is not None:
            outcome = agent_review(project, outcome, settings, request.agent, bar)
        if mapped:
            outcome = charted(outcome, project)
    for path, form in formats.items():
        write_file(path, render(outcome, form, width=100, color=False))
    form = request.format or _FOR_PEOPLE
    try:
        print_text(render(outcome, form, width=width(), color=color()), machine=form != _FOR_PEOPLE)
    except BrokenPipeError:
        silence()
    return status(outcome, settings.fail_on)


def status(outcome: Review, fail_on: Severity | None) -> int:
    """Return the exit status. Incomplete comes first: what was not looked at may hold anything."""
    if not outcome.complete:
        return INCOMPLETE
    if fail_on is None:
        return 0
    return int(any(finding.severity.rank <= fail_on.rank for finding in outcome.findings))


def _format(path: Path, request: Request) -> str:
    form = format_of(path.name) or request.format
    if not form:
        raise UsageError(
            f"--output {path}: its name tells no format; give it a suffix such as .md, .json or .txt, or use --format"
        )
    return form


def use_no_cache(request: Request) -> None:
    """Do without any cache where that is asked for: the compiled library files have one, too."""
    if request.no_cache:
        os.environ[CACHE_VARIABLE] = ""


def settings_of(request: Request, stages: Stages) -> Settings:
    """Lay the command line over the project's configuration."""
    settings = project_settings(request.paths, stages)
    fail_on = settings.fail_on
    if request.fail_on:
        try:
            fail_on = parse_fail_on(request.fail_on)
        except ValueError:
            raise UsageError(f"--fail-on {request.fail_on}: one of HIGH, MEDIUM, LOW, never") from None
    return replace(
        settings,
        area=request.area,
        since=request.since,
        blame=request.blame,
        fail_on=fail_on,
        pedantic=request.pedantic or settings.pedantic,
        jobs=request.jobs,
        cache=not request.no_cache,
    )
