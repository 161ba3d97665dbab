"""One commit of a repository, read with libgit2: git is never run, nor a hook, a filter, a helper or anything a configuration names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pygit2
from pygit2.enums import ConfigLevel, ObjectType, Option

from roadworthy.fleet.failures import CORRUPT, GONE, NETWORK, REFUSED, TOO_LARGE, RefusalError
from roadworthy.text.source import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from roadworthy.fleet.messages import Limits

_GONE_WORDS = ("404", "410", "403", "401", "authentication", "not found", "does not exist")
_BY_NAME_ONLY = "cannot fetch a specific object"  # libgit2, where the server does not offer it
_LINK = 0o120000
_HEAD = "HEAD"


def isolate() -> None:
    """Look at no configuration but the repository's own, of which libgit2 runs nothing; take it whoever owns it."""
    for level in (ConfigLevel.GLOBAL, ConfigLevel.XDG, ConfigLevel.SYSTEM, ConfigLevel.PROGRAMDATA):
        pygit2.settings.search_path[level] = os.devnull
    pygit2.option(Option.SET_OWNER_VALIDATION, 0)


def is_remote(source: str) -> bool:
    """Tell a URL from a path."""
    return "://" in source


def commit_of(source: str, revision: str) -> str:
    """The commit that a revision names now. Raises RefusalError."""
    return _remote_commit(source, revision) if is_remote(source) else _local_commit(source, revision)


def _local(source: str) -> pygit2.Repository:
    if not Path(source).exists():
        raise RefusalError(GONE, "no such folder")
    try:
        return pygit2.Repository(source)
    except pygit2.GitError as error:
        raise RefusalError(CORRUPT, f"no git repository that can be read: {error}") from None


def _local_commit(source: str, revision: str) -> str:
    repository = _local(source)
    try:
        return str(repository.revparse_single(revision or _HEAD).peel(pygit2.Commit).id)
    except KeyError:
        if _is_named(repository, revision or _HEAD):
            raise RefusalError(CORRUPT, f"the commit of {revision or _HEAD} is missing") from None
        raise RefusalError(GONE, f"no such revision: {revision or _HEAD}") from None
    except (ValueError, TypeError, pygit2.GitError) as error:
        raise RefusalError(CORRUPT, f"{revision or _HEAD} cannot be read: {error}") from None


def _is_named(repository: pygit2.Repository, revision: str) -> bool:
    try:
        repository.lookup_reference_dwim(revision).resolve()
    except (KeyError, ValueError, pygit2.GitError):
        return False
    return True


def _remote_commit(source: str, revision: str) -> str:
    if len(revision) == 40 and all(letter in "0123456789abcdef" for letter in revision):
        return revision
    remote = _remote(pygit2.init_repository("refs.git", bare=True), source)
    try:
        heads = {str(head.name): str(head.oid) for head in remote.list_heads()}
    except pygit2.GitError as error:
        raise _remote_failure(error) from None
    for name in (revision or _HEAD, f"refs/heads/{revision}", f"refs/tags/{revision}^{{}}", f"refs/tags/{revision}"):
        if name in heads:
            return heads[name]
    raise RefusalError(GONE, f"no such revision: {revision or _HEAD}")


def _remote(repository: pygit2.Repository, source: str) -> pygit2.Remote:
    if not source.startswith("https://"):  # ssh may run a program, the rest is readable on the way
        raise RefusalError(REFUSED, f"only https:// is fetched, not {source.split('://')[0]}://")
    return repository.remotes.create_anonymous(source)


def _remote_failure(error: pygit2.GitError) -> RefusalError:
    said = str(error)
    if "too large" in said.lower():  # the system's limit of a file's size
        return RefusalError(TOO_LARGE, said)
    is_gone = any(word in said.lower() for word in _GONE_WORDS)
    return RefusalError(GONE if is_gone else NETWORK, said)


def opened_at(source: str, commit: str) -> pygit2.Repository:
    """A repository that holds this commit: the local one, or a shallow copy in the current folder. Raises RefusalError."""
    if not is_remote(source):
        return _local(source)
    repository = pygit2.init_repository("copy.git", bare=True)
    remote = _remote(repository, source)
    try:
        remote.fetch([commit], depth=1)
    except pygit2.GitError as error:
        if _BY_NAME_ONLY not in str(error):
            raise _remote_failure(error) from None
        fetch_by_name(remote, commit)
    if commit not in repository:
        raise RefusalError(GONE, f"commit {commit[:12]} is no longer there")
    return repository


def fetch_by_name(remote: pygit2.Remote, commit: str, depth: int = 1) -> None:
    """Fetch a commit from a server that gives only what has a name: the branch or tag that names it, else all there is."""
    try:
        names = [str(head.name) for head in remote.list_heads() if str(head.oid) == commit]
        named = sorted({name.removesuffix("^{}") for name in names if name.startswith("refs/")})
        if named:
            remote.fetch([f"+{named[0]}:{named[0]}"], depth=depth)
        else:  # the branch went on since we asked what it names
            remote.fetch(["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"])
    except pygit2.GitError as error:
        raise _remote_failure(error) from None


def write_tree(
    repository: pygit2.Repository, commit: str, into: Path, wanted: Callable[[str], bool], limits: Limits
) -> None:
    """Write the files of a commit that a review reads, and nothing else: no links, no submodules, no `.git`. Raises RefusalError."""
    into.mkdir()
    (into / ".git").mkdir()  # the project ends here, whatever lies around
    try:
        tree = repository[commit].peel(pygit2.Tree)
        _Writer(into, wanted, limits).folder(tree, "")
    except (KeyError, ValueError, TypeError, pygit2.GitError) as error:
        raise RefusalError(CORRUPT, f"commit {commit[:12]} cannot be read in full: {error}") from None


class _Writer:
    """How much was written so far."""

    def __init__(self, into: Path, wanted: Callable[[str], bool], limits: Limits) -> None:
        self._into, self._wanted, self._limits = into, wanted, limits
        self._files = self._bytes = self._entries = 0

    def folder(self, top: pygit2.Tree, prefix: str) -> None:
        """Write a folder and what is below. A tree of git may name one folder many times, so entries are counted, too."""
        waiting = [(top, prefix)]
        while waiting:
            tree, path = waiting.pop()
            for entry in tree:
                self._entries += 1
                if self._entries > 20 * self._limits.files:
                    raise RefusalError(TOO_LARGE, f"more than {20 * self._limits.files:,} entries")
                name = entry.name or ""
                if not _is_harmless(name):
                    continue
                inner = f"{path}{name}"
                if entry.type == ObjectType.TREE and isinstance(entry, pygit2.Tree):
                    waiting.append((entry, f"{inner}/"))
                elif isinstance(entry, pygit2.Blob) and entry.filemode != _LINK and self._wanted(inner):
                    self._write(entry, inner)

    def _write(self, blob: pygit2.Blob, path: str) -> None:
        size = min(blob.size, MAX_BYTES + 1)  # a larger file is not read; its beginning is enough to say so
        self._files += 1
        self._bytes += size
        if self._files > self._limits.files:
            raise RefusalError(TOO_LARGE, f"more than {self._limits.files:,} files to read")
        if self._bytes > self._limits.tree:
            raise RefusalError(TOO_LARGE, f"more than {self._limits.tree // 1_000_000:,} MB to read")
        target = self._into / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(blob.data[:size])
        except (OSError, ValueError) as error:
            raise RefusalError(REFUSED, f"{path[:200]!r} cannot be written: {error}") from None


def _is_harmless(name: str) -> bool:
    return name not in ("", ".", "..") and name.lower() != ".git" and not set(name) & {"/", "\\", "\0"}
