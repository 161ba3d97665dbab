"""What a handler catches, what it does, and whether one exception is a kind of another."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.project import flow
from roadworthy.project.handler import Handler
from roadworthy.project.handling import HandlerReader
from roadworthy.project.values import ClassValue, Container, Instance, Library, LibraryObject

if TYPE_CHECKING:
    from roadworthy.facts import schema as f
    from roadworthy.knowledge.index import Knowledge
    from roadworthy.project.effects import Effects
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.reach import Reach
    from roadworthy.project.symbols import ClassInfo, Function, Symbols

__all__ = ["BROAD", "Exceptions", "Handler"]

BROAD = frozenset({"Exception", "BaseException"})
_NARROW = frozenset({
    "KeyError", "IndexError", "LookupError", "ValueError", "TypeError", "AttributeError", "NameError", "ImportError", "StopIteration",
    "ModuleNotFoundError", "UnicodeError", "UnicodeDecodeError", "UnicodeEncodeError", "AssertionError", "NotImplementedError",
    "FileNotFoundError", "FileExistsError", "IsADirectoryError", "NotADirectoryError", "ProcessLookupError", "ChildProcessError",
    "ArithmeticError", "ZeroDivisionError", "OverflowError", "RecursionError", "SyntaxError", "KeyboardInterrupt", "SystemExit",
    "GeneratorExit", "StopAsyncIteration", "UnboundLocalError", "PermissionError", "json.JSONDecodeError", "json.decoder.JSONDecodeError",
})  # fmt: skip
_EXPECTED = re.compile(
    r"(DoesNotExist|\w*NotFound\w*|NoResultFound|\w*AlreadyExists\w*|\w*Duplicate\w*|NoSuch\w+|\w*Validation\w*|Integrity\w*|Empty|Full"
    r"|\w*Permission\w*|\w*Forbidden\w*|MultipleObjectsReturned|MultipleResultsFound|\w*Conflict\w*|\w*DecodeError|\w*Stop\w*|EOFError)"
)
_CANCELLATION = "asyncio.CancelledError"


class Exceptions:
    """Questions about exception classes and handlers."""

    def __init__(self, symbols: Symbols, knowledge: Knowledge, evaluator: Evaluator, effects: Effects) -> None:
        """`attach` gives the summaries that tell whether a project function logs."""
        self._symbols = symbols
        self._knowledge = knowledge
        self._evaluator = evaluator
        self._reader = HandlerReader(effects)
        self._classes: dict[str, ClassInfo] = {cls.id: cls for cls in symbols.classes}
        self._handlers: dict[tuple[Function, int], Handler] = {}

    def attach(self, reach: Reach) -> None:
        """Summaries of project functions, known only after the exceptions module exists."""
        self._reader.reach = reach
        self._handlers.clear()  # what was read before could not see through calls

    @property
    def reach(self) -> Reach | None:
        """The summaries, once attached."""
        return self._reader.reach

    def types(self, exprs: tuple[f.Expr, ...], function: Function) -> tuple[str, ...]:
        """Dotted names of the exception classes that expressions name; tuples and module constants are followed."""
        names: dict[str, None] = {}
        for expr in exprs:
            values = self._evaluator.evaluate(expr, function)
            if not values:
                names[flow.text_of(expr, function.scope)] = None
            for value in values:
                self._collect(value, names)
        return tuple(names)

    def _collect(self, value: object, names: dict[str, None], depth: int = 0) -> None:
        match value:
            case ClassValue():
                names[value.cls.id] = None
            case Instance():
                names[value.cls.id] = None
            case Library():
                names[self.plain(value.name)] = None
            case LibraryObject():
                names[self.plain(value.type)] = None
            case Container() if depth < 4:
                for item in value.items:
                    self._collect(item, names, depth + 1)

    def plain(self, name: str) -> str:
        """The canonical name; built-ins without their module."""
        return self._knowledge.canonical(name).removeprefix("builtins.")

    def is_subclass(self, name: str, base: str) -> bool | None:
        """Does `except base` catch `name`? None when not known."""
        name, base = self.plain(name), self.plain(base)
        if name == base or base in BROAD:
            return (
                True
                if base != "Exception"
                else name not in {"KeyboardInterrupt", "SystemExit", "asyncio.CancelledError", "BaseException"}
            )
        cls = self._classes.get(name)
        if cls is not None:
            if any(ancestor.id == base for ancestor in cls.mro):
                return True
            answers = [self._knowledge.is_subclass(b, base) for b in cls.library_bases]
            return True if True in answers else (None if None in answers else False)
        if base in self._classes:
            return False
        return self._knowledge.is_subclass(name, base)

    def catches(self, handler: Handler, name: str) -> bool | None:
        """Does a handler catch this exception?"""
        if not handler.types:
            return True
        answers = [self.is_subclass(name, base) for base in handler.types]
        if True in answers:
            return True
        return None if None in answers else False

    def foresees(self, types: tuple[str, ...]) -> bool:
        """Is one of these types meant for failures of the outside, not for a narrow expected case such as KeyError?"""
        return not types or any(not self.is_expected(name) for name in types)

    def is_own(self, name: str) -> bool:
        """Is it an exception class of the project?"""
        return name in self._classes

    def is_expected(self, name: str) -> bool:
        """An error that says something about the data, not about the outside: not found, exists already, not valid."""
        plain = self.plain(name)
        if plain in _NARROW or _EXPECTED.fullmatch(plain.rpartition(".")[2]):
            return True
        return self.nature(plain) in {"permanent", "conflict"}

    def is_of_family(self, raised: str, caught: str) -> bool | None:
        """May `except caught` catch what a library row calls `raised`: the class itself, a base of it, or one of its kinds?"""
        answers = (self.is_subclass(raised, caught), self.is_subclass(caught, raised))
        return True if True in answers else (None if None in answers else False)

    def catches_cancellation(self, handler: Handler) -> bool:
        """Does a handler catch the cancellation of the coroutine that it stands in?"""
        if not handler.types:
            return True
        return any(self.plain(name) in {_CANCELLATION, "BaseException"} for name in handler.types)

    def looks_like_logging(self, call: f.Call, function: Function) -> bool:
        """A logger from a place that we could not resolve: told by its name and method."""
        return self._reader.looks_like_logging(call, function)

    def nature(self, name: str) -> str:
        """ "transient", "permanent", "conflict" or "mixed", by the library files, through the bases."""
        for known in (self.plain(name), *self._ancestors(name)):
            row = self._knowledge.exception(known)
            if row is not None and row.nature != "mixed":
                return row.nature
        return "mixed"

    def _ancestors(self, name: str) -> tuple[str, ...]:
        cls = self._classes.get(name)
        return cls.library_bases if cls is not None else self._knowledge.exception_bases(name)

    def handler(self, function: Function, region: int) -> Handler:
        """What an `except` region catches and does."""
        key = (function, region)
        if key not in self._handlers:
            types = self.types(function.scope.regions[region].types, function)
            bare = not function.scope.regions[region].types
            broad = bare or any(t in BROAD for t in types)
            self._handlers[key] = self._reader.read(function, region, types, broad)
        return self._handlers[key]

    def handlers_around(self, function: Function, region: int) -> list[list[Handler]]:
        """The handlers of each `try` whose body encloses a region, innermost first."""
        return [
            [self.handler(function, h) for h in handlers]
            for _, handlers in flow.try_regions(function.scope, region)
            if handlers
        ]
