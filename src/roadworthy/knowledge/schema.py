"""What a library file may say. Loaded from TOML by `load.py`; every unknown key is an error.

Names are dotted paths as a user could import them (`requests.Session.post`); braces list siblings
(`requests.{get,head}`), and `*` as the last part stands for any one name (`grpc_stub.*`).
"""

from __future__ import annotations

import datetime
from typing import Literal

import msgspec

Seconds = float | Literal["forever"]
YesNo = Literal["yes", "no"]


class Row(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename=None, kw_only=True, gc=False
):
    """Base of everything in a library file."""


class Argument(Row):
    """Where a value stands in a call."""

    argument: str | None = None  # keyword
    position: int | None = None  # 0-based position, receiver not counted
    contains: str | None = None  # the value is a mapping that must hold this key (case-insensitive)


class Timeout(Row):
    """How long a call may take. Seconds, or "forever"."""

    argument: str | None = None
    position: int | None = None
    arguments: tuple[str, ...] = ()  # several keywords of which each bounds a phase; all must be set for a bound
    absent: Seconds | None = None  # None: unknown, never reported
    none: Seconds | None = None  # when None is passed
    zero: Seconds | None = None  # when 0 is passed
    object: str | None = (
        None  # the value may be a call of this constructor (`aiohttp.ClientTimeout`); its arguments decide
    )
    object_arguments: tuple[str, ...] = ()  # those that bound the whole when set to a number (any one suffices)
    object_absent: Seconds | None = None  # none of `object_arguments` given
    config: str | None = (
        None  # keyword of a config object or mapping that holds the arguments (`config=Config(read_timeout=…)`)
    )
    url: tuple[str, ...] = ()  # query parameters of the URL argument that bound it
    client: Argument | None = None  # the connection is this argument, not the receiver: its construction decides
    lender: str | None = None  # keyword of a pool that lends the connections: its construction decides then
    environment: tuple[str, ...] = ()  # environment variables or settings that bound it
    via: Literal["call", "constructor", "either"] = "call"
    """Where the arguments stand: at the call, at the construction of the receiver, or the call overriding the construction."""
    keeps: bool = False  # what is given at this call holds for all later calls on the same object
    lease: tuple[str, ...] = ()  # keywords of the construction that end what is waited for: a lock lapses by itself
    impossible: bool = False  # no such parameter exists: only an outer timeout helps
    unit: Literal["s", "ms"] = "s"
    note: str = ""


class Retry(Row):
    """What the client itself repeats by default."""

    attempts: int | Literal["forever"] = 1  # total, first one included
    argument: str | None = None  # that changes it
    config: str | None = None
    writes: bool = False  # a write is sent again
    key: bool = False  # with a stable idempotency key, or the server de-duplicates
    on: tuple[str, ...] = ()  # exception names or "5xx", "429", "connect"
    backoff: Literal["none", "fixed", "exponential", "unknown"] = "unknown"
    jitter: bool = False
    note: str = ""


class Backend(Row):
    """Settings that put something else behind the call than the row describes."""

    settings: tuple[str, ...]
    own: tuple[str, ...]  # a value with one of these texts is what the row describes, as is no value at all
    development: tuple[str, ...] = ()  # values with these texts say nothing about production
    argument: str = ""  # keyword of the call, or of its receiver's construction, that gives a backend past the settings


class CallRow(Row):
    """What a call of one of these names does."""

    names: tuple[str, ...]
    effects: tuple[str, ...] = ()  # words of the vocabulary
    safe_to_repeat: Literal["yes", "only-with-key", "no"] | None = None  # None: as the effect says
    key: Argument | None = None  # an argument that makes the repetition safe
    identity: tuple[
        Argument, ...
    ] = ()  # arguments that name what is written (id, key, name, path, dedup id, workflow id)
    timeout: Timeout | None = None
    retry: Retry | None = None
    backend: Backend | None = None  # `timeout` and `retry` hold for one of several backends
    raises: tuple[str, ...] = ()  # exceptions of failures in operation
    never_raises: bool = False  # failures in operation end inside
    returns: str | None = None  # type of the result (awaited if awaitable)
    yields: str | None = None  # type of the items when iterated, or of the value bound by `with … as`
    awaitable: bool = False
    blocking: bool | None = None  # None: blocks when an effect is external and it is not awaitable
    runs_until_stopped: bool = False  # the program's own loop: it returns only when something tells it to stop
    stopped_by: str = ""  # of one that runs until it is stopped: what to call on the same object (`stop(grace=10)`), also from a signal handler
    imports: Argument | None = (
        None  # the dotted path of what is imported while the program runs, or a mapping of such paths
    )
    lazy: bool = False  # does nothing until iterated or awaited; or the effect happens at flush/commit (ORM add)
    secondary: bool = False  # by nature not the purpose of an entry
    transient: bool = False  # nobody keeps what is sent: who does not listen now never gets it
    unordered: bool = False
    needs: tuple[str, ...] = ()  # keyword arguments that must be present for the effect (`create=True`)
    unless_built_with: tuple[
        str, ...
    ] = ()  # constants given where the object was made: then the row does not hold (`SOCK_DGRAM`)
    only_built_with: Argument | None = None
    """Something given where the object was made: without it the row does not hold (a queue without a size takes all)."""
    unless_text: Argument | None = None  # an address, or the content itself: with that the row does not hold
    when: dict[str, str] = {}  # keyword -> literal text: the row applies only to calls that pass exactly this
    payload: Argument | None = None  # the SQL text, the body, the job's function …
    missing: str = ""  # the error where the one row that it asks for is not there
    invalid: str = ""  # the error where what it reads or checks is not as it should be
    result_tells: Literal["", "rowcount", "partial", "errors", "status", "bool"] = ""
    """The result says whether it worked and must be read: rows changed, partly failed batch, an error map, HTTP status, a truth value."""
    refused_in: str = ""  # the key of the result, or its attribute, under which stands what was refused
    version: str = ""  # PEP 440 specifier of the distribution for which the row holds; "" all
    source: str = ""
    example: str = ""  # one line that the row must match
    note: str = ""


class TypeRow(Row):
    """How a value of a type comes to be, and what it inherits."""

    name: str
    origins: tuple[str, ...] = msgspec.field(default=(), name="from")
    """Calls (`requests.session()`), attributes (`flask.request`), entering (`with x.y()`), items (`iter x.y()`)."""
    bases: tuple[str, ...] = ()
    same_as: tuple[str, ...] = ()  # other dotted paths of the same object
    buffers: bool = False  # holds data in memory that flush/close must send
    runs_in_background: bool = False  # owns threads, tasks or a pool that must be stopped
    lends: bool = False  # a pool: its construction decides how long the connections that it lends may take
    closes: tuple[str, ...] = ()  # methods that flush, drain or close it
    self_closing: bool = False  # atexit or the framework does it
    keeps_failure: bool = False  # what the work behind it raises is told to nobody who does not ask for it
    shared: bool = False
    unread: tuple[str, ...] = ()  # attributes that code sets in vain: nothing of the library reads them
    always_given: tuple[str, ...] = ()
    """`send timeout`: when the library calls this method it always hands the argument over, None where nobody gave one."""
    told_by: tuple[
        str, ...
    ] = ()  # methods by which an object is known whose making is not seen: hardly anything else has them
    called: tuple[str, ...] = ()  # what variables and attributes that hold one are usually called
    false_after_error: bool = False  # an answer whose truth says whether it went well: 400 and above are false
    remembers: tuple[str, ...] = ()  # methods that give it work to do later, which it keeps in memory …
    memory_unless: tuple[
        str, ...
    ] = ()  # … unless one of these arguments is given to it or one of these methods is called
    source: str = ""


class GuardRow(Row):
    """A protection that a library offers."""

    names: tuple[str, ...]
    kind: str  # a GuardKind
    form: tuple[
        Literal["decorator", "context", "wrapper", "iterator", "object", "base-class", "setting", "condition"], ...
    ] = ("decorator",)
    """decorator: covers the function; context: the with block; wrapper: covers the callable or awaitable it is given
    (`call` says where); iterator: covers the body of the loop over it; object: passed to or mounted on a client;
    condition: covers what runs only if the (truthy) result of the call says so (`if client.set(key, 1, nx=True): …`)."""
    call: Argument | None = None
    attempts: Argument | None = None
    attempts_absent: int | Literal["forever"] | None = None
    attempts_is_retries: bool = False  # the number counts repetitions, the first attempt not included
    attempts_object: dict[
        str, str
    ] = {}  # constructor -> argument that holds the number (`tenacity.stop_after_attempt` -> "0")
    limit: tuple[str, ...] = ()  # other arguments that bound the retries (time)
    delay: tuple[str, ...] = ()  # arguments that set the wait
    delay_absent: Literal["none", "fixed", "exponential"] = "none"
    jitter: bool = False
    jitter_objects: tuple[str, ...] = ()
    retries_on: Argument | None = None
    retries_on_absent: tuple[str, ...] = ()  # exceptions; "Exception" when everything
    retries_on_objects: tuple[str, ...] = ()  # predicates that wrap the exceptions (`tenacity.retry_if_exception_type`)
    retries_on_all_but: tuple[
        str, ...
    ] = ()  # predicates that wrap what is not repeated (`tenacity.retry_if_not_exception_type`)
    gives_up: Argument | None = None
    methods: tuple[str, ...] = ()  # options that name what is repeated; without one of them POST and PATCH are not
    seconds: Argument | None = None  # timeout guards
    settings: tuple[str, ...] = ()  # timeout guards: settings of the project that give all of them their limit
    robust: bool = False  # on-commit and hooks: exceptions of the callee are caught
    exceptions: tuple[str, ...] = ()  # catch guards
    only_if: dict[str, str] = {}
    unless: dict[str, str] = {}  # these literals switch it off
    version: str = ""
    source: str = ""
    example: str = ""
    note: str = ""


class EntryRow(Row):
    """How a library makes a function an entry point."""

    names: tuple[str, ...]  # decorator, base class or registering call
    kind: str  # an EntryKind
    form: Literal[
        "decorator", "base-class", "base-name", "class-attribute", "registers", "name", "setting", "default"
    ] = "decorator"
    """default: a parameter that has such a call as its default makes its function an entry (`every: Perpetual = Perpetual(…)`).
    class-attribute: a class that keeps the result of such a call under `attribute` in its body (`target = Target(…)`)."""
    attribute: str = ""  # class-attribute: the name
    bases: tuple[str, ...] = ()  # base-name: what the base class may be called (fnmatch over its dotted name)
    of_strangers: bool = False
    """base-name: only a base of a package that no library file speaks of, in a project that imports this library."""
    methods: tuple[
        str, ...
    ] = ()  # which methods (fnmatch) of the class, or of the object that is registered, are entries
    parameters: tuple[
        str, ...
    ] = ()  # name, base-class: it counts only when its first parameters (after self) are these
    when: dict[str, str] = {}  # as in CallRow: the row holds only for registrations that pass this literal
    callable: Argument | None = None  # registers: which argument is the function
    method: Argument | None = None  # registers: which argument names the method of the object that is registered
    delivery: str | None = None  # a Delivery
    delivery_if: dict[str, str] = {}  # keyword argument present (and not False) -> Delivery
    attempts: int | Literal["forever"] = 1  # by default, total
    retry_arguments: tuple[str, ...] = ()  # presence means it is retried
    acks: Literal["", "before", "after"] = ""  # by default
    acks_after_if: tuple[str, ...] = ()
    survives_kill_if: tuple[str, ...] = ()
    """Options and settings without which a message that is acknowledged late is acknowledged all the same when the process of its job is killed."""
    in_transaction: bool = False
    installs_shutdown: bool = False  # the framework stops in an orderly way on SIGTERM
    thread: Literal["", "loop", "thread", "process"] = ""  # "" : by async def or def
    cancelled_after: float | None = None  # seconds after which it cancels what a run awaits, unless told otherwise
    cancelled_setting: str = ""  # what tells it
    concurrent: bool | None = None
    version: str = ""
    source: str = ""
    example: str = ""
    note: str = ""


class SpawnerRow(Row):
    """A call that makes another function run elsewhere or later."""

    names: tuple[str, ...]
    runs: Argument  # which argument is the callable, coroutine or job
    kind: Literal["task", "thread", "process", "background", "timer", "job", "durable", "hook", "inline"]
    """task: on the event loop; thread/process: pool or own; background: after the response; job/durable: through a broker or
    engine (a delivery, not a plain call); hook: registered to run at an event; inline: called before this call returns."""
    receiver: bool = False  # the callable is the receiver itself (`task.delay()`): `runs` is ignored
    waits: bool = False  # the call, or awaiting it, returns only when the work is done
    handle: bool = True  # returns a handle that can be waited for
    hook: str = ""  # hook: "on-commit", "shutdown", "startup", "signal", "atexit"
    source: str = ""
    example: str = ""


class ExceptionRow(Row):
    """An exception, its bases and what it means."""

    name: str
    bases: tuple[str, ...] = ()
    nature: Literal["transient", "permanent", "mixed", "conflict"] = "mixed"
    same_as: tuple[str, ...] = ()
    refusals: bool = False  # raised for every answer of 400 and above: for 404 as well as for 503


class SchemaRow(Row):
    """A construct that declares part of a database schema."""

    names: tuple[str, ...]
    construct: Literal[
        "model",
        "table",
        "column",
        "unique",
        "index",
        "primary-key",
        "foreign-key",
        "one-to-one",
        "add-column",
        "add-constraint",
        "drop-constraint",
        "create-table",
        "drop-table",
        "alter-column",
        "drop-column",
        "rename",
        "run-sql",
        "meta",
        "validator",
        "entered",
    ]
    name: Argument | None = None
    columns: Argument | None = None
    table: Argument | None = None
    condition: Argument | None = None  # partial index
    unique: Argument | None = None  # column or index: flag that makes it unique
    primary: Argument | None = None
    always_unique: bool = False
    target: Argument | None = None
    source: str = ""
    example: str = ""


class WeakRow(Row):
    """A setting by which a client tells success before the data is safe."""

    names: tuple[str, ...]  # constructor or call that takes the setting
    setting: Argument
    strong: str  # the setting as it should be written
    values: tuple[str, ...] = ()  # literals that are weak, as text: "0", "False"
    text: str = ""  # or a regular expression (case does not count) that the literal text given there matches
    waits_for: Literal["nothing", "memory", "one"] = "memory"
    """What the answer stands for: that it was sent, that the server has it in memory, that one of several copies has it."""
    source: str = ""
    example: str = ""


class Library(Row, kw_only=True):
    """One library file."""

    library: str
    modules: tuple[str, ...]  # import roots that the file speaks of
    distributions: tuple[str, ...] = ()  # names on the package index; default: the library's name
    docs: str = ""
    checked: datetime.date
    checked_version: str = ""
    role: tuple[
        str, ...
    ] = ()  # what it is to a service: "web", "orm", "queue", "durable", "http-client", "retry", "logging" …
    type: tuple[TypeRow, ...] = ()
    call: tuple[CallRow, ...] = ()
    guard: tuple[GuardRow, ...] = ()
    entry: tuple[EntryRow, ...] = ()
    spawner: tuple[SpawnerRow, ...] = ()
    exception: tuple[ExceptionRow, ...] = ()
    schema: tuple[SchemaRow, ...] = ()
    weak: tuple[WeakRow, ...] = ()
