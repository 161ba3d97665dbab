"""What is written gets a random id inside of what runs again, so each run writes it once more.

## Why it fails in production
Imports are run again, jobs are retried, messages come twice. A write by a stable id then meets what it wrote before and converges; a
write by a new random id never does: the index holds every document twice, and nothing can tell which of the two is current.

## What is reported
A random value as id of a record in a vector store or search index that is made where the record is made, or as the default of a class of
documents that reaches such a store; a random or clock value among the columns by which an upsert looks for its row; a random object key
or row key inside a job or consumer that runs again.

## What is not reported
Ids that are made once outside and carried in, or taken when they are there; stores that are emptied first; a time by which the rounds of
one run find the row of that run; ids of entities that a person creates; surrogate keys of tables, correlation ids, tokens, temporary files.

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
    Write,
    advise_again,
    comes_again,
    content_at_hand,
    default_ids,
    empties_first,
    entries_around,
    finding,
    identified_writes,
    impact_weight,
    is_seeded,
    joins_itself,
    own_ids,
    retries_around,
    runs_over_again,
    say,
    source_at_hand,
)

RULE = Rule(id="random-key", anti_pattern="random-key", doc=__doc__)


@dataclass(frozen=True, slots=True)
class _Wrong:
    """A write, the random part of its identity, and what runs both again (None: nothing that is known)."""

    write: Write
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
    for write in identified_writes(model):
        for identity in write.identities:
            for minted in minting.of(identity.expr, identity.function, identity.order):
                told = minted.site in seen or (write.kind == "lookup" and write.site in seen)  # one call, one repair
                wrong = None if told else judge(write, identity, minted, model)
                if wrong is not None:
                    seen |= {minted.site, write.site}
                    yield _report(wrong, model)
    for default in default_ids(model):
        if default.site not in seen:
            yield _report_default(default, model)


def judge(write: Write, identity: Identity, minted: Minted, model: Model) -> _Wrong | None:
    """Does the random part make a repetition write once more?"""
    passing = minted.kind == "process-hash" or (minted.kind == "clock" and write.kind != "lookup")
    if minted.optional or passing or is_seeded(model, minted, write.site.function):
        return None
    around = entries_around(model, minted, write.site)
    again = next((entry for entry in around if comes_again(model, entry)), None)
    over = again or next((entry for entry in around if runs_over_again(entry)), None)
    if write.kind == "lookup":
        if joins_itself(minted, write.site):
            return None
        alone = over is None or over.kind is EntryKind.COMMAND  # started by a person, who sees what it made
        severe = not alone or bool(retries_around(model, minted, write.site))
        return _Wrong(write, identity, minted, over, Severity.HIGH if severe else Severity.MEDIUM)
    if write.kind == "object":
        wrong = again is not None and own_ids(write.site)
        return _Wrong(write, identity, minted, again, Severity.MEDIUM) if wrong else None
    if write.kind == "row":
        return _Wrong(write, identity, minted, again, Severity.HIGH) if again is not None else None
    return _judge_index(write, identity, minted, over, around, model)


def _judge_index(
    write: Write, identity: Identity, minted: Minted, over: Entry | None, around: list[Entry], model: Model
) -> _Wrong | None:
    """Records of an index: wrong where the index is filled again from the same sources."""
    if empties_first(model, write.site, write.name, over or next(iter(around), None)):
        return None
    if over is not None:
        severe = write.kind == "upsert" and not model.is_script(write.site.path)
        return _Wrong(write, identity, minted, over, Severity.HIGH if severe else Severity.MEDIUM)
    handler = next((entry for entry in around if entry.kind is EntryKind.HTTP_HANDLER), None)
    if not tells_what_it_is(write, minted, content=handler is None):
        return None
    return _Wrong(write, identity, minted, handler, Severity.MEDIUM, Confidence.HIGH if handler else Confidence.MEDIUM)


def tells_what_it_is(write: Write, minted: Minted, *, content: bool) -> bool:
    """Is something at hand from which a stable id could be made: an id, a source; the content only where nobody asks for a new entity?"""
    if own_ids(write.site) or own_ids(minted.site):
        return True
    functions = (write.site.function, minted.site.function, minted.top)
    return any(source_at_hand(fn) or (content and content_at_hand(fn)) for fn in functions)


def _report(wrong: _Wrong, model: Model) -> Finding:
    write, minted, name = wrong.write, wrong.minted, wrong.identity.name
    exposure = model.exposure(write.site.function)
    call, maker = f"`{say.call(write.site, model)}`", f"`{say.call(minted.site, model)}`"
    entry = wrong.entry or exposure.worst
    what = _what(write)
    ids = list(dict.fromkeys([*own_ids(write.site), *own_ids(minted.site)]))
    source = next((text for fn in (write.site.function, minted.top) if (text := source_at_hand(fn))), "")
    lookup = write.kind == "lookup"
    where = f" in {say.entry(wrong.entry)}" if wrong.entry is not None else ""
    return finding(
        RULE,
        model.place(minted.site),
        wrong.severity,
        title=say.fit(
            f"{call} {'looks for' if lookup else 'writes'} {what} by `{name}` from {maker}, new in each run",
            f"{call} {'looks for' if lookup else 'writes'} {what} by `{name}`, new in each run",
            f"{what} is {'looked up' if lookup else 'written'} by `{name}` from {maker}, new in each run",
            f"{what} goes by `{name}`, new in each run",
        ),
        issue=f"{call} goes by `{name}`, and {maker} makes it anew each time{where}: no run meets what an earlier one wrote.",
        impact=_impact(wrong, what, entry),
        fix=advise_again.stable_lookup(write.site, name)
        if lookup
        else advise_again.derived_id(model, minted.site, ids or [source][: bool(source)], write.kind),
        related=[] if write.site is minted.site else [model.place(write.site, "goes by it")],
        steps=model.steps(entry, write.site.function, write.site),
        confidence=Confidence.weakest(wrong.confidence, write.confidence),
        subject=write.name,
        weight=impact_weight(exposure, model.effects_at(write.site)),
    )


def _what(write: Write) -> str:
    if write.kind == "object":
        return "an object"
    if write.kind in {"lookup", "row"}:
        return f"`{write.about.name}`" if write.about is not None else "a row"
    return "records"


def _impact(wrong: _Wrong, what: str, reached: Entry | None) -> str:
    entry, kind = wrong.entry, wrong.write.kind
    if kind == "lookup":
        who = say.entry(reached, wrong.write.site.function)
        return (
            f"No row ever has the `{wrong.identity.name}` that {who} has just made: each time it runs, one more {what} is created, and the one "
            "that was meant is never updated."
        )
    start = (
        say.again(entry)
        if entry is not None
        else "It is run again over the same data, after a failure half-way or to refresh it"
    )
    if kind == "object":
        return f"{start}. Each attempt leaves another object behind, and nothing refers to the earlier ones any more."
    if kind == "row":
        return f"{start}. Each run then writes {what} under another key: the upsert, which would have met the first one, adds a copy."
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
