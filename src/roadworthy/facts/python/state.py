"""What is carried along while a file is read: one `FileWalk` per file, one `ScopeWalk` per scope, and the two tables of
handlers by node kind through which the modules of this package call each other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, TypeVar

from tree_sitter import Node

from roadworthy.facts.python.grammar import ALL_KINDS, COMMENT, ERROR, EXTRAS, kinds
from roadworthy.facts.schema import (
    Assign,
    Attr,
    Call,
    Comment,
    Expr,
    Import,
    Leave,
    Name,
    Other,
    Param,
    Problem,
    Region,
    Scope,
    Test,
)

MAX_DEPTH: Final = 200
"""Syntax nested deeper than this is not looked into."""
MAX_PROBLEMS: Final = 20
OTHER_LENGTH: Final = 80
COMMENT_LENGTH: Final = 200
PATH_LENGTH: Final = 120
"""Dotted names longer than this are not remembered by their text."""

EMPTY_REGION: Final = Region("body", -1, 0, 0, 0, 0, 0, "")
EMPTY_CALL: Final = Call(-1, 0, 0, 0, 0, Other(""), (), (), False, "discarded")

Opened = tuple[int, int, int]
"""A region being filled: its index, its parent, the order of its first event."""


class Pending:
    """A function, class or lambda whose head has been read in the parent scope and whose body is still to be read."""

    __slots__ = (
        "bases", "body", "decorator_lines", "decorators", "depth", "index", "is_async", "keywords", "kind", "line",
        "name", "node", "order", "params", "parent", "qualname", "region", "returns",
    )  # fmt: skip

    def __init__(self, kind: str, name: str, node: Node, body: Node | None, depth: int) -> None:
        self.kind = kind
        self.name = name
        self.node = node
        self.body = body
        self.depth = depth
        self.index = 0
        self.parent = -1
        self.qualname = name
        self.line = 0
        self.is_async = False
        self.decorators: tuple[Expr, ...] = ()
        self.decorator_lines: tuple[int, ...] = ()
        self.bases: tuple[Expr, ...] = ()
        self.keywords: tuple[tuple[str, Expr], ...] = ()
        self.params: tuple[Param, ...] = ()
        self.returns: Expr | None = None
        self.region = 0
        self.order = 0


class FileWalk:
    """The state of one file."""

    __slots__ = ("comments", "data", "names", "paths", "pending", "problems", "scopes", "text")

    def __init__(self, data: bytes) -> None:
        self.replace(data)
        self.names: dict[str, Name] = {}
        self.paths: dict[str, tuple[Attr, tuple[str, ...]]] = {}
        self.pending: deque[Pending] = deque()
        self.scopes: list[Scope | None] = []
        self.comments: dict[int, Comment] = {}  # by their place: some nodes are looked at twice
        self.problems: list[Problem] = []

    def replace(self, data: bytes) -> None:
        """Read another source."""
        self.data = data
        # One character per byte: the byte offsets of the nodes are then offsets into a string, and most words need no decoding.
        self.text = data.decode("latin-1")

    def decoded(self, text: str) -> str:
        """A slice of `text` as the characters that it means."""
        return text if text.isascii() else text.encode("latin-1").decode("utf-8", "replace")

    def word(self, node: Node) -> str:
        """The source text of a node."""
        text = self.text[node.start_byte : node.end_byte]
        return text if text.isascii() else self.decoded(text)

    def problem(self, line: int, message: str) -> None:
        """Record a problem, unless there are enough of them or it is known."""
        problem = Problem(line, message)
        if len(self.problems) < MAX_PROBLEMS and problem not in self.problems:
            self.problems.append(problem)

    def comment(self, node: Node) -> None:
        """Record a comment."""
        text = self.word(node).lstrip("#").strip()
        self.comments[node.start_byte] = Comment(node.start_point.row + 1, text[:COMMENT_LENGTH])

    def sweep(self, node: Node) -> None:
        """Record the comments in a part of the tree that says nothing else to us."""
        stack = [node]
        while stack:
            found = stack.pop()
            if found.kind_id == COMMENT:
                self.comment(found)
            else:
                stack.extend(found.children)


class ScopeWalk:
    """The state of one scope: the lists of its facts and the place at which we are."""

    __slots__ = (
        "assigns", "broke", "calls", "depth", "file", "globals", "imports", "in_annotation", "in_error", "in_try",
        "in_type_checking", "index", "is_generator", "last_read", "leaves", "moved_star", "names", "order", "paths", "qualname", "region",
        "regions", "tests", "text",
    )  # fmt: skip

    def __init__(self, file: FileWalk, index: int, qualname: str) -> None:
        self.file = file
        self.text = file.text
        self.names = file.names
        self.paths = file.paths
        self.index = index
        self.qualname = qualname
        self.calls: list[Call] = []
        self.assigns: list[Assign] = []
        self.leaves: list[Leave] = []
        self.tests: list[Test] = []
        self.imports: list[Import] = []
        self.regions: list[Region] = []
        self.globals: list[str] = []
        self.last_read: dict[str, int] = {}
        self.order = 0
        self.region = -1
        self.is_generator = False
        self.depth = 0
        self.in_annotation = False
        self.in_error = False
        self.in_type_checking = False
        self.in_try = False
        self.broke = False
        self.moved_star = -1

    def tick(self) -> int:
        """The order of the event that happens now."""
        order = self.order
        self.order = order + 1
        return order

    def enter(self) -> Opened:
        """Begin a region inside the present one."""
        index, parent = len(self.regions), self.region
        self.regions.append(EMPTY_REGION)
        self.region = index
        return index, parent, self.order

    def leave(
        self,
        opened: Opened,
        kind: str,
        lines: tuple[int, int],
        group: int,
        exits: str,
        only_pass: bool,
        test: Expr | None = None,
        target: Expr | None = None,
        types: tuple[Expr, ...] = (),
        items: tuple[tuple[Expr, Expr | None], ...] = (),
        is_async: bool = False,
    ) -> None:
        """End the region that `enter` began."""
        index, parent, start = opened
        self.region = parent
        self.regions[index] = Region(
            kind, parent, lines[0], lines[1], start, self.order, group, exits, test, target, types, items, is_async, only_pass
        )  # fmt: skip

    def parts(self, node: Node) -> list[Node]:
        """The children of a node without comments, continued lines and what could not be parsed."""
        children = node.children
        for child in children:
            if child.kind_id in EXTRAS:
                return self._without_extras(children)
        return children

    def _without_extras(self, children: list[Node]) -> list[Node]:
        kept = []
        for child in children:
            if child.kind_id in EXTRAS:
                self.extra(child)
            else:
                kept.append(child)
        return kept

    def extra(self, node: Node) -> None:
        """Take what there is from a node that may stand anywhere: a comment, or calls in what could not be parsed."""
        if node.kind_id == COMMENT:
            self.file.comment(node)
        elif node.kind_id == ERROR:
            # Not into an error inside an error: the depth would no longer be bounded.
            if self.in_error:
                self.file.sweep(node)
            else:
                self.in_error = True
                STMT[ERROR](self, node, self.depth + 1)
                self.in_error = False

    def other(self, node: Node) -> Other:
        """An expression as source text."""
        text = self.text[node.start_byte : node.start_byte + OTHER_LENGTH * 4]
        size = node.end_byte - node.start_byte
        return Other(self.file.decoded(text[:size])[:OTHER_LENGTH])

    def too_deep(self, node: Node) -> Other:
        """What stands for an expression nested too deeply."""
        if not any(p.message == TOO_DEEP for p in self.file.problems):
            self.file.problem(node.start_point.row + 1, TOO_DEEP)
        self.file.sweep(node)
        return self.other(node)


TOO_DEEP: Final = "nested too deeply"

ExprHandler = Callable[[ScopeWalk, Node, str, int, int], Expr]
"""(scope, node, use of the value, index of the enclosing call, depth) -> expression."""
StmtHandler = Callable[[ScopeWalk, Node, int], str]
"""(scope, node, depth) -> how control leaves, as in `Region.exits`, or `NOTHING`."""

NOTHING: Final = "nothing"
"""What a statement without any effect answers: `pass`, `...`, a docstring."""

EXPR: Final[dict[int, ExprHandler]] = {}
STMT: Final[dict[int, StmtHandler]] = {}

STRING_ANNOTATION: Final = -2
"""The place in `EXPR` of the handler of a string in an annotation; it gets the text of the string as its `use`."""


_Handler = TypeVar("_Handler", bound=ExprHandler)


def expression(*names: str) -> Callable[[_Handler], _Handler]:
    """Register the handler of an expression node."""

    def register(handler: _Handler) -> _Handler:
        EXPR.update(dict.fromkeys(sorted(kinds(*names)), handler))
        return handler

    return register


def statement(*names: str) -> Callable[[StmtHandler], StmtHandler]:
    """Register the handler of a statement node."""

    def register(handler: StmtHandler) -> StmtHandler:
        STMT.update(dict.fromkeys(sorted(kinds(*names)), handler))
        return handler

    return register


def _unknown(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """Nodes without a handler of their own: keep the calls inside, and the text."""
    if depth > MAX_DEPTH:
        return scope.too_deep(node)
    for child in node.children:
        if child.kind_id == COMMENT:
            scope.file.comment(child)
        elif child.is_named:
            EXPR[child.kind_id](scope, child, "stored", outer, depth + 1)
    return scope.other(node)


EXPR.update(dict.fromkeys((*ALL_KINDS, ERROR), _unknown))
