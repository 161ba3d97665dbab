"""Code looks a document up and stores one by what it found, and nothing makes the two steps one.

## Why it fails in production
A store of documents or items has no constraint that nobody declared, and a `put` takes the place of whatever is there. Two requests at once both
find no user of that name, and both insert one; both read a stock of 1, and both write 0.

## What is reported
A document or item that is looked for by its keys and stored only where none was found, with no unique index that the project makes and no
condition on the write. A part of a document that is computed from what was read of it (`item["stock"] -= n`) and stored again, as part of
the whole or by an update that sets it. In one function, and with helpers that read or write. HIGH where several runs at once are ordinary; MEDIUM for a set that is joined.

## What is not reported
Writes with a condition (`ConditionExpression`, a filter that names the old value), updates that the store computes (`$inc`, `ADD`), handlers of
`DuplicateKeyError`, locks. Parts of a document that are only set. Commands, start-up, keys that are made up here.

## Bad
```python
import boto3

table = boto3.resource("dynamodb").Table("stock")

def handler(event, context):
    item = table.get_item(Key={"sku": event["sku"]})["Item"]
    item["count"] -= event["amount"]
    table.put_item(Item=item)  # finding: check-then-store
    return {"statusCode": 200}
```

## Good
```python
import boto3

table = boto3.resource("dynamodb").Table("stock")

def handler(event, context):
    table.update_item(
        Key={"sku": event["sku"]},
        UpdateExpression="ADD #count :less",
        ConditionExpression="#count >= :amount",
        ExpressionAttributeNames={"#count": "count"},
        ExpressionAttributeValues={":less": -event["amount"], ":amount": event["amount"]},
    )
    return {"statusCode": 200}
```
"""

import re

from roadworthy.rules.api import (
    Confidence,
    DocumentRace,
    Exposure,
    Finding,
    GuardKind,
    Iterator,
    Model,
    Rule,
    Severity,
    comes_at_once,
    document_races,
    finding,
    impact_weight,
    is_called_by_nobody,
    is_indexed,
    meets_itself,
    say,
)

RULE = Rule(id="check-then-store", anti_pattern="check-then-act", doc=__doc__)

_OWNED = re.compile(r"(^|_)(retr(y|ies)|attempts?|tries|version|revision)(_|$)", re.IGNORECASE)
_COMPUTES = {
    "": ("`$inc`", "`ADD` with a `ConditionExpression`"),
    "list": ("`$push`", "`list_append`"),
    "set": ("`$addToSet` and `$each`", "`ADD` of a set"),
}  # what MongoDB and DynamoDB have for it
_GIVEN_BY_STORE = "_id"


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Ask each document that is stored by what was read of it what keeps two runs apart."""
    for function in model.functions:
        for race in document_races(model, function):
            if not (is_alone(race, model) or (is_kept(race, model) if not race.changed else is_checked(race, model))):
                yield _report(race, model)


def is_alone(race: DocumentRace, model: Model) -> bool:
    """A lock is held, one person runs it, or no two runs look for the same document."""
    exposure = model.exposure(race.function)
    if (exposure.entries and not exposure.serves) or model.protection.is_set_up(race.function):
        return True
    return (
        model.protection.rows_locked(race.write.site, None) or meets_itself(model, race.function, race.lookup) is None
    )


def is_kept(race: DocumentRace, model: Model) -> bool:
    """A unique index, the key of the store itself, or a handler that expects the second insert."""
    insert = not race.replaces
    kept = insert and (_GIVEN_BY_STORE in race.keys or is_indexed(model, race.keys))
    return kept or model.protection.conflict_named(race.function)


def is_checked(race: DocumentRace, model: Model) -> bool:
    """A transaction of the store refuses the later write, or only one worker counts here."""
    guards = model.guards_on(race.write.site)
    return bool(_OWNED.search(race.changed)) or any(guard.kind is GuardKind.TRANSACTION for guard in guards)


def _report(race: DocumentRace, model: Model) -> Finding:
    exposure = model.exposure(race.function)
    entry = exposure.worst
    return finding(
        RULE,
        model.place(race.write.site),
        _severity(race, exposure, model),
        title=_title(race),
        issue=_issue(race),
        impact=_impact(race, exposure),
        fix=_fix(race),
        related=[model.place(race.read.site, "reads it")],
        steps=model.steps(entry, race.function, race.write.site),
        confidence=Confidence.weakest(
            model.confidence_of(race.write.effect, exposure), Confidence.HIGH if exposure.entries else Confidence.MEDIUM
        ),
        subject=f"{race.store}:{race.changed or ','.join(race.keys)}",
        weight=impact_weight(exposure, [race.write.effect]),
    )


def _severity(race: DocumentRace, exposure: Exposure, model: Model) -> Severity:
    if comes_at_once(model, exposure.entries):
        return Severity.MEDIUM if race.gathers == "set" else Severity.HIGH  # whoever sends it again adds what was lost
    return Severity.LOW if is_called_by_nobody(model, race.function) else Severity.MEDIUM


def _names(race: DocumentRace) -> str:
    return _listed(list(race.keys))


def _listed(keys: list[str]) -> str:
    return f"`{keys[0]}`" if len(keys) == 1 else f"`({', '.join(keys)})`"


def _title(race: DocumentRace) -> str:
    if race.changed:
        return say.fit(
            f"`{race.changed}` of a document in `{race.store}` is read, changed in Python and written back",
            f"`{race.changed}` of a document is read, changed in Python and written back",
        )
    return say.fit(
        f"`{race.store}` is asked for a document by {_names(race)} and given one, with nothing that refuses a second",
        "A document is looked for and then stored, with nothing that refuses a second",
    )


def _issue(race: DocumentRace) -> str:
    read, write = race.read.site.line, race.write.site.line
    if race.changed:
        return f"Line {read} reads `{race.changed}`, and line {write} stores what was computed from it, whatever the store holds by then."
    lacks = "the write has no condition" if race.replaces else "the project makes no unique index over it"
    return f"Line {read} looks into `{race.store}` by {_names(race)}, and line {write} stores a document where there was none; {lacks}."


def _impact(race: DocumentRace, exposure: Exposure) -> str:
    when = say.at_once(exposure.worst, race.function)
    if race.changed:
        return f"When {when}, both start from the same `{race.changed}`, and the later write hides the earlier one."
    if race.replaces:
        return f"When {when}, both find nothing and both store: the second takes the place of the first, and both are told that it was theirs."
    return f"When {when}, both find nothing and both insert: there are two documents of one {_names(race)}, and a later lookup finds either."


def _fix(race: DocumentRace) -> str:
    if race.changed:
        dynamo = race.write.effect.name.endswith(("put_item", "update_item"))
        return (
            f"Let the store compute: an update with {_COMPUTES[race.gathers][dynamo]}, on `{race.changed}`. Where it must be computed here, "
            "write only if the old value is still there (it belongs in the filter or the condition), and read again when it is not."
        )
    if race.replaces:
        condition = f'`ConditionExpression="attribute_not_exists({race.keys[0] if race.keys else "…"})"`'
        return f"Make the write refuse what is there, {condition}, and answer its `ConditionalCheckFailedException` as the look is answered now."
    only = ", ".join(f'"{key}": "{value}"' for key, value in race.only)
    over = [key for key in race.keys if key not in dict(race.only)]
    names, for_some = (over, f", partialFilterExpression={{{only}}}") if over and only else (list(race.keys), "")
    return (
        f"Make a unique index over {_listed(names)} (`create_index(…, unique=True{for_some})`) where the application starts, insert without asking, "
        "and answer `DuplicateKeyError` as the look is answered now."
    )
