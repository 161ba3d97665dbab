"""Fixes for calls that fail or hang."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from roadworthy.advice.code import GAP, WHOLE, argument_texts, call_text, callee_text, inside, signature_text, written
from roadworthy.advice.fixes import Place, fix, recipe_fix
from roadworthy.advice.patterns import best, cite
from roadworthy.advice.sessions import session_name
from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import EntryKind
from roadworthy.project import flow

if TYPE_CHECKING:
    from roadworthy.advice.shelf import Filled
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function


def off_loop(model: Model, site: CallSite) -> str:
    """Move a blocking call off the event loop, in the way the code base does."""
    function = site.function
    args = argument_texts(site)
    keywords = any(keyword for keyword, _ in site.fact.kwargs)
    extra = {
        "moved": inside(callee_text(site), args, WHOLE),
        "partial": f"partial({inside(callee_text(site), args, WHOLE)})" if keywords else "",
    }
    place = Place(model, function, site, extra=extra)
    if _handles_requests(model, function) and not _suspends(model, function):
        handler = replace(place, names=tuple(entry.source for entry in model.entries.at(function)))
        filled = handler.pick("sync-handler")
        if filled is not None:
            return fix(filled.text)
    special = place.pick("off-loop-instead")
    if special is not None:
        return fix(special.text, "", special.code)
    own = best(model, "off-loop", function, accept=lambda p: p.definition is not None)
    if own is not None:
        return fix("Move it to a thread.", cite(own, function), f"await {own.name[:-2]}({extra['moved']})")
    example = best(model, "off-loop", function)
    shaped = replace(place, names=(example.family,) if example is not None else ()).pick("off-loop")
    return fix(
        place_text(place.pick("async-twin"), shaped),
        cite(example, function) if shaped is not None and shaped.recipe.names else "",
        shaped.code if shaped is not None else "",
    )


def off_loop_inside(model: Model, site: CallSite, blocks: CallSite) -> str:
    """A call that is given a session cannot go to another thread: only what blocks in it can. "" for any other call."""
    held = next((arg for arg in argument_texts(site) if arg.rpartition("=")[2] == session_name(site.function)), "")
    names = {param.name for param in site.function.scope.params}
    if not held or held.rpartition("=")[2].partition(".")[0] not in {*names, *site.function.bindings}:
        return ""
    text = (
        f"`{held.rpartition('=')[2]}` must stay on this thread: make the functions from `{callee_text(site)}()` down to "
        f"`{blocks.function.qualname}()` coroutines, and move only `{callee_text(blocks)}()` (`{blocks.path}:{blocks.line}`) to a thread."
    )
    return fix(text, cite(best(model, "off-loop", site.function), site.function))


def plain_handler(function: Function) -> str:
    """A handler that awaits nothing, as an ordinary function."""
    text = f"`{function.name}` awaits nothing: declare it as an ordinary function, and the framework runs it in a thread of its pool:"
    return fix(text, "", f"{signature_text(function, is_async=False)} ...")


def place_text(twin: Filled | None, shaped: Filled | None) -> str:
    """The sentence before the snippet: the async counterpart where there is one, else the thread."""
    moved = shaped.text if shaped is not None else "Move it to a thread."
    return f"{twin.text} Until then, move the call to a thread:" if twin is not None else moved


def _suspends(model: Model, function: Function) -> bool:
    """Does the coroutine await anything, or need the loop otherwise?"""
    scope = function.scope
    if any(edge.kind == "task" for edge in model.edges_from(function)):
        return True
    if any(call.awaited for call in scope.calls) or any(region.is_async for region in scope.regions):
        return True
    exprs = [a.value for a in scope.assigns] + [leave.value for leave in scope.leaves] + [t.value for t in scope.tests]
    return any(isinstance(part, f.Await) for expr in exprs if expr is not None for part in flow.walk(expr))


def _handles_requests(model: Model, function: Function) -> bool:
    entries = model.entries.at(function)
    return bool(entries) and all(e.kind in {EntryKind.HTTP_HANDLER, EntryKind.WEBHOOK_HANDLER} for e in entries)


def log_and_raise(model: Model, function: Function, site: CallSite | None = None) -> str:
    """Say what was swallowed, in this module's logger."""
    return recipe_fix(Place(model, function, site), "log-and-raise")


def read_results(model: Model, site: CallSite) -> str:
    """Look at what came back instead of an exception."""
    name = next(
        (
            written(assign.target, site.function)
            for assign in site.function.scope.assigns
            if assign.value is not None and _is_result(assign.value, site)
        ),
        "",
    )
    filled = Place(model, site.function, site, extra={"results": name or "results"}).pick("read-results")
    if filled is None:
        return ""
    awaits = "await " if site.fact.awaited else ""
    whole = f"results = {awaits}{call_text(site, width=WHOLE)}\n"
    if name or GAP not in whole:
        return fix(filled.text, "", f"{'' if name else whole}{filled.code}")
    text = f"Bind what line {site.line} gives to `results`, and l{filled.text[1:]}"
    return fix(text, "", filled.code)


def _is_result(value: f.Expr, site: CallSite) -> bool:
    value = value.value if isinstance(value, f.Await) else value
    return isinstance(value, f.CallRef) and value.index == site.index


def isolate(model: Model, site: CallSite) -> str:
    """Keep a secondary effect from failing the primary one."""
    return recipe_fix(Place(model, site.function, site), "isolate")


def shutdown(model: Model, function: Function) -> str:
    """Stop in an orderly way on SIGTERM."""
    return recipe_fix(Place(model, function), "shutdown", cite(best(model, "shutdown", function), function))


def _listed(function: Function, piece: str) -> dict[str, str]:
    """The list of coroutines as it is made, each of them bounded: `tasks = [bounded(fetch(url)) for url in urls]`."""
    for assign in function.scope.assigns:
        made = assign.value
        if (
            not isinstance(made, f.Comp)
            or made.kind != "list"
            or assign.op != "="
            or written(made.element, function) != piece
        ):
            continue
        region = function.scope.regions[made.region]
        target, items = written(assign.target, function), written(region.test, function)
        if GAP not in f"{target}{items}{piece}" and f"[{piece} for {written(region.target, function)} in {items}]":
            return {"listed": f"{target} = [bounded({piece}) for {written(region.target, function)} in {items}]"}
    return {}


def bounded(model: Model, site: CallSite, piece: str = "") -> str:
    """Limit a fan-out; `piece`: one of the coroutines that it starts, as written."""
    function = site.function
    own = best(model, "bulkhead", function)
    parts = (part for arg in site.fact.args for part in flow.walk(arg))
    found = next((part for part in parts if isinstance(part, f.Comp)), None)
    extra = {"piece": piece} if piece else {}
    if found is None and piece:
        extra |= _listed(function, piece)
    if found is not None:
        region = function.scope.regions[found.region]
        if isinstance(region.target, f.Name):
            extra |= {
                "work_call": written(found.element, function),
                "item": region.target.id,
                "items": written(region.test, function),
                "gather": callee_text(site),
            }
        else:
            extra["piece"] = written(found.element, function)
    return recipe_fix(Place(model, function, site, extra=extra), "bounded", cite(own, function))
