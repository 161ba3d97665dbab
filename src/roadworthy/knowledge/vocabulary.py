"""The closed vocabulary of roadworthy: every word, one sentence each.

A rule speaks these words and never a library's name; a library file speaks them and never a rule's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Repeat(Enum):
    """May an effect be done twice without harm?"""

    SAFE = "yes"
    WITH_KEY = "only-with-key"
    UNSAFE = "no"


@dataclass(frozen=True, slots=True)
class EffectWord:
    """What every occurrence of an effect has in common; a library row may override `repeat` and `secondary`."""

    meaning: str
    external: bool = False  # leaves the process and can fail or hang
    persists: bool = False  # changes state that outlives the process
    telemetry: bool = False  # may be lost without harm
    secondary: bool = False  # by nature not the purpose of an entry
    repeat: Repeat = Repeat.SAFE


class Effect(Enum):
    """What a call does to the world."""

    __hash__ = object.__hash__  # members are one of each; asked for in sets a million times in a review

    HTTP_REQUEST = "http-request"
    RPC = "rpc"
    SQL_READ = "sql-read"
    SQL_INSERT = "sql-insert"
    SQL_UPSERT = "sql-upsert"
    SQL_UPDATE = "sql-update"
    SQL_INCREMENT = "sql-increment"
    SQL_DELETE = "sql-delete"
    SQL = "sql"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    CONNECT = "connect"
    PUBLISH = "publish"
    ENQUEUE = "enqueue"
    CONSUME = "consume"
    ACK = "ack"
    START_DURABLE = "start-durable"
    OBJECT_WRITE = "object-write"
    OBJECT_READ = "object-read"
    OBJECT_DELETE = "object-delete"
    CACHE_READ = "cache-read"
    CACHE_WRITE = "cache-write"
    EMAIL = "email"
    SMS = "sms"
    NOTIFY = "notify"
    CHARGE = "charge"
    LLM = "llm"
    OUTSIDE = "outside"
    VECTOR_UPSERT = "vector-upsert"
    VECTOR_INSERT = "vector-insert"
    FILE_READ = "file-read"
    FILE_WRITE = "file-write"
    FILE_REPLACE = "file-replace"
    FILE_FLUSH = "file-flush"
    FILE_SYNC = "file-sync"
    SPAWN_PROCESS = "spawn-process"
    METRIC = "metric"
    LOG = "log"
    REPORT_ERROR = "report-error"
    SLEEP = "sleep"
    BLOCK = "block"
    WAIT = "wait"
    COMPUTE = "compute"
    LOCK = "lock"
    FLUSH = "flush"
    CLOSE = "close"
    RANDOM_VALUE = "random-value"
    CLOCK_VALUE = "clock-value"
    HASH_VALUE = "hash-value"
    PROCESS_HASH = "process-hash"

    @property
    def word(self) -> EffectWord:
        """The properties of this effect."""
        return EFFECTS[self]


EFFECTS: dict[Effect, EffectWord] = {
    Effect.HTTP_REQUEST: EffectWord("sends an HTTP request", external=True, repeat=Repeat.WITH_KEY),
    Effect.RPC: EffectWord("calls a remote procedure or cloud API", external=True, repeat=Repeat.WITH_KEY),
    Effect.SQL_READ: EffectWord("reads rows", external=True),
    Effect.SQL_INSERT: EffectWord("inserts rows", external=True, persists=True, repeat=Repeat.UNSAFE),
    Effect.SQL_UPSERT: EffectWord("inserts or updates rows by key", external=True, persists=True),
    Effect.SQL_UPDATE: EffectWord("updates rows", external=True, persists=True),
    Effect.SQL_INCREMENT: EffectWord("adds to a stored number", external=True, persists=True, repeat=Repeat.UNSAFE),
    Effect.SQL_DELETE: EffectWord("deletes rows", external=True, persists=True),
    Effect.SQL: EffectWord("executes SQL", external=True),
    Effect.COMMIT: EffectWord("commits a transaction", external=True, persists=True),
    Effect.ROLLBACK: EffectWord("rolls a transaction back", external=True),
    Effect.CONNECT: EffectWord("opens a connection or takes one from a pool", external=True),
    Effect.PUBLISH: EffectWord(
        "publishes a message to a queue, stream or topic", external=True, persists=True, repeat=Repeat.WITH_KEY
    ),
    Effect.ENQUEUE: EffectWord("hands a job to a job queue", external=True, persists=True, repeat=Repeat.WITH_KEY),
    Effect.CONSUME: EffectWord("takes a message from a queue, stream or topic", external=True),
    Effect.ACK: EffectWord("confirms a message, commits an offset or deletes the message", external=True),
    Effect.START_DURABLE: EffectWord(
        "starts a durable execution", external=True, persists=True, repeat=Repeat.WITH_KEY
    ),
    Effect.OBJECT_WRITE: EffectWord("writes an object to object storage", external=True, persists=True),
    Effect.OBJECT_READ: EffectWord("reads an object from object storage", external=True),
    Effect.OBJECT_DELETE: EffectWord("deletes an object from object storage", external=True, persists=True),
    Effect.CACHE_READ: EffectWord("reads a cache", external=True, secondary=True),
    Effect.CACHE_WRITE: EffectWord("writes a cache", external=True, secondary=True),
    Effect.EMAIL: EffectWord("sends an e-mail", external=True, persists=True, repeat=Repeat.UNSAFE),
    Effect.SMS: EffectWord("sends a text message or makes a call", external=True, persists=True, repeat=Repeat.UNSAFE),
    Effect.NOTIFY: EffectWord(
        "posts to a chat or push service", external=True, persists=True, secondary=True, repeat=Repeat.UNSAFE
    ),
    Effect.CHARGE: EffectWord("moves money", external=True, persists=True, repeat=Repeat.WITH_KEY),
    Effect.LLM: EffectWord("asks a language model", external=True, repeat=Repeat.SAFE),
    # not `external`: it is enough for rules that ask whether a call may fail, and for no other
    Effect.OUTSIDE: EffectWord("calls something outside the process"),
    Effect.VECTOR_UPSERT: EffectWord("writes vectors by id", external=True, persists=True),
    Effect.VECTOR_INSERT: EffectWord("adds vectors", external=True, persists=True, repeat=Repeat.UNSAFE),
    Effect.FILE_READ: EffectWord("reads a file"),
    Effect.FILE_WRITE: EffectWord("writes a file in place", persists=True),
    Effect.FILE_REPLACE: EffectWord("renames a file over another", persists=True),
    Effect.FILE_FLUSH: EffectWord("flushes a file object to the operating system"),
    Effect.FILE_SYNC: EffectWord("forces a file to the disk"),
    Effect.SPAWN_PROCESS: EffectWord("starts another program", external=True, repeat=Repeat.UNSAFE),
    Effect.METRIC: EffectWord("counts or times something", telemetry=True, secondary=True),
    Effect.LOG: EffectWord("writes a log line", telemetry=True, secondary=True),
    Effect.REPORT_ERROR: EffectWord("reports an error to an error tracker", telemetry=True, secondary=True),
    Effect.SLEEP: EffectWord("waits for a time"),
    Effect.BLOCK: EffectWord("blocks the thread on something other than the listed external effects"),
    Effect.WAIT: EffectWord("waits for another thread, task, process or message without doing work itself"),
    Effect.COMPUTE: EffectWord("keeps the processor busy for long (images, PDF, archives, hashing of passwords)"),
    Effect.LOCK: EffectWord("takes a lock"),
    Effect.FLUSH: EffectWord("sends what a client has buffered and waits for it", external=True),
    Effect.CLOSE: EffectWord("closes a client, pool or worker"),
    Effect.RANDOM_VALUE: EffectWord("yields another value each time"),
    Effect.CLOCK_VALUE: EffectWord("yields the time"),
    Effect.HASH_VALUE: EffectWord("yields the same value for the same input"),
    Effect.PROCESS_HASH: EffectWord("yields a value that differs from process to process for the same input"),
}


class GuardKind(Enum):
    """What can cover a call on a path."""

    TIMEOUT = "timeout"
    RETRY = "retry"
    CATCH = "catch"
    TRANSACTION = "transaction"
    ON_COMMIT = "on-commit"
    LOCK = "lock"
    DEDUP = "dedup"
    BREAKER = "breaker"
    BULKHEAD = "bulkhead"
    SHUTDOWN_HOOK = "shutdown-hook"
    AWAITED = "awaited"
    IDEMPOTENCY_KEY = "idempotency-key"
    OFF_LOOP = "off-loop"


GUARDS: dict[GuardKind, str] = {
    GuardKind.TIMEOUT: "ends the call after a time",
    GuardKind.RETRY: "repeats the call when it fails",
    GuardKind.CATCH: "handles what the call raises",
    GuardKind.TRANSACTION: "an open database transaction lies around the call",
    GuardKind.ON_COMMIT: "the call runs only after the transaction has committed",
    GuardKind.LOCK: "a lock is held during the call",
    GuardKind.DEDUP: "the call is skipped when the same work was done before",
    GuardKind.BREAKER: "the call is skipped while the dependency keeps failing",
    GuardKind.BULKHEAD: "only so many of these calls run at once",
    GuardKind.SHUTDOWN_HOOK: "runs when the process is asked to stop",
    GuardKind.AWAITED: "the result is waited for",
    GuardKind.IDEMPOTENCY_KEY: "the other side recognises a repetition by a key",
    GuardKind.OFF_LOOP: "runs in a thread or process, not on the event loop",
}


class Delivery(Enum):
    """How often the same input may come in at an entry."""

    ONCE = "once"
    AT_MOST_ONCE = "at-most-once"
    AT_LEAST_ONCE = "at-least-once"
    REPLAYED = "replayed"
    RERUN = "rerun"  # a person or a schedule runs it again over the same data
    CLIENT_RETRY = "client-retry"  # a person or a client may send it again


@dataclass(frozen=True, slots=True)
class EntryWord:
    """What every entry of a kind has in common; a library row may override it."""

    meaning: str
    delivery: Delivery
    serves_others: bool  # while it waits, somebody or something else waits
    concurrent: bool  # may run several times at once


class EntryKind(Enum):
    """Where control comes in."""

    HTTP_HANDLER = "http-handler"
    WEBHOOK_HANDLER = "webhook-handler"
    QUEUE_CONSUMER = "queue-consumer"
    JOB = "job"
    DURABLE_WORKFLOW = "durable-workflow"
    DURABLE_ACTIVITY = "durable-activity"
    SCHEDULED = "scheduled"
    WORKER_LOOP = "worker-loop"
    STARTUP = "startup"
    SHUTDOWN = "shutdown"
    COMMAND = "command"
    LAMBDA_HANDLER = "lambda-handler"
    SIGNAL_RECEIVER = "signal-receiver"
    MIDDLEWARE = "middleware"
    IMPORT_TIME = "import-time"

    @property
    def word(self) -> EntryWord:
        """The properties of this kind of entry."""
        return ENTRIES[self]


ENTRIES: dict[EntryKind, EntryWord] = {
    EntryKind.HTTP_HANDLER: EntryWord("answers an HTTP or RPC request", Delivery.CLIENT_RETRY, True, True),
    EntryKind.WEBHOOK_HANDLER: EntryWord(
        "receives events that the sender repeats until it sees success", Delivery.AT_LEAST_ONCE, True, True
    ),
    EntryKind.QUEUE_CONSUMER: EntryWord(
        "handles messages of a queue, stream or topic", Delivery.AT_LEAST_ONCE, True, True
    ),
    EntryKind.JOB: EntryWord("runs as a job of a job queue", Delivery.AT_MOST_ONCE, True, True),
    EntryKind.DURABLE_WORKFLOW: EntryWord("is replayed by a durable-execution engine", Delivery.REPLAYED, True, True),
    EntryKind.DURABLE_ACTIVITY: EntryWord(
        "is a step that a durable-execution engine retries", Delivery.AT_LEAST_ONCE, True, True
    ),
    EntryKind.SCHEDULED: EntryWord("runs on a schedule", Delivery.RERUN, True, False),
    EntryKind.WORKER_LOOP: EntryWord("runs for as long as the process lives", Delivery.RERUN, True, False),
    EntryKind.STARTUP: EntryWord("runs when the process starts", Delivery.RERUN, False, False),
    EntryKind.SHUTDOWN: EntryWord("runs when the process stops", Delivery.ONCE, False, False),
    EntryKind.COMMAND: EntryWord(
        "is started by a person or a scheduler from the command line", Delivery.RERUN, False, False
    ),
    EntryKind.LAMBDA_HANDLER: EntryWord(
        "is called by a function platform, which repeats asynchronous events", Delivery.AT_LEAST_ONCE, True, True
    ),
    EntryKind.SIGNAL_RECEIVER: EntryWord("runs inside whatever sent the signal", Delivery.ONCE, True, True),
    EntryKind.MIDDLEWARE: EntryWord("runs around every request", Delivery.CLIENT_RETRY, True, True),
    EntryKind.IMPORT_TIME: EntryWord("runs when the module is imported", Delivery.ONCE, False, False),
}
