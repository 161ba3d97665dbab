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
    from collections.abc import Iterator, Sequence

    from roadworthy.project.database.access import Access
    from roadworthy.project.database.conditions import Match
    from roadworthy.project.database.tables import Table
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
_NAMES = re.compile(r"(^|_)(id|uid|uuid|guid|ref|reference|identifier)$")
_ARRIVES = re.compile(
    r"(^|_)(event|message|delivery|transaction|txn|payment|charge|invoice|refund|dispute|payout|transfer|intent|checkout|order|booking|call|sms)$"
)
"""What a sender tells of one by one, so that its id is the id of what came: `charge=charge["id"]`, and not `customer=customer["id"]`."""
_IDS = frozenset({"id", "uid", "uuid", "guid", "event_id", "message_id", "delivery_id"})
_LOG = re.compile(
    r"(Log|Logs|LogRecord|LogEntry|Audit|AuditEntry|History|Activity|Attempt|Metric|Snapshot|Stat|Stats)$"
)
_WRITER = re.compile(r"(^|_)(by|creator|author|updater|editor|inviter|inviting_user)(_id)?$")
_EVENT = re.compile(r"(event|update|change|transition|receipt)$")
_EVENTS = frozenset({"event", "delivery", "webhook", "notification"})
_STATE = re.compile(r"(^|_)(status|state|event|type|kind|action)$")
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
    return frozenset(found | set(_shown_tables(model)))


def _shown_tables(model: Model) -> Iterator[str]:
    """`class Orders(ModelViewSet)`, `class NewOrder(CreateView)`: the framework stores what is sent to them."""
    for cls in model.symbols.classes:
        bases = [name for base in cls.library_bases for name in (base, *model.knowledge.type_bases(base))]
        if any(row.construct == "entered" for name in bases for row in model.knowledge.schema_rows(name)):
            about = model.evaluator.orm.about(cls)
            table = model.schema.table_of(about) if about is not None else None
            if table is not None:
                yield table.name


def is_link(table: Table, keys: Sequence[str]) -> bool:
    """Are the columns all that a row links, as in a membership: the user and the team? Who wrote it down is no part of that."""
    linked = {column.name for column in table.columns if column.target and not _WRITER.search(column.name)}
    named = table.model.name if table.model is not None else ""
    return len(keys) > 1 and set(keys) == linked and not _LOG.search(named)


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
            or not (_OUTSIDE.search(column.attribute) or _is_id_of_payload(column.attribute, match))
        ):
            continue
        kinds = {origin.kind for origin in model.origin(match.value, match.scope, match.order)}
        if kinds & _GIVEN and kinds <= _GIVEN | {"literal"} and not _is_our_own(model, match):
            found.append(column.name)
    return tuple(dict.fromkeys(found))


def ids_of_unknown_table(model: Model, access: Access) -> tuple[str, ...]:
    """The sender's ids in an insert without a conflict clause, into a table of which the project says nothing, by a driver that knows of keys."""
    if access.table is not None or not _keeps_keys(model, access):
        return ()
    found = []
    for match in access.values:
        if match.value is None or not (_OUTSIDE.search(match.column) or _is_id_of_payload(match.column, match)):
            continue
        kinds = {origin.kind for origin in model.origin(match.value, match.scope, match.order)}
        if kinds & _GIVEN and kinds <= _GIVEN | {"literal"} and not _is_our_own(model, match):
            found.append(match.column)
    return tuple(dict.fromkeys(found))


def _keeps_keys(model: Model, access: Access) -> bool:
    """Can the database refuse a second row of a key? Column stores cannot."""
    library = model.knowledge.library_of(access.effect.name)
    own = library.exception if library is not None else ()
    refuses = any(model.protection.is_conflict(name) for name in access.effect.row.raises)
    return refuses or any(row.nature == "conflict" for row in own)


def is_meant_to_append(access: Access) -> bool:
    """A log or a history: a second line is a blemish."""
    model = access.table.model if access.table is not None else None
    named = (
        model.name if model is not None else access.into.rpartition(".")[2].replace("_", " ").title().replace(" ", "")
    )
    return bool(_LOG.search(named))


def is_one_of_many(access: Access, name: str) -> bool:
    """The id names what an event is about, and the row says what became of it (`message_id`, `status`): sent, delivered and read are three."""
    model = access.table.model if access.table is not None else None
    owner = model.name.lower() if model is not None else access.into.rpartition(".")[2].lower().removesuffix("s")
    subject, _, _ = name.lower().rpartition("_")
    told = any(_STATE.search(match.column) and not isinstance(match.value, f.Str | f.Const) for match in access.values)
    return bool(subject) and bool(_EVENT.search(owner)) and subject not in {*_EVENTS, owner} and told


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


def _is_id_of_payload(name: str, match: Match) -> bool:
    """`relationship_id=activity["id"]`, `intent=data.get("id")`: the payload calls it its id."""
    value = match.value
    key = value.index if isinstance(value, f.Sub) else None
    if isinstance(value, f.CallRef):
        call = match.scope.calls[value.index].fact
        key = call.args[0] if call.args and flow.last_name(call.func) in _TAKEN else None
    called = _NAMES.search(name) or _ARRIVES.search(name)
    return called is not None and isinstance(key, f.Str) and key.value in _IDS


def comes_with_the_event(model: Model, entry: Entry, access: Access, column: str) -> bool:
    """Is the id part of what the entry is given, not of an answer that the work itself asked for?"""
    match = access.value_of(column)
    here = access.function
    root = flow.root_name(match.value, here.scope) if match is not None else None
    key = _key_of(match)
    for edge in reversed(model.entries.path(entry, here)):
        if root is None or _is_answer(model, root, here):
            break
        if _is_made_up(model, root, key, here):
            return False
        passed = model.argument_passed(edge, root)
        here, root = edge.caller, flow.root_name(passed, edge.caller.scope)
    return root is None or not (_is_answer(model, root, here) or _is_made_up(model, root, key, here))


def _key_of(match: Match | None) -> str:
    """`event_id` of `change["event_id"]`."""
    value = match.value if match is not None else None
    return value.index.value if isinstance(value, f.Sub) and isinstance(value.index, f.Str) else ""


def _is_made_up(model: Model, name: str, key: str, function: Function) -> bool:
    """`change = {"event_id": uuid4()}` on the way: the mapping is built anew each time, with an id of its own."""
    for assign in function.bindings.get(name, ()):
        built = assign.value
        items: list[tuple[object, f.Expr]] = []
        if isinstance(built, f.Dict):
            items = [(item.value, value) for item, value in built.items if isinstance(item, f.Str)]
        elif isinstance(built, f.CallRef):
            items = list(function.scope.calls[built.index].kwargs)
        for given, value in items:
            kinds = {origin.kind for origin in model.origin(value, function, assign.order)} if given == key else set()
            if kinds & {"random", "clock"}:
                return True
    return False


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
