"""Clients that are bounded and retried: timeouts, the names that carry the numbers, retry policies, breakers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from roadworthy.advice.code import written
from roadworthy.advice.mining.seen import Seen, at_site, of_helper, uses_of
from roadworthy.advice.stack import family_of
from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import EntryKind, GuardKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.guard import Guard
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_SETTINGS = frozenset({"settings", "config", "conf", "cfg", "_settings", "_config", "app_settings", "app_config"})
_CLIENTS = frozenset(
    {"http-client", "llm", "cloud", "saas", "payment", "store", "object-store", "rpc", "chat", "search"}
)
_NOT_WORDS = ("connect", "idle", "expire", "session_", "ttl")


def timeouts(model: Model) -> Iterator[Seen]:
    """Calls and constructions that pass a timeout, functions that make such clients, and the names of the numbers."""
    seen: set[CallSite] = set()
    for effect in model.effects_of():
        if not effect.effect.word.external or effect.row.timeout is None:
            continue
        verdict = model.timeout(effect)
        if verdict.bound != "bounded" or verdict.reason != "passed":
            continue
        site = _bounded_site(model, effect, at_construction=verdict.at_construction)
        if site is None or not model.is_reviewed(site.path) or not _says_timeout(site):
            continue
        family = family_of(model, effect.name)
        function = site.function
        if site.fact.use == "returned" and function.kind == "function" and verdict.at_construction:
            yield of_helper("timeout", function, _call_of(model, function, effect), family)
        elif site not in seen:
            yield replace(at_site("timeout", site, family=family), shape=_limits(site))
        if site not in seen:
            seen.add(site)
            yield from _numbers(site, family)


def _bounded_site(model: Model, effect: EffectAt, *, at_construction: bool) -> CallSite | None:
    return model.clients.construction(effect) if at_construction else effect.site


def _says_timeout(site: CallSite) -> bool:
    return any("timeout" in keyword.lower() for keyword, _ in site.fact.kwargs)


def _limits(site: CallSite) -> str:
    """`connect_timeout=5, read_timeout=10`."""
    found = [(k, _number(v, site.function)) for k, v in site.fact.kwargs if "timeout" in k.lower()]
    return ", ".join(f"{keyword}={text}" for keyword, text in found)


def _number(value: f.Expr, function: Function) -> str:
    """The limit as written; a parameter by the number that it is by default, where it has one: `timeout=timeout` tells nothing."""
    given = next((p.default for p in function.scope.params if isinstance(value, f.Name) and p.name == value.id), None)
    plain = isinstance(given, f.Const) and given.kind in {"int", "float"}
    return written(given if plain else value, function)


def _call_of(model: Model, factory: Function, effect: EffectAt) -> CallSite | None:
    """Where the function of the effect gets its client from the factory."""
    edges = model.edges_to(factory)
    near = next((edge.site for edge in edges if edge.site.function is effect.function), None)
    return near or next((edge.site for edge in edges), None)


def _numbers(site: CallSite, family: str) -> Iterator[Seen]:
    """`timeout=settings.HTTP_TIMEOUT`: a name that stands for the number of seconds."""
    for keyword, expr in site.fact.kwargs:
        if "timeout" not in keyword.lower() or not is_setting(expr):
            continue
        name = written(expr, site.function)
        if not any(word in name.lower() for word in _NOT_WORDS):
            yield Seen("timeout-number", name, site.path, site.line, family, shape=f"{keyword}={name}")


def is_setting(expr: f.Expr) -> bool:
    """A module constant, or an attribute of the settings."""
    if isinstance(expr, f.Name):
        return expr.id.isupper() and len(expr.id) > 3
    if not isinstance(expr, f.Attr):
        return False
    owner = expr.value
    root = owner.id if isinstance(owner, f.Name) else owner.name if isinstance(owner, f.Attr) else ""
    return root.lower() in _SETTINGS


def retries(model: Model) -> Iterator[Seen]:
    """Decorators that retry with a pause and an end, the library's and the project's own."""
    jobs = {entry.function for entry in model.entries.all if entry.kind is EntryKind.JOB}
    for function in model.functions:
        if not function.scope.decorators:
            continue
        told: set[int] = set()
        for guard in model.guards.on_function(function):
            if guard.kind is GuardKind.RETRY and guard.capped and guard.delay != "none" and guard.line not in told:
                told.add(guard.line)
                yield _decorated("job-retry" if function in jobs else "retry", guard, function, model)


def breakers(model: Model) -> Iterator[Seen]:
    """Circuit breakers, as decorators or around a call."""
    for function in model.functions:
        for guard in model.guards.on_function(function):
            if guard.kind is GuardKind.BREAKER:
                yield _decorated("breaker", guard, function, model)


def _decorated(kind: str, guard: Guard, function: Function, model: Model) -> Seen:
    shape = decorator_at(function, guard.line)
    name = shape.partition("(")[0] or f"@{guard.name.rpartition('.')[2]}"
    family = "" if guard.through is not None else family_of(model, guard.name)
    return Seen(
        kind, name, guard.path, guard.line, family, guard.through, decorator_call(function, guard.line), shape,
        function.is_async, guard.on,
    )  # fmt: skip


def decorator_call(function: Function, line: int) -> CallSite | None:
    """The call that makes the decorator on a line; None for one without brackets."""
    outer, lines = function.parent, function.scope.decorator_lines
    if outer is None or line not in lines:
        return None
    expr = function.scope.decorators[lines.index(line)]
    return outer.calls[expr.index] if isinstance(expr, f.CallRef) else None


def decorator_at(function: Function, line: int) -> str:
    """The decorator of a function that stands on a line, as written."""
    outer = function.parent
    lines = function.scope.decorator_lines
    if outer is None or line not in lines:
        return ""
    position = lines.index(line)
    return f"@{written(function.scope.decorators[position], outer)}"


def client_retries(model: Model) -> Iterator[Seen]:
    """Clients that were told to repeat, where they are made."""
    for site in model.sites():
        told = [value for keyword, value in site.fact.kwargs if "retr" in keyword.lower()]
        if not told or all(isinstance(value, f.Const) and not value.value for value in told):
            continue
        for name in model.library_names(site):
            library = model.knowledge.library_of(name)
            if library is None or not _CLIENTS & set(library.role) or model.knowledge.entries(name):
                continue
            family = family_of(model, name)
            returned = site.fact.use == "returned" and site.function.kind == "function"
            if returned:
                yield from uses_of("retry-client", site.function, model, family)
            else:
                yield at_site("retry-client", site, family=family)
            break
