"""Which protections cover a call: with-blocks, try blocks, loops, wrappers, decorators; the library's and the project's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from roadworthy.facts import schema as f
from roadworthy.knowledge.names import when_matches
from roadworthy.knowledge.vocabulary import Effect, GuardKind
from roadworthy.project import flow, values
from roadworthy.project.calls import argument, arguments
from roadworthy.project.loops import Loop, loop_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.knowledge.index import Knowledge
    from roadworthy.knowledge.schema import GuardRow
    from roadworthy.project.calls import CallGraph, Edge
    from roadworthy.project.effects import Effects
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.exceptions import Exceptions, Handler
    from roadworthy.project.symbols import CallSite, Function

Attempts = int | Literal["forever"] | None


@dataclass(frozen=True, slots=True, eq=False)
class Guard:
    """One protection and where it stands."""

    kind: GuardKind
    form: str  # "with" "try" "loop" "wrapper" "decorator" "iterator" "client" "framework" "house"
    name: str  # what it is called there: `tenacity.retry`, `transaction.atomic`, `while True`
    path: str
    line: int
    function: Function | None = None  # the function in which it stands
    site: CallSite | None = None  # the call that makes it
    region: int | None = None  # try, loop, with: the region it covers
    attempts: Attempts = None  # retry: total attempts; None unknown
    delay: str = "unknown"  # retry: "none" "fixed" "exponential" "unknown"
    jitter: bool = False
    capped: bool = True  # retry: the number of attempts or the time is limited
    on: tuple[str, ...] = ()  # retry, catch: exceptions; ("Exception",) for all; () unknown
    seconds: float | None = None  # timeout: the limit where literal
    handlers: tuple[Handler, ...] = ()  # catch
    row: GuardRow | None = None
    through: Function | None = None  # the project's own decorator or context manager that holds the guard


class Guards:
    """Finds guards, lexically and along edges."""

    def __init__(
        self, graph: CallGraph, knowledge: Knowledge, evaluator: Evaluator, effects: Effects, exceptions: Exceptions
    ) -> None:
        """All answers are computed on demand and kept."""
        self._graph = graph
        self._knowledge = knowledge
        self._evaluator = evaluator
        self._effects = effects
        self._exceptions = exceptions
        self._lexical: dict[CallSite, tuple[Guard, ...]] = {}
        self._regions: dict[tuple[Function, int], tuple[Guard, ...]] = {}
        self._decorators: dict[Function, tuple[Guard, ...]] = {}
        self._loops: dict[tuple[Function, int], Loop] = {}
        self._busy: set[Function] = set()

    # --- what covers a call -------------------------------------------------------------------------------------------

    def on_site(self, site: CallSite) -> tuple[Guard, ...]:
        """Guards inside the function of the call, innermost first: wrappers around it, then blocks around those."""
        known = self._lexical.get(site)
        if known is None:
            known = (*self._wrappers(site), *self.on_region(site.function, site.fact.region))
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
        spawner = self.on_site(edge.spawner) if edge.spawner is not None and edge.runs_here else ()
        return (*self._called_by_wrapper(edge), *self.on_site(edge.site), *spawner, *self.on_function(edge.callee))

    def on_region(self, function: Function, region: int) -> tuple[Guard, ...]:
        """Guards of the blocks around a region, innermost first."""
        key = (function, region)
        known = self._regions.get(key)
        if known is None:
            known = tuple(guard for index in flow.ancestors(function.scope, region) for guard in self._of_region(function, index))
            self._regions[key] = known
        return known

    def loop(self, function: Function, region: int) -> Loop:
        """What a loop of a function is for."""
        key = (function, region)
        if key not in self._loops:
            self._loops[key] = loop_at(function.scope, region, lambda expr: self._integer(expr, function))
        return self._loops[key]

    def _integer(self, expr: f.Expr, function: Function) -> int | None:
        value = self._evaluator.literal(expr, function)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    # --- blocks -------------------------------------------------------------------------------------------------------

    def _of_region(self, function: Function, index: int) -> Iterator[Guard]:
        region = function.scope.regions[index]
        if region.kind == "try":
            handlers = tuple(self._exceptions.handler(function, h) for h in flow.handlers_of(function.scope, index))
            if handlers:
                caught = tuple(t for h in handlers for t in (h.types or ("BaseException",)))
                yield Guard(GuardKind.CATCH, "try", "try", function.path, region.line, function, None, index, on=caught, handlers=handlers)
        elif region.kind == "with":
            for expr, _ in region.items:
                yield from self._context(function, expr, index)
        elif region.kind in {"for", "while"}:
            yield from self._loop_guards(function, index)

    def _loop_guards(self, function: Function, index: int) -> Iterator[Guard]:
        region = function.scope.regions[index]
        if region.kind == "for" and isinstance(region.test, f.CallRef):
            site = function.calls[region.test.index]
            for row, name in self._rows(site, "iterator"):
                yield self._from_row(row, name, site, "iterator", index)
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
                yield self._from_row(row, value.type, value.site, "iterator", index)

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
        return Guard(
            GuardKind.RETRY, "loop", f"{region.kind} loop", function.path, region.line, function, None, loop.region,
            attempts=loop.attempts, delay=delay, jitter=jitter, capped=loop.bounded or self._counts(function, loop), on=tuple(caught),
        )  # fmt: skip

    def _counts(self, function: Function, loop: Loop) -> bool:
        """An endless `while` that still gives up: a handler raises, returns or breaks on some condition."""
        scope = function.scope
        for tried in loop.tries:
            for handler in flow.handlers_of(scope, tried):
                if any(leave.kind in {"raise", "return", "break"} for leave in flow.leaves_in(scope, handler)):
                    return True
        inside = flow.leaves_in(scope, loop.region)
        return any(leave.kind == "raise" for leave in inside)

    def loop_delay(self, function: Function, region: int) -> tuple[str, bool]:
        """("none" | "fixed" | "exponential", jitter) of the pauses in a loop, calls of the project included."""
        pauses = []
        jitter = False
        for call in flow.calls_in(function.scope, region):
            site = function.site(call)
            if self._pauses(site):
                pauses.append(call)
                jitter = jitter or any(self._mentions_random(a, function) for a in (*call.args, *(v for _, v in call.kwargs)))
        if not pauses:
            return "none", False
        grows = any(self._grows(arg, function, region) for call in pauses for arg in call.args[:1])
        return ("exponential" if grows else "fixed"), jitter

    def _pauses(self, site: CallSite) -> bool:
        if any(e.effect is Effect.SLEEP for e in self._effects.at.get(site, ())):
            return True
        reach = self._exceptions.reach
        return reach is not None and reach.site_reaches(site, {Effect.SLEEP})

    def _mentions_random(self, expr: f.Expr, function: Function) -> bool:
        text = flow.text_of(expr, function.scope).lower()
        if "jitter" in text or "random" in text:
            return True
        return any(
            isinstance(part, f.CallRef) and any(l.name.startswith("random.") for l in self._graph.resolutions[function.calls[part.index]].libraries)
            for part in flow.walk(expr)
        )

    def _grows(self, expr: f.Expr, function: Function, region: int) -> bool:
        for part in flow.walk(expr):
            if isinstance(part, f.Bin) and part.op in {"**", "*", "<<"}:
                return True
            if isinstance(part, f.Name):
                for assign in function.bindings.get(part.id, ()):
                    inside = flow.within(function.scope, assign.region, region)
                    if inside and (assign.op in {"*=", "+=", "**=", "<<="} or _multiplies(assign.value)):
                        return True
            if isinstance(part, f.CallRef):
                call = function.scope.calls[part.index]
                if any(self._grows(a, function, region) for a in call.args):
                    return True
        return False

    def _context(self, function: Function, expr: f.Expr, index: int) -> Iterator[Guard]:
        expr = expr.value if isinstance(expr, f.Await) else expr
        if isinstance(expr, f.CallRef):
            site = function.calls[expr.index]
            for row, name in self._rows(site, "context"):
                yield self._from_row(row, name, site, "with", index)
            for callee in self._graph.resolutions[site].functions:
                if self._evaluator.is_context_manager(callee):
                    yield from self._house_context(callee, site, index)
                    continue
            return
        for value in self._evaluator.evaluate(expr, function, function.scope.regions[index].start):
            name = value.type if isinstance(value, values.LibraryObject) else value.name if isinstance(value, values.Library) else ""
            for row in self._knowledge.guards(name) if name else ():
                if "context" in row.form:
                    line = function.scope.regions[index].line
                    yield Guard(GuardKind(row.kind), "with", name, function.path, line, function, None, index, row=row)

    def _house_context(self, manager: Function, site: CallSite, index: int) -> Iterator[Guard]:
        """A context manager of the project: what it holds open while it yields covers the block."""
        for leave in manager.scope.leaves:
            if leave.kind != "yield":
                continue
            for guard in self.on_region(manager, leave.region):
                yield _moved(guard, "house", manager, site, index)
            return

    # --- wrappers and decorators --------------------------------------------------------------------------------------

    def _rows(self, site: CallSite, form: str) -> Iterator[tuple[GuardRow, str]]:
        for library in self._graph.resolutions[site].libraries:
            for row in self._knowledge.guards(library.name):
                if form in row.form and self._matches(row, site):
                    yield row, library.name

    def _matches(self, row: GuardRow, site: CallSite) -> bool:
        if not _works_bare(row):
            wanted = row.retries_on if row.kind == "retry" else row.seconds
            if argument(site.fact, wanted) is None and not any(k == "**" for k, _ in site.fact.kwargs):
                return False  # it repeats or ends only what it is told to, and it was told nothing
        if not row.only_if:
            return True
        literals = {}
        for place, expr in (*((str(i), a) for i, a in enumerate(site.fact.args)), *site.fact.kwargs):
            value = self._evaluator.evaluate(expr, site.function, site.fact.order)
            if len(value) == 1 and isinstance(value[0], values.Literal):
                literals[place] = str(value[0].value)
        return when_matches(row.only_if, literals)

    def _wrappers(self, site: CallSite) -> Iterator[Guard]:
        """`wait_for(call(), 5)`: calls that are given this call's coroutine or result."""
        inner, outer = site.index, site.fact.outer
        seen = 0
        while outer >= 0 and seen < 6:
            wrapper = site.function.calls[outer]
            for row, name in self._rows(wrapper, "wrapper"):
                if _is_given(inner, list(arguments(wrapper.fact, row.call)) if row.call else list(wrapper.fact.args)):
                    yield self._from_row(row, name, wrapper, "wrapper", None)
            if _is_given(inner, [expr for _, expr, _ in self._graph.started_by(wrapper)]):
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
                        yield _moved(guard, "house", callee, wrapper, None)
                    break
        self._busy.discard(callee)

    def _wrapper_rows(self, site: CallSite) -> Iterator[Guard]:
        for row, name in self._rows(site, "wrapper"):
            yield self._from_row(row, name, site, "wrapper", None)

    def _called_by_wrapper(self, edge: Edge) -> Iterator[Guard]:
        """`retrying.call(f)`, `breaker.call(f)`, `run_with_retry(f)`: the callee is an argument of the guarding call."""
        if edge.kind not in {"inline", "callback"}:
            return
        yield from self._wrapper_rows(edge.site)
        for callee in self._graph.resolutions[edge.site].functions:
            if callee is not edge.callee:
                yield from self._runs_parameter(callee, edge.site)

    def _decorator_guards(self, function: Function) -> Iterator[Guard]:
        outer = function.parent
        if outer is None:
            return
        for position, expr in enumerate(function.scope.decorators):
            line = function.scope.decorator_lines[position] if position < len(function.scope.decorator_lines) else function.line
            for value in self._evaluator.decorator_values(expr, outer):
                value = value.target if isinstance(value, values.Partial) else value
                name = value.name if isinstance(value, values.Library) else value.type if isinstance(value, values.LibraryObject) else ""
                if name:
                    yield from self._library_decorator(name, expr, outer, line, function)
                elif isinstance(value, values.FunctionValue):
                    yield from self._house_decorator(value.function, function, line)

    def _library_decorator(self, name: str, expr: f.Expr, outer: Function, line: int, function: Function) -> Iterator[Guard]:
        site = outer.calls[expr.index] if isinstance(expr, f.CallRef) else None
        for row in self._knowledge.guards(name):
            if "decorator" in row.form and (_works_bare(row) if site is None else self._matches(row, site)):
                if site is not None:
                    guard = self._from_row(row, name, site, "decorator", None)
                else:
                    guard = self._bare_row(row, name, function.path, line)
                yield _moved(guard, "decorator", None, site, None, line=line, path=function.path)

    def _house_decorator(self, decorator: Function, function: Function, line: int) -> Iterator[Guard]:
        """A decorator of the project: what its wrapper puts around the call of the wrapped function covers it."""
        if decorator in self._busy:
            return
        self._busy.add(decorator)
        for wrapper, site in wrapped_calls(decorator):
            for guard in (*self._wrappers(site), *self.on_region(wrapper, site.fact.region), *self.on_function(wrapper)):
                yield _moved(guard, "house", decorator, guard.site, guard.region, line=line, path=function.path)
        for site in decorator.calls:
            # `return tenacity.retry(…)(func)` and `return retry(…)`: a library guard made to order
            if site.fact.use in {"returned", "assigned"} or site.fact.outer >= 0:
                for row, name in self._rows(site, "decorator"):
                    guard = self._from_row(row, name, site, "decorator", None)
                    yield _moved(guard, "house", decorator, site, None, line=line, path=function.path)
        self._busy.discard(decorator)

    # --- rows ---------------------------------------------------------------------------------------------------------

    def _bare_row(self, row: GuardRow, name: str, path: str, line: int) -> Guard:
        attempts = row.attempts_absent
        return Guard(
            GuardKind(row.kind), "decorator", name, path, line, attempts=attempts, delay=row.delay_absent, jitter=row.jitter,
            capped=attempts != "forever", on=row.retries_on_absent or row.exceptions, row=row,
        )  # fmt: skip

    def _from_row(self, row: GuardRow, name: str, site: CallSite, form: str, region: int | None) -> Guard:
        attempts, limited = self._attempts(row, site)
        return Guard(
            GuardKind(row.kind), form, name, site.path, site.line, site.function, site, region, attempts=attempts,
            delay=self._delay(row, site), jitter=row.jitter or self._jitter(row, site), capped=limited,
            on=self._retried(row, site) if row.kind == "retry" else self._named(row, site), seconds=self._seconds(row, site), row=row,
        )  # fmt: skip

    def _attempts(self, row: GuardRow, site: CallSite) -> tuple[Attempts, bool]:
        """(total attempts, is there any limit)."""
        limited = any(keyword in row.limit for keyword, _ in site.fact.kwargs)
        expr = argument(site.fact, row.attempts)
        if expr is None:
            spread = any(k == "**" for k, _ in site.fact.kwargs)
            if row.attempts_absent == "forever":
                return (None if limited or spread else "forever"), limited or spread
            return row.attempts_absent, True
        number = self._number_in(expr, row, site)
        if number is None:
            value = self._evaluator.evaluate(expr, site.function, site.fact.order)
            if len(value) == 1 and isinstance(value[0], values.Literal) and value[0].value is None:
                return "forever", limited
            return None, True
        return number + (1 if row.attempts_is_retries else 0), True

    def _number_in(self, expr: f.Expr, row: GuardRow, site: CallSite) -> int | None:
        value = self._evaluator.literal(expr, site.function)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        for part in flow.walk(expr):
            if isinstance(part, f.CallRef):
                inner = site.function.calls[part.index]
                for library in self._graph.resolutions[inner].libraries:
                    place = row.attempts_object.get(library.name)
                    if place is not None:
                        return self._place(inner, place)
        return None

    def _place(self, site: CallSite, place: str) -> int | None:
        expr = None
        if place.isdigit() and int(place) < len(site.fact.args):
            expr = site.fact.args[int(place)]
        else:
            expr = next((v for k, v in site.fact.kwargs if k == place), site.fact.args[0] if site.fact.args else None)
        return self._integer(expr, site.function) if expr is not None else None

    def _delay(self, row: GuardRow, site: CallSite) -> str:
        given = [v for k, v in site.fact.kwargs if k in row.delay]
        if not given:
            return row.delay_absent
        text = " ".join(self._object_names(v, site.function) for v in given).lower()
        zero = all(self._evaluator.literal(v, site.function) == 0 for v in given)
        if zero or "wait_none" in text:
            return "none"
        if "exp" in text or any(isinstance(p, f.Bin) for v in given for p in flow.walk(v)):
            return "exponential"
        return "fixed" if row.delay_absent != "exponential" else "exponential"

    def _object_names(self, expr: f.Expr, function: Function) -> str:
        names = [flow.text_of(expr, function.scope)]
        for part in flow.walk(expr):
            if isinstance(part, f.CallRef):
                names.append(flow.text_of(function.scope.calls[part.index].func, function.scope))
        return " ".join(names)

    def _jitter(self, row: GuardRow, site: CallSite) -> bool:
        names = " ".join(self._object_names(v, site.function) for _, v in site.fact.kwargs)
        return any(obj.rpartition(".")[2] in names for obj in row.jitter_objects)

    def _retried(self, row: GuardRow, site: CallSite) -> tuple[str, ...]:
        exprs = list(arguments(site.fact, row.retries_on)) if row.retries_on is not None else []
        if not exprs:
            return row.retries_on_absent
        found: list[str] = []
        for expr in exprs:
            found.extend(self._exception_names(expr, row, site.function, 0))
        return tuple(dict.fromkeys(found))

    def _exception_names(self, expr: f.Expr, row: GuardRow, function: Function, depth: int) -> list[str]:
        """Exceptions in `retry_if_exception_type((A, B)) | retry_if_exception_type(C)`, in `(A, B)`, in a constant."""
        found: list[str] = []
        calls = [part for part in flow.walk(expr) if isinstance(part, f.CallRef)]
        for part in calls:
            inner = function.calls[part.index]
            names = {library.name for library in self._graph.resolutions[inner].libraries}
            if names & set(row.retries_on_objects) and depth < 5:
                for arg in inner.fact.args:
                    found.extend(self._exception_names(arg, row, function, depth + 1))
                if not inner.fact.args:
                    found.append("Exception")
        if not calls:
            found.extend(self._exceptions.types((expr,), function))
        return found

    def _named(self, row: GuardRow, site: CallSite) -> tuple[str, ...]:
        if row.kind == "catch" and not row.exceptions:
            return self._exceptions.types(site.fact.args, site.function)
        return row.exceptions

    def _seconds(self, row: GuardRow, site: CallSite) -> float | None:
        expr = argument(site.fact, row.seconds)
        value = self._evaluator.literal(expr, site.function) if expr is not None else None
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def never_ends(self, guard: Guard) -> bool:
        """A timeout guard whose limit is None: no guard at all."""
        if guard.kind is not GuardKind.TIMEOUT or guard.row is None or guard.site is None or guard.row.seconds is None:
            return False
        expr = argument(guard.site.fact, guard.row.seconds)
        if expr is None:
            return False
        value = self._evaluator.evaluate(expr, guard.site.function, guard.site.fact.order)
        return len(value) == 1 and isinstance(value[0], values.Literal) and value[0].value is None


def wrapped_calls(decorator: Function) -> Iterator[tuple[Function, CallSite]]:
    """(wrapper, call of the wrapped function) for each place where a decorator's inner function calls its parameter."""
    stack = [(decorator, frozenset(decorator.parameters))]
    while stack:
        function, names = stack.pop()
        for children in function.children.values():
            for child in children:
                if child.kind != "function":
                    continue
                for site in child.calls:
                    func = site.fact.func
                    passes = any(isinstance(a, f.Name) and a.id in names and a.id not in child.parameters for a in site.fact.args)
                    if (isinstance(func, f.Name) and func.id in names and func.id not in child.parameters) or passes:
                        yield child, site
                stack.append((child, names | frozenset(child.parameters)))


def _is_given(index: int, exprs: list[f.Expr]) -> bool:
    """Is the call with this index one of the expressions, or part of a display or comprehension among them?"""
    return any(isinstance(part, f.CallRef) and part.index == index for expr in exprs for part in flow.walk(expr))


def _works_bare(row: GuardRow) -> bool:
    """Does the guard do anything without arguments?"""
    if row.kind == "retry":
        return row.retries_on is None or bool(row.retries_on_absent)
    return not (row.kind == "timeout" and row.seconds is not None)


def _multiplies(expr: f.Expr | None) -> bool:
    return expr is not None and any(isinstance(p, f.Bin) and p.op in {"*", "**", "<<"} for p in flow.walk(expr))


def _moved(
    guard: Guard, form: str, through: Function | None, site: CallSite | None, region: int | None, line: int | None = None, path: str | None = None
) -> Guard:
    """The same guard seen from where it is applied."""
    return Guard(
        guard.kind, form, guard.name, path or guard.path, line or guard.line, guard.function, guard.site or site, region, guard.attempts,
        guard.delay, guard.jitter, guard.capped, guard.on, guard.seconds, guard.handlers, guard.row, through or guard.through,
    )  # fmt: skip
