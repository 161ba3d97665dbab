"""`type X = value`, and what the grammar takes for it: `type(x).name = value`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from roadworthy.facts.python.grammar import ATTRIBUTE, PARENTHESIZED, TYPE, kind, kinds
from roadworthy.facts.python.hints import annotation
from roadworthy.facts.python.names import index_of, new_name, target
from roadworthy.facts.python.operators import display
from roadworthy.facts.python.state import EMPTY_CALL, EXPR, MAX_DEPTH, ScopeWalk, statement
from roadworthy.facts.schema import Assign, Attr, Call, CallRef, Expr, Sub

if TYPE_CHECKING:
    from tree_sitter import Node

_SUBSCRIPT: Final = kind("subscript")
_CALL_LIKE: Final = kinds("parenthesized_expression", "tuple")
_CONSTRAINED: Final = kind("constrained_type")


@statement("type_alias_statement")
def type_alias(scope: ScopeWalk, node: Node, depth: int) -> str:
    """`type X[T] = value` is an assignment to X."""
    types = [p for p in scope.parts(node) if p.kind_id == TYPE]
    if len(types) < 2:
        return ""
    written, right = types[0], types[1]
    line, end_line = node.start_point.row + 1, node.end_point.row + 1
    if scope.text[written.start_byte] == "(":
        value = EXPR[TYPE](scope, right, "assigned", -1, depth)
        to = _target_on_call(scope, written, depth)
    else:
        value = annotation(scope, right, depth)
        to = target(scope, _first_leaf(written), depth)
    scope.assigns.append(Assign(scope.tick(), scope.region, line, end_line, to, value, "="))
    return ""


def _first_leaf(node: Node) -> Node:
    while node.named_child_count:
        node = node.named_children[0]
    return node


def _target_on_call(scope: ScopeWalk, node: Node, depth: int) -> Expr:
    """The target of `type(x).name = value`, whose tree lacks the call."""
    if depth > MAX_DEPTH:
        return scope.too_deep(node)
    kind_id = node.kind_id
    if kind_id in _CALL_LIKE:
        return _type_call(scope, node, depth)
    parts = scope.parts(node)
    if kind_id in (TYPE, _CONSTRAINED):
        return _target_on_call(scope, parts[0], depth + 1)
    if kind_id == ATTRIBUTE:
        return Attr(_target_on_call(scope, parts[0], depth + 1), scope.file.word(parts[-1]))
    if kind_id == _SUBSCRIPT:
        value = _target_on_call(scope, parts[0], depth + 1)
        return Sub(value, index_of(scope, value, parts[1:], -1, depth))
    return EXPR[kind_id](scope, node, "stored", -1, depth)


def _type_call(scope: ScopeWalk, node: Node, depth: int) -> Expr:
    index = len(scope.calls)
    scope.last_read["type"] = scope.order
    scope.calls.append(EMPTY_CALL)
    if node.kind_id == PARENTHESIZED:
        args: tuple[Expr, ...] = tuple(
            EXPR[p.kind_id](scope, p, "argument", index, depth + 1) for p in scope.parts(node) if p.is_named
        )
    else:
        args = display(scope, node, index, depth)
    (row, column), end_line = node.start_point, node.end_point.row + 1
    func = new_name(scope, "type")
    start_column = max(0, column - len("type"))
    scope.calls[index] = Call(
        scope.tick(), scope.region, row + 1, end_line, start_column, func, args, (), False, "attribute"
    )  # fmt: skip
    return CallRef(index)
