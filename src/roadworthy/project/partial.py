"""Retries and "try later" handlers that leave out ordinary failures of the client they cover."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, EntryKind, GuardKind
from roadworthy.project import flow
from roadworthy.project.arguments import argument, arguments
from roadworthy.project.exceptions import BROAD
from roadworthy.project.permanent import predicates_of
from roadworthy.project.predicates import kinds_asked_for
from roadworthy.project.statuses import stands_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.exceptions import Handler
    from roadworthy.project.guard import Guard
    from roadworthy.project.model import Model
    from roadworthy.project.retries import Retried
    from roadworthy.project.symbols import CallSite, Function

_PLAIN = frozenset({"RuntimeError", "OSError", "ConnectionError", "TimeoutError", "EOFError"})
_ORDINARY = re.compile(r"Connect|Timeout|TimedOut|HTTPClient|Transport|Network|Unavailable|RequestError|ServerError")
_TOO_LATE = re.compile(r"Timeout|TimedOut|Read|Write|Request|Network|Transport")
"""Failures after which the work may have been done."""
_LATE_KIND = re.compile(r"Read|Write|Protocol|Disconnect")
"""A retry that has one of these repeats what may have been done already, and so it may repeat after all such failures."""
_PREDICATE = re.compile(r"not_exception|unless|if_exception\(|_message|if_result|lambda|predicate|&")
_NARROWS = re.compile(r"not_exception|unless|_message|if_result|&")
_RATE = re.compile(r"\b429\b|TOO_?MANY|rate_?limit|throttl|slow_?down", re.IGNORECASE)
_NOT_YET = frozenset(
    {"BlockingIOError", "InterruptedError"}
)  # a socket that does not wait says "not yet": no failure at all
_LATER = re.compile(r"FAIL|fail|RETRY|retry|again|PENDING")
_ROWS = frozenset({
    Effect.SQL, Effect.SQL_READ, Effect.SQL_INSERT, Effect.SQL_UPSERT, Effect.SQL_UPDATE, Effect.SQL_INCREMENT, Effect.SQL_DELETE,
    Effect.COMMIT, Effect.ROLLBACK, Effect.FLUSH, Effect.SPAWN_PROCESS, Effect.CACHE_READ, Effect.CACHE_WRITE,
})  # fmt: skip
"""Retries around a database are about deadlocks and conflicts; a cache is rarely what a retry is for."""
_FED = frozenset({EntryKind.JOB, EntryKind.QUEUE_CONSUMER, EntryKind.DURABLE_ACTIVITY, EntryKind.SCHEDULED})


@dataclass(frozen=True, slots=True, eq=False)
class Partial:
    """A retry, or a handler that says "failed, try later", and what it leaves out."""

    effect: EffectAt
    caught: tuple[str, ...]
    missing: tuple[str, ...]  # dotted names
    retried: Retried | None = None
    handler: Handler | None = None
    only_rate: bool = False  # the retry is made for answers that limit the rate
    left_to_client: bool = False  # it is made for answers; lost connections are what the client repeats by itself


def partial_retries(model: Model) -> Iterator[Partial]:
    """Policies and loops that name exceptions, of calls whose client raises others, too."""
    for retried in (*model.retries.all, *model.retries.of_given):
        guard = retried.guard
        if (
            not guard.on
            or any(name in BROAD for name in guard.on)
            or guard.attempts == 1
            or set(guard.on) <= _NOT_YET
            or not _is_a_list(model, guard)
            or is_for_throttles(model, guard)
        ):
            continue
        for effect in _near(model, retried):
            answer = stands_for(model, retried, effect)
            missing = _missing(model, effect, guard.on, alike=bool(answer))
            missing = tuple(name for name in missing if not _held_inside(model, effect, retried, name))
            if missing and not _covered_elsewhere(model, effect, guard, missing):
                left = _leaves_to_client(model, effect, guard.on, missing)
                rate = answer == "rate" or _asks_for_rate(model, guard)
                yield Partial(effect, guard.on, missing, retried, only_rate=rate, left_to_client=left)
                break


def blind_retries(model: Model) -> Iterator[Partial]:
    """Policies and loops that name a built-in error, of calls whose client has one of its own by that name: they repeat nothing."""
    for retried in (*model.retries.all, *model.retries.of_given):
        guard = retried.guard
        if not guard.on or guard.attempts == 1 or not set(guard.on) <= _PLAIN or not _is_a_list(model, guard):
            continue
        effects = list(_near(model, retried))
        meant = tuple(namesakes(model, effects[0], guard.on)) if effects else ()
        if meant and all(is_foreign(model, effect, guard.on) for effect in effects):
            yield Partial(effects[0], guard.on, meant, retried)


def namesakes(model: Model, effect: EffectAt, caught: tuple[str, ...]) -> Iterator[str]:
    """Errors of the client with the very names of those that are caught."""
    names = {name.rpartition(".")[2] for name in caught}
    for kind in _kinds_of(model, effect):
        if "." in kind and kind.rpartition(".")[2] in names and model.exceptions.nature(kind) == "transient":
            yield kind


def is_foreign(model: Model, effect: EffectAt, caught: tuple[str, ...]) -> bool:
    """Is nothing that the call raises known to be, or possibly, one of those?"""
    alike = model.exceptions.is_subclass
    kinds = [model.exceptions.plain(kind) for kind in (*effect.row.raises, *_kinds_of(model, effect))]
    return all(alike(kind, c) is False and alike(c, kind) is False for kind in kinds for c in caught)


def _kinds_of(model: Model, effect: EffectAt) -> list[str]:
    """The errors of a call and their kinds, as the library files know them."""
    tables = model.knowledge.tables
    raised = [model.exceptions.plain(name) for name in effect.row.raises]
    return sorted({*raised, *(kind for kind, above in tables.ancestors.items() if set(raised) & set(above))})


def _leaves_to_client(model: Model, effect: EffectAt, caught: tuple[str, ...], missing: tuple[str, ...]) -> bool:
    """Does the client itself repeat lost connections and long waits, and the retry only what was answered?"""
    own = model.client_retry(effect)
    alike = model.exceptions.is_subclass
    kin = [c for c in caught if any(alike(c, name) or alike(name, c) for name in effect.row.raises)]
    answers = not any(_ORDINARY.search(name.rpartition(".")[2]) for name in kin)
    lost = all(_ORDINARY.search(name.rpartition(".")[2]) for name in missing)
    by_default = (
        effect.row.retry.on if effect.row.retry is not None else ()
    )  # what is configured is how often, not what
    return answers and lost and own.repeats and {"connect", "timeout"} <= set(own.on or by_default)


def _is_a_list(model: Model, guard: Guard) -> bool:
    """Are the exceptions given as such, or by a predicate that asks for them, and nothing but them?"""
    if guard.row is None or guard.row.retries_on is None or guard.site is None:
        return guard.form in {"loop", "house"}
    scope = guard.site.function.scope
    texts = [flow.deep_text(e, scope) for e in arguments(guard.site.fact, guard.row.retries_on)]
    if not any(_PREDICATE.search(text) for text in texts):
        return True
    asked = [kinds_asked_for(predicate, model.exceptions) for predicate in predicates_of(model, guard)]
    return bool(asked) and all(asked) and not any(_NARROWS.search(text) for text in texts)


def _asks_for_rate(model: Model, guard: Guard) -> bool:
    """`isinstance(e, HTTPError) and e.response.status_code == 429`: a predicate about too many requests."""
    return any(
        _RATE.search(flow.every_text(leave.value, predicate.scope))
        for predicate in predicates_of(model, guard)
        for leave in predicate.scope.leaves
        if leave.value is not None
    )


def is_for_throttles(model: Model, guard: Guard) -> bool:
    """`if error.code != "Throttling": raise`: what is not told to go slower leaves the loop on purpose."""
    function, home = guard.function, guard.home
    if guard.row is not None or function is None or home is None:
        return False
    scope = function.scope
    handlers = [h for tried in model.guards.loop(function, home).tries for h in flow.handlers_of(scope, tried)]
    return bool(handlers) and all(_lets_out_all_but_throttles(scope, handler) for handler in handlers)


def _lets_out_all_but_throttles(scope: f.Scope, handler: int) -> bool:
    tests = [r.test for i, r in enumerate(scope.regions) if r.kind == "if" and flow.within(scope, i, handler)]
    raises = any(leave.kind == "raise" for leave in flow.leaves_in(scope, handler))
    return raises and bool(tests) and all(_RATE.search(flow.every_text(test, scope)) for test in tests)


def _near(model: Model, retried: Retried) -> Iterator[EffectAt]:
    """Effects of the repeated calls themselves and of the functions that they call directly."""
    for site in retried.sites:
        yield from (e for e in model.effects_at(site) if _counts(e))
        for edge in model.edges_at(site):
            if edge.runs_here:
                yield from (e for inner in edge.callee.calls for e in model.effects_at(inner) if _counts(e))


def _counts(effect: EffectAt) -> bool:
    word = effect.effect.word
    return (
        word.external
        and not word.telemetry
        and effect.effect not in _ROWS
        and not effect.row.lazy
        and bool(effect.row.raises)
    )


def left_out(model: Model, effect: EffectAt, caught: tuple[str, ...]) -> tuple[str, ...]:
    """Ordinary failures of a call that pass a handler made for other failures of the same call, which repeats nothing."""
    return _missing(model, effect, caught, repeats=False) if effect.row.raises else ()


def _missing(
    model: Model, effect: EffectAt, caught: tuple[str, ...], *, alike: bool = False, repeats: bool = True
) -> tuple[str, ...]:
    """Ordinary failures of the call that are not among what is caught; nothing when the two have nothing in common.
    `alike`: what is caught is known to come from this call. `repeats`: what is caught is tried again."""
    exceptions = model.exceptions
    raises = effect.row.raises
    transient = [c for c in caught if exceptions.nature(c) not in {"permanent", "conflict"}]
    kin = [c for c in transient if any(exceptions.is_subclass(c, r) or exceptions.is_subclass(r, c) for r in raises)]
    if not kin and not alike:
        return ()
    again = not repeats or _may_come_twice(effect) or any(_LATE_KIND.search(c.rpartition(".")[2]) for c in kin)
    found: dict[str, None] = {}
    limit = effect.row.timeout
    pooled = limit is not None and "pool" in (limit.argument or "")  # then too long is said by the process' own pool
    endless = pooled or model.timeout(effect).bound == "forever"  # then the other side never takes too long
    for name in raises:
        for ordinary in _ordinary_kinds(model, name, caught):
            answers = [exceptions.is_subclass(ordinary, c) for c in caught]
            if partly_held(model, ordinary, caught):
                continue
            late = bool(_TOO_LATE.search(ordinary.rpartition(".")[2])) and not again
            if not any(answers) and None not in answers and not late and not (endless and "imeout" in ordinary):
                found[ordinary] = None
    return tuple(found)


def partly_held(model: Model, kind: str, caught: tuple[str, ...]) -> bool:
    """Is it a broken connection in another coat? Who repeats at the client's own `OSError` has the failure itself in his list; a
    younger class for one of its cases does not exist in every version of the client."""
    exceptions = model.exceptions
    return exceptions.is_subclass(kind, "ConnectionError") is True and any(
        exceptions.is_subclass(c, "OSError") is True and exceptions.is_subclass(c, "TimeoutError") is not True
        for c in caught
    )


def _may_come_twice(effect: EffectAt) -> bool:
    """Messages are delivered at least once anyway: one that is lost is worse than one that comes twice."""
    return effect.repeat.value == "yes" or effect.effect in {Effect.PUBLISH, Effect.ENQUEUE}


def _ordinary_kinds(model: Model, name: str, caught: tuple[str, ...]) -> list[str]:
    """The exception itself where it means a fault that passes and none of its kinds is caught, else its kinds that do."""
    plain = model.exceptions.plain(name)
    if plain in _PLAIN:
        return [plain]
    nature = model.exceptions.nature(plain)
    if nature in {"permanent", "conflict"}:
        return []
    partly = any(c != plain and model.exceptions.is_subclass(c, plain) for c in caught)
    if nature == "transient" and not partly:
        return [plain] if _ORDINARY.search(plain.rpartition(".")[2]) else []
    tables = model.knowledge.tables
    kinds = [
        k for k, above in tables.ancestors.items() if plain in above and k in tables.exceptions and _passes(model, k)
    ]
    if partly:
        kinds = [k for k in kinds if not any(c != k and model.exceptions.is_subclass(c, k) for c in caught)]
    return sorted(k for k in kinds if not any(other in tables.ancestors.get(k, ()) for other in kinds))


def _passes(model: Model, name: str) -> bool:
    row = model.knowledge.exception(name)
    return row is not None and row.nature == "transient" and bool(_ORDINARY.search(name.rpartition(".")[2]))


def _held_inside(model: Model, effect: EffectAt, retried: Retried, name: str) -> bool:
    """A handler between the call and the retry deals with it, perhaps by raising what is retried."""
    sites: list[CallSite] = [effect.site]
    if effect.function is not retried.function:
        sites.extend(e.site for e in model.edges_to(effect.function) if e.caller is retried.function)
    tries = [handlers for site in sites for handlers in model.handlers_around(site)]
    return any(
        model.exceptions.catches(handler, name) is not False
        for handlers in tries
        for handler in handlers
        if not (retried.guard.form == "loop" and set(handler.types) & set(retried.guard.on))
    )


def _covered_elsewhere(model: Model, effect: EffectAt, guard: Guard, missing: tuple[str, ...]) -> bool:
    """On every path another retry repeats what this one leaves out, or may do so."""
    own = (guard.path, guard.line, guard.name)

    def repeats_it(other: Guard) -> bool:
        if other.kind is not GuardKind.RETRY or (other.path, other.line, other.name) == own:
            return False
        return not other.on or any(
            c in BROAD or model.exceptions.is_subclass(name, c) is not False for c in other.on for name in missing
        )

    return model.coverage(effect.site, repeats_it).everywhere


# --- handlers --------------------------------------------------------------------------------------------------------


def partial_handlers(model: Model) -> Iterator[Partial]:
    """`except ClientError: return Result(FAILED)` in a job, past which other failures of the same call end it."""
    seen: set[tuple[str, int, int]] = set()
    for effect in model.effects_of():
        if not _counts(effect):
            continue
        around = model.handlers_around(effect.site)
        handlers = around[0] if around else []
        later = next((h for h in handlers if _says_later(h)), None)
        if later is None or any(h.broad for h in handlers):
            continue
        caught = tuple(name for h in handlers for name in h.types)
        missing = tuple(name for name in _missing(model, effect, caught) if _ends_a_run(model, effect, name))
        key = (effect.site.path, effect.site.line, later.region)
        if missing and key not in seen:
            seen.add(key)
            yield Partial(effect, caught, missing, handler=later)


def _says_later(handler: Handler) -> bool:
    """Does it give back a failed result, which somebody tries again, and go no further?"""
    if handler.broad or handler.exits != "return" or handler.default is None:
        return False
    return bool(_LATER.search(flow.every_text(handler.default, handler.function.scope)))


def _ends_a_run(model: Model, effect: EffectAt, name: str) -> bool:
    """Does the failure come out of a job or consumer that nothing starts again?"""
    return any(
        o.kind == "fails" and o.entry is not None and o.entry.kind in _FED
        for o in model.failures.of(effect.site, (name,))
    )


# --- places ----------------------------------------------------------------------------------------------------------


def list_of(guard: Guard) -> tuple[Function, int] | None:
    """Where the exceptions are listed when that is not at the retry itself: a constant of the class or module."""
    if guard.row is None or guard.site is None or guard.row.retries_on is None:
        return None
    expr = argument(guard.site.fact, guard.row.retries_on)
    function = guard.site.function
    if isinstance(expr, f.Name):
        for scope in (function, function.module.body):
            assigns = scope.bindings.get(expr.id, ())
            if assigns:
                return scope, assigns[-1].line
    if isinstance(expr, f.Attr) and function.cls is not None:
        for cls in function.cls.mro:
            for assign in cls.body.bindings.get(expr.name, ()):
                return cls.body, assign.line
    return None
