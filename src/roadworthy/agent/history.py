"""Git for the agent: log, blame and diff, read through libgit2. No program is run, whatever the repository's configuration names."""

from __future__ import annotations

import os
import posixpath
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pygit2
from pygit2.enums import DeltaStatus, Option, SortMode

from roadworthy.agent.secret import is_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

_REVISION = re.compile(r"[A-Za-z0-9_][\w./~^@{}-]{0,199}")
_MOST_COMMITS = 40
_MOST_VISITED = 3_000
_MOST_BLAMED = 300


class History:
    """What git knows of the tree at `root`, as text. Everything that goes wrong is an answer beginning with `error:`."""

    def __init__(self, root: Path) -> None:
        """Find the repository; there may be none."""
        pygit2.option(Option.SET_OWNER_VALIDATION, 0)  # the tree is only read, whoever owns it
        found = pygit2.discover_repository(str(root))
        self._repository = pygit2.Repository(found) if found is not None else None
        self._top = ""
        if self._repository is not None and self._repository.workdir:
            inside = os.path.relpath(os.path.realpath(root), os.path.realpath(self._repository.workdir))
            self._top = "" if inside == "." else f"{Path(inside).as_posix()}/"

    def answer(self, command: str, path: str, revision: str, other: str, line: int, count: int) -> str:
        """Run one of the three questions; anything else is refused."""
        if self._repository is None:
            return "error: this tree is in no git repository"
        asked = {"log": self._log, "blame": self._blame, "diff": self._diff}.get(command)
        if asked is None:
            return f"error: {command!r} is not allowed; log, blame and diff are"
        inside = posixpath.normpath(path) if path else ""
        if inside.startswith(("/", "..")):
            return f"error: {path!r} lies outside the repository"
        if is_secret(inside):
            return f"error: {path!r} holds secrets by its name and is not read"
        inside = "" if inside == "." else inside
        try:
            return "\n".join(asked(self._repository, inside, revision, other, line, count)) or "(nothing)"
        except (KeyError, ValueError, TypeError, OSError, pygit2.GitError) as error:
            return f"error: {error}"

    def _commit(self, repository: pygit2.Repository, revision: str) -> pygit2.Commit:
        if not _REVISION.fullmatch(revision):
            raise ValueError(f"{revision!r} is no revision")
        return repository.revparse_single(revision).peel(pygit2.Commit)

    def _log(
        self, repository: pygit2.Repository, path: str, revision: str, _other: str, _line: int, count: int
    ) -> Iterator[str]:
        """The newest commits, those that changed the path when one is given."""
        start = self._commit(repository, revision or "HEAD")
        wanted = min(max(count, 1), _MOST_COMMITS)
        for visited, commit in enumerate(repository.walk(start.id, SortMode.TOPOLOGICAL | SortMode.TIME)):
            if visited >= _MOST_VISITED:
                yield f"(stopped after {_MOST_VISITED} commits)"
                return
            if path and not self._changed(commit, path):
                continue
            yield _said(commit)
            wanted -= 1
            if wanted == 0:
                return

    def _changed(self, commit: pygit2.Commit, path: str) -> bool:
        here = _object(commit, self._top + path)
        before = [_object(parent, self._top + path) for parent in commit.parents] or [None]
        return all(here != one for one in before)

    def _blame(
        self, repository: pygit2.Repository, path: str, revision: str, _other: str, line: int, count: int
    ) -> Iterator[str]:
        """Which commit brought the lines of a file, as it was committed last."""
        if not path:
            raise ValueError("blame needs a path")
        first = max(line, 1)
        last = first + min(max(count, 1), _MOST_BLAMED) - 1
        newest = self._commit(repository, revision or "HEAD")
        blob = newest.tree[self._top + path]
        if not isinstance(blob, pygit2.Blob):
            raise ValueError(f"{path} is no file")
        last = min(last, blob.data.count(b"\n") + 1)
        found = repository.blame(self._top + path, newest_commit=newest.id, min_line=first, max_line=last)
        for hunk in found:
            commit = repository[hunk.final_commit_id].peel(pygit2.Commit)
            start = hunk.final_start_line_number
            yield f"{start}-{start + hunk.lines_in_hunk - 1}: {_said(commit)}"

    def _diff(
        self, repository: pygit2.Repository, path: str, revision: str, other: str, _line: int, _count: int
    ) -> Iterator[str]:
        """What changed from one revision to another, or to the working tree."""
        base = self._commit(repository, revision or "HEAD")
        goal = self._commit(repository, other) if other else None
        for patch in repository.diff(base, goal, context_lines=3):
            if patch is None:
                continue
            name = patch.delta.new_file.path
            if not name.startswith(self._top):
                continue
            inside = name.removeprefix(self._top)
            if path and inside != path and not inside.startswith(f"{path}/"):
                continue
            if is_secret(inside) or is_secret(patch.delta.old_file.path):
                yield f"{inside}: changed, holds secrets by its name and is not shown"
            elif patch.delta.is_binary:
                yield f"{inside}: binary, changed"
            else:
                status = DeltaStatus(patch.delta.status).name.lower()
                yield f"{inside}: {status}\n{(patch.data or b'').decode('utf-8', 'backslashreplace').rstrip()}"


def _object(commit: pygit2.Commit, path: str) -> pygit2.Oid | None:
    try:
        return commit.tree[path].id
    except KeyError:
        return None


def _said(commit: pygit2.Commit) -> str:
    date = datetime.fromtimestamp(commit.commit_time, UTC).date()
    subject = commit.message.strip().partition("\n")[0][:160]
    return f"{str(commit.id)[:12]} {date} {commit.author.name[:60]}: {subject}"
