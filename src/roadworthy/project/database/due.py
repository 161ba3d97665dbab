"""Rows that are picked because their time has come: `next_run <= now`, `reminded_at` long ago or never."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roadworthy.project.database.conditions import Match
    from roadworthy.project.database.tables import Column

BEFORE = "before"  # the sign of a match: the column lies before what it is compared with, or is empty
_DUE = re.compile(
    r"(^|_)(next|due|last|run|runs|send|sent|remind|reminder|reminded|retry|fire|fired|notify|notified|poll|polled|sync|synced|check|checked)(_|$)"
)
_TIME = re.compile(r"date|time", re.IGNORECASE)
_BEFORE = frozenset({"lt", "lte", "<", "<="})


def sign_of(operator: str) -> str:
    """Of `next_run__lte=now`, `Task.next_run <= now`."""
    return BEFORE if operator in _BEFORE else ""


def is_due(match: Match, column: Column) -> bool:
    """Is it a time, called like that of the next or the last round, that has passed?"""
    return match.sign == BEFORE and bool(_TIME.search(column.type)) and bool(_DUE.search(column.attribute))


def never_or_before(sides: list[list[Match]]) -> list[Match]:
    """`Q(sent_at__isnull=True) | Q(sent_at__lt=cutoff)`: one condition on one column."""
    found = [match for side in sides for match in side]
    if len(sides) != len(found) or len({match.column for match in found}) != 1:
        return []
    before = [match for match in found if match.sign == BEFORE]
    empty = [match for match in found if match.op == "null"]
    return [replace(before[0])] if before and len(before) + len(empty) == len(found) else []
