"""What is written gets a random id inside of what runs again, so each run writes it once more.

## Why it fails in production
Imports are run again, jobs are retried, messages come twice. A write by a stable id then meets what it wrote before and converges; a
write by a new random id never does: the index holds every document twice, and nothing can tell which of the two is current.

## What is reported
A random value as id of a record in a vector store or search index that is made where the record is made, or as the default of a class of
documents that reaches such a store; a random or clock value among the columns by which an upsert looks for its row; a random object key
inside a job or consumer that runs again although a stable id is at hand.

## What is not reported
Ids that are made once outside and carried in, or taken when they are there; stores that are emptied first; ids of entities that a person
creates; surrogate keys of tables, correlation ids, tokens, temporary files.

## Bad
```python
import sys, uuid
from qdrant_client import QdrantClient
from qdrant_client.models import PointStruct

def index(client: QdrantClient, pages):
    points = [
        PointStruct(id=str(uuid.uuid4()), vector=page.vector, payload={"url": page.url})  # finding: random-key
        for page in pages
    ]
    client.upsert("pages", points)

if __name__ == "__main__":
    index(QdrantClient(), sys.argv)
```

## Good
```python
import sys, uuid
from qdrant_client import QdrantClient
from qdrant_client.models import PointStruct

def index(client: QdrantClient, pages):
    points = [
        PointStruct(id=str(uuid.uuid5(uuid.NAMESPACE_URL, page.url)), vector=page.vector, payload={"url": page.url})
        for page in pages
    ]
    client.upsert("pages", points)

if __name__ == "__main__":
    index(QdrantClient(), sys.argv)
```
"""

from dataclasses import dataclass

from roadworthy.rules.api import (
    CallSite,
    Confidence,
    DefaultId,
    Effect,
    EffectAt,
    Entry,
    EntryKind,
    Finding,
    Identity,
    Iterator,
    Minted,
    Minting,
    Model,
    Rule,
    Severity,
    advise_again,
    comes_again,
    default_ids,
    entries_around,
    finding,
    identities,
    impact_weight,
    is_index_write,
    is_lookup,
    own_ids,
    retries_around,
    runs_over_again,
    say,
)

RULE = Rule(id="random-key", anti_pattern="random-key", doc=__doc__)

_WRITES = (Effect.VECTOR_UPSERT, Effect.VECTOR_INSERT, Effect.SQL_UPSERT, Effect.OBJECT_WRITE)


@dataclass(frozen=True, slots=True)
class _Wrong:
    """A write, the random part of its identity, and what runs both again (None: nothing that is known)."""

    effect: EffectAt
    identity: Identity
    minted: Minted
    entry: Entry | None
    severity: Severity
    confidence: Confidence = Confidence.HIGH


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Judge the ids of writes, then the ids that classes of documents give themselves."""
    minting = Minting(model)
    seen: set[CallSite] = set()
    for effect in model.effects_of(*_WRITES):
        for identity in identities(model, effect):
            for minted in minting.of(identity.expr, identity.function, identity.order):
                wrong = None if minted.site in seen else judge(effect, identity, minted, model)
                if wrong is not None:
                    seen.add(minted.site)
                    yield _report(wrong, model)
    for default in default_ids(model):
        if default.site not in seen:
            yield _report_default(default, model)


def judge(effect: EffectAt, identity: Identity, minted: Minted, model: Model) -> _Wrong | None:
    """Does the random part make a repetition write once more?"""
    if minted.optional or minted.kind == "process-hash" or (minted.kind == "clock" and not is_lookup(effect)):
        return None
    around = entries_around(model, minted, effect.site)
    again = next((entry for entry in around if comes_again(model, entry)), None)
    over = again or next((entry for entry in around if runs_over_again(entry)), None)
    retried = bool(retries_around(model, minted, effect.site))
    if is_lookup(effect):
        severity = Severity.HIGH if over is not None or retried else Severity.MEDIUM
        return _Wrong(effect, identity, minted, over, severity)
    if is_index_write(model, effect):
        return _judge_index(effect, identity, minted, over, around, model)
    if effect.effect is Effect.OBJECT_WRITE and again is not None and own_ids(effect.site):
        return _Wrong(effect, identity, minted, again, Severity.MEDIUM)
    return None


def _judge_index(
    effect: EffectAt, identity: Identity, minted: Minted, over: Entry | None, around: list[Entry], model: Model
) -> _Wrong | None:
    """Records of an index: wrong where the index is filled again from the same sources."""
    if empties_first(effect, over or next(iter(around), None), model):
        return None
    if over is not None:
        upsert = effect.effect is not Effect.VECTOR_INSERT
        severity = Severity.HIGH if upsert and not model.is_script(effect.site.path) else Severity.MEDIUM
        return _Wrong(effect, identity, minted, over, severity)
    handler = next((entry for entry in around if entry.kind is EntryKind.HTTP_HANDLER), None)
    if not own_ids(effect.site) and not own_ids(minted.site):
        return None
    return _Wrong(effect, identity, minted, handler, Severity.MEDIUM, Confidence.HIGH if handler else Confidence.MEDIUM)


def empties_first(effect: EffectAt, entry: Entry | None, model: Model) -> bool:
    """What was there is deleted before, so that a repetition leaves one copy."""
    root = effect.name.partition(".")[0]
    tops = (
        [entry.function]
        if entry is not None
        else [effect.function, *(e.caller for e in model.edges_to(effect.function))]
    )
    for top in tops:
        for other in model.effects_under(top):
            last = other.name.rpartition(".")[2]
            if other.name.partition(".")[0] == root and last.startswith(
                ("delete", "recreate", "drop", "clear", "reset")
            ):
                return True
    return False


def _report(wrong: _Wrong, model: Model) -> Finding:
    effect, minted, name = wrong.effect, wrong.minted, wrong.identity.name
    exposure = model.exposure(effect.function)
    write, maker = f"`{say.call(effect.site, model)}`", f"`{say.call(minted.site, model)}`"
    entry = wrong.entry or exposure.worst
    what = _what(effect)
    ids = list(dict.fromkeys([*own_ids(effect.site), *own_ids(minted.site)]))
    lookup = is_lookup(effect)
    verb = "looks for" if lookup else "writes"
    return finding(
        RULE,
        model.place(minted.site),
        wrong.severity,
        title=say.fit(
            f"{write} {verb} {what} by `{name}` from {maker}, new in each run",
            f"{what}: `{name}` from {maker}, new in each run",
        ),
        issue=(
            f"{write} goes by `{name}`, and {maker} makes it anew each time"
            f"{' in ' + say.entry(wrong.entry) if wrong.entry is not None else ''}: no run meets what an earlier one wrote."
        ),
        impact=_impact(wrong, what),
        fix=advise_again.stable_lookup(name) if lookup else advise_again.derived_id(model, minted.site, ids, effect),
        related=[] if effect.site is minted.site else [model.place(effect.site, "goes by it")],
        steps=model.steps(entry, effect.function, effect.site),
        confidence=Confidence.weakest(wrong.confidence, effect.confidence),
        subject=effect.name,
        weight=impact_weight(exposure, [effect]),
    )


def _what(effect: EffectAt) -> str:
    if effect.effect is Effect.OBJECT_WRITE:
        return "an object"
    if is_lookup(effect):
        return f"`{effect.model.name}`" if effect.model is not None else "a row"
    return "records"


def _impact(wrong: _Wrong, what: str) -> str:
    entry = wrong.entry
    start = (
        say.again(entry)
        if entry is not None
        else "It is run again over the same data, after a failure half-way or to refresh it"
    )
    if is_lookup(wrong.effect):
        return (
            f"{start}. The lookup by a value that was never there finds nothing, so each run creates {what} once more."
        )
    if wrong.effect.effect is Effect.OBJECT_WRITE:
        return f"{start}. Each attempt leaves another object behind, and nothing refers to the earlier ones any more."
    return f"{start}. Every record is then in the store once per run: searches return the same content several times, old versions included."


def _report_default(default: DefaultId, model: Model) -> Finding:
    cls, write = default.cls, default.writes[0]
    call = f"`{say.call(write.site, model)}`"
    upserts = any(effect.effect is not Effect.VECTOR_INSERT for effect in default.writes)
    return finding(
        RULE,
        model.place(default.site),
        Severity.HIGH if upserts else Severity.MEDIUM,
        title=f"`{cls.name}` gives itself a random `{default.name}` although its `{default.content}` is at hand",
        issue=(
            f"A `{cls.name}` without an explicit `{default.name}` gets a new one at each construction, and {call} "
            f"({write.site.path}:{write.site.line}) writes it to the index under this id."
        ),
        impact=(
            f"Indexing the same sources again, after a failure half-way or to refresh them, makes new `{cls.name}` objects with new ids: the "
            "index holds every one of them once per run, and searches return the same content several times."
        ),
        fix=advise_again.content_id(default),
        related=[model.place(effect.site, "writes by this id") for effect in default.writes[:4]],
        confidence=Confidence.HIGH,
        subject=cls.name,
        weight=20,
    )
