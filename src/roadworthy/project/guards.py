"""Which protections cover a call: with-blocks, try blocks, loops, wrappers, decorators; the library's and the project's own."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, GuardKind
from roadworthy.project import flow, values
from roadworthy.project.arguments import arguments
from roadworthy.project.chosen import chosen_errors
from roadworthy.project.decorators import handed_on, made_to_order, maker_of, wrapped_calls
from roadworthy.project.guard import Guard, moved
from roadworthy.project.guardrows import GuardReader, works_bare
from roadworthy.project.loops import Loop, gives_up, loop_at, raises_by_count
from roadworthy.project.pauses import Pauses, grows, waits_for_stop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.knowledge.index import Knowledge
    from roadworthy.knowledge.schema import GuardRow
    from roadworthy.project.calls import CallGraph, Edge
    from roadworthy.project.effects import Effects
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.exceptions import Exceptions
    from roadworthy.project.settings import ProjectSettings
    from roadworthy.project.symbols import CallSite, Function
_PAUSES = re.compile(
    r"sleep|backoff|back_off|pause|throttle|cool_?down|(^|_)(delay|idle)$|wait_(for_)?(retry|before|next|and)",
    re.IGNORECASE,
)

_BEFORE_LONG = 3600.0  # seconds after which a hanging job has done its harm


class Guards:
    """Finds guards, lexically and along edges."""

    def __init__(
        self,
        graph: CallGraph,
        knowledge: Knowledge,
        evaluator: Evaluator,
        effects: Effects,
        exceptions: Exceptions,
        settings: ProjectSettings,
    ) -> None:
        """All answers are computed on demand and kept."""
        self._settings = settings
        self._graph = graph
        self._knowledge = knowledge
        self._evaluator = evaluator
        self._effects = effects
        self._exceptions = exceptions
        self._reader = GuardReader(graph, knowledge, evaluator, exceptions)
        self._pauses = Pauses(graph)
        self._lexical: dict[CallSite, tuple[Guard, ...]] = {}
        self._regions: dict[tuple[Function, int], tuple[Guard, ...]] = {}
        self._decorators: dict[Function, tuple[Guard, ...]] = {}
        self._loops: dict[tuple[Function, int], Loop] = {}
        self._edges: dict[int, tuple[Guard, ...]] = {}
        self._busy: set[Function] = set()

    def on_site(self, site: CallSite) -> tuple[Guard, ...]:
        """Guards inside the function of the call, innermost first: wrappers around it, then blocks around those."""
        known = self._lexical.get(site)
        if known is None:
            known = (*self.wrappers_of(site), *self.on_region(site.function, site.fact.region))
            self._lexical[site] = known
        return known

    def on_function(self, function: Function) -> tuple[Guard, ...]:
        """Guards that decorators put around every call of a function."""
        known = self._decorators.get(function)
        if known is None:
            if function in self._busy:
                return ()
            self._busy.add(function)
            known = tuple(self._decorator_guards(function))
            self._busy.discard(function)
            self._decorators[function] = known
        return known

    def on_edge(self, edge: Edge) -> tuple[Guard, ...]:
        """Guards that the caller puts around the callee."""
        known = self._edges.get(id(edge))
        if known is None:
            more = self.on_site(edge.spawner) if edge.spawner is not None and edge.runs_here else ()
            known = (*self._called_by_wrapper(edge), *self.on_site(edge.site), *more, *self.on_function(edge.callee))
            if not self._busy:  # else a cycle may have been cut
                self._edges[id(edge)] = known  # the graph holds all edges for as long as we live
        return known

    def on_region(self, function: Function, region: int) -> tuple[Guard, ...]:
        """Guards of the blocks around a region, innermost first."""
        key = (function, region)
        known = self._regions.get(key)
        if known is None:
            self._regions[key] = ()  # a context manager that enters itself, by an override of its own, adds nothing
            known = tuple(
                guard for index in flow.ancestors(function.scope, region) for guard in self.of_region(function, index)
            )
            self._regions[key] = known
        return known

    def number(self, expr: f.Expr, function: Function) -> int | None:
        """The whole number that an expression is worth; of a parameter, its default."""
        value = self._reader.integer(expr, function)
        scope: Function | None = function
        while value is None and isinstance(expr, f.Name) and scope is not None:
            if expr.id in scope.parameters:
                default = scope.scope.params[scope.parameters[expr.id]].default
                return self._reader.integer(default, scope) if default is not None else None
            scope = scope.parent
        return value

    def loop(self, function: Function, region: int) -> Loop:
        """What a loop of a function is for."""
        key = (function, region)
        if key not in self._loops:
            self._loops[key] = loop_at(function.scope, region, lambda expr: self._reader.integer(expr, function))
        return self._loops[key]

    def tells_first(self, site: CallSite) -> bool:
        """Does the call answer whether it was the first (`SET NX`, `add`), so that the answer must be read?"""
        return any(row.kind == GuardKind.DEDUP.value for row, _ in self._reader.rows(site, "condition"))

    def never_ends(self, guard: Guard) -> bool:
        """A timeout guard whose limit is None: no guard at all."""
        return self._reader.never_ends(guard)

    # --- blocks -------------------------------------------------------------------------------------------------------

    def of_region(self, function: Function, index: int) -> Iterator[Guard]:
        """Guards that one block makes."""
        region = function.scope.regions[index]
        if region.kind == "try":
            handlers = tuple(self._exceptions.handler(function, h) for h in flow.handlers_of(function.scope, index))
            if handlers:
                caught = tuple(t for h in handlers for t in (h.types or ("BaseException",)))
                yield Guard(
                    GuardKind.CATCH,
                    "try",
                    "try",
                    function.path,
                    region.line,
                    function,
                    None,
                    index,
                    on=caught,
                    handlers=handlers,
                )
        elif region.kind == "with":
            for expr, _ in region.items:
                yield from self._context(function, expr, index)
        elif region.kind in {"for", "while"}:
            yield from self._loop_guards(function, index)

    def _loop_guards(self, function: Function, index: int) -> Iterator[Guard]:
        region = function.scope.regions[index]
        if region.kind == "for" and isinstance(region.test, f.CallRef):
            site = function.calls[region.test.index]
            for row, name in self._reader.rows(site, "iterator"):
                yield self._reader.from_row(row, name, site, "iterator", index)
            for value in self._evaluator.evaluate(region.test, function, region.start):
                if isinstance(value, values.LibraryObject):
                    yield from self._iterated_object(value, function, index)
        elif region.kind == "for" and isinstance(region.test, f.Name | f.Attr):
            for value in self._evaluator.evaluate(region.test, function, region.start):
                if isinstance(value, values.LibraryObject):
                    yield from self._iterated_object(value, function, index)
        loop = self.loop(function, index)
        if loop.kind == "retry":
            yield self.loop_guard(function, loop)

    def _iterated_object(self, value: values.LibraryObject, function: Function, index: int) -> Iterator[Guard]:
        for row in self._knowledge.guards(value.type):
            if "iterator" in row.form and value.site is not None:
                yield self._reader.from_row(row, value.type, value.site, "iterator", index)

    def loop_guard(self, function: Function, loop: Loop) -> Guard:
        """A hand-written retry loop as a guard."""
        scope = function.scope
        region = scope.regions[loop.region]
        caught: list[str] = []
        for tried in loop.tries:
            for handler in (self._exceptions.handler(function, h) for h in flow.handlers_of(scope, tried)):
                if not handler.raises:
                    caught.extend(handler.types or ("BaseException",))
        delay, jitter = self.loop_delay(function, loop.region)
        capped = loop.bounded or gives_up(function.scope, loop) or self._is_ended_by_helper(function, loop)
        return Guard(
            GuardKind.RETRY, "loop", f"{region.kind} loop", function.path, region.line, function, None, loop.region,
            attempts=loop.attempts, delay=delay, jitter=jitter, capped=capped, on=tuple(caught),
        )  # fmt: skip

    def _is_ended_by_helper(self, function: Function, loop: Loop) -> bool:
        """`check_attempts(attempt)` in a handler, which raises after the last one."""
        handlers = [h for tried in loop.tries for h in flow.handlers_of(function.scope, tried)]
        calls = [function.site(call) for h in handlers for call in flow.calls_in(function.scope, h)]
        return any(raises_by_count(fn.scope) for site in calls for fn in self._graph.resolutions[site].functions)

    def loop_delay(self, function: Function, region: int) -> tuple[str, bool]:
        """("none" | "fixed" | "exponential", jitter) of the pauses in a loop, calls of the project included."""
        pauses = []
        jitter = False
        for call in flow.calls_in(function.scope, region):
            site = function.site(call)
            if self.pauses(site):
                pauses.append(call)
                jitter = jitter or any(
                    self._pauses.is_random(a, function) for a in (*call.args, *(v for _, v in call.kwargs))
                )
        if not pauses:
            return "none", False
        growing = any(grows(arg, function, region) for call in pauses for arg in call.args[:1])
        return ("exponential" if growing else "fixed"), jitter

    def pauses(self, site: CallSite) -> bool:
        """Sleeps, itself or through calls, or is called as if it did; `stop.wait(5)` is a pause that can be woken."""
        words = {e.effect for e in self._effects.at.get(site, ())}
        name = flow.last_name(site.fact.func)
        if (
            Effect.SLEEP in words
            or _PAUSES.search(name)
            or (name == "wait" and site.fact.args and (Effect.WAIT in words or waits_for_stop(site)))
        ):
            return True
        reach = self._exceptions.reach
        return reach is not None and reach.site_reaches(site, {Effect.SLEEP})

    def _context(self, function: Function, expr: f.Expr, index: int) -> Iterator[Guard]:
        expr = expr.value if isinstance(expr, f.Await) else expr
        if isinstance(expr, f.CallRef):
            site = function.calls[expr.index]
            for row, name in self._reader.rows(site, "context"):
                yield self._reader.from_row(row, name, site, "with", index)
            for callee in self._graph.resolutions[site].functions:
                yield from self._house_context(callee, site, index)
            return
        for value in self._evaluator.evaluate(expr, function, function.scope.regions[index].start):
            name = (
                value.type
                if isinstance(value, values.LibraryObject)
                else value.name
                if isinstance(value, values.Library)
                else ""
            )
            for row in self._knowledge.guards(name) if name else ():
                if "context" in row.form:
                    line = function.scope.regions[index].line
                    yield Guard(GuardKind(row.kind), "with", name, function.path, line, function, None, index, row=row)

    def _house_context(self, manager: Function, site: CallSite, index: int) -> Iterator[Guard]:
        """A context manager of the project: what it holds open while it yields covers the block; so does a library's that it returns."""
        is_own = self._evaluator.is_context_manager(manager)
        for guard in self._held_open(manager) if is_own else self._reader.handed_out(manager):
            yield moved(guard, "house", manager, site, index)

    def _held_open(self, manager: Function) -> Iterator[Guard]:
        """What stands around the first `yield` of a context manager; it cannot yield twice, so a retry there repeats no block."""
        for leave in manager.scope.leaves:
            if leave.kind == "yield":
                yield from (g for g in self.on_region(manager, leave.region) if g.kind is not GuardKind.RETRY)
                return

    # --- wrappers and decorators --------------------------------------------------------------------------------------

    def wrappers_of(self, site: CallSite) -> Iterator[Guard]:
        """Guards of the calls around it: `wait_for(call(), 5)`, calls that are given this call's coroutine or result."""
        inner, outer = site.index, site.fact.outer
        seen = 0
        while outer >= 0 and seen < 6:
            wrapper = site.function.calls[outer]
            for row, name in self._reader.rows(wrapper, "wrapper"):
                if flow.is_among(inner, arguments(wrapper.fact, row.call) if row.call else wrapper.fact.args):
                    yield self._reader.from_row(row, name, wrapper, "wrapper", None)
            if flow.is_among(inner, [expr for _, expr, _ in self._graph.started_by(wrapper)]):
                for callee in self._graph.resolutions[wrapper].functions:
                    yield from self._runs_parameter(callee, wrapper)
            inner, outer = outer, wrapper.fact.outer
            seen += 1

    def _runs_parameter(self, callee: Function, wrapper: CallSite) -> Iterator[Guard]:
        """A project function that awaits or calls what it is given, under guards of its own."""
        if callee in self._busy:
            return
        self._busy.add(callee)
        for site in callee.calls:
            for expr in (site.fact.func, *site.fact.args):
                if isinstance(expr, f.Name) and expr.id in callee.parameters:
                    for guard in (*self._wrapper_rows(site), *self.on_region(callee, site.fact.region)):
                        yield self._for_user(moved(guard, "house", callee, wrapper, None), guard, wrapper)
                    break
        self._busy.discard(callee)

    def _for_user(self, seen: Guard, guard: Guard, user: CallSite) -> Guard:
        """The same guard where it repeats the errors that its user names."""
        if guard.kind is not GuardKind.RETRY or guard.form != "loop" or guard.function is None or guard.region is None:
            return seen
        loop = self.loop(guard.function, guard.region)
        named = chosen_errors(guard.function, loop, user, self._graph.resolutions[user], self._exceptions)
        return seen if named is None else replace(seen, on=named)

    def _wrapper_rows(self, site: CallSite) -> Iterator[Guard]:
        for row, name in self._reader.rows(site, "wrapper"):
            yield self._reader.from_row(row, name, site, "wrapper", None)

    def _called_by_wrapper(self, edge: Edge) -> Iterator[Guard]:
        """`retrying.call(f)`, `breaker.call(f)`, `run_with_retry(f)`: the callee is an argument of the guarding call."""
        if edge.kind not in {"inline", "callback"}:
            return
        yield from self._wrapper_rows(edge.site)
        yield from self.around_given(edge)

    def around_given(self, edge: Edge) -> Iterator[Guard]:
        """What is put around a function by the project's own one to which it is given, or by `retry(…)` applied to it."""
        maker = maker_of(edge.site)
        if maker is not None:
            for row, name in self._reader.rows(maker, "decorator"):
                yield self._reader.from_row(row, name, maker, "decorator", None)
        for callee in self._graph.resolutions[edge.site].functions:
            if callee is not edge.callee:
                yield from self._runs_parameter(callee, edge.site)

    def _decorator_guards(self, function: Function) -> Iterator[Guard]:
        outer = function.parent
        if outer is None:
            return
        for position, expr in enumerate(function.scope.decorators):
            line = (
                function.scope.decorator_lines[position]
                if position < len(function.scope.decorator_lines)
                else function.line
            )
            for value in self._evaluator.decorator_values(expr, outer):
                value = value.target if isinstance(value, values.Partial) else value
                name = (
                    value.name
                    if isinstance(value, values.Library)
                    else value.type
                    if isinstance(value, values.LibraryObject)
                    else ""
                )
                if name:
                    yield from self._library_decorator(name, expr, outer, line, function)
                elif isinstance(value, values.FunctionValue):
                    user = outer.calls[expr.index] if isinstance(expr, f.CallRef) else None
                    yield from self._house_decorator(value.function, function, line, user)

    def _library_decorator(
        self, name: str, expr: f.Expr, outer: Function, line: int, function: Function
    ) -> Iterator[Guard]:
        site = outer.calls[expr.index] if isinstance(expr, f.CallRef) else None
        for row in self._knowledge.guards(name):
            if "decorator" in row.form and (works_bare(row) if site is None else self._reader.matches(row, site)):
                if site is not None:
                    guard = self._reader.from_row(row, name, site, "decorator", None)
                else:
                    guard = self._reader.bare_row(row, name, function.path, line)
                yield moved(guard, "decorator", None, site, None, line=line, path=function.path)
            elif "decorator" in row.form and self._is_limited_by_settings(row):
                guard = self._reader.bare_row(row, name, function.path, line)
                yield moved(guard, "decorator", None, None, None, line=line, path=function.path)

    def _is_limited_by_settings(self, row: GuardRow) -> bool:
        """One limit for all jobs that ends a hanging one before long."""
        seconds = self._settings.seconds(*row.settings) if row.settings else None
        return seconds is not None and 0 < seconds <= _BEFORE_LONG

    def _house_decorator(
        self, decorator: Function, function: Function, line: int, user: CallSite | None
    ) -> Iterator[Guard]:
        """A decorator of the project: what its wrapper puts around the call of the wrapped function covers it."""
        if decorator in self._busy:
            return
        if self._evaluator.is_context_manager(decorator):  # `@contextmanager` makes decorators too
            for guard in self._held_open(decorator):
                yield moved(guard, "house", decorator, guard.site, None, line=line, path=function.path)
            return
        self._busy.add(decorator)
        for wrapper, site in wrapped_calls(decorator):
            for guard in (
                *(guard for guard in self._wrapper_rows(site) if guard.kind is GuardKind.ON_COMMIT),
                *self.wrappers_of(site),
                *self.on_region(wrapper, site.fact.region),
                *self.on_function(wrapper),
            ):
                seen = moved(guard, "house", decorator, guard.site, guard.region, line=line, path=function.path)
                yield self._for_user(seen, guard, user) if user is not None else seen
        for site in made_to_order(decorator):
            for row, name in self._reader.rows(site, "decorator"):
                guard = self._reader.from_row(row, name, site, "decorator", None)
                yield moved(guard, "house", decorator, site, None, line=line, path=function.path)
        for other in handed_on(decorator, self._graph):
            yield from self._house_decorator(other, function, line, user)
        self._busy.discard(decorator)
