"""Retries inside retries: the layers that repeat one call on one path, and how many attempts they make together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import EntryKind
from roadworthy.project.boundaries import retries_over
from roadworthy.project.exceptions import BROAD
from roadworthy.project.once import once

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.boundaries import RetryOver
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.guard import Guard
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One of the retries: a policy or loop, the client, or the job queue."""

    attempts: int | None  # total; None: until a time limit of its own
    guard: Guard | None = None
    entry: Entry | None = None
    site: CallSite | None = None  # client: where it was configured
    default: bool = False  # client: nobody asked for it


@dataclass(frozen=True, slots=True, eq=False)
class Nested:
    """A call and the retries around it, innermost first."""

    effect: EffectAt
    layers: tuple[Layer, ...]
    also: tuple[CallSite, ...] = ()  # other calls that the same layers repeat

    @property
    def product(self) -> int:
        """The attempts that all layers make together; a layer without a number counts once."""
        number = 1
        for layer in self.layers:
            number *= layer.attempts or 1
        return number

    @property
    def key(self) -> tuple[object, ...]:
        """The same layers around another call are the same finding."""
        client = ".".join(self.effect.name.split(".")[:2])
        if self.layers[0].default and self.layers[-1].entry is not None:
            return (client,)  # one client in all the jobs of a queue
        return tuple(_key(layer, client) for layer in self.layers)


_ONE_MORE = 2


def _key(layer: Layer, client: str) -> object:
    if layer.guard is not None:
        return (layer.guard.path, layer.guard.line, layer.guard.name)
    return client if layer.entry is None else layer.entry.function.id


def nested_retries(model: Model) -> Iterator[Nested]:
    """External calls of reviewed code that two or more retries repeat, once for each set of layers."""
    found: dict[tuple[object, ...], list[Nested]] = {}
    for effect in model.effects_of():
        if not effect.effect.word.external or effect.effect.word.telemetry or effect.row.lazy:
            continue
        policies = _policies(model, effect)
        layers = [*_client(model, effect), *policies, *_job(model, effect, policies)]
        if len(layers) < 2:
            continue
        nested = Nested(effect, tuple(layers))
        found.setdefault(nested.key, []).append(nested)
    for same in found.values():
        first = max(same, key=lambda nested: nested.product)
        others = dict.fromkeys(n.effect.site for n in same if n.effect.site is not first.effect.site)
        yield Nested(first.effect, first.layers, tuple(others))


def _client(model: Model, effect: EffectAt) -> list[Layer]:
    verdict = model.client_retry(effect)
    if verdict.attempts == "forever":
        return [Layer(None, site=verdict.site, default=verdict.site is None)]
    least = _ONE_MORE if verdict.site is None else 1  # by default: a kept connection that was dropped is opened again
    if isinstance(verdict.attempts, int) and verdict.attempts > least:
        return [Layer(verdict.attempts, site=verdict.site, default=verdict.site is None)]
    return []


def _policies(model: Model, effect: EffectAt) -> list[Layer]:
    """The policies on the path on which they make most attempts, innermost first; only those with a known number."""
    jobs = _job_decorators(model)
    known = [
        over
        for over in retries_over(model, effect.site)
        if _counts(over.guard, effect, model) and not _calls_itself(over, effect)
    ]
    best: list[RetryOver] = []
    for outer in known:
        chain = [o for o in known if _is_on(o, outer) and (o is outer or (o.guard.path, o.guard.line) not in jobs)]
        if _product(chain) > _product(best):
            best = chain
    return [Layer(int(over.guard.attempts or 1), over.guard) for over in _that_meet(best, model)]


def _calls_itself(over: RetryOver, effect: EffectAt) -> bool:
    """A function that calls itself with half of the work: another call, and the retry in it is the same one once more."""
    return any(edge.caller is effect.function for edge in over.path)


@once
def _job_decorators(model: Model) -> set[tuple[str, int]]:
    """Where jobs are declared: the retry of such a decorator works only when the queue runs the job, not when it is called."""
    return {
        (entry.function.path, line)
        for entry in model.entries.all
        if entry.kind is EntryKind.JOB
        for line in entry.function.scope.decorator_lines
    }


def _counts(guard: Guard, effect: EffectAt, model: Model) -> bool:
    """Does it make a known number of attempts at failures of this call?"""
    if not isinstance(guard.attempts, int) or guard.attempts < 2 or not guard.on:
        return False
    if guard.form == "loop" and not _tells_of_failure(guard):
        return False
    raises = effect.row.raises
    if not raises and not _is_broad(guard):  # errors of the project's own, or about the data, are none of the client's
        return any(not model.exceptions.is_own(name) and not model.exceptions.is_expected(name) for name in guard.on)
    return (
        _is_broad(guard)
        or not raises
        or any(
            model.exceptions.is_subclass(name, caught) or model.exceptions.is_subclass(caught, name)
            for name in raises
            for caught in guard.on
        )
    )


def _tells_of_failure(guard: Guard) -> bool:
    """A loop that ends with a default hides its failure from the retries around it."""
    if guard.function is None or guard.home is None:
        return False
    scope, after = guard.function.scope, guard.function.scope.regions[guard.home].start
    return any(leave.kind == "raise" and leave.order >= after for leave in scope.leaves)


def _is_broad(guard: Guard) -> bool:
    return any(name in BROAD for name in guard.on)


def _is_on(inner: RetryOver, outer: RetryOver) -> bool:
    """Is the path of the inner one the lower end of the path of the outer one?"""
    return not inner.path or outer.path[-len(inner.path) :] == inner.path


def _product(chain: list[RetryOver]) -> int:
    number = 1
    for over in chain:
        number *= over.guard.attempts if isinstance(over.guard.attempts, int) else 1
    return number


def _that_meet(chain: list[RetryOver], model: Model) -> list[RetryOver]:
    """From the inside outwards, those that repeat what the one before lets out."""
    kept: list[RetryOver] = []
    for over in chain:
        if not kept or all(_overlap(over.guard, inner.guard, model) for inner in kept):
            kept.append(over)
    return kept


def _overlap(outer: Guard, inner: Guard, model: Model) -> bool:
    if _is_broad(outer):
        return True
    if _wraps_failure(inner):
        return False
    return _is_broad(inner) or any(
        model.exceptions.is_subclass(a, b) or model.exceptions.is_subclass(b, a) for a in outer.on for b in inner.on
    )


def _wraps_failure(guard: Guard) -> bool:
    """A policy that may raise an error of its own at the end, unless it is told to raise the last one."""
    if guard.row is None or "reraise" not in guard.row.note or guard.site is None:
        return False
    return not any(k == "reraise" and isinstance(v, f.Const) and v.value is True for k, v in guard.site.fact.kwargs)


def _job(model: Model, effect: EffectAt, policies: list[Layer]) -> list[Layer]:
    """The queue that runs the job again; one that a policy stands for already is not counted twice."""
    jobs = _job_decorators(model)
    if any(layer.guard is not None and (layer.guard.path, layer.guard.line) in jobs for layer in policies):
        return []
    for reached in model.exposure(effect.function).entries:
        entry = reached.entry
        if not reached.inline or entry.kind not in {EntryKind.JOB, EntryKind.DURABLE_ACTIVITY}:
            continue
        if _caught(model, effect) or _is_for_others(model, entry, effect):
            continue
        attempts = model.retries.entry_attempts(entry)
        if isinstance(attempts, int) and attempts > 1:
            return [Layer(attempts, entry=entry)]
    return []


def _is_for_others(model: Model, entry: Entry, effect: EffectAt) -> bool:
    """`autoretry_for=(NotReady,)`: the queue runs the job again, but not for failures of this call."""
    lines = entry.function.scope.decorator_lines
    declared = [
        over.guard
        for over in retries_over(model, effect.site)
        if over.guard.path == entry.function.path and over.guard.line in lines and over.guard.on
    ]
    return bool(declared) and not any(_counts(guard, effect, model) for guard in declared)


def _caught(model: Model, effect: EffectAt) -> bool:
    """A handler around the call keeps its failure from the queue."""
    return any(
        h.broad and not h.raises and not h.may_raise
        for handlers in model.handlers_around(effect.site)
        for h in handlers
    )
