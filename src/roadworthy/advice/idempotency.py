"""Fixes for what must come out the same when it runs twice, or twice at once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.advice.code import call_text
from roadworthy.advice.fixes import Place, fix, recipe_fix
from roadworthy.advice.patterns import best, cite
from roadworthy.advice.stack import family_of, stack_of
from roadworthy.knowledge.vocabulary import Effect

if TYPE_CHECKING:
    from roadworthy.project.database.tables import Table
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function

_SQL = (
    Effect.SQL_INSERT, Effect.SQL_UPDATE, Effect.SQL_UPSERT, Effect.SQL_INCREMENT, Effect.SQL_DELETE, Effect.SQL_READ, Effect.SQL,
    Effect.COMMIT,
)  # fmt: skip
_LONGEST_NAME = 60


def upsert(model: Model, effect: EffectAt, key: str, columns: tuple[str, ...] = ()) -> str:
    """Make a repeated insert converge on a unique key."""
    columns = columns or _columns_in(key)
    shown = ", ".join(columns)
    extra = {
        "model": effect.model.name if effect.model is not None else "",
        "table": _table_name(model, effect),
        "columns": shown,
        "kwargs": ", ".join(f"{column}={column}" for column in columns),
        "quoted": ", ".join(f'"{column}"' for column in columns),
    }
    place = Place(model, effect.function, effect.site, (effect.name,), extra)
    own = best(model, "upsert", effect.function, family_of(model, effect.name))
    if place.pick("upsert") is None:
        text = f"Insert by {key}, with a unique constraint on it, and let the repetition update or do nothing."
        return fix(text, cite(own, effect.function))
    return recipe_fix(place, "upsert", cite(own, effect.function))


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


def dedup(model: Model, function: Function, key: str) -> str:
    """Claim an event or message id before its effect."""
    own = best(model, "dedup", function)
    return recipe_fix(
        Place(model, function, None, _orm_names(model, function), {"key": key}), "dedup", cite(own, function)
    )


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
        extra = {"parameter": where.argument, "call": call_text(effect.site, [given], (where.argument,))}
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
    constraint = f"uq_{table}_{'_'.join(columns)}".replace(".", "_")[:_LONGEST_NAME]
    extra = {
        "table": table,
        "columns": ", ".join(columns),
        "quoted": ", ".join(f'"{column}"' for column in columns),
        "constraint": constraint,
    }
    function = found.model.body if found is not None and found.model is not None else model.functions[0]
    names = found.model.library_bases if found is not None and found.model is not None else ()
    place = Place(model, function, None, (*names, *_migration_tool(model, found)), extra)
    return recipe_fix(
        place,
        "unique",
        cite(
            best(
                model, "unique-migration", None, accept=lambda p: "create" in p.name.lower() or "add" in p.name.lower()
            ),
            None,
        ),
    )


def _migration_tool(model: Model, table: Table | None) -> tuple[str, ...]:
    uses = {
        family
        for module in model.symbols.modules
        for family in ("alembic",)
        if model.roles.get(module.path) == "migration"
    }
    return ("alembic.op",) if uses and "alembic" in stack_of(model).uses else ()
