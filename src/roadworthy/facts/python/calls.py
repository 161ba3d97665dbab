"""Calls and `await`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from roadworthy.facts.python.grammar import (
    ARGUMENT_LIST,
    CALL,
    DICTIONARY_SPLAT,
    KEYWORD_ARGUMENT,
    SKIPPED,
    kinds,
)
from roadworthy.facts.python.state import EMPTY_CALL, EXPR, MAX_DEPTH, ScopeWalk, expression, statement
from roadworthy.facts.schema import Await, BoolOp, Call, CallRef, Expr, IfExp, Name

if TYPE_CHECKING:
    from tree_sitter import Node

_NOT_POSITIONAL: Final = SKIPPED | {KEYWORD_ARGUMENT, DICTIONARY_SPLAT}
_PASSES_ON: Final = kinds("parenthesized_expression", "conditional_expression", "boolean_operator")
_CHEVRON: Final = kinds("chevron")

Arguments = tuple[tuple[Expr, ...], tuple[tuple[str, Expr], ...]]


@expression("call")
def call(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int, awaited: bool = False) -> Expr:
    """A call. Its place in the list is taken before the calls inside it, its order is given after them."""
    if depth > MAX_DEPTH:
        return scope.too_deep(node)
    calls = scope.calls
    index = len(calls)
    calls.append(EMPTY_CALL)
    children = node.children
    if len(children) != 2:
        children = scope.parts(node)
    func_node, arguments_node = children[0], children[-1]
    kind = func_node.kind_id
    func = EXPR[kind](scope, func_node, "receiver", index, depth + 1)
    args: tuple[Expr, ...] = ()
    kwargs: tuple[tuple[str, Expr], ...] = ()
    if arguments_node.kind_id == ARGUMENT_LIST:
        args, kwargs = arguments(scope, arguments_node, "argument", index, depth + 1)
    elif arguments_node is not func_node:  # f(x for x in y)
        args = (EXPR[arguments_node.kind_id](scope, arguments_node, "argument", index, depth + 1),)
    start = node.start_point
    column = start.column
    if scope.moved_star == node.start_byte:
        column += 1  # the star before it is none of its own
    order = scope.order
    scope.order = order + 1
    calls[index] = Call(
        order, scope.region, start.row + 1, node.end_point.row + 1, column, func, args, kwargs, awaited, use, outer
    )  # fmt: skip
    return CallRef(index)


def arguments(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Arguments:
    """The positional and the named items of an argument list."""
    args: list[Expr] = []
    kwargs: list[tuple[str, Expr]] = []
    for child in node.children:
        kind = child.kind_id
        if kind not in _NOT_POSITIONAL:
            args.append(EXPR[kind](scope, child, use, outer, depth))
        elif kind == KEYWORD_ARGUMENT:
            parts = child.children
            if len(parts) != 3:
                parts = scope.parts(child)
            value = EXPR[parts[-1].kind_id](scope, parts[-1], use, outer, depth)
            kwargs.append((scope.file.word(parts[0]), value))
        elif kind == DICTIONARY_SPLAT:
            last = scope.parts(child)[-1]
            kwargs.append(("**", EXPR[last.kind_id](scope, last, use, outer, depth)))
        elif child.is_named:
            scope.extra(child)
    return tuple(args), tuple(kwargs)


@expression("await")
def await_(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """`await value`."""
    if depth > MAX_DEPTH:
        return scope.too_deep(node)
    operand = scope.parts(node)[-1]
    return Await(_awaited(scope, operand, use, outer, depth + 1))


def _awaited(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """The operand of `await`: the call that yields what is awaited is marked, through parentheses and branches."""
    kind = node.kind_id
    if kind == CALL:
        return call(scope, node, use, outer, depth, True)
    if kind not in _PASSES_ON:
        return EXPR[kind](scope, node, use, outer, depth)
    first = len(scope.calls)
    value = EXPR[kind](scope, node, use, outer, depth)
    _mark_awaited(scope, value, first)
    return value


def _mark_awaited(scope: ScopeWalk, value: Expr, first: int) -> None:
    if isinstance(value, CallRef):
        if value.index >= first:
            old = scope.calls[value.index]
            scope.calls[value.index] = Call(
                old.order, old.region, old.line, old.end_line, old.column, old.func, old.args, old.kwargs, True, old.use,
                old.outer,
            )  # fmt: skip
    elif isinstance(value, IfExp):
        _mark_awaited(scope, value.body, first)
        _mark_awaited(scope, value.orelse, first)
    elif isinstance(value, BoolOp):
        for item in value.items:
            _mark_awaited(scope, item, first)


@statement("print_statement", "exec_statement")
def print_or_exec(scope: ScopeWalk, node: Node, depth: int) -> str:
    """The print and exec statements of Python 2, as calls."""
    index = len(scope.calls)
    scope.calls.append(EMPTY_CALL)
    name = "print" if node.type == "print_statement" else "exec"
    args: list[Expr] = []
    kwargs: list[tuple[str, Expr]] = []
    for child in scope.parts(node):
        kind = child.kind_id
        if kind in _CHEVRON:
            last = scope.parts(child)[-1]
            kwargs.append(("file", EXPR[last.kind_id](scope, last, "argument", index, depth + 1)))
        elif child.is_named:
            args.append(EXPR[kind](scope, child, "argument", index, depth + 1))
    start = node.start_point
    scope.calls[index] = Call(
        scope.tick(), scope.region, start.row + 1, node.end_point.row + 1, start.column, Name(name), tuple(args),
        tuple(kwargs), False, "discarded",
    )  # fmt: skip
    return ""
