"""How many rows of one key the code itself reckons with: one, or several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f

if TYPE_CHECKING:
    from roadworthy.project.handler import Handler
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite

_ONE = frozenset({
    "get", "aget", "get_or_404", "get_object_or_404", "aget_object_or_404", "one", "one_or_none", "scalar_one", "scalar_one_or_none",
})  # fmt: skip
_ANY = frozenset({"first", "afirst", "last", "alast", "exists", "aexists", "scalar", "find_one"})
_TOO_MANY = ("MultipleObjectsReturned", "MultipleResultsFound")


def asks_for_one(site: CallSite) -> bool | None:
    """Does a lookup raise on two rows (`get`, `one()`)? False: it takes either of them (`first()`); None: its name does not tell."""
    names = {site.fact.func.name if isinstance(site.fact.func, f.Attr) else "", _last_link(site)}
    return True if names & _ONE else False if names & _ANY else None


def lists_rows(site: CallSite) -> bool:
    """Does a lookup fetch a list (`….all()`), so that one key has as many rows as it likes?"""
    return "all" in {site.fact.func.name if isinstance(site.fact.func, f.Attr) else "", _last_link(site)}


def several_expected(model: Model, site: CallSite) -> Handler | None:
    """A handler for "more than one row" around a lookup: its authors let one key have several."""
    for handlers in model.handlers_around(site):
        for handler in handlers:
            if any(name.endswith(_TOO_MANY) for name in handler.types):
                return handler
    return None


def _last_link(site: CallSite) -> str:
    """`all` of `session.exec(…).all()`, also over `.scalars()` in between."""
    calls, index = site.function.scope.calls, site.index
    name = ""
    while (outer := calls[index].outer) >= 0:
        func = calls[outer].func
        if not (isinstance(func, f.Attr) and func.value == f.CallRef(index)):
            break
        name, index = func.name, outer
    return name
