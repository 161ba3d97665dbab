"""Waits without an end: for an answer, a program, a pooled object, a signal of another thread, a state that a loop polls."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, EntryKind, GuardKind
from roadworthy.project import flow
from roadworthy.project.handles import fate_of
from roadworthy.project.handoffs import waiting_top
from roadworthy.project.once import once
from roadworthy.project.values import Container, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.clients import TimeoutVerdict
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_PROGRAM = re.compile(r"(Popen|Process)\.(wait|communicate)$")
_SIGNAL = re.compile(r"(Event|Condition|Barrier)\.(wait|wait_for)$")
_QUEUE = re.compile(r"Queue\.get$")
_OWN_WORK = re.compile(
    r"(Thread|Process|Greenlet|Group|Queue)\.join$|^concurrent\.futures\.|^multiprocessing\.|^gevent\.|^eventlet\.|^asyncio\.|^trio\."
    r"|^anyio\.|^threading\.|^socket\.|^select|^signal\.|^os\.|^fcntl\.|^zmq\.|^prefect\.|\.workflow\.wait_condition$|recv|receive"
    r"|drain_events$|shutdown$|LeaderElection|Limiter"
)
"""Waits for the program's own threads and tasks, which end when their calls end; reads of the work source; workflow waits."""
_ONE_ANSWER = re.compile(r"Client(WebSocketResponse|Connection|Protocol)\.(recv|receive)")
"""Reading a connection that this side has opened: outside of a loop it is the answer to something."""
_STOPS = re.compile(r"stop|shut|exit|clos|cancel|terminat|quit|kill|done|finish|disconnect", re.IGNORECASE)
_POOL = re.compile(r"pool|conn|session|client|slot|idle|free|avail", re.IGNORECASE)
_BOUND = re.compile(
    r"time\(|\.now\(|monotonic|perf_counter|utcnow|deadline|timeout|time_out|elapsed|attempt|retries|tries|expir|max_|remaining|counter"
    r"|time_limit|_limit|is_disconnected|since|until",
    re.IGNORECASE,
)
_DONE = re.compile(r"success|succeeded|done|finished|complete|ready", re.IGNORECASE)
_ASKS = frozenset({"done", "ready", "successful", "failed", "is_finished", "add_done_callback"})
_FAILED = re.compile(r"fail|error", re.IGNORECASE)
_ENDED = re.compile(r"cancel|stop|abort|terminat|time_?d?_?out|expire|kill", re.IGNORECASE)
_ALIVE = re.compile(r"running|alive|started|active|healthy", re.IGNORECASE)
_CALLED_OFF = re.compile(r"cancel|ended|error|failed|abort|disconnect", re.IGNORECASE)
_LONG = 300.0
_TRIED = 20  # entries of which one is named
_ORDER = frozenset({"<", ">", "<=", ">="})
_IN_TURN = frozenset({
    EntryKind.HTTP_HANDLER, EntryKind.WEBHOOK_HANDLER, EntryKind.QUEUE_CONSUMER, EntryKind.JOB, EntryKind.DURABLE_ACTIVITY,
    EntryKind.LAMBDA_HANDLER, EntryKind.MIDDLEWARE, EntryKind.SCHEDULED, EntryKind.SIGNAL_RECEIVER,
})  # fmt: skip
"""Entries that serve one request, message or run after the other."""


@dataclass(frozen=True, slots=True, eq=False)
class Wait:
    """A call that waits until somebody else has done something, without a limit."""

    effect: EffectAt
    verdict: TimeoutVerdict
    what: str  # "answer" "job" "program" "pool" "signal" "queue" "loop" "lock"


@dataclass(frozen=True, slots=True, eq=False)
class Poll:
    """A loop that sleeps until a condition holds, without a limit."""

    function: Function
    region: int
    pause: CallSite
    condition: str  # as written; "" for `while True`
    until_over: bool = False  # the work of another system has come to an end, good or bad


def serves_in_turn(model: Model, function: Function) -> bool:
    """Is it reached from an entry that serves requests, messages or runs one after the other, in the same thread of control?"""
    return any(r.inline and r.entry.kind in _IN_TURN for r in model.exposure(function).entries)


def endless_waits(model: Model) -> Iterator[Wait]:
    """Waits of reviewed code that nothing ends, neither themselves nor a limit around them."""
    for effect in model.effects_of(Effect.WAIT, Effect.LOCK):
        if effect.row.runs_until_stopped or (effect.row.awaitable and not effect.site.fact.awaited):
            continue
        if any(e.effect.word.external for e in model.effects_at(effect.site)):
            continue  # an external call, judged as such
        verdict = model.timeout(effect)
        if verdict.bound != "forever" and not _is_long(verdict):
            continue
        what = "" if _goes_with_its_call(model, effect, verdict) else _what(model, effect)
        if (
            what
            and (what in {"answer", "job"} or verdict.bound == "forever")
            and not _limited_around(model, effect.site)
        ):
            yield Wait(effect, verdict, what)


def _goes_with_its_call(model: Model, effect: EffectAt, verdict: TimeoutVerdict) -> bool:
    """It waits for the answer to a request on the same client: the construction is judged there, once."""
    if not verdict.at_construction:
        return False
    return any(
        other.effect.word.external and model.timeout(other).cause is verdict.cause
        for site in effect.function.calls
        for other in model.effects_at(site)
    )


def _is_long(verdict: TimeoutVerdict) -> bool:
    """Nobody chose a limit, and the library's own is as good as none for whoever waits."""
    return verdict.bound == "bounded" and verdict.reason in {"absent", "none"} and (verdict.seconds or 0) >= _LONG


def _what(model: Model, effect: EffectAt) -> str:
    """What is waited for; empty when that is the program's own business."""
    site, name = effect.site, effect.name
    if _QUEUE.search(name):
        return _queue(site)
    if _PROGRAM.search(name) and not name.startswith("multiprocessing."):
        return (
            "" if _killed_before(site) or flow.loop_of(site.function.scope, site.fact.region) is not None else "program"
        )
    receiver = _receiver(site)
    if _SIGNAL.search(name):
        in_loop = flow.loop_of(site.function.scope, site.fact.region) is not None
        return "" if in_loop or _STOPS.search(receiver) or _is_set_at_last(model, receiver) else "signal"
    if name.startswith("concurrent.futures.Future.") and _of_a_loop(model, effect):
        return "loop"
    if _ONE_ANSWER.search(name) and flow.loop_of(site.function.scope, site.fact.region) is None:
        return _answer_of(model, effect)
    if _OWN_WORK.search(name):
        return ""
    if effect.effect is Effect.LOCK:
        return "lock"
    return "" if _is_known_done(site) else _answer_of(model, effect)


def _answer_of(model: Model, effect: EffectAt) -> str:
    """A job that a worker takes when one is free, or another system."""
    library = model.knowledge.library_of(effect.name)
    return "job" if library is not None and "job-queue" in library.role else "answer"


def _is_set_at_last(model: Model, receiver: str) -> bool:
    """The event is set in a `finally` under a time limit: it comes whatever happens to the work."""
    return receiver.rpartition(".")[2] in _set_at_last(model)


@once
def _set_at_last(model: Model) -> frozenset[str]:
    """Names of events that are set in a `finally` whose `try` has a time limit in it."""
    found = set()
    for function in model.functions:
        scope = function.scope
        for site in function.calls:
            func = site.fact.func
            if not isinstance(func, f.Attr) or func.name != "set" or site.fact.args:
                continue
            last = next(
                (r for r in flow.ancestors(scope, site.fact.region) if scope.regions[r].kind == "finally"), None
            )
            if last is not None and _has_limit(model, function, last):
                found.add(flow.text_of(func.value, scope).rpartition(".")[2])
    return frozenset(found)


def _has_limit(model: Model, function: Function, last: int) -> bool:
    """The `try` of a `finally` holds a block with a time limit, by a library or by a name that says so."""
    scope = function.scope
    group = scope.regions[last].group
    for index, region in enumerate(scope.regions):
        inside = any(
            scope.regions[r].kind == "try" and scope.regions[r].group == group for r in flow.ancestors(scope, index)
        )
        if region.kind == "with" and inside:
            guards = model.guards.of_region(function, index)
            named = any("timeout" in flow.every_text(item, scope).lower() for item, _ in region.items)
            if named or any(guard.kind is GuardKind.TIMEOUT for guard in guards):
                return True
    return False


def _queue(site: CallSite) -> str:
    """A queue that is also given back to is a pool; any other is asked for an answer only outside of loops."""
    scope, receiver = site.function.scope, _receiver(site)
    if flow.loop_of(scope, site.fact.region) is not None:
        return ""
    gives_back = any(
        isinstance(call.func, f.Attr)
        and call.func.name in {"put", "put_nowait"}
        and call.order > site.fact.order
        and flow.text_of(call.func.value, scope) == receiver
        for call in scope.calls
    )
    return "pool" if gives_back or _POOL.search(receiver) else ""


def _killed_before(site: CallSite) -> bool:
    receiver = _receiver(site)
    return any(
        isinstance(call.func, f.Attr)
        and call.func.name in {"kill", "send_signal"}
        and call.order < site.fact.order
        and flow.text_of(call.func.value, site.function.scope) == receiver
        for call in site.function.scope.calls
    )


def _of_a_loop(model: Model, effect: EffectAt) -> bool:
    """A future of work that was handed to an event loop in another thread."""
    for receiver in model.clients.receivers(effect):
        made = getattr(receiver, "site", None)
        if made is not None and any(n.endswith(".run_coroutine_threadsafe") for n in model.library_names(made)):
            return True
    return False


def _is_known_done(site: CallSite) -> bool:
    """The result of a future that is handed in by a callback, comes out of a loop over finished ones, or was asked before."""
    scope, receiver = site.function.scope, _receiver(site)
    if any(_says_done(scope.regions[r].test, receiver, scope) for r in flow.ancestors(scope, site.fact.region)):
        return True
    if receiver in site.function.parameters and site.function.name.startswith(
        ("_on_", "on_", "_done", "callback", "_callback")
    ):
        return True
    for call in scope.calls:
        if call.order < site.fact.order and isinstance(call.func, f.Attr):
            about = flow.text_of(call.func.value, scope) == receiver
            if about and call.func.name in _ASKS:
                return True
    for loop in flow.loops_of(scope, site.fact.region):
        here = scope.regions[loop]
        if (
            here.kind == "for"
            and flow.text_of(here.target, scope) == receiver
            and "as_completed" in flow.text_of(here.test, scope)
        ):
            return True
    return False


def _says_done(test: f.Expr | None, receiver: str, scope: f.Scope) -> bool:
    """`result.status == SUCCESS` around it, by whatever name the state goes."""
    if not isinstance(test, f.Compare) or test.ops not in {("==",), ("in",), ("is",)}:
        return False
    left, right = (flow.text_of(side, scope) for side in (test.left, test.rights[0]))
    return left in {f"{receiver}.{name}" for name in ("status", "state")} and _DONE.search(right) is not None


def _receiver(site: CallSite) -> str:
    func = site.fact.func
    return flow.text_of(func.value, site.function.scope) if isinstance(func, f.Attr) else ""


def _limited_around(model: Model, site: CallSite) -> bool:
    return model.coverage(site, lambda g: g.kind is GuardKind.TIMEOUT and not model.guards.never_ends(g)).everywhere


# --- polling ---------------------------------------------------------------------------------------------------------


def endless_polls(model: Model) -> Iterator[Poll]:
    """Loops that sleep until something has come about and look neither at a clock nor at a count."""
    for function in model.functions:
        for index, region in enumerate(function.scope.regions):
            if region.kind == "while" and model.guards.loop(function, index).kind in {"poll", "other"}:
                pause = _pause(model, function, index)
                if pause is not None and _only_looks(model, function, index) and not _limited_around(model, pause):
                    if _is_collected_in_time(model, function):
                        continue
                    forever = isinstance(region.test, f.Const)
                    written = "" if forever else _written(region.test, function)
                    yield Poll(function, index, pause, written, _is_over(model, region.test, function))


def _is_collected_in_time(model: Model, function: Function) -> bool:
    """It runs in tasks only, and whoever starts one waits for it with a limit: `for task in as_completed(tasks, timeout=60)`."""
    edges = model.edges_to(function)
    return bool(edges) and all(
        edge.kind == "task"
        and fate_of(model, edge.spawner or edge.site)[0] == "waited"
        and any(
            flow.last_name(site.fact.func) in _COLLECTS and has_limit(site.fact)
            for site in (edge.spawner or edge.site).function.calls
        )
        for edge in edges
    )


_COLLECTS = frozenset({"as_completed", "wait", "wait_for"})


def has_limit(call: f.Call) -> bool:
    """Is it given a `timeout` that is not None?"""
    return any(
        key == "timeout" and not (isinstance(value, f.Const) and value.value is None) for key, value in call.kwargs
    )


def _is_over(model: Model, test: f.Expr | None, function: Function) -> bool:
    """`while state not in {"SUCCEEDED", "FAILED", "STOPPED"}`: the loop ends with the work of the other system, also when that fails or is
    stopped there, by hand or by its own limit. A list without such a state is one that may never come."""
    if not isinstance(test, f.Compare) or test.ops != ("not in",):
        return False
    found = model.values(test.rights[0], function)
    states = [item for value in found if isinstance(value, Container) for item in value.items]
    words = " ".join(str(state.value) for state in states if isinstance(state, Literal))
    return bool(_FAILED.search(words) and _ENDED.search(words))


def _written(test: f.Expr | None, function: Function) -> str:
    if isinstance(test, f.Compare) and len(test.rights) == 1:
        left, right = (flow.text_of(side, function.scope) for side in (test.left, test.rights[0]))
        return f"{left} {test.ops[0]} {right}"
    return flow.text_of(test, function.scope)


def _pause(model: Model, function: Function, index: int) -> CallSite | None:
    """The sleep that every round passes."""
    for call in flow.calls_in(function.scope, index):
        site = function.site(call)
        if call.region == index and any(e.effect is Effect.SLEEP for e in model.effects_at(site)):
            return site
    return None


def _only_looks(model: Model, function: Function, index: int) -> bool:
    """No clock, no count, no yield, no work in it: the loop is there to wait."""
    scope = function.scope
    assigns = list(flow.assigns_in(scope, index))
    if any(a.op not in {"=", ":=", "for", "with", "except"} for a in assigns):
        return False
    if any(leave.kind == "yield" for leave in flow.leaves_in(scope, index)) or _asserts_life(scope, index):
        return False
    if any(_is_called_off(scope, leave, index) for leave in flow.leaves_in(scope, index)):
        return False
    calls = list(flow.calls_in(scope, index))
    tests = [r.test for i, r in enumerate(scope.regions) if r.test is not None and flow.within(scope, i, index)]
    if any(isinstance(part, f.Compare) and set(part.ops) & _ORDER for expr in tests for part in flow.walk(expr)):
        return False  # a clock or a count, whatever it is called
    texts = [flow.every_text(expr, scope) for expr in (*tests, *(a.value for a in assigns))]
    texts.extend(f"{flow.text_of(call.func, scope)}(" for call in calls if call.region >= 0)
    if any(_BOUND.search(text) for text in texts) or _STOPS_LOOP.search(
        flow.every_text(scope.regions[index].test, scope)
    ):
        return False
    if isinstance(scope.regions[index].test, f.Const) and not any(
        leave.kind in {"break", "return"} for leave in flow.leaves_in(scope, index)
    ):
        return False
    return not any(
        e.effect.word.persists or e.effect in {Effect.CONSUME, Effect.ACK}
        for call in calls
        for e in model.effects_through(function.site(call))
    )


def _is_called_off(scope: f.Scope, leave: f.Leave, loop: int) -> bool:
    """`if self.ended or self.connection_error: return`: a flag of what is waited for ends the wait; one for the end of the process does not."""
    here = scope.regions[leave.region]
    if leave.kind == "continue" or here.kind != "if" or leave.region == loop:
        return False
    parts = here.test.items if isinstance(here.test, f.BoolOp) and here.test.op == "or" else (here.test,)
    return any(
        isinstance(p, f.Attr) and _CALLED_OFF.search(p.name) and flow.root_name(p, scope) == "self" for p in parts
    )


def _asserts_life(scope: f.Scope, index: int) -> bool:
    """`assert service.is_running()` in each round: the loop ends with the one that should bring the state about."""
    return any(
        test.kind == "assert"
        and flow.within(scope, test.region, index)
        and _ALIVE.search(flow.every_text(test.value, scope))
        for test in scope.tests
    )


_STOPS_LOOP = re.compile(
    r"stop|shut|exit|cancel|terminat|quit|running|active|alive|range|next|page|cursor", re.IGNORECASE
)


def who_waits(model: Model, effect: EffectAt) -> Entry | None:
    """The entry to name for a call that may hang: one that serves others, before scripts, and that no time limit ends."""
    top = waiting_top(model, effect)
    exposure = model.exposure(top)
    served = [reached.entry for reached in exposure.entries if reached.entry.serves_others]
    for entry in served[:_TRIED] if top is effect.function else ():
        if all(guard.kind is not GuardKind.TIMEOUT for guard in model.guards_on_way(entry, effect.site)[0]):
            return entry
    return served[0] if served else exposure.worst
