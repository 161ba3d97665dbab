"""Import statements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from roadworthy.facts.python.grammar import kinds
from roadworthy.facts.python.state import ScopeWalk, statement
from roadworthy.facts.schema import Import

if TYPE_CHECKING:
    from tree_sitter import Node

_ALIASED: Final = kinds("aliased_import")
_RELATIVE: Final = kinds("relative_import")
_PREFIX: Final = kinds("import_prefix")
_WILDCARD: Final = kinds("wildcard_import")
_SPACES: Final = str.maketrans("", "", " \t\n\f\\")


@statement("import_statement")
def import_(scope: ScopeWalk, node: Node, depth: int) -> str:
    """`import a.b as c, d`."""
    line = node.start_point.row + 1
    for part in scope.parts(node):
        if part.is_named:
            module, asname = _name(scope, part)
            _add(scope, line, module, 0, None, asname)
    return ""


@statement("import_from_statement", "future_import_statement")
def import_from(scope: ScopeWalk, node: Node, depth: int) -> str:
    """`from ..a import b as c, d`."""
    line = node.start_point.row + 1
    parts = scope.parts(node)
    module, level = "__future__", 0
    at = next((i for i, p in enumerate(parts) if p.type == "import" and not p.is_named), len(parts))
    if at == 2 and parts[1].is_named:
        module, level = _module(scope, parts[1])
    for part in parts[at + 1 :]:
        if part.kind_id in _WILDCARD:
            _add(scope, line, module, level, "*", None)
        elif part.is_named:
            name, asname = _name(scope, part)
            _add(scope, line, module, level, name, asname)
    return ""


def _module(scope: ScopeWalk, node: Node) -> tuple[str, int]:
    if node.kind_id not in _RELATIVE:
        return _dotted(scope, node), 0
    level, module = 0, ""
    for part in scope.parts(node):
        if part.kind_id in _PREFIX:
            level = scope.file.word(part).count(".")
        else:
            module = _dotted(scope, part)
    return module, level


def _name(scope: ScopeWalk, node: Node) -> tuple[str, str | None]:
    if node.kind_id not in _ALIASED:
        return _dotted(scope, node), None
    parts = scope.parts(node)
    return _dotted(scope, parts[0]), scope.file.word(parts[-1])


def _dotted(scope: ScopeWalk, node: Node) -> str:
    return scope.file.word(node).translate(_SPACES)


def _add(scope: ScopeWalk, line: int, module: str, level: int, name: str | None, asname: str | None) -> None:
    found = Import(scope.tick(), line, module, level, name, asname, scope.in_type_checking, scope.in_try)
    scope.imports.append(found)
