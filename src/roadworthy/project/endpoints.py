"""Objects whose methods a framework calls by their names: RPC endpoints that are handed over in a list, classes that say so of themselves."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import values
from roadworthy.project.arguments import argument

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roadworthy.knowledge.index import Knowledge
    from roadworthy.knowledge.schema import EntryRow
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, ClassInfo, Function, Symbols

_DEEP = 3  # lists in lists


def registered(site: CallSite, row: EntryRow, expr: f.Expr, evaluator: Evaluator) -> Iterator[Function]:
    """The functions that a call registers: what it is given, or the methods that the row or the call names of an object that it is given."""
    named = argument(site.fact, row.method)
    text = evaluator.literal(named, site.function) if named is not None else None
    patterns = (text,) if isinstance(text, str) else row.methods or ("__call__",)
    for item in expr.items if isinstance(expr, f.Seq) else (expr,):
        found = [
            function
            for value in evaluator.evaluate(item, site.function, site.fact.order)
            for function in offered(value, patterns)
        ]
        yield from found or _behind(item, site.function, patterns, evaluator)


def _behind(expr: f.Expr, scope: Function, patterns: Sequence[str], evaluator: Evaluator) -> Iterator[Function]:
    """`Resource(Orders())`, `Orders().create_resource()`: a wrapper that has no such method passes to the object that it was made of."""
    assigns = scope.bindings.get(expr.id, []) if isinstance(expr, f.Name) else []
    made = assigns[0].value if len(assigns) == 1 else expr
    func = scope.scope.calls[made.index].func if isinstance(made, f.CallRef) else None
    if isinstance(func, f.Attr):
        found = [fn for value in evaluator.evaluate(func.value, scope) for fn in _methods_of(value, patterns)]
        if found:
            yield from found
            return
    for value in evaluator.evaluate(expr, scope):
        if isinstance(value, values.Instance) and value.site is not None:
            for given in value.site.fact.args:
                for inner in evaluator.evaluate(given, value.site.function, value.site.fact.order):
                    yield from _methods_of(inner, patterns)


def _methods_of(value: values.Value, patterns: Sequence[str]) -> Iterator[Function]:
    if isinstance(value, values.Instance):
        yield from methods_named(value.cls, patterns)


def offered(value: values.Value, patterns: Sequence[str], depth: int = 0) -> Iterator[Function]:
    """The function that was handed over, or the methods of an object that a row names; what a list holds counts as handed over."""
    match value:
        case values.Partial():
            yield from offered(value.target, patterns, depth)
        case values.FunctionValue():
            yield value.function
        case values.ClassValue() | values.Instance():
            yield from methods_named(value.cls, patterns)
        case values.Container() if depth < _DEEP:
            for item in value.items:
                yield from offered(item, patterns, depth + 1)


def methods_named(cls: ClassInfo, patterns: Sequence[str]) -> Iterator[Function]:
    """Methods that an instance has and whose names fit; of those that a class overrides, its own."""
    seen: set[str] = set()
    for ancestor in cls.mro:
        for name, method in ancestor.methods.items():
            if name not in seen and any(fnmatchcase(name, pattern) for pattern in patterns):
                seen.add(name)
                yield method


def marked(symbols: Symbols, knowledge: Knowledge, evaluator: Evaluator) -> Iterator[tuple[Function, EntryRow, str]]:
    """Methods of classes whose body says what they are: `target = Target(version="1.0")`. Properties answer no request."""
    rows = [row for library in knowledge.libraries for row in library.entry if row.form == "class-attribute"]
    for cls in symbols.classes:
        for row in rows:
            name = _marking(cls, row.attribute, knowledge, evaluator)
            if name and row in knowledge.entries(name):
                yield from (
                    (method, row, name)
                    for method in methods_named(cls, row.methods)
                    if not evaluator.is_property(method)
                )


def _marking(cls: ClassInfo, attribute: str, knowledge: Knowledge, evaluator: Evaluator) -> str:
    """The library call whose result a class or one of its bases keeps under this name in its body."""
    for ancestor in cls.mro:
        for scope, assign in ancestor.attribute_assigns.get(attribute, ()):
            if scope is not ancestor.body or not isinstance(assign.value, f.CallRef):
                continue
            for callee in evaluator.callees(scope.calls[assign.value.index]):
                if isinstance(callee, values.Library):
                    return knowledge.canonical(callee.name)
    return ""
