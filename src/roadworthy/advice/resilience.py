"""Fixes for calls that fail or hang."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from roadworthy.advice.code import argument_texts, callee_text, inside, signature_text
from roadworthy.advice.fixes import Place, fix, recipe_fix
from roadworthy.advice.patterns import best, cite
from roadworthy.advice.stack import family_of
from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import EntryKind
from roadworthy.project import flow

if TYPE_CHECKING:
    from roadworthy.advice.patterns import Pattern
    from roadworthy.advice.shelf import Filled
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

# --- retries ---------------------------------------------------------------------------------------------------------


def retry(
    model: Model,
    function: Function,
    exceptions: tuple[str, ...] = (),
    site: CallSite | None = None,
    effect: EffectAt | None = None,
) -> str:
    """Repeat transient failures with backoff, jitter and an end: in the client, the job, or around the function."""
    if effect is not None and site is None:
        site = effect.site
    raised = exceptions or (_transient(model, effect) if effect is not None else ())
    names = (effect.name,) if effect is not None else ()
    extra = {"errors": _errors(model, function, raised), "attempts": "4"}
    job = next((e for e in model.entries.at(function) if e.kind is EntryKind.JOB), None)
    if job is not None:
        place = Place(model, function, site, (job.source,), extra)
        own = best(model, "job-retry", function)
        if own is not None:
            return _decorated(own, function, "Let the queue repeat it with a pause and an end.")
        if place.pick("retry-job") is not None:
            return recipe_fix(place, "retry-job")
    own = best(model, "retry", function, accept=lambda p: p.definition is not None and _covers(model, p, raised))
    if own is not None:
        return _decorated(own, function, "Repeat the transient errors.")
    place = Place(model, function, site, names, extra)
    if names and place.pick("retry-client") is not None:
        family = family_of(model, names[0])
        return recipe_fix(place, "retry-client", cite(best(model, "retry-client", function, family), function))
    return recipe_fix(
        place, "retry", cite(best(model, "retry", function, accept=lambda p: p.definition is None), function)
    )


def _transient(model: Model, effect: EffectAt) -> tuple[str, ...]:
    """What the call raises and a repetition may cure."""
    rows = [(name, model.knowledge.exception(name)) for name in effect.row.raises]
    return tuple(name for name, row in rows if row is None or row.nature in {"transient", "mixed"})


def _covers(model: Model, pattern: Pattern, raised: tuple[str, ...]) -> bool:
    """Does the helper repeat what is raised here?"""
    if not pattern.on or not raised:
        return True
    exceptions = model.exceptions
    return any(exceptions.is_subclass(name, caught) for name in raised for caught in pattern.on)


def _decorated(own: Pattern, function: Function, text: str) -> str:
    use = own.near(function)
    return fix(text, cite(own, function), f"{use.shape}\n{signature_text(function)} ...")


def _errors(model: Model, function: Function, names: tuple[str, ...]) -> str:
    """Exceptions as this module would write them."""
    shown = [_as_imported(function, name) for name in names[:2]]
    return ", ".join(dict.fromkeys(shown)) or "ConnectionError, TimeoutError"


def _as_imported(function: Function, name: str) -> str:
    """A dotted name by the import that the module has, else whole."""
    body = function.module.body
    module, _, last = name.rpartition(".")
    if module in {"", "builtins"} or last in body.imports:
        return last
    root = name.partition(".")[0]
    return f"{root}.{last}" if name.count(".") > 2 else name


def backoff(model: Model, function: Function) -> str:
    """Pause a loop after a failure, longer each time, up to a cap."""
    return recipe_fix(Place(model, function), "backoff")


def jitter(model: Model, function: Function, delay: str) -> str:
    """Add a random part to a delay."""
    return recipe_fix(Place(model, function, extra={"delay": delay}), "jitter")


# --- the rest --------------------------------------------------------------------------------------------------------


def off_loop(model: Model, site: CallSite) -> str:
    """Move a blocking call off the event loop, in the way the code base does."""
    function = site.function
    args = argument_texts(site)
    keywords = any(keyword for keyword, _ in site.fact.kwargs)
    extra = {
        "moved": inside(callee_text(site), args),
        "partial": f"partial({inside(callee_text(site), args)})" if keywords else "",
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


def isolate(model: Model, site: CallSite) -> str:
    """Keep a secondary effect from failing the primary one."""
    return recipe_fix(Place(model, site.function, site), "isolate")


def shutdown(model: Model, function: Function) -> str:
    """Stop in an orderly way on SIGTERM."""
    return recipe_fix(Place(model, function), "shutdown", cite(best(model, "shutdown", function), function))


def bounded(model: Model, site: CallSite) -> str:
    """Limit a fan-out."""
    own = best(model, "bulkhead", site.function)
    return recipe_fix(Place(model, site.function, site), "bounded", cite(own, site.function))
