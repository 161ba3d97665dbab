"""Which versions of its dependencies the code base runs with, as far as its files tell."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, Specifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from roadworthy.facts.schema import AuxFacts

LOCKED, PINNED, RANGE = range(3)
NEWEST = Version("99999")
_NINES = 99999

_SIDE_FOLDERS = frozenset(
    {"test", "tests", "testing", "doc", "docs", "example", "examples", "bench", "benchmarks", "samples", "demo"}
)
_SIDE_NAMES = re.compile(r"(?:^|[-_.])(?:dev|development|test|tests|testing|doc|docs|lint|ci|min|minimum)(?=$|[-_.])")
_PYTHON_KEYS = ("project.requires-python", "tool.poetry.dependencies.python", "options.python_requires")
_PYTHON_IMAGE = re.compile(r"(?:.*/)?python:(\d+\.\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Known:
    """What one file says of one distribution."""

    path: str
    line: int
    specifier: str
    locked: bool

    @property
    def place(self) -> str:
        """`file:line`."""
        return f"{self.path}:{self.line}"

    @cached_property
    def parts(self) -> tuple[Specifier, ...]:
        """The clauses of the specifier; an invalid one has none."""
        try:
            return tuple(sorted(SpecifierSet(self.specifier), key=str))
        except InvalidSpecifier:
            return ()

    @cached_property
    def exact(self) -> Version | None:
        """The version when there is just one."""
        for part in self.parts:
            if part.operator == "==" and not part.version.endswith(".*"):
                return _version(part.version)
        return None

    @property
    def rank(self) -> int:
        """LOCKED before PINNED before RANGE."""
        return RANGE if self.exact is None else LOCKED if self.locked else PINNED

    @property
    def lowest(self) -> Version | None:
        """The lowest version allowed, where a lower bound is given."""
        lower = [
            version
            for part in self.parts
            if part.operator in (">=", ">", "~=", "==")
            and (version := _version(part.version.removesuffix(".*"))) is not None
        ]
        return max(lower, default=None)

    @property
    def newest(self) -> Version:
        """A version such as an installer would choose when it takes the newest that is allowed."""
        if self.exact is not None:
            return self.exact
        return min((_upper(part) for part in self.parts), default=NEWEST)


@dataclass(frozen=True)
class Versions:
    """All that is known, by distribution."""

    known: dict[str, tuple[Known, ...]] = field(default_factory=dict)

    def version_of(self, distribution: str, near: str = "") -> str | None:
        """The version in use: locked beats pinned beats the lower bound. `near`: the file that asks, for repositories
        with several projects; what lies in a folder around it comes first."""
        best = self._best(distribution, near)
        if best is None:
            return None
        version = best.exact or best.lowest
        return None if version is None else str(version)

    def place_of(self, distribution: str, near: str = "") -> str | None:
        """Where `version_of` has its answer from, as `file:line`."""
        best = self._best(distribution, near)
        return None if best is None else best.place

    def satisfies(self, distribution: str, specifier: str, near: str = "") -> bool:
        """Whether the version in use lies in `specifier`. Where only a range is known, the newest in it is assumed."""
        try:
            wanted = SpecifierSet(specifier)
        except InvalidSpecifier:
            return True
        best = self._best(distribution, near)
        return wanted.contains(NEWEST if best is None else best.newest, prereleases=True)

    @cached_property
    def homes(self) -> frozenset[str]:
        """The folders whose code has its own list of dependencies."""
        folders = {known.path.rpartition("/")[0] for places in self.known.values() for known in places}
        return frozenset(folder.removesuffix("requirements").rstrip("/") for folder in folders)

    def home(self, path: str) -> str:
        """The folder of the project of a repository to which a file belongs: the innermost with its own list; "" for the root's."""
        around = [home for home in self.homes if home and path.startswith(home + "/")]
        return max(around, key=len, default="")

    def _best(self, distribution: str, near: str) -> Known | None:
        candidates = self.known.get(canonicalize_name(distribution), ())
        return min(candidates, key=lambda known: _order(known, near), default=None)


def _order(known: Known, near: str) -> tuple[bool, bool, int, bool, int, str, int]:
    folder, _, name = known.path.rpartition("/")
    around = not folder or near.startswith(folder + "/")
    depth = folder.count("/") + bool(folder)
    side_folder = any(part.lower() in _SIDE_FOLDERS for part in folder.split("/"))
    side_name = _SIDE_NAMES.search(name.lower().rpartition(".")[0]) is not None
    return (
        bool(near) and not around,
        side_folder,
        known.rank,
        side_name,
        -depth if near else depth,
        known.path,
        known.line,
    )


def build_versions(around: Iterable[AuxFacts]) -> Versions:
    """Collect the versions of all files; their order does not matter."""
    found: dict[str, dict[tuple[str, bool], Known]] = {}
    for facts in sorted(around, key=lambda facts: facts.path):
        for name, known in _of_file(facts):
            places = found.setdefault(name, {})
            key = (known.path, known.rank == RANGE)
            places[key] = _higher(places.get(key), known)
    return Versions({name: tuple(places.values()) for name, places in sorted(found.items())})


def _of_file(facts: AuxFacts) -> Iterator[tuple[str, Known]]:
    for requirement in facts.requirements:
        known = Known(facts.path, requirement.line, requirement.version, requirement.locked)
        yield canonicalize_name(requirement.name), known
    for setting in facts.settings:
        image = _PYTHON_IMAGE.fullmatch(setting.value.split("-")[0]) if setting.key.endswith(".from") else None
        if image:
            yield "python", Known(facts.path, setting.line, f"=={image[1]}", locked=False)
        elif setting.key in _PYTHON_KEYS:
            bound = re.search(r"(?:>=?|\^|~=?|==)\s*(\d+(?:\.\d+)*)", setting.value)
            if bound:
                yield "python", Known(facts.path, setting.line, f">={bound[1]}", locked=False)


def _higher(one: Known | None, other: Known) -> Known:
    """Of two entries of a file (for different platforms or groups) the one with the higher version."""
    if one is None:
        return other
    first, second = (known.exact or known.lowest for known in (one, other))
    if first is None or second is None:
        return other if first is None and second is not None else one
    return other if second > first else one


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _upper(part: Specifier) -> Version:
    """The highest version that one clause allows; NEWEST where it sets no upper bound."""
    text = part.version.removesuffix(".*")
    version = _version(text)
    if version is None:
        return NEWEST
    if part.operator == "<":
        return _below(version)
    if part.operator == "<=":
        return version
    if part.operator == "~=":
        return _within(version.release[:-1])
    if part.operator == "==":
        return _within(version.release) if part.version.endswith(".*") else version
    return NEWEST


def _below(version: Version) -> Version:
    """Just below a release: 2.99999 for 3, 2.4.99999 for 2.5."""
    numbers = list(version.release)
    while numbers and numbers[-1] == 0:
        numbers.pop()
    if not numbers:
        return Version("0")
    return _within((*numbers[:-1], numbers[-1] - 1), version.epoch)


def _within(numbers: tuple[int, ...], epoch: int = 0) -> Version:
    """The highest release that begins with these numbers."""
    return Version(f"{epoch}!" + ".".join(map(str, (*numbers, _NINES))))
