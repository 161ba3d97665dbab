"""Where a router is mounted, as far as its own construction says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project.values import LibraryObject

if TYPE_CHECKING:
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite

_PREFIXES = frozenset({"prefix", "url_prefix"})


def route_prefix(site: CallSite, evaluator: Evaluator) -> str:
    """`/orders` of `router = APIRouter(prefix="/orders")` for `@router.get(…)`; empty where none is written there."""
    func = site.fact.func
    if not isinstance(func, f.Attr):
        return ""
    for value in evaluator.evaluate(func.value, site.function, site.fact.order):
        if isinstance(value, LibraryObject) and value.site is not None:
            for keyword, given in value.site.fact.kwargs:
                if keyword in _PREFIXES and isinstance(given, f.Str) and given.value.startswith("/"):
                    return given.value.rstrip("/")
    return ""
