"""Comprehensions and generator expressions: regions of the scope in which they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from roadworthy.facts.python.grammar import kinds
from roadworthy.facts.python.names import target
from roadworthy.facts.python.state import EXPR, MAX_DEPTH, Opened, ScopeWalk, expression
from roadworthy.facts.schema import Assign, Comp, Expr, Seq

if TYPE_CHECKING:
    from tree_sitter import Node

_FOR: Final = kinds("for_in_clause")
_IF: Final = kinds("if_clause")
_PAIR: Final = kinds("pair")

_Clause = tuple[Opened, Expr, Expr, bool]


@expression("list_comprehension", "set_comprehension", "dictionary_comprehension", "generator_expression")
def comprehension(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """The first iterable is evaluated outside; every further `for` is a region inside the one before."""
    if depth > MAX_DEPTH:
        return scope.too_deep(node)
    clauses: list[_Clause] = []
    tests: list[Expr] = []
    body: Node | None = None
    for child in scope.parts(node):
        kind = child.kind_id
        if kind in _FOR:
            clauses.append(_for_clause(scope, child, outer, depth + 1))
        elif kind in _IF:
            test = scope.parts(child)[-1]
            tests.append(EXPR[test.kind_id](scope, test, "condition", outer, depth + 1))
        elif child.is_named and body is None:
            body = child
    key, element = _element(scope, body, outer, depth + 1) if body is not None else (None, scope.other(node))
    lines = node.start_point.row + 1, node.end_point.row + 1
    for opened, iterable, variable, is_async in reversed(clauses):
        scope.leave(opened, "comprehension", lines, opened[0], "", False, iterable, variable, is_async=is_async)
    region = clauses[0][0][0] if clauses else scope.region
    name = node.type
    return Comp("dict" if name[0] == "d" else name.partition("_")[0], region, element, key, tuple(tests))


def _for_clause(scope: ScopeWalk, node: Node, outer: int, depth: int) -> _Clause:
    parts = scope.parts(node)
    at = next((i for i, p in enumerate(parts) if p.type == "in"), len(parts) - 1)
    is_async = parts[0].type == "async"
    values = [
        EXPR[p.kind_id](scope, p, "iterated", outer, depth)
        for p in parts[at + 1 :]
        if p.is_named
    ]  # fmt: skip
    iterable = values[0] if len(values) == 1 else Seq("tuple", tuple(values))
    opened = scope.enter()
    variable = target(scope, parts[at - 1], depth)
    line, end_line = parts[at - 1].start_point.row + 1, node.end_point.row + 1
    scope.assigns.append(Assign(scope.tick(), scope.region, line, end_line, variable, iterable, "for"))
    return opened, iterable, variable, is_async


def _element(scope: ScopeWalk, body: Node, outer: int, depth: int) -> tuple[Expr | None, Expr]:
    if body.kind_id not in _PAIR:
        return None, EXPR[body.kind_id](scope, body, "stored", outer, depth)
    parts = scope.parts(body)
    key = EXPR[parts[0].kind_id](scope, parts[0], "stored", outer, depth)
    return key, EXPR[parts[-1].kind_id](scope, parts[-1], "stored", outer, depth)
