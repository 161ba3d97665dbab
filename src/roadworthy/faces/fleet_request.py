"""What the fleet commands share: the command line as it was written, the store it names, a folder to work in, and being asked to stop."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roadworthy.config import UsageError
from roadworthy.fleet.database import StoreError
from roadworthy.fleet.embedded import Stop
from roadworthy.fleet.identity import digest_of
from roadworthy.fleet.plan import Fleet, load_fleet
from roadworthy.fleet.store import Store, is_url
from roadworthy.text.places import state_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

Progress = Callable[[str, int, int], None]

EMBEDDED = "embedded"
TEMPORAL = "temporal"
_STALE_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class FleetRequest:
    """The command line as it was written; empty words were not."""

    file: Path
    store: str = ""  # a file or a URL
    processes: int = 0
    engine: str = EMBEDDED
    address: str = ""
    namespace: str = ""
    format: str = ""
    outputs: tuple[Path, ...] = ()
    fail_on: str = ""
    only_new: bool = False


@dataclass(frozen=True, slots=True)
class Undertaking:
    """A run that an engine works at."""

    store: Store
    place: str
    fleet: Fleet
    ruleset: str
    number: int


def place_of(request: FleetRequest, fleet: Fleet) -> str:
    """Where the store is: where the person says, else in the user's own folder, by name and place of the fleet file."""
    if request.store:
        return located(request.store)
    return str(_own_folder() / f"{digest_of(fleet.name, str(fleet.file.resolve()))}.sqlite")


def store_of(request: FleetRequest) -> str:
    """The same for a command that needs no fleet file where the store is given."""
    if not request.store and request.file == Path():
        raise UsageError("give --store, or the fleet file whose usual store it is")
    return place_of(request, load_fleet(request.file)) if not request.store else located(request.store)


def located(written: str) -> str:
    """A store as it was written, from wherever we go."""
    return written if is_url(written) else str(Path(written).absolute())


def _own_folder() -> Path:
    folder = state_folder()
    if folder is None:
        raise UsageError("there is no place for the state of a fleet; give --store FILE and set ROADWORTHY_STATE")
    return folder / "fleet"


@contextmanager
def opened(place: str) -> Iterator[Store]:
    """The store, for as long as it is used; what goes wrong with it is one line."""
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
def work_folder(place: str) -> Iterator[Path]:
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
def stopping() -> Iterator[Stop]:
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


def say(line: str) -> None:
    """Tell whoever started us."""
    print(f"roadworthy: {line}", file=sys.stderr, flush=True)
