"""Annotations: the grammar's type nodes, and strings that hold a type."""

from __future__ import annotations

import re
from typing import Final

from tree_sitter import Node, Parser, Range

from roadworthy.facts.python.grammar import LANGUAGE, kinds
from roadworthy.facts.python.names import index_of, new_name
from roadworthy.facts.python.state import EXPR, MAX_DEPTH, STRING_ANNOTATION, ScopeWalk, expression
from roadworthy.facts.schema import Attr, Bin, Const, Expr, Str, Sub

_DOTTED: Final = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)
_MAX_LENGTH: Final = 2000
_EXPRESSION_STATEMENT: Final = kinds("expression_statement")


def annotation(scope: ScopeWalk, node: Node, depth: int) -> Expr:
    """The expression of a `type` node."""
    was = scope.in_annotation
    scope.in_annotation = True
    value = EXPR[node.kind_id](scope, node, "stored", -1, depth)
    scope.in_annotation = was
    return value


@expression("type")
def type_(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """The wrapper that the grammar puts around every type."""
    if depth > MAX_DEPTH:
        return scope.too_deep(node)
    children = node.children
    inner = children[0] if len(children) == 1 else scope.parts(node)[0]
    return EXPR[inner.kind_id](scope, inner, use, outer, depth + 1)


@expression("generic_type")
def generic(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """`List[int]`, as a subscript."""
    parts = scope.parts(node)
    if depth > MAX_DEPTH or len(parts) < 2:
        return scope.too_deep(node) if depth > MAX_DEPTH else scope.other(node)
    value = EXPR[parts[0].kind_id](scope, parts[0], "stored", outer, depth + 1)
    return Sub(value, index_of(scope, value, parts[1].children, outer, depth + 1))


@expression("union_type")
def union(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """`A | B`."""
    if depth > MAX_DEPTH:
        return scope.too_deep(node)
    members = [EXPR[p.kind_id](scope, p, "stored", outer, depth + 1) for p in scope.parts(node) if p.is_named]
    value = members[0] if members else scope.other(node)
    for member in members[1:]:
        rights = []
        # The grammar takes `A[x] | B | C` for `A[x] | (B | C)`.
        while isinstance(member, Bin) and member.op == "|":
            rights.append(member.right)
            member = member.left
        for right in (member, *reversed(rights)):
            value = Bin("|", value, right)
    return value


@expression("member_type")
def member(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """`A.B` where the grammar sees a type."""
    if depth > MAX_DEPTH:
        return scope.too_deep(node)
    parts = scope.parts(node)
    return Attr(EXPR[parts[0].kind_id](scope, parts[0], "attribute", outer, depth + 1), scope.file.word(parts[-1]))


def string_annotation(scope: ScopeWalk, node: Node, text: str, outer: int, depth: int) -> Expr:
    """A string in an annotation: the expression that it holds, or the string when it holds none."""
    if text == "None":
        return Const("none", None)
    if _DOTTED.fullmatch(text):
        return _dotted(scope, text)
    if len(text) > _MAX_LENGTH or "\n" in text or not text.strip() or depth > MAX_DEPTH:
        return Str(text)
    inner = _parsed(scope, node)
    return Str(text) if inner is None else EXPR[inner.kind_id](scope, inner, "stored", outer, depth + 1)


EXPR[STRING_ANNOTATION] = string_annotation


def _dotted(scope: ScopeWalk, text: str) -> Expr:
    first, *rest = text.split(".")
    value: Expr = new_name(scope, first)
    path = first
    scope.last_read[path] = scope.order
    for word in rest:
        path = f"{path}.{word}"
        scope.last_read[path] = scope.order
        value = Attr(value, word)
    return value


def _parsed(scope: ScopeWalk, node: Node) -> Node | None:
    """Parse the inside of a string where it stands, so that all positions are those of the file."""
    width = 3 if scope.text[node.start_byte : node.start_byte + 3] in ('"""', "'''") else 1
    (row, column), (end_row, end_column) = node.start_point, node.end_point
    inside = Range((row, column + width), (end_row, end_column - width), node.start_byte + width, node.end_byte - width)
    root = Parser(LANGUAGE, included_ranges=[inside]).parse(scope.file.data).root_node
    if root.has_error or root.child_count != 1 or root.children[0].kind_id not in _EXPRESSION_STATEMENT:
        return None
    statement = root.children[0]
    return statement.children[0] if statement.child_count == 1 else None
