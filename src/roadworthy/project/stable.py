"""Stable ids at hand: names in a function that are the same each time the same work is done."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.arguments import argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.knowledge.schema import Argument
    from roadworthy.project.symbols import CallSite, Function

_ID = re.compile(
    r"^(id|pk|uuid|uid|guid|slug|sku|isbn|reference|ref|external_id|number|checksum|digest|sha256|etag|fingerprint)$"
    r"|_(id|pk|uuid|uid|guid|slug|sku|reference|number|hash|checksum|digest|sha|sha256|fingerprint)$",
    re.IGNORECASE,
)
_PROCESS = re.compile(
    r"(^|[._])(self\.(id|uuid|uid)|request_id|trace_id|span_id|correlation_id|session_id|task_id|job_id|worker_id|node_id|process_id|thread_id"
    r"|client_id|template_id|app_id|api_id|chat_id|run_id|message_group_id)$",
    re.IGNORECASE,
)
_SOURCE = re.compile(
    r"^(url|uri|href|link|path|file_?name|file_?path|source(_url|_uri|_path)?|doc(ument)?_?(name|url|path)|page_?url)$",
    re.IGNORECASE,
)
_CONTENT = re.compile(
    r"^(text|texts|content|contents|page_content|documents?|docs|chunks?|body|sentences?|passages?|nodes|pages?|splits)$",
    re.IGNORECASE,
)
_SCOPE = re.compile(
    r"(^|[._])(user|tenant|org|organi[sz]ation|account|company|workspace|team|project|owner|author|location|site)(_id|\.id|\.pk|_pk)$"
)


def stable_ids(site: CallSite) -> list[str]:
    """Ids of business objects that are read in the function of a call, or are parameters of it; the most telling first.

    Ids of runs, traces and sessions do not count; ids of tenants and users come last, since many things share one.
    """
    found: dict[str, int] = {}
    inner = _of_comprehensions(site.function)
    for text, rank in (*_in_call(site), *_in_function(site.function)):
        last = _last_part(text)
        if _ID.search(last) and not _PROCESS.search(text) and text.partition(".")[0] not in inner:
            found.setdefault(text, rank + (10 if _SCOPE.search(text) else 0))
    return sorted(found, key=lambda text: (found[text], text))


def _of_comprehensions(function: Function) -> frozenset[str]:
    """Names that only comprehensions bind: outside of them there is no such thing."""
    names = {
        region.target.id
        for region in function.scope.regions
        if region.kind == "comprehension" and isinstance(region.target, f.Name)
    }
    bound = {a.target.id for a in function.scope.assigns if isinstance(a.target, f.Name) and a.op != "for"}
    loops = (region.target for region in function.scope.regions if region.kind == "for")
    bound |= {target.id for target in loops if isinstance(target, f.Name)}
    return frozenset(names - bound - set(function.parameters))


def own_ids(site: CallSite) -> list[str]:
    """The stable ids that belong to one thing: not those of a tenant, a user or another scope that many things share."""
    return [text for text in stable_ids(site) if not _SCOPE.search(text)]


def source_at_hand(function: Function) -> str:
    """A name in the function that says where a record comes from (its URL, its path); it tells one thing from another."""
    return _first(function, _SOURCE)


def content_at_hand(function: Function) -> str:
    """A name in the function that holds what a record says; a hash of it is a stable id."""
    return _first(function, _CONTENT)


def _first(function: Function, pattern: re.Pattern[str]) -> str:
    names = [*(text for text, _ in _in_function(function)), *function.scope.last_read]
    names += list(_items(function.scope, pattern))
    return next((text for text in names if pattern.search(_last_part(text))), "")


def _last_part(text: str) -> str:
    """`url` of `page.url` and of `data['url']`."""
    return text.rpartition(".")[2].rpartition("['")[2].removesuffix("']")


def given_ids(site: CallSite, without: Argument | None = None) -> list[str]:
    """The stable ids that a call is given; `without`: the argument that is judged itself."""
    expr = argument(site.fact, without)
    own = (
        {flow.text_of(part, site.function.scope) for part in flow.walk(expr)}
        if isinstance(expr, f.Name | f.Attr)
        else set()
    )
    inner = [site, *(_result_called(site))]
    found: dict[str, int] = {}
    for call in inner:
        for text, _ in _in_call(call):
            last = text.rpartition(".")[2]
            if _ID.search(last) and not _PROCESS.search(text) and text not in own:
                found.setdefault(text, 10 if _SCOPE.search(text) else 0)
    return sorted(found, key=lambda text: (found[text], text))


def _result_called(site: CallSite) -> Iterator[CallSite]:
    """`queue.add(job)(order_id)`: the call of what this call returns."""
    for other in site.function.calls:
        if isinstance(other.fact.func, f.CallRef) and other.fact.func.index == site.index:
            yield other


def _in_call(site: CallSite, depth: int = 0) -> Iterator[tuple[str, int]]:
    """What the call itself is given, also inside of records that are made for it (`Input(order_id=order.id)`)."""
    scope = site.function.scope
    for expr in (*site.fact.args, *(value for _, value in site.fact.kwargs)):
        for part in flow.walk(expr):
            if isinstance(part, f.Name | f.Attr):
                yield flow.text_of(part, scope), depth
            if depth < 2:
                for inner in _made_by(part, site):
                    yield from _in_call(inner, depth + 1)


def _made_by(part: f.Expr, site: CallSite) -> Iterator[CallSite]:
    """The call that an expression is, or that made what its name holds."""
    function = site.function
    if isinstance(part, f.CallRef):
        yield function.calls[part.index]
    elif isinstance(part, f.Name) and part.id in function.bindings:
        for assign in flow.reaching(function.scope, function.bindings[part.id], site.fact.order)[0][:2]:
            if isinstance(assign.value, f.CallRef) and assign.op == "=":
                yield function.calls[assign.value.index]


def _in_function(function: Function) -> Iterator[tuple[str, int]]:
    """Parameters and dotted names that are read."""
    here: Function | None = function
    rank = 1
    while here is not None and here.kind in {"function", "lambda"}:
        for param in here.scope.params:
            yield param.name, rank
        for text in here.scope.last_read:
            if "." in text and not text.startswith(("cls.", "settings.")) and text.count(".") <= 2:
                yield text, rank + 1
        here, rank = here.parent, rank + 3
    for text in _items(function.scope):
        yield text, 3


def _items(scope: f.Scope, pattern: re.Pattern[str] = _ID) -> Iterator[str]:
    """`event["id"]`, `row["external_id"]`: shown as written."""
    exprs = [a.value for a in scope.assigns] + [e for c in scope.calls for e in (*c.args, *(v for _, v in c.kwargs))]
    exprs += [leave.value for leave in scope.leaves]
    for expr in exprs:
        for part in flow.walk(expr):
            if isinstance(part, f.Sub) and isinstance(part.index, f.Str) and pattern.search(part.index.value):
                yield flow.text_of(part, scope)
