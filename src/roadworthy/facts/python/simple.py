"""Simple statements: expressions, assignments, return, raise and their like."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from roadworthy.facts.python.grammar import ASSIGNMENT, CALL, SKIPPED, TYPE, kind, kinds, token
from roadworthy.facts.python.hints import annotation
from roadworthy.facts.python.names import target
from roadworthy.facts.python.operators import display
from roadworthy.facts.python.state import EXPR, NOTHING, ScopeWalk, statement
from roadworthy.facts.schema import (
    Assign,
    Attr,
    Await,
    CallRef,
    Const,
    Expr,
    Leave,
    Name,
    Seq,
    Str,
    Test,
    Walrus,
    Yield,
)

if TYPE_CHECKING:
    from tree_sitter import Node

_AUGMENTED: Final = kind("augmented_assignment")
_EQUALS: Final = token("=")
_EXITS: Final = frozenset({("sys", "exit"), ("os", "_exit")})
_EXIT_NAMES: Final = frozenset({"exit", "quit"})
_LISTS: Final = kinds("expression_list")
_NO_VALUE: Final = frozenset({"bytes", "ellipsis"})
_SILENT: Final = (CallRef, Str, Const, Yield, Walrus)


@statement("expression_statement")
def expression_statement(scope: ScopeWalk, node: Node, depth: int) -> str:
    """An expression or an assignment on a line of its own."""
    children = node.children
    if len(children) != 1:
        children = scope.parts(node)
        if len(children) != 1:
            return _bare_tuple(scope, node, depth)
    child = children[0]
    kind_id = child.kind_id
    if kind_id == CALL:
        first = len(scope.calls)
        EXPR[CALL](scope, child, "discarded", -1, depth)
        return "raise" if len(scope.calls) > first and _is_exit(scope.calls[first].func) else ""
    if kind_id == ASSIGNMENT:
        assignment(scope, child, depth)
        return ""
    if kind_id == _AUGMENTED:
        augmented(scope, child, depth)
        return ""
    value = EXPR[kind_id](scope, child, "discarded", -1, depth)
    if isinstance(value, Str) or (isinstance(value, Const) and value.kind in _NO_VALUE):
        return NOTHING
    inner = value.value if isinstance(value, Await) else value
    if not isinstance(inner, _SILENT):
        scope.tests.append(Test("expr", scope.tick(), scope.region, node.start_point.row + 1, value))
    return ""


def _bare_tuple(scope: ScopeWalk, node: Node, depth: int) -> str:
    items = display(scope, node, -1, depth)
    if items:
        value = Seq("tuple", items)
        scope.tests.append(Test("expr", scope.tick(), scope.region, node.start_point.row + 1, value))
    return ""


def _is_exit(func: Expr) -> bool:
    if isinstance(func, Name):
        return func.id in _EXIT_NAMES
    return isinstance(func, Attr) and isinstance(func.value, Name) and (func.value.id, func.name) in _EXITS


@statement("assignment")
def assignment_statement(scope: ScopeWalk, node: Node, depth: int) -> str:
    """An assignment that the parser left without its statement."""
    assignment(scope, node, depth)
    return ""


def assignment(scope: ScopeWalk, node: Node, depth: int) -> None:
    """`a = b = value`, `a: T = value`, `a: T`."""
    targets: list[Node] = []
    type_node: Node | None = None
    value_node: Node | None = node
    # A chain nests to the right: walk it in a loop.
    while value_node is not None and value_node.kind_id == ASSIGNMENT:
        parts = value_node.children
        if len(parts) != 3:
            parts = scope.parts(value_node)
        targets.append(parts[0])
        value_node = None
        for before, part in itertools.pairwise(parts):
            if before.kind_id == _EQUALS:
                value_node = part
            elif part.kind_id == TYPE:
                type_node = part
    value = None if value_node is None else EXPR[value_node.kind_id](scope, value_node, "assigned", -1, depth)
    written = None if type_node is None else annotation(scope, type_node, depth)
    line, end_line = node.start_point.row + 1, node.end_point.row + 1
    for target_node in targets:
        to = target(scope, target_node, depth)
        order = scope.order
        scope.order = order + 1
        scope.assigns.append(Assign(order, scope.region, line, end_line, to, value, "=", written))


@statement("augmented_assignment")
def augmented(scope: ScopeWalk, node: Node, depth: int) -> str:
    """`a += value`: the target is read before it is written."""
    parts = scope.parts(node)
    to = EXPR[parts[0].kind_id](scope, parts[0], "stored", -1, depth)
    value = EXPR[parts[-1].kind_id](scope, parts[-1], "assigned", -1, depth)
    op = next((p.type for p in parts if not p.is_named), "+=")
    line, end_line = node.start_point.row + 1, node.end_point.row + 1
    scope.assigns.append(Assign(scope.tick(), scope.region, line, end_line, to, value, op))
    return ""


@statement("return_statement")
def return_(scope: ScopeWalk, node: Node, depth: int) -> str:
    """`return value`."""
    children = node.children
    if len(children) > 2:
        children = scope.parts(node)
    value: Expr | None = None
    if len(children) > 1:
        child = children[-1]
        value = EXPR[child.kind_id](scope, child, "returned", -1, depth)
    order = scope.order
    scope.order = order + 1
    scope.leaves.append(Leave("return", order, scope.region, node.start_point.row + 1, value))
    return "return"


@statement("raise_statement")
def raise_(scope: ScopeWalk, node: Node, depth: int) -> str:
    """`raise value from cause`; of `raise E, "text"` the first is the value."""
    values: list[Expr] = []
    cause: Expr | None = None
    after_from = False
    for child in scope.parts(node):
        kind_id = child.kind_id
        if not child.is_named:
            after_from = after_from or child.type == "from"
        elif after_from:
            cause = EXPR[kind_id](scope, child, "raised", -1, depth)
        elif kind_id in _LISTS:
            values += [EXPR[c.kind_id](scope, c, "raised", -1, depth + 1) for c in scope.parts(child) if c.is_named]
        else:
            values.append(EXPR[kind_id](scope, child, "raised", -1, depth))
    value = values[0] if values else None
    scope.leaves.append(Leave("raise", scope.tick(), scope.region, node.start_point.row + 1, value, cause))
    return "raise"


@statement("break_statement")
def break_(scope: ScopeWalk, node: Node, depth: int) -> str:
    """`break`."""
    scope.broke = True
    scope.leaves.append(Leave("break", scope.tick(), scope.region, node.start_point.row + 1))
    return "break"


@statement("continue_statement")
def continue_(scope: ScopeWalk, node: Node, depth: int) -> str:
    """`continue`."""
    scope.leaves.append(Leave("continue", scope.tick(), scope.region, node.start_point.row + 1))
    return "continue"


@statement("pass_statement")
def pass_(scope: ScopeWalk, node: Node, depth: int) -> str:
    """`pass`."""
    return NOTHING


@statement("assert_statement")
def assert_(scope: ScopeWalk, node: Node, depth: int) -> str:
    """`assert test, message`."""
    named = [p for p in scope.parts(node) if p.is_named]
    if not named:
        return ""
    value = EXPR[named[0].kind_id](scope, named[0], "condition", -1, depth)
    for message in named[1:]:
        EXPR[message.kind_id](scope, message, "stored", -1, depth)
    scope.tests.append(Test("assert", scope.tick(), scope.region, node.start_point.row + 1, value))
    return ""


@statement("delete_statement")
def delete(scope: ScopeWalk, node: Node, depth: int) -> str:
    """`del a, b[c]`: one event for each."""
    for child in scope.parts(node):
        if child.kind_id in SKIPPED:
            continue
        parts = scope.parts(child) if child.kind_id in _LISTS else [child]
        for part in parts:
            if part.is_named:
                value = target(scope, part, depth)
                scope.tests.append(Test("delete", scope.tick(), scope.region, node.start_point.row + 1, value))
    return ""


@statement("global_statement", "nonlocal_statement")
def global_(scope: ScopeWalk, node: Node, depth: int) -> str:
    """`global a, b` and `nonlocal a, b`."""
    for part in scope.parts(node):
        if part.is_named:
            name = scope.file.word(part)
            if name not in scope.globals:
                scope.globals.append(name)
    return ""
