"""`fleet run --engine temporal`, `fleet worker` and `fleet cancel`: the engine for more than one machine, where its extra is installed."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event
from typing import TYPE_CHECKING

from roadworthy.config import UsageError
from roadworthy.faces.fleet_request import opened, place_of, say, stopping, work_folder
from roadworthy.fleet.identity import program_version
from roadworthy.fleet.plan import load_fleet
from roadworthy.fleet.store import is_url

try:
    from roadworthy.fleet.temporal import client
    from roadworthy.fleet.temporal.activities import Bench
    from roadworthy.fleet.temporal.connection import Address, EngineError
    from roadworthy.fleet.temporal.orders import Order, queue_name
    from roadworthy.fleet.temporal.worker import WorkerOptions, serve
except ImportError:
    raise UsageError("the engine `temporal` needs more: pip install 'roadworthy[fleet]'") from None

if TYPE_CHECKING:
    from roadworthy.faces.fleet_request import FleetRequest, Progress, Undertaking
    from roadworthy.fleet.embedded import Stop
    from roadworthy.fleet.store import Store

_GRACE = 120.0  # seconds of a repository besides its own limits: a busy store, a slow end
_LOOK = 0.3


def work_there(what: Undertaking, request: FleetRequest, progress: Progress, stop: Stop) -> bool:
    """Let the workers do it, and wait; True when nothing is left. Asked to stop, we leave and they go on."""
    limits = what.fleet.limits
    order = Order(what.number, what.fleet.name, what.ruleset, limits.seconds + limits.fetch_seconds + _GRACE)
    queue, total = _queue(what.store), what.store.size(what.number)
    over = Event()  # however we leave, the thread does, too
    with ThreadPoolExecutor(1) as thread:
        try:
            waiting = thread.submit(
                client.follow, _address(request), order, queue, lambda: over.is_set() or stop.asked_at is not None, say
            )
            while not waiting.done():
                progress("reviewing", total - what.store.left(what.number), total)
                wait({waiting}, timeout=_LOOK)
        finally:
            over.set()
        try:
            ended = waiting.result()
        except EngineError as error:
            raise UsageError(str(error)) from error
    if not ended:
        say("the workers go on with it; `roadworthy fleet cancel` ends it")
    return ended and not what.store.left(what.number)


def work_for(request: FleetRequest, place: str) -> int:
    """Be a worker until asked to stop."""
    if not is_url(place):
        say("the store is a file: workers on other machines cannot share it")
    with opened(place) as store:
        queue = _queue(store)
    options = WorkerOptions(queue, request.processes or os.cpu_count() or 1)
    with work_folder(place) as folder, stopping() as stop:
        try:
            serve(_address(request), Bench(place, folder), options, lambda: stop.asked_at is not None, say)
        except EngineError as error:
            raise UsageError(str(error)) from error
    return 0


def cancel(request: FleetRequest) -> int:
    """End the run that is under way; what is done stays done, and the same `fleet run` goes on from there."""
    fleet = load_fleet(request.file)
    with opened(place_of(request, fleet)) as store:
        runs = [run for run in store.runs(fleet.name) if run.ended_at is None]
        queue = _queue(store)
    try:
        ended = [client.cancel(_address(request), fleet.name, run.number, queue, say) for run in runs]
    except EngineError as error:
        raise UsageError(str(error)) from error
    say("cancelled; the same `fleet run` goes on from here" if any(ended) else f"no run of {fleet.name} is under way")
    return 0


def _queue(store: Store) -> str:
    return queue_name(store.identity(), program_version())


def _address(request: FleetRequest) -> Address:
    return Address(request.address, request.namespace)
