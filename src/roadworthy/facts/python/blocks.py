"""Blocks of statements, and how control leaves them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from roadworthy.facts.python.grammar import COMMENT, ERROR, EXTRAS, PUNCTUATION, kinds
from roadworthy.facts.python.state import EXPR, MAX_DEPTH, NOTHING, STMT, ScopeWalk

if TYPE_CHECKING:
    from tree_sitter import Node

Outcome = tuple[str, bool]
"""`Region.exits` and `Region.only_pass` of a block."""

_HOLDS_BLOCK: Final = kinds(
    "block", "if_statement", "elif_clause", "else_clause", "for_statement", "while_statement", "try_statement",
    "except_clause", "except_group_clause", "finally_clause", "with_statement", "match_statement", "case_clause",
    "function_definition", "class_definition", "decorated_definition",
)  # fmt: skip


def block(scope: ScopeWalk, node: Node | None, depth: int) -> Outcome:
    """Read the statements of a block, or of the module."""
    if node is None:
        return "", False
    if depth > MAX_DEPTH:
        scope.too_deep(node)
        return "", False
    exits = ""
    only_pass = True
    was_depth, scope.depth = scope.depth, depth
    for child in node.children:
        kind = child.kind_id
        handler = STMT.get(kind)
        if handler is not None:
            outcome = handler(scope, child, depth)
            if outcome is not NOTHING:
                only_pass = False
                exits = exits or outcome
        elif kind == COMMENT:
            scope.file.comment(child)
        elif kind not in PUNCTUATION:
            only_pass = False
            EXPR[kind](scope, child, "discarded", -1, depth)
    scope.depth = was_depth
    return exits, only_pass


def last_line(node: Node) -> int:
    """The line on which a statement or block ends; the parser counts the comments after it, too."""
    while node.kind_id in _HOLDS_BLOCK:
        last = next((c for c in reversed(node.children) if c.kind_id not in EXTRAS), None)
        if last is None:
            break
        node = last
    return node.end_point.row + 1


def joined(first: str, second: str) -> str:
    """How control leaves where either of two branches is taken."""
    if not first or not second:
        return ""
    return first if first == second else "mixed"


def error(scope: ScopeWalk, node: Node, depth: int) -> str:
    """What could not be parsed: whatever is whole inside it is read."""
    if depth > MAX_DEPTH:
        scope.too_deep(node)
        return ""
    for child in node.children:
        kind = child.kind_id
        if kind in STMT:
            if kind == ERROR:
                scope.extra(child)
            else:
                STMT[kind](scope, child, depth + 1)
        elif kind == COMMENT:
            scope.file.comment(child)
        elif child.is_named:
            EXPR[kind](scope, child, "discarded", -1, depth + 1)
    return ""


STMT[ERROR] = error
