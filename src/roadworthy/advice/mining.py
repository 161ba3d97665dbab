"""Finds good patterns in the model, one miner for each kind. Concepts only; no library is named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts.schema import Attr
from roadworthy.knowledge.vocabulary import Effect, EntryKind, GuardKind
from roadworthy.project import flow
from roadworthy.project.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from roadworthy.project.guard import Guard
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function


@dataclass(frozen=True, slots=True)
class Seen:
    """One use of a pattern; equal name and place mean the same pattern."""

    kind: str
    name: str
    path: str
    line: int
    used_path: str
    used_line: int
    is_async: bool = False


def _at_site(kind: str, site: CallSite, name: str, model: Model) -> Seen:
    """A pattern that is its own definition: each call stands for itself under a common name."""
    return Seen(
        kind, name or f"{model.callee_text(site)}()", site.path, site.line, site.path, site.line, site.function.is_async
    )


def _of_function(kind: str, function: Function, used: CallSite | None = None) -> Seen:
    path, line = (used.path, used.line) if used is not None else (function.path, function.line)
    return Seen(kind, f"{function.qualname}()", function.path, function.line, path, line, function.is_async)


def _uses_of(kind: str, function: Function, model: Model) -> Iterator[Seen]:
    """A helper of the project and every call of it."""
    edges = [edge for edge in model.edges_to(function) if edge.kind != "callback"]
    for edge in edges:
        yield _of_function(kind, function, edge.site)
    if not edges:
        yield _of_function(kind, function)


def retries(model: Model) -> Iterator[Seen]:
    """Decorators that retry with a pause and an end, the library's and the project's own."""
    for function in model.functions:
        for guard in model.guards.on_function(function):
            if guard.kind is GuardKind.RETRY and guard.capped and guard.delay != "none":
                yield _guard("retry", guard, function)


def _guard(kind: str, guard: Guard, function: Function) -> Seen:
    if guard.through is not None:
        made = guard.through
        return Seen(kind, f"@{made.qualname}", made.path, made.line, guard.path, guard.line, function.is_async)
    name = f"@{guard.name.rpartition('.')[2]}"
    return Seen(kind, name, guard.path, guard.line, guard.path, guard.line, function.is_async)


def timeouts(model: Model) -> Iterator[Seen]:
    """Clients that are built with a timeout, and the functions that build them."""
    for effect in model.effects_of():
        if not effect.effect.word.external or effect.row.timeout is None:
            continue
        verdict = model.timeout(effect)
        site = verdict.cause
        if verdict.bound != "bounded" or verdict.reason != "passed" or site is None or not model.is_reviewed(site.path):
            continue
        if site.fact.use == "returned" and site.function.kind == "function":
            yield _of_function("timeout", site.function, effect.site)
        else:
            number = _keyword_text(site, "timeout")
            yield Seen(
                "timeout", f"{model.callee_text(site)}(…{number})", site.path, site.line, effect.site.path, effect.site.line, effect.function.is_async
            )  # fmt: skip


def _keyword_text(site: CallSite, word: str) -> str:
    for keyword, expr in site.fact.kwargs:
        if word in keyword.lower():
            return f", {keyword}={flow.text_of(expr, site.function.scope)}"
    return ""


def durable(model: Model) -> Iterator[Seen]:
    """Launchers of durable executions, and jobs that are retried or acknowledged late."""
    for effect in model.effects_of(Effect.START_DURABLE):
        if effect.function.kind == "function":
            yield from _uses_of("durable", effect.function, model)
    for effect in model.effects_of(Effect.ENQUEUE):
        strong = any(
            entry.retried or entry.acks == "after"
            for edge in model.edges_at(effect.site)
            for entry in model.entries.at(edge.callee)
            if entry.kind is EntryKind.JOB
        )
        if strong:
            yield _at_site("durable", effect.site, "", model)


def on_commit(model: Model) -> Iterator[Seen]:
    """Hooks that run after the commit, and helpers of the project that use them."""
    for function in model.functions:
        for edge in model.edges_from(function):
            if edge.kind == "hook:on-commit":
                helper = next(
                    (fn for fn in model.graph.resolutions[edge.site].functions if fn is not edge.callee), None
                )
                yield (
                    _of_function("on-commit", helper, edge.site)
                    if helper
                    else _at_site("on-commit", edge.site, "", model)
                )


def upserts(model: Model) -> Iterator[Seen]:
    """Writes that converge on a key."""
    for effect in model.effects_of(Effect.SQL_UPSERT):
        if effect.function.kind == "function" and effect.name.rpartition(".")[2] != "save":
            yield _of_function("upsert", effect.function)


def dedups(model: Model) -> Iterator[Seen]:
    """Claims by key whose result decides what runs."""
    for site in model.sites():
        rows = [
            row for name in model.library_names(site) for row in model.knowledge.guards(name) if row.kind == "dedup"
        ]
        if rows and site.function.kind == "function" and site.fact.use in {"condition", "assigned", "returned"}:
            yield _of_function("dedup", site.function)


def deterministic_ids(model: Model) -> Iterator[Seen]:
    """Functions that derive an id from their arguments by a hash."""
    for effect in model.effects_of(Effect.HASH_VALUE):
        function = effect.function
        small = function.scope.end_line - function.line < 25
        named = any(word in function.name.lower() for word in ("id", "key", "hash", "digest", "fingerprint"))
        if function.kind == "function" and function.scope.params and small and named:
            yield from _uses_of("deterministic-id", function, model)


def _contexts(model: Model, kind: GuardKind, name: str) -> Iterator[Seen]:
    for function in model.functions:
        for index, region in enumerate(function.scope.regions):
            if region.kind != "with":
                continue
            for guard in model.guards.on_region(function, index)[:3]:
                if guard.kind is kind and guard.region == index:
                    made = guard.through
                    if made is not None:
                        yield Seen(
                            name,
                            f"with {made.qualname}()",
                            made.path,
                            made.line,
                            function.path,
                            region.line,
                            function.is_async,
                        )
                    else:
                        text = flow.text_of(region.items[0][0], function.scope) if region.items else guard.name
                        yield Seen(
                            name,
                            f"with {text}",
                            function.path,
                            region.line,
                            function.path,
                            region.line,
                            function.is_async,
                        )


def locks(model: Model) -> Iterator[Seen]:
    """Locks held over a block."""
    yield from _contexts(model, GuardKind.LOCK, "lock")


def bulkheads(model: Model) -> Iterator[Seen]:
    """Semaphores and limiters."""
    yield from _contexts(model, GuardKind.BULKHEAD, "bulkhead")


def off_loop(model: Model) -> Iterator[Seen]:
    """Blocking work handed to a thread and awaited."""
    for function in model.functions:
        for edge in model.edges_from(function):
            if edge.kind == "thread" and edge.waited and function.is_async:
                helper = next(
                    (fn for fn in model.graph.resolutions[edge.site].functions if fn is not edge.callee), None
                )
                yield (
                    _of_function("off-loop", helper, edge.site)
                    if helper
                    else _at_site("off-loop", edge.site, "", model)
                )


def kept_tasks(model: Model) -> Iterator[Seen]:
    """Helpers that start a task and keep it until it is done."""
    for function in model.functions:
        runs = model.graph.parameter_runs(function)
        keeps = any(isinstance(c.func, Attr) and c.func.name in {"add", "append"} for c in function.scope.calls)
        if keeps and any(kind == "task" for kind, _ in runs.values()):
            yield from _uses_of("keep-task", function, model)


def loggers(model: Model) -> Iterator[Seen]:
    """How errors are logged with their traceback."""
    for effect in model.effects_of(Effect.LOG, Effect.REPORT_ERROR):
        text = model.callee_text(effect.site)
        if text.endswith((".exception", "capture_exception")):
            yield Seen("logger", f"{text}()", effect.site.path, effect.site.line, effect.site.path, effect.site.line)


def shutdowns(model: Model) -> Iterator[Seen]:
    """Functions that install a handler for SIGTERM."""
    for found in Signals(model).all:
        if found.names("TERM") and found.action == "handler":
            yield _of_function("shutdown", found.site.function)


def atomic_writes(model: Model) -> Iterator[Seen]:
    """Helpers that write beside the file and rename."""
    for effect in model.effects_of(Effect.FILE_REPLACE):
        if effect.function.kind == "function" and model.reach.has(effect.function, (Effect.FILE_WRITE,)):
            yield from _uses_of("atomic-write", effect.function, model)


MINERS: tuple[Callable[[Model], Iterator[Seen]], ...] = (
    retries, timeouts, durable, on_commit, upserts, dedups, deterministic_ids, locks, bulkheads, off_loop, kept_tasks, loggers, shutdowns,
    atomic_writes,
)  # fmt: skip
