"""How findings name things, so that all rules speak alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.advice.code import written
from roadworthy.knowledge.vocabulary import Delivery, Effect, EntryKind
from roadworthy.project.entryreach import BEFORE

if TYPE_CHECKING:
    from collections.abc import Collection

    from roadworthy.facts.schema import Expr
    from roadworthy.project.database.tables import Column, Table, UniqueKey
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.handoffs import Handoff
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_ADDRESS = re.compile(r"[\"']https?://([A-Za-z0-9][A-Za-z0-9.-]+\.[A-Za-z]{2,})(?:[:/?\"']|$)")
_KIND = {
    EntryKind.HTTP_HANDLER: "the handler of",
    EntryKind.WEBHOOK_HANDLER: "the webhook handler",
    EntryKind.QUEUE_CONSUMER: "the consumer",
    EntryKind.JOB: "the job",
    EntryKind.DURABLE_WORKFLOW: "the workflow",
    EntryKind.DURABLE_ACTIVITY: "the activity",
    EntryKind.SCHEDULED: "the scheduled job",
    EntryKind.WORKER_LOOP: "the loop in",
    EntryKind.STARTUP: "the start-up hook",
    EntryKind.SHUTDOWN: "the shutdown hook",
    EntryKind.COMMAND: "the command",
    EntryKind.LAMBDA_HANDLER: "the Lambda handler",
    EntryKind.SIGNAL_RECEIVER: "the signal receiver",
    EntryKind.MIDDLEWARE: "the middleware",
    EntryKind.IMPORT_TIME: "the import of",
}


def entry(found: Entry | None, function: Function | None = None) -> str:
    """`the handler of `POST /orders``, `the job `send_mail``, always singular; for None ``f()``, or `its caller`."""
    if found is None:
        return (
            f"`{function.qualname}()`"
            if function is not None and function.kind == "function"
            else f"the run of `{function.path}`"
            if function is not None and function.kind == "module"
            else "its caller"
        )
    if found.function.kind == "module":
        what = "the import of" if found.kind is EntryKind.IMPORT_TIME else "the script"
        return f"{what} `{found.function.path}`"
    kind = _KIND[found.kind]
    if found.source == BEFORE:
        return f"the start of `{name(found)}`"
    if found.kind in {EntryKind.HTTP_HANDLER, EntryKind.WEBHOOK_HANDLER}:
        kind = kind if _has_route(found) else kind.removesuffix(" of")
    return f"{kind} `{name(found)}`"


def name(found: Entry) -> str:
    """What people call an entry: its route, else its function; a class of commands is known by its file."""
    function = found.function
    if _has_route(found):
        return found.label
    if found.kind is EntryKind.COMMAND and function.cls is not None and function.cls.name == "Command":
        return function.path.rpartition("/")[2].removesuffix(".py")
    if function.kind == "lambda":
        return function.qualname.rpartition(".")[0]
    return function.qualname


def _has_route(found: Entry) -> bool:
    method, _, path = found.label.partition(" ")
    return path.startswith("/") and method.isupper()


def subject(found: Entry | None, function: Function | None = None) -> str:
    """As `entry`, to start a sentence with."""
    text = entry(found, function)
    return f"{text[0].upper()}{text[1:]}"


def hangs(
    found: Entry | None,
    function: Function | None = None,
    *,
    on_loop: bool = False,
    awaited: bool = False,
    killed: float | None = None,
) -> str:
    """What a call without an end does to an entry; `awaited`: it leaves the loop to others; `killed`: seconds until the server ends it."""
    who = entry(found, function)
    if found is None:
        if function is None or function.kind == "module":
            return f"{who} hangs"
        lost = "the task that runs it never ends" if function.is_async else "whoever called it waits with it"
        return f"{who} hangs, and {lost}"
    if on_loop:
        return f"{who} holds the event loop, and every other request of the process waits"
    match found.kind:
        case EntryKind.HTTP_HANDLER | EntryKind.WEBHOOK_HANDLER | EntryKind.MIDDLEWARE if awaited:
            return f"{who} hangs, and each further request waits beside it with its connection and its memory"
        case EntryKind.HTTP_HANDLER | EntryKind.WEBHOOK_HANDLER | EntryKind.MIDDLEWARE:
            if killed is not None:
                return f"{who} hangs until the server kills its worker after {killed:g} s, and so does each further request"
            return f"{who} hangs, and each further request takes another worker until none is left"
        case EntryKind.JOB | EntryKind.DURABLE_ACTIVITY:
            return f"{who} hangs, and each further run takes another worker until the queue stands still"
        case EntryKind.QUEUE_CONSUMER:
            return f"{who} hangs, and the messages behind this one wait"
        case EntryKind.WORKER_LOOP | EntryKind.SCHEDULED:
            return f"{who} stops doing its work, and nothing restarts it"
        case EntryKind.SIGNAL_RECEIVER:
            return f"{who} hangs, and with it whatever sent the signal"
        case EntryKind.STARTUP | EntryKind.IMPORT_TIME:
            return f"{who} hangs, and the process never becomes ready"
        case EntryKind.COMMAND:
            return f"{who} hangs until somebody kills it"
    return f"{who} hangs"


def whom(found: Entry | None, function: Function, model: Model) -> str:
    """An entry as `entry` says it; where none is known, who calls the function, with the place."""
    if found is None and function.kind == "function":
        callers = sorted(model.edges_to(function), key=lambda e: (e.site.path, e.site.line))
        caller = next((e for e in callers if e.caller is not function and e.caller.kind == "function"), None)
        if caller is not None:
            return f"`{caller.caller.qualname}()` ({caller.site.path}:{caller.site.line})"
    return entry(found, function)


def unanswered(found: EffectAt, model: Model) -> str:
    """The ordinary faults that make a call raise, to start a sentence with: an answer of 503 does where somebody asks for it."""
    if found.effect is Effect.EMAIL:
        return "A timeout, a refused connection or a mail server that is busy"
    asks = any(model.callee_text(site).endswith("raise_for_status") for site in found.function.calls)
    silent = found.row.result_tells == "status" and not asks
    return "A timeout or a refused connection" if silent else "A timeout, a refused connection or a 503"


def so(one: str, many: str, items: list[str]) -> str:
    """That others do the same, as a sentence behind another: " So does `a`.", " So do `a` and `b`."; "" for none."""
    return f" So {one if len(items) == 1 else many} {joined(items)}." if items else ""


def often(function: Function, region: int) -> str:
    """How often a loop asks that waits for something."""
    counted = function.scope.regions[region].kind == "for"
    return (
        "a limited number of times for what it waits for"
        if counted
        else "again and again until the remote work is done"
    )


def never_comes_back(handoff: Handoff, *, on_loop: bool = False) -> str:
    """What a call without an end does to work that its entry has handed over, as a sentence without a full stop."""
    runs = f"`{handoff.runs}()`"
    if on_loop:
        return f"the task that runs {runs} holds the event loop, and everything else of the process waits"
    if handoff.edge.kind == "background" and handoff.pooled:
        return f"the server's thread that runs {runs} after the response is never given back, and each further one takes another until none is left"
    if handoff.pooled:
        return f"the thread of the pool that runs {runs} is never given back, and each further run takes another until none is left"
    if handoff.edge.kind in {"thread", "timer"}:
        return f"the thread that runs {runs} never ends, and each further one stays beside it"
    if handoff.edge.kind == "process":
        return f"the process that runs {runs} never ends"
    return f"the task that runs {runs} never ends, and nobody is told that its work is not done"


def on_two_rows(asks_for_one: bool | None) -> str:
    """What a lookup does that comes upon two rows of one key; `asks_for_one` as the model tells it."""
    if asks_for_one is None:
        return "finds either of them or fails on two"
    return "fails on the two" if asks_for_one else "finds either of them"


def silence(found: EffectAt) -> str:
    """The fault that makes a call wait for ever, as the start of a sentence."""
    if found.name.endswith(".result"):
        return "When the work that was begun there never ends"
    match found.effect:
        case Effect.SPAWN_PROCESS:
            return "When the program that it starts never ends"
        case Effect.CONNECT:
            return "When the server takes the connection and never answers"
        case (
            Effect.SQL | Effect.SQL_READ | Effect.SQL_INSERT | Effect.SQL_UPDATE | Effect.SQL_UPSERT | Effect.SQL_DELETE
        ):
            return "When the database stops answering, or a lock is never released"
        case Effect.CONSUME:
            return "When no message comes, or the broker has gone without a word"
    host = _host(found.site)
    return f"When `{host}` accepts and never answers" if host else "When the other side accepts and never answers"


def _host(site: CallSite) -> str:
    """The server that a call names by its address: `api.example.com`; empty where it is only known at run time."""
    given = [value for keyword, value in site.fact.kwargs if keyword == "url"]
    for value in (*given, *site.fact.args[:2]):
        found = _ADDRESS.match(written(value, site.function).lstrip("f"))
        if found:
            return found.group(1)
    return ""


def again(found: Entry) -> str:
    """Why the same input comes to this entry a second time, as the start of a sentence."""
    match found.kind:
        case EntryKind.WEBHOOK_HANDLER:
            return "The sender repeats an event until it sees a success, so after a timeout or a deploy the same event comes again"
        case EntryKind.QUEUE_CONSUMER:
            return (
                "The broker delivers a message again when the worker dies or loses its lease before the acknowledgement"
            )
        case EntryKind.JOB:
            return f"The job `{name(found)}` runs again when it is retried or redelivered"
        case EntryKind.DURABLE_ACTIVITY:
            return "The engine runs an activity again after a timeout or a worker's death, also when the first run had done its work"
        case EntryKind.DURABLE_WORKFLOW:
            return "The engine replays a workflow from its history after every deploy and cache eviction"
        case EntryKind.LAMBDA_HANDLER:
            return "The platform delivers an asynchronous event again after an error or a timeout"
        case EntryKind.SCHEDULED:
            return f"The schedule runs `{name(found)}` again over the same data"
    if found.delivery is Delivery.CLIENT_RETRY:
        return "A client that saw a timeout, or a person who clicked twice, sends the request again"
    return "It is run again over the same data after a failure half-way"


def twice(found: Entry | None) -> str:
    """What comes to an entry twice at the same time: "two requests at once"."""
    if found is None:
        return "two calls at once"
    match found.kind:
        case EntryKind.WEBHOOK_HANDLER:
            return "the same event twice at once"
        case EntryKind.HTTP_HANDLER | EntryKind.MIDDLEWARE:
            return "two requests at once"
        case EntryKind.QUEUE_CONSUMER | EntryKind.LAMBDA_HANDLER:
            return "a message and its redelivery at once"
        case EntryKind.JOB | EntryKind.DURABLE_ACTIVITY | EntryKind.DURABLE_WORKFLOW:
            return "two runs at once"
    return "two runs that overlap"


def at_once(found: Entry | None, function: Function, thing: str = "") -> str:
    """How an entry comes to run beside itself, as a clause: "two runs of the job `send` overlap"; `thing`: "for one `Order`"."""
    tail = f" {thing}" if thing else ""
    if found is None or found.kind is EntryKind.SIGNAL_RECEIVER:
        return f"`{function.qualname}()` is called twice at once{tail}"
    who = entry(found, function)
    match found.kind:
        case EntryKind.WORKER_LOOP:
            return f"{who} runs twice at once{tail}, in two processes or threads"
        case EntryKind.JOB | EntryKind.DURABLE_ACTIVITY | EntryKind.DURABLE_WORKFLOW | EntryKind.SCHEDULED:
            return f"two runs of {who}{tail} overlap"
        case EntryKind.COMMAND | EntryKind.STARTUP | EntryKind.SHUTDOWN | EntryKind.IMPORT_TIME:
            return f"{who} runs twice at once{tail}"
    return f"{who} gets {twice(found)}{tail}"


def call(site: CallSite, model: Model) -> str:
    """The callee as written, with brackets: `requests.post()`."""
    return f"{model.callee_text(site)}()"


def code(value: Expr | None, function: Function) -> str:
    """An expression as its author wrote it, with its arguments: `min(2**attempt, 30)`."""
    return written(value, function)


def effect(found: EffectAt, model: Model) -> str:
    """The call and what it does, for a sentence: "`session.post()` sends an HTTP request"."""
    return f"`{call(found.site, model)}` {found.effect.word.meaning}"


def which(found: EffectAt, model: Model) -> str:
    """As `effect`, to be named and explained: "`session.post()`, which sends an HTTP request"."""
    return f"`{call(found.site, model)}`, which {found.effect.word.meaning}"


def either(items: list[str], limit: int = 4) -> str:
    """`a`, `b` or `c`; `a`, `b` or 3 others."""
    shown, rest = items[:limit], len(items) - limit
    if rest > 0:
        shown.append("another" if rest == 1 else f"{rest} others")
    return f"{', '.join(shown[:-1])} or {shown[-1]}" if len(shown) > 1 else "".join(shown)


def joined(items: list[str], limit: int = 4) -> str:
    """`a`, `b` and 3 more."""
    shown = items[:limit]
    rest = len(items) - len(shown)
    if rest:
        return f"{', '.join(shown)} and {rest} more"
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def void_key(key: UniqueKey, column: Column) -> str:
    """What a key does not do for rows without a value in one of its columns."""
    return f"the unique key ({', '.join(key.columns)}) lets in as many rows without a `{column.attribute}` as are inserted, for no NULL equals another"


def dropped_key(table: Table, columns: Collection[str]) -> str:
    """`the model declares one, but a.py:3 dropped it`; "" where no migration did."""
    dropped = table.dropped_over(columns)
    at = dropped.dropped if dropped is not None else None
    return f"the model declares one, but {at.path}:{at.line} dropped it" if at is not None else ""


def seconds(number: float) -> str:
    """30 s, 10 min."""
    if number >= 120:
        return f"{number / 60:.0f} min"
    return f"{number:g} s"


_DOES = {
    Effect.ENQUEUE: "enqueues a job",
    Effect.PUBLISH: "publishes a message",
    Effect.START_DURABLE: "starts a durable execution",
    Effect.EMAIL: "sends an e-mail",
    Effect.SMS: "sends a text message",
    Effect.NOTIFY: "posts a notification",
    Effect.OBJECT_DELETE: "deletes an object",
    Effect.OBJECT_WRITE: "writes an object",
    Effect.SQL_INSERT: "inserts rows",
    Effect.SQL_UPSERT: "upserts rows",
    Effect.SQL_INCREMENT: "counts in a row",
    Effect.COMMIT: "commits",
    Effect.HTTP_REQUEST: "sends a request",
    Effect.RPC: "calls a remote API",
}


def does(found: Effect) -> str:
    """What an effect does, in the fewest words, for titles."""
    return _DOES.get(found, found.word.meaning)


def told(found: Entry | None) -> str:
    """What its caller believes by then, as a sentence: "The client of `POST /orders` has its answer"."""
    if found is None:
        return "Its caller has gone on"
    called = f"`{name(found)}`"
    match found.kind:
        case EntryKind.HTTP_HANDLER | EntryKind.MIDDLEWARE:
            return f"The client of {called} has its answer"
        case EntryKind.WEBHOOK_HANDLER:
            return f"{called} has told the sender that the event is taken, so it is not sent again"
        case EntryKind.QUEUE_CONSUMER:
            return f"The message that {called} was given counts as handled"
        case EntryKind.JOB:
            return f"The job {called} counts as done, and the queue does not run it again"
        case EntryKind.LAMBDA_HANDLER:
            return f"The platform takes the event of {called} as handled and freezes the process at once"
        case EntryKind.DURABLE_ACTIVITY | EntryKind.DURABLE_WORKFLOW:
            return f"The engine has recorded {called} as done"
        case EntryKind.SCHEDULED | EntryKind.WORKER_LOOP:
            return f"{subject(found)} has gone on to its next round"
        case EntryKind.SIGNAL_RECEIVER:
            return f"Whoever made {called} run has gone on"
    return f"{subject(found)} has gone on"


def last(name: str) -> str:
    """`run` for `Worker.run`."""
    return name.rpartition(".")[2]


def fit(*texts: str) -> str:
    """The first of several titles that is short enough; the last one is cut at a word, outside of code."""
    for text in texts:
        if len(text) <= 110:
            return text
    cut = texts[-1][:109].rpartition(" ")[0]
    if cut.count("`") % 2:
        cut = cut.rpartition("`")[0].rstrip()
    return f"{cut}…"


def sleep(function: Function, seconds: str) -> str:
    """The statement that pauses in a function, on the event loop or on a thread."""
    return f"await asyncio.sleep({seconds})" if function.is_async else f"time.sleep({seconds})"


def makes_client(call: str) -> bool:
    """`Redis()`, `boto3.client()`, `create_engine()`; not `rows.find()`, which makes a cursor."""
    word = last(call.rstrip("()"))
    return word[:1].isupper() or any(
        part in word.lower() for part in ("client", "engine", "session", "connect", "pool", "create")
    )
