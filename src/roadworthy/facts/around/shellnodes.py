"""Questions to the nodes of a shell's syntax tree."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts.around.shellwords import ALL_ARGUMENTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tree_sitter import Node

Cases = tuple[tuple[str, tuple[str, ...]], ...]

_QUIET_ENDS = frozenset({"exit", ":", "true", "return"})
_EQUALS = re.compile(r"""[\[\s]*["']?\$\{?(\w+)[^"'\s\]]*["']?\s*(?:==?|=~)\s*\^?["']?([\w.\-/:*]+)\$?["']?[\s\]]*""")


def condition_cases(conditions: Iterable[Node]) -> Cases:
    """`[ "$1" = web ]` says which value of `$1` leads into the branch."""
    tests = [c for c in conditions if c.is_named]
    if len(tests) != 1 or tests[0].type != "test_command":
        return ()
    match = _EQUALS.fullmatch(text_of(tests[0]))
    return ((f"${match[1]}", (match[2],)),) if match else ()


def after_exec(words: tuple[str, ...]) -> tuple[str, ...]:
    """What `exec` starts; its options are `-c`, `-l` and `-a NAME`."""
    at = 1
    while at < len(words) and words[at].startswith("-") and words[at] != ALL_ARGUMENTS:
        at += 2 if words[at] == "-a" else 1
    return words[at:]


def with_background(parent: Node) -> list[tuple[Node, bool]]:
    """Return the named children, and whether `&` follows each. (`next_sibling` takes linear time.)."""
    following = [child.type for child in parent.children[1:]]
    following.append("")
    return [(child, after == "&") for child, after in zip(parent.children, following, strict=False) if child.is_named]


def last_index(nodes: list[Node]) -> int:
    """The last statement that does something before the script ends."""
    for index in range(len(nodes) - 1, -1, -1):
        node = nodes[index]
        name = node.child_by_field_name("name") if node.type == "command" else None
        if node.type in ("function_definition", "variable_assignment", "ERROR"):
            continue
        if name is None or text_of(name) not in _QUIET_ENDS:
            return index
    return len(nodes) - 1


def first_error(root: Node) -> int:
    """The line of the first error, or 0 when it is empty (a backslash at the very end)."""
    node = root
    while True:
        if node.type == "ERROR" or node.is_missing:
            return line_of(node) if node.is_missing or node.text else 0
        inner = next((c for c in node.children if c.has_error or c.is_missing), None)
        if inner is None:
            return line_of(node)
        node = inner


def line_of(node: Node) -> int:
    """Return its 1-based first line."""
    return node.start_point[0] + 1


def text_of(node: Node) -> str:
    """Return its source."""
    return (node.text or b"").decode("utf-8", "replace")
