"""Reads expressions of declarations as literals, lists of names, words and text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.arguments import argument
from roadworthy.project.values import Container, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.knowledge.schema import Argument
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, Function
    from roadworthy.project.values import Value

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Expressions:
    """What an expression is worth to somebody who reads a declaration."""

    def __init__(self, evaluator: Evaluator) -> None:
        """All questions about names go to the evaluator."""
        self.evaluator = evaluator

    def literal(self, expr: f.Expr | None, scope: Function) -> str | int | float | bool | None:
        """The literal that an expression is worth."""
        return self.evaluator.literal(expr, scope)

    def flag(self, site: CallSite, where: Argument | None) -> bool:
        """Is the argument at this place literally true?"""
        expr = argument(site.fact, where)
        return expr is not None and self.literal(expr, site.function) is True

    def keyword_is_true(self, site: CallSite, name: str) -> bool:
        """Is this keyword literally true?"""
        return any(keyword == name and self.literal(expr, site.function) is True for keyword, expr in site.fact.kwargs)

    def strings(self, expr: f.Expr | None, scope: Function) -> list[str]:
        """Every literal text that an expression is worth or lists: constants, tuples, lists, concatenations."""
        if expr is None:
            return []
        return list(dict.fromkeys(text for value in self.evaluator.evaluate(expr, scope) for text in _texts(value, 0)))

    def groups(self, expr: f.Expr | None, scope: Function) -> list[tuple[str, ...]]:
        """`("a", "b")` and `[("a", "b"), ("c", "d")]` alike, as lists of names."""
        match expr:
            case f.Seq(items=items) if items and all(isinstance(item, f.Str) for item in items):
                return [tuple(item.value for item in items if isinstance(item, f.Str))]
            case f.Seq(items=items):
                return [group for item in items for group in self.groups(item, scope)]
            case f.CallRef() if scope.scope.calls[expr.index].args:
                return self.groups(scope.scope.calls[expr.index].args[0], scope)  # set([("a", "b")])
            case f.Name() if scope.bindings.get(expr.id):
                return self.groups(scope.bindings[expr.id][-1].value, scope)
        found = tuple(self.strings(expr, scope))
        return [found] if found else []

    def words(self, expr: f.Expr, scope: Function, depth: int = 0) -> Iterator[str]:
        """Every word inside an expression that may be the name of a column, its calls' arguments included."""
        for part in flow.walk(expr):
            match part:
                case f.Str(value=text):
                    for word in _WORD.findall(text):
                        yield word.partition("__")[0]
                        yield word
                case f.Attr(name=name):
                    yield name
                case f.Name(id=name):
                    yield name
                case f.CallRef() if depth < 6:
                    call = scope.scope.calls[part.index]
                    if isinstance(call.func, f.Attr):
                        yield from self.words(call.func.value, scope, depth + 1)
                    for keyword, value in call.kwargs:
                        yield keyword.partition("__")[0]
                        yield keyword
                        yield from self.words(value, scope, depth + 1)
                    for value in call.args:
                        yield from self.words(value, scope, depth + 1)

    def text(self, expr: f.Expr, scope: Function, depth: int = 0) -> str:
        """An expression with the arguments of its calls, for a condition or a functional part."""
        if depth > 4:
            return "…"
        match expr:
            case f.CallRef():
                call = scope.scope.calls[expr.index]
                args = [self.text(a, scope, depth + 1) for a in call.args]
                args += [f"{k}={self.text(v, scope, depth + 1)}" for k, v in call.kwargs]
                if last_name(call.func) in {"text", "DDL"} and len(args) == 1:
                    return args[0]
                name = (
                    f"{self.text(call.func.value, scope, depth + 1)}.{call.func.name}"
                    if isinstance(call.func, f.Attr)
                    else last_name(call.func)
                )
                return f"{name.removeprefix('models.').removeprefix('func.')}({', '.join(args)})"
            case f.Str(value=text):
                return text
            case f.Compare(left=left, ops=ops, rights=rights):
                return " ".join(
                    [
                        self.text(left, scope, depth + 1),
                        *(f"{o} {self.text(r, scope, depth + 1)}" for o, r in zip(ops, rights, strict=True)),
                    ]
                )
            case f.Unary(op=op, value=value):
                return f"{op}{' ' if op.isalpha() else ''}{self.text(value, scope, depth + 1)}"
        return flow.text_of(expr, scope.scope)


def _texts(value: Value, depth: int) -> list[str]:
    match value:
        case Literal(value=text) if isinstance(text, str):
            return [text]
        case Container(items=items, positions=positions) if depth < 4:
            inner = [v for group in positions for v in group] if positions else list(items)
            return [text for item in inner for text in _texts(item, depth + 1)]
    return []


def last_name(expr: f.Expr | None) -> str:
    """The last part of a dotted name."""
    if isinstance(expr, f.Name):
        return expr.id
    return expr.name if isinstance(expr, f.Attr) else ""
