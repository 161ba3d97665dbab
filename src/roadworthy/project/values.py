"""What an expression may be worth: a small closed set of abstract values. The empty tuple means "unknown"."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roadworthy.knowledge.index import Knowledge
    from roadworthy.project.symbols import CallSite, ClassInfo, Function, Module


@dataclass(frozen=True, slots=True)
class Library:
    """A module, function, class or constant of a library, by dotted name; `receiver` is set for a bound method."""

    name: str
    receiver: Value | None = None


@dataclass(frozen=True, slots=True)
class LibraryObject:
    """An instance of a library type; `site` is the call that made it, `model` the project class it is about (ORM query sets)."""

    type: str
    site: CallSite | None = None
    model: ClassInfo | None = None


@dataclass(frozen=True, slots=True)
class ProjectModule:
    """A module of the project."""

    module: Module


@dataclass(frozen=True, slots=True)
class ClassValue:
    """A class of the project itself."""

    cls: ClassInfo


@dataclass(frozen=True, slots=True)
class FunctionValue:
    """A function of the project, bound to `receiver` when it is a method of it."""

    function: Function
    receiver: Value | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance of a project class; `site` is the call that made it, `model` the project class that it is about (managers)."""

    cls: ClassInfo
    site: CallSite | None = None
    model: ClassInfo | None = None
    exact: bool = False  # what `super()` looks up: nothing that a class below defines


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, number, boolean or None."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Container:
    """A list, tuple, set, dict or iterator; `items` are the possible values of its elements (dict: of its values)."""

    kind: str
    items: tuple[Value, ...] = ()
    positions: tuple[tuple[Value, ...], ...] = ()  # tuple displays: the values of each element
    keys: tuple[tuple[str, tuple[Value, ...]], ...] = ()  # dict displays: literal key -> values
    _hash: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        """Hashed once: what lies in a table of tables is reached by two ways at each level, by 2^n at the nth."""
        object.__setattr__(self, "_hash", hash((self.kind, self.items, self.positions, self.keys)))

    def __hash__(self) -> int:
        """As computed when it was made."""
        return self._hash


@dataclass(frozen=True, slots=True)
class Partial:
    """`functools.partial(target, …)`; `site` is the call of partial."""

    target: Value
    site: CallSite


Value = Library | LibraryObject | ProjectModule | ClassValue | FunctionValue | Instance | Literal | Container | Partial
Values = tuple[Value, ...]

UNKNOWN: Values = ()
LIMIT = 8  # no expression is followed to more values than this
SUBCLASSES = "builtins.type.__subclasses__"


def join(*groups: Values) -> Values:
    """The union in order of appearance, bounded."""
    filled = [group for group in groups if group]
    if not filled:
        return UNKNOWN
    if len(filled) == 1 and len(filled[0]) == 1:
        return filled[0]  # by far the most: nothing to be compared
    merged: dict[Value, None] = {}
    for group in filled:
        for value in group:
            merged[value] = None
            if len(merged) >= LIMIT:
                return tuple(merged)
    return tuple(merged)


def are_unknown(named: tuple[Library, ...], knowledge: Knowledge) -> bool:
    """Nothing but dotted paths of which no library file speaks?"""
    return bool(named) and not any(knowledge.knows(library.name) for library in named)
