"""What a map says: each entry point, what it does to the world, and under which protection. Plain values, no judgement."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roadworthy.findings.finding import Step


class Survives(Enum):
    """What becomes of a run when the process dies half-way."""

    YES = "yes"  # a broker, an engine or the sender runs it again
    NO = "no"  # nothing does
    RERUN = "rerun"  # the next run of a schedule, a loop or a command goes over the same data
    UNKNOWN = "unknown"


class Ends(Enum):
    """May a call wait for ever?"""

    YES = "bounded"
    NO = "forever"
    UNKNOWN = "unknown"
    PLAIN = "local"  # it leaves the process for nothing that can hang


@dataclass(frozen=True, slots=True)
class Protection:
    """One thing that covers what an entry does."""

    kind: str  # a guard's word of the vocabulary, "unique-key", or "condition": an `if` that may be a check of earlier work
    text: str  # for people: `10 s`, `3 attempts, exponential`, `atomic`
    path: str = ""  # where it stands; empty where a default of the library holds
    line: int = 0
    everywhere: bool = True  # False: on the way shown, but not on each way from the entry


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that an entry does to the world, at one or several places that are alike."""

    effect: str  # a word of the vocabulary
    target: str  # `orders`, `api.example.com`, `httpx.Client.post`
    steps: tuple[Step, ...]  # the shortest way from the entry to the first place; its last step is the place itself
    places: tuple[tuple[str, int], ...]  # path and line of each, the first included
    runs: str = "inline"  # or how the work is detached from the entry's own run: "task" "thread" …, "inline or thread"
    ends: Ends = Ends.UNKNOWN
    persists: bool = False
    repeat: str = "yes"  # may it be done twice: "yes" "only-with-key" "no"
    protections: tuple[Protection, ...] = ()

    @property
    def path(self) -> str:
        """The file of the first place."""
        return self.places[0][0]

    @property
    def line(self) -> int:
        """The line of the first place."""
        return self.places[0][1]

    def under(self, *kinds: str) -> tuple[Protection, ...]:
        """Its protections of these kinds."""
        return tuple(found for found in self.protections if found.kind in kinds)

    @property
    def may_hang(self) -> bool:
        """Known to wait for ever, and no time limit lies around it on each way."""
        return self.ends is Ends.NO and not any(found.everywhere for found in self.under("timeout"))

    @property
    def detached(self) -> bool:
        """Runs in this process, and nobody waits for it."""
        return self.runs != "inline"


@dataclass(frozen=True, slots=True)
class MapEntry:
    """One entry point."""

    kind: str  # a word of the vocabulary
    name: str  # for people: `POST /orders`, `send_mail`
    path: str
    line: int
    function: str
    source: str  # what makes it one: `flask.Flask.route`
    delivery: str  # a word of the vocabulary
    repeats: bool  # the same input may come again without anybody's doing
    attempts: int | str | None  # total, "forever", None: unknown
    survives: Survives
    why: str  # what `survives` rests on, in a few words
    deeds: tuple[Deed, ...] = ()

    def doubles(self, deed: Deed) -> bool:
        """Does a repetition that comes by itself do this twice, as far as is known?"""
        return self.repeats and is_open_to_repetition(deed)

    def drops(self, deed: Deed) -> bool:
        """Does this die with the process after somebody was told of success? What a start or a loop does comes round again."""
        return deed.detached and deed.persists and self.survives is not Survives.RERUN

    @property
    def hanging(self) -> int:
        """At how many places it may wait for ever."""
        return sum(len(deed.places) for deed in self.deeds if deed.may_hang)

    @property
    def doubled(self) -> int:
        """At how many places a repetition does it twice."""
        return sum(len(deed.places) for deed in self.deeds if self.doubles(deed))

    @property
    def dropped(self) -> int:
        """At how many places it dies with the process."""
        return sum(len(deed.places) for deed in self.deeds if self.drops(deed))

    @property
    def open(self) -> int:
        """All three together: what a reader should look at first."""
        return self.hanging + self.doubled + self.dropped


@dataclass(frozen=True, slots=True)
class ServiceMap:
    """All entry points of a project, by kind and place."""

    entries: tuple[MapEntry, ...]


def is_open_to_repetition(deed: Deed) -> bool:
    """Must not be done twice, and nothing is known that keeps it from that; in doubt, something does."""
    return deed.repeat != "yes" and not deed.under("dedup", "idempotency-key", "unique-key", "lock", "condition")
