"""An upsert names conflict columns over which no unique index exists.

## Why it fails in production
The database looks for a unique index over exactly the columns of the conflict clause. Where there is none, the statement fails each time it
runs, whether or not a row is there: nothing is inserted and nothing is updated.

## What is reported
`ON CONFLICT (a, b)`, `index_elements=[…]` and `unique_fields=[…]` whose columns are no unique key of the table in models, migrations or SQL files.
Columns that a helper is given together with the model (`upsert(rows, Price, ["sku"])`) stand for the clause that it makes.

## What is not reported
Clauses that name a constraint, clauses without columns, tables of which some part could not be read, and targets with expressions.

## Bad
```python
# file: shop/models.py
from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase):
    pass

class Price(Base):
    __tablename__ = "prices"
    id: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(String(20), index=True)
    amount: Mapped[int]

# file: shop/sync.py
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from shop.models import Price

def store(session: Session, sku: str, amount: int) -> None:
    statement = insert(Price).values(sku=sku, amount=amount)
    statement = statement.on_conflict_do_update(index_elements=["sku"], set_={"amount": amount})
    session.execute(statement)  # finding: conflict-target-without-index
    session.commit()
```

## Good
```python
# file: shop/models.py
from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase):
    pass

class Price(Base):
    __tablename__ = "prices"
    id: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(String(20), unique=True)
    amount: Mapped[int]

# file: shop/sync.py
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from shop.models import Price

def store(session: Session, sku: str, amount: int) -> None:
    statement = insert(Price).values(sku=sku, amount=amount)
    statement = statement.on_conflict_do_update(index_elements=["sku"], set_={"amount": amount})
    session.execute(statement)
    session.commit()
```
"""

from roadworthy.rules.api import (
    UPSERT,
    Access,
    Confidence,
    Finding,
    Iterator,
    Model,
    PassedTarget,
    Rule,
    Severity,
    Table,
    advise_database,
    doer,
    finding,
    impact_weight,
    passed_targets,
    say,
)

RULE = Rule(id="conflict-target-without-index", anti_pattern="missing-unique-constraint", doc=__doc__)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Ask each conflict clause for the unique key that it needs."""
    for access in model.accesses.all(UPSERT):
        table, target = access.table, access.target
        if table is None or not target or not model.is_reviewed(access.site.path) or not is_known(table, target):
            continue
        if table.key_on(target) is None:
            yield _report(access, table, target, model)
    told: dict[tuple[str, frozenset[str]], list[PassedTarget]] = {}
    for passed in passed_targets(model):
        table = passed.table
        if (
            model.is_reviewed(passed.site.path)
            and is_known(table, passed.columns)
            and table.key_on(passed.columns) is None
        ):
            told.setdefault((table.name, frozenset(passed.columns)), []).append(passed)
    for same in told.values():
        yield _report_passed(same, model)


def is_known(table: Table, target: tuple[str, ...]) -> bool:
    """Every part of the table was read, and every column of the clause is one of it."""
    return table.complete and table.managed and all(table.column(name) is not None for name in target)


def _lacks(table: Table, target: tuple[str, ...]) -> str:
    nearest = table.unique_over(target)
    has = f"; the nearest one is over ({', '.join(nearest.columns)})" if nearest is not None else ""
    dropped = table.dropped_over(target)
    gone = (
        f" (one was dropped at {dropped.dropped.path}:{dropped.dropped.line})"
        if dropped is not None and dropped.dropped is not None
        else ""
    )
    return f"`{table.name}` has no unique key over exactly these columns{gone}{has}"


def _report_passed(same: list[PassedTarget], model: Model) -> Finding:
    """A helper makes the clause of the columns that it is given."""
    first = same[0]
    table, site = first.table, first.site
    exposure = model.exposure(site.function)
    columns = ", ".join(first.columns)
    return finding(
        RULE,
        model.place(site),
        Severity.HIGH,
        title=f"the conflict clause ({columns}) of `{table.name}` has no unique index over these columns",
        issue=(
            f"`{say.call(site, model)}` makes a statement that resolves conflicts on ({columns}), but {_lacks(table, first.columns)}."
        ),
        impact=f"The database refuses the statement each time: {doer(model, site.function)} fails each time it comes here, and no row is written.",
        fix=f"Give `{say.call(site, model)}` columns that are a unique key, or make these one. {advise_database.unique_key(model, table, first.columns)}",
        related=[
            model.place(first.clause, "makes the clause of the columns that it is given"),
            *(model.place(other.site, "gives the same columns") for other in same[1:8]),
            *model.protection.places_of(table, first.columns),
        ],
        steps=model.steps(exposure.worst, site.function, site),
        confidence=Confidence.MEDIUM,
        subject=f"{table.name}:{columns}",
        weight=impact_weight(exposure),
    )


def _report(access: Access, table: Table, target: tuple[str, ...], model: Model) -> Finding:
    exposure = model.exposure(access.function)
    columns = ", ".join(target)
    return finding(
        RULE,
        model.place(access.site),
        Severity.HIGH,
        title=f"the conflict clause ({columns}) of `{table.name}` has no unique index over these columns",
        issue=f"The statement resolves conflicts on ({columns}), but {_lacks(table, target)}.",
        impact=f"The database refuses the statement each time: {doer(model, access.function)} fails each time it comes here, and no row is written.",
        fix=advise_database.unique_key(model, table, target),
        related=model.protection.places_of(table, target),
        steps=model.steps(exposure.worst, access.function, access.site),
        confidence=Confidence.weakest(
            Confidence.HIGH if "model" in table.sources or table.columns else Confidence.MEDIUM,
            access.effect.confidence,
        ),
        subject=f"{table.name}:{columns}",
        weight=impact_weight(exposure, [access.effect]),
    )
