"""Names, attributes and subscripts, read and written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from roadworthy.facts.python.grammar import ATTRIBUTE, IDENTIFIER, SKIPPED, TYPE, kinds, token
from roadworthy.facts.python.state import EXPR, MAX_DEPTH, PATH_LENGTH, ScopeWalk, expression
from roadworthy.facts.schema import Attr, Expr, Name, Seq, Star, Sub

if TYPE_CHECKING:
    from tree_sitter import Node

_DISPLAYS: Final = kinds("pattern_list", "tuple_pattern", "tuple", "expression_list")
_LISTS: Final = kinds("list_pattern", "list")
_STARS: Final = kinds("list_splat_pattern", "list_splat", "dictionary_splat_pattern", "splat_type")
_SUBSCRIPT: Final = kinds("subscript")
_WRAPPERS: Final = kinds("parenthesized_expression", "as_pattern_target")
_COMMA: Final = token(",")
_CONSTANTS: Final = frozenset({"None", "True", "False"})


@expression("identifier")
def identifier(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """Read a name."""
    text = scope.text[node.start_byte : node.end_byte]
    name = scope.names.get(text) or new_name(scope, text)
    scope.last_read[name.id] = scope.order
    return name


def new_name(scope: ScopeWalk, text: str) -> Name:
    """The `Name` of a word of the source; equal names of a file are one object."""
    name = scope.names.get(text)
    if name is None:
        name = scope.names[text] = Name(scope.file.decoded(text))
    return name


@expression("attribute")
def attribute(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """Read `value.name`. A dotted name is recognised by its text, without a look at the nodes below."""
    start, end = node.start_byte, node.end_byte
    if end - start < PATH_LENGTH:
        text = scope.text[start:end]
        found = scope.paths.get(text) or _new_path(scope, text)
        if found is not None:
            order = scope.order
            for path in found[1]:
                scope.last_read[path] = order
            return found[0]
    if depth > MAX_DEPTH:
        return scope.too_deep(node)
    parts = scope.parts(node)
    below = parts[0]
    inner = "receiver" if use == "receiver" else "attribute"
    if below.kind_id == ATTRIBUTE:
        inner = "attribute"
    value = Attr(EXPR[below.kind_id](scope, below, inner, outer, depth + 1), scope.file.word(parts[-1]))
    written = _path_of(value)
    if written is not None:
        scope.last_read[written] = scope.order
    return value


def _path_of(value: Expr) -> str | None:
    """`a.b` of a chain that was not written in one piece."""
    words: list[str] = []
    below = value
    while isinstance(below, Attr):
        words.append(below.name)
        below = below.value
    return ".".join([below.id, *reversed(words)]) if isinstance(below, Name) else None


def _new_path(scope: ScopeWalk, text: str) -> tuple[Attr, tuple[str, ...]] | None:
    if not text.isascii() or "(" in text:
        return None
    words = text.split(".")
    if len(words) < 2 or words[0] in _CONSTANTS or not all(map(str.isidentifier, words)):
        return None
    value: Name | Attr = new_name(scope, words[0])
    path = words[0]
    paths = [path]
    for word in words[1:]:
        path = f"{path}.{word}"
        paths.append(path)
        value = Attr(value, word)
    assert isinstance(value, Attr)
    found = scope.paths[text] = (value, tuple(paths))
    return found


@expression("subscript")
def subscript(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """Read `value[index]`."""
    if depth > MAX_DEPTH:
        return scope.too_deep(node)
    children = node.children
    value = EXPR[children[0].kind_id](scope, children[0], "stored", outer, depth + 1)
    return Sub(value, index_of(scope, value, children[1:], outer, depth))


def index_of(scope: ScopeWalk, value: Expr, nodes: list[Node], outer: int, depth: int) -> Expr:
    """What stands between the brackets after `value`; several make a tuple. In an annotation, strings that are no types
    (the arguments of `Literal`, the extra ones of `Annotated`) stay strings.
    """
    was_annotation = scope.in_annotation
    last = value.name if type(value) is Attr else value.id if type(value) is Name else ""
    if was_annotation and last == "Literal":
        scope.in_annotation = False
    items: list[Expr] = []
    comma = False
    for node in nodes:
        kind = node.kind_id
        if kind in SKIPPED:
            scope.extra(node)
            comma = comma or (bool(items) and kind == _COMMA)
            continue
        items.append(display_item(scope, node, outer, depth + 1))
        if last == "Annotated":
            scope.in_annotation = False
    scope.in_annotation = was_annotation
    is_one = len(items) == 1 and not comma and type(items[0]) is not Star
    return items[0] if is_one else Seq("tuple", tuple(items))


def display_item(scope: ScopeWalk, node: Node, outer: int, depth: int) -> Expr:
    """An item between brackets. The grammar takes `*a.b()` there for `(*a).b()`: the star is put back in front."""
    kind = node.kind_id
    if scope.text[node.start_byte] != "*" or kind in _STARS:
        return EXPR[kind](scope, node, "stored", outer, depth)
    scope.moved_star = node.start_byte
    return Star(EXPR[kind](scope, node, "stored", outer, depth))


@expression("list_splat", "list_splat_pattern", "splat_type")
def star(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """`*value`."""
    if depth > MAX_DEPTH:
        return scope.too_deep(node)
    is_moved = scope.moved_star == node.start_byte
    operand = scope.parts(node)[-1]
    value = EXPR[operand.kind_id](scope, operand, use, outer, depth + 1)
    return value if is_moved else Star(value)


def target(scope: ScopeWalk, node: Node, depth: int) -> Expr:
    """What a binding writes to. Only what is read on the way to it counts as read: `x` of `x.y = 1`."""
    kind = node.kind_id
    if kind == IDENTIFIER:
        text = scope.text[node.start_byte : node.end_byte]
        return scope.names.get(text) or new_name(scope, text)
    if depth > MAX_DEPTH:
        return scope.too_deep(node)
    if kind == ATTRIBUTE:
        parts = scope.parts(node)
        below = parts[0]
        return Attr(EXPR[below.kind_id](scope, below, "attribute", -1, depth + 1), scope.file.word(parts[-1]))
    if kind in _SUBSCRIPT or kind == TYPE:
        return EXPR[kind](scope, node, "stored", -1, depth)
    if kind in _DISPLAYS or kind in _LISTS:
        parts = scope.parts(node)
        items = tuple(target(scope, n, depth + 1) for n in parts if n.is_named)
        if kind in _DISPLAYS and len(items) == 1 and not any(n.kind_id == _COMMA for n in parts):
            return items[0]  # (a) = 1
        return Seq("list" if kind in _LISTS else "tuple", items)
    if kind in _STARS or kind in _WRAPPERS:
        inner = next((n for n in scope.parts(node) if n.is_named), None)
        if inner is None:
            return scope.other(node)
        value = target(scope, inner, depth + 1)
        return Star(value) if kind in _STARS else value
    return EXPR[kind](scope, node, "stored", -1, depth)
