"""Fixes for calls that fail or hang."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.advice.code import argument_texts, call_text, callee_text, signature_text
from roadworthy.advice.fixes import Place, fix, recipe_fix
from roadworthy.advice.patterns import best, cite
from roadworthy.advice.stack import family_of
from roadworthy.knowledge.vocabulary import Effect, EntryKind

if TYPE_CHECKING:
    from roadworthy.advice.patterns import Pattern
    from roadworthy.knowledge.schema import Timeout
    from roadworthy.project.clients import TimeoutVerdict
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_LONG = frozenset(
    {Effect.LLM, Effect.SQL, Effect.SQL_READ, Effect.SPAWN_PROCESS, Effect.OBJECT_WRITE, Effect.OBJECT_READ}
)


# --- timeouts --------------------------------------------------------------------------------------------------------


def timeout(model: Model, effect: EffectAt, verdict: TimeoutVerdict) -> str:
    """Bound a call, or the client that makes it, with the parameter that the library has for it."""
    site = verdict.cause or effect.site
    rule = verdict.timeout
    family = family_of(model, effect.name)
    setting = _number(model, site.function, family)
    seconds = setting.name if setting is not None else "60" if effect.effect in _LONG else "10"
    extra = {"seconds": seconds, "parameter": verdict.parameter}
    if seconds.isdigit():
        extra["milliseconds"] = f"{seconds}_000"
    place = Place(model, site.function, site, (effect.name,), extra)
    if rule is not None and not verdict.parameter and not rule.config:
        return _without_parameter(place, effect, rule)
    value, remark = _value(place, verdict)
    where = "where the client is made" if verdict.at_construction else "at the call"
    own = best(model, "timeout", site.function, family, lambda p: _same_way(p, site))
    cited = (
        f"The number is `{setting.name}` elsewhere (`{setting.path}:{setting.line}`)."
        if setting is not None
        else cite(own, site.function)
    )
    text = " ".join(part for part in (f"Pass the limit {where}.", remark) if part)
    return fix(text, cited, call_text(site, [value], _replaced(value)))


def _same_way(pattern: Pattern, site: CallSite) -> bool:
    """A construction is no example for a call, nor the other way round."""
    return (
        pattern.definition is not None or pattern.name.rpartition(".")[2] == f"{callee_text(site).rpartition('.')[2]}()"
    )


def _replaced(value: str) -> tuple[str, ...]:
    """Keywords that the new arguments give: the old ones go."""
    return tuple(part.partition("=")[0].strip() for part in value.split(", ") if "=" in part)


def _number(model: Model, function: Function, family: str) -> Pattern | None:
    """A name that carries the limit for calls of this family, and that is at hand in this module."""

    def at_hand(pattern: Pattern) -> bool:
        root = pattern.name.partition(".")[0]
        body = function.module.body
        return root in body.bindings or root in body.imports

    return best(model, "timeout-number", function, family, at_hand)


def _value(place: Place, verdict: TimeoutVerdict) -> tuple[str, str]:
    """The arguments that set the limit, and a remark."""
    filled = place.pick("timeout-value")
    if filled is not None:
        return filled.code, filled.text
    rule = verdict.timeout
    seconds = place.extra["seconds"]
    parameter = verdict.parameter or "timeout"
    if rule is None:
        return f"{parameter}={seconds}", ""
    if rule.unit == "ms":
        seconds = place.extra.get("milliseconds", f"{seconds} * 1000")
    if rule.object and rule.object_arguments and not rule.object_arguments[0].isdigit():
        return f"{parameter}={rule.object}({rule.object_arguments[0]}={seconds})", ""
    if rule.config and rule.config != parameter:
        return f'{rule.config}={{"{parameter}": {seconds}}}', ""
    names = rule.arguments or (parameter,)
    return ", ".join(f"{name}={seconds}" for name in names), ""


def _without_parameter(place: Place, effect: EffectAt, rule: Timeout) -> str:
    """A call that takes no limit: by a setting, from outside, or by other means."""
    setting = next((name for name in rule.environment if name.isupper()), "")
    if setting:
        return _by_setting(place, setting)
    callee = place.filling["callee"]
    note = f" {rule.note[0].upper()}{rule.note[1:]}." if rule.note and not effect.function.is_async else ""
    text = f"`{callee}()` has no parameter for it.{note}"
    outside = place.pick("timeout-outside")
    return fix(text, outside.text if outside else "", outside.code if outside else "")


def _by_setting(place: Place, setting: str) -> str:
    """A setting that the project does not make yet, beside its kin."""
    settings = place.model.settings
    prefix = f"{setting.partition('_')[0]}_"
    kin = sorted(
        (s for name in settings.names if name.startswith(prefix) for s in settings.get(name)),
        key=lambda s: (s.path, s.line),
    )
    kin = [s for s in kin if place.model.is_reviewed(s.path)]
    beside = f" beside `{kin[0].name}` (`{kin[0].path}:{kin[0].line}`)" if kin else ""
    return fix(
        f"Set the limit for every such call once, in the settings{beside}.", "", f"{setting} = {place.extra['seconds']}"
    )


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
    raised = exceptions or (effect.row.raises if effect is not None else ())
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


def _covers(model: Model, pattern: Pattern, raised: tuple[str, ...]) -> bool:
    """Does the helper repeat what is raised here?"""
    if not pattern.on or not raised:
        return True
    exceptions = model.exceptions
    return any(exceptions.is_subclass(name, caught) for name in raised for caught in pattern.on)


def _decorated(own: Pattern, function: Function, text: str) -> str:
    use = own.near(function.path)
    return fix(text, cite(own, function), f"{use.shape}\n{signature_text(function)} ...")


def _errors(model: Model, function: Function, names: tuple[str, ...]) -> str:
    """Exceptions as this module would write them."""
    shown = [_as_imported(function, name) for name in names[:3]]
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
    args = argument_texts(site)
    place = Place(model, site.function, site, extra={"moved": ", ".join([callee_text(site), *args])})
    own = best(model, "off-loop", site.function, accept=lambda p: p.definition is not None)
    if own is not None:
        return fix("Move it to a thread.", cite(own, site.function), f"await {own.name[:-2]}({place.extra['moved']})")
    return recipe_fix(place, "off-loop", cite(best(model, "off-loop", site.function), site.function))


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
