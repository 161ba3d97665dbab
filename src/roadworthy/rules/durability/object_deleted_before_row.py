"""A stored object is deleted before the row that points to it, and the row's delete may still fail.

## Why it fails in production
An object store knows nothing of the database's transaction, and gives nothing back. When the delete of the row is refused (another row still
points to it), the connection is lost before the commit, or the process is killed between the two, the row is still there: it is listed and
offered, and what it points to is gone for good.

## What is reported
A call that deletes an object of a store, directly or through calls, followed in the same function by the delete of the row from which the
object's name comes, where no transaction is open yet. MEDIUM where requests do so, else LOW.

## What is not reported
Objects that are deleted after the commit, or by an on-commit hook. Rows that are only marked as deleted, before or after. Temporary objects,
and what can be made again (thumbnails, caches). Sweeps and commands, which come to the same row once more. A comment that says why the object
goes first. Open transactions are the business of enqueue-inside-transaction.

## Bad
```python
import boto3
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__)
db = SQLAlchemy(app)
s3 = boto3.client("s3")

class File(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    key = db.Column(db.String(200))

@app.route("/files/<int:file_id>", methods=["DELETE"])
def delete_file(file_id):
    file = File.query.get_or_404(file_id)
    s3.delete_object(Bucket="files", Key=file.key)  # finding: object-deleted-before-row
    db.session.delete(file)
    db.session.commit()
    return "", 204
```

## Good
```python
import boto3
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__)
db = SQLAlchemy(app)
s3 = boto3.client("s3")

class File(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    key = db.Column(db.String(200))

@app.route("/files/<int:file_id>", methods=["DELETE"])
def delete_file(file_id):
    file = File.query.get_or_404(file_id)
    key = file.key
    db.session.delete(file)
    db.session.commit()
    s3.delete_object(Bucket="files", Key=key)
    return "", 204
```
"""

from roadworthy.rules.api import (
    Confidence,
    DeletedFirst,
    EntryKind,
    Finding,
    Iterator,
    Model,
    OrphanRows,
    Rule,
    Severity,
    finding,
    impact_weight,
    say,
)

RULE = Rule(id="object-deleted-before-row", anti_pattern="dual-write", doc=__doc__)

_ASKED = frozenset({EntryKind.HTTP_HANDLER, EntryKind.WEBHOOK_HANDLER})


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """One finding for each function."""
    for found in OrphanRows(model).all():
        yield _report(found, model)


def _report(found: DeletedFirst, model: Model) -> Finding:
    site, row, commit = found.site, found.row, found.commit
    gone, deleted = say.call(site, model), say.call(row, model)
    last = say.call(commit, model) if commit is not None else deleted
    final = (
        f"`{deleted}` deletes its row, and `{last}` commits that"
        if commit is not None
        else f"`{deleted}` deletes its row"
    )
    exposure = model.exposure(site.function)
    return finding(
        RULE,
        model.place(site),
        Severity.MEDIUM if found.entry is not None and found.entry.kind in _ASKED else Severity.LOW,
        title=say.fit(
            f"`{gone}` deletes the object before `{last}` has deleted its row",
            f"`{say.last(gone)}` deletes the object before `{say.last(last)}` has deleted its row",
        ),
        issue=f"`{gone}` in `{site.function.qualname}()` deletes an object of the store at once; only then {final}.",
        impact=f"When `{last}` fails (a row that still points to it, a lost connection) or the process is killed in between, the row is still there and "
        "is shown, and what it points to cannot be brought back.",
        fix=f"Delete the row first, keep the object's name, and call `{gone}` after `{last}`: an object that is left over then harms nobody, and a "
        "sweep can find it.",
        related=[
            model.place(row, "deletes the row"),
            *([model.place(commit, "commits")] if commit is not None else []),
            *([model.place(found.effect.site, "deletes the object")] if found.effect.site is not site else []),
        ],
        steps=model.steps(exposure.worst, site.function, site),
        confidence=Confidence.weakest(model.confidence_of(found.effect), Confidence.MEDIUM),
        subject=model.callee_text(site),
        weight=impact_weight(exposure, [found.effect]),
    )
