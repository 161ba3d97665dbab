"""The call of the parser, with a bound on its work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tree_sitter import Parser

from roadworthy.facts.python.grammar import LANGUAGE

if TYPE_CHECKING:
    from tree_sitter import Node, Point

_CHUNK: Final = 1 << 16
_LEAST_STEPS: Final = 2_000
_BYTES_PER_STEP: Final = 20
"""Ordinary files need one step of the parser for 150 to 250 bytes. There are inputs whose number of steps grows with the
square of their length."""


def parse(source: bytes) -> Node | None:
    """The root of the tree, or None when the parser had not finished after a number of steps that depends on the length.

    Steps, not seconds: the answer is the same on every machine.
    """
    left = _LEAST_STEPS + len(source) // _BYTES_PER_STEP

    def read(start: int, _: Point) -> bytes:
        return source[start : start + _CHUNK]

    def is_over(_offset: int, _has_error: bool) -> bool:
        nonlocal left
        left -= 1
        return left < 0

    try:
        return Parser(LANGUAGE).parse(read, progress_callback=is_over).root_node
    except ValueError:
        return None
