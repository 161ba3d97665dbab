"""Work handed to somebody else: durable executions and jobs, threads, tasks that are kept, limits, orderly stops."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from roadworthy.advice.code import callee_text, written
from roadworthy.advice.mining.seen import Seen, at_site, of_helper, uses_of
from roadworthy.advice.stack import family_of
from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, EntryKind, GuardKind
from roadworthy.project.arguments import argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.calls import Edge
    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_WORK = (EntryKind.JOB, EntryKind.DURABLE_ACTIVITY, EntryKind.DURABLE_WORKFLOW)
_SMALL = 30  # lines: what is longer is not a helper but a part of the business


def jobs(model: Model) -> Iterator[Seen]:
    """Functions that a durable system runs, by the decorator that makes them so."""
    for entry in model.entries.all:
        function = entry.function
        if entry.kind not in _WORK or not model.is_reviewed(function.path):
            continue
        shape, site = decorator_of(entry)
        if shape:
            name = shape.partition("(")[0]
            yield Seen(
                "job", name, function.path, function.line, family_of(model, entry.source),
                site=site, shape=shape, in_async=function.is_async,
            )  # fmt: skip


def decorator_of(entry: Entry) -> tuple[str, CallSite | None]:
    """The decorator that registers an entry, as written, and its call: the one that is known, of the same name, or the only one."""
    function = entry.function
    outer = function.parent
    if outer is None:
        return "", None
    last = entry.source.rpartition(".")[2]
    found = [(written(expr, outer), _call_in(expr, outer)) for expr in function.scope.decorators]
    known = [pair for pair in found if pair[1] is not None and pair[1] is entry.site]
    named = [pair for pair in found if pair[0].partition("(")[0].rpartition(".")[2] == last]
    only = found if len(found) == 1 else []
    text, site = next(iter((*known, *named, *only)), ("", None))
    return (f"@{text}", site) if text else ("", None)


def _call_in(expr: f.Expr, outer: Function) -> CallSite | None:
    return outer.calls[expr.index] if isinstance(expr, f.CallRef) else None


def launchers(model: Model) -> Iterator[Seen]:
    """How work is given to the durable system: `job.delay(…)`, `run_in_background("name", …)`."""
    helpers = _named_launchers(model)
    for helper, sites in helpers.items():
        for site in sites:
            yield of_helper("durable", helper, site)
    for effect in model.effects_of(Effect.START_DURABLE, Effect.ENQUEUE):
        function = effect.function
        again = effect.name.rpartition(".")[2] in {"s", "si", "signature", "retry"}
        if function in helpers or again or callee_text(effect.site).startswith("super("):
            continue
        if function.kind == "function" and _starts_parameter(model, function, effect.site, effect.name):
            family = family_of(model, effect.name)
            yield from (seen for seen in uses_of("durable", function, model, family) if seen.site is not None)
        else:
            name = f"{_method(effect.site)}()"
            shown = f".{name}" if isinstance(effect.site.fact.func, f.Attr) else name
            yield at_site("durable", effect.site, shown, family_of(model, effect.name))


def _method(site: CallSite) -> str:
    func = site.fact.func
    return func.name if isinstance(func, f.Attr) else func.id if isinstance(func, f.Name) else "call"


def _starts_parameter(model: Model, function: Function, site: CallSite, name: str) -> bool:
    """Is what is started given by the function's caller?"""
    func = site.fact.func
    owner = func.value if isinstance(func, f.Attr) else None
    rows = model.knowledge.spawners(name)
    started = [owner if row.receiver else argument(site.fact, row.runs) for row in rows]
    if not rows and site.fact.args:
        started = [site.fact.args[0]]
    return any(isinstance(expr, f.Name) and expr.id in function.parameters for expr in started)


def _named_launchers(model: Model) -> dict[Function, list[CallSite]]:
    """Functions of the project that are called with the names of jobs."""
    names = _job_names(model)
    if not names:
        return {}
    found: dict[Function, list[CallSite]] = defaultdict(list)
    for function in model.functions:
        for site in function.calls:
            first = site.fact.args[0] if site.fact.args else None
            if isinstance(first, f.Str) and first.value in names and site.fact.use != "decorator":
                for callee in model.graph.resolutions[site].functions:
                    found[callee].append(site)
    return {helper: sites for helper, sites in found.items() if len(sites) >= 3 and helper.kind == "function"}


def _job_names(model: Model) -> frozenset[str]:
    names: set[str] = set()
    for entry in model.entries.all:
        if entry.kind in _WORK:
            names.add(entry.function.name)
            outer = entry.function.parent
            for expr in entry.function.scope.decorators if outer is not None else ():
                if isinstance(expr, f.CallRef) and outer is not None:
                    call = outer.scope.calls[expr.index]
                    values = (*call.args, *(value for _, value in call.kwargs))
                    names.update(value.value for value in values if isinstance(value, f.Str))
    return frozenset(name for name in names if len(name) > 3)


def off_loop(model: Model) -> Iterator[Seen]:
    """Blocking work handed to a thread and awaited."""
    for function in model.functions:
        if function.is_async:
            for edge in model.edges_from(function):
                if edge.kind == "thread" and edge.waited:
                    yield from _threaded(edge, model)
            if function.kind == "function" and _binds_what_it_is_given(model, function):
                yield from uses_of("off-loop", function, model)


def _threaded(edge: Edge, model: Model) -> Iterator[Seen]:
    site = edge.spawner or edge.site
    helper = next((fn for fn in model.graph.resolutions[site].functions if fn is not edge.callee), None)
    names = model.library_names(site)
    if helper is not None and _runs_what_it_is_given(model, helper, "thread"):
        yield of_helper("off-loop", helper, site)
    elif helper is None and names:
        yield at_site("off-loop", site, family=names[0])


def _binds_what_it_is_given(model: Model, helper: Function) -> bool:
    """A small coroutine that puts its first parameter into a partial and runs that in a thread: its calls show no thread."""
    names = [param.name for param in helper.scope.params if param.name not in {"self", "cls"}]
    if not names or helper.scope.end_line - helper.line > _SMALL:
        return False
    return any(
        how == "thread" and isinstance(expr, f.Name) and names[0] in _bound_in(expr.id, helper)
        for site in helper.calls
        for how, expr, _ in model.graph.started_by(site)
    )


def kept_tasks(model: Model) -> Iterator[Seen]:
    """Small helpers that start a task they are given and keep it until it is done."""
    for function in model.functions:
        if function.kind != "function" or function.scope.end_line - function.line > _SMALL:
            continue
        if not _runs_what_it_is_given(model, function, "task"):
            continue
        methods = Counter(call.func.name for call in function.scope.calls if isinstance(call.func, f.Attr))
        if methods["add_done_callback"] and (methods["add"] or methods["append"]):
            yield from uses_of("keep-task", function, model)


def _runs_what_it_is_given(model: Model, helper: Function, kind: str) -> bool:
    """Does a small function of the project start its first parameter, as it is, in this way?"""
    names = [param.name for param in helper.scope.params if param.name not in {"self", "cls"}]
    if not names or helper.scope.end_line - helper.line > _SMALL:
        return False
    return any(
        how == kind and isinstance(expr, f.Name) and expr.id == names[0]
        for site in helper.calls
        for how, expr, _ in model.graph.started_by(site)
    )


def _bound_in(name: str, helper: Function) -> Iterator[str]:
    """What a name holds beside its arguments: `func` of `call = partial(context.run, func)`."""
    for assign in helper.bindings.get(name, ()):
        if assign.op == "=" and isinstance(assign.value, f.CallRef):
            given = helper.calls[assign.value.index].fact.args
            yield from (arg.id for arg in given if isinstance(arg, f.Name))


def bulkheads(model: Model) -> Iterator[Seen]:
    """Semaphores and limiters around a block."""
    for function in model.functions:
        for index, region in enumerate(function.scope.regions):
            if region.kind == "with" and _holds(model, function, index, GuardKind.BULKHEAD):
                text = written(region.items[0][0], function) if region.items else ""
                word = "async with" if region.is_async else "with"
                shape = f"{word} {text}:"
                yield Seen(
                    "bulkhead", f"{word} {text}", function.path, region.line, shape=shape, in_async=function.is_async
                )


def _holds(model: Model, function: Function, index: int, kind: GuardKind) -> bool:
    return any(g.kind is kind and g.region == index for g in model.guards.on_region(function, index)[:3])


def shutdowns(model: Model) -> Iterator[Seen]:
    """Where handlers of signals and shutdown hooks are installed."""
    for function in model.functions:
        for edge in model.edges_from(function):
            if edge.kind == "hook:signal" and _may_be_sigterm(model, edge.site):
                yield at_site("shutdown", edge.site, f"{function.qualname}()" if function.kind == "function" else "")


def _may_be_sigterm(model: Model, site: CallSite) -> bool:
    """A registration for SIGTERM, or for a variable that runs over it."""
    given = model.text(site.fact.args[0], site.function) if site.fact.args else ""
    if "SIG" in given:
        return "SIGTERM" in given
    return any("SIGTERM" in name for name in site.function.scope.last_read)


def loggers(model: Model) -> Iterator[Seen]:
    """How errors are logged with their traceback."""
    for effect in model.effects_of(Effect.LOG, Effect.REPORT_ERROR):
        if _method(effect.site) in {"exception", "capture_exception"}:
            yield at_site("logger", effect.site)
