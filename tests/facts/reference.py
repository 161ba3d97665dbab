"""The facts of a module once more, from the standard library's `ast`: slow and plain, to hold the extractor to.

Only for files that `ast` parses and that are not nested deeply. Comments are left out.
"""

from __future__ import annotations

import ast
from collections import deque
from typing import Any

from facts.reference_statements import Statements
from roadworthy.facts import schema as s


def reference(path: str, source: str) -> s.FileFacts:
    """The facts of a module without comments and problems."""
    return _File(source).facts(path)


class _File:
    def __init__(self, source: str) -> None:
        self.source = source
        self.scopes: list[s.Scope | None] = [None]
        self.queue: deque[tuple[Any, ...]] = deque()

    def facts(self, path: str) -> s.FileFacts:
        lines = self.source.count("\n") + (not self.source.endswith("\n") and bool(self.source))
        _Scope(self, 0, "<module>").module(ast.parse(self.source), max(1, lines))
        while self.queue:
            scope, *rest = self.queue.popleft()
            scope.definition(*rest)
        return s.FileFacts(path, lines, tuple(x for x in self.scopes if x is not None), (), ())


class _Scope(Statements):
    def module(self, tree: ast.Module, lines: int) -> None:
        self.enter()
        exits, only_pass = self.block(tree.body)
        self.leave(0, "body", (1, lines), 0, exits, only_pass)
        self.close(-1, "module", "<module>", (1, lines, 0), False, (), (), (), (), (), None, doc(tree), 0, 0)

    def definition(self, parent: int, node: Any, order: int, region: int, head: tuple[Any, ...]) -> None:
        lines = node.lineno, node.end_lineno
        self.enter()
        if isinstance(node, ast.Lambda):
            value = self.expr(node.body, "returned")
            self.leaves.append(s.Leave("return", self.tick(), 0, node.lineno, value))
            exits, only_pass, kind, text = "return", False, "lambda", ""
        else:
            exits, only_pass = self.block(node.body)
            kind, text = "class" if isinstance(node, ast.ClassDef) else "function", doc(node)
        self.leave(0, "body", lines, 0, exits, only_pass)
        is_async = isinstance(node, ast.AsyncFunctionDef)
        name = getattr(node, "name", "<lambda>")
        place = (*lines, node.col_offset)
        self.close(parent, kind, name, place, is_async, *head, text, region, order)

    def close(
        self, parent: int, kind: str, name: str, place: tuple[int, int, int], is_async: bool, decorators: Any, lines: Any,
        bases: Any, keywords: Any, params: Any, returns: Any, text: str, region: int, order: int,
    ) -> None:  # fmt: skip
        self.file.scopes[self.index] = s.Scope(
            self.index, parent, kind, name, self.qualname, *place, is_async, self.is_generator, decorators, lines, bases,
            keywords, params, returns, text, region, order, tuple(self.regions), tuple(self.calls), tuple(self.assigns),
            tuple(self.leaves), tuple(self.tests), tuple(self.imports), tuple(self.globals), self.reads,
        )  # fmt: skip

    def define(self, node: Any, decorators: tuple[Any, ...] = ()) -> int:
        lines: tuple[int, ...] = tuple(d.lineno for d in getattr(node, "decorator_list", ()))
        bases: Any = ()
        keywords: Any = ()
        params: Any = ()
        returns = None
        if isinstance(node, ast.ClassDef):
            items = sorted([*node.bases, *node.keywords], key=lambda n: (n.lineno, n.col_offset))
            bases, keywords = self.arguments(items, "stored", -1)
        else:
            params = self.params(node.args)
            returns = self.annotation(getattr(node, "returns", None))
        name = getattr(node, "name", "<lambda>")
        index = len(self.file.scopes)
        self.file.scopes.append(None)
        qualname = f"{self.qualname}.{name}" if self.index else name
        inner = _Scope(self.file, index, qualname)
        head = (decorators, lines, bases, keywords, params, returns)
        self.file.queue.append((inner, self.index, node, self.tick(), self.region, head))
        return index

    def params(self, args: ast.arguments) -> tuple[s.Param, ...]:
        positional = [*args.posonlyargs, *args.args]
        missing: list[Any] = [None] * (len(positional) - len(args.defaults))
        rows: list[tuple[Any, str, Any]] = [
            (a, "positional", d) for a, d in zip(positional, missing + args.defaults, strict=True)
        ]
        if args.vararg:
            rows.append((args.vararg, "args", None))
        rows += [(a, "keyword", d) for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True)]
        if args.kwarg:
            rows.append((args.kwarg, "kwargs", None))
        return tuple(
            s.Param(a.arg, kind, self.annotation(a.annotation), None if d is None else self.expr(d, "default"))
            for a, kind, d in rows
        )


def doc(node: Any) -> str:
    text = ast.get_docstring(node, clean=False)
    if text is None:
        return ""
    text = "\n".join(line.strip() for line in text.strip()[:600].splitlines())
    return text.partition("\n\n")[0][:300].strip()
