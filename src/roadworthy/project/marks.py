"""Keys in a cache, and files as locks, that are asked for and then set as a mark: what was to be done once is done by both who asked at the same time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, Repeat
from roadworthy.project import flow
from roadworthy.project.database.presence import Presence
from roadworthy.project.fresh import texts_of
from roadworthy.project.phrases import is_log_owner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_CACHE = frozenset({Effect.CACHE_READ, Effect.CACHE_WRITE})
_ACTS = (Effect.CHARGE, Effect.EMAIL, Effect.SMS, Effect.NOTIFY, Effect.SQL_INSERT, Effect.PUBLISH, Effect.ENQUEUE, Effect.START_DURABLE, Effect.HTTP_REQUEST, Effect.RPC)  # fmt: skip
_SETS = frozenset({"set", "setex", "psetex", "aset"})
_ASKS = frozenset({"get", "exists", "aget", "has_key"})
_GIVES_BACK = frozenset({"delete", "adelete", "unlink"})
_ASKS_FILE = frozenset({"exists", "isfile", "is_file"})
_MAKES_FILE = frozenset({"open", "touch", "write_text"})
_REMOVES_FILE = frozenset({"remove", "unlink"})
_VALUE_LAST = frozenset({"setex", "psetex"})
_MOMENT = re.compile(r"\b(time|now|utcnow|uuid\d?|getpid|gethostname|monotonic|timestamp)\b")
_LOCK = re.compile(r"lock|mutex|running|in_?progress|busy", re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class Keyed:
    """One use of a key, seen from the call that leads to it."""

    site: CallSite
    inner: CallSite
    key: str  # as written, with what a helper is given
    file: bool = False  # a file whose name says that it is a lock


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """A key that decides whether something is done, and is set in another step."""

    function: Function
    asks: Keyed
    sets: Keyed
    acts: EffectAt | None  # what is done once; None: the key is given back, as a lock is
    first: bool  # set before the work


def marks(model: Model, function: Function) -> Iterator[Mark]:
    """Each question of a function with the mark that it should have been."""
    if function.kind != "function":
        return
    yield from _pairs(model, function, list(_file_uses(model, function)))
    if not model.reach.has(function, _CACHE):
        return
    uses = [use for site in function.calls if (use := _use(model, site)) is not None]
    yield from _pairs(model, function, uses)


def _pairs(model: Model, function: Function, uses: list[Keyed]) -> Iterator[Mark]:
    asked = [use for use in uses if flow.last_name(use.inner.fact.func) in (_ASKS_FILE if use.file else _ASKS)]
    setting = [use for use in uses if (_makes(use) if use.file else _sets(model, use))]
    for asks in asked:
        presence = Presence(function, asks.site)
        for sets in setting:
            if sets.key == asks.key and sets.site.fact.order > asks.site.fact.order and _is_first(presence, sets.site):
                found = _mark(model, function, asks, sets, presence)
                if found is not None:
                    yield found
                    break


def _sets(model: Model, use: Keyed) -> bool:
    return flow.last_name(use.inner.fact.func) in _SETS and _is_mark(model, use)


def _makes(use: Keyed) -> bool:
    """`open(lock, "w")`, `lock.touch()`; not `open(lock, "x")`, which refuses a file that is there."""
    fact = use.site.fact
    name = flow.last_name(fact.func)
    if name == "touch":
        return not any(keyword == "exist_ok" for keyword, _ in fact.kwargs)
    given = [*fact.args, *(value for keyword, value in fact.kwargs if keyword == "mode")]
    opens = any(isinstance(value, f.Str) and value.value[:1] in {"w", "a"} for value in given)
    return name == "write_text" or (name == "open" and opens)


def _file_uses(model: Model, function: Function) -> Iterator[Keyed]:
    """Questions for a file that is a lock by its name, its creation and its removal."""
    for site in function.calls:
        name = flow.last_name(site.fact.func)
        if name not in _ASKS_FILE | _MAKES_FILE | _REMOVES_FILE or not model.library_names(site):
            continue
        func = site.fact.func
        path = func.value if isinstance(func, f.Attr) and not _is_module(func) else next(iter(site.fact.args), None)
        if path is not None and any(_LOCK.search(text) for text in texts_of(path, function)):
            yield Keyed(site, site, flow.spelled(path, function.scope), file=True)


def _is_module(func: f.Attr) -> bool:
    """`os.path.exists(lock)`; of `lock.exists()` the file is the owner."""
    root = func.value
    while isinstance(root, f.Attr):
        root = root.value
    return isinstance(root, f.Name) and root.id == "os"


def _is_first(presence: Presence, site: CallSite) -> bool:
    """Does a call run only where the key was not there? One in a handler tells of a failure."""
    scope = site.function.scope
    failed = any(scope.regions[r].kind == "except" for r in flow.ancestors(scope, site.fact.region))
    return not failed and presence.absent_at(site) is not None


def _mark(model: Model, function: Function, asks: Keyed, sets: Keyed, presence: Presence) -> Mark | None:
    for site in function.calls:
        later = site.fact.order > asks.site.fact.order and site is not sets.site
        if not later or not _on_way(function, site, sets.site) or not _is_first(presence, site):
            continue
        for effect in model.effects_through(site, *_ACTS):
            if not (effect.secondary or effect.effect.word.telemetry or effect.repeat is Repeat.SAFE):
                return Mark(function, asks, sets, effect, sets.site.fact.order < site.fact.order)
    if (asks.file or _LOCK.search(asks.key)) and _is_given_back(function, sets) and _works_between(function, sets):
        return Mark(function, asks, sets, None, True)
    return None


def _on_way(function: Function, one: CallSite, other: CallSite) -> bool:
    first, second = sorted((one.fact, other.fact), key=lambda fact: fact.order)
    return flow.on_one_path(function.scope, first.region, second.region)


def _is_given_back(function: Function, sets: Keyed) -> bool:
    """The key or the file is deleted after the work."""
    if sets.file:
        later = (site for site in function.calls if site.fact.order > sets.site.fact.order)
        removed = (site.fact for site in later if flow.last_name(site.fact.func) in _REMOVES_FILE)
        paths = ((*fact.args[:1], fact.func.value if isinstance(fact.func, f.Attr) else None) for fact in removed)
        return any(flow.spelled(path, function.scope) == sets.key for pair in paths for path in pair)
    return any(
        flow.last_name(site.fact.func) in _GIVES_BACK
        and site.fact.order > sets.site.fact.order
        and any(flow.spelled(arg, function.scope) == sets.key for arg in site.fact.args[:1])
        for site in function.calls
    )


def _works_between(function: Function, sets: Keyed) -> bool:
    later = (site for site in function.calls if site.fact.order > sets.site.fact.order)
    return any(
        flow.last_name(site.fact.func) not in _GIVES_BACK
        and not is_log_owner(flow.text_of(site.fact.func, function.scope).rpartition(".")[0])
        for site in later
    )


def _is_mark(model: Model, use: Keyed) -> bool:
    """A flag or a moment without a condition: not what was fetched, and not `nx=True`."""
    fact, scope = use.inner.fact, use.inner.function.scope
    if any(keyword in {"nx", "xx", "**", "if_not_exists", "keepttl"} for keyword, _ in fact.kwargs):
        return False
    if model.guards.tells_first(use.inner):
        return False
    place = 2 if flow.last_name(fact.func) in _VALUE_LAST else 1
    value = fact.args[place] if len(fact.args) > place else next((v for k, v in fact.kwargs if k == "value"), None)
    if isinstance(value, f.Name):
        bound = use.inner.function.bindings.get(value.id, ())
        value = bound[0].value if len(bound) == 1 else None
    if isinstance(value, f.Const):
        return bool(value.value)
    if isinstance(value, f.Str):
        return bool(value.value)
    return isinstance(value, f.CallRef) and bool(_MOMENT.search(flow.deep_text(value, scope)))


def _use(model: Model, site: CallSite) -> Keyed | None:
    """What the call does with a key itself, or a helper that does nothing else with the cache."""
    if any(effect.effect in _CACHE for effect in model.effects_at(site)):
        key = (
            site.fact.args[0]
            if site.fact.args
            else next((v for k, v in site.fact.kwargs if k in {"key", "name"}), None)
        )
        return Keyed(site, site, flow.spelled(key, site.function.scope)) if key is not None else None
    for edge in model.edges_at(site):
        if not edge.runs_here or edge.kind == "callback" or not model.reach.has(edge.callee, _CACHE):
            continue
        inner = [s for s in edge.callee.calls if any(e.effect in _CACHE for e in model.effects_at(s))]
        if len(inner) == 1 and inner[0].fact.args and _hands_on(edge.callee, inner[0]):
            given = ", ".join(flow.spelled(arg, site.function.scope) for arg in site.fact.args[:1])
            return Keyed(site, inner[0], f"{flow.spelled(inner[0].fact.args[0], edge.callee.scope)} of {given}")
    return None


def _hands_on(helper: Function, inner: CallSite) -> bool:
    """Does the helper give back what it asked? One that sets has nothing to give back."""
    if flow.last_name(inner.fact.func) not in _ASKS:
        return True
    presence = Presence(helper, inner)
    return any(leave.kind == "return" and presence.depends(leave.value) for leave in helper.scope.leaves)
