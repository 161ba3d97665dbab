"""The state of a fleet after a run: what is new, what is gone, what has one cause, whose it is, and what was not looked at."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.findings.finding import Severity
from roadworthy.fleet.causes import Cause, shared_causes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from roadworthy.fleet.messages import Reviewed, StoredFinding
    from roadworthy.fleet.store import Outcome, Run, Store


@dataclass(frozen=True, slots=True)
class Item:
    """A finding of a repository."""

    repository: str
    finding: StoredFinding
    new: bool  # the latest earlier review of this repository did not have it


@dataclass(frozen=True, slots=True)
class Row:
    """A repository."""

    name: str
    owners: tuple[str, ...]
    state: str  # reviewed, incomplete, not reviewed, waiting
    commit: str
    said: str  # why it was not reviewed, or not in full
    counts: Mapping[str, int]
    new: int
    gone: int
    compared: bool  # there is an earlier review
    lines: int


@dataclass(frozen=True, slots=True)
class Portfolio:
    """Everything that a report of a fleet says."""

    fleet: str
    run: Run
    rows: tuple[Row, ...]
    items: tuple[Item, ...]
    gone: tuple[tuple[str, StoredFinding], ...]
    causes: tuple[Cause, ...]
    trend: tuple[tuple[Run, Mapping[tuple[str, str], int]], ...]  # oldest first; findings by pillar and severity
    rules_changed: bool  # since the run before: then something new may be old code seen better

    @property
    def complete(self) -> bool:
        """True when every repository was reviewed in full."""
        return all(row.state == "reviewed" for row in self.rows)

    @property
    def new(self) -> tuple[Item, ...]:
        """What is new."""
        return tuple(item for item in self.items if item.new)


def portfolio(store: Store, fleet: str, owners: Mapping[str, tuple[str, ...]]) -> Portfolio | None:
    """The state after the latest run, ended or not; None before the first."""
    runs = store.runs(fleet)
    if not runs:
        return None
    run = runs[0]
    rows, items, gone, packages = [], [], [], {}
    for outcome in store.outcomes(run.number):
        review = store.reviewed(outcome.review) if outcome.state == "done" else None
        before = store.review_before(fleet, run.number, outcome.repository) if review else ""
        earlier = {f.fingerprint: f for f in store.reviewed(before).findings} if before else {}
        found = review.findings if review else ()
        own = [Item(outcome.repository, f, bool(before) and f.fingerprint not in earlier) for f in found]
        left = {f.fingerprint for f in found}
        away = [(outcome.repository, f) for print_, f in earlier.items() if print_ not in left]
        rows.append(_row(outcome, owners, review, own, len(away), bool(before)))
        items += own
        gone += away
        packages[outcome.repository] = review.packages if review else ()
    return Portfolio(
        fleet=fleet,
        run=run,
        rows=tuple(rows),
        items=tuple(sorted(items, key=item_key)),
        gone=tuple(sorted(gone)),
        causes=shared_causes([(item.repository, item.finding) for item in items], packages),
        trend=tuple((other, store.counts(other.number)) for other in reversed(runs)),
        rules_changed=len(runs) > 1 and runs[1].ruleset != run.ruleset,
    )


def item_key(item: Item) -> tuple[int, str, str, int, str]:
    """Order by severity, repository and place."""
    f = item.finding
    return (Severity(f.severity).rank, item.repository, f.path, f.line, f.fingerprint)


def _row(
    outcome: Outcome,
    owners: Mapping[str, tuple[str, ...]],
    review: Reviewed | None,
    items: Sequence[Item],
    gone: int,
    compared: bool,
) -> Row:
    if review is None:
        state = "not reviewed" if outcome.state == "failed" else "waiting"
        said = f"{outcome.kind}: {outcome.reason}" if outcome.kind else "its turn has not come"
    else:
        state = "incomplete" if review.problems else "reviewed"
        more = len(review.problems) - 1
        said = (review.problems[0] + (f" (and {more:,} more)" if more > 0 else "")) if review.problems else ""
    return Row(
        name=outcome.repository,
        owners=owners.get(outcome.repository, ()),
        state=state,
        commit=outcome.commit,
        said=said,
        counts=Counter(item.finding.severity for item in items),
        new=sum(item.new for item in items),
        gone=gone,
        compared=compared,
        lines=review.lines if review else 0,
    )
