"""Fixes for what is not repeated, or repeated without an end, a pause or a random part."""

from __future__ import annotations

import re
from dataclasses import replace
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
from roadworthy.advice.mining.clients import decorator_at
from roadworthy.advice.mining.work import decorator_of
from roadworthy.advice.patterns import best, cite
from roadworthy.advice.stack import family_of
from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, EntryKind
from roadworthy.project import flow
from roadworthy.project.calls import DELIVERED
from roadworthy.project.silence import logger_near

if TYPE_CHECKING:
    from roadworthy.advice.patterns import Pattern, Use
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.exceptions import Handler
    from roadworthy.project.guard import Guard
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_POLICY = ("retr", "backoff", "jitter", "interval", "delay", "attempt")
_BROAD = frozenset({"Exception", "BaseException"})


def retry(
    model: Model,
    function: Function,
    exceptions: tuple[str, ...] = (),
    site: CallSite | None = None,
    effect: EffectAt | None = None,
) -> str:
    """Repeat transient failures with backoff, jitter and an end: in the client, the job, or around the function."""
    site = site or (effect.site if effect is not None else None)
    raised = exceptions or (_transient(model, effect) if effect is not None else ())
    raised = raised or (_usual(model, site) if site is not None else ())
    errors = _errors(function, raised)
    extra = {
        "errors": errors,
        "caught": f"({errors})" if ", " in errors else errors,
        "tuple": _tuple(errors),
        "attempts": "4",
    }
    job = next((e for e in model.entries.at(function) if e.kind is EntryKind.JOB), None)
    if job is not None:
        shape, declared = decorator_of(job)
        kept = [a for a in (argument_texts(declared) if declared is not None else []) if not _is_policy(a)]
        extra |= {"job": shape[1:].partition("(")[0], "given": "".join(f"{argument}, " for argument in kept)}
        place = Place(model, function, site, (job.source,), extra)
        own = best(model, "job-retry", function)
        if own is not None:
            return _queued(own, function, job, extra["errors"] if raised else "")
        filled = place.pick("retry-job")
        if filled is not None:
            return _where_enqueued(model, function, filled.code) or recipe_fix(place, "retry-job")
    own = best(model, "retry", function, accept=lambda p: p.definition is not None and _fits(model, p, raised))
    if own is not None:
        return _decorated(model, own, function, raised, "Repeat the transient errors.")
    names = (effect.name,) if effect is not None else ()
    place = Place(model, function, site, names, extra)
    if names and place.pick("retry-client") is not None:
        family = family_of(model, names[0])
        text = recipe_fix(place, "retry-client", cite(best(model, "retry-client", function, family), function))
        return text.replace(_SAFE, _SAFE + _UNSAFE, 1) if names[0].endswith((".post", ".patch")) else text
    filled = place.pick("retry")
    used = filled.recipe.uses if filled is not None else ()
    own = best(model, "retry", function, accept=lambda p: p.definition is None and p.family in used) if used else None
    return recipe_fix(place, "retry", cite(own, function))


_SAFE = "the adapter repeats what is safe to repeat"
_UNSAFE = ": this call only where no connection came about, unless `allowed_methods` names its method (then the other side may get it twice)"


def _where_enqueued(model: Model, function: Function, code: str) -> str:
    """The call that hands the job over, with its options, where the queue is told there and not at the job; "" for others."""
    options = code.partition("retry=")[2].removesuffix(")")
    sites = [e.site for e in model.edges_to(function) if e.kind in DELIVERED and model.is_reviewed(e.site.path)]
    if not code.startswith("queue.enqueue(") or not sites:
        return ""
    site, *others = sorted(set(sites), key=lambda s: (s.path, s.line))
    written_there = call_text(site, [f"retry={options}"], width=WHOLE)
    if GAP in written_there or "enqueue" not in written_there:
        return ""
    more = f" and in {len(others)} more place{'s' if len(others) > 1 else ''}" if others else ""
    return fix(f"Let the queue repeat it, where it is enqueued (`{site.path}:{site.line}`{more}):", "", written_there)


def retry_question(model: Model, site: CallSite, raises: tuple[str, ...], above: str = "the loop") -> str:
    """Repeat one call of a loop that waits, or of a block whose handler ends the work, and not the function around it."""
    asked = call_text(site, width=WHOLE)
    text = retry(model, site.function, raises)
    if GAP in asked or "```" not in text or "@" not in text:
        return f"Repeat `{callee_text(site)}()` alone after a transient error, with backoff and an end, and not the whole of `{site.function.name}()`."
    head, _, code = text.partition("```python\n")
    lead, awaits = ("async def", "await ") if site.function.is_async else ("def", "")
    asks = f"{lead} ask():\n    return {awaits}{asked}"
    code = re.sub(
        rf"^(async )?def {site.function.name}\(.*?: \.\.\.$", lambda _: asks, code, flags=re.DOTALL | re.MULTILINE
    )
    if asks not in code:
        return text
    return f"{head.rstrip()} It goes above {above}, which calls `{awaits}ask()` in place of `{callee_text(site)}()`:\n```python\n{code}"


def _done_once(model: Model, function: Function, effect: EffectAt) -> str:
    """The item of the loop of a job in which something is done that must not be done twice: a mail for each `user`; "" for none."""
    if effect.function is not function or effect.effect not in _UNREPEATABLE:
        return ""
    if not any(e.kind is EntryKind.JOB for e in model.entries.at(function)):
        return ""
    index = effect.site.fact.region
    while index >= 0:
        region = function.scope.regions[index]
        if region.kind == "for" and isinstance(region.target, f.Name):
            return region.target.id
        index = region.parent
    return ""


_UNREPEATABLE = frozenset({Effect.EMAIL, Effect.SMS, Effect.NOTIFY, Effect.CHARGE})


def retry_job(model: Model, function: Function, effect: EffectAt) -> str:
    """Repeat a job; where it does something for each of many that must not be done twice, each of them by itself."""
    item = _done_once(model, function, effect)
    if not item:
        return retry(model, function, effect.row.raises)
    return (
        f"Start a job of its own for each `{item}`, which does this one and is retried by itself: this job run again would do it once more for "
        "all that came before the failure."
    )


def ask_retry(model: Model, entry: Entry) -> str:
    """A job that declares how it is retried, and never asks for it: its decorator as written, with the errors that start one."""
    function = entry.function
    effects = [e for e in model.effects_under(function) if e.effect.word.external or e.effect.word.persists]
    raised = tuple(dict.fromkeys(name for effect in effects for name in _transient(model, effect)))
    text = "Name the errors after which it is to run again, and let them out of the job:"
    options = entry.row.retry_arguments if entry.row is not None else ()
    shape, site = decorator_of(entry)
    if not shape or not options:
        return f"{text[:-1]}."
    args = argument_texts(site) if site is not None else []
    args.append(f"{options[0]}={_tuple(_errors(function, raised))}")
    head = apply_text(shape[1:].partition("(")[0], args, width=WHOLE)
    own = best(model, "job-retry", function)
    return fix(
        text if own is None else f"{text[:-1]}.", cite(own, function), f"@{head}\n{signature_text(function)} ..."
    )


def _queued(own: Pattern, function: Function, job: Entry, errors: str) -> str:
    """The decorator of the other jobs that are repeated, for the errors that are raised here."""
    use = own.near(function)
    text = "Let the queue repeat it with a pause and an end."
    policy = job.row.retry_arguments if job.row is not None else ()
    shape, site = decorator_of(job)
    if use.site is None or not shape:
        return fix(text, cite(own, function), f"{use.shape}\n{signature_text(function)} ...")
    args = argument_texts(site) if site is not None else []
    known = {arg.partition("=")[0] for arg in args}
    for arg in argument_texts(use.site):
        keyword, _, value = arg.partition("=")
        if keyword in known or not (keyword in policy or any(word in keyword for word in _POLICY)):
            continue
        lists = keyword in policy and value.startswith(("(", "["))
        args.append(f"{keyword}={_tuple(errors)}" if lists and errors else arg)
    shape = f"@{apply_text(shape[1:].partition('(')[0], args, width=WHOLE)}"
    return fix(text, cite(own, function), f"{shape}\n{signature_text(function)} ...")


def _tuple(errors: str) -> str:
    """`(OSError,)`, `(ConnectionError, TimeoutError)`."""
    return f"({errors})" if ", " in errors else f"({errors},)"


def _is_policy(argument: str) -> bool:
    """An argument that the recipe for retries gives itself."""
    name = argument.partition("=")[0]
    return any(word in name for word in _POLICY) or name == "acks_late"


def _transient(model: Model, effect: EffectAt) -> tuple[str, ...]:
    """What the call raises and a repetition may cure."""
    rows = [(name, model.knowledge.exception(name)) for name in effect.row.raises]
    return tuple(name for name, row in rows if row is None or row.nature in {"transient", "mixed"})


def _usual(model: Model, site: CallSite) -> tuple[str, ...]:
    """What the library of a call says when the way to the other side fails: `redis.exceptions.ConnectionError` is no built-in one."""
    roots = {name.partition(".")[0] for name in model.library_names(site)}
    found = [
        name
        for name in model.knowledge.tables.exceptions
        if name.partition(".")[0] in roots and name.rpartition(".")[2] in {*_ON_THE_WAY, "TimeoutError"}
        if (row := model.knowledge.exception(name)) is not None and row.nature == "transient"
    ]
    return tuple(sorted(found))


def _fits(model: Model, pattern: Pattern, raised: tuple[str, ...]) -> bool:
    """Does the helper repeat what is raised here, in some use of it, or as its arguments say?"""
    policies = {use.on for use in pattern.uses}
    return len(policies) > 1 or any(_covers(model, use, raised) for use in pattern.uses)


def _covers(model: Model, use: Use, raised: tuple[str, ...]) -> bool:
    if not use.on or set(use.on) & _BROAD:
        return True
    return any(model.exceptions.is_subclass(name, caught) for name in raised for caught in use.on)


def _decorated(model: Model, own: Pattern, function: Function, raised: tuple[str, ...], text: str) -> str:
    """The helper on this function, with the arguments of a use that is for the same errors, else without them."""
    use = own.near(function, lambda use: _covers(model, use, raised))
    shape = use.shape
    if not _covers(model, use, raised) and "(" in shape:
        shape = f"{own.name}({GAP})"
    return fix(text, cite(own, function), f"{shape}\n{signature_text(function)} ...")


def _errors(function: Function, names: tuple[str, ...]) -> str:
    """Exceptions as this module would write them."""
    shown = [as_imported(function, name) for name in names[:2]]
    return ", ".join(dict.fromkeys(shown)) or "ConnectionError, TimeoutError"


def as_imported(function: Function, name: str) -> str:
    """A dotted name by the import that the module has, else whole."""
    body = function.module.body
    module, _, last = name.rpartition(".")
    root = name.partition(".")[0]
    if module in {"", "builtins"}:
        return last
    if last in body.children or root == function.module.name.partition(".")[0]:
        return last  # a class of the project
    found = body.imports.get(last, ())
    if any(item.name and (item.module == module or item.module.startswith(root) or item.level) for item in found):
        return last
    short = name.replace(f"{module}.", f"{root}.") if root != module and _reads(function, f"{root}.{last}") else name
    if short != name:
        return short
    return f"{root}.{last}" if "._" in module else name


def _reads(function: Function, dotted: str) -> bool:
    """Does the module write an exception so: `httpx.ReadError` for `httpx._exceptions.ReadError`?"""
    scopes = (scope.scope for scope in function.module.functions)
    return any(
        flow.text_of(kind, scope) == dotted for scope in scopes for region in scope.regions for kind in region.types
    )


# --- retries that are there ------------------------------------------------------------------------------------------


def end_retry(model: Model, guard: Guard, function: Function) -> str:
    """Give a retry an end: a number of attempts or a time."""
    return _amended(model, guard, function, "retry-end")


def end_job(model: Model, entry: Entry) -> str:
    """Give the retries of a job an end: its decorator as it is written, with a number in place of none."""
    text = (
        "Set a number of retries, and send what is left over to a dead-letter queue or a table that somebody looks at"
    )
    shape, site = decorator_of(entry)
    args = argument_texts(site) if site is not None else []
    lifted = [
        arg for arg in args if arg.endswith("=None") and any(word in arg for word in ("retr", "attempt", "tries"))
    ]
    if not shape or len(lifted) != 1:
        return f"{text}."
    numbers = [f"{lifted[0].removesuffix('None')}8" if arg is lifted[0] else arg for arg in args]
    head = apply_text(shape[1:].partition("(")[0], numbers, width=WHOLE)
    return fix(f"{text}:", "", f"@{head}\n{signature_text(entry.function)} ...")


def narrow_retry(model: Model, guard: Guard, function: Function) -> str:
    """Let a policy repeat only what may pass by itself."""
    effects = [e for e in model.effects_under(function) if e.effect.word.external]
    raised = tuple(dict.fromkeys(name for effect in effects for name in passing(model, effect)))
    if not raised:
        return ""
    return _amended(model, guard, function, "retry-narrow", {"errors": _errors(function, raised)})


def passing(model: Model, effect: EffectAt) -> tuple[str, ...]:
    """What the call raises when the way to the other side fails, the answer left out: an error of a status may be a permanent one."""
    known = [
        name
        for raised in effect.row.raises
        for name in (raised, *(f"{raised.partition('.')[0]}.{last}" for last in _ON_THE_WAY))
        if (row := model.knowledge.exception(name)) is not None and row.nature == "transient"
    ]
    return tuple(dict.fromkeys(known))


_ON_THE_WAY = ("ConnectionError", "Timeout", "ConnectError", "TimeoutException")


def space_retry(model: Model, guard: Guard, function: Function) -> str:
    """Give a retry a pause that grows."""
    return _amended(model, guard, function, "retry-wait")


def _amended(model: Model, guard: Guard, function: Function, topic: str, extra: dict[str, str] | None = None) -> str:
    """The policy as it is written, with the argument that it lacks; for a loop what goes into it."""
    place = Place(model, function, guard.site, (guard.name,), extra or {})
    filled = place.pick(topic)
    if filled is None:
        return ""
    if not filled.recipe.names:
        through = guard.through
        where = (
            f", in `{through.qualname}()` (`{through.path}:{guard.line}`) for all that use it:"
            if through is not None
            else ":"
        )
        return fix(f"{filled.text[:-1]}{where}", "", filled.code)
    shape = decorator_at(function, guard.line)
    if guard.site is not None and guard.form != "house":
        args = [a for a in argument_texts(guard.site) if a.partition("=")[0] != filled.code.partition("=")[0]]
        policy = apply_text(callee_text(guard.site), args, [filled.code], WHOLE)
        code = f"@{policy}\n{signature_text(function)} ..." if shape and function.kind == "function" else policy
        return fix(filled.text, "", code)
    if guard.through is not None:
        where = f"`{guard.through.qualname}()` (`{guard.through.path}:{guard.through.line}`)"
        return fix(f"{filled.text[:-1]}, in {where} for all that use it:", "", filled.code)
    return fix(filled.text, "", f"{shape}({filled.code})\n{signature_text(function)} ..." if shape else filled.code)


def backoff(model: Model, function: Function, handler: Handler | None = None) -> str:
    """Pause a loop after a failure, longer each time, up to a cap."""
    caught = "…"
    if handler is not None:
        region = handler.function.scope.regions[handler.region]
        types = [written(expr, handler.function) for expr in region.types]
        caught = types[0] if len(types) == 1 else f"({', '.join(types)})" if types else "Exception"
    return recipe_fix(Place(model, function, extra={"caught": caught}), "backoff")


def survive(model: Model, function: Function, raises: tuple[str, ...], site: CallSite) -> str:
    """Keep a loop alive over the failure of a call in it: log, pause, go on."""
    errors = _errors(function, raises or _usual(model, site))
    caught = f"({errors})" if ", " in errors else errors
    pause = "await asyncio.sleep" if function.is_async else "time.sleep"
    code = "\n".join([
        "try:",
        "    ...  # the body of the loop as it is, then:",
        "    delay = 1",
        f"except {caught}:",
        f'    {logger_near(model, function)}.exception("{callee_text(site)} failed")',
        f"    {pause}(random.uniform(0.5, 1.5) * delay)",
        "    delay = min(delay * 2, 30)",
    ])  # fmt: skip
    text = f"Catch what `{callee_text(site)}()` raises inside the loop, and go on after a pause that grows (`delay = 1` above the loop, too):"
    return fix(text, "", code)


def jitter(model: Model, function: Function, delay: str, pause: CallSite | None = None) -> str:
    """Add a random part to a delay; `pause`: the call that waits."""
    if pause is not None and pause.fact.args:
        delay = written(pause.fact.args[0], function)
    place = Place(model, function, extra={"delay": delay})
    capped = replace(place, names=("capped",)) if delay.startswith("min(") else place
    return recipe_fix(capped, "jitter")
