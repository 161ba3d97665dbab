"""The tables of a store, as the migrations that made them. Unique keys are the last line: whatever is written twice is there once.

A migration that was released is never changed; what comes next is a new one at the end. Words in braces are the dialect's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.fleet.database import StoreError

if TYPE_CHECKING:
    from roadworthy.fleet.database import Database

_FIRST = (
    """
CREATE TABLE runs (
    number {number},
    fleet {text} NOT NULL,
    plan {text} NOT NULL,
    ruleset {text} NOT NULL,
    started_at {real} NOT NULL,
    ended_at {real},
    abandoned {integer} NOT NULL DEFAULT 0
)
""",
    "CREATE UNIQUE INDEX one_open_run ON runs (fleet, plan, ruleset) WHERE ended_at IS NULL",
    """
CREATE TABLE tasks (
    run {integer} NOT NULL REFERENCES runs,
    repository {text} NOT NULL,
    state {text} NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed')),
    owner {text} NOT NULL DEFAULT '',
    lease_until {real} NOT NULL DEFAULT 0,
    due_at {real} NOT NULL DEFAULT 0,
    begun {integer} NOT NULL DEFAULT 0,
    failures {integer} NOT NULL DEFAULT 0,
    commit_id {text} NOT NULL DEFAULT '',
    review {text} NOT NULL DEFAULT '',
    kind {text} NOT NULL DEFAULT '',
    reason {text} NOT NULL DEFAULT '',
    ended_at {real},
    PRIMARY KEY (run, repository)
){keyed}
""",
    "CREATE INDEX due_tasks ON tasks (run, state, due_at)",
    """
CREATE TABLE reviews (
    id {text} PRIMARY KEY,
    repository {text} NOT NULL,
    commit_id {text} NOT NULL,
    finished_at {real} NOT NULL,
    files {integer} NOT NULL,
    lines {integer} NOT NULL,
    problems {text} NOT NULL,
    packages {text} NOT NULL
){keyed}
""",
    """
CREATE TABLE findings (
    review {text} NOT NULL REFERENCES reviews,
    fingerprint {text} NOT NULL,
    severity {text} NOT NULL,
    finding {text} NOT NULL,
    PRIMARY KEY (review, fingerprint)
){keyed}
""",
)

_WORK_BY_REFERENCE = (
    # What is to be done for a task, so that whoever takes it needs nothing but the store.
    "ALTER TABLE tasks ADD COLUMN job {text} NOT NULL DEFAULT ''",
    # Which store this is, so that the workers of another one never take its work.
    "CREATE TABLE identity (one {integer} PRIMARY KEY CHECK (one = 1), name {text} NOT NULL)",
)

_PILLARS = (
    "ALTER TABLE findings ADD COLUMN pillar {text} NOT NULL DEFAULT ''",
    "UPDATE findings SET pillar = {pillar}",
)

MIGRATIONS = (_FIRST, _WORK_BY_REFERENCE, _PILLARS)
VERSION = len(MIGRATIONS)


def migrate(database: Database) -> None:
    """Bring the tables up to date, each step whole or not at all, whoever else tries at the same time. Raises StoreError."""
    if database.version() == VERSION:
        return
    with database.writing(alone=True):
        version = database.version()
        if version > VERSION:
            raise StoreError(f"was written by another version of roadworthy ({version}, not {VERSION})")
        for number, statements in enumerate(MIGRATIONS[version:], version + 1):
            for statement in statements:
                database.changes(_worded(statement, database))
            database.set_version(number)


def _worded(statement: str, database: Database) -> str:
    words = database.dialect
    return statement.format(
        number=words.number,
        integer=words.integer,
        real=words.real,
        text=words.text,
        keyed=words.keyed,
        pillar=words.pillar,
    )
