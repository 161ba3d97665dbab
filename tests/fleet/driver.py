"""The embedded engine with the fake process and a short lease, as a program: `driver.py FLEET STORE PROCESSES [DRAIN]`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from roadworthy.fleet.embedded import Engine, Options, Stop
from roadworthy.fleet.plan import load_fleet
from roadworthy.fleet.store import Store

FAKE = (sys.executable, "-P", str(Path(__file__).with_name("fake_child.py")))


def work(file: Path, place: Path | str, processes: int, drain: float = 20.0) -> bool:
    """Run the fleet; True when nothing is left."""
    stop = Stop()
    signal.signal(signal.SIGTERM, lambda *_: stop.ask())
    fleet = load_fleet(file)
    store = Store(place)
    number, _ = store.open_run(fleet.name, fleet.digest(), "rules", fleet.jobs())
    folder = file.parent / "work"
    folder.mkdir(exist_ok=True)
    options = Options(processes, folder, lease=2.0, drain=drain, program=FAKE, wait=lambda _: 0.0)
    try:
        return Engine(store, fleet.name, "rules", options).work(number, lambda *_: None, stop)
    finally:
        store.close()


if __name__ == "__main__":
    sys.exit(0 if work(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), *map(float, sys.argv[4:])) else 3)
