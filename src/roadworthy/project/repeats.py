"""What a repetition of an effect would do: is it safe, does anything after it send the run round again, does a retry tell failure from doubt?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, EntryKind, GuardKind, Repeat
from roadworthy.project import flow
from roadworthy.project.dedup import selected_by_state
from roadworthy.project.values import Container, LibraryObject, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.guard import Guard
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_CREATES = re.compile(
    r"(?<![a-z])create_|charge|(?<![a-z])pay(?!load)|place_?order|/orders?\b|refund|transfer|payout|invoice|(?<![a-z])book_|booking|reserve_|reservation"
    r"|ticket|subscription|purchase|checkout|withdraw|deposit|enrol",
    re.IGNORECASE,
)
_READS = re.compile(
    r"search|query|graphql|token|(?<![a-z])auth|login|oauth|predict|embed|complet|chat|generat|infer|rank|classif|translat|valid|verif"
    r"|list|(?<![a-z])get|fetch|read|lookup|convert|render|extract|pars|index|health|ping|scrape|crawl|upload|download|scan|analy|session"
    r"|graph|metric|telemetry|track|log(?!i)|report|stat|sync|hook|notif|alert|messag|resolve|find|load|poll|sample|tokeniz|transcri|estimate"
    r"|simulate|(?<![a-z])tax|calculat|preview|quote|cancel|(?<![a-z])create_?(request|client|session|conn|http|url|header|socket|ssl|context|pool|collection|table"
    r"|bucket|schema|namespace|database|topic|queue|user)",
    re.IGNORECASE,
)
_GENERIC = frozenset({
    "request", "send", "post", "put", "patch", "call", "execute", "do_request", "api_call", "make_request", "send_request", "dispatch",
})  # fmt: skip
_NAMED = (
    (re.compile(r"charge|(?<![a-z])pay(?!load)|refund|payout|transfer_?(money|funds)|withdraw|place_?order|capture_payment", re.IGNORECASE), Effect.CHARGE),
    (re.compile(r"send_?(sms|otp)|sms\S* \S*(send|call|dial|deliver)|phone_?call", re.IGNORECASE), Effect.SMS),
    (re.compile(r"send_?(e?mail|reminder|receipt|invoice|newsletter)|mail\S* \S*(send|deliver)", re.IGNORECASE), Effect.EMAIL),
)  # fmt: skip
# Errors after which it is certain that nothing was done, or that the database undid it.
_CERTAIN = re.compile(
    r"ConnectTimeout|ConnectError|RateLimit|TooMany|Throttl|Deadlock|Serialization|Integrity|Locked|LockTimeout|Conflict|429"
)
_DATABASE = re.compile(r"OperationalError|DatabaseError|InterfaceError|DBAPIError|StaleData|ProgrammingError")
_METHOD_ARGUMENTS = frozenset({"allowed_methods", "method_whitelist", "retryable_methods", "retry_methods"})


def meant(model: Model, effect: EffectAt, above: Sequence[Function] = ()) -> Effect:
    """What an effect is by the names around it: a request in `send_sms()` sends a text message, whatever library carries it."""
    if effect.effect not in {Effect.HTTP_REQUEST, Effect.RPC} or effect.repeat is Repeat.SAFE:
        return effect.effect
    name = _name(effect, above)
    text = f"{effect.function.path} {name}"
    word = next(
        (word for pattern, word in _NAMED if pattern.search(name if word is Effect.CHARGE else text)), effect.effect
    )
    return word if word is not Effect.CHARGE or names_a_creation(model, effect, above) else effect.effect


def _name(effect: EffectAt, above: Sequence[Function]) -> str:
    """The name of the nearest function that says something."""
    return next((fn.name for fn in (effect.function, *reversed(above)) if fn.name.strip("_") not in _GENERIC), "")


def asked_by(model: Model, effect: EffectAt) -> list[Function]:
    """Who asks a general `request()` or `_post()` of the project to send something: their names tell what it is."""
    function = effect.function
    if function.name.strip("_") not in _GENERIC:
        return []
    edges = [edge for edge in model.edges_to(function) if edge.runs_here]
    return [edge.caller for edge in edges if not _reads_by_method(edge.site)][:60]


def _reads_by_method(site: CallSite) -> bool:
    texts = [text.upper() for expr in site.fact.args[:2] for text in flow.strings_of(expr)]
    return any(text in {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"} for text in texts)


def names_a_creation(model: Model, effect: EffectAt, above: Sequence[Function] = ()) -> bool:
    """Do the names around a request (its function, its URL, those who call it) say that it makes something, and none that it reads?"""
    text = _words(model, effect, above)
    return bool(_CREATES.search(text)) and not _READS.search(text)


def _words(model: Model, effect: EffectAt, above: Sequence[Function]) -> str:
    """The names of the functions, unless they say nothing, and what the URL says."""
    site = effect.site
    words = [_name(effect, above)]
    for expr in (
        *site.fact.args[:2],
        *(value for key, value in site.fact.kwargs if key in {"url", "path", "endpoint"}),
    ):
        words += list(flow.strings_of(expr))
        words += [
            flow.text_of(part, site.function.scope) for part in flow.walk(expr) if isinstance(part, f.Name | f.Attr)
        ]
    return " ".join(words)


def leaves_doubt(guard: Guard) -> bool:
    """Does a retry repeat after failures of which nobody knows whether the work was done (timeouts, resets, 5xx)?"""
    if not guard.on:
        return True
    return any(not _CERTAIN.search(name) and not _DATABASE.search(name) for name in guard.on)


def goes_on_after(model: Model, sites: Sequence[CallSite]) -> bool:
    """Can the run still fail after the last of these nested calls: is it one of many in a loop, does external work follow?"""
    for site in sites:
        scope = site.function.scope
        for loop in flow.loops_of(scope, site.fact.region):
            if scope.regions[loop].kind != "while" and model.guards.loop(site.function, loop).kind == "items":
                return True
        for other in site.function.calls:
            if (
                other.fact.order > site.fact.order
                and flow.may_precede(scope, site.fact, other.fact)
                and _may_fail(model, other)
            ):
                return True
    return False


def _may_fail(model: Model, site: CallSite) -> bool:
    found = [
        e
        for e in model.effects_through(site)
        if e.effect.word.external and not e.effect.word.telemetry and not e.secondary
    ]
    if not found:
        return False
    return not any(
        guard.kind is GuardKind.CATCH and any(h.broad and not h.may_raise for h in guard.handlers)
        for guard in model.guards_on(site)
    )


def in_handler(model: Model, sites: Sequence[CallSite]) -> bool:
    """Does one of these calls stand in an `except` block: what happens there is about a failure?"""
    return any(
        site.function.scope.regions[region].kind == "except"
        for site in sites
        for region in flow.ancestors(site.function.scope, site.fact.region)
    )


def not_repeatable(effect: EffectAt) -> bool:
    """By nature or by its library row: not without a key, or not at all."""
    return effect.repeat is not Repeat.SAFE


def is_framework_retry(model: Model, guard: Guard) -> bool:
    """The retry belongs to the queue or engine that runs the function: what declares it makes an entry too."""
    return bool(model.knowledge.entries(guard.name))


def write_retrying_clients(model: Model) -> Iterator[tuple[CallSite, tuple[str, ...]]]:
    """Calls that tell a client's retry to repeat writes too (`allowed_methods=["GET", "POST"]`, `None` for all), with the methods."""
    for function in model.functions:
        for site in function.calls:
            for keyword, expr in site.fact.kwargs:
                if keyword in _METHOD_ARGUMENTS and _is_retry(model, site):
                    methods = _methods(model, expr, site)
                    if methods:
                        yield site, methods


def repeated_by(model: Model, site: CallSite) -> list[EffectAt]:
    """The requests of clients on which the retry made by this call is mounted, that are not safe to repeat."""
    found = []
    for effect in model.effects_of(Effect.HTTP_REQUEST, Effect.RPC):
        place = model.client_retry(effect).site
        if place is not None and not_repeatable(effect) and (place is site or _is_given(model, place, site)):
            found.append(effect)
    return found


def _is_given(model: Model, place: CallSite, made: CallSite) -> bool:
    """Is what `made` makes an argument of `place`?"""
    exprs = (*place.fact.args, *(value for _, value in place.fact.kwargs))
    return any(
        isinstance(value, LibraryObject) and value.site is made
        for expr in exprs
        for value in model.values(expr, place.function, place.fact.order)
    )


def _is_retry(model: Model, site: CallSite) -> bool:
    return any(
        row.kind == GuardKind.RETRY.value for name in model.library_names(site) for row in model.knowledge.guards(name)
    )


def _methods(model: Model, expr: f.Expr, site: CallSite) -> tuple[str, ...]:
    found: list[str] = []
    for value in model.values(expr, site.function, site.fact.order):
        if isinstance(value, Literal) and value.value in (None, False):
            return ("every method",)
        items = value.items if isinstance(value, Container) else (value,)
        found += [str(item.value).upper() for item in items if isinstance(item, Literal)]
    for part in flow.walk(expr):
        if isinstance(part, f.Str):
            found.append(part.value.upper())
        if isinstance(part, f.CallRef):
            found += [
                text.upper() for arg in site.function.scope.calls[part.index].args for text in flow.strings_of(arg)
            ]
    return tuple(method for method in ("POST", "PATCH") if method in found)


# --- producers that come round again ----------------------------------------------------------------------------------


def sweeps(entry: Entry) -> bool:
    """Does the entry look over a state again and again: a schedule, an endless loop, a job that is given nothing?"""
    if entry.kind in {EntryKind.SCHEDULED, EntryKind.WORKER_LOOP}:
        return True
    if entry.kind is not EntryKind.JOB:
        return False
    params = [
        p
        for p in entry.function.scope.params
        if p.name not in {"self", "cls", "task", "ctx", "context", "job"} and p.default is None
    ]
    return not [p for p in params if p.kind == "positional" or p.kind == "keyword"]


def polls(entry: Entry) -> bool:
    """A request that only reads, by its method or name: clients send it again and again."""
    if entry.kind is not EntryKind.HTTP_HANDLER:
        return False
    name = entry.function.name
    return entry.label.startswith("GET ") or bool(
        re.match(r"(read|get|list|poll|fetch|check|count|heartbeat|retrieve)(_|$)", name)
    )


def changes_state_before(model: Model, site: CallSite) -> bool:
    """Is a row updated before the call, so that the next round does not select it again?"""
    scope = site.function.scope
    writes = (Effect.SQL_UPDATE, Effect.SQL_DELETE, Effect.SQL_UPSERT, Effect.SQL_INSERT, Effect.SQL)
    return any(
        other.fact.order < site.fact.order
        and flow.may_precede(scope, other.fact, site.fact)
        and model.effects_through(other, *writes)
        for other in site.function.calls
    )


@dataclass(frozen=True, slots=True)
class Raised:
    """A number of a loaded row that is raised in Python, and the write that stores it."""

    name: str
    function: Function
    line: int
    end_line: int
    stored: EffectAt


def raised_in_place(model: Model, function: Function) -> Iterator[Raised]:
    """`wallet.balance += amount; wallet.save()`."""
    for assign in function.scope.assigns:
        target = assign.target
        if assign.op not in {"+=", "-="} or not isinstance(target, f.Attr) or not isinstance(target.value, f.Name):
            continue
        if _loaded(model, target.value.id, function, assign.order):
            later = (site for site in function.calls if site.fact.order > assign.order)
            stored = next((e for site in later for e in model.effects_at(site) if e.effect in _SAVES), None)
            if stored is not None:
                yield Raised(target.name, function, assign.line, assign.end_line, stored)


_SAVES = frozenset({Effect.SQL_UPDATE, Effect.SQL_UPSERT, Effect.COMMIT})


def _loaded(model: Model, name: str, function: Function, order: int) -> bool:
    """Does a name hold what a query found?"""
    for assign in flow.reaching(function.scope, function.bindings.get(name, []), order)[0]:
        for part in flow.walk(assign.value):
            if isinstance(part, f.CallRef) and model.effects_through(
                function.calls[part.index], Effect.SQL_READ, Effect.SQL
            ):
                return True
    return False


def brings_batches(function: Function) -> bool:
    """Does a function of a platform read a batch of messages (`event["Records"]`)? Requests through a gateway are none."""
    exprs = [region.test for region in function.scope.regions] + [a.value for a in function.scope.assigns]
    exprs += [e for call in function.scope.calls for e in call.args]
    return any(text == "Records" for expr in exprs if expr is not None for text in flow.strings_of(expr))


def in_loop(site: CallSite) -> bool:
    """Is the call made once for each of several things?"""
    return bool(flow.loops_of(site.function.scope, site.fact.region))


def selects_by_state(model: Model, function: Function) -> bool:
    """Does a function, itself or through what it calls, ask for rows in a state?"""
    return any(
        selected_by_state(model, f.CallRef(site.index), function, site.fact.order)
        for site in function.calls
        if model.effects_through(site, Effect.SQL_READ, Effect.SQL)
    )
