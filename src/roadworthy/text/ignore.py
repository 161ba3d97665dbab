"""Ignore patterns as git reads them: nested files, negations, the deepest file decides."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

from roadworthy.text.git import git_dir

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_BYTES = 1_000_000
_MAX_STARS = 3  # in one segment: matching is exponential in them, and patterns come from the reviewed tree


def is_pattern(line: str) -> bool:
    """Tell whether git would take this line as a pattern, and whether matching it takes bounded time."""
    if any(segment.count("*") > _MAX_STARS for segment in line.split("/")) or line.count("**") > _MAX_STARS:
        return False
    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True


def compile_patterns(lines: Iterable[str]) -> GitIgnoreSpec:
    """Make a matcher; a line that is no pattern is left out, as git does."""
    return GitIgnoreSpec.from_lines([line for line in lines if is_pattern(line)])


@dataclass(frozen=True, slots=True)
class PathPatterns:
    """Patterns of a configuration file; they hold below `base`, the folder of that file ("" for the root)."""

    lines: tuple[str, ...] = ()
    base: str = ""
    spec: GitIgnoreSpec = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Compile once."""
        object.__setattr__(self, "spec", compile_patterns(self.lines))

    def match(self, path: str, *, is_directory: bool = False) -> bool:
        """Tell whether the path, relative to the root, is meant."""
        prefix = f"{self.base}/" if self.base else ""
        if not self.lines or not path.startswith(prefix):
            return False
        return self.spec.match_file(path[len(prefix) :] + ("/" if is_directory else ""))


def _read(path: Path) -> list[str]:
    """Lines of a pattern file; none when it cannot be read."""
    try:
        if not path.is_file():
            return []
        with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
            return stream.read(_MAX_BYTES).splitlines()
    except (OSError, ValueError):
        return []


@dataclass(frozen=True, slots=True)
class Ignore:
    """The patterns that hold in one directory: those of its own file and of all above, nearest last."""

    specs: tuple[tuple[str, GitIgnoreSpec], ...] = ()
    everything: bool = False  # inside an ignored folder nothing can be taken back in

    @staticmethod
    def at_root(root: Path) -> Ignore:
        """Patterns of `.git/info/exclude`. The user's own excludes file is not read: reports must not depend on who runs them."""
        directory = git_dir(root)
        lines = _read(directory / "info" / "exclude") if directory else []
        return Ignore((("", compile_patterns(lines)),)) if lines else Ignore()

    def below(self, directory: str, relative: str) -> Ignore:
        """Return the patterns that hold inside `directory`, whose path from the root is `relative` ("" for the root)."""
        lines = [] if self.everything else _read(Path(directory, ".gitignore"))
        if not lines:
            return self
        prefix = f"{relative}/" if relative else ""
        return Ignore((*self.specs, (prefix, compile_patterns(lines))))

    def ignores(self, relative: str, *, is_directory: bool) -> bool:
        """Tell whether git would not look at this path (its parents are taken to be looked at)."""
        if self.everything:
            return True
        path = relative + "/" if is_directory else relative
        for prefix, spec in reversed(self.specs):
            verdict = spec.check_file(path[len(prefix) :]).include
            if verdict is not None:
                return verdict
        return False
