"""What a request means, by the names around it: does it create, charge, mail; who asks a general `request()` for it?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, Repeat
from roadworthy.project import flow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roadworthy.project.effects import EffectAt
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
