"""Messages that count as handled before their work is done: confirmed, popped or committed first, and lost when the process stops in between."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Delivery, Effect, EntryKind
from roadworthy.project import flow
from roadworthy.project.carried import Carried
from roadworthy.project.cutoff import is_bookkeeping, is_telemetry, must_complete
from roadworthy.project.taking import takes
from roadworthy.project.uses import tells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, ClassInfo, Function

Kind = Literal["ack", "pop", "auto", "commit"]
"""ack: a call confirms. pop: taking it removes it. auto: the broker takes it as handled on delivery. commit: the client commits by a timer."""

_GIVES_BACK = re.compile(
    r"nack|(^|_)nak(_|$)|reject|abandon|dead_?letter|term\b|progress|visibility|deadline|renew|defer|update|requeue|close|stop|error",
    re.IGNORECASE,
)
_ACKS = frozenset({"ack", "acknowledge", "basic_ack", "ack_message", "delete_message", "complete_message"})
_MESSAGE = re.compile(
    r"(^|_|\.)(msg|message|delivery|envelope|event|record|job|task|item|sqs|queue|channel|ch|consumer|receiver|broker)s?(_|\b|$)"
)
_HANDLES = re.compile(r"_*(run|process|handle|execute|dispatch|perform)(_|$)")
_WRITES = re.compile(r"(create|save|store|insert|update|submit|start|set)_[a-z]\w+|(save|store|insert|submit)$")
_SMALL = re.compile(
    r"token|code|nonce|otp|session|lock|rate|limit|score|rank|random|sample|pool|history|cache|metric|stat(s|$)",
    re.IGNORECASE,
)
_SHELF = frozenset({Effect.PUBLISH, Effect.ENQUEUE, Effect.CACHE_WRITE})
_SETS_COMMITS = re.compile(r"commit|offset\.store|offset_store", re.IGNORECASE)
_AT_RANDOM = 120  # effects of one call that are looked at


@dataclass(frozen=True, slots=True)
class EarlyAck:
    """One place at which a message counts as handled although its work is still to be done."""

    kind: Kind
    site: CallSite  # the call that confirms, takes, or registers the consumer
    function: Function  # where the work is done
    work: CallSite | None  # the call that does the work
    lost: tuple[EffectAt, ...]  # gravest first; empty: the work is known by its name only
    entry: Entry | None = None


def early_acks(model: Model) -> Iterator[EarlyAck]:
    """All of reviewed code, by source order."""
    for function in model.functions:
        if function.kind == "function":
            yield from _confirmed_first(model, function)
            yield from _popped(model, function)
    yield from _by_the_broker(model)


# --- a call confirms ---------------------------------------------------------------------------------------------------


def _confirmed_first(model: Model, function: Function) -> Iterator[EarlyAck]:
    for site in function.calls:
        if not confirms(model, site) or _is_aside(function, site):
            continue
        carried = message_of(function, site)
        if carried is None or _done_before(model, site):
            continue
        work = _work_after(model, site, carried)
        if work is not None:
            yield EarlyAck("ack", site, function, work, lost_at(model, work))
            return


def confirms(model: Model, site: CallSite) -> bool:
    """A call that tells the broker that the message is handled, and does nothing else."""
    name = flow.last_name(site.fact.func)
    if not isinstance(site.fact.func, f.Attr) or _GIVES_BACK.search(name):
        return False
    own = {effect.effect for effect in model.effects_at(site)}
    if own:
        return Effect.ACK in own and not own & {Effect.CONSUME, Effect.CLOSE, Effect.ENQUEUE}
    through = model.effects_through(site)
    if through:
        acks = [e for e in through if e.effect is Effect.ACK]
        return (
            bool(acks)
            and all(_is_positive(e) for e in acks)
            and len(acks) == len([e for e in through if not e.effect.word.telemetry])
        )
    owner = flow.text_of(site.fact.func.value, site.function.scope)
    return name in _ACKS and bool(_MESSAGE.search(owner.lower()))


def _is_positive(effect: EffectAt) -> bool:
    return not _GIVES_BACK.search(flow.last_name(effect.site.fact.func))


def _is_aside(function: Function, site: CallSite) -> bool:
    """In a handler, a `finally`, or on a branch that is left at once: the message is given up, not taken."""
    scope = function.scope
    return any(scope.regions[r].kind in {"except", "finally"} for r in flow.ancestors(scope, site.fact.region))


def message_of(function: Function, site: CallSite) -> Carried | None:
    """What the message and everything made of it is called: from the confirming call back to where the message came from."""
    scope = function.scope
    roots = {
        name
        for e in (site.fact.func, *site.fact.args, *(v for _, v in site.fact.kwargs))
        for name in _names(e, function)
    }
    params = {p.name for p in scope.params} - {"self", "cls"}
    loops = {name for r in flow.loops_of(scope, site.fact.region) for name in _names(scope.regions[r].target, function)}
    found = (roots | loops) - {"self", "cls"}
    if roots & params or not found:
        found |= params
    carried = Carried(scope, found)
    carried.trace_back()
    return carried if carried.names else None


def _names(expr: f.Expr | None, function: Function) -> Iterator[str]:
    for part in flow.walk(expr):
        if isinstance(part, f.Name):
            yield part.id
        elif isinstance(part, f.CallRef):
            root = flow.root_name(part, function.scope)
            if root is not None:
                yield root


def _done_before(model: Model, site: CallSite) -> bool:
    """Something is stored before the confirmation: the message is safe by then."""
    scope = site.function.scope
    return any(
        flow.may_precede(scope, other.fact, site.fact) and (lost_at(model, other) or _stores(model, other))
        for other in site.function.calls
        if not _is_aside(site.function, other)
    )


def _stores(model: Model, site: CallSite) -> bool:
    return model.reach.site_reaches(site, (Effect.CACHE_WRITE, Effect.COMMIT))


def _work_after(model: Model, site: CallSite, carried: Carried) -> CallSite | None:
    """The first call after it, on the same way through the function, that does the message's work."""
    function = site.function
    later = sorted(
        (s for s in function.calls if flow.may_precede(function.scope, site.fact, s.fact)), key=lambda s: s.fact.order
    )
    for other in later:
        if _is_aside(function, other) or not _comes_to(function.scope, site.fact, other.fact):
            continue
        if model.reach.site_reaches(other, (Effect.CONSUME,)):
            return None  # the next message: what was confirmed is the one before
        if _is_work(model, other, carried):
            return other
    return None


def _comes_to(scope: f.Scope, first: f.Call, second: f.Call) -> bool:
    """Is the block of the first call not left before the second?"""
    for region in flow.ancestors(scope, first.region):
        if flow.within(scope, second.region, region):
            return True
        if scope.regions[region].exits:
            return False
    return True


def _is_work(model: Model, site: CallSite, carried: Carried) -> bool:
    name = flow.last_name(site.fact.func)
    if is_bookkeeping(name) or is_telemetry(name) or tells(model, site) or not carried.takes(site):
        return False
    if lost_at(model, site):
        return True
    if _WRITES.match(name) and site.fact.use != "raised" and _is_unknown(model, site):
        return True
    return bool(_HANDLES.match(name)) and _calls_what_it_is_given(model, site)


def _is_unknown(model: Model, site: CallSite) -> bool:
    """`client.api.set_run_status(**message)`: nothing but its name says what it does."""
    resolution = model.graph.resolutions.get(site)
    named = resolution is not None and (resolution.functions or resolution.classes)
    return (
        isinstance(site.fact.func, f.Attr)
        and not named
        and not any(model.knowledge.knows(n) for n in model.library_names(site))
    )


def _calls_what_it_is_given(model: Model, site: CallSite) -> bool:
    """The callee calls one of its parameters: a task or handler that only the message or a registry knows."""
    return any(
        isinstance(inner.fact.func, f.Name)
        and inner.fact.func.id in edge.callee.parameters
        and not model.graph.resolutions[inner].functions
        for edge in model.edges_at(site)
        if edge.runs_here
        for inner in edge.callee.calls
    )


# --- taking it removes it ----------------------------------------------------------------------------------------------


def _popped(model: Model, function: Function) -> Iterator[EarlyAck]:
    for site in function.calls:
        if not is_taken_for_good(model, site) or _is_small(site) or _is_aside(function, site):
            continue
        carried = Carried(function.scope, set(), {site.index})
        carried.spread()
        if _keeps_elsewhere(model, site, carried):
            continue
        work = next((s for s in function.calls if s.fact.order > site.fact.order and _is_loss(model, s, carried)), None)
        if work is not None:
            yield EarlyAck("pop", site, function, work, lost_at(model, work))
            return


def is_taken_for_good(model: Model, site: CallSite) -> bool:
    """Does the call take a message in such a way that nobody else holds it any more? Also through a function that only returns it."""
    if takes(model, site):
        return True
    for edge in model.edges_at(site):
        callee = edge.callee
        taking = [inner for inner in callee.calls if takes(model, inner)] if len(callee.calls) < 12 else []
        if taking and edge.runs_here and not any(lost_at(model, s) for s in callee.calls):
            for inner in taking:
                carried = Carried(callee.scope, set(), {inner.index})
                carried.spread()
                if any(leave.kind == "return" and carried.holds(leave.value) for leave in callee.scope.leaves):
                    return True
    return False


def _is_small(site: CallSite) -> bool:
    """Keys of things that are meant to be used up: tokens, locks, quotas."""
    text = " ".join(flow.every_text(arg, site.function.scope) for arg in site.fact.args)
    return bool(_SMALL.search(text) or _SMALL.search(site.function.name))


def _keeps_elsewhere(model: Model, site: CallSite, carried: Carried) -> bool:
    """It is noted in a second place first, or put back when the work fails."""
    for other in site.function.calls:
        if other.index == site.index or not carried.takes(other):
            continue
        words = {e.effect for e in model.effects_through(other, *_SHELF)}
        if words and _is_aside(site.function, other):
            return True
        if Effect.CACHE_WRITE in {e.effect for e in model.effects_at(other)}:
            return True
    return False


def _is_loss(model: Model, site: CallSite, carried: Carried) -> bool:
    return carried.takes(site) and not _is_aside(site.function, site) and bool(lost_at(model, site))


# --- the broker takes it as handled ------------------------------------------------------------------------------------


def _by_the_broker(model: Model) -> Iterator[EarlyAck]:
    for entry in model.entries.all:
        row, site = entry.row, entry.site
        if row is None or site is None or entry.kind is not EntryKind.QUEUE_CONSUMER or row.form != "registers":
            continue
        if not model.is_reviewed(site.path) or is_telemetry(entry.function.name):
            continue
        if row.callable is not None:
            asked = entry.delivery is Delivery.AT_MOST_ONCE and row.delivery != Delivery.AT_MOST_ONCE.value
            if asked and any(
                model.literal(v, site.function) is True for k, v in site.fact.kwargs if k in row.delivery_if
            ):
                yield from _unsafe(model, "auto", entry)
        elif row.acks == "before" and _commits_by_timer(site) and not _commits_itself(model, entry):
            yield from _unsafe(model, "commit", entry)


def _unsafe(model: Model, kind: Kind, entry: Entry) -> Iterator[EarlyAck]:
    assert entry.site is not None
    for work in entry.function.calls:
        lost = () if tells(model, work) or is_bookkeeping(flow.last_name(work.fact.func)) else lost_at(model, work)
        if lost:
            yield EarlyAck(kind, entry.site, entry.function, work, lost, entry)
            return


def _commits_by_timer(site: CallSite) -> bool:
    """A consumer of a group whose settings are all written here, and none of which speaks of commits."""
    pairs: list[tuple[str, f.Expr]] = list(site.fact.kwargs)
    for arg in site.fact.args:
        for part in (arg, *_bound_dicts(arg, site)):
            if isinstance(part, f.Dict):
                pairs.extend((key.value if isinstance(key, f.Str) else "**", value) for key, value in part.items)
    keys = [key for key, _ in pairs]
    on_purpose = {
        key for key, value in pairs if _SETS_COMMITS.search(key) and "interval" not in key and not _is_true(value)
    }
    return (
        "**" not in keys
        and any("group" in key and not key.startswith("group_instance") for key in keys)
        and not on_purpose
    )


def _is_true(expr: f.Expr) -> bool:
    return (isinstance(expr, f.Const) and expr.value is True) or (
        isinstance(expr, f.Str) and expr.value.lower() == "true"
    )


def _bound_dicts(arg: f.Expr, site: CallSite) -> list[f.Expr]:
    if not isinstance(arg, f.Name):
        return []
    function = site.function
    found = flow.reaching(function.scope, function.bindings.get(arg.id, []), site.fact.order)[0]
    return [a.value for a in found if a.value is not None]


def _commits_itself(model: Model, entry: Entry) -> bool:
    """Somebody commits by hand next to it: the timer is not what they rely on."""
    return any(
        e.effect is Effect.ACK and Effect.CLOSE.value not in e.row.effects
        for function in entry.function.module.functions
        for site in function.calls
        for e in model.effects_at(site)
    )


# --- jobs --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EarlyJobs:
    """A base class of jobs that are run again after an exception, yet acknowledged before they run."""

    cls: ClassInfo
    option: str  # the class attribute that asks for retries
    late: str  # the option that would acknowledge after the work


def early_jobs(model: Model) -> Iterator[EarlyJobs]:
    """Base classes that ask for retries and leave the early acknowledgement of the framework as it is."""
    for cls in model.symbols.classes:
        if not model.is_reviewed(cls.path):
            continue
        rows = [row for base in cls.library_bases for row in model.knowledge.entries(base) if row.form == "base-class"]
        for row in rows:
            own = set(cls.attribute_assigns) | {name for c in cls.mro for name in c.body.bindings}
            asked = next((name for name in row.retry_arguments if name in cls.body.bindings), None)
            settings = [name for name in row.acks_after_if if name.lower() != "acks_late"]
            if row.acks != "before" or asked is None or own & set(row.acks_after_if) or model.settings.get(*settings):
                continue
            yield EarlyJobs(cls, asked, row.acks_after_if[0])
            break


# --- what is lost ------------------------------------------------------------------------------------------------------


def lost_at(model: Model, site: CallSite) -> tuple[EffectAt, ...]:
    """What nobody does when this call never comes to its end: rows, messages, objects, money, mail; the gravest first."""
    found = [
        effect
        for effect in model.effects_through(site)[:_AT_RANDOM]
        if must_complete(effect) and effect.effect.word.persists and effect.effect not in _TOO_LITTLE
        if not is_bookkeeping(effect.function.name) and not is_telemetry(effect.function.name)
    ]
    found.sort(key=lambda e: (_ORDER.get(e.effect, 5), e.site.function is not site.function, e.site.path, e.site.line))
    return tuple(found)


_TOO_LITTLE = frozenset(
    {Effect.FILE_WRITE, Effect.FILE_REPLACE, Effect.OBJECT_DELETE, Effect.NOTIFY, Effect.COMMIT, Effect.SQL_DELETE}
)
_ORDER = {
    Effect.CHARGE: 0, Effect.SQL_INSERT: 1, Effect.SQL_INCREMENT: 1, Effect.SQL_UPSERT: 1, Effect.SQL_UPDATE: 2, Effect.EMAIL: 2,
    Effect.PUBLISH: 3,
}  # fmt: skip
