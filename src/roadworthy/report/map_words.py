"""The words of a map that all its formats share: columns, cells, sums."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.findings.servicemap import Ends, MapEntry, ServiceMap, Survives, is_open_to_repetition

if TYPE_CHECKING:
    from collections.abc import Iterable

    from roadworthy.findings.servicemap import Deed, Protection

NO_MAP = ServiceMap(())

COLUMNS = ("Does", "What", "Time limit", "Retry", "Transaction", "Twice", "Runs")
"""Of the table below one entry; the place stands beside them."""

SUMS = ("entries", "with effects", "no time limit", "open to repetition", "lost with process")
"""Of the table of kinds."""

LEGEND = (
    "Time limit: NONE waits for ever, ? is not known, - needs none.",
    "Twice: what a repetition does. safe: the same; key, unique, claimed, lock: something keeps it from happening twice; "
    "maybe: a condition that may look for earlier work; NO: it happens twice, and in red where it comes again by itself.",
    "Runs: task, thread, background: in this process, after the entry has gone on.",
    "An asterisk marks a protection that lies on the way shown, but not on every way from the entry.",
)

_SURVIVES = {
    Survives.YES: "runs again after a crash",
    Survives.NO: "lost in a crash",
    Survives.RERUN: "comes round again after a crash",
    Survives.UNKNOWN: "not known whether it runs again after a crash",
}
_DELIVERY = {
    "once": "comes once",
    "at-most-once": "comes once at most",
    "at-least-once": "comes at least once",
    "replayed": "is replayed",
    "rerun": "is run again and again",
    "client-retry": "may be sent again by its client",
}
_KEPT = (
    ("idempotency-key", "key"),
    ("unique-key", "unique"),
    ("dedup", "claimed"),
    ("lock", "lock"),
    ("condition", "maybe"),
)


def by_kind(found: ServiceMap) -> dict[str, list[MapEntry]]:
    """Entries by kind, in the order of the map."""
    groups: dict[str, list[MapEntry]] = {}
    for entry in found.entries:
        groups.setdefault(entry.kind, []).append(entry)
    return groups


def sums(entries: Iterable[MapEntry]) -> tuple[int, ...]:
    """The numbers of SUMS. A place that several entries come to counts once."""
    listed = list(entries)
    ways = [(entry, deed) for entry in listed for deed in entry.deeds]
    return (
        len(listed),
        sum(1 for entry in listed if entry.deeds),
        _places(deed for _, deed in ways if deed.may_hang),
        _places(deed for entry, deed in ways if entry.doubles(deed)),
        _places(deed for entry, deed in ways if entry.drops(deed)),
    )


def _places(deeds: Iterable[Deed]) -> int:
    return len({(deed.effect, *place) for deed in deeds for place in deed.places})


def about(entry: MapEntry) -> str:
    """How often an entry comes, and what a crash does to it."""
    often = _DELIVERY.get(entry.delivery, entry.delivery)
    if isinstance(entry.attempts, int) and entry.attempts > 1:
        often += f", {entry.attempts} attempts"
    elif entry.attempts == "forever":
        often += ", attempts without end"
    elif entry.repeats and entry.delivery != "at-least-once":
        often += ", retried"
    return f"{often}; {survival(entry)}"


def survival(entry: MapEntry) -> str:
    """What a crash does to a run, and why."""
    return f"{_SURVIVES[entry.survives]} ({entry.why})"


def cells(deed: Deed) -> tuple[str, ...]:
    """The cells of COLUMNS."""
    return (
        deed.effect,
        deed.target,
        limit(deed),
        retries(deed),
        transaction(deed),
        twice(deed),
        deed.runs if deed.detached else "",
    )


def alarms(entry: MapEntry, deed: Deed) -> frozenset[str]:
    """The cells that should catch the eye."""
    found = {"NONE"} if deed.may_hang else set()
    return frozenset(found | ({"NO"} if entry.doubles(deed) else set()))


def limit(deed: Deed) -> str:
    """The time limit of a deed."""
    found = deed.under("timeout")
    if found:
        return _marked(found[0])
    return {Ends.NO: "NONE", Ends.UNKNOWN: "?", Ends.YES: "set", Ends.PLAIN: "-"}[deed.ends]


def retries(deed: Deed) -> str:
    """Who repeats a deed, in the fewest words."""
    found = deed.under("retry")
    return " + ".join(_marked(one) for one in found) if found else "-"


def transaction(deed: Deed) -> str:
    """The transaction around a deed."""
    found = deed.under("transaction", "on-commit")
    if not found:
        return "-"
    return f"after commit{_star(found[0])}" if found[0].kind == "on-commit" else _marked(found[0])


def twice(deed: Deed) -> str:
    """What a repetition does."""
    if deed.repeat == "yes":
        return "safe"
    for kind, word in _KEPT:
        if found := deed.under(kind):
            return word + _star(found[0])
    return "NO" if is_open_to_repetition(deed) else "safe"


def others(deed: Deed) -> tuple[Protection, ...]:
    """Protections that have no column."""
    return deed.under("catch", "breaker", "bulkhead")


def said(found: Protection) -> str:
    """A protection as words: `retry 3 attempts`."""
    return f"{found.kind} {found.text}{_star(found)}"


def _marked(found: Protection) -> str:
    return found.text + _star(found)


def _star(found: Protection) -> str:
    return "" if found.everywhere else "*"
