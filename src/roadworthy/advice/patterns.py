"""What the reviewed code base already does right, and where."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from roadworthy.advice.mining import MINERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from roadworthy.advice.mining import Seen
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function


@dataclass(frozen=True, slots=True)
class Pattern:
    """One good way of doing a thing, with the place to copy it from."""

    kind: str
    name: str  # as it is written in this code base
    path: str  # of its definition, or of its first use
    line: int
    uses: int
    is_async: bool
    places: tuple[tuple[str, int], ...] = ()  # where it is used, in order
    defined: bool = True  # False: a library call as it stands; any of its places is as good

    def example_for(self, path: str) -> tuple[str, int]:
        """The place to show to somebody who works in the file `path`."""
        if self.defined or not self.places:
            return self.path, self.line
        here = path.split("/")
        return min(self.places, key=lambda place: (-_shared(here, place[0].split("/")), place))


class Patterns:
    """All patterns of a code base, by kind, most used first."""

    def __init__(self, seen: Iterable[Seen]) -> None:
        """Uses of the same thing are one pattern."""
        groups: dict[tuple[str, str, str, int], list[Seen]] = defaultdict(list)
        for one in seen:
            defined = (one.path, one.line) != (one.used_path, one.used_line)
            groups[(one.kind, one.name, one.path if defined else "", one.line if defined else 0)].append(one)
        self.by_kind: dict[str, list[Pattern]] = defaultdict(list)
        for (kind, name, path, line), uses in groups.items():
            places = tuple(sorted({(use.used_path, use.used_line) for use in uses}))
            where = (path, line) if path else places[0]
            self.by_kind[kind].append(Pattern(kind, name, *where, len(places), uses[0].is_async, places, bool(path)))
        for found in self.by_kind.values():
            found.sort(key=lambda p: (-p.uses, p.path, p.line))

    def nearest(self, kind: str, function: Function | None) -> Pattern | None:
        """The best example for code in `function`: same style, same module, same package, most used."""
        found = self.by_kind.get(kind)
        if not found:
            return None
        if function is None:
            return found[0]
        return min(
            found, key=lambda p: (p.is_async and not function.is_async, _distance(p, function.path), -p.uses, p.path)
        )


def _distance(pattern: Pattern, path: str) -> int:
    """Folders that two places do not share; uses near by count as much as the definition."""
    here = path.split("/")
    places = [pattern.path, *(p for p, _ in pattern.places[:40])]
    return min(len(here) - _shared(here, place.split("/")) for place in places)


def _shared(a: list[str], b: list[str]) -> int:
    count = 0
    for left, right in zip(a, b, strict=False):
        if left != right:
            break
        count += 1
    return count


_MINED: WeakKeyDictionary[Model, Patterns] = WeakKeyDictionary()


def mine(model: Model) -> Patterns:
    """Everything the code base does right, found once for a model."""
    known = _MINED.get(model)
    if known is None:
        known = _MINED[model] = Patterns([one for miner in MINERS for one in miner(model)])
    return known


def nearest(model: Model, kind: str, function: Function | None) -> str:
    """A sentence that names the nearest good example of a kind of pattern; empty when the code base has none."""
    pattern = mine(model).nearest(kind, function)
    if pattern is None:
        return ""
    often = f", used at {pattern.uses} places" if pattern.uses > 1 else ""
    path, line = pattern.example_for(function.path if function is not None else "")
    return f"`{pattern.name}` (`{path}:{line}`{often}) is how this code base does it."
