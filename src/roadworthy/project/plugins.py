"""Loops that hand the same thing to one implementation after the other, classes that are chosen at run time included."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, GuardKind
from roadworthy.project import flow
from roadworthy.project.batches import Fragile
from roadworthy.project.phrases import words_of
from roadworthy.project.purpose import acts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, ClassInfo, Function

_NOUNS = re.compile(
    r"plugin|backend|connector|listener|subscriber|receiver|integration|notifier|channel|exporter|extension|observer|sink|publisher|reporter"
    r"|destination|indexer|forwarder|target"
)
"""Implementations that stand beside each other. Handlers, processors and providers are often steps, or tried until one fits."""
_OF_ITS_OWN = frozenset(
    {Effect.HTTP_REQUEST, Effect.RPC, Effect.EMAIL, Effect.SMS, Effect.NOTIFY, Effect.PUBLISH, Effect.OUTSIDE}
)
"""What may fail in one implementation and work in the next. The database of the service fails in all alike."""
_FOREIGN = re.compile(r"(hook|callback|listener|subscriber|observer|plugin|extension|addon)s?")
"""What somebody else gives the program to run."""
_RUNS = re.compile(
    r"_?(on|handle|notify|process|run|execute|emit|call|fire|trigger|invoke|before|after|pre|post|receive|dispatch)(_|[A-Z]|$)"
)
"""Methods by which a plug-in is told of something; others only ask what it is."""
_HABIT = 2  # functions that catch what each of them raises: then it is a habit of the project
_MANY = 40  # classes with a method of this name: it says nothing
_ENDS = re.compile(r"close|stop|shutdown|disconnect|teardown|cleanup|flush|load|setup|init\w*|register|start|connect")
"""What happens once, when a process starts or stops."""


def plugin_loops(model: Model) -> Iterator[Fragile]:
    """Loops of reviewed code in which the failure of one implementation keeps the others from being called."""
    owners: dict[str, list[Function]] = defaultdict(list)
    for cls in model.symbols.classes:
        for name, method in cls.methods.items():
            owners[name].append(method)
    for function in model.functions:
        for index, region in enumerate(function.scope.regions):
            if region.kind == "for" and isinstance(region.target, f.Name | f.Seq):
                found = _of(model, function, index, owners)
                if found is not None:
                    yield found


def uneven_loops(model: Model) -> Iterator[Fragile]:
    """Loops that call one hook or plug-in after the other as they are, where the project's other such loops catch what each of them raises."""
    kept: dict[str, list[tuple[Function, int]]] = defaultdict(list)
    bare: list[tuple[str, Fragile]] = []
    for function in model.functions:
        for index, region in enumerate(function.scope.regions):
            run = _run_of_each(model, function, index) if region.kind == "for" else None
            if run is None:
                continue
            site, item, noun = run
            if _is_kept(model, site, index):
                kept[noun].append((function, index))
            elif not _ends_early(function, index):
                items = flow.text_of(region.test, function.scope)
                bare.append((noun, Fragile("items", function, index, item, items, (), plugins=True, run=site)))
    for noun, loop in bare:
        if len({function for function, _ in kept[noun]}) >= _HABIT:
            yield replace(loop, alike=tuple(kept[noun]))


def _run_of_each(model: Model, function: Function, index: int) -> tuple[CallSite, str, str] | None:
    """(the call, the loop variable, its noun) of `for hook in hooks: hook(x)` and `for plugin in plugins: plugin.on_start()`."""
    scope = function.scope
    for call in flow.calls_in(scope, index):
        called = call.func.value if isinstance(call.func, f.Attr) else call.func
        if not isinstance(called, f.Name) or called.id not in _names(scope.regions[index].target):
            continue
        words = words_of(called.id)
        if isinstance(call.func, f.Attr) and not _RUNS.match(call.func.name):
            continue
        if words and (found := _FOREIGN.fullmatch(words[-1])):
            return function.site(call), called.id, found.group(1)
    return None


def _is_kept(model: Model, site: CallSite, index: int) -> bool:
    around = (handler for handlers in model.handlers_around(site) for handler in handlers)
    return any(h.broad and h.stops and flow.within(site.function.scope, h.region, index) for h in around)


def _ends_early(function: Function, index: int) -> bool:
    """The first that answers ends it, or it hands out one after the other; or some handler inside knows its failures."""
    scope = function.scope
    if scope.regions[index].exits or any(
        r.kind == "try" and flow.within(scope, i, index) for i, r in enumerate(scope.regions)
    ):
        return True
    return any(leave.kind in {"return", "break", "yield"} for leave in flow.leaves_in(scope, index))


def _of(model: Model, function: Function, index: int, owners: dict[str, list[Function]]) -> Fragile | None:
    scope = function.scope
    region = scope.regions[index]
    nouns = {name: noun for name in _names(region.target) if (noun := _noun(name))}
    if (
        not nouns
        or region.exits
        or any(leave.kind in {"return", "break", "yield"} for leave in flow.leaves_in(scope, index))
    ):
        return None
    guards = (*model.guards.on_region(function, region.parent), *model.guards.on_function(function))
    if any(guard.kind is GuardKind.TRANSACTION for guard in guards):
        return None
    for call in flow.calls_in(scope, index):
        owner = call.func.value if isinstance(call.func, f.Attr) else None
        if not isinstance(owner, f.Name) or owner.id not in nouns or call.use != "discarded":
            continue
        site = function.site(call)
        effect = _fails(model, site, index, _implementations(model, site, nouns[owner.id], owners))
        if effect is not None:
            items = flow.text_of(region.test, scope)
            return Fragile("items", function, index, owner.id, items, ((site, effect),), plugins=True)
    return None


def _names(target: f.Expr | None) -> list[str]:
    parts = target.items if isinstance(target, f.Seq) else (target,)
    return [part.id for part in parts if isinstance(part, f.Name)]


def _noun(name: str) -> str:
    words = words_of(name)
    return words[-1] if words and _NOUNS.fullmatch(words[-1]) else ""


def _implementations(model: Model, site: CallSite, noun: str, owners: dict[str, list[Function]]) -> list[Function]:
    """The methods that the call may mean: those that are known, else those of that name in classes that call themselves such a thing."""
    name = flow.last_name(site.fact.func)
    if _ENDS.fullmatch(words_of(name)[0] if words_of(name) else ""):
        return []
    known = [edge.callee for edge in model.edges_at(site) if edge.runs_here]
    if known:
        return known
    named = owners.get(name, [])
    alike = [m for m in named if m.cls is not None and _calls_itself(m.cls, noun)]
    return alike if len(named) <= _MANY else []


def _calls_itself(cls: ClassInfo, noun: str) -> bool:
    """By its own name, that of a base, or the folder or file where it stands."""
    folders = cls.path.removesuffix(".py").split("/")[-2:]
    bases = [base if isinstance(base, str) else base.name for base in cls.bases]
    words = [word for name in (cls.name, *bases, *folders) for word in words_of(name)]
    return noun in words or f"{noun}s" in words


def _fails(model: Model, site: CallSite, index: int, methods: list[Function]) -> EffectAt | None:
    """What may fail in one of several implementations, and is caught neither there nor in the loop."""
    scope = site.function.scope
    classes = {method.cls for method in methods if method.cls is not None}
    if (
        len([cls for cls in classes if not classes.intersection(cls.descendants)]) < 2
    ):  # an interface and its only implementation
        return None
    inner = [
        g
        for g in model.guards.on_site(site)
        if g.region is None or (g.region != index and flow.within(scope, g.region, index))
    ]
    for method in methods:
        for effect in model.escapes.of(method):
            apart = effect.effect in _OF_ITS_OWN and (
                acts(effect) or effect.effect is Effect.NOTIFY or effect.effect is Effect.OUTSIDE
            )
            index_of_its_own = effect.row.secondary and effect.effect.word.persists
            if (apart or index_of_its_own) and not model.escapes.stopped(inner, effect):
                return effect
    return None
