"""Queues in memory that a daemon thread drains in a program that stops in an orderly way: nothing waits for what is still in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.acks import lost_at
from roadworthy.project.carried import Carried
from roadworthy.project.cutoff import is_bookkeeping, is_telemetry, must_complete
from roadworthy.project.values import LibraryObject

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.signals import Registration
    from roadworthy.project.symbols import CallSite, Function

_QUEUE = re.compile(r"^(queue|multiprocessing)\b.*\.(Simple|Lifo|Priority|Joinable)?Queue$")
_PUTS = frozenset({"put", "put_nowait"})
_GETS = frozenset({"get", "get_nowait"})
_ASKS = frozenset({"join", "empty", "qsize", "full"})
_SENTINEL = re.compile(r"sentinel|stop|done|poison|end\b|quit|exit|finish|shutdown|close", re.IGNORECASE)
_ASIDE = re.compile(r"log|audit|trace|span|metric|stat|usage|stream|listen|progress|cache|warm|notif", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CutDrain:
    """A thread that dies with the main thread, and the queue whose rest dies with it."""

    start: CallSite  # makes the thread
    drain: Function
    put: CallSite
    made: CallSite  # the queue
    name: str  # of the queue, as written
    lost: tuple[EffectAt, ...]
    stop: Registration  # what hears SIGTERM


def cut_drains(model: Model, registrations: Sequence[Registration]) -> Iterator[CutDrain]:
    """One value for each queue, by source order. Where nothing hears SIGTERM, worker-ignores-sigterm speaks of the whole process."""
    heard = [r for r in registrations if r.action == "handler" and r.names("TERM")]
    uses = _uses(model) if heard else {}
    for made, sites in sorted(uses.items(), key=lambda item: (item[0].path, item[0].line)):
        found = _of_queue(model, made, sites, heard) if model.is_reviewed(made.path) else None
        if found is not None:
            yield found


def _uses(model: Model) -> dict[CallSite, list[CallSite]]:
    """The calls of each queue's methods, by the call that makes it."""
    found: dict[CallSite, list[CallSite]] = {}
    for site in model.sites():
        func = site.fact.func
        if isinstance(func, f.Attr) and func.name in _PUTS | _GETS | _ASKS:
            for value in model.values(func.value, site.function, site.fact.order):
                if isinstance(value, LibraryObject) and value.site is not None and _QUEUE.search(value.type):
                    found.setdefault(value.site, []).append(site)
    return found


def _of_queue(model: Model, made: CallSite, sites: list[CallSite], heard: list[Registration]) -> CutDrain | None:
    puts = [site for site in sites if _method(site) in _PUTS]
    gets = [site for site in sites if _method(site) in _GETS]
    drains = {site.function for site in gets}
    if len(drains) != 1 or not puts or any(_is_sentinel(model, put) for put in puts):
        return None
    drain = drains.pop()
    start = _daemon(model, drain)
    filled = [put for put in puts if put.function is not drain]
    if start is None or not filled or flow.loop_of(drain.scope, gets[0].fact.region) is None:
        return None
    if any(_method(site) in _ASKS and site.function is not drain for site in sites) or _waits(model, start, made):
        return None
    name = flow.text_of(_receiver(filled[0]), filled[0].function.scope)
    words = (name, drain.name, drain.cls.name if drain.cls is not None else "")
    if is_telemetry(*words) or is_bookkeeping(*words) or any(_ASIDE.search(word) for word in words):
        return None
    stop = next((r for r in heard if _share_a_program(model, r.site.function, start.function)), None)
    lost = _lost(model, gets)
    return CutDrain(start, drain, filled[0], made, name, lost, stop) if stop is not None and lost else None


def _method(site: CallSite) -> str:
    return flow.last_name(site.fact.func)


def _receiver(site: CallSite) -> f.Expr:
    assert isinstance(site.fact.func, f.Attr)
    return site.fact.func.value


def _is_sentinel(model: Model, put: CallSite) -> bool:
    """`events.put(None)`, `events.put(STOP)`: the drain is told to come to its end."""
    return any(
        (isinstance(arg, f.Const) and arg.kind in {"none", "bool"})
        or bool(_SENTINEL.search(flow.every_text(arg, put.function.scope)))
        for arg in put.fact.args[:1]
    )


def _daemon(model: Model, drain: Function) -> CallSite | None:
    """The call that makes the daemon thread, if it is the only way in which the drain is run."""
    edges = [edge for edge in model.edges_to(drain) if edge.kind != "callback"]
    starts = [edge.site if edge.spawner is None else edge.spawner for edge in edges if edge.kind == "thread"]
    if len(starts) != len(edges) or len(starts) != 1:
        return None
    site = starts[0]
    daemon = next((value for key, value in site.fact.kwargs if key == "daemon"), None)
    if daemon is not None:
        return site if model.literal(daemon, site.function) is True else None
    return site if _is_set_daemon(site.function) else None


def _is_set_daemon(function: Function) -> bool:
    """`thread.daemon = True`, `thread.setDaemon(True)` beside the only thread that the function makes."""
    scope = function.scope
    said = any(
        isinstance(a.target, f.Attr)
        and a.target.name == "daemon"
        and isinstance(a.value, f.Const)
        and a.value.value is True
        for a in scope.assigns
    ) or any(flow.last_name(call.func) == "setDaemon" for call in scope.calls)
    return said and sum(flow.last_name(call.func) == "Thread" for call in scope.calls) == 1


def _waits(model: Model, start: CallSite, made: CallSite) -> bool:
    """Somebody near waits for a thread, or something runs at exit."""
    near = {start.function.module, made.function.module}
    return any(
        (_method(site) == "join" and isinstance(site.fact.func, f.Attr) and not site.fact.args)
        or any(edge.kind == "hook:atexit" for edge in model.edges_at(site))
        or flow.text_of(site.fact.func, site.function.scope) in {"atexit.register", "threading._register_atexit"}
        for module in near
        for function in module.functions
        for site in function.calls
    )


def _share_a_program(model: Model, one: Function, other: Function) -> bool:
    """Does one entry come to both in its own thread?"""
    if one is other:
        return True
    first, second = (
        {reached.entry.function for reached in model.exposure(function).entries if reached.inline}
        for function in (one, other)
    )
    return bool(first & second)


def _lost(model: Model, gets: list[CallSite]) -> tuple[EffectAt, ...]:
    """What is not stored or sent for what is still in the queue."""
    function = gets[0].function
    carried = Carried(function.scope, set(), {site.index for site in gets})
    carried.spread()
    for site in function.calls:
        if carried.takes(site):
            sent = (e for e in model.effects_through(site, Effect.HTTP_REQUEST, Effect.RPC) if must_complete(e))
            lost = lost_at(model, site) or tuple(sent)
            if lost:
                return lost
    return ()
