"""What a repetition of an effect would do: is it safe, does anything after it send the run round again, does a retry tell failure from doubt?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, GuardKind, Repeat
from roadworthy.project import flow
from roadworthy.project.values import Container, LibraryObject, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.guard import Guard
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite

# Errors after which it is certain that nothing was done, or that the database undid it.
_CERTAIN = re.compile(
    r"ConnectTimeout|ConnectError|RateLimit|TooMany|Throttl|Deadlock|Serialization|Integrity|Locked|LockTimeout|Conflict|429"
)
_DATABASE = re.compile(r"OperationalError|DatabaseError|InterfaceError|DBAPIError|StaleData|ProgrammingError")
_SQL = frozenset({
    Effect.SQL, Effect.SQL_READ, Effect.SQL_INSERT, Effect.SQL_UPSERT, Effect.SQL_UPDATE, Effect.SQL_INCREMENT, Effect.SQL_DELETE,
    Effect.COMMIT, Effect.ROLLBACK, Effect.CONNECT, Effect.LOCK,
})  # fmt: skip
_METHOD_ARGUMENTS = frozenset({"allowed_methods", "method_whitelist", "retryable_methods", "retry_methods"})


def leaves_doubt(guard: Guard) -> bool:
    """Does a retry repeat after failures of which nobody knows whether the work was done (timeouts, resets, 5xx)?"""
    if not guard.on:
        return True
    return any(not _CERTAIN.search(name) and not _DATABASE.search(name) for name in guard.on)


def goes_on_after(model: Model, sites: Sequence[CallSite], *, for_long: bool = False, in_loops: bool = True) -> bool:
    """Can the run still fail after the last of these nested calls: is it one of many in a loop, does external work follow?

    `for_long`: a mere write to the database does not count, which leaves but a moment. `in_loops`: whether the rest of a loop counts.
    """
    for site in sites:
        scope = site.function.scope
        for loop in flow.loops_of(scope, site.fact.region) if in_loops else ():
            if scope.regions[loop].kind != "while" and model.guards.loop(site.function, loop).kind == "items":
                return True
        for other in site.function.calls:
            if (
                other.fact.order > site.fact.order
                and flow.may_precede(scope, site.fact, other.fact)
                and _may_fail(model, other, for_long)
            ):
                return True
    return False


def _may_fail(model: Model, site: CallSite, for_long: bool) -> bool:
    found = [
        e
        for e in model.effects_through(site)
        if e.effect.word.external
        and not e.effect.word.telemetry
        and not e.secondary
        and not (for_long and e.effect in _SQL)
    ]
    if not found:
        return False
    return not any(
        guard.kind is GuardKind.CATCH and any(h.broad and not h.may_raise for h in guard.handlers)
        for guard in model.guards_on(site)
    )


def in_handler(model: Model, sites: Sequence[CallSite]) -> bool:
    """Does one of these calls stand in an `except` block: what happens there is about a failure?"""
    return any(
        site.function.scope.regions[region].kind == "except"
        for site in sites
        for region in flow.ancestors(site.function.scope, site.fact.region)
    )


def not_repeatable(effect: EffectAt) -> bool:
    """By nature or by its library row: not without a key, or not at all."""
    return effect.repeat is not Repeat.SAFE


def is_framework_retry(model: Model, guard: Guard) -> bool:
    """The retry belongs to the queue or engine that runs the function: what declares it makes an entry too."""
    return bool(model.knowledge.entries(guard.name))


def write_retrying_clients(model: Model) -> Iterator[tuple[CallSite, tuple[str, ...]]]:
    """Calls that tell a client's retry to repeat writes too (`allowed_methods=["GET", "POST"]`, `None` for all), with the methods."""
    for function in model.functions:
        for site in function.calls:
            for keyword, expr in site.fact.kwargs:
                if keyword in _METHOD_ARGUMENTS and _is_retry(model, site):
                    methods = _methods(model, expr, site)
                    if methods:
                        yield site, methods


def repeated_by(model: Model, site: CallSite) -> list[EffectAt]:
    """The requests of clients on which the retry made by this call is mounted, that are not safe to repeat."""
    return [effect for effect in requests_of(model, site) if not_repeatable(effect)]


def requests_of(model: Model, site: CallSite) -> list[EffectAt]:
    """All requests of clients on which the retry made by this call is mounted."""
    found = []
    for effect in model.effects_of(Effect.HTTP_REQUEST, Effect.RPC):
        place = model.client_retry(effect).site
        if place is not None and (place is site or _is_given(model, place, site)):
            found.append(effect)
    return found


def _is_given(model: Model, place: CallSite, made: CallSite) -> bool:
    """Is what `made` makes an argument of `place`?"""
    exprs = (*place.fact.args, *(value for _, value in place.fact.kwargs))
    return any(
        isinstance(value, LibraryObject) and value.site is made
        for expr in exprs
        for value in model.values(expr, place.function, place.fact.order)
    )


def _is_retry(model: Model, site: CallSite) -> bool:
    return any(
        row.kind == GuardKind.RETRY.value for name in model.library_names(site) for row in model.knowledge.guards(name)
    )


def _methods(model: Model, expr: f.Expr, site: CallSite) -> tuple[str, ...]:
    found: list[str] = []
    for value in model.values(expr, site.function, site.fact.order):
        if isinstance(value, Literal) and value.value in (None, False):
            return ("every method",)
        items = value.items if isinstance(value, Container) else (value,)
        found += [str(item.value).upper() for item in items if isinstance(item, Literal)]
    for part in flow.walk(expr):
        if isinstance(part, f.Str):
            found.append(part.value.upper())
        if isinstance(part, f.CallRef):
            found += [
                text.upper() for arg in site.function.scope.calls[part.index].args for text in flow.strings_of(arg)
            ]
    if "POST" not in found:
        return ()  # a PATCH that sends values, not differences, may come twice
    return tuple(method for method in ("POST", "PATCH") if method in found)
