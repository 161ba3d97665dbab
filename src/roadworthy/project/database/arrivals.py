"""Ids that come from outside: which columns hold them, and whether they came with the event or with an answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.arguments import argument
from roadworthy.project.database.access import DELETE
from roadworthy.project.once import once
from roadworthy.project.values import ClassValue, Instance

if TYPE_CHECKING:
    from roadworthy.project.database.access import Access
    from roadworthy.project.database.conditions import Match
    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function

_OUTSIDE = re.compile(
    r"(^|_)(external|ext|remote|provider|processor|vendor|upstream|source|event|message|msg|delivery|transaction|txn|payment|charge|invoice|refund|"
    r"stripe|paypal|github|gitlab|slack|twilio|ses|sns|shopify|webhook|request|idempotency|feedback|tracking|notification|order|booking|call|sms)"
    r"_(id|ref|reference|key|number|uuid|sid|hash)$|^(reference|sku|isbn|checksum|sha\d*|fingerprint|idempotency_key|guid|tx_hash|block_hash)$"
)
_NATURAL = re.compile(
    r"(^|_)(external|remote|provider|upstream|stripe|github|slack|sha\d*|checksum|fingerprint|slug|sku|email|username|isbn|iban|reference|serial|login)"
    r"(_id|_key)?$"
)
_CODE = re.compile(r"(^|_)(code|key)$")
_NO_CODE = re.compile(
    r"(^|_)(status|state|type|kind|error|exit|response|return|country|language|lang|currency|locale|zip|post|postal|region|sort|cache|public|"
    r"private|access|activation|secret|foreign|primary|partition|verification|confirmation|auth|security)_(code|key)$"
)
_NAMES = re.compile(r"_(id|uid|uuid|guid|ref|reference)$")
_IDS = frozenset({"id", "uid", "uuid", "guid", "event_id", "message_id", "delivery_id"})
_ANSWERS = (Effect.HTTP_REQUEST, Effect.RPC, Effect.NOTIFY, Effect.SMS, Effect.CHARGE)
_GIVEN = frozenset({"argument", "field", "call"})
_TAKEN = frozenset({"pop", "get"})  # out of a payload
_CONVERGING = frozenset({"save", "asave", "merge"})  # a row of that key that is there is written anew


def is_natural_key(name: str) -> bool:
    """Is a column called like what names one thing in the world outside: `email`, `slug`, `external_id`?"""
    return bool(_NATURAL.search(name))


def is_code(name: str) -> bool:
    """Is a column called like what people name a row by: `coupon_code`, `course_key`? Codes of countries and keys of ciphers name no row."""
    return bool(_CODE.search(name)) and not _NO_CODE.search(name)


@once
def entered_tables(model: Model) -> frozenset[str]:
    """Tables whose rows people add in the framework's own pages, so that no code of the project inserts them."""
    found: set[str] = set()
    for site in model.sites():
        if flow.last_name(site.fact.func) != "register" or not site.fact.args:
            continue
        rows = (row for name in model.library_names(site) for row in model.knowledge.schema_rows(name))
        row = next((row for row in rows if row.construct == "entered"), None)
        given = argument(site.fact, row.target) if row is not None else None
        items = given.items if isinstance(given, f.Seq) else (given,) if given is not None else ()
        for value in (v for item in items for v in model.values(item, site.function)):
            table = model.schema.table_of(value.cls) if isinstance(value, ClassValue) else None
            if table is not None:
                found.add(table.name)
    return frozenset(found)


def outside_ids(model: Model, access: Access) -> tuple[str, ...]:
    """Filled columns that are called like the sender's own id, are no foreign keys, and come from outside."""
    found = []
    for match in access.values:
        column = access.table.column(match.column) if access.table is not None else None
        if (
            column is None
            or column.target
            or column.primary
            or match.value is None
            or not (_OUTSIDE.search(column.attribute) or _is_id_of_payload(column.attribute, match.value))
        ):
            continue
        kinds = {origin.kind for origin in model.origin(match.value, match.scope, match.order)}
        if kinds & _GIVEN and kinds <= _GIVEN | {"literal"} and not _is_our_own(model, match):
            found.append(column.name)
    return tuple(dict.fromkeys(found))


def key_from_outside(model: Model, access: Access) -> tuple[str, ...]:
    """The primary key that an insert fills with what it was given: `create(id=event["id"])`; () where the row converges or makes up its own."""
    table = access.table
    if table is None or len(table.primary) != 1 or access.method in _CONVERGING:
        return ()
    column, match = table.column(table.primary[0]), access.value_of(table.primary[0])
    if column is None or column.target or match is None or match.value is None or _is_our_own(model, match):
        return ()
    origins = model.origin(match.value, match.scope, match.order)
    given = [o for o in origins if o.kind in {"argument", "field"} or (o.kind == "call" and o.name in _TAKEN)]
    return table.primary if given and all(o in given or o.kind == "literal" for o in origins) else ()


def is_gated(model: Model, entry: Entry, access: Access) -> bool:
    """A branch on what is stored, or a delete of the same rows, between the entry and the insert."""
    path = model.entries.path(entry, access.function)
    for site in (*(edge.site for edge in path), access.site):
        if model.protection.gated(site) or _is_replaced(model, site.function, access):
            return True
    functions = [*dict.fromkeys(edge.caller for edge in path), access.function]
    return any(check.write.access is access for function in functions for check in model.checks.of(function))


def _is_replaced(model: Model, function: Function, access: Access) -> bool:
    """The rows are deleted first."""
    return any(other.kind == DELETE and other.table is access.table for other in model.accesses.of(function))


def _is_id_of_payload(name: str, value: f.Expr) -> bool:
    """`relationship_id=activity["id"]`: the payload calls it its id."""
    key = value.index if isinstance(value, f.Sub) else None
    return bool(_NAMES.search(name)) and isinstance(key, f.Str) and key.value in _IDS


def comes_with_the_event(model: Model, entry: Entry, access: Access, column: str) -> bool:
    """Is the id part of what the entry is given, not of an answer that the work itself asked for?"""
    match = access.value_of(column)
    here = access.function
    root = flow.root_name(match.value, here.scope) if match is not None else None
    for edge in reversed(model.entries.path(entry, here)):
        if root is None or _is_answer(model, root, here):
            break
        passed = model.argument_passed(edge, root)
        here, root = edge.caller, flow.root_name(passed, edge.caller.scope)
    return root is None or not _is_answer(model, root, here)


def _is_our_own(model: Model, match: Match) -> bool:
    """The key of a row of ours: `notification.id`."""
    value = match.value
    if not isinstance(value, f.Attr):
        return False
    owners = model.values(value.value, match.scope, match.order)
    return any(isinstance(owner, Instance) and model.schema.is_model(owner.cls) for owner in owners)


def _is_answer(model: Model, name: str, function: Function) -> bool:
    """A variable that holds what another system answered."""
    for assign in function.bindings.get(name, ()):
        for part in flow.walk(assign.value):
            if isinstance(part, f.CallRef) and model.effects_through(function.calls[part.index], *_ANSWERS):
                return True
    return False
