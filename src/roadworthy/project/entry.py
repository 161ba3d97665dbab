"""One entry point, and how a function is reached from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import Delivery

if TYPE_CHECKING:
    from roadworthy.knowledge.schema import EntryRow
    from roadworthy.knowledge.vocabulary import EntryKind
    from roadworthy.project.symbols import CallSite, Function


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One entry point."""

    kind: EntryKind
    function: Function
    label: str  # for people: `POST /orders`, `task orders.send`, `command sync`
    source: str  # what makes it one: `@celery.shared_task`, `flask.Flask.route`
    delivery: Delivery
    attempts: int | str | None = (
        1  # what the framework repeats by default or as configured: total, "forever", None unknown
    )
    retried: bool = False  # a failure makes it run again by the framework or broker
    acks: str = ""  # "before" or "after" the work; "" does not apply
    in_transaction: bool = False
    installs_shutdown: bool = False
    concurrent: bool = True
    on_loop: bool = False  # runs on the event loop
    site: CallSite | None = None  # the registering call or decorator call
    row: EntryRow | None = None

    @property
    def serves_others(self) -> bool:
        """While it waits, somebody or something else waits."""
        return self.kind.word.serves_others

    @property
    def repeats(self) -> bool:
        """May the same input come again without anybody's doing: redelivery, retry, replay?"""
        return self.delivery in {Delivery.AT_LEAST_ONCE, Delivery.REPLAYED} or self.retried

    @property
    def reruns(self) -> bool:
        """As `repeats`, or a person, client or schedule runs it again over the same data."""
        return self.repeats or self.delivery in {Delivery.RERUN, Delivery.CLIENT_RETRY}

    def __repr__(self) -> str:
        return f"<{self.kind.value} {self.function.id}>"


@dataclass(frozen=True, slots=True)
class Reached:
    """A function is reached from an entry."""

    entry: Entry
    inline: bool  # all the way inside the entry's own run; False: through a task, thread or background work
    depth: int = 0  # calls on the shortest way
