"""Reads a guard off a call: attempts, delays, exceptions and limits, as the library row says where they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.names import when_matches
from roadworthy.knowledge.vocabulary import GuardKind
from roadworthy.project import flow, values
from roadworthy.project.arguments import argument, arguments
from roadworthy.project.guard import Attempts, Guard
from roadworthy.project.predicates import kinds_asked_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.knowledge.index import Knowledge
    from roadworthy.knowledge.schema import GuardRow
    from roadworthy.project.calls import CallGraph
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.exceptions import Exceptions
    from roadworthy.project.symbols import CallSite, Function


class GuardReader:
    """Library rows of guards, applied to calls."""

    def __init__(self, graph: CallGraph, knowledge: Knowledge, evaluator: Evaluator, exceptions: Exceptions) -> None:
        """Reads only; keeps nothing."""
        self._graph = graph
        self._knowledge = knowledge
        self._evaluator = evaluator
        self._exceptions = exceptions

    def integer(self, expr: f.Expr, function: Function) -> int | None:
        """The whole number that an expression is worth."""
        value = self._evaluator.literal(expr, function)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def rows(self, site: CallSite, form: str) -> Iterator[tuple[GuardRow, str]]:
        """Guard rows that hold for a call and can be used in this form, with the library name."""
        for library in self._graph.resolutions[site].libraries:
            for row in self._knowledge.guards(library.name):
                if form in row.form and self.matches(row, site):
                    yield row, library.name

    def handed_out(self, function: Function) -> Iterator[Guard]:
        """`with writing(): …` where `def writing(): return facade.writer.using(context)`."""
        for value in self._evaluator.returns_of(function):
            if isinstance(value, values.LibraryObject) and value.site is not None:
                for row, name in self.rows(value.site, "context"):
                    yield self.from_row(row, name, value.site, "with", None)

    def matches(self, row: GuardRow, site: CallSite) -> bool:
        """Do the arguments make the row's guard do anything?"""
        if not works_bare(row):
            wanted = row.retries_on if row.kind == "retry" else row.seconds
            if argument(site.fact, wanted) is None and not any(k == "**" for k, _ in site.fact.kwargs):
                return False  # it repeats or ends only what it is told to, and it was told nothing
        if not (row.only_if or row.unless):
            return True
        literals = {}
        for place, expr in (*((str(i), a) for i, a in enumerate(site.fact.args)), *site.fact.kwargs):
            value = self._evaluator.evaluate(expr, site.function, site.fact.order)
            if len(value) == 1 and isinstance(value[0], values.Literal):
                literals[place] = str(value[0].value)
        return when_matches(row.only_if, literals) and not (row.unless and when_matches(row.unless, literals))

    def bare_row(self, row: GuardRow, name: str, path: str, line: int) -> Guard:
        """A decorator without brackets."""
        attempts = row.attempts_absent
        return Guard(
            GuardKind(row.kind), "decorator", name, path, line, attempts=attempts, delay=row.delay_absent, jitter=row.jitter,
            capped=attempts != "forever", on=row.retries_on_absent or row.exceptions, row=row,
        )  # fmt: skip

    def from_row(self, row: GuardRow, name: str, site: CallSite, form: str, region: int | None) -> Guard:
        """The guard that a call makes, its arguments read."""
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
        return self.integer(expr, site.function) if expr is not None else None

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
        names.extend(
            flow.text_of(function.scope.calls[part.index].func, function.scope)
            for part in flow.walk(expr)
            if isinstance(part, f.CallRef)
        )
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
            if self._is_all_but(expr, row, site.function, alone=not found):
                found.append("Exception")
        return tuple(dict.fromkeys(found))

    def _is_all_but(self, expr: f.Expr, row: GuardRow, function: Function, *, alone: bool) -> bool:
        """`retry_if_not_exception_type(X)` repeats everything but X; `if_a & if_not_x` only narrows what is named."""
        if not alone and any(isinstance(part, f.Bin) and part.op == "&" for part in flow.walk(expr)):
            return False
        return any(
            library.name in row.retries_on_all_but
            for part in flow.walk(expr)
            if isinstance(part, f.CallRef)
            for library in self._graph.resolutions[function.calls[part.index]].libraries
        )

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
            predicate = self._predicate(expr, function)
            asked = kinds_asked_for(predicate, self._exceptions) if predicate is not None else None
            found.extend(self._exceptions.types((expr,), function) if asked is None else asked)
        return found

    def _predicate(self, expr: f.Expr, function: Function) -> Function | None:
        """A function of the project that decides."""
        found = self._evaluator.evaluate(expr, function) if isinstance(expr, f.Name | f.Attr | f.LambdaRef) else ()
        return found[0].function if len(found) == 1 and isinstance(found[0], values.FunctionValue) else None

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


def works_bare(row: GuardRow) -> bool:
    """Does the guard do anything without arguments?"""
    if row.kind == "retry":
        return row.retries_on is None or bool(row.retries_on_absent)
    return not (row.kind == "timeout" and row.seconds is not None)
