"""One use of a pattern, as the miners hand it on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.advice.code import callee_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function


@dataclass(frozen=True, slots=True)
class Seen:
    """One use of a pattern; equal kind, name, family and definition mean the same pattern."""

    kind: str
    name: str  # as a reader would call it: `retrying_client()`, `@backoff.on_exception`
    path: str
    line: int
    family: str = ""  # what it fits: the distribution of the call, the kind of lock; "" fits anything
    definition: Function | None = None  # the project's own helper; None: a library's, written out at each place
    site: CallSite | None = None  # the call there
    shape: str = ""  # the code there, where it is not the call
    in_async: bool = False
    on: tuple[str, ...] = ()  # exceptions it is for, where that matters
    example: bool = False  # named after the function in which it stands


def at_site(kind: str, site: CallSite, name: str = "", family: str = "") -> Seen:
    """A library call that is itself the pattern."""
    shown = name or f"{callee_text(site)}()"
    return Seen(kind, shown, site.path, site.line, family, site=site, in_async=site.function.is_async)


def of_helper(kind: str, helper: Function, site: CallSite | None, family: str = "") -> Seen:
    """A use of the project's own helper; `site` None: its definition stands for it."""
    name = f"{helper.qualname}()"
    if site is None:
        return Seen(kind, name, helper.path, helper.line, family, helper, in_async=helper.is_async)
    return Seen(kind, name, site.path, site.line, family, helper, site, in_async=site.function.is_async)


def uses_of(kind: str, helper: Function, model: Model, family: str = "") -> Iterator[Seen]:
    """A helper of the project and every call of it by reviewed code."""
    edges = (edge for edge in model.edges_to(helper) if edge.kind != "callback")
    sites = {edge.site: None for edge in edges if model.is_reviewed(edge.site.path)}
    for site in sites:
        yield of_helper(kind, helper, site, family)
    if not sites:
        yield of_helper(kind, helper, None, family)


def example_in(kind: str, site: CallSite, family: str = "") -> Seen:
    """A function that does the thing well; it is named after the function, and shown at the call."""
    function = site.function
    if function.kind != "function":
        return at_site(kind, site, family=family)
    name = f"{function.qualname}()"
    return Seen(kind, name, site.path, site.line, family, site=site, in_async=function.is_async, example=True)
