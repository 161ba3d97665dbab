"""A key that others must find again is made with `hash()`, which gives another value in every process.

## Why it fails in production
Python salts the hash of texts anew in each process. A key that is stored or shared under such a value is never found again after a
restart, nor by the second worker: upserts insert once more, caches never hit, everything counts as changed after each deploy.

## What is reported
`hash()` of something that is no number in the id of a record, point, object or message, in a deduplication key, in a cache key or file
name, or in a stored column that is called a hash, also through helpers.

## What is not reported
Hashes that stay in the process: `__hash__` methods, dictionaries, sets. Digests of `hashlib` and the like. Hashes of numbers.

## Bad
```python
from qdrant_client import QdrantClient
from qdrant_client.models import PointStruct

def index(client: QdrantClient, pages):
    for page in pages:
        point = PointStruct(id=abs(hash(page.url)), vector=page.vector)  # finding: unstable-hash-key
        client.upsert("pages", points=[point])
```

## Good
```python
import uuid
from qdrant_client import QdrantClient
from qdrant_client.models import PointStruct

def index(client: QdrantClient, pages):
    for page in pages:
        point = PointStruct(id=str(uuid.uuid5(uuid.NAMESPACE_URL, page.url)), vector=page.vector)
        client.upsert("pages", points=[point])
```
"""

from dataclasses import dataclass

from roadworthy.rules.api import (
    CallSite,
    Effect,
    Finding,
    Iterator,
    Minting,
    Model,
    Rule,
    Severity,
    advise_again,
    expr,
    finding,
    hash_columns,
    identities,
    impact_weight,
    key_uses,
    key_value,
    say,
)

RULE = Rule(id="unstable-hash-key", anti_pattern="random-key", doc=__doc__)

_LIGHT = frozenset(
    {
        Effect.CACHE_READ,
        Effect.CACHE_WRITE,
        Effect.FILE_WRITE,
        Effect.FILE_READ,
        Effect.OBJECT_WRITE,
        Effect.OBJECT_READ,
    }
)
_SKIPPED = frozenset({Effect.LOG, Effect.METRIC, Effect.REPORT_ERROR})


@dataclass(frozen=True, slots=True)
class _Use:
    """An expression by which others must find something again."""

    value: expr.Expr
    site: CallSite
    name: str
    effect: Effect | None


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Follow every key to a salted hash; each hash is reported once, at its worst use."""
    if all(effect.effect is not Effect.PROCESS_HASH for effect in model.reach.all):
        return  # most projects; to follow every key to nothing takes long
    minting = Minting(model)
    found: dict[CallSite, list[_Use]] = {}
    for use in _uses(model):
        for minted in minting.of(use.value, use.site.function, use.site.fact.order):
            if (
                minted.kind == "process-hash"
                and not minted.optional
                and is_salted(minted.site, model)
                and not is_token(minted.site, use, model)
            ):
                found.setdefault(minted.site, []).append(use)
    for site, uses in found.items():
        yield _report(site, min(uses, key=lambda use: (_severity(use).rank, use.site.path, use.site.line)), model)


def _uses(model: Model) -> Iterator[_Use]:
    for effect in model.effects_of():
        if effect.effect not in _SKIPPED:
            for identity in identities(model, effect):
                if identity.function is effect.function:
                    yield _Use(identity.expr, effect.site, identity.name, effect.effect)
            if effect.row.key is not None:
                value = key_value(model, effect.site, effect.row.key)
                if value is not None:
                    yield _Use(
                        value, effect.site, effect.row.key.contains or effect.row.key.argument or "key", effect.effect
                    )
    for key in key_uses(model):
        if key.use is not None and key.use.function is key.function:
            yield _Use(key.expr, key.use, key.name, key.effect.effect if key.effect else None)
    for site, name, value in hash_columns(model):
        stored = bool(site.fact.kwargs)  # else the value goes into a mapping, and no call is known that stores it
        yield _Use(value, site, name, Effect.SQL_INSERT if stored else None)


def is_salted(site: CallSite, model: Model) -> bool:
    """The hash of a text, bytes or an object; numbers hash to themselves, and `__hash__` stays in the process."""
    if site.function.name == "__hash__" or not site.fact.args:
        return False
    argument = site.fact.args[0]
    if isinstance(argument, expr.Name) and argument.id in site.function.parameters:
        annotation = site.function.scope.params[site.function.parameters[argument.id]].annotation
        return not (isinstance(annotation, expr.Name) and annotation.id in {"int", "float", "bool", "datetime", "UUID"})
    return not isinstance(model.literal(argument, site.function), int | float)


def is_token(site: CallSite, use: _Use, model: Model) -> bool:
    """`id()` in the key of a cache tells this process's thing from others on purpose; nobody looks for it elsewhere."""
    return use.effect in _LIGHT and any(name.endswith(".id") for name in model.library_names(site))


def _severity(use: _Use) -> Severity:
    """A cache that never hits is slow, a second file is waste; a record that is never found again is wrong."""
    return Severity.MEDIUM if use.effect in _LIGHT else Severity.HIGH


def _report(site: CallSite, use: _Use, model: Model) -> Finding:
    exposure = model.exposure(use.site.function)
    made = f"`{say.call(site, model)}`"
    where = f"`{say.call(use.site, model)}`" if use.effect is not None else ""
    of = f" of {where}" if where else ""
    return finding(
        RULE,
        model.place(site),
        _severity(use),
        title=say.fit(
            f"`{use.name}`{of} comes from {made}, another value in every process",
            f"`{use.name}` comes from {made}, salted anew in every process",
        ),
        issue=(
            f"{made} of a text is salted anew in each process, and its value goes into `{use.name}`{of}, by which other processes and later "
            "runs must find the same thing again."
        ),
        impact=_impact(use, where),
        fix=advise_again.stable_digest(model, site),
        related=[] if use.site is site or not where else [model.place(use.site, "goes by it")],
        steps=model.steps(exposure.worst, use.site.function, use.site),
        subject=use.name,
        weight=impact_weight(exposure),
    )


def _impact(use: _Use, where: str) -> str:
    if use.effect in _LIGHT:
        return f"After a restart, and in every other worker, {where} looks under another name: what one process has kept no other finds, and the work is done again."
    if use.effect is Effect.START_DURABLE:
        return (
            f"A start of the same work from another process, or after a restart, has another `{use.name}`: {where} runs it a second time beside "
            "the first instead of meeting it."
        )
    return (
        f"After a deploy, and in every other worker, the same thing has another `{use.name}` and does not meet what was written before, so it is "
        "stored twice, or counts as changed and is worked through again."
    )
