"""The engine for several machines with the fake process, as programs: `worker STORE ADDRESS FOLDER N`, `run FLEET STORE ADDRESS`, `cancel …`, `replay FILE…`.

Programs of their own, because they are killed, and because Temporal's client may crash an interpreter that is ending.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from fleet.driver import FAKE
from roadworthy.fleet.plan import load_fleet
from roadworthy.fleet.store import Store
from roadworthy.fleet.temporal import client
from roadworthy.fleet.temporal.activities import Bench
from roadworthy.fleet.temporal.connection import Address, EngineError
from roadworthy.fleet.temporal.orders import Order, queue_name
from roadworthy.fleet.temporal.worker import WORKFLOWS, WorkerOptions, sandbox, serve


def _say(line: str) -> None:
    print(line, flush=True)


def _queue(place: str) -> str:
    store = Store(place)
    try:
        return queue_name(store.identity(), "test")
    finally:
        store.close()


def worker(place: str, address: str, folder: str, processes: str, drain: str = "20") -> int:
    """A worker that drains when it is asked to stop."""
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    options = WorkerOptions(_queue(place), int(processes), float(drain))
    serve(Address(address), Bench(place, Path(folder), FAKE, lambda _: 0.1), options, lambda: bool(stopped), _say)
    return 0


def run(file: str, place: str, address: str, window: str = "100", batch: str = "500") -> int:
    """Start or join the run of a fleet, and wait for its end."""
    fleet = load_fleet(Path(file))
    store = Store(place)
    number, joined = store.open_run(fleet.name, fleet.digest(), "rules", fleet.jobs())
    order = Order(number, fleet.name, "rules", 60.0, heartbeat=2.0, window=int(window), batch=int(batch))
    with Path(file).with_name("log").open("a") as stream:
        stream.write(f"run {'joined' if joined else 'new'}\n")
    try:
        client.follow(Address(address), order, _queue(place), lambda: False, _say)
    except EngineError as error:
        _say(str(error))
        return 2
    return 0 if store.left(number) == 0 else 3


def cancel(place: str, address: str, number: str) -> int:
    """Cancel the run of the fleet `demo`."""
    return 0 if client.cancel(Address(address), "demo", int(number), _queue(place), _say) else 1


def replay(*files: str) -> int:
    """Let today's workflow code decide again what it decided when these histories were recorded."""
    from temporalio.client import WorkflowHistory
    from temporalio.worker import Replayer

    async def all_of_them() -> None:
        replayer = Replayer(workflows=WORKFLOWS, workflow_runner=sandbox())
        for file in files:
            await replayer.replay_workflow(WorkflowHistory.from_json(Path(file).stem, Path(file).read_text()))

    asyncio.run(all_of_them())
    return 0


def record(address: str, folder: str) -> int:
    """Write the histories of all workflows of a server as files, without what tells one machine from another."""
    from roadworthy.fleet.temporal.connection import connect

    async def all_of_them() -> None:
        server = await connect(Address(address), 10, _say)
        seen: dict[str, int] = {}
        async for found in server.list_workflows():
            history = await server.get_workflow_handle(found.id, run_id=found.run_id).fetch_history()
            number = seen[found.workflow_type] = seen.get(found.workflow_type, 0) + 1
            words = json.loads(history.to_json())
            _forget(words)
            Path(folder, f"{found.workflow_type}-{number}.json").write_text(json.dumps(words, indent=1) + "\n")

    asyncio.run(all_of_them())
    return 0


def _forget(words: object) -> None:
    """Take out the names of machines and paths."""
    if isinstance(words, dict):
        for key in ("stackTrace", "workerVersion", "sdkMetadata"):
            words.pop(key, None)
        if "identity" in words:
            words["identity"] = "worker"
    for inner in words.values() if isinstance(words, dict) else words if isinstance(words, list) else ():
        _forget(inner)


if __name__ == "__main__":
    status = {"worker": worker, "run": run, "cancel": cancel, "replay": replay, "record": record}[sys.argv[1]](
        *sys.argv[2:]
    )
    sys.stdout.flush()
    os._exit(status)
