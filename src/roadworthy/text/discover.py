"""Which files belong to a project: a bounded, sorted walk that follows no links and knows git's ignore files."""

from __future__ import annotations

import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from roadworthy.text.git import submodules, tracked
from roadworthy.text.ignore import Ignore, PathPatterns
from roadworthy.text.roles import Folder, enter, file_role, skip_reason
from roadworthy.text.source import Kind, Role, SourceFile, printable, reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MAX_FILES = 100_000
MAX_ENTRIES = 2_000_000
MAX_DEPTH = 100

CONFIG_MARKERS = ("pyproject.toml", "roadworthy.toml")


@dataclass(frozen=True, slots=True)
class Tree:
    """The files of a project, sorted by path; what was left out, counted; what could not be looked at."""

    root: str
    files: tuple[SourceFile, ...]
    skipped: dict[str, int] = field(default_factory=dict)  # "test files", "vendored folders" … -> how many
    problems: tuple[tuple[str, str], ...] = ()  # path, message
    notes: tuple[str, ...] = ()


def find_root(paths: Sequence[Path]) -> Path:
    """Find the project that holds all of `paths` (existing, absolute, resolved): the nearest enclosing git repository, else the
    nearest folder with a configuration file, else the common folder itself.

    A repository that ignores the paths does not hold them, and a home folder kept in git is not a project.
    """
    common = Path(os.path.commonpath(paths))
    if not common.is_dir():
        common = common.parent
    for marks in ((".git",), CONFIG_MARKERS):
        for folder in (common, *common.parents):
            if any(_exists(folder / mark) for mark in marks) and (folder == common or _may_enclose(folder, common)):
                return folder
    return common


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # in a folder that we may not look into
        return False


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:  # a user without one
        return None


def _may_enclose(folder: Path, inner: Path) -> bool:
    if folder in (_home(), Path(folder.anchor)):
        return False
    ignore, walked = Ignore.at_root(folder).below(str(folder), ""), folder
    for part in inner.relative_to(folder).parts:
        walked = walked / part
        relative = walked.relative_to(folder).as_posix()
        if ignore.ignores(relative, is_directory=True):
            return False
        ignore = ignore.below(str(walked), relative)
    return True


def discover(
    root: Path,
    *,
    wants: Callable[[str], bool],
    named: Iterable[Path] = (),
    exclude: Sequence[PathPatterns] = (),
    assign: Callable[[str], Role | None] = lambda _: None,
    max_files: int = MAX_FILES,
) -> Tree:
    """All files of the project at `root`. `wants` says which files other than Python are read.

    `named` paths were asked for by name. A folder is then reviewed even where a walk would pass it by, and counts as
    production whatever it is called. A file is, unless it is a test or generated: hooks name every changed file.
    `assign` overrides the role of a file.
    """
    walk = _Walk(root, wants, exclude, assign, max_files)
    walk.folder(str(root), "", Folder(is_package=False), Ignore.at_root(root), 0)
    for path in sorted(named):
        relative = path.relative_to(root).as_posix()
        if relative != "." and not walk.has_reviewed(relative):
            walk.again(path, relative)
            if not walk.has_reviewed(relative):
                walk.notes.append(f"{printable(relative)} holds nothing that is reviewed")
    return walk.tree()


class _Walk:
    """State of one walk: what was found so far and how much more may be looked at."""

    def __init__(
        self,
        root: Path,
        wants: Callable[[str], bool],
        exclude: Sequence[PathPatterns],
        assign: Callable[[str], Role | None],
        max_files: int,
    ) -> None:
        self.root = str(root)
        self.wants = wants
        self.exclude = exclude
        self.assign = assign
        self.tracked = tracked(root)
        self.tracked_folders = _parents(self.tracked or ())
        self.submodules = submodules(root)
        self.files: dict[str, SourceFile] = {}
        self.skipped: Counter[str] = Counter()
        self.problems: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self.naming = False
        self.max_files = self.room = max_files
        self.entries = MAX_ENTRIES

    def tree(self) -> Tree:
        """Return what was found, in an order that depends on nothing but the names."""
        files = tuple(self.files[path] for path in sorted(self.files))
        return Tree(
            self.root,
            files,
            dict(sorted(self.skipped.items())),
            tuple(sorted(set(self.problems))),
            tuple(sorted(self.notes)),
        )

    def has_reviewed(self, relative: str) -> bool:
        """Tell whether something at or below `relative` is reviewed already."""
        own = self.files.get(relative)
        if own is not None:
            return own.role.reviewed
        if not Path(self.root, relative).is_dir():
            return False
        return any(path.startswith(relative + "/") and file.role.reviewed for path, file in self.files.items())

    def again(self, path: Path, relative: str) -> None:
        """Look at a path that the walk passed by, as if it lay in production code."""
        known = self.files.get(relative)
        if path.is_dir():
            self.naming = True
            self.folder(str(path), relative, Folder(is_package=(path / "__init__.py").exists()), Ignore(), 0)
            self.naming = False
        elif known is not None and known.role in (Role.TEST, Role.GENERATED):
            return
        elif (path.name.endswith((".py", ".pyw")) or self.wants(relative)) and self.is_kept(
            relative, Ignore(), is_directory=False
        ):
            self.add(str(path), relative, path.name, Folder(is_package=True))

    def folder(self, full: str, relative: str, folder: Folder, ignore: Ignore, depth: int) -> None:
        """Look at one directory and all below it."""
        listing = self.listing(full, relative)
        if listing is None:
            return
        names = frozenset(entry.name for entry in listing)
        if ".gitignore" in names:
            ignore = ignore.below(full, relative)
        for entry in listing:
            path = f"{relative}/{entry.name}" if relative else entry.name
            if entry.is_symlink():
                self.link(entry, path)
            elif entry.is_dir(follow_symlinks=False):
                self.subfolder(entry, path, folder, ignore, depth)
            elif self.is_wanted(entry, path) and self.is_kept(path, ignore, is_directory=False):
                self.add(entry.path, path, entry.name, folder)

    def listing(self, full: str, relative: str) -> list[os.DirEntry[str]] | None:
        """Return the sorted entries of a directory, or None when it cannot be read or too much was looked at already."""
        if self.entries <= 0:
            return None
        try:
            with os.scandir(full) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self.problems.append((printable(relative) or ".", f"folder cannot be read: {reason(error)}"))
            return None
        self.entries -= len(found)
        if self.entries <= 0:
            self.problems.append(
                (printable(relative) or ".", f"more than {MAX_ENTRIES:,} files and folders: the rest was not looked at")
            )
        return found

    def subfolder(self, entry: os.DirEntry[str], path: str, parent: Folder, ignore: Ignore, depth: int) -> None:
        """Decide whether to go into a directory, and as what."""
        if entry.name == ".git" or not self.is_kept(path, ignore, is_directory=True):
            return
        if ignore.ignores(path, is_directory=True):
            ignore = Ignore(everything=True)  # only tracked files inside count
        names = _names(entry.path)
        if ".git" in names and path not in self.submodules:
            self.notes.append(f"{printable(path)}/ is a repository of its own and was not reviewed")
            return
        why = skip_reason(entry.name, names, parent)
        if why is not None:
            self.skipped[why] += 1
        elif depth >= MAX_DEPTH:
            self.problems.append((printable(path), f"nested more than {MAX_DEPTH} folders deep: not looked at"))
        else:
            self.folder(entry.path, path, enter(entry.name, names, parent), ignore, depth + 1)

    def is_kept(self, path: str, ignore: Ignore, *, is_directory: bool) -> bool:
        """Return False when configuration excludes the path or git ignores it."""
        if any(patterns.match(path, is_directory=is_directory) for patterns in self.exclude):
            self.skipped["excluded paths"] += 1
            return False
        if ignore.ignores(path, is_directory=is_directory):
            if path in (self.tracked_folders if is_directory else self.tracked or ()):
                return True
            self.skipped["paths ignored by git"] += 1
            return False
        return True

    def is_wanted(self, entry: os.DirEntry[str], path: str) -> bool:
        """Tell whether this is what an extractor reads."""
        return entry.name.endswith((".py", ".pyw")) or self.wants(path) or _is_script(entry)

    def link(self, entry: os.DirEntry[str], path: str) -> None:
        """Links are not followed: what they lead to inside the project is reviewed where it lies."""
        target = os.path.realpath(entry.path)
        inside = target == self.root or target.startswith(self.root + os.sep)
        if not inside and (entry.name.endswith(".py") or _is_folder(target)):
            self.notes.append(f"{printable(path)} is a link out of the project and was not followed")

    def add(self, full: str, relative: str, name: str, folder: Folder) -> None:
        """Take a file in, unless there are too many already."""
        if relative not in self.files:
            self.room -= 1
            if self.room == -1:
                self.problems.append(
                    (
                        printable(relative),
                        f"more than {self.max_files:,} files: this one and all after it were not reviewed",
                    )
                )
            if self.room < 0:
                return
        around = self.wants(relative) and not name.endswith((".py", ".pyw"))
        kind = Kind.AROUND if around else Kind.PYTHON
        assigned = self.assign(relative)
        role = assigned or (Role.PRODUCTION if self.naming else file_role(name, folder))
        if around and role is Role.SCRIPT:  # `scripts/start.sh` is what the container starts
            role = Role.PRODUCTION
        self.files[relative] = SourceFile(
            printable(relative), full, kind, role, named=self.naming or assigned is not None
        )


def _is_folder(full: str) -> bool:
    try:
        return Path(full).is_dir()
    except OSError:
        return False


def _names(full: str) -> frozenset[str]:
    """Names in a directory; none when it cannot be read (the walk into it will say so)."""
    try:
        with os.scandir(full) as entries:
            return frozenset(entry.name for entry in entries)
    except OSError:
        return frozenset()


def _parents(paths: Iterable[str]) -> frozenset[str]:
    """Every folder above the given paths."""
    found: set[str] = set()
    for path in paths:
        while (cut := path.rfind("/")) > 0:
            path = path[:cut]
            if path in found:
                break
            found.add(path)
    return frozenset(found)


def _is_script(entry: os.DirEntry[str]) -> bool:
    """Recognise an executable file without a suffix whose first line names Python."""
    if "." in entry.name:
        return False
    try:
        mode = entry.stat(follow_symlinks=False).st_mode
        if not (stat.S_ISREG(mode) and mode & 0o111):
            return False
        with Path(entry.path).open("rb") as stream:
            first = stream.read(100).split(b"\n")[0]
    except OSError:
        return False
    return first.startswith(b"#!") and b"python" in first
