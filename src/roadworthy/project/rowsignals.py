"""Receivers of the signals that a row is written or deleted: which signal it is, and whose rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, EntryKind
from roadworthy.project import flow
from roadworthy.project.byvalue import asked_values
from roadworthy.project.values import ClassValue

if TYPE_CHECKING:
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.failures import Outcome
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, ClassInfo

IN_WRITE = re.compile(r"(pre|post)_delete|m2m_changed|(before|after)_(insert|update|delete|flush)")
"""Sent inside a transaction that the writing call holds."""
AT_SAVE = re.compile(r"(pre|post)_save")
"""Sent inside whatever transaction the caller holds."""
_OTHER_ROWS: dict[bool | None, Effect] = {True: Effect.SQL_UPDATE, False: Effect.SQL_INSERT}
"""The write of which a receiver for created rows only (True), or for all but those (False), does nothing."""


def registration(model: Model, entry: Entry) -> tuple[str, ClassInfo | None]:
    """(the signal as written, the model that sends it)."""
    if entry.site is None:
        return "", None
    scope = entry.site.function
    func = entry.site.fact.func
    owner = flow.text_of(func.value, scope.scope) if isinstance(func, f.Attr) else ""
    given = flow.text_of(entry.site.fact.args[0], scope.scope) if entry.site.fact.args else ""
    text = owner if IN_WRITE.search(owner) or AT_SAVE.search(owner) else given
    sender = next((value for key, value in entry.site.fact.kwargs if key == "sender"), None)
    for value in model.values(sender, scope, entry.site.fact.order) if sender is not None else ():
        if isinstance(value, ClassValue):
            return text, value.cls
    return text, None


def announces(model: Model, effect: EffectAt, site: CallSite) -> bool:
    """Does the receiver come to this call for the row of that write: created or not (`if created:`), and in the state it asks for?"""
    created = next((value for path, value in model.switches.needs(site) if path == "created"), None)
    if effect.effect is _OTHER_ROWS.get(created):
        return False
    if effect.effect is not Effect.SQL_INSERT or not effect.name.endswith(".create"):
        return True
    asked = [(text.rpartition("."), allowed) for text, allowed in asked_values(model, site)]
    return all(
        owner != "instance" or (told := _created_with(model, effect, column)) is None or told in allowed
        for (owner, _, column), allowed in asked
    )


def _created_with(model: Model, effect: EffectAt, column: str) -> object:
    """The literal that a new row has in this column: given, or the default of its model."""
    fact, function = effect.site.fact, effect.site.function
    given = dict(fact.kwargs)
    if column in given or "**" in given:
        return model.literal(given.get(column), function)
    table = model.schema.table_of(effect.model) if effect.model is not None else None
    found = table.column(column) if table is not None else None
    if found is None or found.default is None or found.default_scope is None:
        return None
    return model.literal(found.default, found.default_scope)


def announced_in(model: Model, outcome: Outcome) -> tuple[str, ClassInfo | None]:
    """(the signal, the model that sends it) where a failure ends a receiver that runs inside the write of a row; else ("", None)."""
    entry = outcome.entry
    if outcome.kind != "fails" or outcome.detached is not None or entry is None:
        return "", None
    if entry.kind is not EntryKind.SIGNAL_RECEIVER:
        return "", None
    text, sender = registration(model, entry)
    found = AT_SAVE.search(text) or IN_WRITE.search(text)
    return (found.group(), sender) if found is not None else ("", None)
