"""Compound statements: if, loops, try, with. Each block becomes a region."""

from __future__ import annotations

from typing import Final

from tree_sitter import Node

from roadworthy.facts.python.blocks import block, joined, last_line
from roadworthy.facts.python.grammar import BLOCK, kinds
from roadworthy.facts.python.names import target
from roadworthy.facts.python.state import EXPR, Opened, ScopeWalk, statement
from roadworthy.facts.schema import Assign, Attr, CallRef, Const, Expr, Name, Seq

_ELIF: Final = kinds("elif_clause")
_ELSE: Final = kinds("else_clause")
_EXCEPT: Final = kinds("except_clause", "except_group_clause")
_FINALLY: Final = kinds("finally_clause")
_AS: Final = kinds("as_pattern")
_CONDITIONAL: Final = kinds("conditional_expression")
_WITH_CLAUSE: Final = kinds("with_clause")
_WITH_ITEM: Final = kinds("with_item")
_PARENTHESES: Final = kinds("parenthesized_expression", "tuple")

_Branch = tuple[Node, Node | None, Node | None]
"""An `if`, `elif` or `else`: its node, its condition, its block."""


def lines(node: Node) -> tuple[int, int]:
    """First and last line."""
    return node.start_point.row + 1, last_line(node)


def _body(parts: list[Node]) -> Node | None:
    return next((p for p in reversed(parts) if p.kind_id in BLOCK), None)


# --- if --------------------------------------------------------------------------------------------------------------


@statement("if_statement")
def if_(scope: ScopeWalk, node: Node, depth: int) -> str:
    """`if`, `elif` and `else`. An elif is an `else` region that holds an `if`; in a loop, for there may be thousands."""
    end_line = last_line(node)
    wrappers: list[tuple[Opened, int, int]] = []
    outcomes: list[str] = []
    result = ""
    group = -1
    for clause, test_node, body in _branches(scope, node):
        line = clause.start_point.row + 1
        if group >= 0:
            wrappers.append((scope.enter(), line, group))
        if test_node is None:
            result, only_pass = block(scope, body, depth + 1)
            opened, line, group = wrappers.pop()
            scope.leave(opened, "else", (line, end_line), group, result, only_pass)
            break
        test = EXPR[test_node.kind_id](scope, test_node, "condition", -1, depth)
        was_type_checking = scope.in_type_checking
        scope.in_type_checking = was_type_checking or _is_type_checking(test)
        opened = scope.enter()
        group = opened[0]
        exits, only_pass = block(scope, body, depth + 1)
        own_end = line if body is None else last_line(body)
        scope.leave(opened, "if", (line, own_end), group, exits, only_pass, test)
        scope.in_type_checking = was_type_checking
        outcomes.append(exits)
    while outcomes:
        result = joined(outcomes.pop(), result)
        if outcomes:
            opened, line, group = wrappers.pop()
            scope.leave(opened, "else", (line, end_line), group, result, False)
    return result


def _branches(scope: ScopeWalk, node: Node) -> list[_Branch]:
    parts = scope.parts(node)
    found = [(node, _condition(parts), next((p for p in parts if p.kind_id in BLOCK), None))]
    last: _Branch | None = None
    for part in parts:
        kind = part.kind_id
        if kind in _ELIF:
            inner = scope.parts(part)
            found.append((part, _condition(inner), _body(inner)))
        elif kind in _ELSE:
            last = (part, None, _body(scope.parts(part)))
    branches: list[_Branch] = [b for b in found if b[1] is not None]
    if last is not None and branches:
        branches.append(last)
    return branches


def _condition(parts: list[Node]) -> Node | None:
    return next((p for p in parts[1:2] if p.is_named and p.kind_id not in BLOCK), None)


def _is_type_checking(test: Expr) -> bool:
    return (isinstance(test, Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, Attr) and test.name == "TYPE_CHECKING"
    )


# --- loops -----------------------------------------------------------------------------------------------------------


@statement("for_statement")
def for_(scope: ScopeWalk, node: Node, depth: int) -> str:
    """`for target in iterable`: the iterable is evaluated outside, the target is bound inside."""
    parts = scope.parts(node)
    at = next((i for i, p in enumerate(parts) if p.type == "in"), -1)
    if at < 1 or at + 1 >= len(parts):
        return block(scope, _body(parts), depth + 1)[0]
    source = parts[at + 1]
    iterable = EXPR[source.kind_id](scope, source, "iterated", -1, depth)
    opened = scope.enter()
    variable = target(scope, parts[at - 1], depth)
    line, end_line = parts[at - 1].start_point.row + 1, source.end_point.row + 1
    scope.assigns.append(Assign(scope.tick(), scope.region, line, end_line, variable, iterable, "for"))
    exits, only_pass, broke = _loop_body(scope, parts, depth)
    is_async = parts[0].type == "async"
    scope.leave(
        opened, "for", _loop_lines(node, parts), opened[0], exits, only_pass, iterable, variable, is_async=is_async
    )
    otherwise = _loop_else(scope, parts, opened[0], depth)
    return "" if broke else otherwise


@statement("while_statement")
def while_(scope: ScopeWalk, node: Node, depth: int) -> str:
    """`while test`: the test is evaluated inside, as it is again and again."""
    parts = scope.parts(node)
    opened = scope.enter()
    test_node = _condition(parts)
    test = None if test_node is None else EXPR[test_node.kind_id](scope, test_node, "condition", -1, depth)
    first = len(scope.leaves)
    exits, only_pass, broke = _loop_body(scope, parts, depth)
    kinds_inside = {leave.kind for leave in scope.leaves[first:]} & {"return", "raise"}
    scope.leave(opened, "while", _loop_lines(node, parts), opened[0], exits, only_pass, test)
    otherwise = _loop_else(scope, parts, opened[0], depth)
    if broke:
        return ""
    if isinstance(test, Const) and test.value:
        # It has no end: what follows is reached never, and left is only the way out of the middle or an exception.
        return "mixed" if len(kinds_inside) > 1 else next(iter(kinds_inside), "raise")
    return otherwise


def _loop_body(scope: ScopeWalk, parts: list[Node], depth: int) -> tuple[str, bool, bool]:
    was_broken, scope.broke = scope.broke, False
    body = next((p for p in parts if p.kind_id in BLOCK), None)
    exits, only_pass = block(scope, body, depth + 1)
    broke, scope.broke = scope.broke, was_broken
    return exits, only_pass, broke


def _loop_lines(node: Node, parts: list[Node]) -> tuple[int, int]:
    body = next((p for p in parts if p.kind_id in BLOCK), node)
    return node.start_point.row + 1, last_line(body)


def _loop_else(scope: ScopeWalk, parts: list[Node], group: int, depth: int) -> str:
    clause = next((p for p in parts if p.kind_id in _ELSE), None)
    return "" if clause is None else _region(scope, "loop_else", clause, group, depth)


def _region(scope: ScopeWalk, kind: str, clause: Node, group: int, depth: int) -> str:
    """A clause that is nothing but a block."""
    opened = scope.enter()
    body = _body(scope.parts(clause))
    exits, only_pass = block(scope, body, depth + 1)
    scope.leave(opened, kind, lines(clause), group, exits, only_pass)
    return exits


# --- try -------------------------------------------------------------------------------------------------------------


@statement("try_statement")
def try_(scope: ScopeWalk, node: Node, depth: int) -> str:
    """`try` with its handlers, `else` and `finally`."""
    parts = scope.parts(node)
    was_in_try, scope.in_try = scope.in_try, True
    opened = scope.enter()
    group = opened[0]
    body = next((p for p in parts if p.kind_id in BLOCK), None)
    main, only_pass = block(scope, body, depth + 1)
    end_line = last_line(node if body is None else body)
    scope.leave(opened, "try", (node.start_point.row + 1, end_line), group, main, only_pass)
    handlers: list[str] = []
    final = ""
    for part in parts:
        kind = part.kind_id
        if kind in _EXCEPT:
            handlers.append(_except(scope, part, group, depth))
        elif kind in _ELSE:
            otherwise = _region(scope, "try_else", part, group, depth)
            main = main or otherwise
        elif kind in _FINALLY:
            final = _region(scope, "finally", part, group, depth)
    scope.in_try = was_in_try
    for exits in handlers:
        main = joined(main, exits)
    return final or main


def _except(scope: ScopeWalk, node: Node, group: int, depth: int) -> str:
    opened = scope.enter()
    parts = scope.parts(node)
    values = [p for p in parts if p.is_named and p.kind_id not in BLOCK]
    name: Node | None = None
    if values and values[-1].kind_id in _AS:
        inner = scope.parts(values[-1])
        values[-1], name = inner[0], inner[-1]
    elif len(values) == 2 and _is_old_target(scope, values[1]):
        name = values.pop()
    types: list[Expr] = []
    for value in values:
        caught = EXPR[value.kind_id](scope, value, "stored", -1, depth)
        types.extend(caught.items if isinstance(caught, Seq) else (caught,))
    bound: Expr | None = None
    if name is not None:
        bound = target(scope, name, depth)
        line = node.start_point.row + 1
        caught = Seq("tuple", tuple(types))
        scope.assigns.append(Assign(scope.tick(), scope.region, line, line, bound, caught, "except"))
    exits, only_pass = block(scope, _body(parts), depth + 1)
    scope.leave(opened, "except", lines(node), group, exits, only_pass, None, bound, tuple(types))
    return exits


def _is_old_target(scope: ScopeWalk, node: Node) -> bool:
    """`except Error, e` of Python 2 against `except Error, Other` of 3.14: a class is not written in lower case."""
    text = scope.file.word(node)
    return text.isidentifier() and text.islower()


# --- with ------------------------------------------------------------------------------------------------------------


@statement("with_statement")
def with_(scope: ScopeWalk, node: Node, depth: int) -> str:
    """`with a() as b, c()`: the contexts are entered and bound before the region begins."""
    parts = scope.parts(node)
    items: list[tuple[Expr, Expr | None]] = []
    for clause in parts:
        if clause.kind_id in _WITH_CLAUSE:
            items += [_with_item(scope, p, depth) for p in _contexts(scope, clause)]
    opened = scope.enter()
    exits, only_pass = block(scope, _body(parts), depth + 1)
    is_async = parts[0].type == "async"
    scope.leave(opened, "with", lines(node), opened[0], exits, only_pass, items=tuple(items), is_async=is_async)
    return "" if any(_suppresses(scope, context) for context, _ in items) else exits


def _contexts(scope: ScopeWalk, clause: Node) -> list[Node]:
    """The items of a with statement. `(a as b)` and `(a as b,)` come as an expression in parentheses."""
    found: list[Node] = []
    for item in scope.parts(clause):
        if item.kind_id in _WITH_ITEM:
            value = scope.parts(item)[0]
            inner = [p for p in scope.parts(value) if p.is_named] if value.kind_id in _PARENTHESES else []
            found += inner if any(_as_pattern(scope, p) is not None for p in inner) else [value]
    return found


def _as_pattern(scope: ScopeWalk, node: Node) -> Node | None:
    """The `… as name` of an item. Of `a if b else c as d` the grammar hangs it on `c`."""
    while node.kind_id in _CONDITIONAL:
        node = scope.parts(node)[-1]
    return node if node.kind_id in _AS else None


def _with_item(scope: ScopeWalk, node: Node, depth: int) -> tuple[Expr, Expr | None]:
    named = _as_pattern(scope, node)
    value = scope.parts(node)[0] if named == node else node
    context = EXPR[value.kind_id](scope, value, "context", -1, depth)
    if named is None:
        return context, None
    bound = target(scope, scope.parts(named)[-1], depth)
    line, end_line = lines(node)
    scope.assigns.append(Assign(scope.tick(), scope.region, line, end_line, bound, context, "with"))
    return context, bound


def _suppresses(scope: ScopeWalk, context: Expr) -> bool:
    """`contextlib.suppress(…)`: what is raised inside does not leave."""
    if not isinstance(context, CallRef):
        return False
    func = scope.calls[context.index].func
    return (isinstance(func, Name) and func.id == "suppress") or (isinstance(func, Attr) and func.name == "suppress")
