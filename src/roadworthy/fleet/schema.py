"""The tables of a store. Unique keys are the last line: whatever is written twice is there once."""

from __future__ import annotations

VERSION = 1

SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS runs (
    number INTEGER PRIMARY KEY,
    fleet TEXT NOT NULL,
    plan TEXT NOT NULL,
    ruleset TEXT NOT NULL,
    started_at REAL NOT NULL,
    ended_at REAL,
    abandoned INTEGER NOT NULL DEFAULT 0
)
""",
    "CREATE UNIQUE INDEX IF NOT EXISTS one_open_run ON runs (fleet, plan, ruleset) WHERE ended_at IS NULL",
    """
CREATE TABLE IF NOT EXISTS tasks (
    run INTEGER NOT NULL REFERENCES runs,
    repository TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed')),
    owner TEXT NOT NULL DEFAULT '',
    lease_until REAL NOT NULL DEFAULT 0,
    due_at REAL NOT NULL DEFAULT 0,
    begun INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    commit_id TEXT NOT NULL DEFAULT '',
    review TEXT NOT NULL DEFAULT '',
    kind TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    ended_at REAL,
    PRIMARY KEY (run, repository)
) WITHOUT ROWID
""",
    "CREATE INDEX IF NOT EXISTS due_tasks ON tasks (run, state, due_at)",
    """
CREATE TABLE IF NOT EXISTS reviews (
    id TEXT PRIMARY KEY,
    repository TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    finished_at REAL NOT NULL,
    files INTEGER NOT NULL,
    lines INTEGER NOT NULL,
    problems TEXT NOT NULL,
    packages TEXT NOT NULL
) WITHOUT ROWID
""",
    """
CREATE TABLE IF NOT EXISTS findings (
    review TEXT NOT NULL REFERENCES reviews,
    fingerprint TEXT NOT NULL,
    severity TEXT NOT NULL,
    finding TEXT NOT NULL,
    PRIMARY KEY (review, fingerprint)
) WITHOUT ROWID
""",
)
