"""Writes that stand repetition and company: upserts, claims, stable ids, locks, hooks after the commit, whole files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.advice.code import call_text, written
from roadworthy.advice.mining.seen import Seen, at_site, example_in, of_helper, uses_of
from roadworthy.advice.stack import family_of
from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, GuardKind
from roadworthy.project import flow
from roadworthy.project.arguments import argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_CLAIMS = re.compile(r"process|seen|dup|dedup|idempot|once|claim|already|event|message|handled|delivery", re.IGNORECASE)
_IDS = re.compile(r"(^|_)(id|uuid|key|fingerprint|identifier)$")
_SECRETS = re.compile(
    r"token|password|secret|api_?key|cache|csrf|signature|email|etag|auth|otp|session|cookie|rate", re.IGNORECASE
)
_WRITES = re.compile(r"write|save|store|dump|atomic|replace")
_IN_PASSING = frozenset({"save", "merge", "dd", "set", "index", "bulk"})  # they converge, but are no example of how to
_IN_PROCESS = frozenset({"threading", "asyncio", "anyio", "trio", "twisted", "multiprocessing", "contextlib"})


def on_commit(model: Model) -> Iterator[Seen]:
    """Hooks that run after the commit, and helpers of the project that use them."""
    for function in model.functions:
        for edge in model.edges_from(function):
            if edge.kind == "hook:on-commit":
                site = edge.spawner or edge.site
                helper = next((fn for fn in model.graph.resolutions[site].functions if fn is not edge.callee), None)
                if helper is not None:
                    yield of_helper("on-commit", helper, site)
                else:
                    names = model.library_names(site)
                    yield at_site("on-commit", site, family=family_of(model, names[0]) if names else "")


def upserts(model: Model) -> Iterator[Seen]:
    """Writes that converge on a key."""
    for effect in model.effects_of(Effect.SQL_UPSERT):
        if effect.function.kind == "function" and effect.name.rpartition(".")[2].lstrip("a") not in _IN_PASSING:
            yield example_in("upsert", effect.site, family_of(model, effect.name))


def dedups(model: Model) -> Iterator[Seen]:
    """Claims of an event or message by its key, whose result decides what runs."""
    for site in model.sites():
        function = site.function
        if function.kind != "function" or site.fact.use not in {"condition", "assigned", "returned"}:
            continue
        for name in model.library_names(site):
            if any(row.kind == "dedup" for row in model.knowledge.guards(name)):
                if _CLAIMS.search(f"{function.qualname} {call_text(site)}") and not _SECRETS.search(function.qualname):
                    yield example_in("dedup", site, family_of(model, name))
                break


def deterministic_ids(model: Model) -> Iterator[Seen]:
    """Functions that derive an id from their arguments by a hash."""
    told: set[Function] = set()
    for effect in model.effects_of(Effect.HASH_VALUE):
        function = effect.function
        small = function.scope.end_line - function.line < 25
        named = _IDS.search(function.name.lower()) and not _SECRETS.search(function.name)
        if function in told or not (function.kind == "function" and function.scope.params and small and named):
            continue
        if any(o.hashed for v in _returned(function) for o in model.origin(v.value, function, v.order)):
            told.add(function)
            yield from uses_of("deterministic-id", function, model)


def _returned(function: Function) -> list[f.Leave]:
    return [leave for leave in function.scope.leaves if leave.kind == "return" and leave.value is not None]


def locks(model: Model) -> Iterator[Seen]:
    """Row locks, locks that several processes share, and locks of one process."""
    for function in model.functions:
        for index, region in enumerate(function.scope.regions):
            if region.kind != "with" or not region.items:
                continue
            guard = next(
                (
                    g
                    for g in model.guards.on_region(function, index)[:3]
                    if g.kind is GuardKind.LOCK and g.region == index
                ),
                None,
            )
            if guard is not None:
                word = "async with" if region.is_async else "with"
                text = f"{word} {written(region.items[0][0], function)}"
                family = "process" if family_of(model, guard.name) in _IN_PROCESS else "shared"
                yield Seen(
                    "lock",
                    text,
                    function.path,
                    region.line,
                    family,
                    guard.through,
                    shape=f"{text}:",
                    in_async=function.is_async,
                )
    yield from _row_locks(model)


def _row_locks(model: Model) -> Iterator[Seen]:
    for site in model.sites():
        names = [name for name in model.library_names(site) if _locks_rows(name, site, model)]
        if names:
            yield example_in("row-lock", site, family_of(model, names[0]))


def _locks_rows(name: str, site: CallSite, model: Model) -> bool:
    if name.rpartition(".")[2].endswith("for_update"):
        return True
    return any(need.endswith("for_update") for row in model.knowledge.calls(name) for need in row.needs) and any(
        keyword.endswith("for_update") for keyword, _ in site.fact.kwargs
    )


def keys(model: Model) -> Iterator[Seen]:
    """Idempotency keys that are passed to the other side."""
    for effect in model.effects_of():
        where = effect.row.key
        expr = argument(effect.site.fact, where)
        if where is None or expr is None or isinstance(expr, f.Const) or not _holds_key(expr, where.contains):
            continue
        if not any(o.kind in {"random", "clock"} for o in model.origin(expr, effect.function, effect.site.fact.order)):
            yield example_in("idempotency-key", effect.site, family_of(model, effect.name))


def _holds_key(expr: f.Expr, name: str | None) -> bool:
    """A mapping counts only when the key is seen in it."""
    if name is None:
        return True
    return isinstance(expr, f.Dict) and any(
        isinstance(key, f.Str) and key.value.lower() == name.lower() for key, _ in expr.items
    )


def atomic_writes(model: Model) -> Iterator[Seen]:
    """Helpers that write what they are given beside the file they are given, and rename."""
    told: set[Function] = set()
    for effect in model.effects_of(Effect.FILE_REPLACE):
        function = effect.function
        small = function.scope.end_line - function.line < 45 and len(function.scope.params) > 1
        if function in told or function.kind != "function" or not small or not _WRITES.search(function.name.lower()):
            continue
        told.add(function)
        given = {part.id for arg in effect.site.fact.args for part in flow.walk(arg) if isinstance(part, f.Name)}
        writes = any(e.effect is Effect.FILE_WRITE for site in function.calls for e in model.effects_at(site))
        if writes and given & set(function.parameters):
            yield from uses_of("atomic-write", function, model)


def unique_migrations(model: Model) -> Iterator[Seen]:
    """Migrations that make an index without locking the table."""
    for function in model.symbols.functions:
        if model.roles.get(function.path) != "migration":
            continue
        for site in function.calls:
            func = site.fact.func
            named = func.name if isinstance(func, f.Attr) else func.id if isinstance(func, f.Name) else ""
            if named.endswith("Concurrently") or any(
                keyword.endswith("concurrently") for keyword, _ in site.fact.kwargs
            ):
                yield at_site("unique-migration", site)
