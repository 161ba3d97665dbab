"""What a handler catches, what it does, and whether one exception is a kind of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.values import ClassValue, Container, Instance, Library, LibraryObject

if TYPE_CHECKING:
    from roadworthy.knowledge.index import Knowledge
    from roadworthy.project.effects import Effects
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.reach import Reach
    from roadworthy.project.symbols import CallSite, ClassInfo, Function, Symbols

BROAD = frozenset({"Exception", "BaseException"})
_LOG_METHODS = frozenset({
    "exception", "error", "warning", "warn", "info", "critical", "fatal", "debug", "log", "notice", "success", "trace",
    "aexception", "aerror", "awarning", "ainfo", "adebug", "acritical",
})  # fmt: skip
_LOG_OWNERS = ("log", "logger", "logging", "_log", "_logger", "LOG", "LOGGER", "app.logger", "structlog")
_REPORTING_WORDS = (
    "log", "report", "capture", "notify", "alert", "record", "track", "print", "warn", "emit", "audit", "exception", "error",
    "sentry", "fail", "abort", "message", "incr", "count", "stderr", "echo", "trace",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Handler:
    """One `except` region and what it does with the error."""

    function: Function
    region: int
    types: tuple[str, ...]  # dotted names of what it catches; empty for a bare handler
    broad: bool  # bare, Exception or BaseException
    log_level: (
        str  # "" when it does not log; the loudest method otherwise ("exception" "error" "warning" "info" "debug" …)
    )
    reports: bool  # tells an error tracker, a metric, a reporter of the project, stderr
    raises: bool  # every way out raises (possibly another exception)
    may_raise: bool  # some way out raises
    passes_on: bool  # the error object is used other than for logging: returned, stored, sent, compared
    records: bool  # changes state that outlives the handler: an attribute, an outer container, a row
    only_pass: bool  # nothing at all
    exits: str  # as Region.exits
    default: f.Expr | None  # the value returned from it, if any

    @property
    def line(self) -> int:
        """The line of `except`."""
        return self.function.scope.regions[self.region].line

    @property
    def silent(self) -> bool:
        """Nobody will ever hear of the error: not logged (debug does not count), not reported, raised, passed on or recorded."""
        quiet = not self.log_level or self.log_level in {"debug", "adebug", "trace"}
        return quiet and not (self.reports or self.raises or self.may_raise or self.passes_on or self.records)


class Exceptions:
    """Questions about exception classes and handlers."""

    def __init__(self, symbols: Symbols, knowledge: Knowledge, evaluator: Evaluator, effects: Effects) -> None:
        """`attach` gives the summaries that tell whether a project function logs."""
        self._symbols = symbols
        self._knowledge = knowledge
        self._evaluator = evaluator
        self._effects = effects
        self._reach: Reach | None = None
        self._classes: dict[str, ClassInfo] = {cls.id: cls for cls in symbols.classes}
        self._handlers: dict[tuple[Function, int], Handler] = {}

    def attach(self, reach: Reach) -> None:
        """Summaries of project functions, known only after the exceptions module exists."""
        self._reach = reach

    @property
    def reach(self) -> Reach | None:
        """The summaries, once attached."""
        return self._reach

    def types(self, exprs: tuple[f.Expr, ...], function: Function) -> tuple[str, ...]:
        """Dotted names of the exception classes that expressions name; tuples and module constants are followed."""
        names: dict[str, None] = {}
        for expr in exprs:
            values = self._evaluator.evaluate(expr, function)
            if not values and isinstance(expr, f.Name | f.Attr):
                names[flow.text_of(expr, function.scope)] = None
            for value in values:
                self._collect(value, names)
        return tuple(names)

    def _collect(self, value: object, names: dict[str, None], depth: int = 0) -> None:
        match value:
            case ClassValue():
                names[value.cls.id] = None
            case Instance():
                names[value.cls.id] = None
            case Library():
                names[self.plain(value.name)] = None
            case LibraryObject():
                names[self.plain(value.type)] = None
            case Container() if depth < 4:
                for item in value.items:
                    self._collect(item, names, depth + 1)

    def plain(self, name: str) -> str:
        """The canonical name; built-ins without their module."""
        return self._knowledge.canonical(name).removeprefix("builtins.")

    def is_subclass(self, name: str, base: str) -> bool | None:
        """Does `except base` catch `name`? None when not known."""
        name, base = self.plain(name), self.plain(base)
        if name == base or base in BROAD:
            return (
                True
                if base != "Exception"
                else name not in {"KeyboardInterrupt", "SystemExit", "asyncio.CancelledError", "BaseException"}
            )
        cls = self._classes.get(name)
        if cls is not None:
            if any(ancestor.id == base for ancestor in cls.mro):
                return True
            answers = [self._knowledge.is_subclass(b, base) for b in cls.library_bases]
            return True if True in answers else (None if None in answers else False)
        if base in self._classes:
            return False
        return self._knowledge.is_subclass(name, base)

    def catches(self, handler: Handler, name: str) -> bool | None:
        """Does a handler catch this exception?"""
        if not handler.types:
            return True
        answers = [self.is_subclass(name, base) for base in handler.types]
        if True in answers:
            return True
        return None if None in answers else False

    def nature(self, name: str) -> str:
        """ "transient", "permanent", "conflict" or "mixed", by the library files, through the bases."""
        for known in (self.plain(name), *self._ancestors(name)):
            row = self._knowledge.exception(known)
            if row is not None and row.nature != "mixed":
                return row.nature
        return "mixed"

    def _ancestors(self, name: str) -> tuple[str, ...]:
        cls = self._classes.get(name)
        return cls.library_bases if cls is not None else self._knowledge.exception_bases(name)

    def handler(self, function: Function, region: int) -> Handler:
        """What an `except` region catches and does."""
        key = (function, region)
        if key not in self._handlers:
            self._handlers[key] = self._read(function, region)
        return self._handlers[key]

    def handlers_around(self, function: Function, region: int) -> list[list[Handler]]:
        """The handlers of each `try` whose body encloses a region, innermost first."""
        return [
            [self.handler(function, h) for h in handlers]
            for _, handlers in flow.try_regions(function.scope, region)
            if handlers
        ]

    def _read(self, function: Function, region: int) -> Handler:
        scope = function.scope
        here = scope.regions[region]
        types = self.types(here.types, function)
        leaves = [leave for leave in flow.leaves_in(scope, region) if leave.kind in {"raise", "return"}]
        raising = [leave for leave in leaves if leave.kind == "raise"]
        level, reports, silent_calls = self._calls(function, region)
        name = here.target.id if isinstance(here.target, f.Name) else None
        default = next((leave.value for leave in leaves if leave.kind == "return" and leave.value is not None), None)
        return Handler(
            function,
            region,
            types,
            not here.types or any(t in BROAD for t in types),
            level,
            reports,
            here.exits == "raise" or self._always_raises(function, region, silent_calls),
            bool(raising) or here.exits in {"raise", "mixed"},
            name is not None and self._uses(function, region, name),
            self._records(function, region),
            here.only_pass,
            here.exits,
            default,
        )

    def _always_raises(self, function: Function, region: int, calls: list[f.Call]) -> bool:
        """The last thing it does is to call something that never returns (`sys.exit`, `self.retry`, `pytest.fail`)."""
        return any(
            isinstance(call.func, f.Attr)
            and call.func.name in {"retry", "exit", "abort", "fail"}
            and call.use in {"raised", "discarded"}
            for call in calls
            if call.region == region
        )

    def _calls(self, function: Function, region: int) -> tuple[str, bool, list[f.Call]]:
        level, reports = "", False
        others: list[f.Call] = []
        for call in flow.calls_in(function.scope, region):
            site = function.site(call)
            words = {e.effect for e in self._effects.at.get(site, ())}
            method = (
                call.func.name
                if isinstance(call.func, f.Attr)
                else call.func.id
                if isinstance(call.func, f.Name)
                else ""
            )
            if Effect.LOG in words or self.looks_like_logging(call, function):
                level = louder(level, method if method in _LOG_METHODS else "info")
            elif (
                Effect.REPORT_ERROR in words
                or Effect.METRIC in words
                or self._project_reports(site)
                or self._sounds_like_report(method)
            ):
                reports = True
            else:
                others.append(call)
        return level, reports, others

    def looks_like_logging(self, call: f.Call, function: Function) -> bool:
        """A logger from a place that we could not resolve: told by its name and method."""
        if not isinstance(call.func, f.Attr) or call.func.name not in _LOG_METHODS:
            return False
        owner = (
            flow.text_of(call.func.value, function.scope)
            .rpartition(".")[2]
            .lower()
            .removesuffix("(…)")
            .removesuffix("()")
        )
        return (
            owner in {o.lower() for o in _LOG_OWNERS}
            or owner.endswith(("log", "logger", "logging"))
            or "logger" in owner
        )

    def _project_reports(self, site: CallSite) -> bool:
        return self._reach is not None and self._reach.site_reaches(
            site, {Effect.LOG, Effect.REPORT_ERROR, Effect.METRIC}
        )

    def _sounds_like_report(self, name: str) -> bool:
        lowered = name.lower()
        return any(word in lowered for word in _REPORTING_WORDS)

    def _uses(self, function: Function, region: int, name: str) -> bool:
        """Is the caught error used for anything but logging?"""
        scope = function.scope
        here = scope.regions[region]
        last = scope.last_read.get(name, -1)
        if not here.start <= last < here.end:
            return False
        for leave in flow.leaves_in(scope, region):
            if _mentions(leave.value, name, scope) or _mentions(leave.cause, name, scope):
                return True
        for assign in flow.assigns_in(scope, region):
            if assign.op != "except" and _mentions(assign.value, name, scope):
                return True
        for call in flow.calls_in(scope, region):
            if self.looks_like_logging(call, function):
                continue
            if any(_mentions(a, name, scope) for a in call.args) or any(
                _mentions(v, name, scope) for _, v in call.kwargs
            ):
                return True
        inner = [r for r in scope.regions if r.kind in {"if", "while"} and here.start <= r.start and r.end <= here.end]
        return any(_mentions(r.test, name, scope) for r in inner)

    def _records(self, function: Function, region: int) -> bool:
        """Sets an attribute, an item or a name that is read after the handler; or calls something that keeps the failure."""
        scope = function.scope
        here = scope.regions[region]
        for assign in flow.assigns_in(scope, region):
            if isinstance(assign.target, f.Attr | f.Sub):
                return True
            if (
                isinstance(assign.target, f.Name)
                and assign.op != "except"
                and scope.last_read.get(assign.target.id, -1) >= here.end
            ):
                value = assign.value
                trivial = isinstance(value, f.Const | f.Str) or (isinstance(value, f.Seq | f.Dict) and not value.items)
                if not trivial or (isinstance(value, f.Const) and value.kind == "bool"):
                    return True
        for call in flow.calls_in(scope, region):
            if isinstance(call.func, f.Attr) and call.func.name in {
                "append",
                "add",
                "put",
                "put_nowait",
                "set_exception",
                "set_result",
                "extend",
            }:
                return True
        return False


def louder(first: str, second: str) -> str:
    """The louder of two log methods."""
    order = ("", "trace", "debug", "adebug", "info", "ainfo", "notice", "success", "log", "warn", "warning", "awarning", "error", "aerror",
             "exception", "aexception", "critical", "acritical", "fatal")  # fmt: skip
    rank = {name: index for index, name in enumerate(order)}
    return max(first, second, key=lambda level: rank.get(level, 9))


def _mentions(expr: f.Expr | None, name: str, scope: f.Scope) -> bool:
    """Does an expression, its calls' arguments included, read the name?"""
    if expr is None:
        return False
    for part in flow.walk(expr):
        if isinstance(part, f.Name) and part.id == name:
            return True
        if isinstance(part, f.CallRef):
            call = scope.calls[part.index]
            inner = (call.func, *call.args, *(v for _, v in call.kwargs))
            if any(_mentions(e, name, scope) for e in inner):
                return True
    return False
