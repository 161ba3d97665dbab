"""Since when a finding is there: the commit that brought its lines, read from the history of the repository.

Lines are followed through HEAD by libgit2; what the working tree has changed since then has no commit yet.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pygit2

from roadworthy.engine.repository import open_repository, prefix
from roadworthy.findings.finding import Introduced

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from roadworthy.findings.finding import Finding

_MOST_LINES = 40  # of a finding that is a whole function the head decides
_SHORT = 12  # characters of a commit's name


def introduced(root: Path, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings, each with the newest commit among its lines; without one where the line is not committed or not followed.

    Raises UsageError when the project is in no repository.
    """
    history = _History(open_repository(root, "--blame"), root)
    return tuple(replace(finding, introduced=history.of(finding)) for finding in findings)


class _History:
    def __init__(self, repository: pygit2.Repository, root: Path) -> None:
        self._repository = repository
        self._top = prefix(repository, root)
        self._head = None if repository.head_is_unborn else repository.head.peel(pygit2.Commit)
        self._moved: dict[str, list[tuple[int, int, int]]] = {}

    def of(self, finding: Finding) -> Introduced | None:
        if self._head is None:
            return None
        path = self._top + finding.at.path
        last = max(finding.at.line, min(finding.at.end_line, finding.at.line + _MOST_LINES))
        lines = [self._committed(path, line) for line in range(finding.at.line, last + 1)]
        if None in lines or not lines:
            return None
        known = [line for line in lines if line is not None]
        try:
            blame = self._repository.blame(path, min_line=known[0], max_line=known[-1])
            commits = [self._repository[hunk.final_commit_id].peel(pygit2.Commit) for hunk in blame]
        except (KeyError, ValueError, pygit2.GitError):  # not tracked, or its history is not here
            return None
        newest = max(commits, key=lambda commit: (commit.commit_time, str(commit.id)), default=None)
        return None if newest is None else self._told(newest)

    def _told(self, commit: pygit2.Commit) -> Introduced:
        assert self._head is not None
        zone = timezone(timedelta(minutes=commit.commit_time_offset))
        day = datetime.fromtimestamp(commit.commit_time, zone).date().isoformat()
        age = max(0, self._head.commit_time - commit.commit_time) // 86_400
        summary = commit.message.strip().split("\n", 1)[0]
        return Introduced(str(commit.id)[:_SHORT], day, age, summary)

    def _committed(self, path: str, line: int) -> int | None:
        """The line of HEAD that stands at `line` of the working tree; None for one that HEAD does not have."""
        shift = 0
        for start, old, new in self._changes(path):
            if line < start:
                break
            if line < start + new:
                return None
            shift += old - new
        return line + shift

    def _changes(self, path: str) -> list[tuple[int, int, int]]:
        """(first line in the working tree, lines before, lines now) of each uncommitted change of a file, by line."""
        if not self._moved and self._head is not None:
            diff = self._repository.diff(self._head, None, context_lines=0)
            for patch in diff:
                if patch is not None:
                    self._moved[patch.delta.new_file.path] = [
                        (hunk.new_start + (0 if hunk.new_lines else 1), hunk.old_lines, hunk.new_lines)
                        for hunk in patch.hunks
                    ]
            self._moved.setdefault("", [])
        return self._moved.get(path, [])
