"""Which names a line of example code mentions, by last part: for the test that every example shows its own row."""

from __future__ import annotations

import ast
import textwrap


def parse_example(line: str) -> ast.Module:
    """The tree of one line of example code, which may be a decorator, an `async with`, an `await`."""
    text = line.strip()
    if text.startswith("@"):
        text = f"{text}\ndef decorated(): ..."
    elif text.endswith(":"):
        text = f"{text} ..."
    return ast.parse("async def example():\n" + textwrap.indent(text, "    "))


def mentioned(line: str) -> set[str]:
    """Dotted names, and all their tails, of everything the example calls, decorates with, enters, inherits from or sets."""
    found: set[str] = set()
    for node in ast.walk(parse_example(line)):
        if isinstance(node, ast.Name | ast.Attribute):
            dotted = _dotted(node)
            parts = dotted.split(".")
            found.update(".".join(parts[start:]) for start in range(len(parts)))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.keyword) and node.arg:
            found.add(node.arg)
        found |= _protocol(node)
    return found


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def _protocol(node: ast.AST) -> set[str]:
    """The special methods that syntax stands for."""
    match node:
        case ast.Call():
            return {"__call__"}
        case ast.For() | ast.comprehension(is_async=0):
            return {"__iter__"}
        case ast.AsyncFor() | ast.comprehension():
            return {"__aiter__"}
        case ast.With():
            return {"__enter__"}
        case ast.AsyncWith():
            return {"__aenter__"}
        case ast.Await():
            return {"__await__"}
        case ast.Subscript(ctx=ast.Load()):
            return {"__getitem__"}
        case ast.Subscript(ctx=ast.Store()):
            return {"__setitem__"}
        case ast.Delete():
            return {"__delitem__"}
        case ast.Compare():
            return {"__contains__"}
        case ast.BinOp(op=ast.Div()):
            return {"__truediv__"}
        case _:
            return set()
