"""Operators, displays, `lambda`-free compound expressions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from roadworthy.facts.python.grammar import EXTRAS, SKIPPED, kinds
from roadworthy.facts.python.names import display_item, new_name
from roadworthy.facts.python.state import EXPR, MAX_DEPTH, ScopeWalk, expression
from roadworthy.facts.schema import (
    Assign,
    Bin,
    BoolOp,
    Compare,
    Dict,
    Expr,
    IfExp,
    Leave,
    Other,
    Seq,
    Unary,
    Walrus,
    Yield,
)

if TYPE_CHECKING:
    from tree_sitter import Node

_BINARY: Final = kinds("binary_operator")
_BOOLEAN: Final = kinds("boolean_operator")
_PAIR: Final = kinds("pair")


@expression("parenthesized_expression")
def parenthesized(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """Parentheses leave no trace."""
    if depth > MAX_DEPTH:
        return scope.too_deep(node)
    for child in scope.parts(node):
        if child.is_named:
            return EXPR[child.kind_id](scope, child, use, outer, depth + 1)
    return scope.other(node)


@expression("binary_operator")
def binary(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """`a + b + c`: the left spine is walked in a loop, so that a long sum is no deep one."""
    spine = _spine(scope, node, _BINARY)
    value = _first_operand(scope, node, spine, "stored", outer, depth)
    room = MAX_DEPTH - depth
    for count, (parts, whole) in enumerate(reversed(spine)):
        right = EXPR[parts[-1].kind_id](scope, parts[-1], "stored", outer, depth + 1)
        # What is below the limit of nesting is kept as text; its calls are recorded all the same.
        value = Bin(parts[1].type, value, right) if count < room else scope.other(whole)
    return value


def _spine(scope: ScopeWalk, node: Node, same: frozenset[int], operator: str = "") -> list[tuple[list[Node], Node]]:
    """The nodes from `node` down through left operands of the same kind (and operator), with their parts."""
    spine: list[tuple[list[Node], Node]] = []
    while node.kind_id in same:
        parts = node.children
        if len(parts) != 3:
            parts = scope.parts(node)
        if len(parts) < 3 or (operator and parts[1].type != operator):
            break
        spine.append((parts, node))
        node = parts[0]
    return spine


def _first_operand(
    scope: ScopeWalk, node: Node, spine: list[tuple[list[Node], Node]], use: str, outer: int, depth: int
) -> Expr:
    if not spine or depth > MAX_DEPTH:
        return scope.too_deep(node) if spine else scope.other(node)
    first = spine[-1][0][0]
    return EXPR[first.kind_id](scope, first, use, outer, depth + 1)


@expression("boolean_operator")
def boolean(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """`a and b and c`, flattened. Any operand may be the value; those before the last are conditions when it is dropped."""
    parts = scope.parts(node)
    if len(parts) < 3 or depth > MAX_DEPTH:
        return scope.too_deep(node) if depth > MAX_DEPTH else scope.other(node)
    operator = parts[1].type
    spine = _spine(scope, node, _BOOLEAN, operator)
    nodes = [spine[-1][0][0], *(p[-1] for p, _ in reversed(spine))]
    early = "condition" if use == "discarded" else use
    items = [EXPR[n.kind_id](scope, n, early, outer, depth + 1) for n in nodes[:-1]]
    items.append(EXPR[nodes[-1].kind_id](scope, nodes[-1], use, outer, depth + 1))
    return BoolOp(operator, tuple(items))


@expression("comparison_operator")
def comparison(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """`a < b <= c`."""
    if depth > MAX_DEPTH:
        return scope.too_deep(node)
    ops: list[str] = []
    operands: list[Expr] = []
    for child in node.children:
        kind = child.kind_id
        if kind not in SKIPPED:
            operands.append(EXPR[kind](scope, child, "stored", outer, depth + 1))
        elif child.is_named:
            scope.extra(child)
        else:
            ops.append(child.type)
    if len(operands) < 2:
        return scope.other(node)
    return Compare(operands[0], tuple(ops), tuple(operands[1:]))


@expression("not_operator")
def negation(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """`not x`."""
    if depth > MAX_DEPTH:
        return scope.too_deep(node)
    operand = scope.parts(node)[-1]
    inner = "condition" if use == "condition" else "stored"
    return Unary("not", EXPR[operand.kind_id](scope, operand, inner, outer, depth + 1))


@expression("unary_operator")
def unary(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """`-x`."""
    if depth > MAX_DEPTH:
        return scope.too_deep(node)
    parts = scope.parts(node)
    return Unary(parts[0].type, EXPR[parts[-1].kind_id](scope, parts[-1], "stored", outer, depth + 1))


@expression("conditional_expression")
def conditional(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """`body if test else orelse`; the test comes first."""
    if depth > MAX_DEPTH:
        return scope.too_deep(node)
    parts = [p for p in scope.parts(node) if p.is_named]
    if len(parts) < 3:
        return scope.other(node)
    test = EXPR[parts[1].kind_id](scope, parts[1], "condition", outer, depth + 1)
    body = EXPR[parts[0].kind_id](scope, parts[0], use, outer, depth + 1)
    orelse = EXPR[parts[2].kind_id](scope, parts[2], use, outer, depth + 1)
    return IfExp(test, body, orelse)


@expression("named_expression")
def walrus(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """`name := value`."""
    if depth > MAX_DEPTH:
        return scope.too_deep(node)
    parts = scope.parts(node)
    value = EXPR[parts[-1].kind_id](scope, parts[-1], "assigned", outer, depth + 1)
    name = new_name(scope, scope.text[parts[0].start_byte : parts[0].end_byte])
    line, end_line = node.start_point.row + 1, node.end_point.row + 1
    scope.assigns.append(Assign(scope.tick(), scope.region, line, end_line, name, value, ":="))
    return Walrus(name.id, value)


@expression("yield")
def yield_(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """`yield value` and `yield from value`."""
    if depth > MAX_DEPTH:
        return scope.too_deep(node)
    scope.is_generator = True
    value: Expr | None = None
    is_from = False
    for child in scope.parts(node):
        if child.is_named:
            value = EXPR[child.kind_id](scope, child, "yielded", outer, depth + 1)
        elif child.type == "from":
            is_from = True
    scope.leaves.append(Leave("yield", scope.tick(), scope.region, node.start_point.row + 1, value))
    return Yield(value, is_from)


def display(scope: ScopeWalk, node: Node, outer: int, depth: int) -> tuple[Expr, ...]:
    """The items of a display."""
    items: list[Expr] = []
    for child in node.children:
        kind = child.kind_id
        if kind not in SKIPPED:
            items.append(display_item(scope, child, outer, depth + 1))
        elif kind in EXTRAS:
            scope.extra(child)
    return tuple(items)


@expression("tuple", "expression_list", "pattern_list", "tuple_pattern")
def tuple_(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """`(a, b)` and `a, b`."""
    return scope.too_deep(node) if depth > MAX_DEPTH else Seq("tuple", display(scope, node, outer, depth))


@expression("list", "list_pattern")
def list_(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """`[a, b]`."""
    return scope.too_deep(node) if depth > MAX_DEPTH else Seq("list", display(scope, node, outer, depth))


@expression("set")
def set_(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """`{a, b}`."""
    return scope.too_deep(node) if depth > MAX_DEPTH else Seq("set", display(scope, node, outer, depth))


@expression("dictionary")
def dictionary(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """`{a: b, **c}`."""
    if depth > MAX_DEPTH:
        return scope.too_deep(node)
    items: list[tuple[Expr | None, Expr]] = []
    for child in node.children:
        kind = child.kind_id
        if kind in _PAIR:
            parts = child.children
            if len(parts) != 3:
                parts = scope.parts(child)
            key = EXPR[parts[0].kind_id](scope, parts[0], "stored", outer, depth + 1)
            items.append((key, EXPR[parts[-1].kind_id](scope, parts[-1], "stored", outer, depth + 1)))
        elif kind not in SKIPPED:
            last = scope.parts(child)[-1]
            items.append((None, EXPR[last.kind_id](scope, last, "stored", outer, depth + 1)))
        elif child.is_named:
            scope.extra(child)
    return Dict(tuple(items))


@expression("as_pattern")
def as_pattern(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """The value of `value as name`; the statement around it binds the name."""
    if depth > MAX_DEPTH:
        return scope.too_deep(node)
    first = scope.parts(node)[0]
    return EXPR[first.kind_id](scope, first, use, outer, depth + 1)


@expression("slice")
def slice_(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """`a:b:c`, as text."""
    if depth > MAX_DEPTH:
        return scope.too_deep(node)
    display(scope, node, outer, depth)
    return Other(scope.other(node).text)
