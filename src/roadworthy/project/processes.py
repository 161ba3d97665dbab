"""From the processes of the deployment to the functions that they start, and back."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import EntryKind
from roadworthy.project import flow
from roadworthy.project.deployment import Reach, StartedProcess, reach
from roadworthy.project.once import once

if TYPE_CHECKING:
    from roadworthy.project.lifetime import Lifetime
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function

_LONG = frozenset({"server", "worker", "scheduler", "manager"})
_MAY_STAY = frozenset(
    [
        "run",
        "serve",
        "serve_forever",
        "run_forever",
        "start",
        "start_polling",
        "listen",
        "launch",
        "run_app",
        "run_until_complete",
        "mainloop",
        "loop",
        "poll",
        "join",
        "wait",
        "consume",
        "start_consuming",
        "main",
        "cli",
        "app",
        "work",
        "execute_from_command_line",
        "infinity_polling",
        "polling",
        "idle",
        "block",
        "up",
        "watch",
        "sleep",
    ]
)
"""Names of calls that may stay until the program is stopped."""
_LONG_WORDS = frozenset({"serve", "server", "worker", "run-worker", "runserver", "web", "api", "scheduler", "consumer"})


def unstoppable(model: Model, lifetime: Lifetime) -> list[tuple[StartedProcess, Reach]]:
    """Long-running processes of the deployment that a stop signal does not reach, the project's own programs included."""
    found = []
    for process in model.deployment.processes:
        answer = reach(process)
        if answer.reached or (process.kind not in _LONG and process.kind != "unknown"):
            continue
        if process.kind == "unknown" and not _runs_long(model, lifetime, process):
            continue
        if not process.sure and _ends_by_itself(model, lifetime, process):
            continue
        found.append((process, answer))
    return found


def _ends_by_itself(model: Model, lifetime: Lifetime, process: StartedProcess) -> bool:
    """A file called like a server whose code is at hand, and in which nothing loops, serves or might (`bot.run()`)."""
    functions = started(model, process) if process.name.endswith(".py") else ()
    if not functions or _runs_long(model, lifetime, process):
        return False
    inside = {one for function in functions for one in lifetime.spread.closure(function)}
    return not any(
        flow.last_name(site.fact.func) in _MAY_STAY
        and not model.graph.resolutions[site].functions
        and not (isinstance(site.fact.func, f.Attr) and isinstance(site.fact.func.value, f.Str))  # `", ".join(names)`
        for function in inside
        for site in function.calls
    )


def _runs_long(model: Model, lifetime: Lifetime, process: StartedProcess) -> bool:
    """A program of the project that serves or loops, by its code or by the words of its command line."""
    for function in started(model, process):
        closure = lifetime.spread.closure(function)
        if any(lifetime.endless.loops_of(inside) or lifetime.endless.shields(inside) for inside in closure):
            return True
    return any(word in _LONG_WORDS for word in process.argv[1:4])


def first_process(model: Model, root: Function) -> StartedProcess | None:
    """The process of a container that starts this function as its first one, which has no default action for signals."""
    for process in model.deployment.processes:
        if process.role != "prod" or process.host not in {"docker", "compose", "kubernetes"} or process.init:
            continue
        if root in started(model, process) and all(hop.passes == "exec" for hop in process.hops):
            return process
    return None


def started(model: Model, process: StartedProcess) -> tuple[Function, ...]:
    """The functions of the project that a process of a manifest starts."""
    target = process.target or process.name
    module, _, name = target.partition(":")
    symbols = model.symbols
    if name:
        found = symbols.by_id.get(f"{module}.{name}")
        return (found,) if found is not None else ()
    if module.endswith(".py"):
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(process.path), module))
        if beside in symbols.by_path:
            return (symbols.by_path[beside].body,)
        end = module.lstrip("./")
        while end:
            paths = _paths_by_ending(model).get(end, ())
            if len(paths) == 1:
                return (symbols.by_path[paths[0]].body,)
            end = end.partition("/")[2]
        return ()
    body = symbols.by_id.get(module) or symbols.by_id.get(f"{module}.__main__")
    return (body,) if body is not None and body.kind == "module" else ()


@once
def _paths_by_ending(model: Model) -> dict[str, list[str]]:
    """The modules by their paths and by every ending of these: `worker/main.py` and `main.py` for `src/worker/main.py`."""
    found: dict[str, list[str]] = {}
    for path in model.symbols.by_path:
        end = path
        while end:
            found.setdefault(end, []).append(path)
            end = end.partition("/")[2]
    return found


def is_alone_in_its_process(function: Function, model: Model) -> bool:
    """A program whose end its supervisor sees: only the command line leads here, and nothing runs beside it."""
    entries = [r for r in model.exposure(function).entries if r.entry.kind is not EntryKind.WORKER_LOOP]
    return bool(entries) and all(r.inline and r.entry.kind is EntryKind.COMMAND for r in entries)
