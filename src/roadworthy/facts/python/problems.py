"""Which parts of a file could not be parsed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts.python.grammar import ERROR, TYPE_PARAMETER
from roadworthy.facts.python.state import MAX_PROBLEMS, FileWalk

if TYPE_CHECKING:
    from tree_sitter import Node


def find_problems(file: FileWalk, root: Node) -> None:
    """One problem for each line at which the parser gave up or had to invent something."""
    found = 0
    stack = [root]
    while stack and found < MAX_PROBLEMS:
        node = stack.pop()
        if node.kind_id == ERROR or node.is_missing:
            file.problem(node.start_point.row + 1, "could not parse")
            found += 1
        elif (
            node.kind_id not in TYPE_PARAMETER
        ):  # `class Page[T = int]`: newer than the grammar, and nothing is lost by it
            stack.extend(child for child in reversed(node.children) if child.has_error or child.is_missing)
