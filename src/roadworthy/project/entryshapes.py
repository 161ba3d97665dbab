"""Entries told by their shape, where the object that registers them could not be followed.

`@worker_app.task(acks_late=True)` with an application from a package that we do not know, or `job.delay(…)` on a plain function:
the words and options of a framework give it away. Which ones those are is in the library files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import EntryKind
from roadworthy.project import flow
from roadworthy.project.entry import Entry
from roadworthy.project.values import FunctionValue, Library, LibraryObject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.knowledge.index import Knowledge
    from roadworthy.knowledge.schema import EntryRow
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, Function, Module, Symbols

_SENT = frozenset({"delay", "apply_async", "delay_on_commit"})
"""Attributes that a plain function does not have: something made a job of it."""


def _command(function: Function) -> Entry:
    kind = EntryKind.COMMAND
    return Entry(kind, function, f"command {function.qualname}", "subcommand", kind.word.delivery)


class EntryShapes:
    """Decorators and calls that look like those of a known framework."""

    def __init__(self, symbols: Symbols, knowledge: Knowledge, evaluator: Evaluator) -> None:
        """The rows of decorators by the last part of their names."""
        self._symbols = symbols
        self._evaluator = evaluator
        self._rows: dict[str, list[tuple[str, str, EntryRow]]] = {}
        for library in knowledge.libraries:
            for row in library.entry:
                if row.form == "decorator" and (row.retry_arguments or row.acks_after_if):
                    for name in row.names:
                        self._rows.setdefault(name.rpartition(".")[2], []).append((library.library, name, row))

    def decorated(self, function: Function) -> Iterator[tuple[EntryRow, str, CallSite | None]]:
        """Rows that a decorator fits by its last name and by its options or by the name of what it hangs on."""
        outer = function.parent
        if outer is None:
            return
        for expr in function.scope.decorators:
            site = outer.calls[expr.index] if isinstance(expr, f.CallRef) else None
            written = site.fact.func if site is not None else expr
            if not isinstance(written, f.Attr) or written.name not in self._rows or self._is_known(expr, outer):
                continue
            text = flow.text_of(written.value, outer.scope).lower()
            keywords = {keyword for keyword, _ in site.fact.kwargs} if site is not None else set()
            for library, name, row in self._rows[written.name]:
                options = {*row.retry_arguments, *row.acks_after_if, *row.delivery_if}
                if library in text or keywords & options:
                    yield row, name, site
                    break

    def _is_known(self, expr: f.Expr, outer: Function) -> bool:
        found = self._evaluator.decorator_values(expr, outer)
        return any(isinstance(value, Library | LibraryObject) for value in found)

    def sent(self) -> Iterator[Function]:
        """Functions on which something calls `.delay()`, also as `request.task(function).delay()`."""
        for function in self._symbols.functions:
            for site in function.calls:
                yield from self.sent_at(site)

    def subcommands(self) -> Iterator[Entry]:
        """`parser.set_defaults(func=create)` on a parser that the function is given."""
        for function in self._symbols.functions:
            for site in function.calls:
                func = site.fact.func
                if not isinstance(func, f.Attr) or func.name != "set_defaults":
                    continue
                given = next((expr for keyword, expr in site.fact.kwargs if keyword == "func"), None)
                if given is not None and "parser" in flow.text_of(func.value, function.scope):
                    for value in self._evaluator.evaluate(given, function, site.fact.order):
                        if isinstance(value, FunctionValue):
                            yield _command(value.function)

    def sent_at(self, site: CallSite) -> Iterator[Function]:
        """The functions that this very call makes jobs of."""
        func = site.fact.func
        if isinstance(func, f.Attr) and func.name in _SENT:
            yield from self._receivers(func.value, site)

    def _receivers(self, expr: f.Expr, site: CallSite) -> Iterator[Function]:
        scope = site.function
        for value in self._evaluator.evaluate(expr, scope, site.fact.order):
            if isinstance(value, FunctionValue):
                yield value.function
        if isinstance(expr, f.CallRef):
            made = scope.scope.calls[expr.index]
            if len(made.args) == 1 and isinstance(made.func, f.Attr) and made.func.name in self._rows:
                for value in self._evaluator.evaluate(made.args[0], scope, site.fact.order):
                    if isinstance(value, FunctionValue):
                        yield value.function


def listed(symbols: Symbols, knowledge: Knowledge) -> Iterator[tuple[Function, EntryRow, str]]:
    """What a list of dotted names in the settings makes an entry: the methods of a class, the function that a factory returns."""
    classes = {(cls.module, cls.name): cls for cls in symbols.classes}
    for module in symbols.modules:
        for assign in module.body.scope.assigns:
            if not isinstance(assign.target, f.Name) or not assign.target.id.isupper():
                continue
            rows = [row for row in knowledge.entries(assign.target.id) if row.form == "setting"]
            for dotted in flow.strings_of(assign.value) if rows and assign.value is not None else ():
                owner, _, name = dotted.rpartition(".")
                found = symbols.find_module(owner, module) if owner else None
                if found is None:
                    continue
                cls = classes.get((found, name))
                methods = (
                    [cls.find_method(method) for row in rows for method in row.methods]
                    if cls is not None
                    else _made(found, name)
                )
                yield from ((method, rows[0], assign.target.id) for method in methods if method is not None)


def _made(module: Module, name: str) -> list[Function | None]:
    """The functions that a factory returns."""
    factory = next(reversed(module.body.children.get(name, [])), None)
    if factory is None or factory.kind != "function":
        return []
    returned = {
        leave.value.id for leave in factory.scope.leaves if leave.kind == "return" and isinstance(leave.value, f.Name)
    }
    return [
        made
        for inner, found in factory.children.items()
        if inner in returned
        for made in found
        if made.kind == "function"
    ]
