"""Settings by which a client tells success before the data is safe, at the calls that set them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.cutoff import is_bookkeeping, is_telemetry
from roadworthy.project.keys import key_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.knowledge.schema import WeakRow
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite

_SPARE = re.compile(r"cache|te?mp(orary)?|scratch|bulk|import|restore|bench|snapshot|derived|:memory:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class WeakSetting:
    """One such setting."""

    site: CallSite
    row: WeakRow
    written: str  # as it stands: `acks=0`, `PRAGMA synchronous = OFF`


def weak_settings(model: Model) -> Iterator[WeakSetting]:
    """All of reviewed code; one for each call."""
    for site in model.sites():
        for name in model.library_names(site):
            found = next((w for row in model.knowledge.weak_settings(name) if (w := _given(model, site, row))), None)
            if found is not None:
                yield found
                break


def _given(model: Model, site: CallSite, row: WeakRow) -> WeakSetting | None:
    expr = key_value(model, site, row.setting)
    if expr is None:
        return None
    value = expr.value if isinstance(expr, f.Str) else model.literal(expr, site.function)
    text = "" if value is None else str(value)
    if row.text:
        match = re.search(row.text, text, re.IGNORECASE)
        return WeakSetting(site, row, match[0].strip(" ?&;")) if match else None
    if text not in row.values:
        return None
    where = row.setting
    shown = f'"{text}"' if isinstance(expr, f.Str) else flow.text_of(expr, site.function.scope)
    return WeakSetting(site, row, f'"{where.contains}": {shown}' if where.contains else f"{where.argument}={shown}")


def may_be_lost(found: WeakSetting) -> bool:
    """Do the names around say that nobody misses what is lost: caches, scratch data, metrics, logs, data that is loaded in bulk?"""
    return any(is_telemetry(name) or is_bookkeeping(name) or _SPARE.search(name) for name in _names_around(found.site))


def _names_around(site: CallSite) -> Iterator[str]:
    function, scope = site.function, site.function.scope
    yield function.qualname
    yield function.path.rpartition("/")[2]
    for assign in scope.assigns:
        if assign.value is not None and any(
            isinstance(part, f.CallRef) and part.index == site.index for part in flow.walk(assign.value)
        ):
            yield flow.text_of(assign.target, scope)
    outer = site.fact.outer
    texts = (*site.fact.args, *(value for _, value in site.fact.kwargs), site.fact.func)
    if outer >= 0:
        call = scope.calls[outer]
        texts = (*texts, call.func, *call.args, *(value for key, value in call.kwargs))
    for expr in texts:
        yield from flow.strings_of(expr)
        if isinstance(expr, f.Attr | f.Name):
            yield flow.text_of(expr, scope)
