"""Queues in memory that a serving path fills and something else drains later: what is in them is lost with the process."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, EntryKind
from roadworthy.project import flow
from roadworthy.project.acks import is_taken_for_good, lost_at
from roadworthy.project.calls import DETACHED
from roadworthy.project.carried import Carried
from roadworthy.project.cutoff import answered, is_bookkeeping, is_telemetry
from roadworthy.project.values import LibraryObject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_QUEUE = re.compile(
    r"(asyncio|queue|multiprocessing|janus|gevent|collections)\b.*\.(Simple|Lifo|Priority|Joinable)?(Queue|deque)$"
)
_PUTS = frozenset({"put", "put_nowait", "append", "appendleft", "extend", "send_nowait"})
_GETS = frozenset({"get", "get_nowait", "popleft", "pop"})
_ANSWER = re.compile(r"future|fut\b|promise|reply|response_queue|result_queue|done_event|callback", re.IGNORECASE)
_WATCHES = re.compile(
    r"log|audit|trace|span|metric|telemetr|analytic|stat|usage|event_stream|stream|listen|subscri|broadcast|websocket|sse|output|stdout|progress|progress",
    re.IGNORECASE,
)
_BEGINS = frozenset({EntryKind.STARTUP, EntryKind.IMPORT_TIME, EntryKind.COMMAND, EntryKind.WORKER_LOOP})


@dataclass(frozen=True, slots=True)
class Buffered:
    """Something is put into a queue of this process, and the entry goes on."""

    kind: Literal["told", "popped"]
    """told: the entry tells success meanwhile. popped: a durable store gave it up for this queue."""
    put: CallSite
    site: CallSite  # where to report: the call that puts it in, or the one that takes it out of the store
    name: str  # of the queue, as written
    made: CallSite
    drain: Function | None  # None: not found, or not one function
    lost: tuple[EffectAt, ...]
    entry: Entry | None


def buffered_work(model: Model) -> Iterator[Buffered]:
    """One value for each queue, by source order of the queues."""
    puts, gets = _uses(model)
    for made in sorted(puts, key=lambda site: (site.path, site.line)):
        if not model.is_reviewed(made.path) or _watches(made):
            continue
        drains = [(site.function, _lost_in(model, site)) for site in gets.get(made, ())]
        drained = next(((fn, lost) for fn, lost in drains if _is_apart(model, fn)), None)
        popped = _popped_into(model, made, puts[made], *(drained or (None, ())))
        if popped is not None:
            yield popped
        elif drained is not None and drained[1]:
            yield from _told(model, made, puts[made], *drained)


def _uses(model: Model) -> tuple[dict[CallSite, list[CallSite]], dict[CallSite, list[CallSite]]]:
    """The calls that fill and drain each queue, by the call that makes it."""
    puts: dict[CallSite, list[CallSite]] = defaultdict(list)
    gets: dict[CallSite, list[CallSite]] = defaultdict(list)
    for site in model.sites():
        func = site.fact.func
        if not isinstance(func, f.Attr) or func.name not in _PUTS | _GETS:
            continue
        for value in model.values(func.value, site.function, site.fact.order):
            if isinstance(value, LibraryObject) and value.site is not None and _QUEUE.search(value.type):
                (puts if func.name in _PUTS else gets)[value.site].append(site)
    return puts, gets


def _watches(made: CallSite) -> bool:
    """Telemetry, and streams to somebody who looks on."""
    function = made.function
    names = [
        flow.text_of(a.target, function.scope) for a in function.scope.assigns if a.line <= made.line <= a.end_line
    ]
    words = " ".join([*names, function.cls.name if function.cls is not None else "", made.path.rpartition("/")[2]])
    return bool(_WATCHES.search(words)) or is_telemetry(words) or is_bookkeeping(*names)


def _lost_in(model: Model, get: CallSite) -> tuple[EffectAt, ...]:
    """What the drain does with what it takes."""
    carried = Carried(get.function.scope, set(), {get.index})
    carried.spread()
    for site in get.function.calls:
        if carried.takes(site) and not is_telemetry(flow.last_name(site.fact.func)):
            lost = lost_at(model, site)
            if lost:
                return lost
    return ()


def _is_apart(model: Model, drain: Function) -> bool:
    """Does the drain run beside the requests: a task, thread or loop that the process starts, not the request itself?"""
    entries = model.exposure(drain).entries
    starts = [edge for edge in model.edges_to(drain) if edge.kind in DETACHED]
    if any(r.inline and r.entry.kind not in _BEGINS for r in entries):
        return False
    return bool(starts) or any(r.entry.kind is EntryKind.WORKER_LOOP for r in entries) or not entries


def _told(
    model: Model, made: CallSite, puts: list[CallSite], drain: Function, lost: tuple[EffectAt, ...]
) -> Iterator[Buffered]:
    for put in puts:
        function = put.function
        entries = answered(model, function)
        if not entries or function is drain or _waits_for_answer(model, put) or _is_stored_first(model, put):
            continue
        if made.function is function or _made_by_request(model, made):
            continue
        yield Buffered("told", put, put, _name(put), made, drain, lost, entries[0])
        return


def _made_by_request(model: Model, made: CallSite) -> bool:
    """A queue that each request makes for itself."""
    return any(r.inline and r.entry.serves_others for r in model.exposure(made.function).entries)


def _waits_for_answer(model: Model, put: CallSite) -> bool:
    """A future or event goes along, or the function waits until the queue is empty."""
    function = put.function
    text = " ".join(flow.every_text(arg, function.scope) for arg in put.fact.args)
    if _ANSWER.search(text):
        return True
    callees = [function, *(edge.caller for edge in model.edges_to(function))]
    return any(
        flow.last_name(site.fact.func) in {"join", "create_future", "Future", "Event", "wait", "result"}
        for one in callees[:8]
        for site in one.calls
    )


def _is_stored_first(model: Model, put: CallSite) -> bool:
    """Something is stored before: it can be found again after a restart."""
    here = any(site.fact.order < put.fact.order and lost_at(model, site) for site in put.function.calls)
    return here or any(
        site.fact.order < edge.site.fact.order and lost_at(model, site)
        for edge in model.edges_to(put.function)
        if edge.runs_here
        for site in edge.caller.calls
    )


def _name(put: CallSite) -> str:
    assert isinstance(put.fact.func, f.Attr)
    return flow.text_of(put.fact.func.value, put.function.scope)


# --- out of a store, into memory ----------------------------------------------------------------------------------------


def _popped_into(
    model: Model, made: CallSite, puts: list[CallSite], drain: Function | None, lost: tuple[EffectAt, ...]
) -> Buffered | None:
    """A message is popped from a durable store and put into this queue: the store has given it up."""
    fillers = {put.function: put for put in puts}
    for effect in model.effects_of(Effect.CONSUME):
        site = effect.site
        if not is_taken_for_good(model, site):
            continue
        carried = Carried(site.function.scope, set(), {site.index})
        carried.spread()
        for other in site.function.calls:
            if other.fact.order <= site.fact.order or not carried.takes(other):
                continue
            put = _comes_to(model, other, fillers)
            if put is not None:
                entry = model.exposure(site.function).worst
                return Buffered("popped", put, site, _name(put), made, drain, lost, entry)
    return None


def _comes_to(model: Model, site: CallSite, fillers: dict[Function, CallSite]) -> CallSite | None:
    if site in fillers.values():
        return site
    for edge in model.edges_at(site):
        if edge.runs_here:
            tree = model.reach.tree_from(edge.callee)
            for function, put in fillers.items():
                if function in tree or any(_calls_member(model, here, function) for here in tree):
                    return put
    return None


def _calls_member(model: Model, function: Function, method: Function) -> bool:
    """`self.workers[i].put(body)`: a call that could not be followed, of a method of this name, in the file of its class."""
    return method.cls is not None and any(
        isinstance(site.fact.func, f.Attr)
        and isinstance(site.fact.func.value, f.Sub)
        and site.fact.func.name == method.name
        and not model.targets(site)
        for site in (function.calls if function.module is method.module else ())
    )
