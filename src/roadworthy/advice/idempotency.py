"""Fixes for what must come out the same when it runs twice, or twice at once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.advice.code import GAP, WHOLE, apply_text, call_text, callee_text, written
from roadworthy.advice.database import unique_key
from roadworthy.advice.fixes import Place, fix, recipe_fix
from roadworthy.advice.patterns import best, cite, shows
from roadworthy.advice.stack import family_of
from roadworthy.knowledge.vocabulary import Effect

if TYPE_CHECKING:
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function

_SQL = (
    Effect.SQL_INSERT, Effect.SQL_UPDATE, Effect.SQL_UPSERT, Effect.SQL_INCREMENT, Effect.SQL_DELETE, Effect.SQL_READ, Effect.SQL,
    Effect.COMMIT,
)  # fmt: skip
_LONGEST_NAME = 60
_INBOX = re.compile(
    r"(Processed|Received|Incoming|Webhook|Inbox|Idempot|External).*|.*(WebhookEvent|EventLog|WebhookDelivery)$"
)
_EVENT_ID = re.compile(r"(event|message|delivery|external|request|idempotency)_?(id|key)$")


def upsert(model: Model, effect: EffectAt, key: str, columns: tuple[str, ...] = ()) -> str:
    """Make a repeated insert converge on a unique key."""
    columns = columns or _columns_in(key)
    given = {k: written(v, effect.function) for k, v in effect.site.fact.kwargs if k != "**"}
    extra = {
        "model": effect.model.name if effect.model is not None else "",
        "table": _table_name(model, effect),
        "columns": ", ".join(columns),
        "quoted": ", ".join(f'"{column}"' for column in columns),
        "kwargs": ", ".join(f"{column}={GAP}" for column in columns),
        "find_or_create": _find_or_create(effect, columns, given),
        "values": ", ".join(f"{name}={text}" for name, text in given.items()) or "…",
    }
    place = Place(model, effect.function, effect.site, (effect.name,), extra)
    filled = place.pick("upsert")
    code = filled.code if filled is not None else ""
    own = best(model, "upsert", effect.function, family_of(model, effect.name), lambda p: not code or shows(p, code))
    if filled is None:
        text = f"Insert by {key}, with a unique constraint on it, and let the repetition update or do nothing."
        return fix(text, cite(own, effect.function))
    return recipe_fix(place, "upsert", cite(own, effect.function))


def _find_or_create(effect: EffectAt, columns: tuple[str, ...], given: dict[str, str]) -> str:
    """`Order.objects.get_or_create(number=number, defaults={"email": email})` for `Order.objects.create(…)`."""
    owner, _, method = callee_text(effect.site).rpartition(".")
    if method not in {"create", "acreate"} or not columns or not set(columns) <= set(given):
        return ""
    keys = [f"{name}={given[name]}" for name in columns]
    rest = [f'"{name}": {text}' for name, text in given.items() if name not in columns]
    defaults = ", ".join(rest)
    found = [f"defaults={{{defaults if len(defaults) <= 160 else GAP}}}"] if rest else []
    prefix, awaits = ("a", "await ") if method == "acreate" else ("", "")
    return f"{awaits}{apply_text(f'{owner}.{prefix}get_or_create', [*keys, *found], width=WHOLE)}"


def _columns_in(key: str) -> tuple[str, ...]:
    """Names in backticks, or the text itself when it is a list of names."""
    quoted = re.findall(r"`([A-Za-z_]\w*)`", key)
    if quoted:
        return tuple(quoted)
    parts = [part.strip() for part in key.strip("()").split(",")]
    return tuple(parts) if all(part.isidentifier() for part in parts) else ()


def _table_name(model: Model, effect: EffectAt) -> str:
    table = model.schema.table_of(effect.model)
    if table is not None:
        return table.name
    found = re.search(r"insert\s+into\s+([\w.\"]+)", effect.sql, re.IGNORECASE)
    return found.group(1) if found else ""


def dedup(model: Model, function: Function, key: str, value: str = "") -> str:
    """Claim an event or message before its effect, by `key` in words and `value` in code."""
    own = best(model, "dedup", function)
    if own is None:
        own_table = _claim_table(model, function)
        claim, column, place_of = own_table or ("ProcessedEvent", "event_id", "")
    else:
        claim, column, place_of = "ProcessedEvent", "event_id", ""
    if not value and own is None:
        made = f"`{claim}` (`{place_of}`)" if place_of else "a table with a unique column for it"
        return f"Claim {key} before the effect: insert it into {made} in the same transaction, and do nothing where it is there already."
    cited = cite(own, function) or (f"`{claim}` (`{place_of}`) has a unique `{column}` for it." if place_of else "")
    names = _orm_names(model, function)
    extra = {"key": key, "value": value or "event_id", "claim": claim, "column": column, "scope": function.name}
    if own is None and not cited:
        extra |= {"new": claim}
    place = Place(model, function, None, names, extra)
    filled = place.pick("dedup")
    if filled is not None and "redis.set(" in filled.code and not _has_client(function, "redis"):
        return fix(
            f"{filled.text[:-1]}: with `nx=True` and `ex=` in Redis, and do nothing where it is there already.", cited
        )
    return recipe_fix(place, "dedup", cited)


def _has_client(function: Function, name: str) -> bool:
    """Is a client at hand by this name? `import redis` brings the library only."""
    body = function.module.body
    return name in body.bindings or name in function.parameters or any(i.name == name for i in body.scope.imports)


def _claim_table(model: Model, function: Function) -> tuple[str, str, str] | None:
    """A model of the project whose rows stand for events or messages that came in: (class, unique column, place)."""
    here = function.path.partition("/")[0]
    found = []
    for table in model.schema.tables:
        cls = table.model
        if cls is None or not _INBOX.search(cls.name) or not model.is_reviewed(cls.path):
            continue
        for key in table.keys:
            column = table.column(key.columns[0]) if len(key.columns) == 1 and key.in_force else None
            if key.kind == "unique" and column is not None and _EVENT_ID.search(column.name):
                found.append((cls.path.partition("/")[0] != here, cls.path, cls.line, cls.name, column.attribute))
    if not found:
        return None
    _, path, line, name, attribute = min(found)
    return name, attribute, f"{path}:{line}"


def _orm_names(model: Model, function: Function) -> tuple[str, ...]:
    """Library names of the database calls around a function: its own, those under it, those of its file."""
    here = [effect.name for effect in model.effects_under(function, *_SQL)]
    if not here:
        here = [
            effect.name
            for other in function.module.functions
            for site in other.calls
            for effect in model.effects_at(site)
            if effect.effect in _SQL
        ]
    return tuple(dict.fromkeys(here))[:6]


def deterministic_id(model: Model, function: Function, parts: str) -> str:
    """Derive an id from business keys."""
    names = [part.strip(" `") for part in re.split(r",| and ", parts)]
    holes = ":".join(f"{{{name}}}" for name in names) if all(_is_path(name) for name in names) else ""
    own = best(model, "deterministic-id", function)
    return recipe_fix(
        Place(model, function, None, (), {"parts": parts, "holes": holes}), "deterministic-id", cite(own, function)
    )


def _is_path(text: str) -> bool:
    return bool(text) and all(part.isidentifier() for part in text.split("."))


def idempotency_key(model: Model, function: Function, effect: EffectAt | None = None, key: str = "") -> str:
    """Mint the key once outside of what is repeated and carry it in."""
    extra: dict[str, str] = {}
    where = effect.row.key if effect is not None else None
    if effect is not None and where is not None and where.argument and where.contains is None:
        given = f"{where.argument}={key or 'key'}"
        extra = {"parameter": where.argument, "call": call_text(effect.site, [given], (where.argument,), WHOLE)}
    family = family_of(model, effect.name) if effect is not None else ""
    own = best(model, "idempotency-key", function, family)
    return recipe_fix(Place(model, function, None, (), extra), "idempotency-key", cite(own, function))


def lock(model: Model, function: Function, effect: EffectAt | None = None) -> str:
    """Make check and write one step."""
    names = (effect.name,) if effect is not None else _orm_names(model, function)
    target = effect or next(iter(model.effects_under(function, *_SQL)), None)
    name = target.model.name if target is not None and target.model is not None else ""
    place = Place(model, function, None, names, {"model": name, "lookup": "pk=…"})
    own = next(
        (found for family in place.situation.libraries if (found := best(model, "row-lock", function, family))), None
    )
    return recipe_fix(place, "lock", cite(own, function))


def unique(model: Model, table: str, columns: tuple[str, ...]) -> str:
    """Add a unique constraint in the form that is safe on a live database."""
    found = model.schema.table(table)
    if found is not None:
        return unique_key(model, found, columns)
    return f"Remove the duplicates from `{table}`, then make ({', '.join(columns)}) unique in the model and in a migration."
