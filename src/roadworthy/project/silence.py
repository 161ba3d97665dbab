"""Places where an error ends without a trace, and which failures of the outside end there."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, GuardKind
from roadworthy.project import flow
from roadworthy.project.phrases import LOG_METHODS, says_closing, sounds_like_report
from roadworthy.project.purpose import drives_program, is_aside, reads_setting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.guard import Guard
    from roadworthy.project.handler import Handler
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

Outcome = Literal["goes on", "next item", "skipped", "success", "default", "nothing", "stand-in"]
"""goes on: the code after the try runs. next item: the loop takes the next one; skipped: the same, and what
the loop does after a success is left out. success: returns True.
default: returns a constant that stands for "not found" or "failed". nothing: returns None from a function that returns values.
stand-in: returns a value that was computed for the purpose."""

_NOT_HIDDEN = frozenset({
    Effect.CLOSE, Effect.ROLLBACK, Effect.LOG, Effect.METRIC, Effect.REPORT_ERROR, Effect.SLEEP, Effect.WAIT, Effect.LOCK, Effect.BLOCK,
    Effect.COMPUTE, Effect.RANDOM_VALUE, Effect.CLOCK_VALUE, Effect.HASH_VALUE, Effect.PROCESS_HASH, Effect.FILE_READ,
})  # fmt: skip
_OPERATING_SYSTEM = frozenset(
    {"OSError", "IOError", "EnvironmentError", "ConnectionError", "TimeoutError", "socket.error", "socket.timeout"}
)

_MINOR = frozenset({Effect.FILE_WRITE, Effect.FILE_REPLACE, Effect.SPAWN_PROCESS, Effect.CONNECT, Effect.CONSUME})
_DATA = frozenset({
    Effect.COMMIT, Effect.SQL_INSERT, Effect.SQL_UPSERT, Effect.SQL_UPDATE, Effect.SQL_INCREMENT, Effect.OBJECT_WRITE, Effect.ENQUEUE,
    Effect.EMAIL, Effect.CHARGE, Effect.START_DURABLE,
})  # fmt: skip
_ROWS = frozenset(
    {
        Effect.COMMIT,
        Effect.SQL,
        Effect.SQL_READ,
        Effect.SQL_INSERT,
        Effect.SQL_UPSERT,
        Effect.SQL_UPDATE,
        Effect.SQL_INCREMENT,
        Effect.SQL_DELETE,
    }
)
_BEST_EFFORT = re.compile(r"(?<![a-z])best[-_ ]effort(?![a-z])", re.IGNORECASE)
_TOLD_ALREADY = re.compile(r"\b(already|been)\s+(been\s+)?(logged|reported)|\bno need to (log|report)\b", re.IGNORECASE)
_SURROUNDINGS = ("169.254.169.254", "169.254.170.2", "metadata.google.internal", "100.100.100.200")
"""Where a machine of a cloud tells about itself: outside that cloud nobody answers, and nobody should."""
_ENDS = frozenset({"sys.exit", "exit", "quit", "os._exit"})
_NOT_YET = frozenset(
    {
        "BlockingIOError",
        "InterruptedError",
        "ssl.SSLWantReadError",
        "ssl.SSLWantWriteError",
        "zmq.Again",
        "zmq.error.Again",
    }
)
"""Nothing has failed: the other side is not ready."""
_LOGGERS = ("logger", "log", "LOGGER", "LOG", "_logger")


@dataclass(frozen=True, slots=True)
class Silence:
    """One handler, or one `suppress`, in which errors vanish."""

    function: Function
    region: int  # the `except` region, the `with` region, or the `finally` region that returns
    covered: int  # the region whose errors vanish
    broad: bool
    types: tuple[str, ...]
    outcome: Outcome
    handler: Handler | None  # None: a `with suppress(…)`, or a `return` in a `finally`
    hidden: tuple[tuple[CallSite, EffectAt], ...]  # failures of the outside that vanish here
    default: f.Expr | None = None

    @property
    def line(self) -> int:
        """Where it stands."""
        return self.function.scope.regions[self.region].line

    @property
    def head(self) -> str:
        """The clause as written, without the colon: `except (A, B)`, `suppress(A)`."""
        scope = self.function.scope
        if scope.regions[self.region].kind == "finally":
            return "finally: return"
        if self.handler is None:
            return f"suppress({', '.join(name.rpartition('.')[2] for name in self.types)})"
        names = [flow.text_of(expr, scope) for expr in scope.regions[self.region].types]
        return f"except ({', '.join(names)})" if len(names) > 1 else f"except {names[0]}" if names else "except"

    @property
    def end_line(self) -> int:
        """Its end; of a `with`, its first line."""
        here = self.function.scope.regions[self.region]
        return here.end_line if self.handler is not None else here.line


def silences(model: Model) -> Iterator[Silence]:
    """Every silent handler and every suppression of reviewed code."""
    for function in model.functions:
        for index, region in enumerate(function.scope.regions):
            if region.kind == "except":
                yield from _of_handler(model, function, index)
            elif region.kind == "with":
                for guard in model.guards.on_region(function, index):
                    if guard.region == index and guard.kind is GuardKind.CATCH and guard.form == "with":
                        yield _of_suppress(model, function, index, guard)
                        break
            elif region.kind == "finally":
                yield from _of_final_return(model, function, index)


def _of_handler(model: Model, function: Function, region: int) -> Iterator[Silence]:
    handler = model.exceptions.handler(function, region)
    if not handler.silent:
        return
    scope = function.scope
    tried = flow.sibling_of_kind(scope, region, "try")
    if tried is None:
        return
    earlier = [model.exceptions.handler(function, h) for h in flow.handlers_of(scope, tried) if h < region]
    hidden = tuple(
        (site, effect)
        for site, effect in _failures(model, function, tried)
        if catches(model, handler.types, effect) and not any(catches(model, e.types, effect) for e in earlier)
    )
    outcome = _outcome(function, handler)
    yield Silence(function, region, tried, handler.broad, handler.types, outcome, handler, hidden, handler.default)


def _of_suppress(model: Model, function: Function, region: int, guard: Guard) -> Silence:
    broad = any(name in {"Exception", "BaseException"} for name in guard.on)
    hidden = tuple(
        (site, effect) for site, effect in _failures(model, function, region) if catches(model, guard.on, effect)
    )
    return Silence(function, region, region, broad, guard.on, "goes on", None, hidden)


def _of_final_return(model: Model, function: Function, region: int) -> Iterator[Silence]:
    """`return` in a `finally` drops whatever was on its way out, unless it first looks whether something is."""
    scope = function.scope
    tried = flow.sibling_of_kind(scope, region, "try")
    leave = next((leave for leave in flow.leaves_in(scope, region) if leave.kind == "return"), None)
    if tried is None or leave is None or any(flow.text_of(c.func, scope).endswith("exc_info") for c in scope.calls):
        return
    handlers = [model.exceptions.handler(function, h) for h in flow.handlers_of(scope, tried)]
    hidden = tuple(
        (site, effect)
        for site, effect in _failures(model, function, tried)
        if not any(catches(model, handler.types, effect) and handler.stops for handler in handlers)
    )
    if hidden:  # without one it is a matter of style
        yield Silence(function, region, tried, True, (), "goes on", None, hidden, leave.value)


def _failures(model: Model, function: Function, region: int) -> Iterator[tuple[CallSite, EffectAt]]:
    found = [
        (site, effect)
        for site, effect in model.untold.within(function, region)
        if (effect.effect.word.external or effect.effect.word.persists) and effect.effect not in _NOT_HIDDEN
    ]
    # `session.add(row)` by itself sends nothing: what fails is the flush or the commit
    if any(not (effect.row.lazy and effect.effect.word.persists) for _, effect in found):
        yield from found


def cannot_speak(function: Function) -> bool:
    """In a finaliser or in a logging handler there is nobody to tell."""
    bases = function.cls.library_bases if function.cls is not None else ()
    return function.name == "__del__" or any(base.startswith("logging.") for base in bases)


def matters_little(failure: tuple[CallSite, EffectAt], silence: Silence, model: Model) -> bool:
    """Bookkeeping, a report about another error, a program told what to do, the last words of something that is closed."""
    site, effect = failure
    name = silence.function.name
    return (
        effect.effect in _MINOR
        or is_aside(model, effect, name, model.callee_text(site))
        or sounds_like_report(site.fact.func, silence.function.scope)
        or drives_program(model, effect)
        or reads_setting(model.callee_text(site), effect)
        or _asks_surroundings(site, effect, model)
        or (says_closing(name) and effect.effect not in _DATA)
    )


def _asks_surroundings(site: CallSite, effect: EffectAt, model: Model) -> bool:
    """A question to the metadata service of a cloud: that it fails is the answer "not there"."""
    for call in (site, effect.site):
        for expr in (*call.fact.args[:2], *(value for _, value in call.fact.kwargs)):
            texts = (*flow.strings_of(expr), str(model.literal(expr, call.function) or ""))
            if any(host in text for text in texts for host in _SURROUNDINGS):
                return True
    return False


def expects_failure(silence: Silence) -> bool:
    """The block ends the program or raises when nothing fails in it: the failure is the good way."""
    scope = silence.function.scope
    if scope.regions[silence.covered].exits == "raise":
        return True
    calls = [call for call in scope.calls if call.region == silence.covered]
    return bool(calls) and flow.text_of(calls[-1].func, scope) in _ENDS


def answers_yes_or_no(silence: Silence, model: Model) -> bool:
    """`return False` in the handler, `return True` elsewhere, and whoever calls looks at it."""
    if not _is_bool(silence.default, value=False):
        return False
    function = silence.function
    ways = [edge for edge in model.edges_to(function) if edge.kind == "call"]
    agreed = any(leave.kind == "return" and _is_bool(leave.value, value=True) for leave in function.scope.leaves)
    return agreed and bool(ways) and all(edge.site.fact.use != "discarded" for edge in ways)


def _is_bool(expr: f.Expr | None, *, value: bool) -> bool:
    return isinstance(expr, f.Const) and expr.kind == "bool" and expr.value is value


def is_best_effort(silence: Silence, model: Model) -> bool:
    """The code says of itself that it need not succeed: in its name, in a comment at the handler or above the block, in the docstring."""
    function = silence.function
    first = min(silence.line, function.scope.regions[silence.covered].line)
    comments = model.comments_near(function.path, first - 4, silence.end_line)
    return _BEST_EFFORT.search(f"{function.name} {function.scope.doc} {comments}") is not None


def is_told_elsewhere(silence: Silence, model: Model) -> bool:
    """It stands in a handler that tells of its own error: this one only comes on top. Or a comment in it says who has told of it."""
    scope = silence.function.scope
    path = silence.function.path
    if _TOLD_ALREADY.search(" ".join(model.comments_near(path, silence.line - 1, silence.end_line).split())):
        return True
    parent = scope.regions[silence.region].parent
    outer = [r for r in flow.ancestors(scope, parent) if scope.regions[r].kind == "except"]
    return any(not model.exceptions.handler(silence.function, region).silent for region in outer)


def catches(model: Model, types: tuple[str, ...], effect: EffectAt) -> bool:
    """Would these exception types catch a failure of this effect in operation (not just a wrong use of it)?"""
    if not types or any(name in {"Exception", "BaseException"} for name in types):
        return True
    for name in types:
        if name in _NOT_YET or not model.exceptions.foresees((name,)):
            continue
        answers = [model.exceptions.is_of_family(raised, name) for raised in effect.row.raises]
        if True in answers or (name in _OPERATING_SYSTEM and not (answers and effect.effect in _ROWS)):
            return True  # no database of the process's own raises `TimeoutError` for a row
        if not answers and name.partition(".")[0] == effect.name.partition(".")[0]:
            return True
    return False


def covers(model: Model, types: tuple[str, ...], effect: EffectAt) -> bool:
    """Would these types catch every failure that the library has for this effect?"""
    raised = effect.row.raises
    return bool(raised) and all(any(model.exceptions.is_subclass(r, name) for name in types) for r in raised)


def _outcome(function: Function, handler: Handler) -> Outcome:
    if handler.exits == "continue":
        return "skipped" if _leaves_out(function, handler.region) else "next item"
    if handler.exits in {"", "break", "mixed"} and handler.default is None:
        return "goes on"
    match handler.default:
        case f.Const(kind="bool", value=True):
            return "success"
        case None | f.Const(kind="none"):
            return "nothing" if returns_values(function) else "goes on"
        case f.Name() | f.Attr() | f.Sub() | f.CallRef() | f.Await():
            return "stand-in"
    return "default"


def _leaves_out(function: Function, region: int) -> bool:
    """Does the loop do something after the try that `continue` in the handler skips?"""
    scope = function.scope
    after = max(scope.regions[r].end for r in flow.siblings(scope, region) if scope.regions[r].kind != "except")
    parent = scope.regions[region].parent
    return any(call.order >= after and flow.within(scope, call.region, parent) for call in scope.calls)


def returns_values(function: Function) -> bool:
    """Does some other return hand out more than None, so that None tells the caller something?"""
    return function.scope.is_generator or any(
        leave.kind == "return"
        and leave.value is not None
        and not (isinstance(leave.value, f.Const) and leave.value.kind == "none")
        for leave in function.scope.leaves
    )


def _is_at_hand(name: str, function: Function) -> bool:
    """A name of the module or of this function; `self` of a method. A logger that another function has made is none."""
    body = function.module.body
    known = name in body.bindings or name in body.imports or name in function.bindings or name in function.parameters
    return known or (name in {"self", "cls"} and function.cls is not None)


def logger_near(model: Model, function: Function) -> str:
    """The logger that a function has at hand: the one that its module calls most, one that it binds or imports, else `logger`."""
    module = function.module
    counts = Counter(
        model.callee_text(site).rpartition(".")[0]
        for other in module.functions
        for site in other.calls
        if flow.last_name(site.fact.func) in LOG_METHODS
        and any(effect.effect is Effect.LOG for effect in model.effects_at(site))
        and (not model.callee_text(site).startswith("self.") or (other.cls is not None and other.cls is function.cls))
    )
    near = [
        (-count, name)
        for name, count in counts.items()
        if name.removesuffix("()").replace(".", "").replace("_", "").isalnum()
        and name != "warnings"  # warns, and has no `exception()`
        and _is_at_hand(name.partition(".")[0], function)
    ]
    if near:
        return min(near)[1]
    called = {model.callee_text(site) for other in module.functions for site in other.calls}  # `log("…")` is no logger
    held = (name for name in _LOGGERS if name in module.body.bindings or name in module.body.imports)
    return next((name for name in held if name not in called), "logger")
