"""Values that are stored under a name which is called a hash, or the id of some content."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_CONTENT_ID = re.compile(
    r"^(document|doc|chunk|node|point|record|content|text|page|passage|message|event|article|source)_?(id|hash|uid|key)$",
    re.IGNORECASE,
)
_HASH_COLUMN = re.compile(r"(^|_)(hash|checksum|digest|fingerprint|etag|signature)$")


def hash_columns(model: Model) -> Iterator[tuple[CallSite, str, f.Expr]]:
    """(call, column, value) of everything that is stored in a column which is called a hash, or in a mapping as the id of some content."""
    for function in model.functions:
        yield from _content_ids(function)
        for site in function.calls:
            named = [(key, value) for key, value in site.fact.kwargs if _HASH_COLUMN.search(key)]
            if named and (_writes(model, site) or _makes_row(model, site)):
                for key, value in named:
                    yield site, key, value


def _writes(model: Model, site: CallSite) -> bool:
    return any(effect.effect.word.persists for effect in model.effects_at(site))


def _makes_row(model: Model, site: CallSite) -> bool:
    """A class of the project that is stored: it has a base of a library that maps or stores."""
    for value in model.graph.resolutions[site].classes:
        for base in value.cls.library_bases:
            library = model.knowledge.library_of(base)
            if library is not None and {"orm", "store", "vector", "search"} & set(library.role):
                return True
    return False


def _content_ids(function: Function) -> Iterator[tuple[CallSite, str, f.Expr]]:
    """`metadata["document_id"] = …`: such mappings travel with the content into a store."""
    for assign in function.scope.assigns:
        match assign.target:
            case f.Sub(index=f.Str(value=key)) if _CONTENT_ID.search(key) and assign.value is not None:
                for part in flow.walk(assign.value):
                    if isinstance(part, f.CallRef):
                        yield function.calls[part.index], key, assign.value
                        break
