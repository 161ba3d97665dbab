"""Times a review of a tree beside other tools on the same files.

    python bench/bench.py TREE [--runs N] [--tools NAME,…] [--with-tests] [--json FILE]

`ast.parse` of every Python file on one core is the unit: the table gives each time as a multiple of it. roadworthy runs cold
(empty cache), after one edited file, and warm (nothing changed). All tools read a copy of the tree's Python files, tests left out, since
roadworthy leaves them out by itself; so TREE stays as it is. Tools that are not on PATH are left out and named. Seconds are medians of
N runs. Memory is the highest sum of resident memory over the processes of a run, pages that they share counted in each.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_NOTE = "stopped after {} s"

PARSE = """
import ast, sys, gc
gc.disable()
for path in open(sys.argv[1], encoding="utf-8").read().split("\\0"):
    try:
        ast.parse(open(path, "rb").read())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One finished process."""

    wall: float
    cpu: float
    peak_mb: float
    status: int


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    wall: float
    best: float
    cpu: float
    peak_mb: float
    runs: int
    ratio: float = 0.0
    lines_per_second: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """A command, what is done before each run (not timed), and which exit statuses are a success."""

    name: str
    command: tuple[str, ...]
    before: Callable[[], None] = lambda: None
    good: tuple[int, ...] = (0, 1)


def main() -> None:
    """Measure and print."""
    options = _options()
    tree = options.tree.resolve()
    with tempfile.TemporaryDirectory(prefix="roadworthy-bench-") as scratch:
        copy = Path(scratch) / "tree"
        files = copy_python(tree, copy, options.with_tests)
        if not files:
            sys.exit(f"{tree} holds no Python file")
        lines = sum(file.read_bytes().count(b"\n") for file in files)
        print(
            f"{len(files):,} Python files, {lines:,} lines, {platform.python_version()}, {os.cpu_count()} cores",
            file=sys.stderr,
        )
        tools, missing = available(copy, files, Path(scratch), options)
        rows = [measure(tool, options.runs, options.timeout) for tool in tools]
    rows = relative(rows, lines)
    print("\n".join(table(rows)))
    if missing:
        print(f"\nNot on PATH: {', '.join(missing)}")
    if options.json:
        report = {
            "tree": str(tree),
            "files": len(files),
            "lines": lines,
            "python": platform.python_version(),
            "rows": [asdict(row) for row in rows],
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path)
    parser.add_argument("--runs", type=int, default=3, help="runs of each tool (default 3)")
    parser.add_argument("--timeout", type=float, default=900, help="seconds after which a run is stopped (default 900)")
    parser.add_argument("--tools", default="", help="only these, by the first words of their names, with commas")
    parser.add_argument("--with-tests", action="store_true", help="keep test files in the copy")
    parser.add_argument(
        "--semgrep-config", default="p/python", help="what semgrep gets as --config (default p/python, needs a network)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args()


def copy_python(tree: Path, to: Path, with_tests: bool) -> list[Path]:
    """Copy the Python files, so that one of them may be edited; links and unreadable files are left out."""
    copied: list[Path] = []
    left_out = {".git", ".venv", "node_modules"} | (set() if with_tests else {"tests", "test", "testing"})
    for folder, names, files in os.walk(tree):
        names[:] = sorted(name for name in names if name not in left_out)
        for name in sorted(files):
            source = Path(folder, name)
            if not with_tests and (name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py"):
                continue
            if source.suffix == ".py" and source.is_file() and not source.is_symlink():
                target = to / source.relative_to(tree)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
                copied.append(target)
    return copied


def available(
    copy: Path, files: list[Path], scratch: Path, options: argparse.Namespace
) -> tuple[list[Tool], list[str]]:
    """The tools to run, `ast.parse` first, and the names of those that are not installed."""
    listing = scratch / "files"
    listing.write_text("\0".join(map(str, files)), encoding="utf-8")
    tools = [Tool("ast.parse, one core", (sys.executable, "-c", PARSE, str(listing)))]
    tools += _ours(copy, files, scratch)
    missing: list[str] = []
    peers = {**_PEERS, "semgrep": (*_PEERS["semgrep"], options.semgrep_config)}
    for name, arguments in peers.items():
        if found := _which(name):
            tools.append(Tool(name, (found, *arguments, str(copy))))
        else:
            missing.append(name)
    wanted = [part.strip() for part in options.tools.split(",") if part.strip()]
    kept = [tool for tool in tools[1:] if not wanted or tool.name.startswith(tuple(wanted))]
    return [tools[0], *kept], missing


_PEERS: dict[str, tuple[str, ...]] = {
    "ruff": ("check", "--isolated", "--no-cache", "--quiet", "--select", "ASYNC,S113,BLE,TRY,B,RUF006,S110,S112"),
    "bandit": ("-r", "-q", "-f", "json", "-o", os.devnull),
    "semgrep": ("scan", "--quiet", "--metrics", "off", "--disable-version-check", "--config"),
}


def _which(name: str) -> str | None:
    """The tool beside this interpreter, or on PATH."""
    return shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


def _ours(copy: Path, files: list[Path], scratch: Path) -> Iterator[Tool]:
    """Cold, warm, and warm after an edit. The cache lies in the scratch folder."""
    cache = scratch / "cache"
    os.environ["XDG_CACHE_HOME"] = str(cache)
    os.environ["PYTHONPATH"] = str(ROOT / "src")
    command = (sys.executable, "-m", "roadworthy", "review", str(copy), "--format", "json", "--fail-on", "never")
    edited = sorted(files, key=lambda file: file.stat().st_size)[len(files) // 2]

    def edit() -> None:
        with edited.open("a", encoding="utf-8") as file:
            file.write(f"\n_edited_{time.time_ns()} = None\n")

    good = (0, 3)  # 3: something in a real tree could not be read
    yield Tool("roadworthy, cold", command, lambda: shutil.rmtree(cache, ignore_errors=True), good)
    yield Tool("roadworthy, one file edited", command, edit, good)
    yield Tool("roadworthy, warm", command, good=good)
    yield Tool(
        "roadworthy, cold, one process",
        (*command, "--jobs", "1"),
        lambda: shutil.rmtree(cache, ignore_errors=True),
        good,
    )


def measure(tool: Tool, runs: int, timeout: float) -> Row:
    """Run it several times and take the medians; a failure ends the series and is noted."""
    done: list[Run] = []
    note = ""
    for _ in range(runs):
        tool.before()
        run = timed(tool.command, timeout)
        done.append(run)
        if run.status not in tool.good:
            note = TIMEOUT_NOTE.format(int(timeout)) if run.status == -9 else f"exit status {run.status}"
            break
    print(f"  {tool.name}: {', '.join(f'{run.wall:.2f}' for run in done)} s {note}", file=sys.stderr)
    return Row(
        tool.name,
        wall=statistics.median(run.wall for run in done),
        best=min(run.wall for run in done),
        cpu=statistics.median(run.cpu for run in done),
        peak_mb=max(run.peak_mb for run in done),
        runs=len(done),
        note=note,
    )


def timed(command: tuple[str, ...], timeout: float) -> Run:
    """Run a command in a process group of its own with its output thrown away."""
    silent = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
    start = time.perf_counter()
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=silent, setpgroup=0)
    peak, next_sample = 0.0, 0.05
    while True:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        wall = time.perf_counter() - start
        if done:
            peak = max(peak, usage.ru_maxrss / 1024)
            return Run(wall, usage.ru_utime + usage.ru_stime, peak, os.waitstatus_to_exitcode(status))
        if wall > timeout:
            os.killpg(pid, signal.SIGKILL)
        if wall > next_sample:
            peak, next_sample = max(peak, resident_mb(pid)), wall + 0.1
        time.sleep(0.002 if wall < 2 else 0.02)


def resident_mb(group: int) -> float:
    """Resident memory of all processes of a group (Linux; elsewhere 0, and the largest process counts)."""
    pages = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        if int(fields[2]) == group:
            pages += int(fields[21])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def relative(rows: list[Row], lines: int) -> list[Row]:
    """The rows with their ratio to `ast.parse` and the lines per second."""
    unit = rows[0].wall
    return [
        Row(**{**asdict(row), "ratio": round(row.wall / unit, 2), "lines_per_second": round(lines / row.wall)})
        for row in rows
    ]


def table(rows: list[Row]) -> Iterator[str]:
    """The rows as a Markdown table."""
    yield "| tool | wall s (best) | x ast.parse | CPU s | peak MB | lines/s | |"
    yield "|---|---:|---:|---:|---:|---:|---|"
    for row in rows:
        yield (
            f"| {row.name} | {row.wall:.2f} ({row.best:.2f}) | {row.ratio:.2f} | {row.cpu:.2f} | {row.peak_mb:.0f}"
            f" | {row.lines_per_second:,.0f} | {row.note} |"
        )


if __name__ == "__main__":
    main()
