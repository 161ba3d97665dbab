"""Is a request handler there for events that somebody else sends?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.symbols import Function

_WEBHOOK = re.compile(r"web_?hook|(?<![a-z])hooks?(?![a-z])|(?<![a-z])ipn(?![a-z])|callback_url", re.IGNORECASE)
_HOOK_CLASS = re.compile(r"[a-z]Hooks?((API)?View|Handler|Endpoint|Resource|Controller)?$")  # `PaymentHookView`
_MANAGES = re.compile(
    r"(list|get|retrieve|read|view|show|test|create|update|delete|destroy|remove|partial_update|edit|patch|re_?deliver|re_?send|re_?try|new|add"
    r"|register|set|enable|disable|render|validate|has|save|send|trigger|search|count|(de)?activate|pause|toggle|rotate|reset|configure|(un)?install|setup|provision|ensure"
    r"|(un)?subscribe|archive|restore|re_?play|re_?generate|ping|preview|fetch|check)(_|$)"
)
_RECEIVES = re.compile(r"(handle|receive|process|incoming|on|consume|ingest|accept)_")
_HOLE = re.compile(r"[{<(*]")
_VERB = re.compile(
    r"(de)?activate|enable|disable|pause|resume|toggle|rotate(-\w+)?|reset|test|retry|re(send|deliver|play|generate)|archive|restore|(un)?subscribe"
)
_PROVES = re.compile(
    r"_*(verify|check|validate|authenticate|assert|require)_(\w+_)?signature|(has|is)_valid_(\w+_)?signature|construct_event",
    re.IGNORECASE,
)

_HEADER = re.compile(
    r"(http[_-])?(?!x[_-]amz)(\w+[_-])+(signature|hmac)([_-]sha\d+|[_-]256|[_-]v\d)?|(http[_-])?x[_-](\w+[_-])?(event|event[_-](key|type|name)|topic|delivery)",
    re.IGNORECASE,
)
"""Headers by which a sender proves who it is or says what happened: `X-Hub-Signature-256`, `HTTP_X_GITHUB_EVENT`."""
_HEADERS = frozenset({"headers", "META"})

_BODY = frozenset({"body", "data", "get_data", "get_json", "json", "raw_body", "payload"})
_SIGNED = frozenset({"body", "raw_body", "headers", "META"})
_POSTED = frozenset({"create", "acreate"})
"""What a framework calls the handler of a POST, whoever sends it."""


def is_webhook(function: Function, label: str) -> bool:
    """Events from outside, told by route, by names, and by the proof of who sent them; managing the webhooks that one sends is another thing."""
    method, _, route = label.rpartition(" ")
    if method in {"GET", "DELETE", "PUT", "PATCH"}:
        return False
    if _MANAGES.match(function.name):
        return function.name in _POSTED and _is_signed(function, whole=True)
    segments = [part for part in route.strip("^$/").split("/") if part]
    if len(segments) > 1 and _HOLE.search(segments[-2]) and _VERB.fullmatch(segments[-1]):
        return False  # `/webhooks/{id}/activate`: somebody does something with one that is stored
    if segments and "/" in label and any(_WEBHOOK.search(part) for part in segments) and not _HOLE.search(segments[-1]):
        return True  # `/webhook`, `/webhooks/payments`
    if _WEBHOOK.search(function.name) or _is_signed(function):
        return True
    owner = f"{function.cls.name if function.cls else ''} {function.path.rpartition('/')[2]}"
    receives = function.name in {"post", "handle", "receive", "process", "dispatch", "__call__"} or _RECEIVES.match(
        function.name
    )
    named = re.search(r"webhook|ipn", owner, re.IGNORECASE) or (function.cls and _HOOK_CLASS.search(function.cls.name))
    return bool((receives or method == "POST") and named)


def _is_signed(function: Function, *, whole: bool = False) -> bool:
    """No person's browser signs a body: a handler that reads one and asks for its signature is told of events by another system.

    `whole`: the request itself or its body is what is signed, not a field of a form.
    """
    proofs = [site for site in function.calls if _PROVES.fullmatch(_last(site.fact.func))]
    if whole:
        proofs = [site for site in proofs if any(_is_request(arg, function) for arg in site.fact.args)]
    proven = bool(proofs) or (not whole and _reads_sender(function))
    return proven and any(_last(part) in _BODY for value in _values(function) for part in flow.walk(value))


def _reads_sender(function: Function) -> bool:
    """`request.headers["X-Hub-Signature"]`, `request.META.get("HTTP_X_GITHUB_EVENT")`."""
    taken = [
        (site.fact.func.value, site.fact.args[0])
        for site in function.calls
        if isinstance(site.fact.func, f.Attr) and site.fact.func.name == "get" and site.fact.args
    ]
    taken += [
        (part.value, part.index) for value in _values(function) for part in flow.walk(value) if isinstance(part, f.Sub)
    ]
    if any(_HEADER.fullmatch(param.name) and _is_header(param, function) for param in function.scope.params):
        return True
    return any(
        _last(owner) in _HEADERS and isinstance(key, f.Str) and _HEADER.fullmatch(key.value) for owner, key in taken
    )


def _is_header(param: f.Param, function: Function) -> bool:
    """`x_hub_signature_256: str = Header()`, `stripe_signature: Annotated[str, Header()]`."""
    outer = function.parent.scope if function.parent is not None else function.scope
    given = (flow.text_of(expr, outer) for expr in (param.default, param.annotation) if expr is not None)
    return any("Header" in text for text in given)


def _is_request(arg: f.Expr, function: Function) -> bool:
    """`validate_signature(request)`, `verify_signature(request.body, request.headers)`."""
    owner = arg.value if isinstance(arg, f.Attr) and arg.name in _SIGNED else arg
    return isinstance(owner, f.Name) and owner.id in function.parameters


def _values(function: Function) -> Iterator[f.Expr]:
    for site in function.calls:
        yield from (site.fact.func, *site.fact.args, *(value for _, value in site.fact.kwargs))
    yield from (assign.value for assign in function.scope.assigns if assign.value is not None)


def _last(expr: f.Expr) -> str:
    return expr.name if isinstance(expr, f.Attr) else expr.id if isinstance(expr, f.Name) else ""
