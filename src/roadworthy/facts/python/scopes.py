"""Functions, classes and lambdas: the head is read in the scope around them, the body later as a scope of its own."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from roadworthy.facts.python.blocks import block, last_line
from roadworthy.facts.python.calls import arguments
from roadworthy.facts.python.grammar import ARGUMENT_LIST, BLOCK, COMMENT, IDENTIFIER, STRING, TYPE, kind, kinds
from roadworthy.facts.python.hints import annotation
from roadworthy.facts.python.literals import is_interpolated
from roadworthy.facts.python.state import EXPR, MAX_DEPTH, FileWalk, Pending, ScopeWalk, expression, statement
from roadworthy.facts.schema import Expr, LambdaRef, Leave, Param, Scope, Str

if TYPE_CHECKING:
    from tree_sitter import Node

_FUNCTION: Final = kinds("function_definition")
_DEFINITIONS: Final = kinds("function_definition", "class_definition")
_DECORATOR: Final = kinds("decorator")
_PARAMETERS: Final = kinds("parameters", "lambda_parameters")
_TYPE_PARAMETER: Final = kinds("type_parameter")
_EXPRESSION_STATEMENT: Final = kinds("expression_statement")
_SINGLE_STRING: Final = kinds("string")
_KEYWORD_MARK: Final = kind("keyword_separator")
_STAR: Final = kinds("list_splat_pattern")
_STAR_STAR: Final = kinds("dictionary_splat_pattern")
_DEFAULTED: Final = kinds("default_parameter", "typed_default_parameter")
_TYPED: Final = kinds("typed_parameter")
_TUPLE: Final = kinds("tuple_pattern")
_DOC_LENGTH: Final = 300


@statement("decorated_definition")
def decorated(scope: ScopeWalk, node: Node, depth: int) -> str:
    """Decorators, then the definition."""
    decorators: list[Expr] = []
    decorator_lines: list[int] = []
    for part in scope.parts(node):
        kind_id = part.kind_id
        if kind_id in _DECORATOR:
            inner = next((p for p in scope.parts(part) if p.is_named), None)
            if inner is not None:
                decorators.append(EXPR[inner.kind_id](scope, inner, "decorator", -1, depth))
                decorator_lines.append(part.start_point.row + 1)
        elif kind_id in _DEFINITIONS:
            _define(scope, part, depth, tuple(decorators), tuple(decorator_lines))
    return ""


@statement("function_definition", "class_definition")
def definition(scope: ScopeWalk, node: Node, depth: int) -> str:
    """A definition without decorators."""
    _define(scope, node, depth, (), ())
    return ""


def _define(
    scope: ScopeWalk, node: Node, depth: int, decorators: tuple[Expr, ...], decorator_lines: tuple[int, ...]
) -> None:
    is_function = node.kind_id in _FUNCTION
    pending = Pending("function" if is_function else "class", "", node, None, depth + 1)
    pending.decorators, pending.decorator_lines = decorators, decorator_lines
    for part in scope.parts(node):
        kind_id = part.kind_id
        if kind_id == IDENTIFIER:
            pending.name = scope.file.word(part)
        elif kind_id in BLOCK:
            pending.body = part
        elif kind_id in _PARAMETERS:
            pending.params = parameters(scope, part, depth)
        elif kind_id == ARGUMENT_LIST:
            pending.bases, pending.keywords = arguments(scope, part, "stored", -1, depth)
        elif kind_id == TYPE:
            pending.returns = annotation(scope, part, depth)
        elif kind_id in _TYPE_PARAMETER:
            scope.file.sweep(part)
        elif not part.is_named and part.type == "async":
            pending.is_async = True
    _enqueue(scope, pending)


@expression("lambda")
def lambda_(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """`lambda a, b=1: body`."""
    if depth > MAX_DEPTH:
        return scope.too_deep(node)
    parts = scope.parts(node)
    pending = Pending("lambda", "<lambda>", node, parts[-1], depth + 1)
    for part in parts:
        if part.kind_id in _PARAMETERS:
            pending.params = parameters(scope, part, depth)
    return LambdaRef(_enqueue(scope, pending))


def _enqueue(scope: ScopeWalk, pending: Pending) -> int:
    file = scope.file
    pending.index = len(file.scopes)
    pending.parent = scope.index
    pending.qualname = f"{scope.qualname}.{pending.name}" if scope.index else pending.name
    pending.region = scope.region
    pending.order = scope.tick()
    file.scopes.append(None)
    file.pending.append(pending)
    return pending.index


# --- parameters ------------------------------------------------------------------------------------------------------


def parameters(scope: ScopeWalk, node: Node, depth: int) -> tuple[Param, ...]:
    """All parameters; their defaults and annotations are expressions of `scope`."""
    found: list[Param] = []
    positional = "positional"
    for child in node.children:
        kind_id = child.kind_id
        if kind_id == IDENTIFIER:
            found.append(Param(scope.file.word(child), positional, None, None))
        elif kind_id == _KEYWORD_MARK:
            positional = "keyword"
        elif kind_id == COMMENT:
            scope.file.comment(child)
        elif child.is_named:
            param = _parameter(scope, child, positional, depth)
            if param is not None:
                found.append(param)
                if param.kind == "args":
                    positional = "keyword"
    return tuple(found)


def _parameter(scope: ScopeWalk, node: Node, positional: str, depth: int) -> Param | None:
    kind_id = node.kind_id
    if kind_id in _STAR or kind_id in _STAR_STAR:
        return Param(_bare_name(scope, node), "args" if kind_id in _STAR else "kwargs", None, None)
    if kind_id in _TUPLE:
        return Param(scope.other(node).text, positional, None, None)
    if kind_id not in _DEFAULTED and kind_id not in _TYPED:
        scope.extra(node)
        return None
    parts = scope.parts(node)
    name = parts[0]
    written: Expr | None = None
    default: Expr | None = None
    for before, part in itertools.pairwise(parts):
        if part.kind_id == TYPE and before.type == ":":
            written = annotation(scope, part, depth)
        elif before.type == "=":
            default = EXPR[part.kind_id](scope, part, "default", -1, depth)
    shape = "args" if name.kind_id in _STAR else "kwargs" if name.kind_id in _STAR_STAR else positional
    return Param(_bare_name(scope, name), shape, written, default)


def _bare_name(scope: ScopeWalk, node: Node) -> str:
    return scope.file.word(node).lstrip("* ")


# --- bodies ----------------------------------------------------------------------------------------------------------


def read_scopes(file: FileWalk, root: Node) -> None:
    """Read the module and then, as they come up, all scopes below it."""
    module = Pending("module", "<module>", root, root, 0)
    file.scopes.append(None)
    file.pending.append(module)
    while file.pending:
        pending = file.pending.popleft()
        file.scopes[pending.index] = _read(file, pending)


def _read(file: FileWalk, pending: Pending) -> Scope:
    scope = ScopeWalk(file, pending.index, pending.qualname)
    node, body = pending.node, pending.body
    start, end = node.start_point, node.end_point
    lines = start.row + 1, last_line(node)
    if pending.kind == "module":
        lines = 1, max(1, end.row + (end.column > 0))
    opened = scope.enter()
    exits, only_pass = "", False
    if pending.kind == "lambda" and body is not None:
        value = EXPR[body.kind_id](scope, body, "returned", -1, pending.depth)
        scope.leaves.append(Leave("return", scope.tick(), 0, lines[0], value))
        exits = "return"
    else:
        exits, only_pass = block(scope, body, pending.depth)
    scope.leave(opened, "body", lines, 0, exits, only_pass)
    return Scope(
        pending.index, pending.parent, pending.kind, pending.name, pending.qualname, lines[0], lines[1], start.column,
        pending.is_async, scope.is_generator, pending.decorators, pending.decorator_lines, pending.bases,
        pending.keywords, pending.params, pending.returns, _docstring(scope, pending), pending.region, pending.order,
        tuple(scope.regions), tuple(scope.calls), tuple(scope.assigns), tuple(scope.leaves), tuple(scope.tests),
        tuple(scope.imports), tuple(scope.globals), scope.last_read,
    )  # fmt: skip


def _docstring(scope: ScopeWalk, pending: Pending) -> str:
    """The first paragraph of the docstring."""
    if pending.body is None or pending.kind == "lambda":
        return ""
    first = next((c for c in pending.body.children if c.kind_id != COMMENT), None)
    if first is None or first.kind_id not in _EXPRESSION_STATEMENT or first.child_count != 1:
        return ""
    inner = first.children[0]
    if inner.kind_id not in STRING or not _is_plain(scope, inner):
        return ""
    value = EXPR[inner.kind_id](scope, inner, "discarded", -1, 0)
    if not isinstance(value, Str):
        return ""
    text = "\n".join(line.strip() for line in value.value.strip()[: 2 * _DOC_LENGTH].splitlines())
    return text.partition("\n\n")[0][:_DOC_LENGTH].strip()


def _is_plain(scope: ScopeWalk, node: Node) -> bool:
    """Whether a string is no f-string: reading that once more would count its calls twice."""
    parts = [node] if node.kind_id in _SINGLE_STRING else scope.parts(node)
    return not any(is_interpolated(scope, part) for part in parts)
