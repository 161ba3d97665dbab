"""Jobs that a schedule sends again and again: named in a table of schedules, or handed over beside an interval."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import EntryKind
from roadworthy.project import flow
from roadworthy.project.arguments import arguments
from roadworthy.project.once import once
from roadworthy.project.values import FunctionValue, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from roadworthy.project.entry import Reached
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_TIMES = re.compile(r"cron|timedelta|schedule|interval|periodic|\bevery", re.IGNORECASE)
_CRON = re.compile(r"cron|schedule|periodic|\bevery", re.IGNORECASE)
_IN_TURN = (EntryKind.SCHEDULED, EntryKind.WORKER_LOOP)
_COMES_ROUND = frozenset({EntryKind.SCHEDULED, EntryKind.WORKER_LOOP, EntryKind.STARTUP})
_SENDS = frozenset({"delay", "apply_async", "send", "enqueue", "send_task", "enqueue_in", "enqueue_at", "retry", "set"})


@once
def scheduled_jobs(model: Model) -> frozenset[Function]:
    """Functions of jobs that come round by themselves."""
    jobs: dict[str, Function] = {}
    for entry in model.entries.all:
        if entry.kind is EntryKind.JOB:
            for name in names_of_job(entry.function, entry.site, model):
                jobs.setdefault(name, entry.function)
    found: dict[Function, None] = {}
    for function in model.symbols.functions:
        for expr in _schedules(function):
            for job in _meant(expr, function, model, jobs):
                found[job] = None
    own = {e.function for e in model.entries.all if e.kind is EntryKind.SCHEDULED or _has_cron(e.function)}
    return frozenset((*(job for job in found if job in set(jobs.values())), *own))


@once
def only_scheduled(model: Model) -> frozenset[Function]:
    """Jobs that nothing but a schedule sends: their runs are started one after the other."""
    jobs = scheduled_jobs(model)
    named = senders_by_name(model) if jobs else {}
    sites = {entry.function: entry.site for entry in model.entries.all if entry.function in jobs}
    return frozenset(
        job
        for job in jobs
        if not any(edge.kind == "job" for edge in model.edges_to(job))
        and not any(name in named for name in names_of_job(job, sites.get(job), model))
    )


def comes_at_once(model: Model, reached: Iterable[Reached]) -> bool:
    """Is it reached from what is not started one after the other, as the rounds of a schedule or of a loop are?"""
    served = (r.entry for r in reached if r.entry.serves_others and r.entry.kind not in _IN_TURN)
    return any(entry.function not in only_scheduled(model) for entry in served)


def is_sent_again(model: Model, job: Function) -> bool:
    """Does something that comes round by itself send the job: a loop, the start, a scheduled job itself or by one helper?"""
    scheduled = scheduled_jobs(model)
    return any(
        edge.caller in scheduled
        or any(outer.caller in scheduled for outer in model.edges_to(edge.caller) if outer.runs_here)
        or any(reached.entry.kind in _COMES_ROUND for reached in model.exposure(edge.caller).entries)
        for edge in model.edges_to(job)
        if edge.kind in {"job", "durable"}
    )


def _has_cron(function: Function) -> bool:
    """`@actor(cron_trigger=…)`, `@job(schedule=…)`."""
    outer = function.parent
    for expr in function.scope.decorators if outer is not None else ():
        if isinstance(expr, f.CallRef) and outer is not None:
            call = outer.scope.calls[expr.index]
            if any(_CRON.search(keyword) for keyword, _ in call.kwargs):
                return True
            if isinstance(call.func, f.Name | f.Attr) and _CRON.search(flow.text_of(call.func, outer.scope)):
                return True
    return False


def names_of_job(function: Function, site: CallSite | None, model: Model) -> Iterator[str]:
    """Under what a schedule or a sender may name a job: its path, ends of it, the name that it was given."""
    parts = function.id.split(".")
    for start in range(len(parts) - 1):
        yield ".".join(parts[start:])
    for keyword, value in site.fact.kwargs if site is not None else ():
        literal = (
            model.literal(value, site.function) if site is not None and keyword in {"name", "actor_name"} else None
        )
        if isinstance(literal, str):
            yield literal


def _schedules(function: Function) -> Iterator[f.Expr]:
    """What stands beside a time in a table or call."""
    scope = function.scope
    written = (*(a.value for a in scope.assigns), *(arg for call in scope.calls for arg in call.args))
    for expr in written:
        if isinstance(expr, f.Name | f.Attr | f.Str | f.Const | f.CallRef | f.FStr):
            continue  # holds no table; most expressions are of these kinds
        for part in flow.walk(expr):
            if isinstance(part, f.Dict):
                keys = {key.value for key, _ in part.items if isinstance(key, f.Str)}
                if "task" in keys and any(map(_says_time, keys)):
                    yield from (value for key, value in part.items if isinstance(key, f.Str) and key.value == "task")
    for call in scope.calls:
        if isinstance(call.func, f.Attr) and call.func.name in _SENDS:
            continue  # a time on one message is no schedule
        values = (*call.args, *(value for _, value in call.kwargs))
        if values and _names_a_time(call, values, scope):
            yield from values


def _names_a_time(call: f.Call, values: Sequence[f.Expr], scope: f.Scope) -> bool:
    """In the name of the call, of a keyword or of something that is handed over."""
    return (
        any(_says_time(keyword) for keyword, _ in call.kwargs)
        or _says_time(flow.text_of(call.func, scope))
        or any(_says_time(flow.text_of(value, scope)) for value in values)
    )


@lru_cache(maxsize=50_000)
def _says_time(text: str) -> bool:
    """Most names are written many times."""
    return _TIMES.search(text) is not None


def _meant(expr: f.Expr, function: Function, model: Model, jobs: dict[str, Function]) -> Iterator[Function]:
    if isinstance(expr, f.CallRef):  # `job.s()`
        func = function.scope.calls[expr.index].func
        expr = func.value if isinstance(func, f.Attr) else expr
    if not isinstance(expr, f.Str | f.Name | f.Attr | f.FStr):
        return
    for value in model.values(expr, function):
        if isinstance(value, FunctionValue):
            yield value.function
        elif isinstance(value, Literal) and isinstance(value.value, str) and value.value in jobs:
            yield jobs[value.value]


def senders_by_name(model: Model) -> dict[str, tuple[Function, ...]]:
    """Name of a job -> the functions that send it by that name: `app.send_task("billing.send")`."""
    found: dict[str, dict[Function, None]] = {}
    for function in model.symbols.functions:
        for site in function.calls:
            for library in model.graph.resolutions[site].libraries:
                for row in model.knowledge.spawners(library.name):
                    if row.kind == "job" and not row.receiver:
                        for expr in arguments(site.fact, row.runs):
                            for value in model.values(expr, function):
                                if isinstance(value, Literal) and isinstance(value.value, str):
                                    found.setdefault(value.value, {})[function] = None
    return {name: tuple(functions) for name, functions in found.items()}
