"""Strings, numbers and other constants."""

from __future__ import annotations

import re
import unicodedata
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from roadworthy.facts.python.grammar import COMMENT, kinds, token
from roadworthy.facts.python.state import EXPR, MAX_DEPTH, STRING_ANNOTATION, ScopeWalk, expression
from roadworthy.facts.schema import Const, Expr, FStr, Other, Seq, Str

if TYPE_CHECKING:
    from tree_sitter import Node

MAX_STRING: Final = 20_000
_MAX_INT: Final = 2**63 - 1
_MAX_DIGITS: Final = 400

_INTERPOLATION: Final = kinds("interpolation")
_CONTENT: Final = kinds("string_content")
_START: Final = kinds("string_start")
_SPECIFIER: Final = kinds("format_specifier")
_CONVERSION: Final = kinds("type_conversion")
_EQUALS: Final = token("=")

_PREFIX: Final = re.compile(r"[A-Za-z]{0,3}(?=['\"])")
_ESCAPE: Final = re.compile(
    r"\\(?:\n|[\\'\"abfnrtv]|[0-7]{1,3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}\n]{1,100}\})"
)
_SIMPLE: Final = {
    "\n": "", "\\": "\\", "'": "'", '"': '"', "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
}  # fmt: skip

_NONE: Final = Const("none", None)
_TRUE: Final = Const("bool", True)
_FALSE: Final = Const("bool", False)
_ELLIPSIS: Final = Const("ellipsis", None)
_BYTES: Final = Const("bytes", None)


@expression("string")
def string(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """A string, f-string or bytes literal."""
    text = scope.text[node.start_byte : node.end_byte]
    first = text[:1]
    if (first == '"' or first == "'") and "\\" not in text:
        width = 3 if text[:3] == first * 3 and len(text) >= 6 else 1
        # A literal without its closing quote is told by the parser.
        if len(text) >= 2 * width and text.endswith(first * width):
            text = text[width:-width]
            if len(text) > MAX_STRING or not text.isascii():
                text = _cut(scope.file.decoded(text))
            if scope.in_annotation:
                return EXPR[STRING_ANNOTATION](scope, node, text, outer, depth)
            return Str(text)
    return _prefixed(scope, node, text, outer, depth)


def _prefixed(scope: ScopeWalk, node: Node, text: str, outer: int, depth: int) -> Expr:
    """A literal with a prefix or with escapes."""
    match = _PREFIX.match(text)
    prefix = match.group().lower() if match is not None else "`"
    if "f" in prefix or "t" in prefix:
        return _interpolated(scope, node, "r" in prefix, outer, depth)
    if "b" in prefix:
        return _BYTES
    if prefix == "`":
        return scope.other(node)
    quote = text[len(prefix)]
    width = 3 if text[len(prefix) : len(prefix) + 3] == quote * 3 and len(text) - len(prefix) >= 6 else 1
    body = text[len(prefix) + width :]
    body = scope.file.decoded(body.removesuffix(quote * width))
    return Str(_cut(body if "r" in prefix else unescaped(body)))


def is_interpolated(scope: ScopeWalk, node: Node) -> bool:
    """Whether a literal is an f-string or a template string."""
    match = _PREFIX.match(scope.text, node.start_byte)
    return match is not None and not set(match.group().lower()).isdisjoint("ft")


def _cut(text: str) -> str:
    return text[:MAX_STRING]


def _interpolated(scope: ScopeWalk, node: Node, raw: bool, outer: int, depth: int) -> Expr:
    """An f-string or template string."""
    if depth > MAX_DEPTH:
        return scope.too_deep(node)
    parts: list[Expr] = []
    for child in node.children:
        kind = child.kind_id
        if kind in _CONTENT:
            text = scope.file.word(child)
            text = (text if raw else unescaped(text)).replace("{{", "{").replace("}}", "}")
            parts.append(Str(_cut(text)))
        elif kind in _INTERPOLATION:
            # Several calls for one level of nesting: count it thrice.
            parts.extend(_hole(scope, child, outer, depth + 3))
        elif child.is_named and kind not in _START:
            scope.extra(child)
    return _joined(parts)


def _hole(scope: ScopeWalk, node: Node, outer: int, depth: int) -> list[Expr]:
    """`{value!r:>{width}}`: the value; the calls of a format specification are recorded only. `{value=}` is text as well."""
    parts: list[Expr] = []
    values: list[Expr] = []
    children = node.children
    for child, following in zip_longest(children, children[1:]):
        kind = child.kind_id
        if kind in _SPECIFIER:
            EXPR[kind](scope, child, "stored", outer, depth + 1)
        elif kind == COMMENT:
            scope.file.comment(child)
        elif kind == _EQUALS:
            end = child.end_byte if following is None else following.start_byte
            parts.append(Str(scope.file.decoded(scope.text[node.start_byte + 1 : end])))
        elif child.is_named and kind not in _CONVERSION:
            values.append(EXPR[kind](scope, child, "stored", outer, depth + 1))
    parts.append(values[0] if len(values) == 1 else Seq("tuple", tuple(values)))
    return parts


@expression("concatenated_string")
def concatenated(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """`"a" "b"`, joined."""
    parts: list[Expr] = []
    for child in scope.parts(node):
        part = EXPR[child.kind_id](scope, child, use, outer, depth)
        parts.extend(part.parts if isinstance(part, FStr) else (part,))
    return _BYTES if _BYTES in parts else _joined(parts)


def _joined(parts: list[Expr]) -> Expr:
    """Neighbouring literal parts become one; without a hole it is a plain string."""
    joined: list[Expr] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, Str) and isinstance(last, Str):
            joined[-1] = Str(_cut(last.value + part.value))
        else:
            joined.append(part)
    if not joined:
        return Str("")
    only = joined[0] if len(joined) == 1 else None
    return only if isinstance(only, Str) else FStr(tuple(joined))


def unescaped(text: str) -> str:
    """The characters that a literal's text means. An escape that is not one stays as it is."""
    if "\\" not in text:
        return text
    result = _ESCAPE.sub(_escape, text)
    # A lone surrogate cannot be written down as UTF-8.
    return result if result.isascii() else result.encode("utf-8", "replace").decode("utf-8")


def _escape(match: re.Match[str]) -> str:
    text = match.group()[1:]
    simple = _SIMPLE.get(text)
    if simple is not None:
        return simple
    try:
        if text[0] == "N":
            return unicodedata.lookup(text[2:-1])
        return chr(int(text, 8) if text[0].isdigit() else int(text[1:], 16))
    except (KeyError, ValueError, OverflowError):
        return match.group()


@expression("integer")
def integer(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """An integer, also `0777` and `10L` of Python 2. One that does not fit into 64 bits has no value."""
    text = scope.file.word(node)
    digits = text.rstrip("lL").replace("_", "")
    if digits[-1:] in ("j", "J"):
        return Other(text[:80])
    try:
        if digits.isdigit():
            value = int(digits, 8) if digits.startswith("0") and digits.strip("0") else int(digits[:_MAX_DIGITS])
        else:
            value = int(digits[:_MAX_DIGITS], 0)
    except ValueError:
        return scope.other(node)
    return Const("int", value if value <= _MAX_INT else None)


@expression("float")
def floating(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """A floating-point number; an imaginary one is `Other`."""
    try:
        return Const("float", float(scope.file.word(node)))
    except ValueError:
        return scope.other(node)


@expression("true")
def true(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """True."""
    return _TRUE


@expression("false")
def false(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """False."""
    return _FALSE


@expression("none")
def none(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """None."""
    return _NONE


@expression("ellipsis")
def ellipsis(scope: ScopeWalk, node: Node, use: str, outer: int, depth: int) -> Expr:
    """`...`."""
    return _ELLIPSIS
