"""Fixes for what must stay the same, or happen once, when code runs again; in the words of the engine or queue that runs it."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow

if TYPE_CHECKING:
    from roadworthy.project.clients import RetryVerdict
    from roadworthy.project.documents import DefaultId
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.keys import KeyUse
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

# What each durable engine offers in place of randomness, the clock and direct work: its own documented names.
_ENGINES: dict[str, tuple[str, str, str]] = {
    "temporalio": (
        "workflow.uuid4()",
        "workflow.now()",
        "await workflow.execute_activity({name}, …, start_to_close_timeout=…)",
    ),
    "restate": ("ctx.uuid()", "await ctx.time()", 'await ctx.run_typed("{name}", {name}, …)'),
    "azure": ("context.new_guid()", "context.current_utc_datetime", 'yield context.call_activity("{name}", …)'),
    "inngest": ("", "", 'await ctx.step.run("{name}", {name})'),
    "dbos": ("", "", "a function decorated with `@DBOS.step()`"),
    "hatchet_sdk": ("", "await ctx.aio_now()", "a task of its own: `await {name}_task.aio_run(…)`"),
}


def replay_safe(model: Model, effect: EffectAt, entry: Entry) -> str:
    """Take the value from the engine, or let a recorded step do the work."""
    call = f"{flow.text_of(effect.site.fact.func, effect.site.function.scope)}()"
    own_id, own_clock, step = _ENGINES.get(entry.source.partition(".")[0], ("", "", ""))
    name = effect.name.rpartition(".")[2]
    step = step.format(name=name) or "an activity or step"
    recorded = f"make `{call}` inside a step, whose result the engine records, and use that result: {_code(step)}"
    if effect.effect is Effect.RANDOM_VALUE and own_id:
        text = f"Take the value from the engine, which gives the same one at each replay: `{own_id}`; or {recorded}."
        if not _is_entry(model, effect):
            text += f" `{effect.function.qualname}` is a helper: choose there, or let the workflow make the value and pass it in."
        return text
    if effect.effect is Effect.CLOCK_VALUE and own_clock:
        return f"Read the engine's clock: `{own_clock}`; or {recorded}."
    if effect.effect is Effect.PROCESS_HASH:
        return "Use a digest that is the same in every process: `hashlib.sha256(value.encode()).hexdigest()`."
    if effect.effect is Effect.SLEEP:
        return "Wait with the engine's durable timer, which survives the process and costs no thread."
    return recorded[:1].upper() + recorded[1:] + "."


def _is_entry(model: Model, effect: EffectAt) -> bool:
    return bool(model.entries.at(effect.function))


def _code(text: str) -> str:
    return text if "`" in text or text.startswith("an ") else f"`{text}`"


def with_snippet(text: str, snippet: str) -> str:
    """A sentence and a fenced snippet."""
    code = dedent(snippet).strip()
    return f"{text}\n\n```python\n{code}\n```" if code else text


def stable_key(model: Model, key: KeyUse, ids: list[str], *, retried: bool) -> str:
    """Derive the key from what is the same each time, or make it once outside and store it."""
    function = key.function
    what = (key.effect.name if key.effect else function.name).rpartition(".")[2]
    if ids:
        text = (
            f"Derive the key from what is the same each time: `{ids[0]}` is at hand. Where the same one may rightly be done again, add the "
            "number of the attempt that you store, not a random value."
        )
        return with_snippet(text, f'{key.name.lower().replace("-", "_")} = f"{what}-{{{ids[0]}}}"')
    if retried:
        return (
            f"Make the key once, above the retry, and pass it down to `{function.qualname}` as a parameter, so that every attempt sends the "
            "same one."
        )
    return (
        "Store the key with the intent before the first attempt (a column on the order, or a hidden field that the form was rendered with), "
        "and read it from there each time."
    )


def stable_lookup(name: str) -> str:
    """Look a row up by what stays the same."""
    return (
        f"Look the row up by the columns that stay the same (its owner, the provider's id of it), move `{name}` into `defaults`, and declare a "
        "unique constraint over the columns of the lookup."
    )


def derived_id(model: Model, site: CallSite, ids: list[str], kind: str) -> str:
    """A name-based id in place of a random one."""
    maker = flow.text_of(site.fact.func, site.function.scope)
    if kind == "object" and ids:
        return f"Name the object after what it holds: put `{ids[0]}` into the key in place of `{maker}()`, so that a repetition overwrites it."
    if ids:
        seed = f'f"{{{ids[0]}}}:…"' if len(ids) == 1 else f'f"{{{ids[0]}}}:{{{ids[1]}}}"'
        return with_snippet(
            f"Derive the id from what is the same each time (`{ids[0]}`, and the position where there are several), so that a repetition "
            "overwrites.",
            f"str(uuid.uuid5(NAMESPACE, {seed}))  # NAMESPACE: one fixed uuid.UUID of this index",
        )
    return with_snippet(
        f"Derive the id from the content or its source (URL, path and position) in place of `{maker}()`, so that a repetition overwrites.",
        "str(uuid.uuid5(NAMESPACE, text))  # NAMESPACE: one fixed uuid.UUID of this index",
    )


def content_id(default: DefaultId) -> str:
    """A hash of the content as the default id of a document."""
    return with_snippet(
        f"Make the default `{default.name}` a hash of `{default.content}` and of whatever else tells two of them apart (source, position), "
        "and keep the explicit id where one is passed.",
        f"hashlib.sha256({default.content}.encode()).hexdigest()",
    )


def claim_first(model: Model, function: Function, ids: list[str]) -> str:
    """Claim the work by a stable id before its effect."""
    from_id = f"`{ids[0]}`" if ids else "the id of the event, message or row"
    text = (
        f"Claim the work by {from_id} before the effect and skip what is claimed already: a row under a unique constraint in the same "
        "transaction, a conditional update whose row count is read, or SET NX with an expiry longer than the sender's retries."
    )
    key = ids[0] if ids else "event_id"
    wait = "await " if function.is_async else ""
    return with_snippet(
        text,
        f"""
        if not {wait}redis.set(f"{function.name}:{{{key}}}", 1, nx=True, ex=7 * 24 * 3600):
            return  # done, or being done, already
        """,
    )


def execution_id(model: Model, effect: EffectAt, argument: str, ids: list[str]) -> str:
    """Start an execution or a job under an id made of business keys."""
    what = (ids[0] if ids else effect.function.name).partition("[")[0].partition(".")[0].removesuffix("_id")
    note = _CONFLICT.get(effect.name.partition(".")[0], "")
    if not ids:
        return (
            f"Pass `{argument}` and make it of what is started: kind and id of the entity, with the day or the attempt where the same one may "
            f"rightly run again. {note}".strip()
        )
    return with_snippet(
        f"Make `{argument}` of what is started, so that a second start meets the first. {note}".strip(),
        f'{argument}=f"{what}-{{{ids[0]}}}"',
    )


# What a second start under the same id does, engine by engine.
_CONFLICT = {
    "temporalio": (
        "While an execution of this id runs, a second start raises `WorkflowAlreadyStartedError` (or joins it, with "
        "`id_conflict_policy=USE_EXISTING`); once it has closed the same id may start again unless "
        "`id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE` is given."
    ),
    "docket": "A key that is scheduled or running is not added again.",
    "arq": "A job id that is queued, running or has a kept result is not enqueued again.",
    "saq": "A key that is queued or running is not enqueued again.",
    "rq": "Pass `unique=True` with it where the installed version has it: without it a used id does not stop a second job.",
    "django_rq": "Pass `unique=True` with it where the installed version has it: without it a used id does not stop a second job.",
    "google": "A name that was used within about the last hour raises `AlreadyExists`.",
    "procrastinate": "A job whose lock waits in the queue already raises `AlreadyEnqueued`.",
}


def safe_retry(model: Model, effect: EffectAt, ids: list[str]) -> str:
    """A key for the other side, or a retry that leaves the unsafe call out."""
    where = effect.row.key
    call = f"{flow.text_of(effect.site.fact.func, effect.site.function.scope)}"
    if where is not None:
        source = f'f"{effect.function.name}-{{{ids[0]}}}"' if ids else "key"
        given = f'{where.argument}={{"{where.contains}": {source}}}' if where.contains else f"{where.argument}={source}"
        made = f"made of `{ids[0]}`" if ids else "made once, outside of the retry, and passed in"
        return with_snippet(
            f"Send a key {made}, the same for every attempt, so that the other side recognises a repetition.",
            f"{call}(…, {given})",
        )
    return (
        f"Take `{call}()` out of what is retried, or record before each attempt what was done already and skip it. Retry only errors after which "
        "it is certain that nothing was sent (connection refused, 429)."
    )


def methods(site: CallSite) -> str:
    """Leave writes out of a client's retry."""
    keyword = next((key for key, _ in site.fact.kwargs if "method" in key), "allowed_methods")
    return with_snippet(
        "Repeat only methods that are safe to repeat, and let calls that create pass an idempotency key before they are retried.",
        f'{keyword}=["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]',
    )


def stable_digest(model: Model, site: CallSite) -> str:
    """A digest that is the same in every process."""
    argument = flow.text_of(site.fact.args[0], site.function.scope) if site.fact.args else "value"
    shown = argument if "…" not in argument and len(argument) < 40 else "value"
    return with_snippet(
        "Use a digest that is the same in every process; where a number is needed, take the first bytes of it.",
        f"""
        hashlib.sha256(str({shown}).encode()).hexdigest()
        int.from_bytes(hashlib.sha256(str({shown}).encode()).digest()[:8]) >> 1  # as a positive 63-bit number
        """,
    )


def client_attempts(verdict: RetryVerdict) -> str:
    """Turn a client's own repetition off for what must not be repeated."""
    where = (
        f" where the client is made ({verdict.site.path}:{verdict.site.line})"
        if verdict.site is not None
        else " in the client's configuration"
    )
    return (
        f"Set the client's own attempts to one{where} for calls that must not be repeated, or pass the key that the service offers, and repeat "
        "in your own code only after errors that say that nothing was done."
    )
