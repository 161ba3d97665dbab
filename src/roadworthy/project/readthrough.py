"""Read-through caches that the project wrote itself: a failure of the cache keeps the value from being computed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.phrases import words_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_CACHES = re.compile(r"cache[ds]?|caching|memo\w*|readthrough|cacheable")
_REMEMBERS = re.compile(
    r"invalidat\w*|clear\w*|evict\w*|purge\w*|bust\w*|idempoten\w*|dedup\w*|locks?|locked|limit\w*|once|session\w*|token\w*|throttl\w*|queue\w*"
)
_CACHE = frozenset({Effect.CACHE_READ, Effect.CACHE_WRITE})
_NEAR = 2


@dataclass(frozen=True, slots=True)
class ReadThrough:
    """One helper that asks a cache first and computes what is not there."""

    function: Function
    site: CallSite  # the call of the cache
    effect: EffectAt
    compute: CallSite  # the call that it keeps from happening
    entry: Entry | None  # one that fails with the cache


def read_throughs(model: Model) -> Iterator[ReadThrough]:
    """Every helper that calls a function it was given, after an unguarded question to a cache over the network."""
    for function in model.functions:
        if function.kind != "function" or not model.reach.has(function, _CACHE) or not _is_cache(function):
            continue
        computing = [
            site for site in function.calls if _is_given(site) and site.fact.use not in {"decorator", "discarded"}
        ]
        found = next((pair for site in function.calls if (pair := _asks(model, site, computing)) is not None), None)
        if found is None:
            continue
        site, effect, compute = found
        outcomes = [o for o in model.failures.of(site, effect.row.raises) if o.detached is None]
        if any(o.kind in {"handled", "retried", "unclear"} and len(o.path) <= 1 for o in outcomes):
            continue  # the caller does without the cache; a handler further out only reports the error
        entry = next((o.entry for o in outcomes if o.entry is not None and o.entry.serves_others), None)
        if entry is not None or all(o.kind == "fails" and o.entry is None for o in outcomes):
            yield ReadThrough(function, site, effect, compute, entry)


def _is_cache(function: Function) -> bool:
    names: list[str] = []
    here: Function | None = function
    while here is not None and here.kind == "function":
        names.append(here.name)
        here = here.parent
    names += [function.cls.name] if function.cls is not None else []
    words = [word for name in names for word in words_of(name)]
    return any(_CACHES.fullmatch(word) for word in words) and not any(_REMEMBERS.fullmatch(word) for word in words)


def _is_given(site: CallSite) -> bool:
    """The call of a parameter, of the function itself or of the decorator around it; or its start in an executor."""
    func = site.fact.func
    if isinstance(func, f.Attr) and func.name in {"submit", "run_in_executor", "to_thread", "run_sync"}:
        return any(_is_parameter(arg, site.function) for arg in site.fact.args[:2])
    return _is_parameter(func, site.function)


def _is_parameter(expr: f.Expr, function: Function) -> bool:
    if not isinstance(expr, f.Name):
        return False
    here: Function | None = function
    while here is not None and here.kind == "function":
        if expr.id in here.parameters:
            return True
        if expr.id in here.bindings:
            return False
        here = here.parent
    return False


def _asks(model: Model, site: CallSite, computing: list[CallSite]) -> tuple[CallSite, EffectAt, CallSite] | None:
    """(call, what fails in it, the computation behind it)."""
    scope = site.function.scope
    behind = next(
        (c for c in computing if c.fact.order > site.fact.order and flow.may_precede(scope, site.fact, c.fact) and c is not site),
        None,
    )  # fmt: skip
    if behind is None:
        return None
    guards = model.guards_on(site)
    for effect in model.escapes.at(site):
        if effect.effect not in _CACHE or not effect.row.raises or model.escapes.stopped(guards, effect):
            continue
        if effect.site is site or any(
            len(model.reach.path_down(e.callee, effect)) < _NEAR for e in model.edges_at(site)
        ):
            return site, effect, behind
    return None
