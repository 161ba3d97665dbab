"""YAML as small values with lines. Anchors are followed by name where asked for and never copied out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import tree_sitter_yaml
from tree_sitter import Language, Parser

from roadworthy.facts.around.found import HOLE, MARK
from roadworthy.facts.around.yamltext import refusal, split_documents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

MAX_DEPTH = 60
MAX_NODES = 200_000
MAX_DOCUMENTS = 500
MERGES = 4

_LANGUAGE = Language(tree_sitter_yaml.language())


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text. `line` is the line of its first character; of a block scalar, its first content line."""

    line: int
    end_line: int
    text: str
    literal: bool = False  # `|`: line n of the text is line `line + n` of the file


@dataclass(frozen=True, slots=True)
class Alias:
    """`*name`."""

    line: int
    end_line: int
    name: str


@dataclass(frozen=True, slots=True)
class Items:
    """A sequence."""

    line: int
    end_line: int
    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Map:
    """A mapping, in order, duplicates kept."""

    line: int
    end_line: int
    pairs: tuple[tuple[Scalar, Value], ...]


Value = Scalar | Alias | Items | Map


@dataclass(frozen=True)
class Document:
    """One document with its anchors."""

    root: Value
    anchors: dict[str, Value]

    def resolve(self, value: Value | None) -> Value | None:
        """Follow an alias, a few times at most."""
        for _ in range(MERGES):
            if not isinstance(value, Alias):
                return value
            value = self.anchors.get(value.name)
        return None

    def get(self, value: Value | None, *path: str) -> Value | None:
        """The value at a path of keys; `<<` is looked through."""
        for key in path:
            value = self._key(self.resolve(value), key, MERGES)
        return self.resolve(value)

    def text(self, value: Value | None, *path: str) -> str | None:
        """The text of a scalar at a path, or None."""
        found = self.get(value, *path)
        return found.text if isinstance(found, Scalar) else None

    def pairs(self, value: Value | None) -> Iterator[tuple[Scalar, Value]]:
        """The mapping's own pairs, `<<` left out."""
        found = self.resolve(value)
        if isinstance(found, Map):
            yield from (pair for pair in found.pairs if pair[0].text != "<<")

    def items(self, value: Value | None) -> tuple[Value, ...]:
        """The items of a sequence, aliases followed."""
        found = self.resolve(value)
        if not isinstance(found, Items):
            return ()
        return tuple(item for item in map(self.resolve, found.items) if item is not None)

    def _key(self, value: Value | None, key: str, merges: int) -> Value | None:
        if not isinstance(value, Map):
            return None
        merged: list[Value] = []
        for name, inner in value.pairs:
            if name.text == key:
                return inner
            if name.text == "<<":
                merged.extend(inner.items[:MERGES] if isinstance(inner, Items) else (inner,))
        if merges:
            for base in merged:
                found = self._key(self.resolve(base), key, merges - 1)
                if found is not None:
                    return found
        return None


def read_documents(text: str) -> tuple[list[Document], list[tuple[int, str]]]:
    """The documents of a YAML text, each parsed by itself, and what could not be read."""
    documents: list[Document] = []
    problems: list[tuple[int, str]] = []
    for first, part in split_documents(text):
        if len(documents) >= MAX_DOCUMENTS:
            problems.append((first, f"more than {MAX_DOCUMENTS} YAML documents: the rest is not read"))
            break
        refused = refusal(part)
        if refused:
            problems.append((first, refused))
            continue
        root = Parser(_LANGUAGE).parse("\n".join(part).encode("utf-8", "replace")).root_node
        reader = _Reader(first - 1)
        value = reader.document(root)
        if value is not None:
            documents.append(Document(value, reader.anchors))
        if root.has_error:
            problems.append((first + _error_row(root), "this part of the YAML could not be parsed"))
        if reader.full:
            problems.append((first, "YAML with too many or too deep nodes is read in part"))
    return documents, problems


class _Reader:
    """Builds values from nodes; bounded in depth and number."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.nodes = 0
        self.full = False
        self.anchors: dict[str, Value] = {}

    def document(self, root: Node) -> Value | None:
        """The value of the first document that has one; of a broken text whatever pairs can be saved."""
        for node in root.named_children:
            if node.type == "document":
                for child in node.named_children:
                    value = self.value(child, 0)
                    if value is not None:
                        return value
        pairs = self._pairs(root, 0)
        return Map(self._line(root), self._end(root), pairs) if pairs else None

    def value(self, node: Node, depth: int) -> Value | None:
        """One node as a value; None for comments, errors and what is beyond the bounds."""
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            self.full = True
            return None
        kind = node.type
        if kind in ("block_node", "flow_node"):
            return self._node(node, depth)
        if kind in ("block_mapping", "flow_mapping"):
            return Map(self._line(node), self._end(node), self._pairs(node, depth))
        if kind in ("block_sequence", "flow_sequence"):
            return Items(self._line(node), self._end(node), tuple(self._items(node, depth)))
        if kind == "alias":
            return Alias(self._line(node), self._end(node), _text(node)[1:])
        if kind == "block_scalar":
            return self._block_scalar(node)
        if kind == "plain_scalar":
            return self._scalar(node, _fold(_text(node)))
        if kind == "single_quote_scalar":
            return self._scalar(node, _fold(_text(node)[1:-1]).replace("''", "'"))
        if kind == "double_quote_scalar":
            return self._scalar(node, _unescape(_text(node)[1:-1]))
        return None

    def _node(self, node: Node, depth: int) -> Value | None:
        name = ""
        value: Value | None = None
        for child in node.named_children:
            if child.type == "anchor":
                name = _text(child)[1:]
            elif child.type not in ("tag", "comment"):
                value = self.value(child, depth + 1)
        if name and value is not None:
            self.anchors[name] = value
        return value

    def _pairs(self, node: Node, depth: int) -> tuple[tuple[Scalar, Value], ...]:
        pairs: list[tuple[Scalar, Value]] = []
        for child in node.named_children:
            if child.type not in ("block_mapping_pair", "flow_pair"):
                continue
            key_node = child.child_by_field_name("key")
            value_node = child.child_by_field_name("value")
            key = self.value(key_node, depth + 1) if key_node is not None else None
            if not isinstance(key, Scalar):
                continue
            value = self.value(value_node, depth + 1) if value_node is not None else None
            pairs.append((key, value or Scalar(key.line, key.end_line, "")))
        return tuple(pairs)

    def _items(self, node: Node, depth: int) -> Iterator[Value]:
        for child in node.named_children:
            inner = child.named_children if child.type == "block_sequence_item" else [child]
            for item in inner:
                if item.type == "flow_pair":
                    yield Map(self._line(node), self._end(node), self._pairs(child, depth))
                    continue
                value = self.value(item, depth + 1)
                if value is not None:
                    yield value

    def _scalar(self, node: Node, text: str) -> Scalar:
        if text in ("~", "null"):
            text = ""
        return Scalar(self._line(node), self._end(node), text.replace(MARK, HOLE))

    def _block_scalar(self, node: Node) -> Scalar:
        head, _, body = _text(node).partition("\n")
        literal = head.startswith("|")
        lines = body.split("\n")
        while lines and not lines[-1].strip():
            lines.pop()
        indent = min((len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), default=0)
        lines = [line[indent:] for line in lines]
        text = "\n".join(lines) if literal else _folded(lines)
        first = self._line(node) + 1
        return Scalar(first, max(first, first + len(lines) - 1), text.replace(MARK, HOLE), literal)

    def _line(self, node: Node) -> int:
        return self.rows + node.start_point[0] + 1

    def _end(self, node: Node) -> int:
        row, column = node.end_point
        return self.rows + row + (0 if column == 0 and row > node.start_point[0] else 1)


def _folded(lines: list[str]) -> str:
    """A `>` scalar: single line ends become blanks, except around lines that are indented further."""
    out = ""
    for line in lines:
        if not line.strip():
            out += "\n"
        elif not out or out.endswith("\n"):
            out += line
        else:
            out += ("\n" if line.startswith(" ") else " ") + line
    return out


def _fold(text: str) -> str:
    """A quoted or plain scalar over several lines."""
    if "\n" not in text:
        return text
    parts = [part.strip() for part in text.split("\n")]
    return " ".join(part for part in parts if part)


def _unescape(text: str) -> str:
    known = {"n": "\n", "t": "\t", "0": "\0", "\n": ""}
    return re.sub(r"\\(.)", lambda m: known.get(m[1], m[1]), _fold(re.sub(r"\\\n\s*", "", text)), flags=re.DOTALL)


def _error_row(root: Node) -> int:
    node = root
    while node.type != "ERROR" and not node.is_missing:
        inner = next((c for c in node.children if c.has_error or c.is_missing), None)
        if inner is None:
            break
        node = inner
    return node.start_point[0]


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
