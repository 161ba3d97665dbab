"""What becomes of a call that fails: who catches it, who tries again, which loops and which entry it ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, GuardKind
from roadworthy.project import flow
from roadworthy.project.calls import DETACHED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.calls import Edge
    from roadworthy.project.entry import Entry
    from roadworthy.project.exceptions import Handler
    from roadworthy.project.guard import Guard
    from roadworthy.project.loops import Loop
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

Kind = Literal["retried", "handled", "unclear", "fails"]
"""retried: something repeats the work. handled: a handler ends the failure. unclear: a handler ends some failures and lets others
pass. fails: it comes out of an entry, of a detached task, or of a function that nobody is known to call."""

_AGAIN = ("retry", "retries", "requeue", "re_queue", "reschedul", "backoff", "back_off", "nack", "resubmit", "redeliver", "try_again",
          "reenqueue", "defer_", "postpone")  # fmt: skip
_SENDS = frozenset({Effect.ENQUEUE, Effect.PUBLISH, Effect.START_DURABLE})
_ENDS = frozenset({"os._exit", "os.abort", "os.kill"})
_EXITS = frozenset({"sys.exit", "builtins.exit", "builtins.quit"})
_LIMIT = 800


@dataclass(frozen=True, slots=True)
class LoopAt:
    """A loop and where it stands."""

    function: Function
    loop: Loop


@dataclass(frozen=True, slots=True)
class Outcome:
    """One way that a failure can go."""

    kind: Kind
    path: tuple[Edge, ...] = ()  # callers it passes, from the top down
    left: tuple[LoopAt, ...] = ()  # loops that it ends on its way, innermost first
    handler: Handler | None = None
    guard: Guard | None = None  # retried: by which guard; None: by a handler or the framework
    entry: Entry | None = None  # fails: the entry that it ends
    detached: Edge | None = None  # fails: the task, thread or background work that it ends

    @property
    def top(self) -> Function | None:
        """The function out of which it comes; None when it never leaves its own."""
        return self.path[0].caller if self.path else None


@dataclass(frozen=True, slots=True)
class _Step:
    """A failure on its way: in a function, at a region, as these exceptions (none: not known)."""

    function: Function
    types: tuple[str, ...]
    path: tuple[Edge, ...] = ()
    left: tuple[LoopAt, ...] = ()


class Failures:
    """Follows failures outwards: through handlers, loops, decorators and callers."""

    def __init__(self, model: Model) -> None:
        """Everything is asked of the model."""
        self._model = model
        self._known: dict[tuple[CallSite, tuple[str, ...]], tuple[Outcome, ...]] = {}

    def of(self, site: CallSite, types: tuple[str, ...] = ()) -> tuple[Outcome, ...]:
        """Every way that a failure of this call can go, nearest first; `types`: the exceptions that it may be."""
        key = (site, types)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = tuple(self._follow(site, types))
        return known

    def _follow(self, site: CallSite, types: tuple[str, ...]) -> Iterator[Outcome]:
        queue: list[tuple[_Step, CallSite, Edge | None]] = [(_Step(site.function, types), site, None)]
        seen: set[tuple[Function, tuple[str, ...]]] = set()
        while queue and len(seen) < _LIMIT:
            step, here, edge = queue.pop(0)
            ended, step = self._inside(step, here, edge)
            if ended is not None:
                yield ended
                continue
            key = (step.function, step.types)
            if key in seen:
                continue
            seen.add(key)
            outward = list(self._outward(step, site))
            yield from (outcome for outcome, _ in outward if outcome is not None)
            queue.extend(item for _, item in outward if item is not None)

    # --- inside one function ------------------------------------------------------------------------------------------

    def _inside(self, step: _Step, site: CallSite, edge: Edge | None) -> tuple[Outcome | None, _Step]:
        """From a call outwards to the edge of its function."""
        if edge is not None and self._model.keeps_failures(edge):
            return Outcome("handled", step.path, step.left), step
        guards = self._model.guards
        wrappers = guards.on_edge(edge) if edge is not None else guards.on_site(site)
        for guard in wrappers:
            if guard.region is None and self._repeats(guard, step.types):
                return Outcome("retried", step.path, step.left, guard=guard), step
        scope = site.function.scope
        for index in flow.ancestors(scope, site.fact.region):
            kind = scope.regions[index].kind
            if kind == "try":
                ended, step = self._caught(step, index)
            elif kind in {"with", "for", "while"}:
                ended, step = self._enclosed(step, index)
            else:
                continue
            if ended is not None:
                return ended, step
        return self._decorated(step), step

    def _enclosed(self, step: _Step, index: int) -> tuple[Outcome | None, _Step]:
        """A `with` or a loop around: it may repeat or swallow; else a loop ends."""
        for guard in self._model.guards.of_region(step.function, index):
            if self._repeats(guard, step.types):
                return Outcome("retried", step.path, step.left, guard=guard), step
            if guard.kind is GuardKind.CATCH and self._may_catch(guard.on, step.types):
                handler = next((h for h in guard.handlers if self._may_catch(h.types, step.types)), None)
                if handler is None or not handler.raises:
                    return Outcome("handled", step.path, step.left, handler, guard), step
        handler = self._asked_again(step, index) if step.function.scope.regions[index].kind == "with" else None
        if handler is not None:
            return Outcome("retried", step.path, step.left, handler), step
        if step.function.scope.regions[index].kind in flow.LOOPS:
            loop = LoopAt(step.function, self._model.guards.loop(step.function, index))
            step = _Step(step.function, step.types, step.path, (*step.left, loop))
        return None, step

    def _asked_again(self, step: _Step, index: int) -> Handler | None:
        """A handler around the `yield` of a context manager of the project that asks for another attempt: `with retryable(self):`."""
        function = step.function
        for expr, _ in function.scope.regions[index].items:
            if not isinstance(expr, f.CallRef):
                continue
            for callee in self._model.graph.resolutions[function.calls[expr.index]].functions:
                for leave in (leave for leave in callee.scope.leaves if leave.kind == "yield"):
                    for _, regions in flow.try_regions(callee.scope, leave.region):
                        for handler in (self._model.exceptions.handler(callee, region) for region in regions):
                            if self._may_catch(handler.types, step.types) and self.tries_again(handler):
                                return handler
        return None

    def _caught(self, step: _Step, tried: int) -> tuple[Outcome | None, _Step]:
        function = step.function
        for region in flow.handlers_of(function.scope, tried):
            handler = self._model.exceptions.handler(function, region)
            if not self._may_catch(handler.types, step.types):
                continue
            if self.tries_again(handler) or self._loop_repeats(function, tried, handler):
                return Outcome("retried", step.path, step.left, handler), step
            if self._ends_process(handler):
                return Outcome("handled", step.path, step.left, handler), step
            if handler.raises:
                return None, replace(step, types=self._raised(handler) or step.types)
            kind: Kind = "unclear" if handler.may_raise else "handled"
            return Outcome(kind, step.path, step.left, handler), step
        return None, step

    def _loop_repeats(self, function: Function, tried: int, handler: Handler) -> bool:
        """Does the handler let a loop go round that repeats this very attempt?"""
        if handler.raises or handler.exits in {"return", "break"}:
            return False
        region = flow.loop_of(function.scope, tried)
        if region is None:
            return False
        loop = self._model.guards.loop(function, region)
        return loop.kind == "retry" and tried in loop.tries

    def _ends_process(self, handler: Handler) -> bool:
        """Does the handler end the whole process, so that its supervisor starts it again? In a thread `sys.exit()` ends only the thread."""
        function = handler.function
        names = {
            name
            for call in flow.calls_in(function.scope, handler.region)
            for name in self._model.library_names(function.site(call))
        }
        return bool(names & _ENDS) or (function.is_async and bool(names & _EXITS))

    def tries_again(self, handler: Handler) -> bool:
        """Does the handler itself see to another attempt: `self.retry()`, a message put back, a job sent again?"""
        function = handler.function
        for call in flow.calls_in(function.scope, handler.region):
            name = _last(call.func).lower()
            if any(word in name for word in _AGAIN):
                return True
            if any(effect.effect in _SENDS for effect in self._model.effects_through(function.site(call))):
                return True
        return any(
            leave.kind == "raise" and any(word in self._text(leave.value, function) for word in _AGAIN)
            for leave in flow.leaves_in(function.scope, handler.region)
        )

    def _text(self, expr: f.Expr | None, function: Function) -> str:
        return flow.text_of(expr, function.scope).lower()

    def _raised(self, handler: Handler) -> tuple[str, ...]:
        """What a handler raises in the place of what it caught; nothing for a bare `raise`."""
        function = handler.function
        found: list[str] = []
        for leave in flow.leaves_in(function.scope, handler.region):
            if leave.kind != "raise" or leave.value is None:
                continue
            expr = leave.value
            if isinstance(expr, f.CallRef):
                expr = function.scope.calls[expr.index].func
            if isinstance(expr, f.Name) and expr == function.scope.regions[handler.region].target:
                return ()
            found.extend(self._model.exceptions.types((expr,), function))
        return tuple(dict.fromkeys(found))

    def _repeats(self, guard: Guard, types: tuple[str, ...]) -> bool:
        """A retry that was told to make more than one attempt (`@task` and `@op` may be told to), and at these exceptions."""
        return guard.kind is GuardKind.RETRY and guard.attempts not in {0, 1} and self._may_catch(guard.on, types)

    def _may_catch(self, caught: tuple[str, ...], types: tuple[str, ...]) -> bool:
        """Does `except caught` hold any of these exceptions, or a kind of them? Unknown ones count as held by what is broad."""
        if not caught or any(name in {"Exception", "BaseException"} for name in caught):
            return True
        exceptions = self._model.exceptions
        for name in types:
            for base in caught:
                if exceptions.is_subclass(name, base) or (
                    exceptions.is_subclass(base, name) and exceptions.nature(base) != "permanent"
                ):
                    return True
        return not types

    # --- out of a function --------------------------------------------------------------------------------------------

    def _decorated(self, step: _Step) -> Outcome | None:
        for guard in self._model.guards.on_function(step.function):
            if self._repeats(guard, step.types):
                return Outcome("retried", step.path, step.left, guard=guard)
            if guard.kind is GuardKind.CATCH and self._may_catch(guard.on, step.types):
                handler = next((h for h in guard.handlers if self._may_catch(h.types, step.types)), None)
                if handler is None or not handler.raises:
                    return Outcome("handled", step.path, step.left, handler, guard)
        return None

    def _outward(
        self, step: _Step, origin: CallSite
    ) -> Iterator[tuple[Outcome | None, tuple[_Step, CallSite, Edge | None] | None]]:
        """The entries that fail, the tasks that end, and the callers to go on with."""
        model, alone = self._model, True
        for entry in model.entries.at(step.function):
            alone = False
            again = model.retries.entry_repeats(entry)
            yield Outcome("retried" if again else "fails", step.path, step.left, entry=entry), None
        for edge in model.edges_to(step.function):
            if not model.is_reviewed(edge.caller.path) or (edge.kind == "callback" and not alone):
                continue
            if not model.switches.lets((edge, *step.path), origin):
                alone = False
            elif edge.runs_here:
                alone = False
                site = edge.spawner or edge.site
                yield None, (_Step(site.function, step.types, (edge, *step.path), step.left), site, edge)
            elif edge.kind in DETACHED:
                alone = False
                yield Outcome("fails", step.path, step.left, detached=edge), None
        if alone:
            yield Outcome("fails", step.path, step.left), None


def _last(expr: f.Expr) -> str:
    if isinstance(expr, f.Name):
        return expr.id
    return expr.name if isinstance(expr, f.Attr) else ""
