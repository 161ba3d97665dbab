"""Fixes for what must stay the same, or happen once, when code runs again; in the words of the engine or queue that runs it."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import TYPE_CHECKING

from roadworthy.advice.code import GAP, WHOLE, argument_texts, call_text, callee_text, written
from roadworthy.advice.fixes import Place, fix
from roadworthy.advice.idempotency import dedup
from roadworthy.advice.imports import at_hand
from roadworthy.advice.patterns import best, cite
from roadworthy.advice.stack import family_of
from roadworthy.facts import schema as f
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


def replay_safe(model: Model, effect: EffectAt, entry: Entry) -> str:
    """Take the value from the engine, or let a recorded step do the work."""
    function = effect.function
    name = effect.name.rpartition(".")[2]
    name = f"do_{name}" if name.isidentifier() else "do_it"
    inner = function is entry.function
    extra = {
        "step": name if inner else function.name,
        "given": "" if inner else _given(model, entry.function, function),
    }
    place = Place(model, entry.function, None, (entry.source,), extra)
    call = f"`{call_text(effect.site)}`"
    step = place.pick("engine-step")
    shown = step.code if step is not None else ""
    here = (
        f"put {call} into a function of its own (here `{name}`), and make that a step"
        if inner
        else f"make `{function.name}()` a step"
    )
    recorded = f"{here}, whose result the engine records{':' if shown else '.'}"
    if effect.effect is Effect.PROCESS_HASH:
        return "Use a digest that is the same in every process: `hashlib.sha256(value.encode()).hexdigest()`."
    if effect.effect is Effect.SLEEP:
        return "Wait with the engine's durable timer, which survives the process and costs no thread."
    topic = {Effect.RANDOM_VALUE: "engine-random", Effect.CLOCK_VALUE: "engine-clock"}.get(effect.effect)
    own = place.pick(topic) if topic is not None else None
    if own is None:
        return fix(f"{recorded[:1].upper()}{recorded[1:]}", "", shown)
    if function is entry.function or own.code.removeprefix("await ").partition(".")[0] not in _CONTEXTS:
        return fix(
            "Take the value from the engine, which gives the same one at each replay.",
            _seen(model, own.code, function),
            own.code,
        )
    helper = f"`{function.qualname}` is a helper: let the workflow make the value and pass it in."
    return fix(f"Take the value from the engine, which gives the same one at each replay. {helper}", "", own.code)


def _given(model: Model, caller: Function, callee: Function) -> str:
    """What a helper is given by the workflow, behind its name: `, order_id`; "" where it is not called at once, or with more than one."""
    edge = next((edge for edge in model.edges_from(caller) if edge.callee is callee), None)
    args = argument_texts(edge.site) if edge is not None else []
    return (
        f", {args[0]}"
        if len(args) == 1 and "=" not in args[0]
        else f", args=[{', '.join(args)}]"
        if args and not any("=" in arg for arg in args)
        else ""
    )


_CONTEXTS = frozenset({"ctx", "context"})  # what an engine gives to the workflow's function alone


def _seen(model: Model, code: str, near: Function) -> str:
    """Where the code base asks the engine so already."""
    sites = (site for function in model.functions for site in function.calls if call_text(site) == code)
    here = near.path.split("/")

    def far(site: CallSite) -> tuple[int, str, int]:
        shared = 0
        for one, other in zip(here, site.path.split("/"), strict=False):
            if one != other:
                break
            shared += 1
        return -shared, site.path, site.line

    site = min(sites, key=far, default=None)
    return f"As in this code base: `{site.path}:{site.line}`." if site is not None else ""


def with_snippet(text: str, snippet: str) -> str:
    """A sentence and a fenced snippet."""
    code = dedent(snippet).strip()
    return f"{text}\n```python\n{code}\n```" if code else text


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


def stable_lookup(site: CallSite, name: str) -> str:
    """Look a row up by what stays the same."""
    text = (
        f"Look the row up by the columns that stay the same, move `{name}` into `defaults`, and declare a unique constraint over the columns "
        "of the lookup."
    )
    given = {keyword: written(value, site.function) for keyword, value in site.fact.kwargs}
    if name not in given or "**" in given:
        return text
    held = given.get("defaults")
    moved = f'{{**{held}, "{name}": {given[name]}}}' if held else f'{{"{name}": {given[name]}}}'
    return fix(text, "", call_text(site, [f"defaults={moved}"], (name, "defaults"), WHOLE))


def derived_id(model: Model, site: CallSite, ids: list[str], kind: str) -> str:
    """A name-based id in place of a random one."""
    maker = flow.text_of(site.fact.func, site.function.scope)
    if kind == "object" and ids:
        return f"Name the object after what it holds: put `{ids[0]}` into the key in place of `{maker}()`, so that a repetition overwrites it."
    if ids:
        return _of_source(site, ids)
    return (
        f"Derive the id from the content or its source (URL, path and position) in place of `{maker}()`, so that a repetition overwrites: "
        "`uuid.uuid5(uuid.NAMESPACE_URL, …)` gives the same one for the same text."
    )


def _of_source(site: CallSite, ids: list[str]) -> str:
    """An id of what is the same each time; with the place in the list where there are several for one source."""
    parts = [f"{{{text}}}" for text in ids[:2]]
    around = _round(site)
    told = f"`{ids[0]}`" if len(ids) == 1 else f"`{ids[0]}` and `{ids[1]}`"
    several = ""
    if around is not None and not any(re.split(r"\W", text, maxsplit=1)[0] in around[0] for text in ids):
        parts.append("{position}")
        several = f"; bind what `enumerate({around[1]})` counts to `position`, for there are several"
    quote = "'" if any('"' in part for part in parts) else '"'
    clash = quote == '"' and any("'" in part for part in parts)
    seed = "f" + quote + ":".join(parts) + quote
    if len(parts) == 1:
        seed = f"str({ids[0]})"
    elif clash or (quote == "'" and any("'" in part for part in parts)):
        seed = ' + ":" + '.join(f"str({part[1:-1]})" for part in parts)
    text = f"Derive the id from what is the same each time ({told}{several}), so that a repetition overwrites:"
    far = [
        name
        for name in dict.fromkeys(re.split(r"\W", one, maxsplit=1)[0] for one in ids[:2])
        if not at_hand(name, site.function)
    ]
    if far:
        text = (
            f"Give `{site.function.qualname}()` `{far[0]}`, and derive the id from it, so that a repetition overwrites:"
        )
    return fix(
        text,
        "",
        f"str(uuid.uuid5(uuid.NAMESPACE_URL, {seed}))",
    )


def _round(site: CallSite) -> tuple[set[str], str] | None:
    """(the variables, the list) of the loop or comprehension in which a call stands; None for none."""
    scope, index = site.function.scope, site.fact.region
    while index >= 0:
        region = scope.regions[index]
        if region.kind in {"for", "comprehension"} and region.target is not None:
            names = {part.id for part in flow.walk(region.target) if isinstance(part, f.Name)}
            return names, written(region.test, site.function)
        index = region.parent
    return None


def content_id(default: DefaultId) -> str:
    """A hash of the content as the default id of a document."""
    return with_snippet(
        f"Make the default `{default.name}` a hash of `{default.content}` and of whatever else tells two of them apart (source, position), "
        "and keep the explicit id where one is passed.",
        f"hashlib.sha256({default.content}.encode()).hexdigest()",
    )


_SOMEBODY = re.compile(
    r"(^|[._])(customer|client|account|user|member|owner|tenant|team|org|organi[sz]ation|company|merchant|namespace|project|workspace)_?(id|pk|uuid|key)$",
    re.IGNORECASE,
)


def claim_first(model: Model, function: Function, ids: list[str]) -> str:
    """Claim the work by a stable id before its effect; not by that of somebody of whom many events come."""
    here = [_here(text, function) for text in ids if not _SOMEBODY.search(text)]
    ids = [text for text in here if text]
    return dedup(
        model, function, f"`{ids[0]}`" if ids else "the id of the event, message or row", ids[0] if ids else ""
    )


def _here(text: str, function: Function) -> str:
    """An id by a name that the function has: `order.id` of the caller is `order_id` where that is a parameter; "" where it has none."""
    if at_hand(re.split(r"\W", text, maxsplit=1)[0], function):
        return text
    name = text.replace(".", "_")
    return name if name in function.parameters else ""


def execution_id(model: Model, effect: EffectAt, argument: str, ids: list[str]) -> str:
    """Start an execution or a job under an id made of business keys."""
    place = Place(model, effect.function, effect.site, (effect.name,))
    conflict = place.pick("engine-conflict")
    note = conflict.text if conflict is not None else ""
    if not ids:
        text = (
            f"Pass `{argument}` and make it of what is started: kind and id of the entity, with the day or the attempt where the same one "
            "may rightly run again."
        )
        return fix(f"{text} {note}".strip())
    what = ids[0].partition("[")[0].partition(".")[0].removesuffix("_id")
    given = f'{argument}=f"{what}-{{{ids[0]}}}"'
    text = f"Make `{argument}` of what is started, so that a second start meets the first. {note}".strip()
    return fix(
        text, "", f"{'await ' if effect.site.fact.awaited else ''}{call_text(effect.site, [given], (argument,), WHOLE)}"
    )


def safe_retry(model: Model, effect: EffectAt, ids: list[str]) -> str:
    """A key for the other side, or a retry that leaves the unsafe call out."""
    where = effect.row.key
    site = effect.site
    if where is not None and where.argument:
        source = f'f"{effect.function.name}-{{{ids[0]}}}"' if ids else "key"
        given = f'{where.argument}={{"{where.contains}": {source}}}' if where.contains else f"{where.argument}={source}"
        made = f"made of `{ids[0]}`" if ids else "made once, outside of the retry, and passed in"
        own = best(model, "idempotency-key", effect.function, family_of(model, effect.name))
        present = next((v for k, v in site.fact.kwargs if k == where.argument), None)
        if where.contains and present is not None:
            there = written(present, site.function)
            there = there[1:-1] if isinstance(present, f.Dict) else f"**{there}"
            given = f'{where.argument}={{{there}, "{where.contains}": {source}}}'
        text = f"Send a key {made}, the same for every attempt, so that the other side recognises a repetition."
        if not ids:
            text = "Make a key above the retry (`key = str(uuid.uuid4())`), pass it down to here, and send it with every attempt, so that the other side recognises a repetition."
        awaits = "await " if site.fact.awaited else ""
        return fix(text, cite(own, effect.function), f"{awaits}{call_text(site, [given], (where.argument,), WHOLE)}")
    return (
        f"Take `{callee_text(site)}()` out of what is retried, or record before each attempt what was done already and skip it. Retry only "
        "errors after which it is certain that nothing was sent (connection refused, 429)."
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
    shown = written(site.fact.args[0], site.function) if site.fact.args else GAP
    if GAP in shown:
        return (
            f"Put a digest that is the same in every process in place of `{callee_text(site)}()` on line {site.line}: `hashlib.sha256()` of the same "
            "value as bytes."
        )
    where = f"`{callee_text(site)}({shown})`" if len(shown) < 40 else f"`{callee_text(site)}()` on line {site.line}"
    if _in_text(site):
        return with_snippet(
            f"Put a digest that is the same in every process in place of {where}:",
            f"hashlib.sha256(str({shown}).encode()).hexdigest()",
        )
    return with_snippet(
        f"Put a digest that is the same in every process in place of {where}; this one is a number of 63 bits, as that is:",
        f'int.from_bytes(hashlib.sha256(str({shown}).encode()).digest()[:8], "big") >> 1',
    )


def _in_text(site: CallSite) -> bool:
    """Is the value put into an f-string, where any text will do?"""
    scope = site.function.scope
    exprs = [a.value for a in scope.assigns] + [leave.value for leave in scope.leaves]
    exprs += [arg for call in scope.calls for arg in (*call.args, *(value for _, value in call.kwargs))]
    texts = (part for value in exprs if value is not None for part in flow.walk(value) if isinstance(part, f.FStr))
    return any(isinstance(p, f.CallRef) and p.index == site.index for text in texts for p in flow.walk(text))


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
