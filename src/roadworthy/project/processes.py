"""From the processes of the deployment to the functions that they start, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import EntryKind
from roadworthy.project.deployment import Reach, StartedProcess, reach
from roadworthy.project.once import once

if TYPE_CHECKING:
    from roadworthy.project.lifetime import Lifetime
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function

_LONG = frozenset({"server", "worker", "scheduler", "manager"})
_LONG_WORDS = frozenset({"serve", "server", "worker", "run-worker", "runserver", "web", "api", "scheduler", "consumer"})


def unstoppable(model: Model, lifetime: Lifetime) -> list[tuple[StartedProcess, Reach]]:
    """Long-running processes of the deployment that a stop signal does not reach, the project's own programs included."""
    found = []
    for process in model.deployment.processes:
        answer = reach(process)
        if not answer.reached and (
            process.kind in _LONG or (process.kind == "unknown" and _runs_long(model, lifetime, process))
        ):
            found.append((process, answer))
    return found


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
