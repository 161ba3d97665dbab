"""Fixes for what must stay the same, or happen once, when code runs again; in the words of the engine or queue that runs it."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow

if TYPE_CHECKING:
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model

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
