"""Fixes for work and writes that a crash or deploy would lose."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from roadworthy.advice.code import apply_text, argument_texts, call_text, signature_text
from roadworthy.advice.fixes import Place, fix, recipe_fix
from roadworthy.advice.patterns import best, cite
from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import EntryKind
from roadworthy.project import flow

if TYPE_CHECKING:
    from roadworthy.advice.patterns import Pattern
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_LIVE = frozenset({
    "session", "db", "db_session", "request", "conn", "connection", "client", "cursor", "redis", "websocket", "response",
    "background_tasks", "self", "loop", "executor",
})  # fmt: skip


def durable(model: Model, function: Function, work: str, callee: Function | None = None) -> str:
    """Hand work to the durable system of the code base instead of a task of the process."""
    name = work.removesuffix("()")
    callee = callee or _callee(model, function, name)
    args = _arguments(model, function, callee)
    bare = name.rpartition(".")[2]
    extra = {
        "work": bare,
        "work_args": ", ".join(args),
        "work_call": apply_text(bare, args),
        "work_signature": signature_text(callee) if callee is not None else f"def {bare}(…):",
    }
    sources = (e.source for e in model.entries.all if e.kind in {EntryKind.JOB, EntryKind.DURABLE_WORKFLOW})
    place = Place(model, function, None, tuple(dict.fromkeys(sources)), extra)
    launcher = best(model, "durable", function, accept=lambda p: p.definition is not None and len(p.uses) > 1)
    job = best(model, "job", function)
    text = f"Hand `{name}()` to the job system before success is told."
    if launcher is not None:
        code = [*_job_lines(job, callee, bare), _launch(launcher, function, bare, args)]
        return fix(text, cite(launcher, function), "\n".join(code))
    filled = place.pick("durable")
    if job is not None and filled is not None and filled.code:
        return fix(text, cite(job, function), filled.code)
    return recipe_fix(place, "durable")


def _callee(model: Model, function: Function, name: str) -> Function | None:
    """The function of this name that is started here."""
    return next((edge.callee for edge in model.edges_from(function) if edge.callee.qualname == name), None)


def _arguments(model: Model, function: Function, callee: Function | None) -> list[str]:
    """What the work is given here, without what lives only in this process."""
    edge = next((edge for edge in model.edges_from(function) if edge.callee is callee), None)
    if edge is None or callee is None:
        return ["…"]
    args = argument_texts(edge.site)
    if callee.name != _last(edge.site.fact.func):
        at = next((i for i, text in enumerate(args) if text.rpartition(".")[2] == callee.name), None)
        args = args[at + 1 :] if at is not None else ["…"]
    return [text for text in args if text.partition("=")[2] not in _LIVE and text not in _LIVE]


def _last(expr: f.Expr) -> str:
    return expr.name if isinstance(expr, f.Attr) else expr.id if isinstance(expr, f.Name) else ""


def _launch(launcher: Pattern, function: Function, work: str, args: list[str]) -> str:
    """The launcher applied to this work, as it is called nearest by."""
    use = launcher.near(function.path)
    name = launcher.name[:-2].rpartition(".")[2]
    first: f.Expr | None = None
    keywords: set[str] = set()
    if use.site is not None:
        name = call_text(use.site).partition("(")[0]
        first = use.site.fact.args[0] if use.site.fact.args else None
        keywords = {keyword for keyword, _ in use.site.fact.kwargs}
    what = f'"{work}"' if first is None or isinstance(first, f.Str) else work
    given = [f"args=({', '.join(args)},)"] if "args" in keywords and args else args
    awaits = "await " if use.site is not None and use.site.fact.awaited else ""
    return f"{awaits}{apply_text(name, [what, *given])}"


def _job_lines(job: Pattern | None, callee: Function | None, work: str) -> list[str]:
    """The definition of the work as a job, with the decorator that the others have."""
    if job is None or callee is None:
        return []
    return [_usual_decorator(job, work), f"{signature_text(callee)} ...", ""]


def _usual_decorator(job: Pattern, work: str) -> str:
    """The decorator with the arguments that most jobs give it; what differs from job to job gets this one's name."""
    sites = [use.site for use in job.uses if use.site is not None]
    if len(sites) * 2 < len(job.uses):
        return job.name
    given: dict[str, Counter[str]] = {}
    for site in sites:
        for text in argument_texts(site):
            keyword, equals, value = text.partition("=")
            if equals and keyword.isidentifier():
                given.setdefault(keyword, Counter())[value] += 1
    shown = []
    for keyword, values in given.items():
        if sum(values.values()) * 2 < len(sites):
            continue
        value, count = values.most_common(1)[0]
        alike = count * 4 >= sum(values.values())
        if not alike and not value.startswith('"'):
            continue
        shown.append(f"{keyword}={value}" if alike else f'{keyword}="{work}"')
    return f"{job.name}({', '.join(shown)})"


def keep_task(model: Model, site: CallSite) -> str:
    """Hold a reference to a task and hear of its exception."""
    own = best(model, "keep-task", site.function)
    if own is not None:
        inner = argument_texts(site)[:1]
        return fix("Keep a reference until it is done.", cite(own, site.function), apply_text(own.name[:-2], inner))
    return recipe_fix(Place(model, site.function, site), "keep-task")


def on_commit(model: Model, site: CallSite, call: str) -> str:
    """Send after the transaction has committed."""
    guard = model.transaction_over(site)
    names: tuple[str, ...] = (guard.name,) if guard is not None else ()
    if guard is not None and guard.form == "framework":
        names = tuple(entry.source for entry in model.entries.at(site.function))
    args = argument_texts(site)
    called = call_text(site)
    in_loop = flow.loop_of(site.function.scope, site.fact.region) is not None
    deferred = f"partial({', '.join([called.partition('(')[0], *args])})" if in_loop else f"lambda: {called}"
    place = Place(model, site.function, site, names, {"deferred": deferred})
    own = best(model, "on-commit", site.function, accept=lambda p: p.definition is not None)
    if own is not None:
        return fix(f"Send `{call}` after the commit.", cite(own, site.function), f"{own.name[:-2]}({deferred})")
    families = place.situation.libraries
    example = best(model, "on-commit", site.function, accept=lambda p: p.family in families)
    return recipe_fix(place, "on-commit", cite(example, site.function))


def atomic_write(model: Model, function: Function, target: str) -> str:
    """Write beside the file, sync, rename."""
    own = best(model, "atomic-write", function)
    if own is not None:
        return fix("Write it whole or not at all.", cite(own, function), f"{own.name[:-2]}({target}, …)")
    return recipe_fix(Place(model, function, extra={"target": target}), "atomic-write")
