"""`match` statements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from roadworthy.facts.python.blocks import block, joined, last_line
from roadworthy.facts.python.grammar import BLOCK, COMMENT, IDENTIFIER, kinds
from roadworthy.facts.python.names import new_name
from roadworthy.facts.python.state import EXPR, OTHER_LENGTH, ScopeWalk, statement
from roadworthy.facts.schema import Assign, Expr, Other, Seq

if TYPE_CHECKING:
    from tree_sitter import Node

_CASE: Final = kinds("case_clause")
_GUARD: Final = kinds("if_clause")
_CLASS: Final = kinds("class_pattern")
_DOTTED: Final = kinds("dotted_name")
_KEYWORD: Final = kinds("keyword_pattern")
_LEAVES: Final = kinds("string", "concatenated_string", "integer", "float")


@statement("match_statement")
def match(scope: ScopeWalk, node: Node, depth: int) -> str:
    """`match subject` with a region for each case."""
    subjects: list[Expr] = []
    cases: list[Node] = []
    comma = False
    for part in scope.parts(node):
        kind = part.kind_id
        if kind in BLOCK:
            cases += [p for p in scope.parts(part) if p.kind_id in _CASE]
        elif kind in _CASE:
            cases.append(part)
        elif part.is_named:
            subjects.append(EXPR[kind](scope, part, "condition", -1, depth))
        else:
            comma = comma or part.type == ","
    subject = subjects[0] if len(subjects) == 1 and not comma else Seq("tuple", tuple(subjects))
    group = len(scope.regions)
    outcomes: list[str] = []
    is_complete = False
    for clause in cases:
        exits, catches_all = _case(scope, clause, subject, group, depth)
        outcomes.append(exits)
        is_complete = is_complete or catches_all
    if not outcomes or not is_complete:
        return ""
    result = outcomes[0]
    for exits in outcomes[1:]:
        result = joined(result, exits)
    return result


def _case(scope: ScopeWalk, node: Node, subject: Expr, group: int, depth: int) -> tuple[str, bool]:
    """One case. Names that its pattern binds are assignments of the kind "case"."""
    opened = scope.enter()
    parts = scope.parts(node)
    body = next((p for p in parts if p.kind_id in BLOCK), None)
    head = [p for p in parts[1:] if p.kind_id not in BLOCK and p.type != ":"]
    text = _head_text(scope, head)
    guard: Node | None = None
    for part in head:
        if part.kind_id in _GUARD:
            guard = part
        elif part.is_named:
            _bind(scope, part, text)
    if guard is not None:
        test = scope.parts(guard)[-1]
        EXPR[test.kind_id](scope, test, "condition", -1, depth)
    exits, only_pass = block(scope, body, depth + 1)
    first, last = node.start_point.row + 1, last_line(node)
    scope.leave(opened, "case", (first, last), group, exits, only_pass, subject, text)
    catches_all = guard is None and len(head) == 1 and text.text.isidentifier()
    return exits, catches_all


def _head_text(scope: ScopeWalk, head: list[Node]) -> Other:
    if not head:
        return Other("")
    text = scope.text[head[0].start_byte : head[-1].end_byte]
    return Other(" ".join(scope.file.decoded(text).split())[:OTHER_LENGTH])


def _bind(scope: ScopeWalk, node: Node, pattern: Other) -> None:
    """Record the names that a pattern reads (`Color.RED`, classes) and those that it binds, without recursion."""
    stack = [node]
    while stack:
        found = stack.pop()
        kind = found.kind_id
        if kind == COMMENT:
            scope.file.comment(found)
        elif kind in _DOTTED:
            _dotted(scope, found, pattern)
        elif kind in _CLASS:
            children = scope.parts(found)
            scope.last_read[scope.file.word(children[0]).partition(".")[0].strip()] = scope.order
            stack.extend(reversed(children[1:]))
        elif kind in _KEYWORD:
            stack.extend(reversed(scope.parts(found)[1:]))
        elif kind == IDENTIFIER:
            _write(scope, found, pattern)
        elif kind not in _LEAVES:
            stack.extend(reversed(found.children))


def _dotted(scope: ScopeWalk, node: Node, pattern: Other) -> None:
    words = [scope.file.word(p) for p in scope.parts(node) if p.kind_id == IDENTIFIER]
    if len(words) == 1:
        _write(scope, node, pattern)
        return
    for count in range(1, len(words) + 1):
        scope.last_read[".".join(words[:count])] = scope.order


def _write(scope: ScopeWalk, node: Node, pattern: Other) -> None:
    text = scope.text[node.start_byte : node.end_byte]
    if text != "_":
        line, end_line = node.start_point.row + 1, node.end_point.row + 1
        scope.assigns.append(
            Assign(scope.tick(), scope.region, line, end_line, new_name(scope, text), pattern, "case")
        )  # fmt: skip
