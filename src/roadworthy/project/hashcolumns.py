"""Values that are stored in columns which are called a hash."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.facts import schema as f
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite

_HASH_COLUMN = re.compile(r"(^|_)(hash|checksum|digest|fingerprint|etag|signature)$")


def hash_columns(model: Model) -> Iterator[tuple[CallSite, str, f.Expr]]:
    """(call, column, value) of everything that is stored in a column which is called a hash: of constructors of tables and of writes."""
    for function in model.functions:
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
