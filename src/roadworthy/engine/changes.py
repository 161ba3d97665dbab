"""What a branch brings: the lines that differ from where it left another revision. Git is read through libgit2, never run."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import pygit2
from pygit2.enums import DiffFlag, DiffOption

from roadworthy.config import UsageError
from roadworthy.engine.repository import open_repository, prefix
from roadworthy.facts.area import Area

if TYPE_CHECKING:
    from pathlib import Path


def area_of_changes(root: Path, revision: str) -> Area:
    """The lines of the working tree that are new or changed since the merge base of HEAD and `revision`.

    Untracked files count as new. Raises UsageError when there is no repository or no such revision.
    """
    repository = open_repository(root, "--since")
    try:
        named = repository.revparse_single(revision).peel(pygit2.Commit)
        head = repository.revparse_single("HEAD").peel(pygit2.Commit)
        base = repository.merge_base(named.id, head.id) or named.id
        options = DiffOption.INCLUDE_UNTRACKED | DiffOption.SHOW_UNTRACKED_CONTENT | DiffOption.RECURSE_UNTRACKED_DIRS
        diff = repository.diff(repository[base].peel(pygit2.Commit), None, context_lines=0, flags=options)
    except (KeyError, ValueError, pygit2.GitError) as error:
        raise UsageError(f"--since {revision}: {error}") from error
    top = prefix(repository, root)
    ranges: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for patch in diff:
        if patch is None:
            continue
        path = patch.delta.new_file.path
        if patch.delta.flags & DiffFlag.BINARY or not path.startswith(top):
            continue
        for hunk in patch.hunks:
            if hunk.new_lines:
                ranges[path.removeprefix(top)].append((hunk.new_start, hunk.new_start + hunk.new_lines - 1))
            else:  # only deletions: the lines around them are what changed
                ranges[path.removeprefix(top)].append((max(hunk.new_start, 1), hunk.new_start + 1))
    return Area({path: tuple(found) for path, found in ranges.items()})
