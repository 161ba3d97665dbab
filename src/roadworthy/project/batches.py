"""Loops over independent items that the failure of one item ends."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, GuardKind
from roadworthy.project import flow
from roadworthy.project.fixedparts import is_path, is_table_of_parts
from roadworthy.project.handling import mentions
from roadworthy.project.leaks import leak_of
from roadworthy.project.messages import consumes
from roadworthy.project.missingrows import missing_row, refused
from roadworthy.project.peritem import NEAR, about_item, fails_alone
from roadworthy.project.phrases import words_of
from roadworthy.project.purpose import acts
from roadworthy.project.raised import Raises
from roadworthy.project.reports import REPORTS, reporting_handler
from roadworthy.project.strangers import sends
from roadworthy.project.symbols import bound_names
from roadworthy.project.watched import is_started_again

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.failures import Outcome
    from roadworthy.project.handler import Handler
    from roadworthy.project.leaks import Leak
    from roadworthy.project.missingrows import MissingRow
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

Kind = Literal["items", "worker"]
"""items: a `for` over a collection. worker: an endless loop that takes one item after the other from a queue."""

_TYPED = frozenset({"options", "args", "kwargs", "opts", "sys"})
_GROWS = frozenset({"append", "extend", "add", "update"})
_TAKES = frozenset({Effect.WAIT, Effect.CONSUME})
_PARTS = re.compile(
    r"(page|pages|count|counter|chunk|chunks|batch|batches|part|parts|piece|block|blocks|slice|step|steps|stage|attempt|attempts|try|offset|cursor|window"
    r"|shard|range|i|j|n|idx|index|_|line|lines|token|tokens|frame|frames|byte|bytes|column|columns|field|fields|param|params|header|arg|args"
    r"|key|keys|word|words|char|option|options|migration|statement|command|commands|retry|round|iteration|phase|layer|condition|section"
    r"|plugin|plugins|handler|handlers|hook|hooks|middleware|filter|filters|processor|rule|provider|backend|candidate|strategy)"
)

_KEY = re.compile(r"keys?|id|name|index|idx")
_ANY_VALUE = re.compile(r"v|val|values?|data|items?|x|y|row|result")
_APART = frozenset({"account", "accounts", "region", "regions", "tenant", "subscription"})
"""Each of them is another endpoint of a cloud, or has keys of its own."""


@dataclass(frozen=True, slots=True)
class Fragile:
    """One loop that one bad item ends."""

    kind: Kind
    function: Function
    region: int
    item: str  # the loop variable
    items: str  # what is looped over, or the call that takes the next item, as written
    failures: tuple[tuple[CallSite, EffectAt], ...]  # what may fail for one item and come out of the loop
    handler: Handler | None = None  # a handler in the loop that logs the item and raises all the same
    left: Leak | None = None  # a handler in the loop that goes on to the next item for some of the failures only
    consumes: bool = False  # the items are messages of a queue
    plugins: bool = False  # the items are implementations that are handed the same thing
    run: CallSite | None = None  # plugins: the call of one, where nothing is known of what it does
    row: MissingRow | None = None  # a row that is looked up for the item and may not be there
    alike: tuple[tuple[Function, int], ...] = ()  # loops over such things that keep the failure of one inside

    @property
    def sites(self) -> tuple[CallSite, ...]:
        """The calls whose failure ends the loop."""
        known = [site for site, _ in self.failures]
        return tuple(
            dict.fromkeys(
                known or [one for one in (self.run, self.left and self.left.site, self.row and self.row.site) if one]
            )
        )


def fragile_loops(model: Model) -> Iterator[Fragile]:
    """Every loop over items of reviewed code out of which the failure of one item comes."""
    raises = Raises(model)
    for function in model.functions:
        for index, region in enumerate(function.scope.regions):
            found = None
            if region.kind == "for" and region.target is not None:
                if model.guards.loop(function, index).kind == "items":
                    found = _of_items(model, function, index, raises)
            elif region.kind == "while" and model.guards.loop(function, index).kind == "worker":
                found = _of_worker(model, function, index)
            if found is not None:
                yield found


def outcomes(model: Model, loop: Fragile) -> list[Outcome]:
    """What becomes of the failures that end the loop; of what a handler in the loop leaves out, not of what it holds."""
    passing = loop.left.missing if loop.left is not None else ()
    passing = (loop.row.error,) if loop.row is not None else passing
    return [outcome for site in loop.sites for outcome in model.failures.of(site, passing)]


def is_heard_outside(model: Model, loop: Fragile) -> bool:
    """Does a handler outside the loop keep the failure, on every way?"""
    scope = loop.function.scope
    ends = outcomes(model, loop)
    return bool(ends) and all(
        outcome.kind == "handled"
        and not (
            outcome.handler is not None
            and outcome.handler.function is loop.function
            and flow.within(scope, outcome.handler.region, loop.region)
        )
        for outcome in ends
    )


def is_given_by_hand(model: Model, loop: Fragile) -> bool:
    """What a person has typed, or what stands in the code, and what is caught further out: who started the command sees what is missing."""
    region = loop.function.scope.regions[loop.region]
    root = next((part.id for part in flow.walk(region.test) if isinstance(part, f.Name)), "")
    typed = root in {*_TYPED, *loop.function.parameters}  # `self.names` as well
    return typed or isinstance(region.test, f.Seq) or not any(o.kind == "fails" for o in outcomes(model, loop))


def is_run_again(model: Model, loop: Fragile) -> bool:
    """The whole run is repeated by a retry, and may skip what is done."""
    ends = outcomes(model, loop)
    return bool(ends) and all(outcome.kind == "retried" for outcome in ends)


def leaves_nobody(model: Model, loop: Fragile) -> bool:
    """The worker is a task or thread of a process that lives on without it."""
    return any(outcome.detached is not None for outcome in _ends(model, loop))


def ended_by(model: Model, loop: Fragile) -> Entry | None:
    """The endless loop itself, when nothing further out catches the failure or starts it again."""
    ends = _ends(model, loop)
    entries = [outcome.entry for outcome in ends if outcome.entry is not None]
    return None if not entries or any(outcome.kind != "fails" for outcome in ends) else entries[0]


def _ends(model: Model, loop: Fragile) -> list[Outcome]:
    """What becomes of the first failure that ends an endless loop."""
    passing = (loop.row.error,) if loop.row is not None else ()
    return [outcome for site in loop.sites[:1] for outcome in model.failures.of(site, passing)]


# --- for item in items -----------------------------------------------------------------------------------------------


def _of_items(model: Model, function: Function, index: int, raises: Raises) -> Fragile | None:
    scope = function.scope
    region = scope.regions[index]
    target = _item(region, scope)
    names = [name for name in bound_names(target) if name != "_"] if target is not None else []
    if not names or any(_PARTS.fullmatch(word) for name in _told_apart(names) for word in words_of(name)):
        return None
    if _is_one_unit(model, function, index) or region.exits in {"return", "break"}:
        return None
    if is_table_of_parts(region.test, function) or is_path(region.test, function):
        return None
    derived = _derived(function, index, set(names))
    handler = _raises_again(model, function, index, derived)
    failures = tuple(_failures(model, function, index, derived))
    left = leak_of(model, function, index, derived, raises) if handler is None and not failures else None
    row = missing_row(model, function, index, derived) if not (handler or failures or left) else None
    if left is not None and left.effect is not None:
        failures = ((left.site, left.effect),)
    for_itself = any(
        site.fact.use == "discarded" and _is_told(effect) for site, effect in failures
    )  # not what is collected
    collects = not for_itself and _collects(function, index, derived)
    if handler is None and left is None and row is None and (not failures or collects):
        return None
    item = flow.text_of(target, scope).strip("()")
    items = flow.text_of(region.test, scope)
    taken = consumes(model, function, region.test)
    return Fragile("items", function, index, item, items, failures, handler, left, taken, row=row)


def _told_apart(names: list[str]) -> list[str]:
    """`for tenant_key, tenant in …`: what the key belongs to says what an item is; `for key, value in …` says nothing."""
    named = [name for name in names if not _KEY.fullmatch((words_of(name) or [""])[-1])] if len(names) > 1 else names
    return named if named and not all(_ANY_VALUE.fullmatch(name) for name in named) else names


def _item(region: f.Region, scope: f.Scope) -> f.Expr | None:
    """The loop variable; in `for i, user in enumerate(users)` the number is none."""
    target, test = region.target, region.test
    if isinstance(test, f.CallRef) and isinstance(target, f.Seq) and len(target.items) == 2:
        return target.items[1] if flow.last_name(scope.calls[test.index].func) == "enumerate" else target
    return target


def _is_one_unit(model: Model, function: Function, index: int) -> bool:
    """A transaction around the loop: all or nothing on purpose."""
    parent = function.scope.regions[index].parent
    guards = (*model.guards.on_region(function, parent), *model.guards.on_function(function))
    return any(guard.kind is GuardKind.TRANSACTION for guard in guards)


def _derived(function: Function, index: int, names: set[str]) -> set[str]:
    """The loop variable and what is computed from it in the loop."""
    found = set(names)
    for assign in flow.assigns_in(function.scope, index):
        if assign.value is not None and any(mentions(assign.value, name, function.scope) for name in found):
            found.update(bound_names(assign.target))
    return found


def raised_again(model: Model, site: CallSite) -> list[Handler]:
    """Broad handlers in the functions called here that log a failure and raise it all the same."""
    found = []
    for edge in model.edges_at(site):
        scope = edge.callee.scope
        for index, region in enumerate(scope.regions):
            if region.kind == "except" and edge.runs_here:
                handler = model.exceptions.handler(edge.callee, index)
                if handler.broad and handler.log_level and region.exits == "raise":
                    found.append(handler)
    return found


def _failures(model: Model, function: Function, index: int, names: set[str]) -> Iterator[tuple[CallSite, EffectAt]]:
    """Effects on one item that may fail for it alone, in a loop that changes something for each item."""
    if _is_kept_outside(model, function, index):
        return
    apart = any(word in _APART for name in names for word in words_of(name))
    found = [
        (site, effect)
        for site, effect in model.escapes.within(function, index)
        if fails_alone(model, effect, apart=apart)
        and not _tells_of_failure(function, site, index)
        and about_item(function, site.fact, names)
        and not (
            effect.effect in REPORTS and reporting_handler(model, site)
        )  # the item was kept in the loop, what tells of it was not
        and len(model.reach.path_down(function, effect)) <= NEAR  # far below, what fails is machinery that all share
    ]
    told = any(_is_told(effect) for _, effect in found)  # a reminder may be the whole job
    if told or (found and _changes_each(model, function, index, names)):
        yield from found


def _is_told(effect: EffectAt) -> bool:
    """Somebody hears of it, or something changes; also by a name like `send_message` in a library that nobody has described."""
    return acts(effect) or effect.effect is Effect.NOTIFY or (effect.effect is Effect.OUTSIDE and sends(effect.name))


def _tells_of_failure(function: Function, site: CallSite, index: int) -> bool:
    """A call in a handler inside the loop: what is sent there tells of an item that has failed already."""
    scope = function.scope
    around = (region for region in flow.ancestors(scope, site.fact.region) if flow.within(scope, region, index))
    return any(scope.regions[region].kind == "except" for region in around)


def _is_kept_outside(model: Model, function: Function, index: int) -> bool:
    """The loop works through parts of one item of a loop further out, which catches what comes out of this one and goes on."""
    scope = function.scope
    parent = scope.regions[index].parent
    outer = flow.loop_of(scope, parent)
    if outer is None:
        return False
    around = (h for handlers in model.exceptions.handlers_around(function, parent) for h in handlers)
    return any(h.broad and h.stops and flow.within(scope, h.region, outer) for h in around)


def _changes_each(model: Model, function: Function, index: int, names: set[str]) -> bool:
    """Is something stored or sent for each item in the loop?"""
    for call in flow.calls_in(function.scope, index):
        site = function.site(call)
        if about_item(function, call, names) and any(acts(effect) for effect in model.effects_through(site)):
            return True
    return False


def _collects(function: Function, index: int, names: set[str]) -> bool:
    """The results of all items make one result: `found.append(fetch(item))`, and `found` is read after the loop."""
    scope = function.scope
    end = scope.regions[index].end
    targets: list[f.Expr] = []
    for call in flow.calls_in(scope, index):
        func = call.func
        if isinstance(func, f.Attr) and func.name in _GROWS and about_item(function, call, names):
            targets.append(func.value)
    targets.extend(
        assign.target.value
        for assign in flow.assigns_in(scope, index)
        if isinstance(assign.target, f.Sub) and any(mentions(assign.value, name, scope) for name in names)
    )
    if any(scope.last_read.get(name, -1) >= end for name in _best_of(function, index)):
        return True
    return any(isinstance(t, f.Name) and t.id not in names and scope.last_read.get(t.id, -1) >= end for t in targets)


def _best_of(function: Function, index: int) -> Iterator[str]:
    """`if distance < nearest: nearest, found = distance, item`: what is compared and kept."""
    scope = function.scope
    for inner, region in enumerate(scope.regions):
        if region.kind != "if" or not flow.within(scope, inner, index) or not isinstance(region.test, f.Compare):
            continue
        kept = [assign.target for assign in flow.assigns_in(scope, inner) if assign.op == "="]
        names = {name for target in kept for name in bound_names(target)}
        if any("<" in op or ">" in op for op in region.test.ops) and any(
            mentions(region.test, n, scope) for n in names
        ):
            yield from names


def _raises_again(model: Model, function: Function, index: int, names: set[str]) -> Handler | None:
    """A handler in the loop that names the item in the log and then raises the same error: it ends the loop for all others."""
    scope = function.scope
    for region, here in enumerate(scope.regions):
        if here.kind != "except" or flow.loop_of(scope, here.parent) != index:
            continue
        handler = model.exceptions.handler(function, region)
        if not (
            handler.broad and handler.log_level in {"error", "exception", "warning", "warn"} and here.exits == "raise"
        ):
            continue
        raised = [leave for leave in flow.leaves_in(scope, region) if leave.kind == "raise"]
        same = all(leave.value is None or leave.value == here.target for leave in raised)
        tried = flow.sibling_of_kind(scope, region, "try")
        named = any(about_item(function, call, names) for call in flow.calls_in(scope, region))
        if same and named and tried is not None and _waits(model, function, tried):
            return handler
    return None


def _waits(model: Model, function: Function, region: int) -> bool:
    """Does the block call the outside, or wait for something that does?"""
    for call in flow.calls_in(function.scope, region):
        for effect in model.effects_through(function.site(call)):
            if effect.effect.word.external or effect.effect is Effect.WAIT:
                return True
    return False


# --- while True: item = queue.get() -----------------------------------------------------------------------------------


def _of_worker(model: Model, function: Function, index: int) -> Fragile | None:
    """An endless loop that takes an item and works on it: what comes out of the loop ends the worker."""
    taken = _taken(model, function, index)
    if taken is None:
        return None
    taking, names = taken
    derived = _derived(function, index, names)
    failures = tuple(
        (site, effect)
        for site, effect in model.escapes.within(function, index)
        if (effect.effect.word.external or effect.effect is Effect.OUTSIDE)
        and not effect.effect.word.telemetry
        and effect.effect not in {Effect.CONSUME, Effect.ACK, Effect.CLOSE, Effect.CONNECT}
        and site.fact.order > taking.fact.order
        and about_item(function, site.fact, derived)
    )
    row = refused(model, function, index, derived) if not failures else None
    if not (failures or row) or is_started_again(model, function):
        return None
    source = f"{flow.text_of(taking.fact.func, function.scope)}()"
    return Fragile("worker", function, index, min(names), source, failures, row=row)


def _taken(model: Model, function: Function, index: int) -> tuple[CallSite, set[str]] | None:
    """(the call that takes the next item, the names that it binds)."""
    for assign in flow.assigns_in(function.scope, index):
        value = assign.value.value if isinstance(assign.value, f.Await) else assign.value
        if not isinstance(value, f.CallRef):
            continue
        site = function.calls[value.index]
        names = set(bound_names(assign.target))
        if names and any(effect.effect in _TAKES for effect in model.effects_at(site)):
            return site, names
    return None
