"""The commands `fleet run` and `fleet report`: from a fleet file to a portfolio and an exit status."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from roadworthy.config import UsageError
from roadworthy.config.load import parse_fail_on
from roadworthy.faces.fleet_request import (
    EMBEDDED,
    TEMPORAL,
    FleetRequest,
    Progress,
    Undertaking,
    opened,
    place_of,
    say,
    stopping,
    work_folder,
)
from roadworthy.faces.guard import INCOMPLETE, silence
from roadworthy.faces.output import check_writable, color, print_text, width, write_file
from roadworthy.faces.progress import ProgressBar
from roadworthy.findings.finding import Severity
from roadworthy.fleet.embedded import Engine, Options, Stop
from roadworthy.fleet.plan import Fleet, load_fleet, owners_of
from roadworthy.fleet.portfolio import Portfolio, portfolio
from roadworthy.fleet.rendering import FORMATS, SUFFIXES, render

if TYPE_CHECKING:
    from pathlib import Path

    from roadworthy.fleet.store import Store

_FOR_PEOPLE = "terminal"


def run(request: FleetRequest) -> int:
    """Review what is left to review, write the portfolio, return the exit status."""
    formats = _formats(request)
    work = _engine(request)
    fleet = load_fleet(request.file)
    fail_on = _fail_on(request, fleet)
    place = place_of(request, fleet)
    ruleset = fleet.ruleset()
    with opened(place) as store, stopping() as stop:
        number, joined = store.open_run(fleet.name, fleet.digest(), ruleset, fleet.jobs())
        if joined:
            say(f"goes on with run {number}, which did not end")
        with ProgressBar() as bar:
            ended = work(Undertaking(store, place, fleet, ruleset, number), bar, stop)
        if not ended:
            say("asked to stop; the same command goes on from here")
        return _reported(store, fleet, request, formats, fail_on)


Work = Callable[[Undertaking, Progress, Stop], bool]


def _engine(request: FleetRequest) -> Work:
    """The engine that was asked for."""
    if request.engine == EMBEDDED:
        if request.address or request.namespace:
            raise UsageError("--address and --namespace belong to --engine temporal")
        return lambda what, progress, stop: _work_here(what, request.processes, progress, stop)
    if request.engine != TEMPORAL:
        raise UsageError(f"--engine {request.engine}: one of {EMBEDDED}, {TEMPORAL}")
    if request.processes:
        raise UsageError("--processes belongs to the workers: `roadworthy fleet worker --processes`")
    from roadworthy.faces.fleet_temporal import work_there

    return lambda what, progress, stop: work_there(what, request, progress, stop)


def _work_here(what: Undertaking, processes: int, progress: Progress, stop: Stop) -> bool:
    with work_folder(what.place) as folder:
        options = Options(processes=processes or os.cpu_count() or 1, folder=folder)
        return Engine(what.store, what.fleet.name, what.ruleset, options).work(what.number, progress, stop)


def report(request: FleetRequest) -> int:
    """Write the portfolio of the latest run; return the exit status."""
    formats = _formats(request)
    fleet = load_fleet(request.file)
    fail_on = _fail_on(request, fleet)
    with opened(place_of(request, fleet)) as store:
        return _reported(store, fleet, request, formats, fail_on)


def status(state: Portfolio, fail_on: Severity | None, only_new: bool) -> int:
    """Return the exit status. Incomplete comes first: what was not looked at may hold anything."""
    if not state.complete:
        return INCOMPLETE
    items = state.new if only_new else state.items
    return int(fail_on is not None and any(Severity(i.finding.severity).rank <= fail_on.rank for i in items))


def _reported(
    store: Store, fleet: Fleet, request: FleetRequest, formats: dict[Path, str], fail_on: Severity | None
) -> int:
    state = portfolio(store, fleet.name, owners_of(fleet))
    if state is None:
        raise UsageError(f"there is no run of {fleet.name} yet; `roadworthy fleet run {request.file}` makes one")
    for path, form in formats.items():
        write_file(path, render(state, form, width=100, color=False))
    form = request.format or _FOR_PEOPLE
    try:
        print_text(render(state, form, width=width(), color=color()), machine=form != _FOR_PEOPLE)
    except BrokenPipeError:
        silence()
    return status(state, fail_on, request.only_new)


def _formats(request: FleetRequest) -> dict[Path, str]:
    if request.format and request.format not in FORMATS:
        raise UsageError(f"--format {request.format}: one of {', '.join(FORMATS)}")
    formats = {}
    for path in request.outputs:
        form = SUFFIXES.get(path.suffix.lower(), request.format)
        if not form:
            raise UsageError(f"--output {path}: its name tells no format; give it one of {', '.join(SUFFIXES)}")
        check_writable(path)
        formats[path] = form
    return formats


def _fail_on(request: FleetRequest, fleet: Fleet) -> Severity | None:
    if not request.fail_on:
        return fleet.settings.fail_on
    try:
        return parse_fail_on(request.fail_on)
    except ValueError:
        raise UsageError(f"--fail-on {request.fail_on}: one of HIGH, MEDIUM, LOW, never") from None
