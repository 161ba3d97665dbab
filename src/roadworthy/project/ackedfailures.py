"""Messages that are confirmed although their work has failed: in a `finally`, or behind a handler that only logs the failure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, EntryKind
from roadworthy.project import flow
from roadworthy.project.acks import confirms, lost_at, message_of
from roadworthy.project.carried import Carried
from roadworthy.project.cutoff import is_bookkeeping, is_telemetry
from roadworthy.project.reach import unwind
from roadworthy.project.silence import catches
from roadworthy.project.symbols import bound_names
from roadworthy.project.unread import Untold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.exceptions import Handler
    from roadworthy.project.failures import Outcome
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_ACK_ONLY = frozenset({"xack", "basic_ack"})
"""Methods of an object of unknown type that mean nothing else."""
_CONSUMER = re.compile(r"(^|_|\.)consumer$", re.IGNORECASE)
_STRAIGHT = frozenset({"with", "try", "finally"})
_NEWS = frozenset({Effect.EMAIL, Effect.SMS, Effect.NOTIFY})
_ON_PURPOSE = re.compile(
    r"\b(anyway|always|regardless|even (if|when|on)|poison\w*|so that|to avoid|to prevent|otherwise|no matter|deliberate\w*|on purpose|intentional\w*|"
    r"best[- ]effort|drop\w*|discard\w*|lost|lose|redeliver\w*|re-?queue\w*|stuck|loop\w*|retr(y|ies|ied))\b",
    re.IGNORECASE,
)
_FILLS = frozenset({"append", "add", "extend", "update", "insert", "put"})
_WORD = re.compile(r"[A-Za-z_]\w*")
_EFFECTS = 40  # of one call that are followed
_NEAR = 3  # calls from the work to a handler further in


def acked_failures(model: Model) -> Iterator[Untold]:
    """Of reviewed code; the first of each function."""
    for function in model.functions:
        if function.kind != "function" or is_telemetry(function.name, function.cls.name if function.cls else ""):
            continue
        found = next((found for ack in function.calls for found in _behind(model, ack)), None)
        if found is not None:
            yield found


def _behind(model: Model, ack: CallSite) -> Iterator[Untold]:
    """What this confirmation confirms although it may have failed."""
    function = ack.function
    carried = _message(model, ack) if _is_ack(model, ack) and not _gives_up(ack) and not _is_meant(model, ack) else None
    if carried is None:
        return
    for work in function.calls:
        if work.fact.use == "context" or not _is_before(ack, work) or not carried.takes(work):
            continue
        for effect in _lost(model, work):
            for outcome in model.failures.of(effect.site, effect.row.raises):
                if _loses(model, ack, work, effect, outcome, carried):
                    yield Untold("acked", work, effect, ack, outcome.handler)


def _is_ack(model: Model, site: CallSite) -> bool:
    if confirms(model, site):
        return True
    func = site.fact.func
    if not isinstance(func, f.Attr) or model.effects_through(site):
        return False
    owner = flow.text_of(func.value, site.function.scope)
    return func.name in _ACK_ONLY or (func.name == "commit" and bool(_CONSUMER.search(owner)))


def _gives_up(ack: CallSite) -> bool:
    """In a handler: somebody has decided that this message is not to come again."""
    scope = ack.function.scope
    return any(scope.regions[r].kind == "except" for r in flow.ancestors(scope, ack.fact.region))


def _is_meant(model: Model, ack: CallSite) -> bool:
    return bool(_ON_PURPOSE.search(model.comments_near(ack.path, ack.line - 4, ack.fact.end_line)))


def _message(model: Model, ack: CallSite) -> Carried | None:
    """What the message is called: by what the confirmation names, else by what was fetched here."""
    found = message_of(ack.function, ack)
    if found is not None:
        return found
    fetched = {
        site.index for site in ack.function.calls if Effect.CONSUME in {e.effect for e in model.effects_at(site)}
    }
    if not fetched:
        return None
    carried = Carried(ack.function.scope, set(), fetched)
    carried.spread()
    return carried


def _is_before(ack: CallSite, work: CallSite) -> bool:
    """Before it in the text; or inside the block at whose end the message is confirmed."""
    if ack.fact.use == "context":
        return _block_of(ack, work) is not None
    return work.fact.order < ack.fact.order


def _block_of(ack: CallSite, work: CallSite) -> int | None:
    """The `with` of the confirmation, if the work stands in it."""
    scope = work.function.scope
    for region in flow.ancestors(scope, work.fact.region):
        if any(isinstance(item, f.CallRef) and item.index == ack.index for item, _ in scope.regions[region].items):
            return region
    return None


def _lost(model: Model, work: CallSite) -> list[EffectAt]:
    """News to people is not worth a second delivery to most; the rest of what must be done is."""
    name = flow.last_name(work.fact.func)
    if is_bookkeeping(name) or is_telemetry(name):
        return []
    return [effect for effect in lost_at(model, work)[:_EFFECTS] if effect.effect not in _NEWS]


def _loses(model: Model, ack: CallSite, work: CallSite, effect: EffectAt, outcome: Outcome, carried: Carried) -> bool:
    """Does this way of its failure end in the confirmation, with nothing kept of the message?"""
    handler, function = outcome.handler, ack.function
    passes = any((edge.spawner or edge.site) is work for edge in outcome.path)
    if handler is not None and handler.function is not function and not passes:
        return _loses_below(model, ack, work, effect, outcome, carried)
    if not passes and effect.site is not work:
        return False
    if handler is None or handler.function is not function:
        tried = _final_try(ack, work.fact.region)
        return tried is not None and _comes_out(outcome) and not _also(model, carried, function, tried, ack)
    return (
        outcome.kind == "handled"
        and _only_logs(model, handler, effect, carried)
        and _is_reached(ack, work, handler)
        and not _also(model, carried, function, _try_of(handler), ack)
    )


def _try_of(handler: Handler) -> int:
    return min(flow.siblings(handler.function.scope, handler.region))


def _comes_out(outcome: Outcome) -> bool:
    """The failure ends the consumer's run; nobody outside keeps the message. A framework that would deliver it again has had its confirmation."""
    fails = outcome.kind == "fails" and outcome.detached is None
    again = outcome.kind == "retried" and outcome.entry is not None and outcome.entry.kind is EntryKind.QUEUE_CONSUMER
    return fails or again


def _final_try(ack: CallSite, inside: int) -> int | None:
    """The `try` around this region in whose `finally` the confirmation stands, with no condition of its own."""
    scope = ack.function.scope
    for region in flow.ancestors(scope, ack.fact.region):
        if scope.regions[region].kind == "finally":
            group = flow.siblings(scope, region)
            around = any(flow.within(scope, inside, r) for r in group if r != region)
            return min(group) if around else None
        if scope.regions[region].kind not in _STRAIGHT:
            return None
    return None


def _is_reached(ack: CallSite, work: CallSite, handler: Handler) -> bool:
    """Does the way out of the handler come to the confirmation, whatever else?"""
    scope, region = ack.function.scope, handler.region
    if ack.fact.use == "context":
        block = _block_of(ack, work)
        return block is not None and flow.within(scope, region, block)
    if _final_try(ack, region) is not None:
        return True
    if handler.exits not in {"", "continue"} or not _is_straight_on(ack, region) or _names_successes(ack, region):
        return False
    loop = flow.loop_of(scope, region)
    return not handler.exits or (loop is not None and not flow.within(scope, ack.fact.region, loop))


def _names_successes(ack: CallSite, region: int) -> bool:
    """`done.append(message.ack_id)` in the `try`, and behind it `acknowledge(done)`: what failed is not in it. So it is where `continue` skips that line."""
    scope = ack.function.scope
    texts = " ".join(flow.every_text(arg, scope) for arg in (*ack.fact.args, *(v for _, v in ack.fact.kwargs)))
    named = set(_WORD.findall(texts))
    skipped = flow.loop_of(scope, region) if scope.regions[region].exits == "continue" else None
    for sibling in (*flow.siblings(scope, region), *(() if skipped is None else (skipped,))):
        if scope.regions[sibling].kind in {"try", "try_else", *flow.LOOPS}:
            bound = {n for assign in flow.assigns_in(scope, sibling) for n in bound_names(assign.target)}
            filled = {
                flow.text_of(call.func.value, scope)
                for call in flow.calls_in(scope, sibling)
                if isinstance(call.func, f.Attr) and call.func.name in _FILLS
            }
            if named & (bound | {path.rpartition(".")[2] for path in filled}):
                return True
    return False


def _is_straight_on(ack: CallSite, region: int) -> bool:
    """Behind the whole `try` statement of the handler, without a condition of its own."""
    scope = ack.function.scope
    if ack.fact.order < max(scope.regions[r].end for r in flow.siblings(scope, region)):
        return False
    outside = scope.regions[region].parent
    for around in flow.ancestors(scope, ack.fact.region):
        if flow.within(scope, outside, around):
            return True
        if scope.regions[around].kind not in _STRAIGHT:
            return False
    return False


def _only_logs(model: Model, handler: Handler, effect: EffectAt, carried: Carried) -> bool:
    """It says that something failed, and does nothing about it or with the message."""
    if not handler.stops or handler.silent or handler.records or handler.alternative:
        return False
    if handler.passes_on or handler.answers or not (handler.broad or catches(model, handler.types, effect)):
        return False
    function, scope = handler.function, handler.function.scope
    if model.explains(function.path, handler.line, handler.end_line) or _tells_kinds_apart(model, handler):
        return False
    return not any(
        carried.takes(function.site(call)) and not model.exceptions.looks_like_logging(call, function)
        for call in flow.calls_in(scope, handler.region)
        if not any(e.effect.word.telemetry for e in model.effects_at(function.site(call)))
    )


def _tells_kinds_apart(model: Model, handler: Handler) -> bool:
    """Another handler of the same `try` lets failures out or asks for another attempt: what passes is taken care of there."""
    function = handler.function
    others = [model.exceptions.handler(function, r) for r in flow.handlers_of(function.scope, _try_of(handler))]
    return any(
        not other.stops or model.failures.tries_again(other) for other in others if other.region != handler.region
    )


def _loses_below(
    model: Model, ack: CallSite, work: CallSite, effect: EffectAt, outcome: Outcome, carried: Carried
) -> bool:
    """A function that is called for the work logs the failure and comes back as if nothing had happened."""
    handler = outcome.handler
    assert handler is not None
    below = handler.function
    if outcome.kind != "handled" or work.fact.use != "discarded" or not _is_the_work(model, work, below, ack):
        return False
    given = _given(below)
    return (
        bool(given.names)
        and flow.loop_of(below.scope, handler.region) is None
        and _only_logs(model, handler, effect, given)
        and _goes_on(ack, work)
        and not _also(model, given, below, _try_of(handler), ack)
        and not _also(model, carried, ack.function, 0, ack, work)
    )


def _is_the_work(model: Model, work: CallSite, below: Function, ack: CallSite) -> bool:
    """Is the function that logs what the call is there for: the one that it calls, or all that this one does?"""
    edges = [edge for edge in model.edges_at(work) if edge.runs_here]
    way = unwind(model.reach.tree_from(edges[0].callee), below) if len(edges) == 1 else None
    if way is None or len(way) > _NEAR:
        return False
    return not any(_also(model, _given(edge.caller), edge.caller, 0, ack, edge.site) for edge in way)


def _given(function: Function) -> Carried:
    """What a function is called with, and what it makes of it."""
    carried = Carried(function.scope, set(function.parameters) - {"self", "cls"})
    carried.spread()
    return carried


def _goes_on(ack: CallSite, work: CallSite) -> bool:
    """The work comes back, and then the message is confirmed without a condition."""
    scope = ack.function.scope
    if ack.fact.use == "context":
        return _block_of(ack, work) is not None
    for around in flow.ancestors(scope, ack.fact.region):
        if flow.within(scope, work.fact.region, around) or scope.regions[around].kind == "finally":
            return True
        if scope.regions[around].kind not in {*_STRAIGHT, "try_else"}:
            return False
    return False


def _also(
    model: Model, carried: Carried, function: Function, tried: int, ack: CallSite, work: CallSite | None = None
) -> bool:
    """Something else is stored of the message outside the `try`: it is kept there, or what fails is by the way."""
    scope = function.scope
    return any(
        site is not ack
        and site is not work
        and (work is not None or not flow.within(scope, site.fact.region, tried))
        and carried.takes(site)
        and bool(lost_at(model, site))
        for site in function.calls
    )
