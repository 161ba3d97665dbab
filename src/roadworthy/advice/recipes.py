"""The fix for each kind of violation: the code base's own pattern where there is one, else a standard recipe.

Every public function returns the text of **Fix**: a sentence that can be followed, a place of this code base to copy from
where there is one, and a short fenced snippet in the style of the code at hand (sync or async, its own names).
"""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

from roadworthy.advice.patterns import nearest
from roadworthy.project import flow

if TYPE_CHECKING:
    from roadworthy.project.clients import TimeoutVerdict
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function


def timeout(model: Model, effect: EffectAt, verdict: TimeoutVerdict) -> str:
    """Bound a call, or the client that makes it, with the parameter that the library has for it."""
    site = verdict.cause or effect.site
    callee = flow.text_of(site.fact.func, site.function.scope)
    own = nearest(model, "timeout", site.function)
    rule = verdict.timeout
    if rule is not None and rule.impossible:
        text = f"`{callee}()` has no timeout of its own: bound it from outside."
        return _with(text, own, _outer_timeout(effect.site))
    parameter = verdict.parameter or "timeout"
    where = "where the client is made" if verdict.at_construction else "at the call"
    inner = (
        f"{rule.config}=…({parameter}=10)" if rule is not None and rule.config and rule.argument else f"{parameter}=10"
    )
    value = "with a number from the settings, not a literal per call"
    return _with(f"Pass `{parameter}` {where}, {value}.", own, f"{callee}(…, {inner})")


def retry(model: Model, function: Function, exceptions: tuple[str, ...] = ()) -> str:
    """Repeat transient failures with backoff, jitter and an end."""
    own = nearest(model, "retry", function)
    errors = ", ".join(name.rpartition(".")[2] for name in exceptions[:3]) or "ConnectionError, TimeoutError"
    define = "async def" if function.is_async else "def"
    snippet = f"""
        @stamina.retry(on=({errors},), attempts=5)
        {define} {function.name}(…): …
    """
    return _with("Retry the transient errors with exponential backoff, jitter and a limit.", own, snippet)


def backoff(model: Model, function: Function) -> str:
    """Pause a loop after a failure, longer each time, up to a cap."""
    wait = "await asyncio.sleep" if function.is_async else "time.sleep"
    snippet = f"""
        except …:
            {wait}(random.uniform(0.5, 1.5) * delay)
            delay = min(delay * 2, 30)  # back to 1 after a success
    """
    return _with("Wait after a failure, longer each time up to a cap, with a random part.", "", snippet)


def jitter(model: Model, function: Function, delay: str) -> str:
    """Add a random part to a delay."""
    own = nearest(model, "retry", function)
    wait = "await asyncio.sleep" if function.is_async else "time.sleep"
    return _with(
        "Multiply the delay by a random factor and cap it.", own, f"{wait}(min({delay}, 60) * random.uniform(0.5, 1.5))"
    )


def durable(model: Model, function: Function, work: str) -> str:
    """Hand work to the durable system of the code base instead of a task of the process."""
    own = nearest(model, "durable", function)
    if own:
        return _with(f"Start `{work}` through the code base's durable system before success is told.", own, "")
    return (
        f"Persist the order to run `{work}` (a job row in the same transaction, or a job queue or workflow engine) before success is "
        f"told, and let a worker run it with retries. This code base has no durable system yet."
    )


def keep_task(model: Model, site: CallSite) -> str:
    """Hold a reference to a task and hear of its exception."""
    own = nearest(model, "keep-task", site.function)
    snippet = """
        task = asyncio.create_task(…)
        _tasks.add(task)  # a set that lives as long as the process
        task.add_done_callback(_tasks.discard)
    """
    return _with(
        "Await the task, run it in a task group, or keep a reference until it is done.", own, "" if own else snippet
    )


def on_commit(model: Model, site: CallSite, call: str) -> str:
    """Send after the transaction has committed."""
    own = nearest(model, "on-commit", site.function)
    return _with(
        f"Send `{call}` only after the commit.", own, f"transaction.on_commit(lambda: {call})" if not own else ""
    )


def upsert(model: Model, effect: EffectAt, key: str) -> str:
    """Make a repeated insert converge on a unique key."""
    own = nearest(model, "upsert", effect.function)
    text = f"Insert by {key} with a unique constraint on it, and let the repetition update or do nothing."
    return _with(text, own, "" if own else "INSERT … ON CONFLICT (…) DO NOTHING")


def dedup(model: Model, function: Function, key: str) -> str:
    """Claim an event or message id before its effect."""
    own = nearest(model, "dedup", function)
    text = f"Record {key} under a unique constraint in the same transaction as the effect, and skip what is already recorded."
    return _with(text, own, "")


def deterministic_id(model: Model, function: Function, parts: str) -> str:
    """Derive an id from business keys."""
    own = nearest(model, "deterministic-id", function)
    return _with(
        f"Derive the id from {parts}, so that a repetition has the same one.", own, "" if own else f'f"…-{{{parts}}}"'
    )


def idempotency_key(model: Model, function: Function) -> str:
    """Mint the key once outside of what is repeated and carry it in."""
    own = nearest(model, "idempotency-key", function)
    return _with("Mint the key once, outside the retried function, store it with the request, and pass it in.", own, "")


def off_loop(model: Model, site: CallSite) -> str:
    """Move a blocking call off the event loop."""
    own = nearest(model, "off-loop", site.function)
    callee = flow.text_of(site.fact.func, site.function.scope)
    return _with(
        "Run it in a thread, or use the client's async counterpart.", own, f"await asyncio.to_thread({callee}, …)"
    )


def log_and_raise(model: Model, function: Function) -> str:
    """Say what was swallowed, in this code base's logger."""
    own = nearest(model, "logger", function)
    return _with(
        "Catch only what is expected here, and log the rest with its traceback.",
        own,
        "" if own else 'logger.exception("…")',
    )


def isolate(model: Model, site: CallSite) -> str:
    """Keep a secondary effect from failing the primary one."""
    own = nearest(model, "isolated", site.function)
    callee = flow.text_of(site.fact.func, site.function.scope)
    snippet = f"""
        try:
            {callee}(…)
        except Exception:
            logger.exception("{callee} failed")
    """
    return _with(f"Let a failure of `{callee}()` be logged and go on.", own, snippet)


def atomic_write(model: Model, function: Function, target: str) -> str:
    """Write beside the file, sync, rename."""
    own = nearest(model, "atomic-write", function)
    snippet = f"""
        with tempfile.NamedTemporaryFile("w", dir=os.path.dirname({target}), delete=False) as out:
            …
            out.flush()
            os.fsync(out.fileno())
        os.replace(out.name, {target})
    """
    return _with(
        "Write to a temporary file in the same directory, flush, fsync, close, then replace.",
        own,
        "" if own else snippet,
    )


def shutdown(model: Model, function: Function) -> str:
    """Stop in an orderly way on SIGTERM."""
    own = nearest(model, "shutdown", function)
    snippet = """
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        signal.signal(signal.SIGINT, lambda *_: stop.set())
        while not stop.is_set():
            …
    """
    return _with("Handle SIGTERM: finish the item in hand, flush, then leave the loop.", own, "" if own else snippet)


def lock(model: Model, function: Function) -> str:
    """Make check and write one step."""
    own = nearest(model, "lock", function)
    return _with(
        "Make the check and the write one atomic step (a conditional update, or a row lock held across both).", own, ""
    )


def unique(model: Model, table: str, columns: tuple[str, ...]) -> str:
    """Add a unique constraint in the form that is safe on a live database."""
    name = f"uq_{table}_{'_'.join(columns)}".replace(".", "_")[:60]
    own = nearest(model, "unique", None)
    snippet = f"""
        -- remove duplicates first, then outside a transaction:
        CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} ({", ".join(columns)});
        ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name};
    """
    return _with(f"Declare ({', '.join(columns)}) unique in the model and in a migration.", own, snippet)


def bounded(model: Model, site: CallSite) -> str:
    """Limit a fan-out."""
    own = nearest(model, "bulkhead", site.function)
    snippet = """
        gate = asyncio.Semaphore(20)
        async def one(item):
            async with gate:
                return await work(item)
    """
    return _with("Bound how many run at once.", own, "" if own else snippet)


def _outer_timeout(site: CallSite) -> str:
    callee = flow.text_of(site.fact.func, site.function.scope)
    if site.function.is_async:
        return f"async with asyncio.timeout(10):\n    await {callee}(…)"
    return ""


def _with(text: str, own: str, snippet: str) -> str:
    """The sentence, the place to copy from, the snippet."""
    body = dedent(snippet).strip()
    parts = [text, own] if own else [text]
    return " ".join(parts) + (f"\n```python\n{body}\n```" if body else "")
