"""What repeats a call: every retry of the code base and what it covers, and what repeats an entry as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import EntryKind, GuardKind
from roadworthy.project import flow
from roadworthy.project.growth import Growth, few_rounds, growths
from roadworthy.project.values import ClassValue, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.guard import Attempts, Guard
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, ClassInfo, Function

_COUNTS = frozenset({"max_retries", "default_retry_delay", "retry_jitter", "retry_backoff_max"})
"""Options that shape a retry which something else must ask for."""


@dataclass(frozen=True, slots=True, eq=False)
class Retried:
    """One retry and the calls that it repeats."""

    guard: Guard
    function: Function  # the function that is decorated, or in which the loop, block or wrapper stands
    sites: tuple[CallSite, ...]  # the outermost calls that are repeated
    whole: bool  # the whole function is repeated
    given: bool = False  # the retry is given the function


class Retries:
    """Answers about repetition. Everything is computed on demand and kept."""

    def __init__(self, model: Model) -> None:
        """Everything is asked of the model."""
        self._model = model
        self._entries: dict[Entry, bool] = {}

    # --- what is repeated ---------------------------------------------------------------------------------------------

    @cached_property
    def all(self) -> tuple[Retried, ...]:
        """Every retry of reviewed code: decorators, loops, blocks, wrappers."""
        return tuple(found for function in self._model.functions for found in self._of(function))

    def _of(self, function: Function) -> Iterator[Retried]:
        guards = self._model.guards
        if function.kind == "class":
            return
        for guard in guards.on_function(function):
            if guard.kind is GuardKind.RETRY:
                yield Retried(guard, function, function.calls, whole=True)
        for index, region in enumerate(function.scope.regions):
            if region.kind in {"with", "for", "while"}:
                inside = tuple(function.site(call) for call in flow.calls_in(function.scope, index))
                for guard in guards.of_region(function, index):
                    if guard.kind is GuardKind.RETRY:
                        yield Retried(guard, function, self._tried(guard, function, inside), whole=False)
        seen: set[tuple[str, int]] = set()
        for site in function.calls:
            for guard in guards.wrappers_of(site):
                if guard.kind is GuardKind.RETRY and (guard.path, guard.line) not in seen:
                    seen.add((guard.path, guard.line))
                    yield Retried(guard, function, (site,), whole=False)

    def _tried(self, guard: Guard, function: Function, inside: tuple[CallSite, ...]) -> tuple[CallSite, ...]:
        """Of a hand-written loop only what stands in its `try` bodies is tried again."""
        if guard.form != "loop" or guard.region is None:
            return inside
        loop = self._model.guards.loop(function, guard.region)
        return tuple(
            site for site in inside if any(flow.within(function.scope, site.fact.region, tried) for tried in loop.tries)
        )

    @cached_property
    def of_given(self) -> tuple[Retried, ...]:
        """Calls that a function is given to: a retry of the project (`again(fetch, on=(A, B))`), or one that is applied (`retry(…)(fetch)`)."""
        return tuple(
            Retried(guard, function, (site,), whole=False, given=True)
            for function in self._model.functions
            for site in function.calls
            for edge in self._model.edges_at(site)
            if edge.kind in {"inline", "callback"}
            for guard in self._model.guards.around_given(edge)
            if guard.kind is GuardKind.RETRY
        )

    def effects(self, retried: Retried) -> list[EffectAt]:
        """The effects that a retry repeats, without repetitions, in source order of the calls."""
        if retried.whole:
            return self._model.effects_under(retried.function)
        found = [e for site in retried.sites for e in self._model.effects_through(site)]
        return list({id(effect): effect for effect in found}.values())

    @cached_property
    def growths(self) -> tuple[Growth, ...]:
        """Pauses of hand-written retries that grow without a ceiling, unless few rounds end them."""
        guards = self._model.guards
        return tuple(
            growth
            for retried in self.all
            if retried.guard.form == "loop" and retried.guard.region is not None and not retried.whole
            if not few_rounds(retried.function, retried.guard.region, guards)
            for growth in growths(retried.function, retried.guard.region, guards)
        )

    # --- what repeats an entry ----------------------------------------------------------------------------------------

    def entry_repeats(self, entry: Entry) -> bool:
        """Does the framework, the broker or the schedule run the entry again when it fails?"""
        known = self._entries.get(entry)
        if known is None:
            known = self._entries[entry] = self._repeats(entry)
        return known

    def _repeats(self, entry: Entry) -> bool:
        if entry.retried or entry.kind is EntryKind.DURABLE_ACTIVITY:
            return True
        if entry.kind in {EntryKind.QUEUE_CONSUMER, EntryKind.WEBHOOK_HANDLER, EntryKind.LAMBDA_HANDLER}:
            return entry.acks != "before"
        return entry.kind is EntryKind.JOB and (
            self._asks_for_retry(entry) or self._base_retries(entry.function) or self._sent_with_retry(entry.function)
        )

    def _asks_for_retry(self, entry: Entry) -> bool:
        """A decorator of the job, the project's own too, asks for a retry with one of its options."""
        options = entry.row.retry_arguments if entry.row is not None else ()
        outer = entry.function.parent
        for expr in entry.function.scope.decorators if outer is not None else ():
            if (
                isinstance(expr, f.CallRef)
                and outer is not None
                and self._names_retry(outer.calls[expr.index], options)
            ):
                return True
        return False

    def _names_retry(self, site: CallSite, options: tuple[str, ...] = ()) -> bool:
        return any(
            (keyword in options if options else "retr" in keyword and keyword not in _COUNTS)
            and not self._is_off(expr, site)
            for keyword, expr in site.fact.kwargs
        )

    def _is_off(self, expr: f.Expr, site: CallSite) -> bool:
        value = self._model.values(expr, site.function, site.fact.order)
        return len(value) == 1 and isinstance(value[0], Literal) and value[0].value in (False, None, 0)

    def _base_retries(self, function: Function) -> bool:
        """The job's class, or the one that all jobs are made with, sets what is retried."""
        outer = function.parent
        if function.cls is not None and _sets_retry(function.cls):
            return True
        for expr in function.scope.decorators if outer is not None else ():
            if not isinstance(expr, f.CallRef) or outer is None:
                continue
            base = next((v for k, v in outer.calls[expr.index].fact.kwargs if k in {"base", "cls"}), None)
            if base is not None and any(
                isinstance(v, ClassValue) and _sets_retry(v.cls) for v in self._model.values(base, outer)
            ):
                return True
        return self._all_retry

    @cached_property
    def _all_retry(self) -> bool:
        """`app.Task = RetryingTask`, `Celery(task_cls=RetryingTask)`: a default class that retries."""
        names = {cls.name for cls in self._model.symbols.classes if cls.library_bases and _sets_retry(cls)}
        if not names:
            return False
        for function in self._model.symbols.functions:
            scope = function.scope
            for assign in scope.assigns:
                if isinstance(assign.target, f.Attr) and assign.target.name == "Task" and _named(assign.value) in names:
                    return True
            for call in scope.calls:
                if any(k in {"task_cls", "task_class"} and _named(v) in names for k, v in call.kwargs):
                    return True
        return False

    def _sent_with_retry(self, function: Function) -> bool:
        """`queue.enqueue(job, retry=Retry(max=3))` somewhere."""
        return any(
            edge.kind == "job" and self._names_retry(edge.spawner or edge.site)
            for edge in self._model.edges_to(function)
        )

    def entry_attempts(self, entry: Entry, *, declared: bool = False) -> Attempts:
        """How often the framework runs a failing entry in total, where its options tell; None: unknown.

        `declared`: what its options say, whether or not something asks for a retry at all."""
        if not declared and not self.entry_repeats(entry):
            return 1
        outer = entry.function.parent
        for expr in entry.function.scope.decorators if outer is not None else ():
            if not isinstance(expr, f.CallRef) or outer is None:
                continue
            site = outer.calls[expr.index]
            for keyword, value in site.fact.kwargs:
                if keyword in {"max_retries", "retries", "max_tries", "max_attempts"}:
                    return self._number(value, site, counts_retries="retries" in keyword)
        return entry.attempts if isinstance(entry.attempts, int) and entry.attempts > 1 else None

    def _number(self, expr: f.Expr, site: CallSite, *, counts_retries: bool) -> Attempts:
        value = self._model.values(expr, site.function, site.fact.order)
        if len(value) != 1 or not isinstance(value[0], Literal):
            return None
        number = value[0].value
        if number is None or number == -1:
            return "forever"
        return int(number) + counts_retries if isinstance(number, int | float) else None


def _sets_retry(cls: ClassInfo) -> bool:
    return any(
        name in ancestor.attribute_assigns
        for ancestor in cls.mro
        for name in ("autoretry_for", "retry_policy", "retries")
    )


def _named(expr: f.Expr | None) -> str:
    if isinstance(expr, f.Name):
        return expr.id
    return expr.name if isinstance(expr, f.Attr) else ""
