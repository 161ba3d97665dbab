"""The standard recipes: TOML files in `data/`, checked when they are read. What a recipe shows for a library is data.

A recipe holds for a topic and says for which library, sync or async code, and names it is. `text` and `code` have `$holes`
that the topic knows; a recipe whose holes are not all known here is passed over, so that the next, plainer one is taken.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

_COMMON = frozenset(
    {"callee", "call", "bare", "owner", "statement", "args", "what", "name", "signature", "await_", "logger", "session"}
)
_MAY_BE_EMPTY = frozenset(
    {
        "await_",
        "given",
        "reload",
        "args",
        "work_args",
        "work_json",
        "defaults",
        "expiry",
        "by",
        "bound",
        "after",
        "turned",
        "home",
    }
)
TOPICS: dict[str, frozenset[str]] = {
    "timeout": frozenset({"seconds", "parameter", "bounded", "setting"}),
    "timeout-value": frozenset({"seconds", "milliseconds", "parameter"}),
    "timeout-outside": frozenset({"seconds"}),
    "retry": frozenset({"errors", "caught", "attempts"}),
    "retry-client": frozenset({"errors", "caught", "attempts"}),
    "retry-job": frozenset({"errors", "caught", "tuple", "attempts", "job", "given"}),
    "retry-end": frozenset(),
    "retry-wait": frozenset(),
    "retry-narrow": frozenset({"errors"}),
    "engine-random": frozenset(),
    "engine-clock": frozenset(),
    "engine-step": frozenset({"step", "given"}),
    "engine-conflict": frozenset(),
    "read-results": frozenset({"results"}),
    "backoff": frozenset({"caught"}),
    "jitter": frozenset({"delay"}),
    "durable": frozenset(
        {
            "work",
            "defer",
            "declared",
            "work_call",
            "work_args",
            "work_json",
            "work_signature",
            "decorator",
            "waited",
            "turned",
        }
    ),
    "keep-task": frozenset({"task", "work_call"}),
    "on-commit": frozenset({"deferred", "partial"}),
    "upsert": frozenset({"model", "table", "columns", "quoted", "values", "kwargs", "find_or_create"}),
    "dedup": frozenset({"key", "value", "scope", "claim", "column", "new"}),
    "deterministic-id": frozenset({"parts", "holes"}),
    "idempotency-key": frozenset({"parameter", "key"}),
    "off-loop": frozenset({"moved", "partial"}),
    "off-loop-instead": frozenset({"moved"}),
    "async-twin": frozenset(),
    "sync-handler": frozenset(),
    "log-and-raise": frozenset({"errors"}),
    "isolate": frozenset(),
    "shutdown": frozenset(),
    "lock": frozenset({"model", "table", "lookup", "column"}),
    "unique": frozenset(
        {"model", "table", "columns", "quoted", "fields", "constraint", "owner", "meta", "args", "home"}
    ),
    "unique-partial": frozenset(
        {
            "model",
            "table",
            "columns",
            "quoted",
            "fields",
            "constraint",
            "owner",
            "condition",
            "only",
            "meta",
            "args",
            "home",
        }
    ),
    "parent-lock": frozenset({"parent", "owner", "get", "after"}),
    "insert-or-find": frozenset(
        {"model", "table", "columns", "quoted", "kwargs", "values", "get_or_create", "defaults"}
    ),
    "insert-first": frozenset({"insert", "look", "where"}),
    "insert-or-refuse": frozenset({"insert", "refuse"}),
    "insert-again": frozenset({"insert", "look", "again"}),
    "increment-locked": frozenset({"row", "loaded", "column", "model", "line", "saved", "part"}),
    "claim": frozenset({"model", "column", "was", "new", "row", "leave", "lock", "read_at", "update", "update_at"}),
    "increment": frozenset({"model", "row", "column", "step", "update", "reload", "line", "saved", "after", "base"}),
    "increment-cache": frozenset({"key", "amount", "cache", "expiry", "by", "bound"}),
    "bounded": frozenset({"work_call", "item", "items", "gather", "piece", "listed"}),
}
"""Every topic and the holes that it can fill beside the common ones."""


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One standard fix."""

    topic: str
    library: tuple[str, ...] = ()  # distributions of the call, transaction or entry at hand; none: any
    uses: tuple[str, ...] = ()  # the project imports or requires one of these; none: no matter
    unless: tuple[str, ...] = ()  # the project uses none of these
    names: tuple[str, ...] = ()  # library names at hand, fnmatch patterns; none: any
    is_async: bool | None = msgspec.field(name="async", default=None)  # of the function at hand
    python: str = ""  # the lowest version of Python
    text: str = ""  # a sentence that goes before the code
    code: str = ""
    language: str = "python"


class Shelf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of recipes."""

    recipe: tuple[Recipe, ...]


class RecipeError(Exception):
    """A recipe file is wrong; the message says which and how."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a recipe is chosen by."""

    libraries: tuple[str, ...] = ()  # at hand, most telling first
    names: tuple[str, ...] = ()
    uses: frozenset[str] = frozenset()
    is_async: bool = False
    python: tuple[int, ...] = (3, 11)


@cache
def shelves() -> dict[str, tuple[Recipe, ...]]:
    """All recipes by topic, in the order of their files; the first that fits is taken."""
    found: dict[str, list[Recipe]] = {topic: [] for topic in TOPICS}
    for path in sorted(Path(__file__).with_name("data").glob("*.toml")):
        for recipe in read_shelf(path.name, path.read_text(encoding="utf-8")):
            found[recipe.topic].append(recipe)
    return {topic: tuple(recipes) for topic, recipes in found.items()}


def read_shelf(label: str, text: str) -> tuple[Recipe, ...]:
    """The recipes of one file. Raises RecipeError for an unknown topic, key or hole."""
    try:
        recipes = msgspec.convert(tomllib.loads(text), Shelf).recipe
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise RecipeError(f"{label}: {error}") from None
    for number, recipe in enumerate(recipes, 1):
        place = f"{label}: recipe {number} ({recipe.topic})"
        if recipe.topic not in TOPICS:
            raise RecipeError(f"{place}: no such topic")
        if not (recipe.text or recipe.code):
            raise RecipeError(f"{place}: says nothing")
        unknown = holes(recipe) - TOPICS[recipe.topic] - _COMMON
        if unknown:
            raise RecipeError(f"{place}: unknown holes {', '.join(sorted(unknown))}")
    return recipes


def holes(recipe: Recipe) -> set[str]:
    """Names of the holes in a recipe's text and code."""
    found: set[str] = set()
    for part in (recipe.text, recipe.code):
        template = Template(part)
        if not template.is_valid():
            raise RecipeError(f"{recipe.topic}: a `$` stands alone in {part[:40]!r}")
        found.update(template.get_identifiers())
    return found


@dataclass(frozen=True, slots=True)
class Filled:
    """A recipe with its holes filled."""

    recipe: Recipe
    text: str
    code: str


def choose(topic: str, situation: Situation, filling: Mapping[str, str]) -> Filled | None:
    """The first recipe of a topic that fits the situation and whose holes are all filled."""
    for recipe in shelves()[topic]:
        if fits(recipe, situation) and all(filling.get(hole) or hole in _MAY_BE_EMPTY for hole in holes(recipe)):
            text = Template(recipe.text).substitute(filling)
            code = Template(recipe.code.strip("\n")).substitute(filling)
            return Filled(recipe, text, code.replace(", )", ")"))
    return None


def fits(recipe: Recipe, situation: Situation) -> bool:
    """Is the recipe for this library, style and version?"""
    if recipe.library and not set(recipe.library) & set(situation.libraries):
        return False
    if recipe.uses and not set(recipe.uses) & situation.uses:
        return False
    if set(recipe.unless) & situation.uses:
        return False
    if recipe.names and not any(fnmatchcase(name, pattern) for pattern in recipe.names for name in situation.names):
        return False
    if recipe.is_async is not None and recipe.is_async is not situation.is_async:
        return False
    return not recipe.python or situation.python >= tuple(int(part) for part in recipe.python.split("."))
