"""Code that runs on a developer's machine only: under `if DEV_MODE:`, `if settings.DEBUG:`, `if env == "development":`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow

if TYPE_CHECKING:
    from roadworthy.project.symbols import CallSite, Function

_SWITCH = re.compile(r"(?:[A-Z]+_)?(?:DEV_MODE|DEVELOPMENT_MODE|DEBUG_MODE|IS_DEV|IS_DEVELOPMENT|DEVELOPMENT|DEBUG)")
_NAMES = frozenset({"dev", "development", "local", "localhost"})


def only_developed(site: CallSite) -> bool:
    """Does the call, or the function around it, stand in such a block?"""
    region = site.fact.region
    function: Function | None = site.function
    while function is not None:
        if any(_is_for_developers(function.scope.regions[r]) for r in flow.ancestors(function.scope, region)):
            return True
        region, function = function.scope.region_in_parent, function.parent
    return False


def _is_for_developers(region: f.Region) -> bool:
    if region.kind != "if" or region.test is None:
        return False
    match region.test:
        case f.Name() | f.Attr():
            return bool(_SWITCH.fullmatch(flow.last_name(region.test)))
        case f.Compare(ops=("==",), rights=(f.Str(value=value),)):
            return value.lower() in _NAMES
        case f.BoolOp(op="and", items=items):
            return any(
                isinstance(item, f.Name | f.Attr) and _SWITCH.fullmatch(flow.last_name(item)) is not None
                for item in items
            )
    return False
