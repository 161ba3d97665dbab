"""The session of an ORM as a function has it: its name, and whether its calls are awaited."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.advice.code import callee_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.symbols import CallSite, Function

_NAME = re.compile(r"^(?:\w+\.)*_?(?:async_)?(?:db_)?(?:session|sess|db|scoped_session\(\))$")
_WAITS = frozenset({"execute", "scalar", "scalars", "commit", "flush", "refresh", "rollback"})
_OTHERS = frozenset({"add", "add_all", "query", "get", "merge", "delete", "begin_nested"})
USUAL = "session"


def session_name(function: Function) -> str:
    """The session that a function calls or is given: `db_session`, `self.session`, `db.session`; `session` where none is seen."""
    return own_session(function) or USUAL


def own_session(function: Function) -> str:
    """As `session_name`; "" where none is seen."""
    used = next((owner for owner, _ in _calls(function)), "")
    given = next((name for name in function.parameters if _NAME.match(name)), "")
    return used or given


def waits(function: Function) -> bool:
    """Are calls of the session awaited? Of a coroutine yes, unless it calls a session that is not."""
    seen = [site.fact.awaited for _, site in _calls(function) if callee_text(site).rpartition(".")[2] in _WAITS]
    return function.is_async and (not seen or any(seen))


def _calls(function: Function) -> Iterator[tuple[str, CallSite]]:
    for site in function.calls:
        owner, _, method = callee_text(site).rpartition(".")
        if method in _WAITS | _OTHERS and _NAME.match(owner):
            yield owner, site
