"""Writes under new ids that do no harm: what was there is deleted first, or one run joins what it has written itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.database.expressions import last_name
from roadworthy.project.once import once

if TYPE_CHECKING:
    from roadworthy.project.entry import Entry
    from roadworthy.project.minting import Minted
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_INDEX_ROLES = frozenset({"vector", "search", "llm"})
_DELETES = re.compile(
    r"^(a|async_)?(delete|remove|clear|purge)(_(filtered|old|all|by|ref|nodes?|docs?|documents?|points?|chunks?|vectors?|records?|embeddings?)\w*)?$"
)
_INSERTS = re.compile(r"^(a|async_)?(insert|add|upsert|index|store)(_|$)")


def empties_first(model: Model, write: CallSite, name: str, entry: Entry | None) -> bool:
    """What was there is deleted before, so that a repetition leaves one copy."""
    root, function = name.partition(".")[0], write.function
    tops = [entry.function] if entry is not None else [function, *(edge.caller for edge in model.edges_to(function))]
    for top in tops:
        for other in model.effects_under(top):
            first, _, _ = other.name.partition(".")
            last = other.name.rpartition(".")[2]
            if first == root and last.startswith(("delete", "recreate", "drop", "clear", "reset")):
                return True
    unseen = not model.effects_at(write)  # only the record is made here: it is stored where the project stores
    return (unseen and _replaces(model)) or _deletes_then_inserts(model, function)


@once
def _replaces(model: Model) -> bool:
    """Is there a function by which the project fills its index and that deletes what was there first?"""
    return any(_deletes_then_inserts(model, function) for function in model.functions)


def _deletes_then_inserts(model: Model, function: Function) -> bool:
    calls = [(last_name(site.fact.func), site) for site in function.calls]
    deletes = [site for name, site in calls if _DELETES.match(name)]
    if not deletes or not any(_is_of_index(model, site) for _, site in calls):
        return False
    return any(
        _INSERTS.match(name)
        and any(
            other.fact.order < site.fact.order and flow.on_one_path(function.scope, other.fact.region, site.fact.region)
            for other in deletes
        )
        for name, site in calls
    )


def _is_of_index(model: Model, site: CallSite) -> bool:
    libraries = (model.knowledge.library_of(name) for name in model.library_names(site))
    return any(library is not None and _INDEX_ROLES & set(library.role) for library in libraries)


def joins_itself(minted: Minted, lookup: CallSite) -> bool:
    """`now = …; for file in files: get_or_create(timestamp=now)`: the rounds of one run are to find one row."""
    scope = lookup.function.scope
    loop = flow.loop_of(scope, lookup.fact.region)
    if loop is None or minted.anchor.function is not lookup.function or not _before(scope, minted.anchor, loop):
        return False
    region = scope.regions[loop]
    changing = {
        part.id
        for assign in scope.assigns
        if region.start <= assign.order <= region.end or assign.op == "for"
        for part in flow.walk(assign.target)
        if isinstance(part, f.Name)
    }
    columns = (value for keyword, value in lookup.fact.kwargs if keyword != "defaults")
    return not any(
        isinstance(part, f.CallRef) or (isinstance(part, f.Name) and part.id in changing)
        for value in columns
        for part in flow.walk(value)
    )


def _before(scope: f.Scope, site: CallSite, loop: int) -> bool:
    return site.fact.order < scope.regions[loop].start
