"""The commands `fleet run` and `fleet report`: from a fleet file to a portfolio and an exit status."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roadworthy.config import UsageError
from roadworthy.config.load import parse_fail_on
from roadworthy.engine.ruleset import ruleset_version
from roadworthy.faces.guard import INCOMPLETE, silence
from roadworthy.faces.output import check_writable, color, print_text, width, write_file
from roadworthy.faces.progress import ProgressBar
from roadworthy.findings.finding import Severity
from roadworthy.fleet.database import StoreError
from roadworthy.fleet.embedded import Engine, Options, Stop
from roadworthy.fleet.identity import digest_of
from roadworthy.fleet.plan import Fleet, load_fleet, owners_of
from roadworthy.fleet.portfolio import Portfolio, portfolio
from roadworthy.fleet.rendering import FORMATS, SUFFIXES, render
from roadworthy.fleet.store import Store, is_url
from roadworthy.text.places import state_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_FOR_PEOPLE = "terminal"
_STALE_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class FleetRequest:
    """The command line as it was written; empty words were not."""

    file: Path
    store: str = ""  # a file or a URL
    processes: int = 0
    format: str = ""
    outputs: tuple[Path, ...] = ()
    fail_on: str = ""
    only_new: bool = False


def run(request: FleetRequest) -> int:
    """Review what is left to review, write the portfolio, return the exit status."""
    formats = _formats(request)
    fleet = load_fleet(request.file)
    fail_on = _fail_on(request, fleet)
    place = _place(request, fleet)
    ruleset = digest_of(ruleset_version(), fleet.settings_text)
    with _opened(place) as store, _folder(place) as folder, _stopping() as stop:
        number, joined = store.open_run(fleet.name, fleet.digest(), ruleset, fleet.jobs())
        if joined:
            _say(f"goes on with run {number}, which did not end")
        options = Options(processes=request.processes or os.cpu_count() or 1, folder=folder)
        with ProgressBar() as bar:
            if not Engine(store, fleet.name, ruleset, options).work(number, bar, stop):
                _say("asked to stop; the same command goes on from here")
        return _reported(store, fleet, request, formats, fail_on)


def report(request: FleetRequest) -> int:
    """Write the portfolio of the latest run; return the exit status."""
    formats = _formats(request)
    fleet = load_fleet(request.file)
    fail_on = _fail_on(request, fleet)
    with _opened(_place(request, fleet)) as store:
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


def _place(request: FleetRequest, fleet: Fleet) -> str:
    """Where the store is: where the person says, else in the user's own folder, by name and place of the fleet file."""
    if request.store:
        return request.store if is_url(request.store) else str(Path(request.store).absolute())
    return str(_own_folder() / f"{digest_of(fleet.name, str(fleet.file.resolve()))}.sqlite")


def _own_folder() -> Path:
    folder = state_folder()
    if folder is None:
        raise UsageError("there is no place for the state of a fleet; give --store FILE and set ROADWORTHY_STATE")
    return folder / "fleet"


@contextmanager
def _opened(place: str) -> Iterator[Store]:
    try:
        store = Store(place)
    except StoreError as error:
        raise UsageError(str(error)) from error
    try:
        yield store
    except StoreError as error:
        raise UsageError(f"{error}; the same command goes on from here") from error
    finally:
        store.close()


@contextmanager
def _folder(place: str) -> Iterator[Path]:
    """A folder for what is written out, beside the store if that is a file. What a killed run left there is removed a day later."""
    folder = _own_folder() / f"{digest_of(place)}.work" if is_url(place) else Path(place).with_suffix(".work")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}") from None
    for old in folder.iterdir():
        with suppress(OSError):  # another run removed it
            if old.stat().st_mtime < time.time() - _STALE_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
    yield folder
    with suppress(OSError):  # another run is at work in it
        folder.rmdir()


@contextmanager
def _stopping() -> Iterator[Stop]:
    """Turn SIGTERM, and the first Ctrl-C, into a request to stop; the second Ctrl-C interrupts."""
    stop = Stop()
    usual = signal.getsignal(signal.SIGINT)

    def ask(number: int, _: FrameType | None) -> None:
        stop.ask()
        signal.signal(signal.SIGINT, usual)

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(line: str) -> None:
    print(f"roadworthy: {line}", file=sys.stderr, flush=True)
