"""A portfolio in words: sections of sentences and tables, which a renderer then writes down. What is not shown is counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from roadworthy.findings.finding import Pillar, Severity
from roadworthy.report.clean import one_line, place
from roadworthy.report.order import number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from roadworthy.fleet.portfolio import Item, Portfolio, Row

SEVERITIES = tuple(severity.value for severity in Severity)
NOBODY = "(nobody)"
_REPOSITORY = ("repository", "owners", "commit", "state", "#HIGH", "#MEDIUM", "#LOW", "#new", "#gone", "#lines")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of words; a column whose heading begins with `#` holds numbers."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, sentences, perhaps a table, and what was left out of it."""

    title: str
    sentences: tuple[str, ...] = ()
    table: Table | None = None
    left_out: int = 0


def sections(state: Portfolio, most: int) -> Iterator[Section]:
    """The portfolio, in the order in which people ask; tables of at most so many rows."""
    yield Section(f"Fleet {one_line(state.fleet)}", tuple(_summary(state)))
    yield _cut("Not reviewed", _missing(state), most, ("repository", "owners", "state", "why"))
    yield _cut("One cause, several repositories", _causes(state), most, ("severity", "rule", "#repositories", "what"))
    headings = ("severity", "repository", "place", "rule", "what")
    yield _cut("New since the last run", [_finding(item) for item in state.new], most, headings)
    gone = [(f.severity, name, place(f.path, f.line), f.rule, f.title) for name, f in state.gone]
    yield _cut("Gone since the last run", gone, most, headings)
    counted = ("#HIGH", "#MEDIUM", "#LOW", "#new", "#repositories")
    for title, what, key in _groupings(state):
        yield _cut(title, _grouped(state.items, key), most, (what, *counted))
    yield _cut("Repositories", [_repository(row) for row in state.rows], most, _REPOSITORY)
    rows = [(when(run.started_at), *_trend(counts)) for run, counts in state.trend]
    columns = ("run", "#HIGH", "#MEDIUM", "#LOW", *(f"#{pillar.value}" for pillar in Pillar))
    yield _cut("Runs", rows if len(rows) > 1 else [], most, columns)


def when(seconds: float) -> str:
    """A time as people and programs read it, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _trend(counts: Mapping[tuple[str, str], int]) -> Iterator[str]:
    """A run: findings of each severity, then of each pillar HIGH/MEDIUM/LOW."""
    for severity in SEVERITIES:
        yield f"{sum(n for (_, one), n in counts.items() if one == severity):,}"
    for pillar in Pillar:
        yield "/".join(f"{counts.get((pillar.value, severity), 0):,}" for severity in SEVERITIES)


def _cut(title: str, rows: Sequence[tuple[str, ...]], most: int, headings: tuple[str, ...]) -> Section:
    table = Table(headings, tuple(tuple(one_line(word) for word in row) for row in rows[:most]))
    return Section(title, (), table if rows else None, max(0, len(rows) - most))


def _summary(state: Portfolio) -> Iterator[str]:
    states = Counter(row.state for row in state.rows)
    counts = Counter(item.finding.severity for item in state.items)
    said = ", ".join(f"{counts[s]:,} {s}" for s in SEVERITIES if counts[s])
    done = states["reviewed"] + states["incomplete"]
    yield (
        f"{number(len(state.items), 'finding')}{f': {said}' if said else ''} in {done:,} of"
        f" {number(len(state.rows), 'repository', 'repositories')}"
        f" ({number(sum(row.lines for row in state.rows), 'line')}), run of {when(state.run.started_at)}."
    )
    if not state.complete:
        parts = [f"{states[name]:,} {name}" for name in ("incomplete", "not reviewed", "waiting") if states[name]]
        yield f"This is not the whole fleet: {', '.join(parts)}."
    if any(row.compared for row in state.rows):
        alone = sum(not row.compared and row.state in ("reviewed", "incomplete") for row in state.rows)
        yield (
            f"Since the run before: {len(state.new):,} new, {len(state.gone):,} gone"
            + (f"; {alone:,} reviewed for the first time" if alone else "")
            + "."
        )
    if state.rules_changed:
        yield "The rules or the settings changed since the run before: something new may be old code, seen better."


def _missing(state: Portfolio) -> list[tuple[str, ...]]:
    return [
        (row.name, ", ".join(row.owners) or NOBODY, row.state, row.said)
        for row in state.rows
        if row.state != "reviewed"
    ]


def _causes(state: Portfolio) -> list[tuple[str, ...]]:
    return [
        (
            cause.severity,
            cause.rule,
            f"{cause.repositories:,}",
            f"{cause.said} ({', '.join(f'{name}: {place(path, line)}' for name, path, line, _ in cause.places)})",
        )
        for cause in state.causes
    ]


def _finding(item: Item) -> tuple[str, ...]:
    f = item.finding
    return (f.severity, item.repository, place(f.path, f.line), f.rule, f.title)


def _groupings(state: Portfolio) -> Iterator[tuple[str, str, Callable[[Item], Sequence[str]]]]:
    """Title, what a row is, and under which rows a finding counts."""
    owners = {row.name: row.owners or (NOBODY,) for row in state.rows}
    if any(row.owners for row in state.rows):
        yield "By owner", "owner", lambda item: owners[item.repository]
    yield "By pillar", "pillar", lambda item: (item.finding.pillar,)
    yield "By rule", "rule", lambda item: (item.finding.rule,)


def _grouped(items: Iterable[Item], key: Callable[[Item], Sequence[str]]) -> list[tuple[str, ...]]:
    """A row for each group, the worst first; pillars in their own order where they are alike."""
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        for name in key(item):
            groups[name].append(item)
    pillars = [pillar.value for pillar in Pillar]
    rows = []
    for name, members in groups.items():
        counts = Counter(item.finding.severity for item in members)
        order = (*(-counts[s] for s in SEVERITIES), pillars.index(name) if name in pillars else 0, name)
        cells = (
            name,
            *(f"{counts[s]:,}" for s in SEVERITIES),
            f"{sum(item.new for item in members):,}",
            f"{len({item.repository for item in members}):,}",
        )
        rows.append((order, cells))
    return [cells for _, cells in sorted(rows)]


def _repository(row: Row) -> tuple[str, ...]:
    known = row.state in ("reviewed", "incomplete")
    return (
        row.name,
        ", ".join(row.owners) or NOBODY,
        row.commit[:12] or "-",
        row.state,
        *(f"{row.counts.get(s, 0):,}" if known else "-" for s in SEVERITIES),
        f"{row.new:,}" if row.compared else "-",
        f"{row.gone:,}" if row.compared else "-",
        f"{row.lines:,}" if known else "-",
    )
