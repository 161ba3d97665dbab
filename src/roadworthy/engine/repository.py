"""The git repository around a project. Git is read through libgit2, never run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pygit2

from roadworthy.config import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def open_repository(root: Path, option: str) -> pygit2.Repository:
    """The repository that holds `root`. Raises UsageError, in the name of the option that needs it, when there is none."""
    pygit2.option(pygit2.enums.Option.SET_OWNER_VALIDATION, 0)  # the tree is only read, whoever owns it
    found = pygit2.discover_repository(str(root))
    if found is None:
        raise UsageError(f"{option}: {root} is in no git repository")
    return pygit2.Repository(found)


def prefix(repository: pygit2.Repository, root: Path) -> str:
    """The reviewed root below the top of the working tree, with a slash; empty when they are one."""
    inside = root.resolve().relative_to((repository.workdir or str(root)).rstrip("/")).as_posix()
    return "" if inside == "." else f"{inside}/"
