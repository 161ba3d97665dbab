"""What the reviewed code base already does right, where, and which example fits a place best."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.advice.code import GAP, call_text, callee_text
from roadworthy.advice.mining import MINERS
from roadworthy.project.once import once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from roadworthy.advice.mining import Seen
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function


@dataclass(frozen=True, slots=True)
class Use:
    """One place where a pattern is used."""

    path: str
    line: int
    site: CallSite | None
    text: str  # the code there, where it is not the call
    in_async: bool
    tool: bool  # a script for developers or operators: a poor example
    on: tuple[str, ...] = ()  # exceptions it is for there

    @property
    def shape(self) -> str:
        """The code there."""
        if self.text or self.site is None:
            return self.text
        return f"{'await ' if self.site.fact.awaited else ''}{call_text(self.site)}"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One good way of doing a thing, with the places to copy it from."""

    kind: str
    name: str  # as it is written in this code base
    family: str  # what it fits; "" anything
    definition: Function | None  # the project's own helper
    uses: tuple[Use, ...]  # by place
    example: bool = False  # named after the function in which it stands

    @property
    def path(self) -> str:
        """Where it is defined, or first used."""
        return self.definition.path if self.definition is not None else self.uses[0].path

    @property
    def line(self) -> int:
        """The line of its definition, or of its first use."""
        return self.definition.line if self.definition is not None else self.uses[0].line

    @property
    def tool(self) -> bool:
        """Is it used by scripts only?"""
        return all(use.tool for use in self.uses)

    def near(self, function: Function | None, wanted: Callable[[Use], bool] | None = None) -> Use:
        """The use nearest to a function, outside of itself where there is one, and one that is wanted before others."""
        if function is None:
            return self.uses[0]
        here = function.path.split("/")
        return min(
            self.uses,
            key=lambda use: (
                wanted is not None and not wanted(use), use.tool, decorates(use, function), -_shared(here, use.path.split("/")), use.path, use.line,
            ),
        )  # fmt: skip

    def suits(self, function: Function | None) -> bool:
        """Can code in `function` use it: written for sync or async code as that is, and, a method, at hand there?"""
        helper = self.definition
        if function is None or helper is None:
            return True
        foreign = helper.is_method and not (function.cls is not None and helper.cls in function.cls.mro)
        if foreign and all(use.path == helper.path for use in self.uses):
            return False
        return any(use.in_async == function.is_async for use in self.uses)


def decorates(use: Use, function: Function) -> bool:
    """Is a use a decorator of this very function?"""
    return use.path == function.path and use.line in (function.line, *function.scope.decorator_lines)


def elsewhere(use: Use, function: Function) -> bool:
    """Does a use stand outside of the very function that is to follow it?"""
    return use.path != function.path or not function.scope.line <= use.line <= function.scope.end_line


class Patterns:
    """All patterns of a code base, by kind, most used first."""

    def __init__(self, seen: Iterable[Seen], is_tool: Callable[[str], bool], home: Callable[[str], str]) -> None:
        """Uses of the same thing are one pattern. `home`: the project of the repository to which a file belongs."""
        self._home = home
        groups: dict[tuple[str, str, str, str], list[Seen]] = defaultdict(list)
        for one in seen:
            definition = one.definition.id if one.definition is not None else ""
            groups[(one.kind, one.name, one.family, definition)].append(one)
        self.by_kind: dict[str, list[Pattern]] = defaultdict(list)
        for (kind, name, family, _), found in groups.items():
            places = {(s.path, s.line): s for s in found}
            uses = tuple(
                Use(p, n, s.site, s.shape, s.in_async, is_tool(p), s.on)
                for (p, n), s in sorted(places.items(), key=lambda item: item[0])
            )
            self.by_kind[kind].append(Pattern(kind, name, family, found[0].definition, uses, found[0].example))
        for patterns in self.by_kind.values():
            patterns.sort(key=lambda p: (p.tool, -len(p.uses), p.path, p.line))

    def nearest(
        self, kind: str, function: Function | None, family: str = "", accept: Callable[[Pattern], bool] | None = None
    ) -> Pattern | None:
        """The best example for code in `function`: no script's, its own kind, nearest, most used."""
        fitting = [
            pattern
            for pattern in self.by_kind.get(kind, ())
            if (not family or not pattern.family or pattern.family == family)
            and pattern.suits(function)
            and (function is None or not all(decorates(use, function) for use in pattern.uses))
            and (accept is None or accept(pattern))
            and (function is None or self._is_at_hand(pattern, function.path))
        ]
        if function is None:
            return fitting[0] if fitting else None
        path = function.path
        return min(
            fitting,
            key=lambda p: (p.tool, p.definition is None, _distance(p, path), -len(p.uses), p.path, p.line),
            default=None,
        )

    def _is_at_hand(self, pattern: Pattern, path: str) -> bool:
        """Of several projects in one repository each has its own libraries and helpers; those of the root are everybody's."""
        here = self._home(path)
        homes = {self._home(place) for place in (pattern.path, *(use.path for use in pattern.uses))}
        return not here or bool(homes & {here, ""})


def _distance(pattern: Pattern, path: str) -> int:
    """Folders that two places do not share; uses near by count as much as the definition."""
    here = path.split("/")
    places = [pattern.path, *(use.path for use in pattern.uses[:40])]
    return min(len(here) - _shared(here, place.split("/")) for place in places)


def _shared(a: list[str], b: list[str]) -> int:
    count = 0
    for left, right in zip(a, b, strict=False):
        if left != right:
            break
        count += 1
    return count


_TOOLS = frozenset(
    {"dev", "tools", "scripts", "hack", "ci", "bin", "contrib", "examples"}
)  # folders of developers' tools


@once
def mine(model: Model) -> Patterns:
    """Everything the code base does right, found once for a model."""
    seen = [one for miner in MINERS for one in miner(model)]
    return Patterns(seen, lambda path: model.is_script(path) or path.partition("/")[0] in _TOOLS, model.versions.home)


def best(
    model: Model,
    kind: str,
    function: Function | None,
    family: str = "",
    accept: Callable[[Pattern], bool] | None = None,
) -> Pattern | None:
    """The nearest good example of a kind of pattern that fits; None when the code base has none."""
    return mine(model).nearest(kind, function, family, accept)


def cite(pattern: Pattern | None, function: Function | None) -> str:
    """A sentence that names a pattern, its place and how often it is used; empty for None."""
    if pattern is None:
        return ""
    count = len(pattern.uses)
    if pattern.definition is not None:
        often = f", used at {count} places" if count > 1 else ""
        return f"`{pattern.name}` (`{pattern.path}:{pattern.line}`{often}) is how this code base does it."
    use = pattern.near(function)
    place = f"`{use.path}:{use.line}`"
    if pattern.example:
        return f"`{pattern.name}` ({place}) does it so."
    often = f", one of {count} places" if count > 1 else ""
    plain = use.shape and len(use.shape) <= 90 and "`" not in use.shape and f"{GAP}." not in use.shape
    shown = use.shape if plain else pattern.name
    return f"As in this code base: `{shown}` ({place}{often})."


def shows(pattern: Pattern, code: str) -> bool:
    """Does a pattern use the method that a snippet uses, or its sister (`update_or_create` for `get_or_create`)?"""
    site = pattern.uses[0].site
    method = callee_text(site).rpartition(".")[2] if site is not None else ""
    return bool(method) and f"{'_'.join(method.split('_')[-2:])}(" in code


def nearest(model: Model, kind: str, function: Function | None, family: str = "") -> str:
    """A sentence that names the nearest good example of a kind of pattern; empty when the code base has none."""
    return cite(best(model, kind, function, family), function)
