"""Fixes for work and writes that a crash or deploy would lose."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from roadworthy.advice.code import (
    GAP,
    WHOLE,
    apply_text,
    argument_texts,
    call_text,
    callee_text,
    signature_text,
    written,
)
from roadworthy.advice.fixes import Place, fix, recipe_fix
from roadworthy.advice.patterns import best, cite
from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import EntryKind
from roadworthy.project import flow
from roadworthy.project.values import ClassValue, FunctionValue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from roadworthy.advice.patterns import Pattern
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_LIVE = frozenset({
    "session", "db", "db_session", "request", "conn", "connection", "client", "cursor", "redis", "websocket", "response",
    "background_tasks", "self", "loop", "executor", "ctx",
})  # fmt: skip


_JSON = frozenset({"str", "int", "float", "bool", "dict", "list"})
_RUNS_JOBS = frozenset({"job-queue", "durable"})


def durable(model: Model, function: Function, work: str, callee: Function | None = None) -> str:
    """Hand work to the durable system of the code base instead of a task of the process."""
    name = work.removesuffix("()")
    callee = callee or _callee(model, function, name)
    args = _arguments(model, function, callee)
    bare = name.rpartition(".")[2]
    job = best(model, "job", function, accept=lambda p: _is_job(model, p)) or best(model, "job", function)
    launcher = _launcher(model, function)
    if callee is not None and any(e.kind is EntryKind.JOB for e in model.entries.at(callee)):
        started = _launch(launcher, function, bare, args) if launcher is not None else _start(model, job, bare, args)
        return fix(
            f"`{name}()` is a job already: start it as one, before success is told.", cite(launcher, function), started
        )
    text = f"Make `{name}()` a job, and start that before success is told."
    named = launcher is not None and _takes_name(model, launcher)
    lines = _job_lines(job, callee, bare, named=named)
    if launcher is not None:
        launched = _launch(launcher, function, bare, args, named=named)
        return fix(text, cite(launcher, function), "\n".join([*lines, launched]))
    started = _start(model, job, bare, args)
    if lines and started:
        return fix(text, cite(job, function), "\n".join([*lines, started]))
    return recipe_fix(_work_place(model, function, callee, name, args), "durable")


def hand_over(model: Model, function: Function, work: Function | None) -> str:
    """Wait for the start of what is durable before success is told; the call as it is written where it is started."""
    turned = (
        ""
        if work is None or not work.is_async or function.is_async
        else f" (`{function.name}()` must become a coroutine for that)"
    )
    text = f"Wait for the hand-over (not for the work itself) before the answer{turned}, and let its failure be the failure of the request; what is handed over is safe from then on."
    return fix(text, "", _waited(model, function, work))


def durable_start(model: Model, function: Function, work: Function) -> str:
    """Wait for work that itself starts a durable execution: once it has, nothing is left to lose."""
    edge = next((edge for edge in model.edges_from(function) if edge.callee is work), None)
    if edge is None:
        return ""
    turned = "" if function.is_async else f", and make `{function.name}()` a coroutine for that"
    text = f"`{work.qualname}()` itself starts what is durable: wait for it before success is told{turned}."
    site = edge.site
    known = callee_text(site).rpartition(".")[2] == work.name
    return fix(text, "", f"await {call_text(site, width=WHOLE)}" if known else "")


def _is_job(model: Model, pattern: Pattern) -> bool:
    """Whatever starts it may do so by itself; an activity needs a workflow around it."""
    jobs = {(entry.function.path, entry.function.line) for entry in model.entries.all if entry.kind is EntryKind.JOB}
    return any((use.path, use.line) in jobs for use in pattern.uses)


def _launcher(model: Model, function: Function) -> Pattern | None:
    """The project's own helper that starts work, else a call of the job library that is given what to start."""
    own = best(
        model,
        "durable",
        function,
        accept=lambda p: p.definition is not None and len(p.uses) > 1 and not _starts_workflows(model, p),
    )
    return own or best(
        model,
        "durable",
        function,
        accept=lambda p: (
            p.definition is None
            and _takes_work(model, p)
            and not _starts_workflows(model, p)
            and (not p.tool or model.is_script(function.path))
        ),
    )


def _starts_workflows(model: Model, launcher: Pattern) -> bool:
    """It is given workflows, which an ordinary function is not: `start(FulfilOrder.run, …)`."""
    sites = [use.site for use in launcher.uses if use.site is not None and use.site.fact.args]
    given = [value for site in sites for value in model.values(site.fact.args[0], site.function, site.fact.order)]
    functions = [value.function for value in given if isinstance(value, FunctionValue)]
    return any(entry.kind is EntryKind.DURABLE_WORKFLOW for work in functions for entry in model.entries.at(work))


def _takes_name(model: Model, launcher: Pattern) -> bool:
    """`app.send_task("name", …)`: what is started is told by the name under which it is registered, not as a function."""
    site = launcher.uses[0].site
    names = model.library_names(site) if site is not None else ()
    return any(row.runs.argument == "name" for name in names for row in model.knowledge.spawners(name))


def _takes_work(model: Model, pattern: Pattern) -> bool:
    """`queue.enqueue(work, …)`, `pool.enqueue_job("work", …)` of a library whose business it is."""
    library = model.knowledge.library(pattern.family)
    site = pattern.uses[0].site
    if library is None or not _RUNS_JOBS & set(library.role) or site is None or not site.fact.args:
        return False
    rows = [row for name in model.library_names(site) for row in model.knowledge.spawners(name)]
    return bool(rows) and not any(row.receiver for row in rows) and not isinstance(site.fact.args[0], f.Seq)


def _work_place(model: Model, function: Function, callee: Function | None, name: str, args: list[str]) -> Place:
    bare = name.rpartition(".")[2]
    sources = (e.source for e in model.entries.all if e.kind in {EntryKind.JOB, EntryKind.DURABLE_WORKFLOW})
    bare = bare if callee is not None else _written_work(function, bare)
    captured = [name for name in _captured(callee) if name not in _LIVE] if callee is not None else []
    args = [*args, *captured]
    declared = _with_parameters(signature_text(callee, without=_LIVE), captured) if callee is not None else ""
    starred = [param.name for param in callee.scope.params if param.kind == "args"] if callee is not None else []
    for starred_name in starred:  # what travels by name arrives as a list
        declared = declared.replace(f"*{starred_name}", starred_name)
    if callee is None or callee.is_method or callee.parent is None or not _are_plain(model, function, args):
        plain = ""
    else:
        plain = declared
    extra = {
        "work": bare,
        "declared": plain,
        "defer": "defer_async" if function.is_async else "defer",
        "work_args": ", ".join(args),
        "work_json": ", ".join(_as_json(model, function, arg) for arg in _by_name(args, callee)),
        "work_call": apply_text(name, args, width=WHOLE),
        "waited": _waited(model, function, callee),
        "turned": f", and make `{function.name}()` a coroutine for that"
        if callee is not None and callee.is_async and not function.is_async
        else "",
        "work_signature": declared if callee is not None else f"def {bare}(…):",
    }
    return Place(model, function, None, tuple(dict.fromkeys(sources)), extra)


def _waited(model: Model, function: Function, callee: Function | None) -> str:
    """The work done here and now, as it is written where it is started; "" where that is not seen."""
    edge = next((edge for edge in model.edges_from(function) if edge.callee is callee), None) if callee else None
    if edge is None or callee is None:
        return ""
    awaits = "await " if callee.is_async else ""
    given = [function.calls[arg.index] for arg in edge.site.fact.args if isinstance(arg, f.CallRef)]
    for made in (edge.site, *given):  # a coroutine that is made here: `create_task(self.stop(queue))`
        if callee_text(made).rpartition(".")[2] == callee.name:
            text = call_text(made, width=WHOLE)
            return f"{awaits}{text}" if GAP not in text else ""
    written_as = _written_work(function, callee.name)
    if written_as == callee.name and callee.cls is not None:
        return ""
    args = _passed_on(edge.site, callee.name, argument_texts(edge.site))
    text = apply_text(written_as, args, width=WHOLE)
    return f"{awaits}{text}" if GAP not in text else ""


def _by_name(args: list[str], callee: Function | None) -> list[str]:
    """Arguments by the names of their parameters."""
    names = [param.name for param in callee.scope.params if param.name not in {"self", "cls", *_LIVE}] if callee else []
    return [
        f"{names[i]}=list({arg[1:]})"
        if arg.startswith("*") and not arg.startswith("**") and i < len(names)
        else arg
        if "=" in arg or i >= len(names) or arg == names[i] == GAP
        else f"{names[i]}={arg}"
        for i, arg in enumerate(args)
    ]


def _are_plain(model: Model, function: Function, args: list[str]) -> bool:
    """May all arguments travel as JSON: ids, parameters that are declared so, pydantic models that can be dumped?"""
    params = {param.name: param.annotation for param in function.scope.params}
    for arg in args:
        value = arg.rpartition("=")[2]
        if GAP in value:
            return False
        name = value.rpartition(".")[2]
        if name == "id" or name.endswith(("_id", "_ids", "_key", "_name")) or not value.replace(".", "").isidentifier():
            continue
        annotation = params.get(value)
        text = flow.text_of(annotation, function.scope) if annotation is not None else ""
        if value in params and (
            text.partition("[")[0].rpartition(".")[2] in _JSON or "model_dump" in _as_json(model, function, value)
        ):
            continue
        return False
    return True


def _as_json(model: Model, function: Function, arg: str) -> str:
    """A parameter that is a pydantic model, dumped: it cannot travel as it is."""
    param = next((p for p in function.scope.params if p.name == arg.rpartition("=")[2]), None)
    if param is None or param.annotation is None:
        return arg
    found = model.values(param.annotation, function)
    dumped = any(isinstance(v, ClassValue) and "pydantic" in " ".join(_libraries(v)) for v in found)
    return f'{arg}.model_dump(mode="json")' if dumped else arg


def _libraries(value: ClassValue) -> tuple[str, ...]:
    return value.cls.library_bases


def _captured(callee: Function) -> list[str]:
    """What a nested function reads of the function around it: a job in its place has to be given that."""
    outer = callee.parent
    if outer is None or outer.kind != "function":
        return []
    own = {*callee.bindings, *callee.parameters}
    around = {*outer.bindings, *outer.parameters} - {name for name, children in outer.children.items() if children}
    return [name for name in callee.scope.last_read if name in around and name not in own]


def _with_parameters(signature: str, names: list[str]) -> str:
    at = signature.rindex(") -> " if ") -> " in signature else ")")
    return f"{signature[:at]}{', ' if names and signature[at - 1] != '(' else ''}{', '.join(names)}{signature[at:]}"


def _written_work(function: Function, name: str) -> str:
    """The work as it is handed over here: `requests.post` for `post`."""
    for site in function.calls:
        for text in argument_texts(site):
            if text.rpartition(".")[2] == name:
                return text.rpartition("=")[2]
    return name


def _callee(model: Model, function: Function, name: str) -> Function | None:
    """The function of this name that is started here."""
    return next((edge.callee for edge in model.edges_from(function) if edge.callee.qualname == name), None)


def _arguments(model: Model, function: Function, callee: Function | None) -> list[str]:
    """What the work is given here, without what lives only in this process."""
    edge = next((edge for edge in model.edges_from(function) if edge.callee is callee), None)
    if edge is None or callee is None:
        return [GAP]
    args = argument_texts(edge.site)
    if callee.name not in callee_text(edge.site).split("."):
        args = _passed_on(edge.site, callee.name, args)
    params = [param.name for param in callee.scope.params if param.name not in {"self", "cls"}]
    named = [
        (text.partition("=")[0] if "=" in text else params[i] if i < len(params) else "", text)
        for i, text in enumerate(args)
    ]
    return [text for param, text in named if param not in _LIVE and not {text, text.partition("=")[2]} & _LIVE]


def _passed_on(site: CallSite, name: str, args: list[str]) -> list[str]:
    """`Thread(target=f, args=(a, b))`, `add_task(f, a, b)`: what `f` is given."""
    for keyword, value in site.fact.kwargs:
        if keyword == "args" and isinstance(value, f.Seq):
            return [written(item, site.function) for item in value.items]
    at = next((i for i, text in enumerate(args) if text.rpartition(".")[2] == name), None)
    if at is None:
        return [GAP] if any("=" in text and text.rpartition(".")[2] != name for text in args) and len(args) > 1 else []
    return args[at + 1 :]


def _launch(launcher: Pattern, function: Function, work: str, args: list[str], *, named: bool = False) -> str:
    """The launcher applied to this work, as it is called nearest by."""
    use = launcher.near(function)
    name = launcher.name[:-2].rpartition(".")[2]
    if launcher.definition is None:
        name = launcher.name[:-2].lstrip(".")
    first: f.Expr | None = None
    keywords: set[str] = set()
    if use.site is not None:
        name = callee_text(use.site)
        first = use.site.fact.args[0] if use.site.fact.args else None
        keywords = {keyword for keyword, _ in use.site.fact.kwargs}
    what = f'"{work}"' if named or first is None or isinstance(first, f.Str) else work
    if named and args and all("=" in arg for arg in args):
        pairs = (arg.partition("=") for arg in args)
        return f"{apply_text(name, [what, _mapping(pairs)], width=WHOLE)}"
    given = [f"args=({', '.join(args)},)"] if args and (named or "args" in keywords) else args
    awaits = "await " if use.site is not None and use.site.fact.awaited else ""
    return f"{awaits}{apply_text(name, [what, *given], width=WHOLE)}"


def _mapping(pairs: Iterable[tuple[str, str, str]]) -> str:
    items = ", ".join(f'"{name}": {value}' for name, _, value in pairs)
    return f"kwargs={{{items}}}"


def _start(model: Model, job: Pattern | None, work: str, args: list[str]) -> str:
    """The job started with the method by which the others are: `work.delay(…)`; empty where jobs are started otherwise."""
    if job is None:
        return ""
    starts = best(
        model, "durable", None, job.family, lambda p: p.definition is None and p.name.startswith(".") and bool(p.family)
    )
    use = starts.uses[0] if starts is not None else None
    if starts is None or use is None or use.site is None:
        return ""
    keywords = {keyword for keyword, _ in use.site.fact.kwargs}
    packed = bool(use.site.fact.args) and isinstance(use.site.fact.args[0], f.Seq)
    given = args
    if args and packed:
        given = [f"({', '.join(args)},)"]
    elif args and "args" in keywords:
        given = [f"args=({', '.join(args)},)"]
    awaits = "await " if use.site.fact.awaited else ""
    return f"{awaits}{apply_text(f'{work}{starts.name[:-2]}', given, width=WHOLE)}"


def _job_lines(job: Pattern | None, callee: Function | None, work: str, *, named: bool = False) -> list[str]:
    """The definition of the work as a job, with the decorator that the others have."""
    if job is None or callee is None:
        return []
    is_async = None if any(use.in_async for use in job.uses) else False
    return [
        _usual_decorator(job, work, named=named),
        f"{signature_text(callee, without=_LIVE, is_async=is_async)} ...",
        "",
    ]


def _usual_decorator(job: Pattern, work: str, *, named: bool = False) -> str:
    """The decorator with the arguments that most jobs give it; what differs from job to job gets this one's name."""
    sites = [use.site for use in job.uses if use.site is not None]
    if len(sites) * 2 < len(job.uses) or not sites:
        return f'{job.name}(name="{work}")' if named else job.name
    given: dict[str, Counter[str]] = {}
    for site in sites:
        for text in argument_texts(site):
            keyword, equals, value = text.partition("=")
            if equals and keyword.isidentifier():
                given.setdefault(keyword, Counter())[value] += 1
    shown = []
    for keyword, values in given.items():
        value, count = min(values.items(), key=lambda item: (-item[1], item[0]))
        known = sum(values.values())
        if known * 2 < len(sites):
            continue
        if count * 3 >= known:
            shown.append(f"{keyword}={value}")
        elif value.startswith('"'):
            shown.append(f'{keyword}="{work}"')
    if named:
        shown = [f'name="{work}"', *(arg for arg in shown if not arg.startswith("name="))]
    return apply_text(job.name, shown, width=WHOLE)
